//! Towards the original's receiver.

use super::super::super::tests::data::Content;
use super::super::super::tests::original::Duel;
use super::super::super::tests::pair::weather;
use super::super::super::{Chunk, Event, Mode, Phase, Reason, Wire};
use super::model::Receiver;
use super::*;
use crate::netem;

fn send(files: &[Vec<u8>], link: &netem::Config, seed: u64) -> Duel<Session, Receiver> {
    let mut duel = Duel::<Session, _>::client(Receiver::default(), link, seed);
    let chunks = (1..).zip(files).map(|(stream, file)| {
        let data = Bytes::from(file.clone());
        Chunk { stream, data, end: true }
    });
    duel.end().to_send = chunks.collect();
    duel.end().closes_after = Some(0);
    duel.run(MS * 600_000);
    duel
}

fn files(sizes: &[usize]) -> Vec<Vec<u8>> {
    sizes.iter().map(|&size| Content::Random.octets(size).to_vec()).collect()
}

#[test]
fn files_of_any_size_arrive_and_empty_ones_too() {
    let clean = weather(0.0, 0.0, 0.0);
    for sizes in [vec![0], vec![1], vec![511], vec![100_000], vec![0, 40_000, 0, 7, 90_000, 14_987]]
    {
        let files = files(&sizes);
        for seed in 0..5 {
            let mut duel = send(&files, &clean, seed * 211);
            assert!(duel.original.batches == [files.clone()], "{sizes:?}");
            assert!(duel.original.closed);
            assert_eq!(duel.end().ended(), Some(&Reason::Normal));
            assert_eq!(duel.end().session.info().mode, Some(Mode::Original));
        }
    }
}

#[test]
fn whatever_the_network_does_the_original_keeps_nothing_wrong() {
    for (link, least) in [
        (weather(0.05, 0.0, 0.0), 5),
        (weather(0.0, 0.05, 0.0), 5),
        (weather(0.0, 0.0, 0.2), 40),
        (weather(0.02, 0.02, 0.02), 5),
        (weather(0.05, 0.05, 0.05), 0),
    ] {
        let mut complete = 0;
        for seed in 0..40 {
            let files = files(&[60_000, 30_000, 1_000]);
            let mut duel = send(&files, &link, seed);
            // The network may double the end of the batch: then an empty one follows it.
            let mut kept: Vec<_> = duel.original.batches.drain(..).collect();
            kept.retain(|batch| !batch.is_empty());
            match duel.end().ended() {
                Some(Reason::Normal) => {
                    complete += 1;
                    assert!(kept == [files], "seed {seed}");
                }
                Some(Reason::Spoilt(_) | Reason::TimedOut { .. }) => {
                    assert!(kept.is_empty(), "seed {seed}");
                }
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        assert!(complete >= least, "{complete} with {link:?}");
    }
}

#[test]
fn batches_follow_each_other() {
    let link = weather(0.0, 0.0, 0.0);
    let mut duel = Duel::<Session, _>::client(Receiver::default(), &link, 1);
    let chunk = |stream, data: &'static str, end| Chunk { stream, data: data.into(), end };
    duel.end().to_send = [
        chunk(1, "one", true),
        chunk(2, "two", false),
        chunk(0, "", true),
        chunk(1, "three", false),
        chunk(0, "", true),
        chunk(7, "four", true),
    ]
    .into();
    duel.end().closes_after = Some(0);
    duel.run(MS * 10_000);
    let text = |text: &str| text.as_bytes().to_vec();
    let batches = [vec![text("one"), text("two")], vec![text("three")], vec![text("four")]];
    assert_eq!(duel.original.batches, batches);
    assert_eq!(duel.end().ended(), Some(&Reason::Normal));
}

fn original(seed: u64) -> Script<Session> {
    let mut script = Script::<Session>::client(seed);
    script.say(greeting(Kind::Accept, 1));
    script.heard();
    script
}

fn chunk(data: &'static str) -> Chunk {
    Chunk { stream: 1, data: data.into(), end: true }
}

#[test]
fn a_lost_answer_is_found_by_asking_and_a_lost_packet_too() {
    let mut script = original(0);
    script.write_chunk(chunk("x"));
    script.close();
    script.heard();
    script.wait(MS * 210);
    script.expect(&[packet(Kind::Data, 4, vec![frame(1, 1, "")])]);
    script.say(ack(5));
    script.wait(MS * 300);
    assert_eq!(script.heard()[0], P::bare(Kind::DataFin, 5));

    let mut script = original(0);
    script.write_chunk(chunk("x"));
    script.close();
    script.heard();
    script.wait(MS * 210);
    script.say(ack(3));
    script.wait(MS * 300);
    assert_eq!(script.ended(), Some(Reason::Spoilt(4)));
    // Without the end of the batch it throws away what it has.
    assert!(script.heard().iter().all(|packet| packet.kind != Kind::DataFin));
}

#[test]
fn however_many_streams_there_are_one_packet_is_under_way() {
    let mut script = original(0);
    for stream in 1..=20 {
        let data = Bytes::from(vec![b'x'; 20_000]);
        script.write_chunk(Chunk { stream, data, end: true });
    }
    script.close();
    let mut numbers = Vec::new();
    for number in (3..).step_by(2) {
        script.wait(MS * 5);
        let heard = script.heard();
        match heard.as_slice() {
            [packet] if packet.kind.is_data() => {
                assert!(packet.wire_len() <= 15_000);
                assert!(packet.frames.iter().all(|frame| frame.stream == packet.frames[0].stream));
                numbers.push((packet.frames[0].stream, packet.kind));
            }
            [] => break,
            other => panic!("{other:?}"),
        }
        script.say(ack(number));
    }
    let order = (1..=20).map(|stream| (stream, Kind::First));
    assert!(numbers.iter().copied().eq(order.chain((1..=20).map(|stream| (stream, Kind::Last)))));
}

/// All data is answered, and the end of the batch is said.
fn ended() -> Script<Session> {
    let mut script = original(0);
    script.write_chunk(chunk("x"));
    script.close();
    script.say(ack(3));
    script.wait(MS * 150);
    let check = packet(Kind::First, 5, vec![frame(1, 0, "")]);
    let heard = script.heard();
    assert_eq!(heard[heard.len() - 2..], [P::bare(Kind::DataFin, 4), check]);
    script
}

#[test]
fn the_end_of_the_batch_that_got_lost_is_an_error() {
    // It has counted a packet and its answer, and nothing between that and the next.
    let mut script = ended();
    script.say(ack(5));
    assert_eq!(script.ended(), Some(Reason::Spoilt(5)));
    script.expect(&[P::bare(Kind::Fin, 6)]);
    script.wait_for_end();
    script.expect(&[]);
}

#[test]
fn the_end_of_the_batch_that_arrived_is_known_by_the_answer_to_what_follows() {
    let mut script = ended();
    // This answers the data once more: it came late, or twice.
    script.say(ack(3));
    script.expect(&[]);
    script.say(ack(6));
    script.expect(&[P::bare(Kind::Fin, 6)]);
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));

    // The answer was lost, or the packet.
    for number in [6, 8] {
        let mut script = ended();
        script.wait(MS * 210);
        script.expect(&[packet(Kind::First, 6, vec![frame(2, 0, "")])]);
        script.say(ack(number));
        script.expect(&[P::bare(Kind::Fin, 7)]);
        script.wait_for_end();
        assert_eq!(script.ended(), Some(Reason::Normal));
    }
}

#[test]
fn a_receiver_that_reads_no_more_after_the_end_of_the_batch_has_it() {
    let mut script = ended();
    script.wait_for_end();
    let heard = script.heard();
    assert_eq!(heard.iter().filter(|packet| packet.kind == Kind::First).count(), 5);
    assert_eq!(heard.iter().filter(|packet| packet.kind == Kind::Fin).count(), 3);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn an_answer_too_many_means_that_something_came_twice() {
    let mut script = original(0);
    script.write_chunk(chunk("x"));
    script.close();
    script.say(ack(3));
    script.say(ack(3));
    script.say(ack(5));
    assert_eq!(script.ended(), Some(Reason::Spoilt(3)));
    assert_eq!(script.heard().last(), Some(&P::bare(Kind::Fin, 4)));
}

#[test]
fn an_original_that_never_answers_is_given_up_on() {
    let mut script = Script::<Session>::client(0);
    script.wait_for_end();
    let reason = Reason::TimedOut { phase: Phase::Handshake, tries: 60 };
    assert_eq!(script.session.poll_event(), Some(Event::Refused(reason)));
    let mut script = original(0);
    script.write_chunk(chunk("x"));
    script.wait_for_end();
    assert!(matches!(script.ended(), Some(Reason::TimedOut { phase: Phase::Data, .. })));
}

#[test]
fn an_answer_that_is_no_echo_is_an_error() {
    let mut script = Script::<Session>::client(0);
    script.say(packet(Kind::Accept, 1, vec![frame(0, 3, "rel1")]));
    assert!(matches!(script.ended(), Some(Reason::Protocol(_))));
}
