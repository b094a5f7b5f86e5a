//! Towards a careful peer.

use super::super::super::{Chunk, Discard, Event, Mode, Outcome, Reason, Wire, WriteError};
use super::*;

fn chunk(stream: u32, data: impl Into<Bytes>, end: bool) -> Chunk {
    Chunk { stream, data: data.into(), end }
}

fn client() -> Script<Session> {
    let mut script = Script::<Session>::client(0);
    script.say(greeting(Kind::Accept, 2));
    script.heard();
    script
}

fn server() -> Script<Session> {
    let mut script = Script::<Session>::server(&greeting(Kind::Syn, 1), 1);
    script.expect(&[greeting(Kind::Accept, 2)]);
    script
}

#[test]
fn they_recognise_each_other() {
    assert_eq!(client().session.info().mode, Some(Mode::Careful));
    assert_eq!(server().session.info().mode, Some(Mode::Careful));
}

#[test]
fn packets_are_small_and_streams_take_turns() {
    let mut script = client();
    script.write_chunk(chunk(1, vec![1; 5_000], true));
    script.heard();
    script.write_chunk(chunk(2, vec![2; 5_000], true));
    let mut script = client();
    script.write_chunk(chunk(1, vec![1; 100_000], false));
    script.write_chunk(chunk(2, vec![2; 100_000], false));
    let heard = script.heard();
    assert!(heard.iter().all(|packet| packet.wire_len() <= 1_400));
    for packet in &heard {
        script.say(ack(packet.number));
    }
    let turns: Vec<_> = script.heard().iter().map(|packet| packet.frames[0].stream).collect();
    assert!(turns.len() >= 16);
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
}

#[test]
fn each_packet_is_repeated_with_its_number_until_it_is_acknowledged() {
    let mut script = client();
    script.write_chunk(chunk(1, "hello", true));
    script.close();
    let data = packet(Kind::First, 3, vec![frame(1, 0, "hello")]);
    script.expect(std::slice::from_ref(&data));
    script.wait(MS * 30);
    script.expect(std::slice::from_ref(&data));
    script.say(ack(3));
    script.expect(&[P::bare(Kind::DataFin, 4)]);
    script.wait(MS * 25);
    script.expect(&[P::bare(Kind::DataFin, 4)]);
    assert_eq!(script.say(ack(3)), Outcome::Dropped(Discard::StaleAck));
    assert_eq!(script.say(ack(9)), Outcome::Dropped(Discard::WildAck));
    script.say(ack(4));
    script.expect(&[P::bare(Kind::Fin, 5)]);
    script.say(ack(5));
    assert_eq!(script.ended(), Some(Reason::Normal));
    assert!(script.session.is_over());
}

#[test]
fn a_packet_that_others_overtake_is_sent_again_at_once() {
    let mut script = client();
    script.write_chunk(chunk(1, vec![7; 10_000], true));
    script.heard();
    for number in [4, 5] {
        script.say(ack(number));
        script.expect(&[]);
    }
    script.say(ack(6));
    assert_eq!(script.heard().iter().map(|packet| packet.number).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_server_that_left_after_all_was_acknowledged_has_everything() {
    let mut script = client();
    script.write_chunk(chunk(1, "x", true));
    script.close();
    script.say(ack(3));
    script.say(ack(4));
    script.heard();
    script.wait_for_end();
    assert_eq!(script.heard().len(), 11);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn frames_of_several_streams_in_any_order_are_put_together() {
    let mut script = server();
    script.say(packet(Kind::Last, 5, vec![frame(1, 2, "c")]));
    script.say(packet(Kind::Data, 4, vec![frame(2, 0, "x"), frame(1, 1, "b"), frame(2, 1, "y")]));
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "a")]));
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "a")]));
    script.say(P::bare(Kind::DataFin, 6));
    script.expect(&[ack(5), ack(4), ack(3), ack(3), ack(6)]);
    let chunks: Vec<_> = core::iter::from_fn(|| script.session.read()).collect();
    let octets = |stream| -> Vec<u8> {
        let own = chunks.iter().filter(|chunk: &&Chunk| chunk.stream == stream);
        own.flat_map(|chunk| chunk.data.to_vec()).collect()
    };
    assert_eq!((octets(1), octets(2)), (b"abc".to_vec(), b"xy".to_vec()));
    for stream in 0..3 {
        let ends = chunks.iter().filter(|chunk| chunk.stream == stream && chunk.end).count();
        assert_eq!(ends, 1, "stream {stream}");
    }
    // Something late of that batch does not begin a new one.
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "a")]));
    script.expect(&[ack(3)]);
    assert!(script.session.read().is_none());
    script.say(P::bare(Kind::Fin, 7));
    script.say(P::bare(Kind::Fin, 7));
    script.expect(&[ack(7), ack(7)]);
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn an_end_with_something_missing_is_an_error_and_gets_no_answer() {
    for end in [Kind::DataFin, Kind::Fin] {
        let mut script = server();
        script.say(packet(Kind::First, 3, vec![frame(1, 1, "b")]));
        script.heard();
        script.say(P::bare(end, 9));
        assert!(matches!(script.ended(), Some(Reason::Missing(_))), "{end:?}");
        assert!(!script.heard().contains(&ack(9)) || end == Kind::Fin);
    }
}

#[test]
fn what_cannot_be_is_dropped() {
    let mut script = server();
    script.say(packet(Kind::Last, 3, vec![frame(1, 0, "a")]));
    script.heard();
    for (packet, discard) in [
        (packet(Kind::Data, 4, vec![frame(1, 1, "behind")]), Discard::BadNumber),
        (packet(Kind::Data, 4, vec![frame(0, 0, "x")]), Discard::BadNumber),
        (packet(Kind::Data, 4, vec![frame(2, u32::MAX, "x")]), Discard::BadNumber),
        (P::bare(Kind::Data, 4), Discard::BadLength),
        (P::bare(Kind::DataFin, 1), Discard::Duplicate),
    ] {
        assert_eq!(script.say(packet.clone()), Outcome::Dropped(discard), "{packet:?}");
    }
    script.expect(&[]);
}

#[test]
fn a_stream_that_has_ended_takes_no_more() {
    let mut script = client();
    let mut write = |chunk| script.session.write(chunk, script.now);
    assert_eq!(write(chunk(1, "x", true)), Ok(()));
    assert_eq!(write(chunk(1, "y", false)), Err(WriteError::NoStream(1)));
    assert_eq!(write(chunk(0, "y", false)), Err(WriteError::NoStream(0)));
    assert_eq!(write(chunk(0, "", true)), Ok(()));
    assert_eq!(write(chunk(1, "z", true)), Ok(()));
    assert_eq!(write(chunk(1, "z", true)), Err(WriteError::NoStream(1)));
    let mut server = server();
    let wrong = server.session.write(chunk(1, "x", true), server.now);
    assert_eq!(wrong, Err(WriteError::WrongWay));
    server.wait(MS * 20_000);
    assert!(server.session.is_over());
}

#[test]
fn batches_that_wait_are_bounded() {
    let mut script = client();
    let mut refused = 0;
    for _ in 0..20_000 {
        for chunk in [chunk(1, "x", true), chunk(0, "", true)] {
            refused += usize::from(script.session.write(chunk, script.now).is_err());
        }
    }
    assert!(refused > 30_000);
    while script.session.poll_event().is_some() {}
    for number in 3..9 {
        script.wait(MS);
        script.say(ack(number));
    }
    assert_eq!(script.session.poll_event(), Some(Event::Writable));
    assert_eq!(script.session.write(chunk(5, "y", true), script.now), Ok(()));
}

#[test]
fn a_client_that_is_idle_is_still_there() {
    let mut script = client();
    script.wait(MS * 40_000);
    script.expect(&[greeting(Kind::Syn, 1), greeting(Kind::Syn, 1)]);
    let mut script = server();
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "a")]));
    for _ in 0..10 {
        script.wait(MS * 50_000);
        script.say(greeting(Kind::Syn, 1));
    }
    assert_eq!(script.session.info().ended, None);
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Vanished));
}
