//! ICMP of both versions (RFC 792, RFC 4443), as far as hosts on point-to-point links need it.

use bytes::{Buf, Bytes, BytesMut};

use super::checksum::{Checksum, transport_is_intact};
use super::emit::{ChecksumField, emit_packet};
use super::ip::parse_quoted;
use super::tcp::SeqNumber;
use super::{
    ChecksumMode, ChecksumState, EmitError, Fault, IpHeader, IpVersion, Layer, Packet, ParseError,
    ParsedIp, Protocol,
};

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

/// Octets of the header of all messages but unknown ones.
const HEADER_LEN: usize = 8;

/// Type, code and checksum.
const PREFIX_LEN: usize = 4;

/// Where the checksum lies.
const CHECKSUM: usize = 2;

/// The code of IPv4's destination unreachable that means "packet too big" (RFC 1191).
const FRAGMENTATION_NEEDED: u8 = 4;

/// Message types of IPv4 (RFC 792).
mod v4 {
    pub(super) const ECHO_REPLY: u8 = 0;
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const SOURCE_QUENCH: u8 = 4;
    pub(super) const ECHO_REQUEST: u8 = 8;
    pub(super) const TIME_EXCEEDED: u8 = 11;
    pub(super) const PARAMETER_PROBLEM: u8 = 12;
}

/// Message types of IPv6 (RFC 4443).
mod v6 {
    pub(super) const UNREACHABLE: u8 = 1;
    pub(super) const PACKET_TOO_BIG: u8 = 2;
    pub(super) const TIME_EXCEEDED: u8 = 3;
    pub(super) const PARAMETER_PROBLEM: u8 = 4;
    pub(super) const ECHO_REQUEST: u8 = 128;
    pub(super) const ECHO_REPLY: u8 = 129;
}

/// Reads the payload of an IP packet whose header said `ip`; verifies the checksum unless the device
/// has. Data and quote are slices of the packet, not copies.
pub fn parse(ip: &IpHeader, mut packet: Packet) -> Result<IcmpMessage, ParseError> {
    let version = ip.version();
    let layer = match version {
        IpVersion::V4 => Layer::Icmpv4,
        IpVersion::V6 => Layer::Icmpv6,
    };
    let truncated = ParseError::new(layer, Fault::Truncated, packet.head.len());
    let &[kind, code, ..] = packet.head.first_chunk::<PREFIX_LEN>().ok_or(truncated)?;
    let is_intact = match version {
        IpVersion::V4 => {
            packet.offload.checksum != ChecksumState::Unverified
                || Checksum::new().completes_to_good(&packet)
        }
        IpVersion::V6 => transport_is_intact(ip, &packet),
    };
    if !is_intact {
        return Err(ParseError::new(layer, Fault::BadChecksum, CHECKSUM));
    }
    let Some(shape) = Shape::of(version, kind, code) else {
        packet.head.advance(PREFIX_LEN);
        return Ok(IcmpMessage::Unknown { kind, code, rest: packet.into_bytes() });
    };
    let &[_, _, _, _, a, b, c, d] = packet.head.first_chunk::<HEADER_LEN>().ok_or(truncated)?;
    packet.head.advance(HEADER_LEN);
    Ok(shape.read(version, code, [a, b, c, d], packet.into_bytes()))
}

/// The messages we know, whatever their numbers are.
#[derive(Clone, Copy)]
enum Shape {
    EchoRequest,
    EchoReply,
    Unreachable,
    PacketTooBig,
    TimeExceeded,
    ParameterProblem,
    SourceQuench,
}

impl Shape {
    fn of(version: IpVersion, kind: u8, code: u8) -> Option<Self> {
        Some(match (version, kind) {
            (IpVersion::V4, v4::ECHO_REQUEST) | (IpVersion::V6, v6::ECHO_REQUEST) => {
                Self::EchoRequest
            }
            (IpVersion::V4, v4::ECHO_REPLY) | (IpVersion::V6, v6::ECHO_REPLY) => Self::EchoReply,
            (IpVersion::V4, v4::UNREACHABLE) if code == FRAGMENTATION_NEEDED => Self::PacketTooBig,
            (IpVersion::V4, v4::UNREACHABLE) | (IpVersion::V6, v6::UNREACHABLE) => {
                Self::Unreachable
            }
            (IpVersion::V6, v6::PACKET_TOO_BIG) => Self::PacketTooBig,
            (IpVersion::V4, v4::TIME_EXCEEDED) | (IpVersion::V6, v6::TIME_EXCEEDED) => {
                Self::TimeExceeded
            }
            (IpVersion::V4, v4::PARAMETER_PROBLEM) | (IpVersion::V6, v6::PARAMETER_PROBLEM) => {
                Self::ParameterProblem
            }
            (IpVersion::V4, v4::SOURCE_QUENCH) => Self::SourceQuench,
            _ => return None,
        })
    }

    /// The meaning of the second word of the header and what follows it.
    fn read(self, version: IpVersion, code: u8, word: [u8; 4], rest: Bytes) -> IcmpMessage {
        let [a, b, c, d] = word;
        let echo = |data| Echo {
            ident: u16::from_be_bytes([a, b]),
            seq: u16::from_be_bytes([c, d]),
            data,
        };
        let kind = match self {
            Self::EchoRequest => return IcmpMessage::EchoRequest(echo(rest)),
            Self::EchoReply => return IcmpMessage::EchoReply(echo(rest)),
            Self::Unreachable => IcmpErrorKind::Unreachable { code },
            Self::PacketTooBig => IcmpErrorKind::PacketTooBig {
                mtu: match version {
                    IpVersion::V4 => u16::from_be_bytes([c, d]).into(),
                    IpVersion::V6 => u32::from_be_bytes(word),
                },
            },
            Self::TimeExceeded => IcmpErrorKind::TimeExceeded { code },
            Self::ParameterProblem => IcmpErrorKind::ParameterProblem {
                code,
                pointer: match version {
                    IpVersion::V4 => a.into(),
                    IpVersion::V6 => u32::from_be_bytes(word),
                },
            },
            Self::SourceQuench => IcmpErrorKind::SourceQuench,
        };
        IcmpMessage::Error(IcmpError { kind, quote: rest })
    }
}

/// Writes a message with its IP header and makes a packet of it, data and quote shared, not copied.
///
/// `ip.protocol` must be ICMP or ICMPv6, as the addresses are. The head of the packet is split off
/// `arena`, which must be empty.
pub fn emit(
    arena: &mut BytesMut,
    ip: &IpHeader,
    message: IcmpMessage,
) -> Result<Packet, EmitError> {
    let version = ip.version();
    let (prefix, header_len, body) = match message {
        IcmpMessage::Unknown { kind, code, rest } => {
            ([kind, code, 0, 0, 0, 0, 0, 0], PREFIX_LEN, rest)
        }
        IcmpMessage::EchoRequest(echo) => {
            let kind = if version == IpVersion::V4 { v4::ECHO_REQUEST } else { v6::ECHO_REQUEST };
            (echo_header(kind, &echo), HEADER_LEN, echo.data)
        }
        IcmpMessage::EchoReply(echo) => {
            let kind = if version == IpVersion::V4 { v4::ECHO_REPLY } else { v6::ECHO_REPLY };
            (echo_header(kind, &echo), HEADER_LEN, echo.data)
        }
        IcmpMessage::Error(error) => (error_header(version, error.kind)?, HEADER_LEN, error.quote),
    };
    let checksum_field = ChecksumField {
        at: CHECKSUM,
        covers_pseudo_header: version == IpVersion::V6,
        avoids_zero: false,
        mode: ChecksumMode::Full,
    };
    emit_packet(arena, ip, header_len, body, &checksum_field, |header| {
        header.copy_from_slice(&prefix[..header_len]);
    })
}

fn echo_header(kind: u8, echo: &Echo) -> [u8; HEADER_LEN] {
    let [a, b] = echo.ident.to_be_bytes();
    let [c, d] = echo.seq.to_be_bytes();
    [kind, 0, 0, 0, a, b, c, d]
}

fn error_header(version: IpVersion, kind: IcmpErrorKind) -> Result<[u8; HEADER_LEN], EmitError> {
    let (kind, code, word) = match version {
        IpVersion::V4 => match kind {
            IcmpErrorKind::Unreachable { code } => (v4::UNREACHABLE, code, 0),
            IcmpErrorKind::PacketTooBig { mtu } => {
                (v4::UNREACHABLE, FRAGMENTATION_NEEDED, mtu.min(u16::MAX.into()))
            }
            IcmpErrorKind::TimeExceeded { code } => (v4::TIME_EXCEEDED, code, 0),
            IcmpErrorKind::ParameterProblem { code, pointer } => {
                (v4::PARAMETER_PROBLEM, code, pointer.min(u8::MAX.into()) << 24)
            }
            IcmpErrorKind::SourceQuench => (v4::SOURCE_QUENCH, 0, 0),
        },
        IpVersion::V6 => match kind {
            IcmpErrorKind::Unreachable { code } => (v6::UNREACHABLE, code, 0),
            IcmpErrorKind::PacketTooBig { mtu } => (v6::PACKET_TOO_BIG, 0, mtu),
            IcmpErrorKind::TimeExceeded { code } => (v6::TIME_EXCEEDED, code, 0),
            IcmpErrorKind::ParameterProblem { code, pointer } => {
                (v6::PARAMETER_PROBLEM, code, pointer)
            }
            IcmpErrorKind::SourceQuench => return Err(EmitError::NoSuchMessage),
        },
    };
    let [a, b, c, d] = word.to_be_bytes();
    Ok([kind, code, 0, 0, a, b, c, d])
}

/// What can be read of the packet quoted by an error.
///
/// Nothing in it is verified: that it is one of ours is for its flow to decide (RFC 5927).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its IP header.
    pub ip: IpHeader,
    /// The ports, source and destination, if the protocol is TCP or UDP, this is no later fragment,
    /// and they were quoted.
    pub ports: Option<(u16, u16)>,
    /// The sequence number, likewise, if it is TCP.
    pub seq: Option<SeqNumber>,
}

impl Quote {
    /// Reads the quote of an [`IcmpError`], as far as it goes; fails if not even the IP header does.
    pub fn parse(quote: &[u8]) -> Result<Self, ParseError> {
        let ParsedIp { header: ip, payload } = parse_quoted(quote)?;
        let is_first = ip.fragment.is_none_or(|fragment| fragment.offset == 0);
        let transport = if is_first { &quote[payload] } else { &[] };
        let ports = match *transport {
            [a, b, c, d, ..] if matches!(ip.protocol, Protocol::TCP | Protocol::UDP) => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        };
        let seq = match *transport {
            [_, _, _, _, a, b, c, d, ..] if ip.protocol == Protocol::TCP => {
                Some(SeqNumber(u32::from_be_bytes([a, b, c, d])))
            }
            _ => None,
        };
        Ok(Self { ip, ports, seq })
    }
}
