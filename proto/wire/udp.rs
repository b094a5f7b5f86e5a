//! UDP (RFC 768).

use bytes::{Buf, Bytes, BytesMut};

use super::checksum::transport_is_intact;
use super::emit::{ChecksumField, emit_packet};
use super::{
    ChecksumMode, ChecksumState, EmitError, Fault, IpHeader, IpVersion, Layer, Packet, ParseError,
};

/// Octets of the header.
const HEADER_LEN: usize = 8;

/// Where the fields lie that errors point to.
mod field {
    pub(super) const LEN: usize = 4;
    pub(super) const CHECKSUM: usize = 6;
}

const fn error(fault: Fault, offset: usize) -> ParseError {
    ParseError::new(Layer::Udp, fault, offset)
}

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

/// Reads the payload of an IP packet whose header said `ip`; verifies the checksum unless the device
/// has. The payload is a slice of the packet, not a copy; what lies behind the length that UDP
/// states is left out.
///
/// IPv4 may come without a checksum; IPv6 may not (RFC 8200 section 8.1).
pub fn parse(ip: &IpHeader, packet: Packet) -> Result<Datagram, ParseError> {
    let head = &packet.head[..];
    let fixed = head.first_chunk::<HEADER_LEN>().ok_or(error(Fault::Truncated, head.len()))?;
    let [s0, s1, d0, d1, l0, l1, c0, c1] = *fixed;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < HEADER_LEN || len > packet.len() {
        return Err(error(Fault::BadTotalLen, field::LEN));
    }
    let mut packet = packet.narrow(0..len);
    if [c0, c1] == [0, 0] && packet.offload.checksum == ChecksumState::Unverified {
        if ip.version() == IpVersion::V6 {
            return Err(error(Fault::MissingChecksum, field::CHECKSUM));
        }
    } else if !transport_is_intact(ip, &packet) {
        return Err(error(Fault::BadChecksum, field::CHECKSUM));
    }
    packet.head.advance(HEADER_LEN);
    Ok(Datagram {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        payload: packet.into_bytes(),
    })
}

/// Writes a datagram with its IP header and makes a packet of it, the payload shared, not copied.
///
/// `ip.protocol` must be UDP. The head of the packet is split off `arena`, which must be empty.
pub fn emit(
    arena: &mut BytesMut,
    ip: &IpHeader,
    datagram: Datagram,
    checksum: ChecksumMode,
) -> Result<Packet, EmitError> {
    let Datagram { src_port, dst_port, payload } = datagram;
    let len = HEADER_LEN + payload.len();
    let len = u16::try_from(len).map_err(|_| EmitError::TooLong(len))?;
    let checksum_field = ChecksumField {
        at: field::CHECKSUM,
        covers_pseudo_header: true,
        avoids_zero: true,
        mode: checksum,
    };
    emit_packet(arena, ip, HEADER_LEN, payload, &checksum_field, |header| {
        let words = [src_port, dst_port, len];
        for (field, word) in header.as_chunks_mut::<2>().0.iter_mut().zip(words) {
            *field = word.to_be_bytes();
        }
    })
}
