//! Is this segment acceptable?

use super::super::acceptance::{
    AckVerdict, ResetVerdict, is_acceptable, is_old_timestamp, judge_ack, judge_reset,
};
use super::super::{Config, Event, Reason, State, reset_for};
use super::script::{LOCAL, REMOTE, Trace, parse};
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber, Timestamps};

#[test]
fn the_table_of_rfc_9293_section_3_10_7_4_lineage_18() {
    const NXT: u32 = u32::MAX - 4;
    // Offset of SEG.SEQ from RCV.NXT, SEG.LEN, RCV.WND, acceptable.
    for (offset, len, wnd, wanted) in [
        (0, 0, 0, true),
        (1, 0, 0, false),
        (-1, 0, 0, false),
        (0, 0, 10, true),
        (9, 0, 10, true),
        (10, 0, 10, true), // where a peer that has filled the window stands
        (11, 0, 10, false),
        (-1, 0, 10, false),
        (0, 1, 0, false),
        (0, 1, 10, true),
        (9, 1, 10, true),
        (10, 1, 10, false),
        (-1, 1, 10, false),
        (-1, 2, 10, true),
        (-5, 100, 10, true), // covers the window
        (9, 100, 10, true),
    ] {
        let seq = SeqNumber(NXT.wrapping_add_signed(offset));
        let accepted = is_acceptable(seq, len, SeqNumber(NXT), wnd);
        assert_eq!(accepted, wanted, "offset {offset}, length {len}, window {wnd}");
    }
}

#[test]
fn a_reset_counts_only_at_the_next_octet_lineage_14() {
    for (seq, wnd, wanted) in [
        (100, 50, ResetVerdict::Reset),
        (100, 0, ResetVerdict::Reset),
        (101, 50, ResetVerdict::Challenge),
        (149, 50, ResetVerdict::Challenge),
        (150, 50, ResetVerdict::Ignore),
        (99, 50, ResetVerdict::Ignore),
        (101, 0, ResetVerdict::Ignore),
    ] {
        assert_eq!(judge_reset(SeqNumber(seq), SeqNumber(100), wnd), wanted, "{seq} {wnd}");
    }
}

#[test]
fn acknowledgements_are_judged_by_rfc_5961_lineage_01_lineage_02() {
    for (ack, wanted) in [
        (899, AckVerdict::Bogus),
        (900, AckVerdict::Old),
        (1000, AckVerdict::Old),
        (1001, AckVerdict::Advances),
        (1500, AckVerdict::Advances),
        (1501, AckVerdict::Bogus),
    ] {
        let verdict = judge_ack(SeqNumber(ack), SeqNumber(1000), SeqNumber(1500), 100);
        assert_eq!(verdict, wanted, "{ack}");
    }
}

#[test]
fn an_old_timestamp_is_old_for_24_days() {
    let old = Timestamps { value: 5, echo: 0 };
    let day = |days: u64| Instant::from_millis(days * 24 * 3_600_000);
    assert!(is_old_timestamp(old, 6, Instant::ZERO, day(1)));
    assert!(!is_old_timestamp(old, 5, Instant::ZERO, day(1)));
    assert!(!is_old_timestamp(old, u32::MAX, Instant::ZERO, day(1)), "the clock went round");
    assert!(!is_old_timestamp(old, 6, Instant::ZERO, day(24)));
}

#[test]
fn closed_answers_strays_without_keeping_anything() {
    for (segment, wanted) in [
        (". 1:4 ack=7", Some((7, None))),
        ("F 1:4", Some((0, Some(5)))),
        ("S 0:0", Some((0, Some(1)))),
        ("R 0:0", None),
        ("R. 0:0 ack=7", None),
    ] {
        let reset = reset_for(&parse(segment, SeqNumber(0), SeqNumber(0)));
        let wanted = wanted.map(|(seq, ack)| Segment {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack.unwrap_or(0)),
            flags: if ack.is_some() { Flags::RST | Flags::ACK } else { Flags::RST },
            ..Segment::default()
        });
        assert_eq!(reset, wanted, "{segment}");
    }
}

const SYNCHRONISED: [State; 7] = [
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

/// How far the peer and we have come in each state: the next sequence number of each.
fn next(state: State) -> (u32, u32) {
    let theirs = match state {
        State::Established | State::FinWait1 | State::FinWait2 => 1,
        _ => 2,
    };
    let ours = if matches!(state, State::Established | State::CloseWait) { 1 } else { 2 };
    (theirs, ours)
}

#[test]
fn in_every_state_a_reset_must_be_exact_lineage_14() {
    for state in SYNCHRONISED {
        let (theirs, ours) = next(state);
        for (seq, outcome) in [
            (theirs - 1, ResetVerdict::Ignore),
            (theirs + 1, ResetVerdict::Challenge),
            (theirs + 60_000, ResetVerdict::Challenge),
            (theirs + 70_000, ResetVerdict::Ignore),
            (theirs, ResetVerdict::Reset),
        ] {
            let mut trace = Trace::in_state(state);
            trace.recv(&format!("R {seq}:{seq}"));
            if state == State::TimeWait {
                // RFC 1337: not even the exact one ends it.
                trace.silent();
                trace.assert_state(state);
                continue;
            }
            match outcome {
                ResetVerdict::Reset => {
                    trace.silent();
                    trace.assert_state(State::Closed);
                    assert!(trace.events().contains(&Event::Closed(Reason::Reset)));
                }
                ResetVerdict::Challenge => {
                    trace.send(&format!(". {ours}:{ours} ack={theirs}"));
                    trace.assert_state(state);
                }
                ResetVerdict::Ignore => {
                    trace.silent();
                    trace.assert_state(state);
                }
            }
        }
    }
}

#[test]
fn in_every_state_a_syn_draws_a_challenge() {
    for state in SYNCHRONISED {
        let (theirs, ours) = next(state);
        for syn in ["S 0:0", "S 1:1", "S. 0:0 ack=1", "S. 40000:40000 ack=0"] {
            let mut trace = Trace::in_state(state);
            trace.recv(syn);
            if state == State::TimeWait && syn.starts_with("S 4") {
                continue;
            }
            trace.send(&format!(". {ours}:{ours} ack={theirs}"));
            trace.silent();
            trace.assert_state(state);
        }
    }
}

#[test]
fn challenges_are_limited_per_second() {
    let mut trace = Trace::established();
    let answered = |trace: &mut Trace| {
        (0..100)
            .filter(|_| {
                trace.recv("S 0:0");
                trace.vector.poll_transmit(trace.now).is_some()
            })
            .count()
    };
    assert_eq!(answered(&mut trace), 10);
    trace.pass(1_000);
    assert_eq!(answered(&mut trace), 10);
    assert_eq!(trace.vector.info().counters.challenges_withheld, 180);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_answered_and_its_data_dropped_lineage_02() {
    let mut trace = Trace::established();
    trace.write_to(101);
    trace.send("P. 1:101");
    trace.recv(". 1:11 ack=102");
    trace.send(". 101:101 ack=1");
    trace.recv(". 1:1 ack=101");
    assert!(trace.vector.is_flushed());
}

#[test]
fn an_old_acknowledgement_changes_nothing_lineage_01() {
    let mut trace = Trace::established();
    trace.write_to(201);
    trace.send("P. 1:201");
    trace.recv(". 1:1 ack=201");
    trace.recv(". 1:11 ack=101");
    assert_eq!(trace.vector.info().receive_buffered, 10, "its data is taken all the same");
    assert_eq!(trace.vector.info().outstanding, 0);
}

#[test]
fn the_window_follows_only_newer_segments_lineage_18() {
    let mut trace = Trace::established();
    trace.recv(". 1:101 ack=1 win=5000");
    trace.recv(". 1:51 ack=1 win=9000");
    assert_eq!(trace.vector.info().send_window, 5000, "SND.WL1 is newer");
    trace.recv(". 101:101 ack=1 win=6000");
    assert_eq!(trace.vector.info().send_window, 6000);
}

fn with_timestamps() -> Trace {
    let config = Config { mss: 1000, window_scaling: false, ..Config::default() };
    Trace::established_with(config, "win=65535 mss=1000 sackok ts=500/10000")
}

#[test]
fn paws_drops_and_acknowledges_an_old_timestamp() {
    let mut trace = with_timestamps();
    trace.recv(". 1:101 ack=1 ts=499/10000");
    trace.send(". 1:1 ack=1 ts=10010/500");
    assert_eq!(trace.vector.info().counters.bad_timestamps, 1);
    trace.recv("R 1:1 ts=1/0");
    trace.assert_state(State::Closed);
}

#[test]
fn a_segment_without_the_agreed_timestamps_is_dropped() {
    let mut trace = with_timestamps();
    trace.recv(". 1:101 ack=1");
    trace.silent();
    assert_eq!(trace.vector.info().receive_buffered, 0);
}

#[test]
fn the_echoed_timestamp_is_that_of_the_first_unacknowledged_segment() {
    let mut trace = with_timestamps();
    trace.recv(". 1:101 ack=1 ts=510/10010");
    trace.recv(". 101:2101 ack=1 ts=520/10010");
    trace.send(". 1:1 ack=2101 ts=10010/510");
}

#[test]
fn fields_of_the_peer_are_relative_to_its_syn() {
    // The language itself: a window round the end of the circle.
    let segment = parse("P. 1:4 ack=2 sack=5:9", REMOTE, LOCAL);
    assert_eq!(segment.seq, REMOTE + 1);
    assert_eq!(segment.options.sack.as_slice(), [(LOCAL + 5, LOCAL + 9)]);
}
