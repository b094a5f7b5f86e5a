//! Any operations on a connection: no panic, and a machine that says it is closed falls silent.

#![no_main]

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use netmart_proto::Instant;
use netmart_proto::tcp::{Config, IcmpError, IcmpKind, State, StateVector};
use netmart_proto::wire::tcp::{Flags, Options, Segment, SeqNumber, Timestamps};

/// Our initial sequence number; segments are told relative to it, so that some of them fit.
const ISS: SeqNumber = SeqNumber(u32::MAX - 5000);

/// That of the peer.
const IRS: SeqNumber = SeqNumber(1000);

#[derive(Arbitrary, Debug)]
enum Operation {
    Segment {
        seq: i16,
        ack: i16,
        flags: u8,
        window: u16,
        len: u16,
        clock: Option<u16>,
        sack: Vec<(i16, u16)>,
    },
    Far {
        seq: u32,
        ack: u32,
        flags: u16,
    },
    Wait {
        milliseconds: u16,
    },
    Write {
        len: u16,
    },
    Grant {
        octets: u16,
    },
    Read,
    Shutdown,
    Detach,
    Abort,
    NoDelay(bool),
    Icmp {
        seq: i16,
        mss: u16,
    },
}

fn near(base: SeqNumber, distance: i16) -> SeqNumber {
    SeqNumber(base.0.wrapping_add_signed(distance.into()))
}

fn segment(operation: Operation) -> Option<Segment> {
    match operation {
        Operation::Segment { seq, ack, flags, window, len, clock, sack } => {
            let mut options = Options::default();
            options.timestamps = clock.map(|clock| Timestamps { value: clock.into(), echo: 1 });
            for (left, len) in sack {
                let left = near(ISS, left);
                options.sack.push(left, left + u32::from(len));
            }
            Some(Segment {
                seq: near(IRS, seq),
                ack: near(ISS, ack),
                flags: Flags(flags.into()),
                window,
                options,
                payload: vec![0; len.into()].into(),
                ..Segment::default()
            })
        }
        Operation::Far { seq, ack, flags } => Some(Segment {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags: Flags(flags),
            ..Segment::default()
        }),
        _ => None,
    }
}

fn begin(active: bool, now: Instant) -> StateVector {
    let config = Rc::new(Config::default());
    if active {
        return StateVector::connect(config, ISS, now);
    }
    let flags = Flags::SYN;
    let syn = Segment { seq: IRS, flags, window: 10_000, ..Segment::default() };
    StateVector::accept(config, &syn, ISS, now)
}

/// Does it, and moves the clock if that is what it is about.
fn apply(machine: &mut StateVector, operation: Operation, now: &mut Instant) {
    match operation {
        Operation::Wait { milliseconds } => {
            *now = *now + Duration::from_millis(milliseconds.into());
            machine.handle_deadline(*now);
        }
        Operation::Write { len } => drop(machine.write(Bytes::from(vec![1; len.into()]))),
        Operation::Grant { octets } => machine.grant(octets.into(), *now),
        Operation::Read => drop(machine.read()),
        Operation::Shutdown => machine.shutdown(*now),
        Operation::Detach => machine.detach(*now),
        Operation::Abort => machine.abort(*now),
        Operation::NoDelay(on) => machine.set_nodelay(on, *now),
        Operation::Icmp { seq, mss } => {
            let error = IcmpError { kind: IcmpKind::PacketTooBig { mss }, seq: near(ISS, seq) };
            machine.handle_icmp(error, *now);
        }
        other => {
            if let Some(segment) = segment(other) {
                machine.handle_segment(segment, *now);
            }
        }
    }
}

fuzz_target!(|input: (bool, Vec<Operation>)| {
    let (active, operations) = input;
    let mut now = Instant::from_millis(1);
    let mut machine = begin(active, now);
    for operation in operations {
        apply(&mut machine, operation, &mut now);
        while machine.poll_transmit(now).is_some() {}
        while machine.poll_event().is_some() {}
        if machine.state() == State::Closed {
            assert!(machine.next_deadline().is_none(), "nothing is left to wait for");
            return;
        }
    }
});
