//! Both versions of IP seen as one.

use core::net::IpAddr;
use core::ops::Range;

use bytes::BytesMut;

use super::{EmitError, Fault, Ipv4Options, Layer, Packet, ParseError, Protocol, ipv4, ipv6};

/// The version of the Internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// The version `address` belongs to.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What an IP header says, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Where it comes from.
    pub src: IpAddr,
    /// Where it goes to, of the same version.
    pub dst: IpAddr,
    /// What its payload is: of IPv6, what follows the extension headers. Of an IPv6 fragment, what
    /// its fragmentable part begins with, which may be an extension header again.
    pub protocol: Protocol,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// DSCP in the upper six bits, ECN in the lower two.
    pub tos: u8,
    /// Identification: 16 bits for IPv4; for IPv6 that of the fragment header. Means something for
    /// fragments, and for what may become fragments, only (RFC 6864).
    pub ident: u32,
    /// IPv4: routers may not fragment it. IPv6: always true.
    pub dont_fragment: bool,
    /// Which piece of a datagram this is, if it is not a whole one. An IPv6 datagram in one piece
    /// that has a fragment header (RFC 6946) has a fragment with offset 0 and no more.
    pub fragment: Option<Fragment>,
    /// Flow label of IPv6, 20 bits; 0 for IPv4.
    pub flow_label: u32,
    /// Options of IPv4; none for IPv6.
    pub options: Ipv4Options,
}

/// A Diffserv code point: the upper six bits of what was the type of service, or of the traffic class
/// (RFC 2474 section 3). The lower two are those of ECN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dscp(u8);

impl Dscp {
    /// The code point of these six bits; `None` if there are more.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits < 1 << 6 { Some(Self(bits)) } else { None }
    }

    /// The code point in this octet of a header.
    pub const fn of(tos: u8) -> Self {
        Self(tos >> 2)
    }

    /// The six bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The octet of a header with this code point, in place of the one in `tos`; ECN stays.
    pub const fn applied_to(self, tos: u8) -> u8 {
        self.0 << 2 | tos & 0b11
    }
}

/// The ECN field: the lower two bits of what was the type of service, or of the traffic class
/// (RFC 3168 section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// The sender would not understand a mark.
    #[default]
    NotEct,
    /// The sender understands marks: ECT(1), which experiments use (RFC 8311).
    Ect1,
    /// The sender understands marks: ECT(0).
    Ect0,
    /// A router met congestion and marked the packet.
    Ce,
}

impl Ecn {
    /// The field in this octet of a header.
    pub const fn of(tos: u8) -> Self {
        match tos & 0b11 {
            0b00 => Self::NotEct,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// The octet of a header with this field in place of the one in `tos`; DSCP stays.
    pub const fn applied_to(self, tos: u8) -> u8 {
        tos & !0b11 | self.bits()
    }
}

/// The place of a fragment in its datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Where its payload begins, in octets; a multiple of 8.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
}

impl Fragment {
    /// Whether this is the whole datagram.
    pub const fn is_whole(self) -> bool {
        self.offset == 0 && !self.more
    }
}

impl IpHeader {
    /// A header of a whole datagram: time to live 64, not to be fragmented, everything else zero.
    pub fn new(src: IpAddr, dst: IpAddr, protocol: Protocol) -> Self {
        Self {
            src,
            dst,
            protocol,
            ttl: 64,
            tos: 0,
            ident: 0,
            dont_fragment: true,
            fragment: None,
            flow_label: 0,
            options: Ipv4Options::default(),
        }
    }

    /// The version, that of the destination.
    pub const fn version(&self) -> IpVersion {
        IpVersion::of(&self.dst)
    }

    /// How many octets it takes when emitted.
    pub fn emitted_len(&self) -> usize {
        match self.version() {
            IpVersion::V4 => ipv4::HEADER_LEN + self.options.as_slice().len(),
            IpVersion::V6 if self.fragment.is_some() => ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN,
            IpVersion::V6 => ipv6::HEADER_LEN,
        }
    }

    /// Writes it into `buffer`, which has [`emitted_len`](Self::emitted_len) octets, all zero.
    pub(super) fn write(&self, buffer: &mut [u8], payload_len: usize) -> Result<(), EmitError> {
        match (&self.src, &self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                ipv4::write(self, *src, *dst, buffer, payload_len)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                ipv6::write(self, *src, *dst, buffer, payload_len)
            }
            _ => Err(EmitError::MixedVersions),
        }
    }
}

/// What [`parse_ip`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedIp {
    /// The header.
    pub header: IpHeader,
    /// Where the payload lies in the packet: behind all headers, and without padding at the end.
    pub payload: Range<usize>,
}

/// Reads the IP header of a packet. All its headers must lie in `packet.head`.
///
/// Then `packet.narrow(parsed.payload)` is what the transport's parser wants.
#[inline]
pub fn parse_ip(packet: &Packet) -> Result<ParsedIp, ParseError> {
    match version_of(&packet.head)? {
        IpVersion::V4 => ipv4::parse(&packet.head, packet.len()),
        IpVersion::V6 => ipv6::parse(&packet.head, packet.len()),
    }
}

/// Reads as much of a header as an ICMP error has quoted of it: the lengths may promise more than
/// there is, and checksums, which routers may have left stale, are not looked at.
pub(super) fn parse_quoted(quote: &[u8]) -> Result<ParsedIp, ParseError> {
    match version_of(quote)? {
        IpVersion::V4 => ipv4::parse_quoted(quote),
        IpVersion::V6 => ipv6::parse_quoted(quote),
    }
}

fn version_of(octets: &[u8]) -> Result<IpVersion, ParseError> {
    match octets.first().map(|first| first >> 4) {
        Some(4) => Ok(IpVersion::V4),
        Some(6) => Ok(IpVersion::V6),
        Some(_) => Err(ParseError::new(Layer::Ip, Fault::BadVersion, 0)),
        None => Err(ParseError::new(Layer::Ip, Fault::Truncated, 0)),
    }
}

/// Appends the header of a datagram whose payload will have `payload_len` octets.
///
/// On an error nothing has been appended.
pub fn emit_ip(
    arena: &mut BytesMut,
    header: &IpHeader,
    payload_len: usize,
) -> Result<(), EmitError> {
    let start = arena.len();
    arena.resize(start + header.emitted_len(), 0);
    header.write(&mut arena[start..], payload_len).inspect_err(|_| arena.truncate(start))
}
