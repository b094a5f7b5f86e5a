//! Members of the cast that crash are started again, and rebuild what they knew from the facts and
//! interests of the others: connections survive, listeners and wishes stay served, once each.

mod common;

use std::time::Duration;

use common::{Pair, Script, Shared, Story};
use netmart::actors::message::{
    Bound, BoundPattern, Listening, ListeningPattern, UdpDatagram, UdpPattern,
};
use netmart::bus::{Actor, ActorId, Context, Dataspace, Delivery, Handler, Spawn};
use netmart::sim::{StackId, WireConfig};

const MINUTES: Duration = Duration::from_secs(300);

const MEMBERS: [&str; 7] =
    ["ledger", "port allocator", "ip", "codec", "udp", "listener matcher", "dialer"];

const TRANSFER: usize = 1_000_000;

fn named(space: &Dataspace, name: &str) -> Vec<ActorId> {
    space.actors().into_iter().filter(|(_, n)| *n == name).map(|(id, _)| id).collect()
}

fn crash(pair: &mut Pair, stack: StackId, name: &str) {
    let members = named(&pair.sim[stack], name);
    assert_eq!(members.len(), 1, "{name}");
    pair.sim[stack].crash(members[0]);
}

/// A pair with a transfer in the middle of it.
fn busy_pair(seed: u64) -> (Pair, Shared<Story>) {
    let mut pair = Pair::new(seed, WireConfig::with_delay(Duration::from_millis(10)));
    pair.serve(80, |_| Script::new(2, TRANSFER, 1));
    let story = pair.dial("10.0.0.2:80", Script::new(1, TRANSFER, 2));
    let _ = pair.sim.run_while(MINUTES, |_| story.borrow().received < TRANSFER / 10);
    (pair, story)
}

fn assert_exact(story: &Shared<Story>, what: &str) {
    let story = story.borrow();
    assert_eq!((story.received, story.wrong_at, story.ended), (TRANSFER, None, true), "{what}");
}

/// Both sides have every member once, the transfer ends as if nothing had happened, and others can be made.
fn assert_all_goes_on(pair: &mut Pair, story: &Shared<Story>, what: &str) {
    let second = pair.dial("10.0.0.2:80", Script::new(1, TRANSFER, 2));
    let _ = pair.sim.run_for(MINUTES);
    assert_exact(story, what);
    assert_exact(&second, what);
    assert_eq!(pair.server_stories().len(), 2, "{what}: nothing was dialled or accepted twice");
    for stack in [pair.client, pair.server] {
        for name in MEMBERS {
            assert_eq!(named(&pair.sim[stack], name).len(), 1, "{name} after the crash of {what}");
        }
    }
    let listening = pair.sim[pair.server].facts::<Listening>(&ListeningPattern::any());
    assert_eq!(listening.len(), 1, "{what}");
}

#[test]
fn each_member_of_the_cast_may_crash_in_the_middle_of_a_transfer() {
    for name in MEMBERS {
        for side in [|pair: &Pair| pair.client, |pair: &Pair| pair.server] {
            let (mut pair, story) = busy_pair(1);
            let stack = side(&pair);
            crash(&mut pair, stack, name);
            let _ = pair.sim.run_for(Duration::ZERO);
            assert_eq!(named(&pair.sim[stack], name), [], "{name} is down for a moment");
            assert_all_goes_on(&mut pair, &story, name);
            assert_eq!(pair.sim[stack].counters().panics, 1, "{name}: nobody else panicked");
        }
    }
}

#[test]
fn all_members_may_crash_at_once_again_and_again() {
    let (mut pair, story) = busy_pair(2);
    for _ in 0..3 {
        for stack in [pair.client, pair.server] {
            MEMBERS.iter().for_each(|name| crash(&mut pair, stack, name));
        }
        let _ = pair.sim.run_for(Duration::from_millis(50));
    }
    assert_all_goes_on(&mut pair, &story, "all");
}

#[test]
fn a_question_to_a_port_allocator_that_is_down_is_asked_again() {
    let mut pair = Pair::new(3, WireConfig::with_delay(Duration::from_millis(10)));
    let (client, server) = (pair.client, pair.server);
    let _ = pair.sim.run_for(Duration::from_millis(1));
    for stack in [client, server] {
        crash(&mut pair, stack, "port allocator");
    }
    pair.serve(80, |_| Script::new(2, TRANSFER, 1));
    let stories = [1, 2].map(|_| pair.dial("10.0.0.2:80", Script::new(1, TRANSFER, 2)));
    let _ = pair.sim.run_for(MINUTES);
    stories.iter().for_each(|story| assert_exact(story, "asked again"));
}

#[test]
fn a_dialer_that_crashed_forgets_its_wishes_when_their_users_leave() {
    let mut pair = Pair::new(4, WireConfig::with_delay(Duration::from_millis(10)));
    pair.serve(80, |_| Script::new(2, TRANSFER, 1));
    let _ = pair.sim.run_for(Duration::from_millis(1));
    let before = pair.sim[pair.client].footprint();
    let story = pair.dial("10.0.0.2:80", Script::new(1, TRANSFER, 2));
    let _ = pair.sim.run_while(MINUTES, |_| story.borrow().received < TRANSFER / 10);
    let client = pair.client;
    crash(&mut pair, client, "dialer");
    let _ = pair.sim.run_for(MINUTES);
    assert_exact(&story, "dialer");
    let mut after = pair.sim[client].footprint();
    // That it was down is a fact that stays.
    after.leases -= 1;
    assert_eq!(after, before);
}

/// Has an end bound.
struct Binder;

impl Actor for Binder {}

impl Handler<UdpDatagram> for Binder {
    fn handle(&mut self, _: Delivery<'_, UdpDatagram>, _: &mut Context<'_, Self>) {}
}

#[test]
fn the_ends_that_udp_had_bound_are_bound_again() {
    let mut pair = Pair::new(5, WireConfig::default());
    let local: std::net::SocketAddr = "0.0.0.0:53".parse().unwrap();
    let client = pair.client;
    let binder = Spawn::new("binder", Binder)
        .subscribe::<UdpDatagram>(UdpPattern::any().local(local.into()));
    pair.sim[client].spawn(binder);
    let bound = |pair: &Pair| pair.sim[pair.client].facts::<Bound>(&BoundPattern::any()).len();
    let _ = pair.sim.run_for(Duration::from_millis(1));
    assert_eq!(bound(&pair), 1);
    crash(&mut pair, client, "udp");
    let _ = pair.sim.run_for(Duration::ZERO);
    assert_eq!(bound(&pair), 0);
    let _ = pair.sim.run_for(Duration::from_secs(2));
    assert_eq!(bound(&pair), 1);
}
