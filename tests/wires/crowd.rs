//! A thousand connections at once to one listener: none disturbs another.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart::actors::message::{Connected, ConnectionPattern};
use netmart::proto::wires::{Chunk, Directions, Kind};
use netmart::sim::Stopped;

use crate::apps::{Finish, GO};
use crate::content::{assemble, noise, writes};
use crate::two::{Two, weather};

const CROWD: u32 = 1_000;

/// What client `number` says: its number, and octets that follow from it.
fn said(number: u32) -> Bytes {
    let mut octets = number.to_be_bytes().to_vec();
    octets.extend(noise(number.into(), 100 + number as usize % 700));
    octets.into()
}

/// What it is answered.
fn answer(number: u32) -> Bytes {
    noise(u64::from(number) << 32, 50 + number as usize % 300).into()
}

fn number(chunk: &Chunk) -> u32 {
    u32::from_be_bytes(*chunk.data.first_chunk().expect("a number"))
}

/// Whoever comes first to the server is told apart by what it says.
fn a_thousand_at_once(kind: Kind) {
    let mut two = Two::new(kind as u64, &weather(0.01, 0.01, 0.01));
    let answers = kind.profile().directions == Directions::Both;
    let reply = move |chunk: &Chunk| {
        if answers { writes(kind, &answer(number(chunk))) } else { Vec::new() }
    };
    let servers = two.serve(kind, 5_000, Rc::new(reply));
    let clients: Vec<_> = (0..CROWD)
        .map(|number| two.dial(kind, 5_000, writes(kind, &said(number)), Finish::WhenTold))
        .collect();
    // All of them are there at once, and have said and heard everything, before the first one leaves.
    let is_served = |number| {
        let client = clients[number as usize].borrow();
        client.connected && (!answers || client.octets >= answer(number).len())
    };
    let all_served = || {
        let servers = servers.borrow();
        let all_heard = servers.iter().all(|server| server.borrow().octets > 0);
        servers.len() == CROWD as usize && all_heard && (0..CROWD).all(is_served)
    };
    let stopped = two.sim.run_while(Duration::from_secs(60), |_| !all_served());
    assert_eq!(stopped, Stopped::ConditionMet, "{}", kind.name());
    let there = two.sim[two.server].facts::<Connected>(&ConnectionPattern::any()).len();
    assert_eq!(there, CROWD as usize, "{}", kind.name());
    two.sim[two.client].inject(GO).expect("the queue has room");
    two.finish();
    let same = |sent: &Bytes, received: &[Chunk]| {
        assemble(kind, &writes(kind, sent)) == assemble(kind, received)
    };
    for (number, client) in (0..).zip(&clients) {
        let client = client.borrow();
        let closed = client.closed.as_ref();
        let what = format!("{} client {number}: {:?} {closed:?}", kind.name(), client.refused);
        assert!(closed.is_some_and(|reason| reason.is_normal()), "{what}");
        assert!(!answers || same(&answer(number), &client.received), "{what}: other octets");
    }
    let servers = servers.borrow();
    assert_eq!(servers.len(), CROWD as usize, "{}", kind.name());
    let mut heard = BTreeSet::new();
    for server in servers.iter() {
        let server = server.borrow();
        let first = server.received.iter().find(|chunk| chunk.data.len() >= 4).expect("a number");
        let number = number(first);
        let what = format!("{} server of {number}: {:?}", kind.name(), server.closed);
        assert!(server.closed.as_ref().is_some_and(|reason| reason.is_normal()), "{what}");
        assert!(same(&said(number), &server.received), "{what}: other octets");
        heard.insert(number);
    }
    assert_eq!(heard.len(), CROWD as usize, "{}: each once", kind.name());
    two.assert_nothing_is_left();
}

#[test]
fn a_thousand_connections_of_faketcp() {
    a_thousand_at_once(Kind::Faketcp);
}

#[test]
fn a_thousand_connections_of_cs488() {
    a_thousand_at_once(Kind::Cs488);
}

#[test]
fn a_thousand_connections_of_sockettcp() {
    a_thousand_at_once(Kind::Sockettcp);
}

#[test]
fn a_thousand_connections_of_quiq() {
    a_thousand_at_once(Kind::Quiq);
}
