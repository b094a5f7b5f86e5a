//! IPv4 (RFC 791).

use core::net::Ipv4Addr;

use super::checksum::{checksum, header_is_intact};
use super::ip::{Fragment, IpHeader, ParsedIp};
use super::{EmitError, Fault, Layer, ParseError, Protocol};

/// Octets of a header without options.
pub(super) const HEADER_LEN: usize = 20;

/// The largest datagram, header included.
const MAX_LEN: usize = 65535;

/// Where the fields lie.
mod field {
    use core::ops::Range;

    pub(super) const VERSION_LEN: usize = 0;
    pub(super) const TOS: usize = 1;
    pub(super) const TOTAL_LEN: Range<usize> = 2..4;
    pub(super) const IDENT: Range<usize> = 4..6;
    pub(super) const FRAGMENT: Range<usize> = 6..8;
    pub(super) const TTL: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const CHECKSUM: Range<usize> = 10..12;
    pub(super) const SRC: Range<usize> = 12..16;
    pub(super) const DST: Range<usize> = 16..20;
    pub(super) const OPTIONS: usize = 20;
}

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

const fn error(fault: Fault, offset: usize) -> ParseError {
    ParseError::new(Layer::Ipv4, fault, offset)
}

/// Reads the header of a packet of `packet_len` octets that begins with `head`.
#[inline]
pub(super) fn parse(head: &[u8], packet_len: usize) -> Result<ParsedIp, ParseError> {
    let (header, header_len, total_len) = read(head)?;
    if total_len < header_len || total_len > packet_len {
        return Err(error(Fault::BadTotalLen, field::TOTAL_LEN.start));
    }
    if !header_is_intact(&head[..header_len]) {
        return Err(error(Fault::BadChecksum, field::CHECKSUM.start));
    }
    if let Some(fragment) = header.fragment {
        let payload_len = total_len - header_len;
        let end = header_len + usize::from(fragment.offset) + payload_len;
        if end > MAX_LEN || (fragment.more && payload_len % 8 != 0) {
            return Err(error(Fault::BadFragment, field::FRAGMENT.start));
        }
    }
    Ok(ParsedIp { header, payload: header_len..total_len })
}

/// Reads a header that an ICMP error has quoted.
pub(super) fn parse_quoted(quote: &[u8]) -> Result<ParsedIp, ParseError> {
    let (header, header_len, total_len) = read(quote)?;
    Ok(ParsedIp { header, payload: header_len..total_len.clamp(header_len, quote.len()) })
}

/// The header, its length, and the total length it claims, not checked.
///
/// Inlined, so that the header is built where it is wanted: moving it costs more than reading it.
#[inline(always)]
fn read(head: &[u8]) -> Result<(IpHeader, usize, usize), ParseError> {
    let fixed = head.first_chunk::<HEADER_LEN>().ok_or(error(Fault::Truncated, head.len()))?;
    let word = |range: core::ops::Range<usize>| {
        u16::from_be_bytes([fixed[range.start], fixed[range.start + 1]])
    };
    let address = |start: usize| {
        Ipv4Addr::new(fixed[start], fixed[start + 1], fixed[start + 2], fixed[start + 3])
    };
    if fixed[field::VERSION_LEN] >> 4 != 4 {
        return Err(error(Fault::BadVersion, field::VERSION_LEN));
    }
    let header_len = usize::from(fixed[field::VERSION_LEN] & 0xf) * 4;
    if header_len < HEADER_LEN {
        return Err(error(Fault::BadHeaderLen, field::VERSION_LEN));
    }
    let options =
        head.get(field::OPTIONS..header_len).ok_or(error(Fault::Truncated, head.len()))?;
    let fragment_word = word(field::FRAGMENT);
    let fragment = Fragment {
        offset: (fragment_word & OFFSET_MASK) * 8,
        more: fragment_word & MORE_FRAGMENTS != 0,
    };
    let header = IpHeader {
        src: address(field::SRC.start).into(),
        dst: address(field::DST.start).into(),
        protocol: Protocol(fixed[field::PROTOCOL]),
        ttl: fixed[field::TTL],
        tos: fixed[field::TOS],
        ident: word(field::IDENT).into(),
        dont_fragment: fragment_word & DONT_FRAGMENT != 0,
        fragment: (!fragment.is_whole()).then_some(fragment),
        flow_label: 0,
        options: Ipv4Options::from_wire(options),
    };
    Ok((header, header_len, word(field::TOTAL_LEN).into()))
}

/// Writes `header` over `buffer`, which has exactly its length.
pub(super) fn write(
    header: &IpHeader,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    buffer: &mut [u8],
    payload_len: usize,
) -> Result<(), EmitError> {
    let total_len = buffer.len() + payload_len;
    let total_len = u16::try_from(total_len).map_err(|_| EmitError::TooLong(total_len))?;
    let fragment = header.fragment.unwrap_or_default();
    let fragment_word = (fragment.offset / 8)
        | if fragment.more { MORE_FRAGMENTS } else { 0 }
        | if header.dont_fragment { DONT_FRAGMENT } else { 0 };
    buffer[field::VERSION_LEN] = 0x40 | (buffer.len() / 4) as u8;
    buffer[field::TOS] = header.tos;
    buffer[field::TOTAL_LEN].copy_from_slice(&total_len.to_be_bytes());
    // The upper half belongs to IPv6.
    buffer[field::IDENT].copy_from_slice(&(header.ident as u16).to_be_bytes());
    buffer[field::FRAGMENT].copy_from_slice(&fragment_word.to_be_bytes());
    buffer[field::TTL] = header.ttl;
    buffer[field::PROTOCOL] = header.protocol.0;
    buffer[field::SRC].copy_from_slice(&src.octets());
    buffer[field::DST].copy_from_slice(&dst.octets());
    buffer[field::OPTIONS..].copy_from_slice(header.options.as_slice());
    let checksum = checksum(buffer);
    buffer[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// Sends a packet that begins with a header elsewhere.
pub(super) fn redirect(head: &mut [u8], dst: Ipv4Addr) {
    let header_len = head.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    let Some(header) = head.get_mut(..header_len).filter(|header| header.len() >= HEADER_LEN)
    else {
        return;
    };
    header[field::DST].copy_from_slice(&dst.octets());
    header[field::CHECKSUM].fill(0);
    let checksum = checksum(header);
    header[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
}

/// The options of an IPv4 header as they stand on the wire; at most 40 octets, usually none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipv4Options(Option<Box<[u8]>>);

impl Ipv4Options {
    /// The most octets that fit into a header.
    pub const MAX_LEN: usize = 40;

    /// Options given as octets, padded to a multiple of four with the end-of-options octet; nothing
    /// if they do not fit.
    pub fn new(octets: &[u8]) -> Option<Self> {
        if octets.len() > Self::MAX_LEN {
            return None;
        }
        let mut padded = octets.to_vec();
        padded.resize(octets.len().next_multiple_of(4), Ipv4Option::END);
        Some(Self::from_wire(&padded))
    }

    fn from_wire(octets: &[u8]) -> Self {
        Self((!octets.is_empty()).then(|| octets.into()))
    }

    /// The octets, padding included.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The options one after the other, padding left out, up to the end-of-options octet or the
    /// first that is malformed, which is told as an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<Ipv4Option<'_>, ParseError>> {
        let mut at = 0;
        let octets = self.as_slice();
        core::iter::from_fn(move || {
            while octets.get(at) == Some(&Ipv4Option::NOP) {
                at += 1;
            }
            let rest = octets.get(at..).filter(|rest| rest.first() != Some(&Ipv4Option::END))?;
            let (&kind, behind_kind) = rest.split_first()?;
            let data = behind_kind.first().and_then(|&len| rest.get(2..usize::from(len)));
            let Some(data) = data else {
                let malformed = error(Fault::BadOptionLen, field::OPTIONS + at);
                at = octets.len();
                return Some(Err(malformed));
            };
            at += 2 + data.len();
            Some(Ok(Ipv4Option::from_wire(kind, data)))
        })
    }
}

/// One option (RFC 791 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv4Option<'a> {
    /// Loose source and record route.
    LooseSourceRoute(Route<'a>),
    /// Strict source and record route.
    StrictSourceRoute(Route<'a>),
    /// Record route.
    RecordRoute(Route<'a>),
    /// Internet timestamp: pointer, overflow and flag octet, entries.
    Timestamp(&'a [u8]),
    /// Anything else, to be ignored.
    Unknown {
        /// The type octet.
        kind: u8,
        /// What follows the length octet.
        data: &'a [u8],
    },
}

impl<'a> Ipv4Option<'a> {
    const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const RECORD_ROUTE: u8 = 7;
    const TIMESTAMP: u8 = 68;
    pub(super) const LOOSE_SOURCE_ROUTE: u8 = 131;
    pub(super) const STRICT_SOURCE_ROUTE: u8 = 137;

    fn from_wire(kind: u8, data: &'a [u8]) -> Self {
        match (kind, data.split_first()) {
            (Self::LOOSE_SOURCE_ROUTE, Some(route)) => Self::LooseSourceRoute(route.into()),
            (Self::STRICT_SOURCE_ROUTE, Some(route)) => Self::StrictSourceRoute(route.into()),
            (Self::RECORD_ROUTE, Some(route)) => Self::RecordRoute(route.into()),
            (Self::TIMESTAMP, Some(_)) => Self::Timestamp(data),
            _ => Self::Unknown { kind, data },
        }
    }
}

/// The addresses of a route option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// Where the next address stands, counted from 1 at the option's type octet; the first is at 4.
    pub pointer: u8,
    addresses: &'a [u8],
}

impl<'a> Route<'a> {
    /// All addresses, visited or not.
    pub fn addresses(&self) -> impl DoubleEndedIterator<Item = Ipv4Addr> + use<'a> {
        self.addresses.as_chunks::<4>().0.iter().map(|&octets| octets.into())
    }

    /// Whether every address has been visited, or every slot of a record is taken.
    pub fn is_complete(&self) -> bool {
        usize::from(self.pointer) > self.addresses.len() + 3
    }
}

impl<'a> From<(&u8, &'a [u8])> for Route<'a> {
    fn from((&pointer, addresses): (&u8, &'a [u8])) -> Self {
        Self { pointer, addresses }
    }
}
