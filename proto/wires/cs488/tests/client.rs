//! Towards the original's server.

use bytes::Bytes;

use super::super::super::tests::data::Content;
use super::super::super::tests::pair::weather;
use super::super::super::{Chunk, Discard, Mode, Outcome, Phase, Reason, Unfit, Wire};
use super::model::Server;
use super::*;
use crate::Instant;

fn send(file: &[u8], loss: f64, seed: u64) -> Duel<Session, Server> {
    let mut duel = Duel::<Session, _>::client(Server::default(), &weather(loss, 0.0, 0.0), seed);
    duel.end().to_send.push_back(Chunk::message(file.to_vec()));
    duel.end().closes_after = Some(0);
    duel.run(MS * 3_600_000);
    duel
}

fn arrives(file: &[u8], loss: f64, seed: u64) {
    let mut duel = send(file, loss, seed);
    assert!(duel.original.output == file, "{} octets, seed {seed}", file.len());
    assert_eq!(duel.end().ended(), Some(&Reason::Normal));
    assert!(duel.original.dead, "it has left");
    assert_eq!(duel.end().session.info().mode, Some(Mode::Original));
}

#[test]
fn text_of_any_size_arrives() {
    for size in [0, 1, 511, 512, 513, 100_000, 204_756, 204_757, 204_758] {
        arrives(&Content::Text.octets(size), 0.0, 1);
    }
}

#[test]
fn lost_packets_are_repeated() {
    for seed in 0..20 {
        arrives(&Content::Text.octets(5_000), 0.05, seed);
    }
}

#[test]
fn duplication_and_reordering_are_survived_or_noticed() {
    for link in [weather(0.0, 0.05, 0.0), weather(0.0, 0.0, 0.05), weather(0.03, 0.03, 0.03)] {
        let mut complete = 0;
        for seed in 0..40 {
            let file = Content::Text.octets(20_000);
            let mut duel = Duel::<Session, _>::client(Server::default(), &link, seed);
            duel.end().to_send.push_back(Chunk::message(file.clone()));
            duel.end().closes_after = Some(0);
            duel.run(MS * 3_600_000);
            let is_whole = duel.original.output == file;
            match duel.end().ended() {
                Some(Reason::Normal) => {
                    assert!(is_whole, "seed {seed}: other octets");
                    complete += 1;
                }
                Some(Reason::TimedOut { .. }) => {}
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        assert!(complete > 30, "{complete} of 40 with {link:?}");
    }
}

#[test]
fn characters_of_several_octets_arrive() {
    let text = "zażółć gęślą jaźń 日本語 🦀\n".repeat(200);
    arrives(text.as_bytes(), 0.0, 1);
}

#[test]
fn nuls_inside_arrive_wherever_packets_end() {
    let mut file = Content::Text.octets(3_000).to_vec();
    for at in [3, 500, 511, 512, 513, 1_023, 1_024, 2_000] {
        file[at] = 0;
    }
    file[1_400..1_900].fill(0);
    arrives(&file, 0.0, 1);
}

#[test]
fn a_nul_at_the_end_or_five_hundred_in_a_row_are_an_error() {
    let mut long = Content::Text.octets(3_000).to_vec();
    long[700..1_800].fill(0);
    for file in [b"abc\0".to_vec(), long] {
        let mut duel = send(&file, 0.0, 1);
        let reason = Reason::NotRepresentable(Unfit::TrailingNul);
        assert_eq!(duel.end().ended(), Some(&reason));
    }
}

#[test]
fn octets_that_are_no_text_are_an_error() {
    let mut duel = send(b"ab\xff\xfecd", 0.0, 1);
    assert_eq!(duel.end().ended(), Some(&Reason::NotRepresentable(Unfit::NotText)));
    assert!(duel.now < Instant::from_millis(4_000), "an original is gone at once: {:?}", duel.now);
}

#[test]
fn a_file_written_little_by_little_keeps_the_server_waiting() {
    let mut duel = Duel::<Session, _>::client(Server::default(), &weather(0.0, 0.0, 0.0), 1);
    for piece in ["one, ", "two, ", "three"] {
        duel.run(MS * 5_000);
        duel.end().to_send.push_back(Chunk::message(piece));
    }
    duel.end().closes_after = Some(0);
    duel.run(MS * 5_000);
    assert_eq!(duel.original.output, b"one, two, three");
    assert_eq!(duel.end().ended(), Some(&Reason::Normal));
}

#[test]
fn the_id_of_the_last_answer_to_a_doubled_syn_counts() {
    let mut script = Script::<Session>::client(0);
    script.write("x");
    script.heard();
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait(MS * 30);
    script.say(P::server(Flag::SynAck, 9, 42, 43));
    script.wait(MS * 20);
    script.expect(&[]);
    script.wait(MS * 20);
    assert_eq!(script.heard()[0].con_id, 9);
    // One that is later still makes us change over, as long as nothing was acknowledged.
    script.say(P::server(Flag::SynAck, 3, 42, 43));
    script.wait(MS * 400);
    assert_eq!(script.heard()[0].con_id, 3);
    script.say(P::server(Flag::Ack, 3, 43, 44));
    assert_eq!(
        script.say(P::server(Flag::SynAck, 4, 42, 43)),
        Outcome::Dropped(Discard::Duplicate)
    );
}

#[test]
fn no_answer_but_the_wanted_one_makes_it_send() {
    let mut script = Script::<Session>::client(0);
    script.write("abc");
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait(MS * 60);
    script.heard();
    for wrong in [
        P::server(Flag::Ack, 8, 43, 46),
        P::server(Flag::Ack, 7, 40, 46),
        P::server(Flag::Ack, 7, 43, 45),
        P::server(Flag::FinAck, 7, 43, 46),
        P::server(Flag::SynAck, 7, 42, 43),
        P::client(Flag::Ack, 7, 43, 46, &Bytes::new()),
    ] {
        assert!(matches!(script.say(wrong.clone()), Outcome::Dropped(_)), "{wrong:?}");
    }
    script.expect(&[]);
    assert_eq!(script.say(P::server(Flag::Ack, 7, 43, 46)), Outcome::Taken);
}

#[test]
fn an_answer_that_is_late_counts_and_that_of_the_copy_breeds_none() {
    let mut script = Script::<Session>::client(0);
    script.write("abc");
    script.close();
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait(MS * 700);
    let copies = script.heard().into_iter().filter(|packet| packet.flag == Flag::Ack);
    assert_eq!(copies.count(), 2);
    script.say(P::server(Flag::Ack, 7, 43, 46));
    let copy = script.say(P::server(Flag::Ack, 7, 43, 46));
    assert_eq!(copy, Outcome::Dropped(Discard::StaleAck));
    script.expect(&[]);
    script.wait(MS * 400);
    script.expect(&[P::client(Flag::Fin, 7, 46, 0, &Bytes::new())]);
}

#[test]
fn a_careful_server_behind_a_small_id_is_found_by_its_count() {
    let mut script = Script::<Session>::client(0);
    script.write("abc\0\0");
    script.close();
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait(MS * 60);
    script.say(P::server(Flag::Ack, 7, 43, 46));
    script.wait(MS * 2);
    script.say(P::server(Flag::Ack, 7, 46, 48));
    assert_eq!(script.session.info().mode, Some(Mode::Careful));
    assert_eq!(script.heard().last().expect("a packet").flag, Flag::Fin);
}

#[test]
fn a_server_that_never_answers_is_given_up_on_at_every_stage() {
    let mut script = Script::<Session>::client(0);
    script.wait_for_end();
    let reason = Reason::TimedOut { phase: Phase::Handshake, tries: 60 };
    assert_eq!(script.ended(), Some(reason));

    let mut script = Script::<Session>::client(0);
    script.write("abc");
    script.close();
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::TimedOut { phase: Phase::Data, tries: 40 }));

    // All was acknowledged: the server has left, but with the whole file.
    let mut script = Script::<Session>::client(0);
    script.write("abc");
    script.close();
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait(MS * 60);
    script.say(P::server(Flag::Ack, 7, 43, 46));
    script.heard();
    script.wait_for_end();
    assert_eq!(script.heard().len(), 8);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

/// A client of an original with connection id 7 that has sent `first`, the head of `file`, and nothing else.
fn begun(file: &str, first: &str) -> Script<Session> {
    let mut script = Script::<Session>::client(0);
    script.write(file.to_owned());
    script.close();
    script.say(P::server(Flag::SynAck, 7, 42, 43));
    script.wait(MS * 60);
    let sent = script.heard().pop().expect("a packet");
    assert_eq!(
        sent,
        P::client(Flag::Ack, 7, 43, first.len() as i32, &Bytes::from(first.to_owned()))
    );
    script
}

#[test]
fn a_pause_lets_copies_reach_an_original_while_they_do_no_harm() {
    let (head, tail) = ("a".repeat(512), "b".repeat(100));
    let mut script = begun(&format!("{head}{tail}"), &head);
    script.say(P::server(Flag::Ack, 7, 43, 555));
    script.wait(MS);
    script.expect(&[]);
    script.wait(MS);
    assert_eq!(script.heard(), [P::client(Flag::Data, 7, 555, 100, &Bytes::from(tail))]);
    // The answer to a copy: there may be more of them.
    script.say(P::server(Flag::Ack, 7, 43, 555));
    script.say(P::server(Flag::Ack, 7, 555, 655));
    script.wait(MS * 29);
    script.expect(&[]);
    script.wait(MS);
    assert_eq!(script.heard().pop().expect("the end").flag, Flag::Fin);
}

#[test]
fn an_original_that_counted_a_copy_is_followed() {
    let (head, tail) = ("a".repeat(512), "b".repeat(100));
    let mut script = begun(&format!("{head}{tail}"), &head);
    script.say(P::server(Flag::Ack, 7, 43, 555));
    for impossible in [i32::MIN, -1, 555, 1_068, 204_801, i32::MAX] {
        let outcome = script.say(P::server(Flag::Ack, 7, 555, impossible));
        assert_eq!(outcome, Outcome::Dropped(Discard::StaleAck), "{impossible}");
    }
    // It moved by the length of the copy.
    assert_eq!(script.say(P::server(Flag::Ack, 7, 555, 1_067)), Outcome::Taken);
    script.wait(MS * 2);
    assert_eq!(script.heard(), [P::client(Flag::Data, 7, 1_067, 100, &Bytes::from(tail))]);
    script.say(P::server(Flag::Ack, 7, 1_067, 1_167));
    script.wait(MS * 30);
    script.say(P::server(Flag::Fin, 7, 1_167, 0));
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn an_original_that_lost_count_has_not_got_the_file() {
    let mut script = begun("abc", "abc");
    script.say(P::server(Flag::Ack, 7, 40, 46));
    script.say(P::server(Flag::Ack, 7, 43, 46));
    script.wait(MS * 30);
    assert_eq!(script.heard().pop().expect("the end").flag, Flag::Fin);
    script.say(P::server(Flag::Fin, 7, 49, 0));
    assert_eq!(script.ended(), Some(Reason::Spoilt(49)));
}

#[test]
fn late_copies_are_survived_as_a_rule() {
    let (mut whole, mut noticed) = (0, 0);
    let mut link = weather(0.0, 0.05, 0.05);
    // Later than several packets that came after.
    link.reordering.extra = MS * 100;
    for seed in 0..40 {
        let file = Content::Text.octets(20_000);
        let mut duel = Duel::<Session, _>::client(Server::default(), &link, seed);
        duel.end().to_send.push_back(Chunk::message(file.clone()));
        duel.end().closes_after = Some(0);
        duel.run(MS * 3_600_000);
        whole += u32::from(duel.original.output == file);
        noticed += u32::from(duel.end().ended() != Some(&Reason::Normal));
    }
    assert!(whole >= 38, "{whole} of 40 whole, {noticed} noticed");
}

/// What a sender measures lasts until its last packet is acknowledged.
#[test]
fn time_runs_to_the_last_acknowledgement() {
    let mut duel = send(b"a short file", 0.0, 1);
    let counters = duel.end().session.info().counters;
    assert!(counters.elapsed() > core::time::Duration::ZERO, "{counters:?}");
}
