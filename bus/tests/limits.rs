//! Nothing grows or runs without bound.

mod common;

use common::*;
use netmart_bus::{
    Actor, Config, Context, Dataspace, Delivery, Down, DownPattern, Handler, QueueFull, Ran,
    Reason, Spawn, Time, Topic, WhenFull,
};

/// Hears itself for ever.
struct Narcissus;
impl Actor for Narcissus {}
impl Handler<Says> for Narcissus {
    fn handle(&mut self, message: Delivery<'_, Says>, ctx: &mut Context<'_, Self>) {
        ctx.send(message.take());
    }
}

#[test]
fn an_actor_that_hears_itself_cannot_hold_the_thread() {
    let mut space = Dataspace::new(Config { run_budget: 100, ..config() });
    space.spawn(Spawn::new("narcissus", Narcissus).subscribe::<Says>(SpotPattern::any()));
    space.inject(say(0, 0, 0)).expect("the queue has room");
    assert_eq!(space.run(Time::ZERO), Ran::BudgetSpent);
    let spent = space.counters().events;
    assert!(spent <= 100, "{spent} events in one run");
    assert_eq!(space.next_deadline(), Some(Time::ZERO), "there is more to do at once");
    assert_eq!(space.run(Time::ZERO), Ran::BudgetSpent);
    assert!(space.counters().events > spent, "and it goes on");
}

#[test]
fn a_timer_comes_due_while_others_talk_for_ever() {
    let mut space = Dataspace::new(Config { run_budget: 100, ..config() });
    let log = Log::default();
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, [Act::Timer(5, 1)]);
    space.spawn(Spawn::new("narcissus", Narcissus).subscribe::<Says>(SpotPattern::any()));
    space.inject(say(0, 0, 0)).expect("the queue has room");
    assert_eq!(space.run(Time::from_micros(5)), Ran::BudgetSpent);
    assert_eq!(log.take(), ["1: timer 1 at 5"]);
}

#[derive(Clone, Debug)]
struct Precious;
impl Topic for Precious {
    type Key = ();
    const NAME: &'static str = "Precious";
    const WHEN_FULL: WhenFull = WhenFull::StopSender;
    fn key(&self) -> &() {
        &()
    }
}

/// Sends more than there is room for.
struct Chatterbox {
    dear: bool,
}

impl Actor for Chatterbox {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        for _ in 0..10 {
            if self.dear {
                ctx.send(Precious);
            } else {
                ctx.send(say(0, 0, 0));
            }
        }
    }
}

fn tight() -> Dataspace {
    Dataspace::new(Config { queue_limit: 4, ..config() })
}

#[test]
fn messages_beyond_the_limit_are_dropped_and_counted() {
    let mut space = tight();
    space.spawn(Spawn::new("chatterbox", Chatterbox { dear: false }));
    idle(&mut space);
    let counters = space.counters();
    assert_eq!((counters.sent, counters.dropped), (4, 6));
    assert_eq!(space.footprint().actors, 1, "who sent them goes on");
}

#[test]
fn a_topic_can_ask_that_the_sender_be_stopped_instead() {
    let mut space = tight();
    space.spawn(Spawn::new("chatterbox", Chatterbox { dear: true }));
    idle(&mut space);
    assert_eq!((space.counters().sent, space.footprint().actors), (4, 0));
    let downs = space.facts::<Down>(&DownPattern::any());
    assert_eq!(downs[0].reason, Reason::QueueFull("Precious"));
}

#[test]
fn the_host_is_told_that_the_queue_is_full() {
    let mut space = tight();
    for _ in 0..4 {
        space.inject(say(0, 0, 0)).expect("the queue has room");
    }
    assert_eq!(space.inject(say(0, 0, 0)), Err(QueueFull));
    idle(&mut space);
    assert!(space.inject(say(0, 0, 0)).is_ok());
}

#[test]
fn an_actor_that_states_more_than_twice_the_limit_in_one_turn_ends() {
    let (mut space, log) = (tight(), Log::default());
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, (0..9).map(|colour| Act::Assert(lit(0, 0, colour))).collect::<Vec<_>>());
    let downs = space.facts::<Down>(&DownPattern::any());
    assert_eq!(downs[0].reason, Reason::QueueFull("Lit"));
    assert_eq!(space.footprint().leases, 1, "only the news of its end is left");
}
