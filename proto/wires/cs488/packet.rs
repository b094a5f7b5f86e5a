//! The datagram: the C structures of the two programs, little-endian.

use core::fmt::{self, Write};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::{Codec, Fault};

/// Octets of a packet's header; packets of a server have nothing else.
pub const HEADER: usize = 12;
/// Octets of payload that every packet of a client has, whatever they mean.
pub const PAYLOAD: usize = 512;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cs488Packet {
    /// The number of the first octet of the payload.
    pub seq: i32,
    /// From a server: the next number wanted. From a careful client: how long the payload is, 0 if that is not
    /// said.
    pub ack: i32,
    /// Which connection it belongs to; 0 in a SYN.
    pub con_id: i16,
    /// What it is.
    pub flag: Flag,
    /// Who sends it, and what it carries.
    pub body: Body,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flag {
    /// Data, but not the first.
    Data = 0,
    /// The end.
    Fin = 1,
    /// The beginning.
    Syn = 2,
    /// From a server: an acknowledgement. From a client: the first data.
    Ack = 4,
    /// The end is acknowledged.
    FinAck = 5,
    /// The beginning is acknowledged.
    SynAck = 6,
}

/// Who sends a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A client, with a payload of at most [`PAYLOAD`] octets. NULs at its end are left out here, because the
    /// packet does not tell them from its filling.
    Client(Bytes),
    /// A server.
    Server,
}

impl Cs488Packet {
    /// A packet of a client.
    pub fn client(flag: Flag, con_id: i16, seq: i32, ack: i32, payload: &Bytes) -> Self {
        let len = without_nuls(&payload[..payload.len().min(PAYLOAD)]);
        Self { seq, ack, con_id, flag, body: Body::Client(payload.slice(..len)) }
    }

    /// A packet of a server.
    pub fn server(flag: Flag, con_id: i16, seq: i32, ack: i32) -> Self {
        Self { seq, ack, con_id, flag, body: Body::Server }
    }
}

/// The length without the NULs at the end.
pub(super) fn without_nuls(octets: &[u8]) -> usize {
    octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1)
}

impl Codec for Cs488Packet {
    fn parse(mut datagram: Bytes) -> Result<Self, Fault> {
        let len = datagram.len();
        if len < HEADER {
            return Err(Fault::Truncated);
        }
        if len != HEADER && len != HEADER + PAYLOAD {
            return Err(Fault::BadSize);
        }
        let (seq, ack) = (datagram.get_i32_le(), datagram.get_i32_le());
        let con_id = datagram.get_i16_le();
        let flag = match datagram.get_i16_le() {
            0 => Flag::Data,
            1 => Flag::Fin,
            2 => Flag::Syn,
            4 => Flag::Ack,
            5 => Flag::FinAck,
            6 => Flag::SynAck,
            _ => return Err(Fault::BadFlags),
        };
        let body = if len == HEADER {
            Body::Server
        } else {
            let len = without_nuls(&datagram);
            Body::Client(datagram.split_to(len))
        };
        Ok(Self { seq, ack, con_id, flag, body })
    }

    fn emit(&self, into: &mut BytesMut) {
        into.put_i32_le(self.seq);
        into.put_i32_le(self.ack);
        into.put_i16_le(self.con_id);
        into.put_i16_le(self.flag as i16);
        if let Body::Client(payload) = &self.body {
            let len = payload.len().min(PAYLOAD);
            into.extend_from_slice(&payload[..len]);
            into.put_bytes(0, PAYLOAD - len);
        }
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        let Self { seq, ack, con_id, flag, body } = self;
        write!(out, "{flag:?} con {con_id} seq {seq} ack {ack}")?;
        match body {
            Body::Client(octets) => write!(out, " length {}", octets.len()),
            Body::Server => Ok(()),
        }
    }
}
