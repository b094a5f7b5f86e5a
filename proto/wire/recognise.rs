//! Telling at a glance that a packet bears the same header as one before.

use core::ops::Range;

use super::checksum::header_is_intact;
use super::{IpVersion, Packet, ParsedIp, ipv4, ipv6};

/// How the header of a packet looked that was read, so that the next one of its flow need not be.
///
/// There is one for plain headers only: without options or extensions, and of IPv4 not to be
/// fragmented, whose identification means nothing (RFC 6864 section 4.1).
#[derive(Clone, Copy, Debug)]
pub struct Likeness(Words);

/// A header in words, zero where those of a flow differ from packet to packet.
#[derive(Clone, Copy, Debug)]
enum Words {
    V4([u32; 5]),
    V6([u64; 5]),
}

impl Likeness {
    /// That of a packet in which [`parse_ip`](super::parse_ip) has found `parsed`.
    pub fn of(packet: &Packet, parsed: &ParsedIp) -> Option<Self> {
        let (words, header_len) = match parsed.header.version() {
            IpVersion::V4 => (Words::V4(words_v4(&packet.head)?), ipv4::HEADER_LEN),
            IpVersion::V6 => (Words::V6(words_v6(&packet.head)?), ipv6::HEADER_LEN),
        };
        let is_plain = parsed.payload.start == header_len && parsed.header.fragment.is_none();
        (is_plain && parsed.header.dont_fragment).then_some(Self(words))
    }

    /// Where the payload of `packet` lies, if its header is intact and says the same. Whatever is
    /// strange about a packet is a reason not to recognise it.
    #[inline]
    pub fn payload_of(&self, packet: &Packet) -> Option<Range<usize>> {
        let head = &packet.head[..];
        let payload = match &self.0 {
            Words::V4(known) => {
                let same = is_same(known, words_v4(head)?) && header_is_intact(&head[..20]);
                let end = usize::from(u16::from_be_bytes([head[2], head[3]]));
                same.then_some(ipv4::HEADER_LEN..end)?
            }
            Words::V6(known) => {
                let same = is_same(known, words_v6(head)?);
                let len = usize::from(u16::from_be_bytes([head[4], head[5]]));
                same.then_some(ipv6::HEADER_LEN..ipv6::HEADER_LEN + len)?
            }
        };
        (!payload.is_empty() && payload.end <= packet.len()).then_some(payload)
    }
}

/// All but total length, identification and checksum.
#[inline]
fn words_v4(head: &[u8]) -> Option<[u32; 5]> {
    let (words, _) = head.first_chunk::<{ ipv4::HEADER_LEN }>()?.as_chunks::<4>();
    let [a, b, c, d, e] = words.first_chunk::<5>()?.map(u32::from_be_bytes);
    Some([a & !0xffff, b & 0xffff, c & !0xffff, d, e])
}

/// All but the payload length.
#[inline]
fn words_v6(head: &[u8]) -> Option<[u64; 5]> {
    let (words, _) = head.first_chunk::<{ ipv6::HEADER_LEN }>()?.as_chunks::<8>();
    let [a, b, c, d, e] = words.first_chunk::<5>()?.map(u64::from_be_bytes);
    Some([a & !(0xffff << 16), b, c, d, e])
}

/// Whether the words are the same; compared one by one, so that they need not go through memory.
#[inline]
fn is_same<W: Copy + PartialEq>(known: &[W; 5], [a, b, c, d, e]: [W; 5]) -> bool {
    known[0] == a && known[1] == b && known[2] == c && known[3] == d && known[4] == e
}
