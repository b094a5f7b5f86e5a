//! Programs that count otherwise, or do what no wire can carry: what they do not get right is never taken for right.

use bytes::Bytes;

use super::super::super::{Outcome, Phase, Reason};
use super::*;

fn data(seq: u64, text: &'static str) -> P {
    P::data(seq, Bytes::from_static(text.as_bytes()))
}

/// A client with x = 20, connected to a server that shares its counter.
fn client() -> Script<Session> {
    let mut script = Script::<Session>::client(20);
    script.peer = address(PEER);
    script.say(P::syn_ack(21));
    script.heard();
    script
}

/// A server whose client has x = 20 and shares its counter.
fn server() -> Script<Session> {
    let mut script = Script::<Session>::server(&P::syn(20), 1);
    script.say(P::ack(22));
    script.heard();
    script
}

const MESSAGE: &str = "seventeen octets.";

/// What a client makes of a server that answers each of its segments with another number.
#[track_caller]
fn is_refused_by_client(answer: impl Fn(&P) -> u64) {
    let mut script = client();
    script.write(MESSAGE);
    script.close();
    let mut answered = Vec::new();
    // It gets further than the first segment in no dialect.
    for _ in 0..200 {
        for segment in script.heard().iter().filter(|segment| !segment.ack) {
            answered.push(segment.seq);
            script.say(P::ack(answer(segment)));
        }
        script.wait(MS * 200);
    }
    let reason = script.ended().expect("an end");
    assert!(matches!(reason, Reason::TimedOut { phase: Phase::Data, .. }), "{reason:?}");
    assert!(answered.iter().all(|seq| *seq == 22 || *seq == 21), "{answered:?}");
}

#[test]
fn a_server_that_counts_segments_is_an_error() {
    is_refused_by_client(|segment| segment.seq + 1);
}

#[test]
fn a_server_that_counts_headers_is_an_error() {
    is_refused_by_client(|segment| segment.seq + 17 + segment.data.len() as u64);
}

#[test]
fn a_server_that_expects_the_number_of_the_end_is_an_error() {
    is_refused_by_client(|segment| segment.seq);
}

/// What a server makes of a client that numbers the segments of a message like this and repeats each until it likes the
/// answer, then leaves.
fn told_by(numbers: [u64; 3], likes: impl Fn(u64, u64) -> bool) -> (Vec<u8>, Option<Reason>) {
    let mut script = server();
    for (seq, text) in numbers.into_iter().zip(["17", &MESSAGE[..16], &MESSAGE[16..]]) {
        for _ in 0..20 {
            script.say(data(seq, text));
            let answers = script.heard();
            if answers.iter().any(|answer| answer.ack && likes(seq, answer.seq)) {
                break;
            }
            script.wait(MS * 100);
        }
    }
    script.say(P::fin(numbers[2] + 1));
    script.wait_for_end();
    let received = script.read();
    (received, script.ended())
}

#[test]
fn a_client_that_counts_segments_delivers_no_message() {
    let (received, ended) = told_by([22, 23, 24], |seq, answer| answer == seq + 1);
    assert!(received.len() < MESSAGE.len(), "the message has no end");
    assert!(matches!(ended, Some(Reason::Missing(_))), "{ended:?}");
}

#[test]
fn a_client_that_counts_headers_delivers_no_message() {
    let (received, ended) = told_by([22, 41, 74], |seq, answer| answer > seq + 2);
    assert!(received.is_empty());
    assert!(matches!(ended, Some(Reason::Missing(_) | Reason::Vanished)), "{ended:?}");
}

#[test]
fn a_client_that_names_the_end_of_its_data_delivers_no_message() {
    let (received, ended) = told_by([24, 40, 41], |seq, answer| answer == seq);
    assert!(received.is_empty());
    assert!(matches!(ended, Some(Reason::Missing(_) | Reason::Vanished)), "{ended:?}");
}

#[test]
fn data_with_the_flag_of_an_opening_is_no_data() {
    let mut script = server();
    // It may open another connection, once this one has ended.
    assert_eq!(script.say(P { syn: true, ..data(22, "5") }), Outcome::Opens);
    script.expect(&[]);
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Vanished));
}

#[test]
fn no_segment_has_a_separator_in_its_data() {
    let mut script = client();
    script.write("a|||b||||c|||||||||||||||||||||||||");
    let (mut octets, mut seq) = (Vec::new(), 22);
    while let [segment] = script.heard().as_slice() {
        assert!(!segment.data.windows(3).any(|octets| octets == b"|||"), "{:?}", segment.data);
        octets.extend_from_slice(&segment.data);
        assert_eq!(segment.seq, seq);
        seq += segment.data.len() as u64;
        script.say(P::ack(seq));
    }
    assert_eq!(octets, b"35a|||b||||c|||||||||||||||||||||||||");
}
