//! How far is it urgent?

use super::super::{Config, State};
use super::pair::pattern;
use super::script::{Trace, plain};
use crate::wire::tcp::Flags;

/// The application reads as much as it has granted.
fn told(trace: &mut Trace) -> Option<u32> {
    trace.vector.poll_urgent()
}

#[test]
fn news_of_urgent_data_overtakes_it_must_30_must_32_must_33() {
    let mut trace = Trace::established();
    trace.recv("U. 1:1 ack=1 urg=300");
    assert_eq!(told(&mut trace), Some(300), "none of it has come");
    assert_eq!(told(&mut trace), None, "once is enough");
    trace.recv("U. 1:101 ack=1 urg=300");
    assert_eq!(told(&mut trace), None, "the pointer has not moved");
    assert_eq!(trace.vector.info().urgent_remaining, 300);
    trace.grant(60);
    assert_eq!(trace.read().len(), 60, "it stays in its place in the stream");
    assert_eq!(trace.vector.urgent_remaining(), 240);
    trace.recv("U. 101:201 ack=1 urg=400");
    assert_eq!(told(&mut trace), Some(440), "it has advanced to 501");
    trace.recv("P. 201:501 ack=1");
    trace.grant(1_000);
    assert_eq!(trace.read().len(), 440);
    assert_eq!(trace.vector.urgent_remaining(), 0);
    trace.recv("U. 501:601 ack=1 urg=1");
    assert_eq!(told(&mut trace), Some(1), "and again");
}

#[test]
fn the_pointer_names_the_octet_following_the_urgent_data_must_62() {
    let mut trace = Trace::established();
    assert_eq!(trace.vector.write_urgent(pattern(5)), None);
    trace.send("PU. 1:6 ack=1 urg=5");
    trace.write_to(1_001);
    trace.recv(". 1:1 ack=6");
    trace.send("P. 6:1001 ack=1");

    let mut trace = Trace::established();
    trace.recv("UP. 1:6 ack=1 urg=5");
    assert_eq!(told(&mut trace), Some(5));
    trace.grant(4);
    trace.read();
    assert_eq!(trace.vector.urgent_remaining(), 1);
}

#[test]
fn urgent_data_has_any_length_must_31() {
    for length in [1, 999, 1_000, 1_001, 65_535, 100_000] {
        let mut trace = Trace::established_with(
            Config { mss: 1000, gso_max_size: 60_000, initial_window: 200, ..plain() },
            "win=65535 mss=1000 sackok",
        );
        trace.vector.write(pattern(10));
        assert_eq!(trace.vector.write_urgent(pattern(10 + length).slice(10..)), None);
        trace.vector.write(pattern(20 + length).slice(10 + length..));
        let (mut sent, end) = (0, 10 + length);
        while sent < 20 + length {
            let Some(transmit) = trace.vector.poll_transmit(trace.now) else {
                trace.pass(10);
                trace.recv(&format!(". 1:1 ack={}", sent + 1));
                assert_ne!(trace.vector.info().outstanding, sent as u32, "it goes on");
                continue;
            };
            if transmit.segment.payload.is_empty() {
                continue;
            }
            assert!(transmit.gso_size.is_none() || sent >= end, "a pointer per segment");
            let marked = transmit.segment.flags.contains(Flags::URG);
            assert_eq!(marked, sent < end, "{length} at {sent}");
            let pointer = if marked { (end - sent).min(65_535) } else { 0 };
            assert_eq!(usize::from(transmit.segment.urgent), pointer, "{length} at {sent}");
            sent += transmit.segment.payload.len();
        }
    }
}

#[test]
fn urgent_data_passes_a_closed_window_must_66() {
    // Ours is closed: neither their octet nor their FIN is taken, but the pointer and the
    // acknowledgement are.
    let config =
        Config { receive_buffer_initial: 100, receive_buffer_max: 100, mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.write_to(11);
    trace.send("P. 1:11");
    trace.recv(". 1:101 ack=1");
    trace.pass(50);
    trace.send(". 11:11 ack=101 win=0");
    trace.recv("UFP. 101:102 ack=11 urg=9");
    trace.send(". 11:11 ack=101 win=0");
    trace.silent();
    assert_eq!(told(&mut trace), Some(109));
    assert!(trace.vector.is_flushed());
    trace.assert_state(State::Established);
    trace.recv("R 101:101");
    trace.assert_state(State::Closed);

    // Theirs is closed: the news goes out at once, the octets do not.
    let mut trace = Trace::established();
    trace.recv(". 1:1 ack=1 win=0");
    assert_eq!(trace.vector.write_urgent(pattern(7)), None);
    trace.send("U. 1:1 ack=1 urg=7");
    trace.silent();
}

#[test]
fn urgent_data_does_not_wait_for_company() {
    let mut trace = Trace::established();
    trace.write_to(11);
    trace.send("P. 1:11");
    trace.write_to(21);
    trace.silent();
    trace.vector.announce_urgent(0);
    trace.send("PU. 11:21 urg=10");
}

#[test]
fn a_pointer_is_forgotten_when_its_octets_are_acknowledged_or_read() {
    let mut trace = Trace::established();
    trace.vector.write_urgent(pattern(5));
    trace.send("PU. 1:6 urg=5");
    trace.recv(". 1:1 ack=6");
    trace.recv("S 0:0");
    trace.send(". 6:6 ack=1");
    trace.recv("U. 1:1 ack=6 urg=0");
    assert_eq!(told(&mut trace), None, "nothing lies before it");
    trace.recv("P. 1:11 ack=6");
    trace.grant(10);
    trace.read();
    trace.recv("U. 1:6 ack=6 urg=5");
    assert_eq!(told(&mut trace), None, "an old segment tells of what was read");
}
