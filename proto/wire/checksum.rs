//! The Internet checksum (RFC 1071).

use core::net::IpAddr;

use fearless_simd::{Level, Simd, dispatch};

use super::{ChecksumState, EmitError, IpHeader, Packet, Protocol};

/// Who completes the checksum of a packet that is emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumMode {
    /// We do: the field is right when the packet leaves.
    #[default]
    Full,
    /// The device does: the field holds the folded sum of the pseudo header.
    Partial,
}

/// A one's complement sum of octets that come in pieces.
///
/// It adds in the machine's own byte order, which RFC 1071 section 2 (B) allows, and swaps the
/// octets once, at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    /// A sum of 32-bit sums: it would take 2^32 pieces to overflow it.
    sum: u64,
    /// Whether an odd number of octets has been added.
    odd: bool,
}

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// The sum of the pseudo header of a TCP, UDP or ICMPv6 packet of `len` octets (RFC 9293
    /// section 3.1, RFC 8200 section 8.1).
    ///
    /// Fails if the addresses differ in version.
    pub fn pseudo(
        src: &IpAddr,
        dst: &IpAddr,
        protocol: Protocol,
        len: usize,
    ) -> Result<Self, EmitError> {
        // The length has 32 bits for IPv6; for IPv4 its upper half is zero, which adds nothing.
        let [a, b, c, d] = (len as u32).to_be_bytes();
        let mut sum = native([a, b]) + native([c, d]) + native([0, protocol.0]);
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                sum += u64::from(u32::from_ne_bytes(src.octets()));
                sum += u64::from(u32::from_ne_bytes(dst.octets()));
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                sum += u64::from(sum_octets(&src.octets()));
                sum += u64::from(sum_octets(&dst.octets()));
            }
            _ => return Err(EmitError::MixedVersions),
        }
        Ok(Self { sum, odd: false })
    }

    /// Adds a piece behind those before it, each of any length.
    pub fn add(&mut self, piece: &[u8]) {
        let sum = sum_octets(piece);
        // Behind an odd number of octets each one counts in the other half of its word.
        let sum = if self.odd { u32::from(fold(u64::from(sum)).swap_bytes()) } else { sum };
        self.sum += u64::from(sum);
        self.odd ^= piece.len() % 2 == 1;
    }

    /// The sum in 16 bits: `0xffff` for a packet that contains its right checksum.
    pub const fn fold(self) -> u16 {
        u16::from_be(fold(self.sum))
    }

    /// What to write into the checksum field, the field itself having been zero.
    pub const fn finish(self) -> u16 {
        !self.fold()
    }

    /// Whether the octets added before and those of `packet` make a good sum.
    pub(super) fn completes_to_good(mut self, packet: &Packet) -> bool {
        self.add(&packet.head);
        self.add(&packet.body);
        self.is_good()
    }

    /// Whether the octets added, checksum among them, are intact.
    pub const fn is_good(self) -> bool {
        self.fold() == 0xffff
    }
}

/// The checksum of octets that lie in one piece.
pub fn checksum(octets: &[u8]) -> u16 {
    !u16::from_be(fold(u64::from(sum_octets(octets))))
}

/// Whether a header that contains its checksum is intact.
#[inline]
pub(super) fn header_is_intact(header: &[u8]) -> bool {
    match <&[u8; 20]>::try_from(header) {
        // Nearly always, and a sum of five words needs no loop.
        Ok(plain) => {
            let (words, _) = plain.as_chunks::<4>();
            let words = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word)));
            fold(words.sum()) == 0xffff
        }
        Err(_) => checksum(header) == 0,
    }
}

/// Whether the checksum that covers `packet`, the payload of `ip`, and its pseudo header is good, or
/// need not be looked at.
pub(super) fn transport_is_intact(ip: &IpHeader, packet: &Packet) -> bool {
    packet.offload.checksum != ChecksumState::Unverified
        || Checksum::pseudo(&ip.src, &ip.dst, ip.protocol, packet.len())
            .is_ok_and(|sum| sum.completes_to_good(packet))
}

/// Two octets as one word in the machine's order.
const fn native(octets: [u8; 2]) -> u64 {
    u16::from_ne_bytes(octets) as u64
}

/// Folds a sum to 16 bits, carries added at the low end.
const fn fold(sum: u64) -> u16 {
    let sum = halves(sum);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

/// The sum of octets in the machine's byte order, folded to 32 bits.
fn sum_octets(octets: &[u8]) -> u32 {
    let (words, rest) = octets.as_chunks::<8>();
    let mut sum = if words.len() < FEW_WORDS {
        words.iter().map(|word| halves(u64::from_ne_bytes(*word))).sum()
    } else {
        // Compiled once for each set of vector instructions; the processor says which to take.
        dispatch!(Level::new(), simd => sum_words(simd, words))
    };
    // A pair of octets stands in the same columns wherever it begins.
    let (pairs, rest) = rest.as_chunks::<2>();
    for pair in pairs {
        sum += native(*pair);
    }
    for &last in rest {
        sum += native([last, 0]);
    }
    halves(halves(sum)) as u32
}

/// The two 32-bit halves of a word, added.
const fn halves(word: u64) -> u64 {
    (word >> 32) + (word & 0xffff_ffff)
}

/// The sum of the halves of many words, in a form that compilers make vector instructions of.
///
/// Per word it costs a shift and two additions: the words are summed as they are, modulo 2^64, and
/// their upper halves apart; at the end one sum is told from the other.
#[inline(always)]
fn sum_words<S: Simd>(_: S, words: &[[u8; 8]]) -> u64 {
    let (mut whole, mut upper) = (0u64, 0u64);
    for word in words {
        let word = u64::from_ne_bytes(*word);
        whole = whole.wrapping_add(word);
        upper += word >> 32;
    }
    whole.wrapping_sub(upper << 32) + upper
}

/// For fewer words, such as those of headers, it does not pay to ask the processor.
const FEW_WORDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 section 1 as it stands there: words, end-around carry, an odd octet padded.
    fn reference(octets: &[u8]) -> u16 {
        octets.chunks(2).fold(0u16, |sum, pair| {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    fn octets(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i.wrapping_mul(167) ^ (i >> 3)) as u8).collect()
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let mut sum = Checksum::new();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), 0xddf2);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn every_length_agrees_with_the_reference() {
        for len in 0..300 {
            assert_eq!(checksum(&octets(len)), !reference(&octets(len)), "length {len}");
        }
        let ones = vec![0xff; 65535];
        assert_eq!(checksum(&ones), !reference(&ones));
    }

    #[test]
    fn pieces_of_any_length_add_up_to_the_whole() {
        let all = octets(101);
        for first in 0..=all.len() {
            for second in [first, (first + 1).min(101), (first + 33).min(101), 101] {
                let mut sum = Checksum::new();
                sum.add(&all[..first]);
                sum.add(&all[first..second]);
                sum.add(&all[second..]);
                assert_eq!(sum.fold(), reference(&all), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn the_pseudo_header_is_what_its_octets_sum_to() {
        let src: IpAddr = "192.0.2.1".parse().unwrap();
        let dst: IpAddr = "198.51.100.255".parse().unwrap();
        let octets = [192, 0, 2, 1, 198, 51, 100, 255, 0, 6, 0x12, 0x34];
        let sum = Checksum::pseudo(&src, &dst, Protocol::TCP, 0x1234).unwrap();
        assert_eq!(sum.fold(), reference(&octets));

        let src6: IpAddr = "2001:db8::ff00:1".parse().unwrap();
        let dst6: IpAddr = "fe80::1234".parse().unwrap();
        let mut octets = Vec::new();
        for address in [src6, dst6] {
            let IpAddr::V6(address) = address else { unreachable!() };
            octets.extend(address.octets());
        }
        octets.extend([0, 1, 0x86, 0xa0, 0, 0, 0, 58]);
        let sum = Checksum::pseudo(&src6, &dst6, Protocol::ICMPV6, 100_000).unwrap();
        assert_eq!(sum.fold(), reference(&octets));

        let mixed = Checksum::pseudo(&src, &dst6, Protocol::TCP, 1);
        assert_eq!(mixed.unwrap_err(), EmitError::MixedVersions);
    }

    #[test]
    fn a_sum_with_its_checksum_is_good_until_a_bit_changes() {
        let mut all = octets(64);
        all[10..12].fill(0);
        let checksum = checksum(&all);
        all[10..12].copy_from_slice(&checksum.to_be_bytes());
        let is_good = |octets: &[u8]| {
            let mut sum = Checksum::new();
            sum.add(octets);
            sum.is_good()
        };
        assert!(is_good(&all));
        for bit in 0..all.len() * 8 {
            all[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_good(&all), "bit {bit}");
            all[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
