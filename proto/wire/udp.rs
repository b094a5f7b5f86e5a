//! UDP (RFC 768).

use bytes::{Bytes, BytesMut};

use super::{ChecksumMode, EmitError, IpHeader, Packet, ParseError};

/// A UDP datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// The port of the sender; 0 if it wants no answer.
    pub src_port: u16,
    /// The port it goes to.
    pub dst_port: u16,
    /// The octets it carries.
    pub payload: Bytes,
}

/// Reads the payload of an IP packet whose header said `ip`; verifies its checksum.
pub fn parse(ip: &IpHeader, packet: Packet) -> Result<Datagram, ParseError> {
    unimplemented!("{ip:?} {packet:?}")
}

/// Writes a datagram with its IP header into `arena` and splits the head off; the payload is shared.
/// `ip.protocol` must be UDP.
pub fn emit(
    arena: &mut BytesMut,
    ip: &IpHeader,
    datagram: Datagram,
    checksum: ChecksumMode,
) -> Result<Packet, EmitError> {
    unimplemented!("{arena:?} {ip:?} {datagram:?} {checksum:?}")
}
