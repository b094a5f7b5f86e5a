//! Whole transfers with each of them.

use bytes::Bytes;

use super::super::super::tests::data::{Content, assemble};
use super::super::super::tests::original::Duel;
use super::super::super::tests::pair::weather;
use super::super::super::{Chunk, Reason, Wire};
use super::model::{Habits, J, K, REFERENCE, Student};
use super::*;
use crate::netem;

fn messages() -> [Bytes; 4] {
    [
        Content::Text.octets(1),
        Content::Bars.octets(16),
        Content::Random.octets(17),
        Content::Nuls.octets(1_500),
    ]
}

/// Weather that each can stand; K says nothing twice but data, so nothing may be lost.
fn weathers(habits: Habits) -> Vec<netem::Config> {
    let mut links = vec![weather(0.0, 0.0, 0.0), weather(0.0, 0.05, 0.0), weather(0.0, 0.0, 0.05)];
    if habits.repeats {
        links.push(weather(0.05, 0.05, 0.05));
    }
    links
}

#[test]
fn a_message_gets_to_each_of_them() {
    for (habits, name) in [(REFERENCE, "reference"), (K, "K"), (J, "J")] {
        for link in weathers(habits) {
            for (number, message) in (0..).zip(messages()) {
                for seed in 0..10 {
                    let what = format!("{name} seed {seed} message {number} {link:?}");
                    let student = Student::server(habits);
                    let seed = seed + number * 100;
                    let mut duel = Duel::<Session, _>::client(student, &link, seed);
                    duel.end().to_send.push_back(Chunk::message(message.clone()));
                    duel.end().closes_after = Some(0);
                    duel.run(MS * 600_000);
                    assert!(duel.original.received == message, "{what}");
                    assert_eq!(duel.end().ended(), Some(&Reason::Normal), "{what}");
                    assert!(duel.end().session.is_over(), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_message_comes_from_each_of_them() {
    for (habits, name) in [(REFERENCE, "reference"), (K, "K"), (J, "J")] {
        for link in weathers(habits) {
            for (number, message) in (0..).zip(messages()) {
                for seed in 0..10 {
                    let what = format!("{name} seed {seed} message {number} {link:?}");
                    let student = Student::client(habits, &message);
                    let seed = seed + number * 100;
                    let mut duel = Duel::<Session, _>::server(student, &link, seed);
                    duel.run(MS * 600_000);
                    let received = assemble(&duel.end().received);
                    assert_eq!(received.len(), 1, "{what}");
                    assert!(received[0].1 == message && received[0].2, "{what}");
                    assert_eq!(duel.end().ended(), Some(&Reason::Normal), "{what}");
                    assert!(duel.original.is_closed(), "{what}");
                }
            }
        }
    }
}

#[test]
fn copies_do_not_pile_up_at_one_that_echoes() {
    for seed in 0..5 {
        let message = Content::Random.octets(16_000);
        let student = Student::client(J, &message);
        let mut duel = Duel::<Session, _>::server(student, &weather(0.0, 0.05, 0.0), seed);
        duel.run(MS * 600_000);
        assert_eq!(duel.end().ended(), Some(&Reason::Normal));
        // A thousand pieces, and hardly more segments.
        assert!(duel.original.sent < 1_200, "{}", duel.original.sent);
    }
}
