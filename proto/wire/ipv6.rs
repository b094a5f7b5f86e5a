//! IPv6 and its extension headers (RFC 8200).

use core::net::Ipv6Addr;

use super::ip::{Fragment, IpHeader, ParsedIp};
use super::{EmitError, Fault, Ipv4Options, Layer, ParseError, Protocol};

/// Octets of the header without extensions.
pub(super) const HEADER_LEN: usize = 40;

/// Octets of a fragment header.
pub(super) const FRAGMENT_LEN: usize = 8;

/// The largest payload, extension headers included.
const MAX_PAYLOAD: usize = 65535;

/// How many extension headers we walk; honest senders have three at most.
const MAX_EXTENSIONS: usize = 8;

/// Next-header values of the extensions we know.
mod next_header {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const DESTINATION_OPTIONS: u8 = 60;
}

/// Where the fields lie.
mod field {
    use core::ops::Range;

    pub(super) const PAYLOAD_LEN: Range<usize> = 4..6;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SRC: Range<usize> = 8..24;
    pub(super) const DST: Range<usize> = 24..40;
}

const fn error(fault: Fault, offset: usize) -> ParseError {
    ParseError::new(Layer::Ipv6, fault, offset)
}

/// Reads the headers of a packet of `packet_len` octets that begins with `head`.
pub(super) fn parse(head: &[u8], packet_len: usize) -> Result<ParsedIp, ParseError> {
    let (mut header, total_len) = read(head)?;
    if total_len > packet_len {
        return Err(error(Fault::BadTotalLen, field::PAYLOAD_LEN.start));
    }
    let chain = &head[..head.len().min(total_len)];
    let headers_len = walk(chain, &mut header)?;
    if let Some(fragment) = header.fragment.filter(|fragment| !fragment.is_whole()) {
        let fragment_len = total_len - headers_len;
        if fragment.more && fragment_len % 8 != 0 {
            return Err(error(Fault::BadFragment, field::PAYLOAD_LEN.start));
        }
        if usize::from(fragment.offset) + fragment_len > MAX_PAYLOAD {
            return Err(error(Fault::BadFragment, headers_len - FRAGMENT_LEN + 2));
        }
    }
    Ok(ParsedIp { header, payload: headers_len..total_len })
}

/// Reads headers that an ICMP error has quoted.
pub(super) fn parse_quoted(quote: &[u8]) -> Result<ParsedIp, ParseError> {
    let (mut header, total_len) = read(quote)?;
    let chain = &quote[..quote.len().min(total_len)];
    let headers_len = walk(chain, &mut header)?;
    Ok(ParsedIp { header, payload: headers_len..chain.len() })
}

/// The fixed header, and the total length it claims, not checked.
///
/// Inlined for the same reason as its brother of IPv4.
#[inline(always)]
fn read(head: &[u8]) -> Result<(IpHeader, usize), ParseError> {
    let fixed = head.first_chunk::<HEADER_LEN>().ok_or(error(Fault::Truncated, head.len()))?;
    let [a, b, c, d, len_high, len_low, ..] = *fixed;
    if a >> 4 != 6 {
        return Err(error(Fault::BadVersion, 0));
    }
    let address = |octets: &[u8]| {
        let mut address = [0; 16];
        address.copy_from_slice(octets);
        Ipv6Addr::from(address)
    };
    let header = IpHeader {
        src: address(&fixed[field::SRC]).into(),
        dst: address(&fixed[field::DST]).into(),
        protocol: Protocol(fixed[field::NEXT_HEADER]),
        ttl: fixed[field::HOP_LIMIT],
        tos: a << 4 | b >> 4,
        ident: 0,
        dont_fragment: true,
        fragment: None,
        flow_label: u32::from_be_bytes([0, b & 0xf, c, d]),
        options: Ipv4Options::default(),
    };
    Ok((header, HEADER_LEN + usize::from(u16::from_be_bytes([len_high, len_low]))))
}

/// Walks the extension headers, notes in `header` what they say, and tells where the payload begins.
fn walk(chain: &[u8], header: &mut IpHeader) -> Result<usize, ParseError> {
    let mut at = HEADER_LEN;
    let mut named_at = field::NEXT_HEADER;
    for _ in 0..=MAX_EXTENSIONS {
        let len = match header.protocol.0 {
            next_header::HOP_BY_HOP if at != HEADER_LEN => {
                return Err(error(Fault::MisplacedExtension, named_at));
            }
            next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS => {
                let extension = extension(chain, at)?;
                check_options(extension, at)?;
                extension.len()
            }
            next_header::ROUTING => {
                let extension = extension(chain, at)?;
                // With no segment left its type does not matter (RFC 8200 section 4.4).
                if extension[3] != 0 {
                    return Err(error(Fault::UnsupportedRouting, at + 2));
                }
                extension.len()
            }
            next_header::FRAGMENT if header.fragment.is_some() => {
                return Err(error(Fault::MisplacedExtension, named_at));
            }
            next_header::FRAGMENT => {
                read_fragment(chain, at, header)?;
                FRAGMENT_LEN
            }
            _ => return Ok(at),
        };
        // Each of them begins with the number of the next.
        header.protocol = Protocol(chain[at]);
        named_at = at;
        at += len;
        if header.fragment.is_some_and(|fragment| !fragment.is_whole()) {
            // What follows can be read only when the datagram is whole again.
            return Ok(at);
        }
    }
    Err(error(Fault::TooManyExtensions, named_at))
}

/// Notes what the fragment header at `at` says.
fn read_fragment(chain: &[u8], at: usize, header: &mut IpHeader) -> Result<(), ParseError> {
    let octets = chain[at..].first_chunk::<FRAGMENT_LEN>();
    let &[_, _, high, low, ref ident @ ..] = octets.ok_or(error(Fault::Truncated, chain.len()))?;
    let word = u16::from_be_bytes([high, low]);
    header.fragment = Some(Fragment { offset: word & !7, more: word & 1 != 0 });
    header.ident = u32::from_be_bytes(*ident);
    Ok(())
}

/// The extension header at `at`, with all its octets, at least 8.
fn extension(chain: &[u8], at: usize) -> Result<&[u8], ParseError> {
    let rest = &chain[at..];
    rest.get(1)
        .and_then(|&len| rest.get(..8 + usize::from(len) * 8))
        .ok_or(error(Fault::Truncated, chain.len()))
}

/// Looks for options that forbid us to go on; we know none but padding (RFC 8200 section 4.2).
fn check_options(extension: &[u8], extension_at: usize) -> Result<(), ParseError> {
    const PAD1: u8 = 0;
    const PADN: u8 = 1;
    let mut at = 2;
    while let Some(&kind) = extension.get(at) {
        if kind == PAD1 {
            at += 1;
            continue;
        }
        let offset = extension_at + at;
        let Some(&len) = extension.get(at + 1) else {
            return Err(error(Fault::BadOptionLen, offset));
        };
        at += 2 + usize::from(len);
        if at > extension.len() {
            return Err(error(Fault::BadOptionLen, offset));
        }
        match kind >> 6 {
            _ if kind == PADN => {}
            0 => {}
            1 => return Err(error(Fault::UnknownOptionDiscard, offset)),
            2 => return Err(error(Fault::UnknownOptionReport, offset)),
            _ => return Err(error(Fault::UnknownOptionReportUnicast, offset)),
        }
    }
    Ok(())
}

/// Writes `header` over `buffer`, which has exactly its length: with a fragment header if it names
/// a fragment, never with another extension.
pub(super) fn write(
    header: &IpHeader,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    buffer: &mut [u8],
    payload_len: usize,
) -> Result<(), EmitError> {
    let (fixed, extension) = buffer.split_at_mut(HEADER_LEN);
    let len = extension.len() + payload_len;
    let len = u16::try_from(len).map_err(|_| EmitError::TooLong(HEADER_LEN + len))?;
    let first = 6 << 28 | u32::from(header.tos) << 20 | (header.flow_label & 0xf_ffff);
    fixed[..4].copy_from_slice(&first.to_be_bytes());
    fixed[field::PAYLOAD_LEN].copy_from_slice(&len.to_be_bytes());
    fixed[field::NEXT_HEADER] = header.protocol.0;
    fixed[field::HOP_LIMIT] = header.ttl;
    fixed[field::SRC].copy_from_slice(&src.octets());
    fixed[field::DST].copy_from_slice(&dst.octets());
    if let Some(fragment) = header.fragment {
        fixed[field::NEXT_HEADER] = next_header::FRAGMENT;
        extension[0] = header.protocol.0;
        let word = (fragment.offset & !7) | u16::from(fragment.more);
        extension[2..4].copy_from_slice(&word.to_be_bytes());
        extension[4..8].copy_from_slice(&header.ident.to_be_bytes());
    }
    Ok(())
}
