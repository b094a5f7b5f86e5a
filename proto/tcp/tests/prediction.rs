//! Header prediction does what the full treatment would have done.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Config, State};
use super::random::{Operation, operation, perform};
use super::script::{Trace, plain};
use crate::wire::tcp::{Flags, Segment, Timestamps};

/// What the receiver of a bulk transfer is sent, or nearly that.
#[derive(Clone, Debug)]
struct Next {
    payload: usize,
    push: bool,
    window: u16,
    /// How far sequence number and acknowledgement are off.
    seq_off: u32,
    ack_off: u32,
    /// How far the timestamp is ahead of the last one.
    ahead: i32,
}

fn next() -> impl Strategy<Value = Next> {
    let rarely = |value: std::ops::Range<u32>| prop_oneof![6 => Just(0), 1 => value];
    let payload = prop_oneof![6 => 1..200usize, 1 => Just(0), 1 => 0..2_000usize];
    let window = prop_oneof![6 => 1_000..5_000u16, 1 => Just(0)];
    (payload, any::<bool>(), window, rarely(0..3_000), rarely(0..3_000), -1..4i32).prop_map(
        |(payload, push, window, seq_off, ack_off, ahead)| Next {
            payload,
            push,
            window,
            seq_off,
            ack_off,
            ahead,
        },
    )
}

impl Next {
    fn segment(&self, trace: &Trace) -> Segment {
        let vector = &trace.vector;
        let push = if self.push { Flags::PSH } else { Flags::default() };
        let mut segment = Segment {
            seq: vector.rcv.nxt + self.seq_off,
            ack: vector.snd.una + self.ack_off,
            flags: Flags::ACK | push,
            window: self.window,
            payload: Bytes::from(vec![0; self.payload]),
            ..Segment::default()
        };
        if vector.timestamps.agreed {
            let value = vector.timestamps.recent.wrapping_add_signed(self.ahead);
            segment.options.timestamps = Some(Timestamps { value, echo: 0 });
        }
        segment
    }
}

#[derive(Clone, Debug)]
enum Step {
    Next(Next),
    Other(Operation),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => next().prop_map(Step::Next), 1 => operation().prop_map(Step::Other)]
}

fn receive_in_full(trace: &mut Trace, segment: Segment) {
    trace.vector.counters.segments_in += 1;
    trace.vector.handle_unpredicted(segment, trace.now);
}

fn machine(timestamps: bool) -> Trace {
    let mut trace = if timestamps {
        let options = "win=65535 mss=1000 sackok ws=2 ts=100/0";
        Trace::established_with(Config { mss: 1000, ..Config::default() }, options)
    } else {
        Trace::in_state(State::Established)
    };
    trace.grant(20_000);
    trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn what_was_predicted_leaves_the_state_that_the_full_treatment_leaves(
        timestamps: bool, steps in vec(step(), 1..40)
    ) {
        let [mut predicting, mut plodding] = [(); 2].map(|()| machine(timestamps));
        for step in steps {
            let segment = match step {
                Step::Next(next) => next.segment(&predicting),
                Step::Other(Operation::Receive(segment)) => *segment,
                Step::Other(operation) => {
                    perform(&mut predicting, operation.clone());
                    perform(&mut plodding, operation);
                    continue;
                }
            };
            predicting.vector.handle_segment(segment.clone(), predicting.now);
            receive_in_full(&mut plodding, segment);
            let [left, right] = [&predicting, &plodding].map(|trace| format!("{:?}", trace.vector));
            prop_assert_eq!(left, right);
        }
    }
}

#[test]
fn a_bulk_transfer_is_predicted_and_what_differs_is_not() {
    let usual = Next { payload: 1000, push: false, window: 500, seq_off: 0, ack_off: 0, ahead: 1 };
    let predicted =
        |trace: &Trace, segment: &Segment| trace.vector.is_predicted(segment, trace.now);
    for timestamps in [false, true] {
        let mut trace = machine(timestamps);
        for _ in 0..5 {
            let segment = usual.segment(&trace);
            assert!(predicted(&trace, &segment));
            trace.vector.handle_segment(segment, trace.now);
        }
        assert_eq!(trace.vector.info().counters.bytes_in, 5_000);
        for unusual in [
            Next { payload: 0, ..usual.clone() },
            Next { payload: 70_000, ..usual.clone() },
            Next { window: 0, ..usual.clone() },
            Next { seq_off: 1, ..usual.clone() },
            Next { ack_off: 1, ..usual.clone() },
        ] {
            assert!(!predicted(&trace, &unusual.segment(&trace)), "{unusual:?}");
        }
        for flag in [Flags::FIN, Flags::SYN, Flags::RST, Flags::URG] {
            let mut segment = usual.segment(&trace);
            segment.flags |= flag;
            assert!(!predicted(&trace, &segment), "{flag}");
        }
        let old = Next { ahead: -1, ..usual.clone() }.segment(&trace);
        assert_eq!(predicted(&trace, &old), !timestamps, "PAWS");
    }
    let mut trace = Trace::established_with(plain(), "win=65535 mss=1000");
    trace.recv("P. 100:200 ack=1");
    assert!(!predicted(&trace, &usual.segment(&trace)), "it may fill a hole");
}
