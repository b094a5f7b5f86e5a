//! Bad weather between session and network, and what the log says of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::address::FlowPattern;
use netmart_actors::message::{Impair, WireLog, WireTerms};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart_proto::netem::{self, Loss, Reordering};
use netmart_proto::wires::Kind;

use crate::apps::{Story, client, handle, listener, server, terms, writes};
use crate::common::Cable;
use crate::common::apps::pattern;

/// Loss, copies and overtaking, a twentieth each.
fn storm(seed: u64) -> Impair {
    let reordering = Reordering { probability: 0.05, extra: Duration::from_millis(5) };
    let weather = netem::Config {
        loss: Loss::Independent(0.05),
        duplication: 0.05,
        reordering,
        ..netem::Config::default()
    };
    Impair { weather, seed, ..Impair::default() }
}

struct LogKeeper(Rc<RefCell<Vec<String>>>);

impl Actor for LogKeeper {}

impl Handler<WireLog> for LogKeeper {
    fn handle(&mut self, message: Delivery<'_, WireLog>, _ctx: &mut Context<'_, Self>) {
        self.0.borrow_mut().push(message.take().line);
    }
}

/// Both sides in bad weather; what the server has seen, and the log of both.
fn transfer(kind: Kind, length: usize, seed: u64) -> (Story, Vec<String>) {
    let mut cable = Cable::new();
    let lines = Rc::new(RefCell::new(Vec::new()));
    let wire = |seed| WireTerms { impair: Some(storm(seed)), log: true, ..WireTerms::default() };
    let here = netmart_actors::address::Local::Listener(listener(kind));
    terms(&mut cable.server, here, wire(seed));
    terms(&mut cable.client, handle(kind, 1), wire(seed + 1));
    for station in [&mut cable.client, &mut cable.server] {
        let keeper = Spawn::new("log", LogKeeper(Rc::clone(&lines)));
        station.dataspace.spawn(keeper.subscribe::<WireLog>(FlowPattern::any()));
    }
    let (_, stories) = server(&mut cable.server, kind, false);
    cable.run_for(Duration::from_millis(1));
    let (client, story) = client(kind, 1, writes(kind, &pattern(length), 1_000), Some(0));
    cable.client.dataspace.spawn(client);
    cable.run_for(Duration::from_secs(600));
    assert_eq!(story.borrow().end(), "closed in order", "{} {seed}", kind.name());
    let there = stories.borrow()[0].take();
    let lines = lines.borrow().clone();
    (there, lines)
}

#[test]
fn bad_weather_changes_nothing_of_what_arrives() {
    for &kind in Kind::ALL {
        for seed in 0..4 {
            let (story, _) = transfer(kind, 20_000, seed * 10);
            assert!(story.octets == pattern(20_000), "{} {seed}", kind.name());
            assert_eq!(story.end(), "closed in order", "{} {seed}", kind.name());
        }
    }
}

#[test]
fn the_same_seed_brings_the_same_weather() {
    for &kind in Kind::ALL {
        let (_, first) = transfer(kind, 5_000, 3);
        let (_, again) = transfer(kind, 5_000, 3);
        let (_, other) = transfer(kind, 5_000, 300);
        assert_eq!(first, again, "{}", kind.name());
        assert_ne!(first, other, "{}", kind.name());
    }
}

#[test]
fn the_log_tells_of_each_datagram_and_of_the_weather() {
    let (_, lines) = transfer(Kind::Faketcp, 100_000, 1);
    for word in ["LOST", "DUP", "DELAYED"] {
        assert!(lines.iter().any(|line| line.contains(word)), "{word}: {:?}", &lines[..4]);
    }
}
