//! The datagram: a header of 16 octets, big-endian, and a payload.

use core::fmt::{self, Write};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::{Codec, Fault};
use crate::wire::Checksum;

/// Octets of the header.
pub const HEADER: usize = 16;
/// Octets of payload, at most: the original reads no more, and says nothing.
pub const MOST_PAYLOAD: usize = 4080;
/// The sequence number that means the end.
pub const FIN: i32 = -1;

/// A packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaketcpPacket {
    /// The number of this datagram, or [`FIN`].
    pub seq: i32,
    /// The number of the datagram that its sender wants next.
    pub ack: i32,
    /// For how many datagrams its sender has room.
    pub win: i32,
    /// What it is.
    pub flags: Flags,
    /// What it carries. No checksum covers it.
    pub payload: Bytes,
}

/// A set of flags; bits without a meaning are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// The field `ack` is valid.
    pub const ACK: Self = Self(0x1);
    /// It opens a connection.
    pub const SYN: Self = Self(0x2);
    /// Something is missing: send again from `ack` on.
    pub const NACK: Self = Self(0x4);
    /// It carries data.
    pub const DATA: Self = Self(0x8);

    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl FaketcpPacket {
    /// Whether it says that its sender has no more data.
    pub fn is_fin(&self) -> bool {
        self.seq == FIN
    }

    /// The end.
    pub fn fin() -> Self {
        Self { seq: FIN, ..Self::default() }
    }

    /// The answer to the end.
    pub fn fin_ack() -> Self {
        Self { seq: FIN, flags: Flags::ACK, ..Self::default() }
    }

    fn header(&self) -> [u8; HEADER - 2] {
        let mut header = [0; HEADER - 2];
        let mut rest = &mut header[..];
        rest.put_i32(self.seq);
        rest.put_i32(self.ack);
        rest.put_i32(self.win);
        rest.put_u16(self.flags.0);
        header
    }
}

impl Codec for FaketcpPacket {
    fn parse(mut datagram: Bytes) -> Result<Self, Fault> {
        if datagram.len() < HEADER {
            return Err(Fault::Truncated);
        }
        let mut checksum = Checksum::new();
        checksum.add(&datagram[..HEADER]);
        if checksum.finish() != 0 {
            return Err(Fault::BadChecksum);
        }
        let (seq, ack, win) = (datagram.get_i32(), datagram.get_i32(), datagram.get_i32());
        let flags = Flags(datagram.get_u16());
        datagram.advance(2);
        Ok(Self { seq, ack, win, flags, payload: datagram })
    }

    fn emit(&self, into: &mut BytesMut) {
        let header = self.header();
        let mut checksum = Checksum::new();
        checksum.add(&header);
        into.reserve(HEADER + self.payload.len());
        into.extend_from_slice(&header);
        into.put_u16(checksum.finish());
        into.extend_from_slice(&self.payload);
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        let Self { seq, ack, win, flags, payload } = self;
        let names = [(Flags::SYN, "SYN "), (Flags::ACK, "ACK "), (Flags::NACK, "NACK ")];
        for (_, name) in names.into_iter().filter(|(flag, _)| flags.has(*flag)) {
            out.write_str(name)?;
        }
        match *seq {
            FIN => out.write_str("FIN")?,
            seq => write!(out, "seq {seq}")?,
        }
        write!(out, " ack {ack} win {win}")?;
        if flags.has(Flags::DATA) { write!(out, " length {}", payload.len()) } else { Ok(()) }
    }
}
