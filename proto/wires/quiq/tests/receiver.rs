//! Towards the original's sender.

use super::super::super::tests::data::{Content, assemble};
use super::super::super::tests::original::Duel;
use super::super::super::tests::pair::weather;
use super::super::super::{Discard, Mode, Outcome, Reason, Wire};
use super::model::Sender;
use super::*;
use crate::netem;

fn receive(batches: &[Vec<Vec<u8>>], link: &netem::Config, seed: u64) -> Duel<Session, Sender> {
    let mut duel = Duel::<Session, _>::server(Sender::new(batches), link, seed);
    duel.run(MS * 600_000);
    duel
}

fn batch(sizes: &[usize]) -> Vec<Vec<u8>> {
    sizes.iter().map(|&size| Content::Random.octets(size).to_vec()).collect()
}

/// What was received: batches, up to the last that was ended.
fn batches(duel: &mut Duel<Session, Sender>) -> Vec<Vec<Vec<u8>>> {
    let received = &duel.end().received;
    let mut parts: Vec<_> = received.split(|chunk| chunk.stream == 0).collect();
    parts.pop();
    let octets = |part| assemble(part).into_iter().map(|(_, octets, _)| octets).collect();
    parts.into_iter().map(octets).collect()
}

#[test]
fn files_arrive_whole_and_in_the_order_of_their_streams() {
    let sent = [batch(&[1, 100_000, 40_000, 512]), batch(&[30_000])];
    for seed in 0..20 {
        for link in [weather(0.0, 0.0, 0.0), weather(0.0, 0.05, 0.05), weather(0.0, 0.2, 0.2)] {
            let mut duel = receive(&sent, &link, seed);
            assert!(batches(&mut duel) == sent, "seed {seed}");
            assert_eq!(duel.end().ended(), Some(&Reason::Normal));
            assert_eq!(duel.end().session.info().mode, Some(Mode::Original));
        }
    }
}

#[test]
fn a_loss_is_noticed_and_named() {
    let (mut complete, mut missing) = (0, 0);
    for seed in 0..60 {
        let sent = [batch(&[30_000, 20_000])];
        let mut duel = receive(&sent, &weather(0.08, 0.0, 0.0), seed);
        if duel.end.is_none() {
            continue;
        }
        let got = batches(&mut duel);
        match duel.end().ended() {
            Some(Reason::Normal) => {
                complete += 1;
                assert!(got == sent, "seed {seed}");
            }
            Some(Reason::Missing(numbers)) => {
                missing += 1;
                assert!(!numbers.is_empty() && got.is_empty());
            }
            // The answer to its SYN got lost, or both of its last words.
            Some(Reason::TimedOut { .. } | Reason::Vanished) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(complete > 8 && missing > 8, "{complete} complete, {missing} not");
}

fn server() -> Script<Session> {
    let mut script = Script::<Session>::server(&P::bare(Kind::Syn, 1), 1);
    script.heard();
    script
}

#[test]
fn the_end_of_the_batch_may_get_lost() {
    let mut script = server();
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "hello")]));
    script.say(P::bare(Kind::Fin, 5));
    assert_eq!(script.read(), b"hello");
    script.wait(MS * 1_500);
    let mut ended = false;
    while let Some(chunk) = script.session.read() {
        ended |= chunk.stream == 1 && chunk.end;
    }
    assert!(ended);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn the_end_of_all_may_get_lost() {
    let mut script = server();
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "hello")]));
    script.say(P::bare(Kind::DataFin, 4));
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn an_end_without_the_end_of_the_batch_leaves_it_incomplete() {
    let mut script = server();
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "hello")]));
    script.say(P::bare(Kind::Fin, 4));
    assert_eq!(script.ended(), Some(Reason::Missing(vec![4])));
}

#[test]
fn what_is_missing_for_a_second_is_named() {
    let mut script = server();
    script.say(packet(Kind::First, 3, vec![frame(1, 0, "a")]));
    script.say(packet(Kind::Data, 5, vec![frame(1, 2, "c")]));
    script.say(packet(Kind::Last, 8, vec![frame(1, 5, "f")]));
    script.wait(MS * 900);
    assert_eq!(script.session.info().ended, None);
    script.wait(MS * 200);
    assert_eq!(script.ended(), Some(Reason::Missing(vec![4, 6, 7])));
}

#[test]
fn a_syn_is_given_back_as_it_is_and_answered_again() {
    let strange = packet(Kind::Syn, 1, vec![frame(9, 7, "hi"), frame(0, 1, "x")]);
    let mut script = Script::<Session>::server(&strange, 1);
    script.say(strange.clone());
    let echo = P { kind: Kind::Accept, ..strange };
    script.expect(&[echo.clone(), echo]);
    assert_eq!(script.session.info().mode, Some(Mode::Original));
}

#[test]
fn packets_that_would_kill_an_original_are_dropped() {
    let mut script = server();
    for (packet, discard) in [
        (P::bare(Kind::Data, 3), Discard::BadLength),
        (packet(Kind::Data, 1, vec![frame(1, 0, "x")]), Discard::Duplicate),
        (packet(Kind::Data, 90_000, vec![frame(1, 0, "x")]), Discard::BadNumber),
        (P::bare(Kind::Accept, 1), Discard::Unexpected),
        (ack(3), Discard::Unexpected),
    ] {
        assert_eq!(script.say(packet), Outcome::Dropped(discard));
    }
    // Data that is not the first of its stream is as good as any.
    script.say(packet(Kind::Data, 3, vec![frame(1, 0, "x")]));
    assert_eq!(script.read(), b"x");
}
