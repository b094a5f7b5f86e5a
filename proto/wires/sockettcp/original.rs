//! What the assignment asks a solution to offer: segments to and from a structure, and a mode that shows how losses
//! are dealt with.

use bytes::{Bytes, BytesMut};

use super::super::{Action, Codec, Fault};
use super::packet::SockettcpPacket;

/// The structure of a segment.
///
/// # Errors
///
/// If the octets are no segment: see [`Fault`].
pub fn parse_segment(octets: impl Into<Bytes>) -> Result<SockettcpPacket, Fault> {
    SockettcpPacket::parse(octets.into())
}

/// The segment of a structure.
pub fn create_segment(structure: &SockettcpPacket) -> Bytes {
    let mut octets = BytesMut::new();
    structure.emit(&mut octets);
    octets.freeze()
}

/// What happens, and the segment with what is no text in its data escaped.
pub(super) fn log_line(action: Action, packet: &SockettcpPacket) -> String {
    format!("{}: {}", action.name(), create_segment(packet).escape_ascii())
}
