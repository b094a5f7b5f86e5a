//! IP packets on a bad link.

use bytes::BytesMut;

use super::Impaired;
use crate::wire::{ChecksumState, Ecn, Packet};

impl Impaired for Packet {
    fn wire_len(&self) -> usize {
        self.len()
    }

    /// Copies the piece the bit lies in, if that is shared. On a real wire no checksum is partial,
    /// nor has anybody verified it yet: without that, the flip would go unnoticed.
    fn flip_bit(&mut self, bit: usize) {
        self.complete_checksum();
        self.offload.checksum = ChecksumState::Unverified;
        let octet = bit / 8;
        let (piece, octet) = match octet.checked_sub(self.head.len()) {
            None => (&mut self.head, octet),
            Some(octet) => (&mut self.body, octet),
        };
        let mut octets = BytesMut::from(core::mem::take(piece));
        if let Some(octet) = octets.get_mut(octet) {
            *octet ^= 1 << (bit % 8);
        }
        *piece = octets.freeze();
    }

    /// Copies the header.
    fn mark(&mut self) -> bool {
        let mut octets = BytesMut::from(&self.head[..]);
        let marked = match octets.first().map(|first| first >> 4) {
            Some(4) => mark_ipv4(&mut octets),
            Some(6) => mark_ipv6(&mut octets),
            _ => false,
        };
        if marked {
            self.head = octets.freeze();
        }
        marked
    }
}

fn mark_ipv4(header: &mut [u8]) -> bool {
    let Some(&[_, tos, .., check0, check1]) = header.first_chunk::<12>() else { return false };
    let ecn = Ecn::of(tos);
    if ecn == Ecn::NotEct {
        return false;
    }
    header[1] = Ecn::Ce.applied_to(tos);
    // The checksum is updated, not computed again (RFC 1624): what was wrong stays wrong.
    let check = u16::from_be_bytes([check0, check1]);
    let sum = u32::from(!check) + u32::from(header[1] - tos);
    let folded = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    true
}

fn mark_ipv6(header: &mut [u8]) -> bool {
    let Some(octet) = header.get_mut(1) else { return false };
    if Ecn::of(*octet >> 4) == Ecn::NotEct {
        return false;
    }
    *octet |= Ecn::Ce.bits() << 4;
    true
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::wire::tcp::{PortedSegment, Segment, emit, parse};
    use crate::wire::{ChecksumMode, IpHeader, Protocol, parse_ip};

    #[test]
    fn a_mark_changes_the_ecn_field_and_keeps_the_packet_whole() {
        for (src, dst) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            for (ecn, expected) in
                [(Ecn::NotEct, Ecn::NotEct), (Ecn::Ect0, Ecn::Ce), (Ecn::Ect1, Ecn::Ce)]
            {
                let address = |text: &str| text.parse::<IpAddr>().unwrap();
                let header = IpHeader::new(address(src), address(dst), Protocol::TCP);
                let header = IpHeader { tos: 0b1011_1000, ..header };
                let segment = Segment { ecn, ..Segment::default() };
                let ported = PortedSegment { src_port: 1, dst_port: 2, segment };
                let mut arena = BytesMut::new();
                let full = ChecksumMode::Full;
                let mut packet = emit(&mut arena, &header, ported, None, full).unwrap();
                assert_eq!(packet.mark(), ecn != Ecn::NotEct);
                let parsed = parse_ip(&packet).unwrap();
                assert_eq!(parsed.header.tos, 0b1011_1000 | expected.bits(), "{dst}");
                let range = parsed.payload;
                let read = parse(&parsed.header, packet.narrow(range)).unwrap();
                assert_eq!(read.segment.ecn, expected);
            }
        }
    }
}
