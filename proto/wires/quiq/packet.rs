//! The packet: a header of 13 octets, big-endian, and frames.

use core::fmt::{self, Write};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::{Codec, Fault};

/// Octets of a packet's header.
pub const HEADER: usize = 13;
/// Octets of a frame's header.
pub const FRAME_HEADER: usize = 16;
/// Octets of a packet, at most: the original's receiver reads no more.
pub const MOST: usize = 15_000;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuiqPacket {
    /// What it is.
    pub kind: PacketKind,
    /// Its number; between careful peers an acknowledgement has the number of what it acknowledges.
    pub number: u32,
    /// What it carries.
    pub frames: Vec<Frame>,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// It opens a connection.
    Syn = 1,
    /// It answers that.
    Accept = 2,
    /// A packet has arrived.
    AckData = 3,
    /// Data in the middle of a stream.
    Data = 4,
    /// The first data of a stream, or all of it.
    First = 5,
    /// The last data of a stream.
    Last = 6,
    /// The end of a batch of streams.
    DataFin = 7,
    /// The end of the connection.
    Fin = 8,
}

impl PacketKind {
    /// Whether it carries data.
    pub fn is_data(self) -> bool {
        matches!(self, Self::Data | Self::First | Self::Last)
    }
}

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The stream, from 1 on.
    pub stream: u32,
    /// Which frame of its stream this is, from 0 on; no count of octets.
    pub offset: u32,
    /// The data.
    pub data: Bytes,
}

impl Frame {
    /// Octets on the wire.
    pub fn wire_len(&self) -> usize {
        FRAME_HEADER + self.data.len()
    }
}

impl QuiqPacket {
    /// A packet without frames.
    pub fn bare(kind: PacketKind, number: u32) -> Self {
        Self { kind, number, frames: Vec::new() }
    }

    /// Octets on the wire.
    pub fn wire_len(&self) -> usize {
        HEADER + self.frames.iter().map(Frame::wire_len).sum::<usize>()
    }

    /// Octets of data.
    pub fn octets(&self) -> usize {
        self.frames.iter().map(|frame| frame.data.len()).sum()
    }
}

impl Codec for QuiqPacket {
    fn parse(mut datagram: Bytes) -> Result<Self, Fault> {
        if datagram.len() < HEADER {
            return Err(Fault::Truncated);
        }
        if datagram.len() > MOST {
            return Err(Fault::BadSize);
        }
        let kind = match datagram.get_u8() {
            1 => PacketKind::Syn,
            2 => PacketKind::Accept,
            3 => PacketKind::AckData,
            4 => PacketKind::Data,
            5 => PacketKind::First,
            6 => PacketKind::Last,
            7 => PacketKind::DataFin,
            8 => PacketKind::Fin,
            _ => return Err(Fault::BadFlags),
        };
        let number = datagram.get_u32();
        if datagram.get_u64() != datagram.len() as u64 {
            return Err(Fault::BadLength);
        }
        let mut frames = Vec::new();
        while !datagram.is_empty() {
            frames.push(frame(&mut datagram)?);
        }
        Ok(Self { kind, number, frames })
    }

    fn emit(&self, into: &mut BytesMut) {
        let len = self.wire_len();
        into.reserve(len);
        into.put_u8(self.kind as u8);
        into.put_u32(self.number);
        into.put_u64((len - HEADER) as u64);
        for frame in &self.frames {
            into.put_u32(frame.stream);
            into.put_u32(frame.offset);
            into.put_u64(frame.data.len() as u64);
            into.extend_from_slice(&frame.data);
        }
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{:?} {}", self.kind, self.number)?;
        for Frame { stream, offset, data } in &self.frames {
            write!(out, "; stream {stream} frame {offset} length {}", data.len())?;
        }
        Ok(())
    }
}

fn frame(rest: &mut Bytes) -> Result<Frame, Fault> {
    if rest.len() < FRAME_HEADER {
        return Err(Fault::Truncated);
    }
    let (stream, offset) = (rest.get_u32(), rest.get_u32());
    let len = rest.get_u64();
    if len > rest.len() as u64 {
        return Err(Fault::BadLength);
    }
    Ok(Frame { stream, offset, data: rest.split_to(len as usize) })
}
