//! Fast Open between two stacks (RFC 7413).

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::Cable;
use common::apps::{Client, EchoServer, Story, connection, pattern};
use netmart_actors::address::{HandleId, Local};
use netmart_actors::config::Config;
use netmart_actors::message::Terms;
use netmart_proto::tcp;
use netmart_proto::wire::Packet;

/// The cable takes a millisecond each way.
const ROUND_TRIP: Duration = Duration::from_micros(2_100);

fn cable(client: bool, server: bool) -> Cable {
    let tcp =
        tcp::Config { fast_open_client: client, fast_open_server: server, ..Default::default() };
    let mut cable = Cable::with(&Config { tcp, ..Config::default() });
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(Duration::from_millis(1));
    cable
}

/// Dials with something to say at once; how many round trips it takes until all of it is back.
fn round_trips(cable: &mut Cable, handle: u64) -> usize {
    let story = Rc::new(RefCell::new(Story::default()));
    let first = Some(pattern(300));
    let terms = Terms { first, ..Terms::of(Local::Handle(HandleId::new(handle))) };
    cable.client.dataspace.assert(terms).keep();
    let client = Client::dial_to(connection(handle, 7), Bytes::new(), &story);
    cable.client.dataspace.spawn(client);
    let mut taken = 0;
    while story.borrow().received.len() < 300 {
        taken += 1;
        assert!(taken < 10_000, "nothing came back");
        cable.run_for(ROUND_TRIP);
    }
    assert_eq!(story.borrow().received, pattern(300), "once, and in order");
    cable.run_for(Duration::from_secs(100));
    taken
}

#[test]
fn the_second_time_the_answer_comes_a_round_trip_earlier() {
    let mut cable = cable(true, true);
    let before = cable.server.dataspace.footprint().actors;
    assert_eq!(round_trips(&mut cable, 1), 2, "the handshake comes first");
    assert_eq!(round_trips(&mut cable, 2), 1, "with the SYN and its answer");
    assert_eq!(round_trips(&mut cable, 3), 1);
    assert_eq!(cable.server.dataspace.footprint().actors, before);
}

#[test]
fn one_side_alone_has_an_ordinary_connection() {
    for (client, server) in [(true, false), (false, true), (false, false)] {
        let mut cable = cable(client, server);
        for handle in 1..=3 {
            assert_eq!(round_trips(&mut cable, handle), 2);
        }
    }
}

#[test]
fn a_cable_that_swallows_syns_with_data_is_found_out_and_remembered() {
    let mut cable = cable(true, true);
    assert_eq!(round_trips(&mut cable, 1), 2);
    // SYN without ACK, and longer than its headers and options can be.
    let swallowed = |packet: &Packet| packet.to_vec()[33] & 0x12 == 0x02 && packet.len() > 120;
    cable.touch = Box::new(move |_, packet| (!swallowed(&packet)).then_some(packet));
    assert!(round_trips(&mut cable, 2) > 400, "a SYN without data follows after a second");
    assert_eq!(round_trips(&mut cable, 3), 2, "the next one does not try");
}
