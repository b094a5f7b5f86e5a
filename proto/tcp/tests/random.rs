//! Whatever comes, invariants hold, and two machines always come to an end.

use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Config, IcmpError, IcmpKind, State, StateVector};
use super::pair::{Pair, Weather, pattern};
use super::script::{LOCAL, REMOTE, Trace};
use crate::wire::tcp::{Flags, Segment, Timestamps};

/// Something that happens to a machine.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Receive(Box<Segment>),
    Write(usize),
    Grant(usize),
    Read,
    Pass(u64),
    Drain,
    Icmp(IcmpKind, u32),
    Shutdown,
    Detach,
    Abort,
}

/// Mostly near where sequence numbers mean something, sometimes anywhere.
fn near() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0..5u32,
        4 => 0..20_000u32,
        1 => any::<u32>(),
    ]
}

fn segment() -> impl Strategy<Value = Segment> {
    let flags = prop_oneof![8 => Just(0x10u16), 4 => 0x10..0x20u16, 1 => 0..0x200u16];
    let options = (
        proptest::option::weighted(0.2, (any::<u32>(), any::<u32>())),
        vec((near(), near()), 0..4),
        proptest::option::weighted(0.2, any::<u16>()),
        proptest::option::weighted(0.2, any::<u8>()),
    );
    (near(), near(), flags, any::<u16>(), 0..3_000usize, options).prop_map(
        |(seq, ack, flags, window, len, (timestamps, blocks, mss, shift))| {
            let mut segment = Segment {
                seq: REMOTE + seq,
                ack: LOCAL + ack,
                flags: Flags(flags),
                window,
                payload: Bytes::from(vec![0; len]),
                ..Segment::default()
            };
            segment.options.timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
            segment.options.mss = mss;
            segment.options.window_scale = shift;
            for (left, right) in blocks {
                segment.options.sack.push(LOCAL + left, LOCAL + right);
            }
            segment
        },
    )
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let kind = prop_oneof![
        Just(IcmpKind::PortUnreachable),
        Just(IcmpKind::HostUnreachable),
        any::<u16>().prop_map(|mss| IcmpKind::PacketTooBig { mss }),
    ];
    prop_oneof![
        20 => segment().prop_map(|segment| Operation::Receive(Box::new(segment))),
        5 => (0..20_000usize).prop_map(Operation::Write),
        3 => (0..20_000usize).prop_map(Operation::Grant),
        3 => Just(Operation::Read),
        5 => (0..100_000u64).prop_map(Operation::Pass),
        5 => Just(Operation::Drain),
        1 => (kind, near()).prop_map(|(kind, seq)| Operation::Icmp(kind, seq)),
        1 => Just(Operation::Shutdown),
        1 => Just(Operation::Detach),
        1 => Just(Operation::Abort),
    ]
}

pub(super) fn perform(trace: &mut Trace, operation: Operation) {
    let now = trace.now;
    match operation {
        Operation::Receive(segment) => trace.vector.handle_segment(*segment, now),
        Operation::Write(octets) => drop(trace.vector.write(Bytes::from(vec![0; octets]))),
        Operation::Grant(octets) => trace.grant(octets),
        Operation::Read => drop(trace.read()),
        Operation::Pass(millis) => trace.pass(millis),
        Operation::Drain => {
            let mut sent = 0;
            while trace.vector.poll_transmit(now).is_some() {
                sent += 1;
                assert!(sent < 10_000, "the drain does not end");
            }
            drop(trace.events());
        }
        Operation::Icmp(kind, seq) => {
            trace.vector.handle_icmp(IcmpError { kind, seq: LOCAL + seq }, now);
        }
        Operation::Shutdown => trace.vector.shutdown(now),
        Operation::Detach => trace.vector.detach(now),
        Operation::Abort => trace.vector.abort(now),
    }
    trace.vector.check_invariants();
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::SynSent),
        Just(State::SynReceived),
        Just(State::Established),
        Just(State::FinWait1),
        Just(State::FinWait2),
        Just(State::CloseWait),
        Just(State::Closing),
        Just(State::LastAck),
        Just(State::TimeWait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn nothing_that_comes_breaks_an_invariant(
        state in state(), operations in vec(operation(), 1..120)
    ) {
        let mut trace = if state == State::SynSent {
            Trace::connect(Config::default())
        } else {
            Trace::in_state(state)
        };
        for operation in operations {
            perform(&mut trace, operation);
        }
        // Without the peer everything ends: no timer is left over.
        perform(&mut trace, Operation::Grant(1 << 20));
        perform(&mut trace, Operation::Read);
        perform(&mut trace, Operation::Drain);
        perform(&mut trace, Operation::Detach);
        perform(&mut trace, Operation::Drain);
        let mut steps = 0;
        while let Some((at, _)) = trace.vector.next_deadline() {
            trace.now = trace.now.max(at);
            trace.vector.handle_deadline(trace.now);
            perform(&mut trace, Operation::Drain);
            steps += 1;
            prop_assert!(steps < 200, "{:?}", trace.vector.info());
        }
        prop_assert_eq!(trace.state(), State::Closed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn two_machines_always_converge(
        (there, back) in (0..200_000usize, 0..50_000usize),
        (loss, duplication, reordering) in (0..150u32, 0..100u32, 0..300u32),
        (sack, timestamps, scale, gso) in any::<(bool, bool, bool, bool)>(),
        (appetite, mss) in (1_000..100_000usize, 200..1460u16),
        seed in 1..u64::MAX,
    ) {
        let config = Config {
            sack, timestamps, window_scaling: scale, mss,
            // Without SACK, Karn's rule may keep the time-out backed off for long: be patient.
            r2: Duration::from_secs(36_000),
            gso_max_size: if gso { 60_000 } else { mss.into() },
            ..Config::default()
        };
        let data = [pattern(there), pattern(back)];
        let weather = Weather { loss, duplication, reordering, largest: 0 };
        let mut pair = Pair::new(config, data.clone(), weather, seed);
        for end in &mut pair.ends {
            end.appetite = appetite;
        }
        pair.run(Duration::from_secs(72_000));
        for (end, sent) in [(&pair.ends[1], &data[0]), (&pair.ends[0], &data[1])] {
            prop_assert!(end.received == *sent, "{:#?}", [pair.ends[0].vector.info(), pair.ends[1].vector.info()]);
        }
        prop_assert!(pair.ends.iter().all(|end| end.vector.state() == State::Closed));
    }
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<StateVector>() <= 1100, "{}", size_of::<StateVector>());
    let config = Rc::new(Config::default());
    let idle = StateVector::connect(config.clone(), LOCAL, crate::Instant::ZERO);
    assert_eq!(Rc::strong_count(&config), 2, "settings are shared");
    drop(idle);
}
