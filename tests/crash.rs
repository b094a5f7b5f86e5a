//! Whatever actor panics: its interests vanish, watchers are told, the others go on, and standing demand
//! for a listener starts a new one.

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use common::{Pair, Script};
use netmart::actors::address::{FlowPattern, Listener};
use netmart::actors::message::{
    Channel, ChannelPattern, CloseReason, Established, Listening, ListeningPattern,
    OfListenerPattern, PortInUse, PortPattern, SegmentsIn,
};
use netmart::bus::{
    Actor, ActorId, Change, Context, Dataspace, Down, DownPattern, Role, Spawn, Watcher,
};
use netmart::proto::tcp;
use netmart::sim::{StackId, WireConfig};

const MINUTE: Duration = Duration::from_secs(60);

/// Remembers who went down.
struct Witness(Rc<RefCell<Vec<ActorId>>>);

impl Actor for Witness {}

impl Watcher<Down> for Witness {
    fn changed(&mut self, change: Change<Down>, _ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(down) = change {
            self.0.borrow_mut().push(down.actor());
        }
    }
}

/// A pair with a connection that sends slowly in both directions, somewhere in the middle of it.
fn busy_pair(seed: u64) -> (Pair, common::Shared<common::Story>) {
    let mut pair = Pair::new(seed, WireConfig::with_delay(Duration::from_millis(10)));
    pair.serve(80, |_| Script::new(2, 3_000_000, 1));
    let story = pair.dial("10.0.0.2:80", Script::new(1, 3_000_000, 2));
    let _ = pair.sim.run_while(MINUTE, |_| story.borrow().received < 100_000);
    (pair, story)
}

fn named(space: &Dataspace, name: &str) -> Vec<ActorId> {
    space.actors().into_iter().filter(|(_, n)| *n == name).map(|(id, _)| id).collect()
}

/// The patterns of all state vectors.
fn vectors(space: &Dataspace) -> Vec<FlowPattern> {
    let vectors = space.interests::<SegmentsIn>(Role::Subscriber, &FlowPattern::any());
    vectors.into_iter().map(|interest| interest.pattern).collect()
}

#[test]
fn whichever_actor_of_a_stack_panics_it_is_told_and_the_rest_goes_on() {
    let (pair, _) = busy_pair(1);
    let names: BTreeSet<String> = [pair.client, pair.server]
        .into_iter()
        .flat_map(|stack| pair.sim[stack].actors())
        .map(|(_, name)| name.into_owned())
        .collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        for side in [|pair: &Pair| pair.client, |pair: &Pair| pair.server] {
            let (mut pair, _) = busy_pair(1);
            panic_and_go_on(&mut pair, &name, side);
        }
    }
}

fn panic_and_go_on(pair: &mut Pair, name: &str, side: fn(&Pair) -> StackId) {
    let stack = side(pair);
    let Some(&victim) = named(&pair.sim[stack], name).first() else { return };
    let witnessed = Rc::default();
    let witness = Spawn::new("witness", Witness(Rc::clone(&witnessed)));
    pair.sim[stack].spawn(witness.watch::<Down>(DownPattern::any()));
    let others: BTreeSet<_> = pair.sim[stack].actors().into_iter().map(|(id, _)| id).collect();
    pair.sim[stack].crash(victim);
    let _ = pair.sim.run_for(Duration::ZERO);

    assert_eq!(*witnessed.borrow(), [victim], "{name}: watchers are told");
    let space = &pair.sim[stack];
    assert_eq!(space.counters().panics, 1, "{name}: nobody is taken along");
    let left: BTreeSet<_> = space.actors().into_iter().map(|(id, _)| id).collect();
    // Besides the victim, at most those leave in order who served the same connection.
    let gone: Vec<_> = others.difference(&left).collect();
    assert!(gone.contains(&&victim) && gone.len() <= 4, "{name}: {gone:?}");
    // Time goes on without anybody getting stuck.
    assert!(pair.sim.run_for(MINUTE).is_orderly(), "{name}");
}

#[test]
fn a_crashed_state_vector_ends_its_connection_and_no_other() {
    let (mut pair, story) = busy_pair(2);
    let other = pair.dial("10.0.0.2:80", Script::new(1, 500_000, 2));
    let victim = named(&pair.sim[pair.client], "state vector")[0];
    pair.sim[pair.client].crash(victim);
    let _ = pair.sim.run_for(Duration::from_secs(300));
    let closed = story.borrow().closed.clone();
    assert_eq!(closed, Some(CloseReason::Crashed));
    let other = other.borrow();
    assert_eq!((other.received, other.wrong_at, other.ended), (3_000_000, None, true));
    // The peer's data met nobody, and was answered with RST.
    let there = pair.server_stories();
    assert!(
        there.iter().any(|story| { story.closed == Some(CloseReason::Ended(tcp::Reason::Reset)) })
    );
}

#[test]
fn a_crashed_relay_ends_its_connection_and_leaves_nothing_behind() {
    let (mut pair, story) = busy_pair(3);
    let client = pair.client;
    let victim = named(&pair.sim[client], "relay")[0];
    pair.sim[client].crash(victim);
    let _ = pair.sim.run_for(Duration::from_secs(300));
    assert!(!story.borrow().ended);
    assert_eq!(vectors(&pair.sim[client]), []);
    let held = pair.sim[client].facts::<PortInUse>(&PortPattern::any());
    assert_eq!(held, []);
}

#[test]
fn a_crashed_listener_is_started_again_and_its_connections_go_on() {
    let (mut pair, story) = busy_pair(4);
    let server = pair.server;
    let listening = ListeningPattern::any().listener(Listener::on(80));
    let victim = named(&pair.sim[server], "listener")[0];
    pair.sim[server].crash(victim);
    let _ = pair.sim.run_for(Duration::from_secs(1));
    let again = named(&pair.sim[server], "listener");
    assert_eq!(again.len(), 1);
    assert_ne!(again[0], victim);
    assert_eq!(pair.sim[server].facts::<Listening>(&listening).len(), 1);
    let second = pair.dial("10.0.0.2:80", Script::new(1, 1000, 2));
    let _ = pair.sim.run_for(Duration::from_secs(300));
    assert_eq!(story.borrow().received, 3_000_000, "the first was not disturbed");
    assert_eq!(second.borrow().received, 3_000_000, "the new listener serves");
    assert_eq!(pair.sim[server].facts::<Established>(&OfListenerPattern::any()), []);
}

#[test]
fn a_crashed_application_resets_its_connection_and_takes_its_interests_along() {
    let (mut pair, story) = busy_pair(5);
    let client = pair.client;
    let victim = named(&pair.sim[client], "app")[0];
    pair.sim[client].crash(victim);
    let _ = pair.sim.run_for(Duration::from_secs(300));
    assert!(story.borrow().closed.is_none(), "it never heard of it");
    let left = pair.sim[client].interests::<Channel>(Role::Subscriber, &ChannelPattern::any());
    assert_eq!(left, []);
    assert_eq!(vectors(&pair.sim[client]), []);
    assert!(pair.server_stories()[0].closed.is_some(), "the peer was told");
}
