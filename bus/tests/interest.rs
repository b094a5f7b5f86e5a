//! Interest as facts, at the size at which it must not be walked.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::*;
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Interest, Role, Spawn, Topic, Watcher,
};

netmart_bus::key! {
    /// The two ends of a call.
    #[derive(Copy)]
    struct Call / CallPattern { from: u32, to: u32 }
}

#[derive(Clone, Debug)]
struct Speech {
    call: Call,
}

impl Topic for Speech {
    type Key = Call;
    const NAME: &'static str = "Speech";
    fn key(&self) -> &Call {
        &self.call
    }
}

/// Counts what it is told of who listens.
#[derive(Default)]
struct Switchboard(Rc<RefCell<Vec<(&'static str, usize)>>>);
impl Actor for Switchboard {}
impl Watcher<Interest<Speech>> for Switchboard {
    fn changed(&mut self, change: Change<Interest<Speech>>, _ctx: &mut Context<'_, Self>) {
        self.0.borrow_mut().push(match change {
            Change::Snapshot(all) => ("snapshot", all.len()),
            Change::Appeared(_) => ("appeared", 1),
            Change::Gone(_) => ("gone", 1),
        });
    }
}

struct Listener;
impl Actor for Listener {}
impl Handler<Speech> for Listener {
    fn handle(&mut self, _message: Delivery<'_, Speech>, _ctx: &mut Context<'_, Self>) {}
}

#[test]
fn wildcards_on_either_side_are_seen_among_thousands() {
    let mut space = space();
    for from in 0..2_000 {
        let pattern = Call { from, to: from % 10 }.exactly();
        space.spawn(Spawn::new("listener", Listener).subscribe::<Speech>(pattern));
    }
    let news = Rc::default();
    for pattern in [
        CallPattern::any().to(3),
        CallPattern::any(),
        CallPattern::any().from(5),
        Call { from: 13, to: 3 }.exactly(),
        Call { from: 14, to: 3 }.exactly(),
    ] {
        let board = Switchboard(Rc::clone(&news));
        let spawn = Spawn::new("switchboard", board);
        space.spawn(spawn.watch_interest::<Speech>(Role::Subscriber, pattern));
    }
    idle(&mut space);
    let sizes: Vec<usize> = news.take().into_iter().map(|(_, count)| count).collect();
    assert_eq!(sizes, [200, 2_000, 1, 1, 0]);
    let wild = Spawn::new("listener", Listener).subscribe::<Speech>(CallPattern::any().to(3));
    let wild = space.spawn(wild);
    idle(&mut space);
    assert_eq!(news.take(), [("appeared", 1); 5], "all five overlap it");
    space.stop(wild);
    idle(&mut space);
    assert_eq!(news.take(), [("gone", 1); 5]);
}

#[test]
fn an_observer_is_not_taken_for_a_participant() {
    let (mut space, log) = (space(), Log::default());
    for number in 1..=2 {
        space.spawn(Probe::spawn(number, &log));
    }
    tell(&mut space, 1, [Act::WatchInterest(Role::Subscriber, SpotPattern::any())]);
    tell(&mut space, 2, [Act::Observe(SpotPattern::any())]);
    assert_eq!(log.take(), ["1: Snapshot([])"]);
    space.inject(say(1, 1, 0)).expect("the queue has room");
    idle(&mut space);
    assert_eq!(log.take(), ["2: Says { at: Spot { x: 1, y: 1 }, hops: 0 }"]);
}

#[test]
fn no_message_overtakes_the_presence_change_before_it() {
    let (mut space, log) = (space(), Log::default());
    for number in 1..=2 {
        space.spawn(Probe::spawn(number, &log));
    }
    tell(&mut space, 1, [Act::Subscribe(SpotPattern::any()), Act::Watch(SpotPattern::any())]);
    log.take();
    let acts = [
        Act::Say(say(0, 0, 0)),
        Act::Assert(lit(1, 1, 1)),
        Act::Say(say(2, 2, 0)),
        Act::Release(0),
        Act::Say(say(3, 3, 0)),
    ];
    tell(&mut space, 2, acts);
    let kinds: Vec<String> = log.take().iter().map(|line| line[3..7].to_owned()).collect();
    assert_eq!(kinds, ["Says", "Appe", "Says", "Gone", "Says"]);
}

#[test]
fn a_snapshot_lists_facts_by_age_whatever_the_pattern() {
    let (mut space, log) = (space(), Log::default());
    space.spawn(Probe::spawn(1, &log));
    space.spawn(Probe::spawn(2, &log));
    tell(&mut space, 1, [9, 4, 7, 1].map(|x| Act::Assert(lit(x, x % 2, 0))));
    tell(&mut space, 1, [Act::Release(1), Act::Assert(lit(4, 0, 0)), Act::Assert(lit(3, 1, 0))]);
    for pattern in [SpotPattern::any(), SpotPattern::any().y(1), SpotPattern::any().y(1)] {
        tell(&mut space, 2, [Act::Watch(pattern)]);
    }
    let places = |line: &String| -> Vec<u8> {
        let spots = line.split("x: ").skip(1);
        spots.filter_map(|spot| spot.split(',').next()?.parse().ok()).collect()
    };
    let snapshots: Vec<_> = log.take().iter().map(places).collect();
    assert_eq!(snapshots, [vec![9, 7, 1, 4, 3], vec![9, 7, 1, 3], vec![9, 7, 1, 3]]);
}
