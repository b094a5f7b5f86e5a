//! What a turn is, and what a panic, a failure or a stop leaves behind.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::*;
use netmart_bus::{Actor, Context, Delivery, Down, DownPattern, Handler, Reason, Spawn, Topic};

const ANY: SpotPattern = SpotPattern { x: None, y: None };

fn probes(count: u8) -> (netmart_bus::Dataspace, Log) {
    let (mut space, log) = (space(), Log::default());
    for number in 1..=count {
        space.spawn(Probe::spawn(number, &log));
    }
    idle(&mut space);
    (space, log)
}

#[test]
fn a_panic_drops_the_turn_retracts_the_actor_and_is_told() {
    let (mut space, log) = probes(2);
    tell(&mut space, 2, [Act::Subscribe(ANY), Act::Watch(ANY)]);
    tell(&mut space, 1, [Act::Assert(lit(0, 0, 1))]);
    space.spawn(Spawn::new("mourner", Probe::new(9, &log)).watch::<Down>(DownPattern::any()));
    idle(&mut space);
    log.take();
    tell(&mut space, 1, [Act::Say(say(1, 1, 0)), Act::Assert(lit(5, 5, 5)), Act::Panic]);
    assert_eq!(
        log.take(),
        ["2: Gone(Lit { at: Spot { x: 0, y: 0 }, colour: 1 })", "9: probe 1 panicked: told to"],
        "neither the message nor the second fact was ever there"
    );
    let downs = space.facts::<Down>(&DownPattern::any());
    assert_eq!(downs[0].reason, Reason::Panicked("told to".into()));
    assert_eq!(space.counters().panics, 1);
}

#[test]
fn a_panic_of_one_recipient_does_not_lose_the_message_for_the_others() {
    let (mut space, log) = probes(3);
    for number in 1..=3 {
        tell(&mut space, number, [Act::Subscribe(ANY)]);
    }
    space.inject(say(1, 1, PANIC)).expect("the queue has room");
    idle(&mut space);
    assert_eq!(log.take().len(), 3, "all three heard it, and panicked one by one");
    assert_eq!((space.counters().panics, space.footprint().actors), (3, 0));
}

#[test]
fn what_an_actor_did_before_it_stops_stands_and_nothing_after_it_does() {
    let (mut space, log) = probes(2);
    tell(&mut space, 2, [Act::Subscribe(ANY)]);
    tell(&mut space, 1, [Act::Say(say(1, 1, 0)), Act::Stop, Act::Say(say(2, 2, 0))]);
    assert_eq!(log.take(), ["2: Says { at: Spot { x: 1, y: 1 }, hops: 0 }"]);
    assert_eq!(space.facts::<Down>(&DownPattern::any()), [], "a stop is quiet");
    tell(&mut space, 2, [Act::Fail, Act::Say(say(2, 2, 0))]);
    let downs = space.facts::<Down>(&DownPattern::any());
    assert_eq!(downs[0].reason, Reason::Failed("told to".into()));
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_panic_after_a_stop_is_a_crash_that_drops_the_whole_turn() {
    for end in [Act::Stop, Act::Fail] {
        let (mut space, log) = probes(2);
        tell(&mut space, 2, [Act::Subscribe(ANY)]);
        tell(&mut space, 1, [Act::Say(say(1, 1, 0)), end, Act::Panic]);
        assert_eq!(log.take(), [""; 0]);
        let downs = space.facts::<Down>(&DownPattern::any());
        assert_eq!(downs[0].reason, Reason::Panicked("told to".into()));
        assert_eq!((downs.len(), space.footprint().actors), (1, 1));
    }
}

#[test]
fn a_stop_by_the_host_waits_for_what_the_actor_has_committed() {
    let (mut space, log) = probes(2);
    tell(&mut space, 2, [Act::Watch(ANY)]);
    log.take();
    let script = Script { to: Probed { number: 1 }, acts: vec![Act::Assert(lit(0, 0, 1))] };
    space.inject(script.clone()).expect("the queue has room");
    let (first, _) = space.actors()[0];
    space.stop(first);
    space.inject(script).expect("the queue has room");
    idle(&mut space);
    let fact = "(Lit { at: Spot { x: 0, y: 0 }, colour: 1 })";
    assert_eq!(log.take(), [format!("2: Appeared{fact}"), format!("2: Gone{fact}")]);
    assert_eq!(space.footprint().actors, 1);
}

#[test]
fn a_crash_retracts_in_the_order_of_assertion() {
    let (mut space, log) = probes(2);
    tell(&mut space, 2, [Act::Watch(ANY)]);
    tell(&mut space, 1, [3, 1, 2].map(|colour| Act::Assert(lit(0, 0, colour))));
    tell(&mut space, 1, [Act::Release(1), Act::Assert(lit(0, 0, 1))]);
    log.take();
    tell(&mut space, 1, [Act::Panic]);
    let gone: Vec<_> =
        log.take().iter().filter_map(|l| l.rsplit("colour: ").next()?.chars().next()).collect();
    assert_eq!(gone, ['3', '2', '1']);
}

/// Panics when it is dropped.
struct Sore(Rc<Cell<u32>>);

impl Actor for Sore {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.stop();
    }
}

impl Drop for Sore {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        panic!("told to");
    }
}

#[test]
fn a_panic_in_the_drop_of_an_actor_is_contained_and_told() {
    let (mut space, drops) = (space(), Rc::new(Cell::new(0)));
    space.spawn(Spawn::new("sore", Sore(Rc::clone(&drops))));
    idle(&mut space);
    assert_eq!((drops.get(), space.footprint().actors), (1, 0));
    let downs = space.facts::<Down>(&DownPattern::any());
    assert_eq!(downs[0].reason, Reason::Panicked("told to".into()));
}

#[test]
fn only_the_newest_downs_are_kept() {
    let mut space = netmart_bus::Dataspace::new(netmart_bus::Config { down_limit: 2, ..config() });
    let log = Log::default();
    for number in 1..=3 {
        space.spawn(Probe::spawn(number, &log));
        tell(&mut space, number, [Act::Fail]);
    }
    let names: Vec<_> =
        space.facts::<Down>(&DownPattern::any()).into_iter().map(|down| down.name).collect();
    assert_eq!(names, ["probe 2", "probe 3"]);
    assert_eq!(space.footprint().leases, 2);
}

/// Spawns a probe together with its first message.
struct Parent(Log);
impl Actor for Parent {}
impl Handler<Says> for Parent {
    fn handle(&mut self, message: Delivery<'_, Says>, ctx: &mut Context<'_, Self>) {
        ctx.send(say(7, 7, 0));
        let child = Spawn::new("child", Probe::new(2, &self.0))
            .subscribe::<Says>(SpotPattern::any().x(7))
            .watch::<Lit>(SpotPattern::any())
            .assert(lit(7, 7, 7))
            .deliver(message.take());
        ctx.spawn(child);
        ctx.send(say(7, 8, 0));
    }
}

#[test]
fn a_spawn_with_its_interests_and_first_messages_is_one_action() {
    let (mut space, log) = (space(), Log::default());
    let parent = Spawn::new("parent", Parent(log.clone()));
    space.spawn(parent.subscribe::<Says>(SpotPattern::any().x(0)));
    space.inject(say(0, 0, 0)).expect("the queue has room");
    idle(&mut space);
    assert_eq!(
        log.take(),
        [
            "2: Snapshot([])",
            "2: Appeared(Lit { at: Spot { x: 7, y: 7 }, colour: 7 })",
            "2: Says { at: Spot { x: 0, y: 0 }, hops: 0 }",
            "2: Says { at: Spot { x: 7, y: 8 }, hops: 0 }",
        ],
        "what was said before the spawn is not heard, what was said after it is"
    );
}

#[test]
fn a_handle_of_another_actor_dropped_in_a_turn_that_panics_stays_dropped() {
    /// Gives its handle away.
    #[derive(Clone, Debug)]
    struct Gift(Rc<RefCell<Option<netmart_bus::Handle>>>);
    impl Topic for Gift {
        type Key = ();
        const NAME: &'static str = "Gift";
        fn key(&self) -> &() {
            &()
        }
    }
    struct Giver;
    impl Actor for Giver {
        fn started(&mut self, ctx: &mut Context<'_, Self>) {
            let handle = ctx.assert(lit(1, 1, 1));
            ctx.send(Gift(Rc::new(RefCell::new(Some(handle)))));
        }
    }
    struct Taker;
    impl Actor for Taker {}
    impl Handler<Gift> for Taker {
        fn handle(&mut self, gift: Delivery<'_, Gift>, _ctx: &mut Context<'_, Self>) {
            drop(gift.0.take());
            panic!("told to");
        }
    }
    let mut space = space();
    space.spawn(Spawn::new("taker", Taker).subscribe::<Gift>(()));
    space.spawn(Spawn::new("giver", Giver));
    idle(&mut space);
    assert_eq!(space.facts::<Lit>(&SpotPattern::any()), [], "dropped is dropped");
}

#[test]
fn dropping_the_dataspace_drops_actors_messages_and_all() {
    let witness = Rc::new(());
    struct Holder(#[expect(dead_code, reason = "held to be dropped")] Rc<()>);
    impl Actor for Holder {
        fn started(&mut self, ctx: &mut Context<'_, Self>) {
            ctx.assert(lit(1, 1, 1)).keep();
        }
    }
    let mut space = space();
    space.spawn(Spawn::new("ran", Holder(Rc::clone(&witness))));
    idle(&mut space);
    space.spawn(Spawn::new("waits", Holder(Rc::clone(&witness))));
    let held = space.assert(lit(2, 2, 2));
    assert_eq!(Rc::strong_count(&witness), 3);
    drop(space);
    assert_eq!(Rc::strong_count(&witness), 1);
    drop(held);
}
