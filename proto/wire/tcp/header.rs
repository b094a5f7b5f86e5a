//! The header on the wire (RFC 9293 section 3.1).

use bytes::BytesMut;

use super::Segment;
use crate::wire::{ChecksumMode, EmitError, IpHeader, Packet, ParseError};

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
pub fn parse(ip: &IpHeader, packet: Packet) -> Result<PortedSegment, ParseError> {
    unimplemented!("{ip:?} {packet:?}")
}

/// Writes a segment with its IP header into `arena` and splits the head off; the payload is shared.
///
/// `ip.protocol` must be TCP. With `gso_size`, the payload octets of each segment that the device is
/// to make of this one, `checksum` should be [`ChecksumMode::Partial`].
pub fn emit(
    arena: &mut BytesMut,
    ip: &IpHeader,
    ported: PortedSegment,
    gso_size: Option<u16>,
    checksum: ChecksumMode,
) -> Result<Packet, EmitError> {
    unimplemented!("{arena:?} {ip:?} {ported:?} {gso_size:?} {checksum:?}")
}
