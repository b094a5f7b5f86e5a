//! Vectors of the specification, and peers that behave as the originals do.

mod careful;
mod model;
mod receiver;
mod sender;
mod shown;
mod vectors;

use bytes::Bytes;

use super::super::tests::script::{MS, Script};
use super::{Frame, PacketKind as Kind, QuiqPacket as P, Session};

fn frame(stream: u32, offset: u32, data: impl Into<Bytes>) -> Frame {
    Frame { stream, offset, data: data.into() }
}

fn packet(kind: Kind, number: u32, frames: Vec<Frame>) -> P {
    P { kind, number, frames }
}

/// The SYN of a careful client, and its answers: the original's with 1, a careful server's with 2.
fn greeting(kind: Kind, offset: u32) -> P {
    packet(kind, 1, vec![frame(0, offset, &b"rel1"[..])])
}

fn ack(number: u32) -> P {
    P::bare(Kind::AckData, number)
}
