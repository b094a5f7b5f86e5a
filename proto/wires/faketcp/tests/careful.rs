//! Towards a careful peer.

use super::super::super::{Config, Discard, Mode, Outcome, Reason, Wire, WriteError};
use super::*;

#[test]
fn the_offer_in_the_handshake_tells_who_it_is() {
    for (win, mode) in [(16, Mode::Original), (17, Mode::Careful), (1024, Mode::Careful)] {
        assert_eq!(client(win).session.info().mode, Some(mode));
        assert_eq!(server(win).session.info().mode, Some(mode));
    }
}

#[test]
fn the_window_is_larger_and_acknowledgements_come_at_once() {
    let mut script = client(1024);
    for _ in 0..500 {
        script.write("x");
    }
    let first = script.heard().len();
    assert!(first >= 16);
    script.say(packet(ACK, 501, 101 + first as i32, 1024));
    assert!(script.heard().len() > first, "it grows");

    let mut script = server(1024);
    script.say(data(101, 501, 1024, "a"));
    script.expect(&[packet(ACK, 501, 102, 1023)]);
    script.say(data(101, 501, 1024, "a"));
    script.expect(&[packet(ACK, 501, 102, 1023)]);
}

#[test]
fn what_comes_early_is_kept_but_not_a_question() {
    let mut script = server(1024);
    script.say(data(102, 501, 1024, "b"));
    script.expect(&[packet(NACK, 501, 101, 1024)]);
    assert_eq!(script.say(data(103, 501, 1024, "")), Outcome::Dropped(Discard::OutOfOrder));
    assert_eq!(script.say(data(3_000, 501, 1024, "z")), Outcome::Dropped(Discard::OutOfOrder));
    script.heard();
    script.say(data(101, 501, 1024, "a"));
    assert_eq!(script.heard()[0].ack, 103);
    assert_eq!(script.read(), b"ab");
}

#[test]
fn only_what_is_missing_is_sent_again() {
    let mut script = client(1024);
    for text in ["a", "b", "c", "d", "e"] {
        script.write(text);
    }
    script.heard();
    for _ in 0..4 {
        script.say(packet(NACK, 501, 101, 1024));
    }
    script.expect(&[data(101, 501, 1024, "a")]);
    // It had the next two; the fourth is missing as well.
    script.say(packet(ACK, 501, 104, 1024));
    script.expect(&[data(104, 501, 1024, "d")]);
    script.say(packet(ACK, 501, 106, 1024));
    script.expect(&[]);
}

#[test]
fn many_holes_are_filled_faster_and_faster() {
    let mut script = client(1024);
    for _ in 0..16 {
        script.write("x");
    }
    script.heard();
    let mut again = Vec::new();
    script.say(packet(NACK, 501, 101, 1024));
    again.push(script.heard().into_iter().map(|packet| packet.seq).collect::<Vec<_>>());
    // Every other one is missing.
    for ack in [103, 105, 107, 109] {
        script.say(packet(ACK, 501, ack, 1024));
        again.push(script.heard().into_iter().map(|packet| packet.seq).collect());
    }
    assert_eq!(
        again,
        [
            vec![101],
            vec![103],
            vec![105, 106],
            vec![107, 108, 109, 110],
            vec![111, 112, 113, 114, 115, 116]
        ]
    );
}

#[test]
fn a_peer_that_keeps_nothing_gets_all_again() {
    let mut script = client(1024);
    for text in ["a", "b", "c", "d", "e"] {
        script.write(text);
    }
    script.heard();
    script.say(packet(NACK, 501, 101, 1024));
    let mut again = Vec::new();
    for ack in 102..=106 {
        again.extend(script.heard().into_iter().map(|packet| packet.seq));
        script.say(packet(ACK, 501, ack, 1024));
    }
    assert_eq!(again, [101, 102, 103, 104, 105]);
}

#[test]
fn a_repeated_syn_gets_the_same_answer_and_another_one_another_connection() {
    let syn = packet(Flags::SYN, 100, 0, 1024);
    let mut script = Script::<Session>::server(&syn, 500);
    script.say(syn.clone());
    script.wait(MS * 200);
    script.expect(&vec![packet(SYN_ACK, 500, 101, 1024); 3]);
    script.say(packet(ACK, 101, 501, 1024));
    assert_eq!(script.say(syn), Outcome::Dropped(Discard::Duplicate));
    assert_eq!(script.say(packet(Flags::SYN, 200, 0, 1024)), Outcome::Opens);
}

#[test]
fn numbers_that_answer_something_else_open_nothing() {
    let mut script = Script::<Session>::client(100);
    script.peer = address(PEER);
    for wrong in [packet(SYN_ACK, 500, 100, 1024), packet(SYN_ACK, -7, 101, 1024)] {
        assert_eq!(script.say(wrong), Outcome::Dropped(Discard::BadNumber));
    }
    let mut script = Script::<Session>::server(&packet(Flags::SYN, 100, 0, 1024), 500);
    for wrong in [packet(ACK, 101, 500, 1024), data(101, 7, 1024, "x"), data(9_999, 501, 1024, "x")]
    {
        let is_wrong_ack = wrong.ack != 501;
        let outcome = script.say(wrong);
        assert!(!is_wrong_ack || outcome == Outcome::Dropped(Discard::BadNumber));
    }
}

#[test]
fn the_last_number_is_an_error_and_not_minus_one() {
    let now = crate::Instant::ZERO;
    let mut session = Session::connect(&Config::default(), address(PEER), 5, now);
    session.snd = super::super::sender::Sender::new(i64::from(i32::MAX) - 1_000);
    session.state = super::super::session::State::Established;
    session.snd.offer(1024, i64::from(i32::MAX) - 1_000);
    session.write(super::super::super::Chunk::message("x"), now).expect("room");
    while session.poll_transmit(now).is_some() {}
    assert_eq!(session.info().ended, Some(Reason::Exhausted));
}

#[test]
fn a_reader_that_comes_back_opens_the_window_again() {
    let mut script = server(1024);
    for number in 0..1_100 {
        script.say(data(101 + number, 501, 1024, "a datagram"));
    }
    let last = script.heard().pop().expect("an acknowledgement");
    assert_eq!(last.win, 0);
    script.read();
    let opened = script.heard().pop().expect("an acknowledgement");
    assert!(opened.win >= 512 && opened.flags == ACK);
}

#[test]
fn a_peer_without_room_is_asked_until_it_has_some() {
    let mut script = client(17);
    for _ in 0..20 {
        script.write("x");
    }
    let count = script.heard().len() as i32;
    script.say(packet(ACK, 501, 101 + count, 0));
    let more = script.heard().len() as i32;
    assert_eq!(count + more, 17);
    script.say(packet(ACK, 501, 118, 0));
    script.heard();
    for _ in 0..100 {
        script.wait(MS * 500);
        assert!(script.heard().iter().all(|packet| packet.payload.is_empty()));
        script.say(packet(NACK, 501, 118, 0));
    }
    script.say(packet(ACK, 501, 118, 100));
    assert_eq!(script.heard().len(), 3);
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_sent() {
    let mut script = client(1024);
    let long = super::super::super::Chunk::message(vec![0; 4081]);
    assert_eq!(script.session.write(long, script.now), Err(WriteError::TooLong(4080)));
}

#[test]
fn an_end_with_a_hole_before_it_is_an_error() {
    let mut script = server(1024);
    script.say(data(102, 501, 1024, "b"));
    script.heard();
    script.say(P::fin());
    script.expect(&[]);
    assert_eq!(script.ended(), Some(Reason::Missing(vec![101])));
}

#[test]
fn both_may_close_at_once() {
    let mut script = client(1024);
    script.close();
    script.expect(&[P::fin()]);
    script.say(P::fin());
    script.expect(&[P::fin_ack()]);
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn a_peer_that_is_silent_for_too_long_has_vanished_but_a_careful_one_never_is() {
    let mut script = server(1024);
    script.wait(MS * 55_000);
    let kept = script.heard().len();
    assert!((2..=5).contains(&kept), "{kept} reminders");
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Vanished));
}
