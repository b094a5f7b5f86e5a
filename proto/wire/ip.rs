//! Both versions of IP seen as one.

use core::net::IpAddr;
use core::ops::Range;

use bytes::BytesMut;

use super::{EmitError, Ipv4Options, Packet, ParseError, Protocol};

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
    /// What its payload is: of IPv6, what follows the extension headers.
    pub protocol: Protocol,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// DSCP in the upper six bits, ECN in the lower two.
    pub tos: u8,
    /// Identification; of IPv6, that of the fragment header. Means something for fragments only.
    pub ident: u32,
    /// IPv4: routers may not fragment it. IPv6: always true.
    pub dont_fragment: bool,
    /// Which piece of a datagram this is, if it is not a whole one.
    pub fragment: Option<Fragment>,
    /// Flow label of IPv6, 20 bits; 0 for IPv4.
    pub flow_label: u32,
    /// Options of IPv4; none for IPv6.
    pub options: Ipv4Options,
}

/// The place of a fragment in its datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Where its payload begins, in octets; a multiple of 8.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
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
pub fn parse_ip(packet: &Packet) -> Result<ParsedIp, ParseError> {
    unimplemented!("{packet:?}")
}

/// Appends the header of a datagram whose payload will have `payload_len` octets.
pub fn emit_ip(
    arena: &mut BytesMut,
    header: &IpHeader,
    payload_len: usize,
) -> Result<(), EmitError> {
    unimplemented!("{arena:?} {header:?} {payload_len}")
}
