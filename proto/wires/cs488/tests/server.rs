//! Towards the original's client.

use bytes::Bytes;

use super::super::super::tests::data::{Content, assemble};
use super::super::super::tests::pair::weather;
use super::super::super::{Discard, Mode, Outcome, Phase, Reason, Wire};
use super::model::Client;
use super::*;
use crate::netem;

fn receive(text: &str, link: &netem::Config, seed: u64) -> Duel<Session, Client> {
    let mut duel = Duel::<Session, _>::server(Client::new(text), link, seed);
    duel.run(MS * 3_600_000);
    duel
}

fn received(duel: &mut Duel<Session, Client>) -> Vec<u8> {
    assemble(&duel.end().received).into_iter().flat_map(|(_, octets, _)| octets).collect()
}

fn arrives(text: &str, link: &netem::Config, seed: u64) -> u32 {
    let mut duel = receive(text, link, seed);
    assert!(received(&mut duel) == text.as_bytes(), "{} octets, seed {seed}", text.len());
    assert_eq!(duel.end().ended(), Some(&Reason::Normal), "seed {seed}");
    duel.original.sent
}

fn text(size: usize) -> String {
    String::from_utf8(Content::Text.octets(size).to_vec()).expect("ASCII")
}

#[test]
fn text_of_any_size_arrives() {
    for size in [0, 1, 511, 512, 513, 100_000, 204_756, 204_757, 204_758] {
        arrives(&text(size), &weather(0.0, 0.0, 0.0), 1);
    }
}

#[test]
fn loss_duplication_and_reordering_are_survived_and_copies_do_not_pile_up() {
    for seed in 0..20 {
        arrives(&text(20_000), &weather(0.05, 0.0, 0.0), seed);
        arrives(&text(20_000), &weather(0.0, 0.0, 0.05), seed);
        let sent = arrives(&text(20_000), &weather(0.0, 0.05, 0.0), seed);
        assert!(sent < 80, "{sent} packets for a file of forty");
    }
}

#[test]
fn nuls_at_the_end_of_a_packet_are_found_by_the_next_number() {
    let mut octets = text(2_000).into_bytes();
    octets[500..512].fill(0);
    octets[1_023] = 0;
    octets[1_990..].fill(0);
    let text = String::from_utf8(octets).expect("text");
    arrives(&text, &weather(0.0, 0.0, 0.0), 1);
    arrives(&"\0".repeat(600), &weather(0.0, 0.0, 0.0), 1);
    arrives("a\0\0\0", &weather(0.0, 0.0, 0.0), 1);
}

#[test]
fn characters_are_counted_where_the_client_counts_them() {
    let text = format!("{}{}", text(512), "zażółć".repeat(30));
    arrives(&text, &weather(0.0, 0.0, 0.0), 1);
}

#[test]
fn a_repeat_within_a_tenth_of_a_second_is_the_echo_of_an_answer() {
    let none = Bytes::new();
    let syn = P::client(Flag::Syn, 0, 42, 0, &none);
    let mut script = Script::<Session>::server(&syn, 3);
    let id = script.heard()[0].con_id;
    script.say(syn);
    script.expect(&[P::server(Flag::SynAck, id, 42, 43)]);
    let packet = P::client(Flag::Ack, id, 43, 0, &Bytes::from_static(b"abc"));
    let answer = P::server(Flag::Ack, id, 43, 46);
    script.say(packet.clone());
    script.say(packet.clone());
    script.expect(std::slice::from_ref(&answer));
    script.wait(MS * 500);
    script.say(packet.clone());
    script.expect(&[answer]);
    // It did not like the number, twice: perhaps all 512 octets count, perhaps fewer.
    for len in [512, 3, 4, 5] {
        script.say(packet.clone());
        script.expect(&[P::server(Flag::Ack, id, 43, 43 + len)]);
    }
    // The next number tells.
    script.say(P::client(Flag::Data, id, 48, 0, &Bytes::from_static(b"d")));
    assert_eq!(script.read(), b"abc\0\0d");
    assert_eq!(script.session.info().mode, Some(Mode::Original));
}

#[test]
fn stale_and_impossible_packets_are_neither_taken_nor_answered() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.heard()[0].con_id;
    let letter = |seq, ack, letter: &'static str| {
        P::client(Flag::Data, id, seq, ack, &Bytes::from_static(letter.as_bytes()))
    };
    script.say(letter(43, 0, "aaa"));
    script.say(letter(46, 0, "bbb"));
    script.heard();
    for (packet, discard) in [
        (letter(43, 0, "aaa"), Discard::OutOfOrder),
        (letter(700, 0, "zzz"), Discard::OutOfOrder),
        (letter(-1, 0, "zzz"), Discard::BadNumber),
        (letter(204_800, 0, "zzz"), Discard::BadNumber),
        (letter(49, 513, "zzz"), Discard::BadLength),
        (letter(49, -1, "zzz"), Discard::BadLength),
        (letter(49, 2, "zzz"), Discard::BadLength),
        (P::client(Flag::Data, id + 1, 49, 0, &none), Discard::OtherConnection),
        (P::client(Flag::Syn, 0, 42, 0, &none), Discard::Duplicate),
        (P::client(Flag::Fin, id, 45, 0, &none), Discard::BadNumber),
        (P::server(Flag::Ack, id, 49, 0), Discard::Unexpected),
    ] {
        assert_eq!(script.say(packet.clone()), Outcome::Dropped(discard), "{packet:?}");
    }
    script.expect(&[]);
    script.say(letter(49, 0, "ccc"));
    assert_eq!(script.read(), b"aaabbbccc");
}

#[test]
fn an_end_with_a_number_that_cannot_be_means_that_something_is_missing() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.heard()[0].con_id;
    script.say(P::client(Flag::Ack, id, 43, 0, &Bytes::from_static(b"abc")));
    for _ in 0..3 {
        script.say(P::client(Flag::Fin, id, 1_500, 0, &none));
    }
    assert_eq!(script.ended(), Some(Reason::Missing(vec![43])));
}

#[test]
fn the_end_is_answered_until_it_is_acknowledged_but_not_for_ever() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.heard()[0].con_id;
    script.say(P::client(Flag::Ack, id, 43, 0, &none));
    script.heard();
    script.say(P::client(Flag::Fin, id, 43, 0, &none));
    script.wait_for_end();
    assert_eq!(script.heard().len(), 14);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn a_client_that_vanishes_is_noticed_at_every_stage() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.heard()[0].con_id;
    script.wait_for_end();
    assert!(matches!(script.ended(), Some(Reason::TimedOut { phase: Phase::Handshake, .. })));

    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    script.say(P::client(Flag::Ack, id, 43, 0, &Bytes::from_static(b"abc")));
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Vanished));
}

#[test]
fn the_length_that_is_said_makes_any_octets_pass() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.heard()[0].con_id;
    script.say(P::client(Flag::Ack, id, 43, 5, &Bytes::from_static(b"\xff\0\0\0\0")));
    script.say(P::client(Flag::Data, id, 48, 512, &none));
    script.expect(&[P::server(Flag::Ack, id, 43, 48), P::server(Flag::Ack, id, 48, 560)]);
    assert_eq!(script.session.info().mode, Some(Mode::Careful));
    // A repeat is answered whenever it comes: a careful client does not echo.
    script.say(P::client(Flag::Data, id, 48, 512, &none));
    script.expect(&[P::server(Flag::Ack, id, 48, 560)]);
    assert_eq!(script.read().len(), 517);
}

#[test]
fn the_last_words_of_an_original_whose_end_was_lost_are_an_end() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.sent[0].2.con_id;
    script.say(P::client(Flag::Ack, id, 43, 0, &Bytes::from_static(b"abc")));
    // With a number that cannot be, it says nothing.
    let outcome = script.say(P::client(Flag::FinAck, id, 9_000, 9_001, &none));
    assert_eq!(outcome, Outcome::Dropped(Discard::BadNumber));
    assert_eq!(script.say(P::client(Flag::FinAck, id, 46, 47, &none)), Outcome::Taken);
    assert_eq!(script.read(), b"abc");
    assert_eq!(script.ended(), Some(Reason::Normal));
    assert!(script.session.is_over());
}
