//! ICMP of both versions (RFC 792, RFC 4443), as far as hosts on point-to-point links need it.

use bytes::{Bytes, BytesMut};

use super::tcp::SeqNumber;
use super::{EmitError, IpHeader, Packet, ParseError};

/// An ICMP message, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IcmpMessage {
    /// Wants to be answered with the same numbers and data.
    EchoRequest(Echo),
    /// The answer.
    EchoReply(Echo),
    /// A packet could not be delivered.
    Error(IcmpError),
    /// Anything else.
    Unknown {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What follows the checksum.
        rest: Bytes,
    },
}

/// The content of an echo message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// Identifier.
    pub ident: u16,
    /// Sequence number.
    pub seq: u16,
    /// Any octets.
    pub data: Bytes,
}

/// An error message: what happened, and the beginning of the packet it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// What happened.
    pub kind: IcmpErrorKind,
    /// The packet in question from its IP header on, cut off somewhere; [`Quote::parse`] reads it.
    pub quote: Bytes,
}

/// What happened to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpErrorKind {
    /// Destination unreachable, for any reason but its length.
    Unreachable {
        /// Code, of the version's own numbering.
        code: u8,
    },
    /// Packet too big; of IPv4, destination unreachable with code 4 (RFC 1191).
    PacketTooBig {
        /// MTU of the next hop, in octets; 0 from IPv4 routers that do not tell. 16 bits for IPv4.
        mtu: u32,
    },
    /// Hop limit (code 0) or time for reassembly (code 1) exceeded.
    TimeExceeded {
        /// Code.
        code: u8,
    },
    /// A field of the header is wrong.
    ParameterProblem {
        /// Code, of the version's own numbering.
        code: u8,
        /// The octet of the packet where the problem was found. 8 bits for IPv4.
        pointer: u32,
    },
    /// Source quench, deprecated (RFC 6633); IPv4 only.
    SourceQuench,
}

/// Reads the payload of an IP packet whose header said `ip`; verifies its checksum.
pub fn parse(ip: &IpHeader, packet: Packet) -> Result<IcmpMessage, ParseError> {
    unimplemented!("{ip:?} {packet:?}")
}

/// Writes a message with its IP header into `arena` and splits the head off; data and quote are
/// shared. `ip.protocol` must be ICMP or ICMPv6, as the addresses are.
pub fn emit(
    arena: &mut BytesMut,
    ip: &IpHeader,
    message: IcmpMessage,
) -> Result<Packet, EmitError> {
    unimplemented!("{arena:?} {ip:?} {message:?}")
}

/// What can be read of the packet quoted by an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its IP header; nothing in it was verified.
    pub ip: IpHeader,
    /// The ports, if the protocol is TCP or UDP and this is no later fragment: source, destination.
    pub ports: Option<(u16, u16)>,
    /// The sequence number, if it is TCP.
    pub seq: Option<SeqNumber>,
}

impl Quote {
    /// Reads the quote of an [`IcmpError`], as far as it goes.
    pub fn parse(quote: &[u8]) -> Result<Self, ParseError> {
        unimplemented!("{quote:?}")
    }
}
