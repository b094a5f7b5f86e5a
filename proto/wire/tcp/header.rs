//! The header on the wire (RFC 9293 section 3.1).

use bytes::{Buf, BytesMut};

use super::options::{self, Layout};
use super::{Flags, Options, Segment, SeqNumber};
use crate::wire::checksum::transport_is_intact;
use crate::wire::emit::{ChecksumField, emit_packet};
use crate::wire::{ChecksumMode, Ecn, EmitError, Fault, IpHeader, Layer, Packet, ParseError};

/// Octets of a header without options.
pub(super) const HEADER_LEN: usize = 20;

/// The control bits; the three reserved ones before them are ignored and sent as zero.
const FLAGS_MASK: u16 = 0x1ff;

/// Where the fields lie.
pub(super) mod field {
    use core::ops::Range;

    pub(in crate::wire::tcp) const SRC_PORT: Range<usize> = 0..2;
    pub(in crate::wire::tcp) const DST_PORT: Range<usize> = 2..4;
    pub(in crate::wire::tcp) const SEQ: Range<usize> = 4..8;
    pub(in crate::wire::tcp) const ACK: Range<usize> = 8..12;
    pub(in crate::wire::tcp) const OFFSET_FLAGS: Range<usize> = 12..14;
    pub(in crate::wire::tcp) const WINDOW: Range<usize> = 14..16;
    pub(in crate::wire::tcp) const CHECKSUM: Range<usize> = 16..18;
    pub(in crate::wire::tcp) const URGENT: Range<usize> = 18..20;
}

const fn error(fault: Fault, offset: usize) -> ParseError {
    ParseError::new(Layer::Tcp, fault, offset)
}

/// A segment and the ports it travels between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortedSegment {
    /// The port of the sender.
    pub src_port: u16,
    /// The port of the receiver.
    pub dst_port: u16,
    /// Everything else.
    pub segment: Segment,
}

/// Reads the payload of an IP packet whose header said `ip`; verifies the checksum unless the device
/// has. The payload of the segment is a slice of the packet, not a copy.
#[inline]
pub fn parse(ip: &IpHeader, mut packet: Packet) -> Result<PortedSegment, ParseError> {
    let head = &packet.head[..];
    let fixed = head.first_chunk::<HEADER_LEN>().ok_or(error(Fault::Truncated, head.len()))?;
    let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, f0, f1, w0, w1, _, _, u0, u1] = *fixed;
    let header_len = usize::from(f0 >> 4) * 4;
    if header_len < HEADER_LEN {
        return Err(error(Fault::BadHeaderLen, field::OFFSET_FLAGS.start));
    }
    let options = head.get(HEADER_LEN..header_len).ok_or(error(Fault::Truncated, head.len()))?;
    if !transport_is_intact(ip, &packet) {
        return Err(error(Fault::BadChecksum, field::CHECKSUM.start));
    }
    let options = match options::parse_timestamps(options) {
        Some(timestamps) => Options { timestamps: Some(timestamps), ..Options::default() },
        None => options::parse(options, HEADER_LEN)?,
    };
    packet.head.advance(header_len);
    Ok(PortedSegment {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        segment: Segment {
            seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
            ack: SeqNumber(u32::from_be_bytes([a0, a1, a2, a3])),
            flags: Flags(u16::from_be_bytes([f0, f1]) & FLAGS_MASK),
            window: u16::from_be_bytes([w0, w1]),
            urgent: u16::from_be_bytes([u0, u1]),
            options,
            ecn: Ecn::of(ip.tos),
            payload: packet.into_bytes(),
        },
    })
}

/// Writes a segment with its IP header and makes a packet of it, the payload shared, not copied.
///
/// `ip.protocol` must be TCP; the ECN field is the segment's, if it has one. The head of the packet is split off `arena`, which must be empty. An
/// arena created with room for many heads saves an allocation for each: when it is used up, it takes
/// as much again. With `gso_size`, the payload octets of each
/// segment that the device is to make of this one, `checksum` should be [`ChecksumMode::Partial`].
pub fn emit(
    arena: &mut BytesMut,
    ip: &IpHeader,
    ported: PortedSegment,
    gso_size: Option<u16>,
    checksum: ChecksumMode,
) -> Result<Packet, EmitError> {
    let PortedSegment { src_port, dst_port, segment } = ported;
    let marked;
    let ip = if segment.ecn == Ecn::NotEct {
        ip
    } else {
        marked = IpHeader { tos: segment.ecn.applied_to(ip.tos), ..ip.clone() };
        &marked
    };
    let layout = Layout::of(&segment.options);
    let options = layout.as_slice();
    let header_len = HEADER_LEN + options.len();
    let offset_flags = (header_len as u16 / 4) << 12 | (segment.flags.0 & FLAGS_MASK);
    let checksum_field = ChecksumField {
        at: field::CHECKSUM.start,
        covers_pseudo_header: true,
        avoids_zero: false,
        mode: checksum,
    };
    let mut packet =
        emit_packet(arena, ip, header_len, segment.payload, &checksum_field, |header| {
            header[field::SRC_PORT].copy_from_slice(&src_port.to_be_bytes());
            header[field::DST_PORT].copy_from_slice(&dst_port.to_be_bytes());
            header[field::SEQ].copy_from_slice(&segment.seq.0.to_be_bytes());
            header[field::ACK].copy_from_slice(&segment.ack.0.to_be_bytes());
            header[field::OFFSET_FLAGS].copy_from_slice(&offset_flags.to_be_bytes());
            header[field::WINDOW].copy_from_slice(&segment.window.to_be_bytes());
            header[field::URGENT].copy_from_slice(&segment.urgent.to_be_bytes());
            header[HEADER_LEN..].copy_from_slice(options);
        })?;
    packet.offload.gso_size = gso_size;
    Ok(packet)
}
