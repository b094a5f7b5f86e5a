//! Vectors of the specification, and peers that behave as the originals do.

mod careful;
mod model;
mod original;
mod shown;
mod vectors;

use super::super::tests::script::{MS, PEER, Script, address};
use super::{FaketcpPacket as P, Flags, Session};
use bytes::Bytes;

const ACK: Flags = Flags::ACK;
const NACK: Flags = Flags::NACK;
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const DATA: Flags = Flags::DATA.with(Flags::ACK);

fn packet(flags: Flags, seq: i32, ack: i32, win: i32) -> P {
    P { seq, ack, win, flags, payload: Bytes::new() }
}

fn data(seq: i32, ack: i32, win: i32, text: &'static str) -> P {
    P { payload: Bytes::from_static(text.as_bytes()), ..packet(DATA, seq, ack, win) }
}

/// A client with number 100 whose server has number 500 and offers `win`.
fn client(win: i32) -> Script<Session> {
    let mut script = Script::<Session>::client(100);
    script.peer = address(PEER);
    script.expect(&[packet(Flags::SYN, 100, 0, 1024)]);
    script.say(packet(SYN_ACK, 500, 101, win));
    script.expect(&[packet(ACK, 101, 501, 1024)]);
    script
}

/// A server with number 500 whose client has number 100 and offers `win`.
fn server(win: i32) -> Script<Session> {
    let mut script = Script::<Session>::server(&packet(Flags::SYN, 100, 0, win), 500);
    script.expect(&[packet(SYN_ACK, 500, 101, 1024)]);
    script.say(packet(ACK, 101, 501, win));
    script.expect(&[]);
    script
}
