//! What is said word by word.

use bytes::Bytes;

use super::super::super::tests::script::{DOOR, check_vector, hex};
use super::super::super::{
    Action, Codec, Config, Discard, Event, Fault, Mode, Outcome, Phase, Reason, Role, Wire,
};
use super::super::{create_segment, parse_segment};
use super::*;

const DUPLICATE: Outcome = Outcome::Dropped(Discard::Duplicate);

fn data(seq: u64, text: &'static str) -> P {
    P::data(seq, Bytes::from_static(text.as_bytes()))
}

/// A client with x = `x` that was answered from a new port with `syn_ack`.
fn client(x: u64, syn_ack: u64) -> Script<Session> {
    let mut script = Script::<Session>::client(x);
    script.expect(&[P::syn(x)]);
    script.peer = address(PEER);
    script.say(P::syn_ack(syn_ack));
    script
}

/// A server whose client has x = 20 and has ended the handshake with `greeting`.
fn server(greeting: u64) -> Script<Session> {
    let mut script = Script::<Session>::server(&P::syn(20), 1);
    script.expect(&[P::syn_ack(21)]);
    script.say(P::ack(greeting));
    script.expect(&[]);
    script
}

#[test]
fn every_vector_is_read_and_written() {
    let padded = |mut packet: P, digits| {
        packet.digits = digits;
        packet
    };
    check_vector("1|||1|||0|||8|||", &P::syn_ack(8));
    check_vector("0|||0|||0|||98|||Mensaje de prueba", &data(98, "Mensaje de prueba"));
    check_vector("0|||1|||0|||115|||", &P::ack(115));
    for (octets, packet) in [
        ("317c7c7c307c7c7c307c7c7c32307c7c7c", P::syn(20)),
        ("317c7c7c317c7c7c307c7c7c32317c7c7c", P::syn_ack(21)),
        ("307c7c7c317c7c7c307c7c7c32327c7c7c", P::ack(22)),
        ("307c7c7c307c7c7c307c7c7c32327c7c7c3139", data(22, "19")),
        ("307c7c7c317c7c7c307c7c7c32347c7c7c", P::ack(24)),
        (
            "307c7c7c307c7c7c307c7c7c32347c7c7c4d656e73616a65206465206c6172676f",
            data(24, "Mensaje de largo"),
        ),
        ("307c7c7c317c7c7c307c7c7c34307c7c7c", P::ack(40)),
        ("307c7c7c307c7c7c307c7c7c34307c7c7c203139", data(40, " 19")),
        ("307c7c7c317c7c7c307c7c7c34337c7c7c", P::ack(43)),
        ("307c7c7c307c7c7c317c7c7c34337c7c7c", P::fin(43)),
        ("307c7c7c317c7c7c317c7c7c34347c7c7c", P::fin_ack(44)),
        ("307c7c7c317c7c7c307c7c7c34357c7c7c", P::ack(45)),
    ] {
        check_vector(hex(octets), &packet);
    }
    check_vector("1|||0|||0|||00000045|||", &padded(P::syn(45), 8));
    check_vector("0|||0|||0|||00000049|||x|||y", &padded(data(49, "x|||y"), 8));
    check_vector("0|||0|||1|||73|||", &P::fin(73));
}

#[test]
fn what_is_no_segment_says_why() {
    for (octets, fault) in [
        ("", Fault::Truncated),
        ("0", Fault::Truncated),
        ("0||", Fault::Truncated),
        ("2|||0|||0|||1|||", Fault::BadFlags),
        ("00|||0|||0|||1|||", Fault::BadSeparator),
        ("0|||0|||0||||||", Fault::BadNumber),
        ("0|||0|||0|||-1|||", Fault::BadSeparator),
        ("0|||0|||0|||18446744073709551616|||", Fault::BadNumber),
        ("0|||0|||0|||1||", Fault::Truncated),
    ] {
        assert_eq!(P::parse(Bytes::from_static(octets.as_bytes())), Err(fault), "{octets}");
    }
}

#[test]
fn a_client_says_what_was_captured() {
    let mut script = client(20, 21);
    script.write("Mensaje de largo 19");
    script.expect(&[P::ack(22), data(22, "19")]);
    script.say(P::ack(24));
    script.expect(&[data(24, "Mensaje de largo")]);
    script.say(P::ack(40));
    script.expect(&[data(40, " 19")]);
    script.say(P::ack(43));
    script.close();
    script.expect(&[P::fin(43)]);
    script.say(P::fin_ack(44));
    script.expect(&[P::ack(45)]);
    script.wait_for_end();
    script.expect(&[P::ack(45), P::ack(45)]);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn a_server_says_what_was_captured() {
    let mut script = server(22);
    for (said, answer) in [
        (data(22, "19"), P::ack(24)),
        (data(24, "Mensaje de largo"), P::ack(40)),
        (data(40, " 19"), P::ack(43)),
        (P::fin(43), P::fin_ack(44)),
    ] {
        script.say(said);
        script.expect(&[answer]);
    }
    assert_eq!(script.read(), b"Mensaje de largo 19");
    script.say(P::ack(45));
    assert_eq!(script.ended(), Some(Reason::Normal));
    script.wait_for_end();
}

#[test]
fn a_server_that_counts_for_itself_is_met() {
    let mut script = client(44, 72);
    script.write("x");
    script.expect(&[P::ack(45), data(45, "1")]);
    script.say(P::ack(46));
    script.expect(&[data(46, "x")]);
    script.say(P::ack(47));
    script.close();
    script.expect(&[P::fin(47)]);
    // ACK and FIN come apart, with numbers of its own.
    script.say(P::ack(73));
    script.expect(&[]);
    script.say(P::fin(73));
    script.expect(&[P::ack(48)]);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn a_server_that_counts_for_itself_from_the_wrong_number_by_chance_is_found_out() {
    let mut script = client(44, 45);
    script.write("hello");
    script.expect(&[P::ack(46), data(46, "5")]);
    script.say(P::ack(45));
    script.expect(&[]);
    script.say(P::ack(45));
    script.expect(&[data(45, "5")]);
    script.say(P::ack(46));
    script.expect(&[data(46, "hello")]);
}

#[test]
fn a_client_that_counts_for_itself_is_met() {
    let mut script = server(21);
    script.say(data(21, "5"));
    script.say(data(22, "hello"));
    script.expect(&[P::ack(22), P::ack(27)]);
    assert_eq!(script.read(), b"hello");
    script.say(P::fin(27));
    script.expect(&[P::fin_ack(28)]);
    script.say(P::ack(28));
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn stale_acknowledgements_are_never_answered() {
    let mut script = client(20, 21);
    script.write("Mensaje de largo 19");
    script.say(P::ack(24));
    script.heard();
    for seq in [22, 24, 24, 24, 39, 41, 1_000_000] {
        assert!(matches!(script.say(P::ack(seq)), Outcome::Dropped(_)), "{seq}");
    }
    script.expect(&[]);
    assert_eq!(script.session.info().counters.dropped(Discard::StaleAck), 4);
    assert_eq!(script.session.info().counters.dropped(Discard::WildAck), 3);
}

#[test]
fn a_lost_last_word_of_the_handshake_is_said_again_also_at_the_door() {
    let mut script = client(20, 21);
    script.expect(&[P::ack(22)]);
    script.say(P::syn_ack(21));
    script.expect(&[P::ack(22)]);
    script.write("x");
    script.wait(MS * 2_000);
    let door: Vec<_> = script.sent.iter().filter(|(_, to, _)| *to == address(DOOR)).collect();
    assert_eq!(door.len(), 1);
    assert_eq!(door[0].2, P::ack(22));
}

#[test]
fn data_ends_the_handshake_when_the_acknowledgement_was_lost() {
    for first in [21, 22] {
        let mut script = Script::<Session>::server(&P::syn(20), 1);
        script.say(data(first, "1"));
        script.expect(&[P::syn_ack(21), P::ack(first + 1)]);
        assert_eq!(script.session.poll_event(), Some(Event::Connected));
    }
    let mut script = Script::<Session>::server(&P::syn(20), 1);
    assert_eq!(script.say(data(23, "1")), Outcome::Dropped(Discard::BadNumber));
}

#[test]
fn the_answer_to_a_syn_is_repeated_and_a_second_syn_makes_no_second_connection() {
    let mut script = Script::<Session>::server(&P::syn(20), 1);
    script.say(P::syn(20));
    script.wait(MS * 300);
    script.expect(&[P::syn_ack(21), P::syn_ack(21), P::syn_ack(21)]);
    script.say(P::ack(22));
    assert_eq!(script.say(P::syn(20)), DUPLICATE);
    assert_eq!(script.say(P::syn(50)), Outcome::Opens);
    script.expect(&[]);
}

#[test]
fn a_repeat_is_acknowledged_once_per_thirty_milliseconds() {
    let mut script = server(22);
    script.say(data(22, "2"));
    script.expect(&[P::ack(23)]);
    for _ in 0..10 {
        assert_eq!(script.say(data(22, "2")), DUPLICATE);
        script.wait(MS * 10);
    }
    script.expect(&[P::ack(23), P::ack(23), P::ack(23)]);
}

#[test]
fn a_peer_that_stops_acknowledging_at_the_end_gets_its_fin() {
    let mut script = client(20, 21);
    script.write("x");
    script.say(P::ack(23));
    script.close();
    script.heard();
    script.wait(MS * 5_000);
    let heard = script.heard();
    assert_eq!(heard.iter().filter(|packet| **packet == data(23, "x")).count(), 11);
    assert!(heard.contains(&P::fin(24)));
    script.say(P::fin_ack(25));
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn without_an_answer_to_that_fin_either_the_data_counts_as_lost() {
    let mut script = client(20, 21);
    script.write("x");
    script.say(P::ack(23));
    script.close();
    script.wait_for_end();
    assert!(matches!(script.ended(), Some(Reason::TimedOut { phase: Phase::Data, .. })));
}

#[test]
fn a_peer_that_left_after_the_last_acknowledgement_has_got_everything() {
    let mut script = client(20, 21);
    script.write("x");
    script.say(P::ack(23));
    script.say(P::ack(24));
    script.close();
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn a_fin_before_the_end_of_the_message_is_an_error_and_gets_no_answer() {
    for fin in [23, 24] {
        let mut script = server(22);
        script.say(data(22, "5"));
        script.heard();
        script.say(P::fin(fin));
        script.expect(&[]);
        assert_eq!(script.ended(), Some(Reason::Missing(vec![23])));
        assert!(script.session.is_over());
    }
}

#[test]
fn what_cannot_be_a_length_or_is_too_much_is_dropped() {
    let mut script = server(22);
    for wrong in ["", "-1", "1x", "99999999999999999999"] {
        assert_eq!(script.say(data(22, wrong)), Outcome::Dropped(Discard::BadLength), "{wrong}");
    }
    script.say(data(22, "2"));
    assert_eq!(script.say(data(23, "abc")), Outcome::Dropped(Discard::BadLength));
    assert_eq!(script.say(data(24, "a")), Outcome::Dropped(Discard::OutOfOrder));
    assert_eq!(script.say(P { syn: true, fin: true, ..data(23, "ab") }), UNEXPECTED);
    script.say(data(23, "ab"));
    assert_eq!(script.read(), b"ab");
}

const UNEXPECTED: Outcome = Outcome::Dropped(Discard::Unexpected);

#[test]
fn an_empty_message_is_a_message() {
    let mut script = server(22);
    script.say(data(22, "0"));
    let chunk = script.session.read().expect("a message");
    assert!(chunk.data.is_empty() && chunk.end);
}

#[test]
fn filler_in_control_segments_and_padding_are_ignored() {
    let mut script = Script::<Session>::client(7);
    script.peer = address(PEER);
    script.write("hi");
    script.say_octets("1|||1|||0|||00000008|||----------------").expect("a segment");
    script.expect(&[P::syn(7), P::ack(9), data(9, "2")]);
    script.say_octets("0|||1|||0|||00000010|||0").expect("a segment");
    script.expect(&[data(10, "hi")]);
}

#[test]
fn connecting_to_nobody_ends() {
    let mut script = Script::<Session>::client(20);
    script.wait_for_end();
    let reason = Reason::TimedOut { phase: Phase::Handshake, tries: 60 };
    assert_eq!(script.session.poll_event(), Some(Event::Refused(reason)));
    assert!(script.now.as_micros() < 40_000_000);
    assert_eq!(script.sent.len(), 60);
}

#[test]
fn a_peer_that_falls_silent_is_given_up_on_either_side() {
    let mut script = client(20, 21);
    script.write("x".repeat(100));
    script.wait_for_end();
    let reason = Reason::TimedOut { phase: Phase::Data, tries: 40 };
    assert_eq!(script.ended(), Some(reason));

    let mut script = server(22);
    script.say(data(22, "5"));
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Vanished));
}

#[test]
fn a_side_that_is_idle_is_still_there() {
    let mut script = client(20, 21);
    script.heard();
    script.wait(MS * 16_000);
    script.expect(&[P::ack(22)]);
    script.write("hi");
    script.say(P::ack(23));
    script.say(P::ack(25));
    script.heard();
    script.wait(MS * 40_000);
    script.expect(&[data(23, "hi"), data(23, "hi")]);
    assert_eq!(script.session.info().ended, None);

    let mut script = server(22);
    script.say(data(22, "2"));
    script.say(data(23, "hi"));
    for _ in 0..10 {
        script.wait(MS * 50_000);
        script.heard();
        script.say(data(23, "hi"));
        script.expect(&[P::ack(25)]);
    }
    assert_eq!(script.session.info().ended, None);
}

#[test]
fn strangers_are_not_heard() {
    let mut script = server(22);
    let stranger = address("10.0.0.8:6000");
    let outcome = script.say_from(data(22, "5"), stranger);
    assert_eq!(outcome, Outcome::Dropped(Discard::Stranger));
    assert_eq!(script.session.info().mode, None::<Mode>);
    let mut script = Script::<Session>::client(20);
    assert_eq!(script.say_from(P::syn_ack(21), stranger), Outcome::Dropped(Discard::Stranger));
}

#[test]
fn a_full_inbox_is_not_acknowledged() {
    let config = Config { receive_limit: 4, ..Config::default() };
    let now = crate::Instant::ZERO;
    let mut session = Session::accept(&config, &P::syn(20), address(PEER), 1, now).expect("a SYN");
    for (packet, outcome) in [
        (data(22, "9"), Outcome::Taken),
        (data(23, "abcd"), Outcome::Taken),
        (data(27, "efgh"), Outcome::Dropped(Discard::NoRoom)),
    ] {
        assert_eq!(session.handle_packet(packet, address(PEER), now), outcome);
    }
    assert!(session.read().is_some());
    assert_eq!(session.handle_packet(data(27, "efgh"), address(PEER), now), Outcome::Taken);
}

#[test]
fn segments_and_structures_are_made_of_each_other() {
    let structure = parse_segment("0|||0|||0|||98|||Mensaje de prueba").expect("a segment");
    assert_eq!((structure.seq, &structure.data[..]), (98, &b"Mensaje de prueba"[..]));
    assert_eq!(create_segment(&P::syn_ack(8)), "1|||1|||0|||8|||");
    let line = Session::log_line(Role::Client, Action::SendAgain, &data(98, "a\n"));
    assert_eq!(line, "SEND (AGAIN): 0|||0|||0|||98|||a\\n");
    let script = client(20, 21);
    assert!(Session::report(&script.session.info()).starts_with("packets sent: 2\n"));
}

/// The digits of a length are the wire's.
#[test]
fn octets_are_those_of_the_application() {
    let mut script = client(20, 21);
    script.write("nineteen characters");
    for ack in [24, 40, 43] {
        script.say(P::ack(ack));
    }
    let counters = script.session.info().counters;
    assert_eq!((counters.octets_sent, counters.data_packets_sent), (19, 3));
    let mut script = server(22);
    for (seq, text) in [(22, "19"), (24, "nineteen charact"), (40, "ers")] {
        script.say(data(seq, text));
    }
    let counters = script.session.info().counters;
    assert_eq!((counters.octets_received, counters.data_packets_received), (19, 3));
}
