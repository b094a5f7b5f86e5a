//! Segments of somebody who sees nothing and guesses (RFC 5961, RFC 7323 section 5).
//!
//! The table stands in `docs/INJECTION.md`; each of its rows is tried here on both sides of each of
//! its edges.

use core::ops::Range;
use std::rc::Rc;

use super::super::{ChallengeBudget, Config, State};
use super::script::{LOCAL, REMOTE, Trace, parse};
use crate::Instant;
use crate::wire::tcp::{SeqNumber, Timestamps};

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The connection is gone.
    Reset,
    /// Its octets were taken.
    Taken,
    /// It was answered with what we expect, and changed nothing.
    Challenged,
    /// It changed nothing, and nobody was told.
    Dropped,
}

/// A kind of segment, and which numbers have which outcome.
struct Row {
    what: &'static str,
    flags: &'static str,
    octets: u32,
    /// Offsets of SEG.SEQ from RCV.NXT; all if none are given.
    seq: Option<Range<i64>>,
    /// Offsets of SEG.ACK from SND.UNA.
    ack: Option<Range<i64>>,
    /// Offsets of TSval from TS.Recent, once timestamps are agreed.
    timestamp: Option<Range<i64>>,
    outcome: Outcome,
    /// What is meant outside of one of the ranges.
    outside: &'static [Outcome],
}

/// RCV.WND.
const WINDOW: i64 = 65_535;

/// MAX.SND.WND.
const MAX_SND_WND: i64 = 65_535;

/// SND.NXT - SND.UNA.
const IN_FLIGHT: i64 = 100;

const CIRCLE: i64 = 1 << 32;

/// A segment that no matter what is dropped.
const PLAIN: Row = Row {
    what: "",
    flags: "",
    octets: 0,
    seq: None,
    ack: None,
    timestamp: None,
    outcome: Outcome::Dropped,
    outside: &[],
};

fn rows() -> Vec<Row> {
    let acks = || Some(-MAX_SND_WND..IN_FLIGHT + 1);
    let overlap = |octets: i64| Some(1 - octets..WINDOW);
    vec![
        Row {
            what: "RST at RCV.NXT",
            flags: "R",
            seq: Some(0..1),
            outcome: Outcome::Reset,
            outside: &[Outcome::Challenged, Outcome::Dropped],
            ..PLAIN
        },
        Row {
            what: "RST elsewhere in the window",
            flags: "R",
            seq: Some(1..WINDOW),
            outcome: Outcome::Challenged,
            outside: &[Outcome::Reset, Outcome::Dropped],
            ..PLAIN
        },
        Row {
            what: "RST outside of the window",
            flags: "R",
            seq: Some(WINDOW..CIRCLE),
            outside: &[Outcome::Challenged, Outcome::Reset],
            ..PLAIN
        },
        Row {
            what: "RST with 100 octets at RCV.NXT",
            flags: "R",
            octets: 100,
            seq: Some(0..1),
            outcome: Outcome::Reset,
            outside: &[Outcome::Challenged, Outcome::Dropped],
            ..PLAIN
        },
        Row { what: "SYN anywhere", flags: "S", outcome: Outcome::Challenged, ..PLAIN },
        Row { what: "SYN and ACK anywhere", flags: "S.", outcome: Outcome::Challenged, ..PLAIN },
        Row {
            what: "1,000 octets, no timestamps agreed",
            flags: ".",
            octets: 1_000,
            seq: overlap(1_000),
            ack: acks(),
            outcome: Outcome::Taken,
            outside: &[Outcome::Challenged],
            ..PLAIN
        },
        Row {
            what: "1,000 octets, timestamps agreed",
            flags: ".",
            octets: 1_000,
            seq: overlap(1_000),
            ack: acks(),
            timestamp: Some(0..1 << 31),
            outcome: Outcome::Taken,
            outside: &[Outcome::Challenged],
        },
        Row {
            what: "1,000 octets without the agreed timestamps",
            flags: "-.",
            octets: 1_000,
            ..PLAIN
        },
        Row {
            what: "1,000 octets without ACK",
            flags: "P",
            octets: 1_000,
            seq: overlap(1_000),
            outside: &[Outcome::Challenged],
            ..PLAIN
        },
    ]
}

impl Row {
    /// Out of how many guesses about one hits.
    fn probability(&self) -> f64 {
        [&self.seq, &self.ack, &self.timestamp]
            .into_iter()
            .flatten()
            .map(|range| (range.end - range.start) as f64 / CIRCLE as f64)
            .product()
    }

    fn try_at(&self, seq: i64, ack: i64, timestamp: i64) -> Outcome {
        let agreed = self.timestamp.is_some() || self.flags == "-.";
        let config =
            Config { mss: 1000, window_scaling: false, timestamps: agreed, ..Config::default() };
        let said = if agreed { " ts=70000/10000" } else { "" };
        let mut trace =
            Trace::established_with(config, &format!("win=65535 mss=1100 sackok{said}"));
        trace.write_to(201);
        trace.send("P. 1:201");
        trace.recv(&format!(". 1:1 ack=101{}", said.replace("70000", "70001")));
        trace.silent();

        let octets = self.octets + 1;
        let mut segment =
            parse(&format!("{} 1:{octets}", self.flags.trim_start_matches('-')), REMOTE, LOCAL);
        segment.seq = SeqNumber((REMOTE + 1).0.wrapping_add(seq as u32));
        segment.ack = SeqNumber((LOCAL + 101).0.wrapping_add(ack as u32));
        if self.timestamp.is_some() {
            let value = 70_001_u32.wrapping_add(timestamp as u32);
            segment.options.timestamps = Some(Timestamps { value, echo: 10_000 });
        }
        trace.vector.handle_segment(segment, trace.now);
        trace.vector.check_invariants();
        let answer = trace.vector.poll_transmit(trace.now);
        let info = trace.vector.info();
        if trace.state() == State::Closed {
            assert_eq!(answer, None, "a RST is not answered");
            return Outcome::Reset;
        }
        trace.assert_state(State::Established);
        if info.receive_buffered + info.out_of_order > 0 {
            return Outcome::Taken;
        }
        match answer {
            Some(answer) => {
                assert!(answer.segment.payload.is_empty());
                assert_eq!((answer.segment.seq, answer.segment.ack), (LOCAL + 201, REMOTE + 1));
                Outcome::Challenged
            }
            None => Outcome::Dropped,
        }
    }
}

/// Just outside of, and just inside of, each edge of a range.
fn edges(range: &Option<Range<i64>>) -> (Vec<i64>, Vec<i64>) {
    match range {
        Some(range) if range.end - range.start < CIRCLE => {
            (vec![range.start, range.end - 1], vec![range.start - 1, range.end])
        }
        // Anything goes.
        _ => (vec![0, 1, 70_000, CIRCLE / 2, CIRCLE - 1], Vec::new()),
    }
}

#[test]
fn who_guesses_gets_as_far_as_the_table_says() {
    for row in rows() {
        let ((seqs, beside), (acks, wrong), (times, old)) =
            (edges(&row.seq), edges(&row.ack), edges(&row.timestamp));
        for &seq in &seqs {
            for &ack in &acks {
                for &time in &times {
                    let outcome = row.try_at(seq, ack, time);
                    assert_eq!(outcome, row.outcome, "{} at {seq} {ack} {time}", row.what);
                }
            }
        }
        let (seq, ack, time) = (seqs[0], acks[0], times[0]);
        let missed = beside.iter().map(|&seq| (seq, ack, time));
        let missed = missed.chain(wrong.iter().map(|&ack| (seq, ack, time)));
        for (seq, ack, time) in missed.chain(old.iter().map(|&time| (seq, ack, time))) {
            let outcome = row.try_at(seq, ack, time);
            assert!(
                row.outside.contains(&outcome),
                "{} at {seq} {ack} {time}: {outcome:?}",
                row.what
            );
        }
    }
}

#[test]
fn the_table_states_what_is_computed() {
    let document = include_str!("../../../docs/INJECTION.md");
    for row in rows() {
        let probability = row.probability();
        let chance = if probability == 1.0 { "1".to_owned() } else { format!("{probability:.1e}") };
        let line = format!("| {} | {:?} | {chance} |", row.what, row.outcome);
        assert!(document.contains(&line), "docs/INJECTION.md lacks: {line}");
    }
}

#[test]
fn connections_of_a_stack_share_a_limit_that_nobody_knows() {
    let budget = Rc::new(ChallengeBudget::new([3; 16], 20));
    let mut traces: Vec<Trace> = (0..10).map(|_| Trace::established()).collect();
    for trace in &mut traces {
        trace.vector.set_challenge_budget(budget.clone());
    }
    let mut answered_in_a_second = || {
        let mut answered = 0;
        for trace in &mut traces {
            for _ in 0..10 {
                trace.recv("S 0:0");
                answered += u32::from(trace.vector.poll_transmit(trace.now).is_some());
            }
            trace.pass(1_000);
        }
        answered
    };
    let counts: Vec<u32> = (0..20).map(|_| answered_in_a_second()).collect();
    assert!(counts.iter().all(|count| (10..=30).contains(count)), "{counts:?}");
    assert!(counts.iter().any(|count| *count != counts[0]), "{counts:?}");
    assert_ne!(Instant::ZERO, traces[0].now);
}
