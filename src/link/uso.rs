//! Splitting a super-datagram of UDP that the kernel handed over as one.
//!
//! A program that sends with `UDP_SEGMENT` gets its datagrams joined; to a TUN device with offload
//! they come unsplit. Each is a message of its own, so the stack above sees them one by one.

use bytes::BytesMut;
use netmart_proto::wire::{ChecksumState, Offload, Packet, checksum};

/// Appends the datagrams that the super-datagram `packet`, in one piece, consists of; each shares its
/// payload. `None`, and nothing appended, when the headers are not what they should be.
pub(super) fn split(packet: &Packet, batch: &mut Vec<Packet>) -> Option<()> {
    let ChecksumState::Partial { start, offset } = packet.offload.checksum else { return None };
    let start = usize::from(start);
    let size = usize::from(packet.offload.gso_size?);
    let headers = packet.head.get(..start + UDP_HEADER)?;
    let version = version(headers, start)?;
    if size == 0 || usize::from(offset) != UDP_CHECKSUM {
        return None;
    }
    let offload = Offload { checksum: packet.offload.checksum, gso_size: None };
    let mut rest = packet.head.slice(headers.len()..);
    for index in 0.. {
        if rest.is_empty() {
            break;
        }
        let body = rest.split_to(size.min(rest.len()));
        let mut head = BytesMut::from(headers);
        // A part of a packet that IP could carry is shorter than 2^16 octets.
        let datagram_len = (UDP_HEADER + body.len()) as u16;
        patch_udp(&mut head[start..], datagram_len);
        match version {
            Version::V4 => patch_ipv4(&mut head[..start], datagram_len, index),
            Version::V6 => patch_ipv6(&mut head[..start], datagram_len),
        }
        batch.push(Packet { head: head.freeze(), body, offload });
    }
    Some(())
}

enum Version {
    V4,
    V6,
}

/// The version of the header of `start` octets, if it has room for its fixed part.
fn version(headers: &[u8], start: usize) -> Option<Version> {
    match headers.first()? >> 4 {
        4 if start >= 20 => Some(Version::V4),
        6 if start >= 40 => Some(Version::V6),
        _ => None,
    }
}

/// The datagram's length, in its field and in the sum of the pseudo header.
fn patch_udp(header: &mut [u8], len: u16) {
    let (old_len, pseudo_sum) = (word(header, 4), word(header, UDP_CHECKSUM));
    put_word(header, 4, len);
    // One's complement: taking away is adding the complement (RFC 1624).
    let [a, b] = pseudo_sum.to_be_bytes();
    let [c, d] = (!old_len).to_be_bytes();
    let [e, f] = len.to_be_bytes();
    put_word(header, UDP_CHECKSUM, !checksum(&[a, b, c, d, e, f]));
}

/// Total length, an identification of its own, and the header's checksum.
fn patch_ipv4(header: &mut [u8], datagram_len: u16, index: u16) {
    put_word(header, 2, (header.len() as u16).wrapping_add(datagram_len));
    put_word(header, 4, word(header, 4).wrapping_add(index));
    put_word(header, 10, 0);
    put_word(header, 10, checksum(header));
}

/// Payload length, which counts extension headers.
fn patch_ipv6(header: &mut [u8], datagram_len: u16) {
    put_word(header, 4, (header.len() as u16 - 40).wrapping_add(datagram_len));
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn put_word(octets: &mut [u8], at: usize, value: u16) {
    octets[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Octets of a UDP header.
const UDP_HEADER: usize = 8;
/// Where the checksum stands in it.
const UDP_CHECKSUM: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::checksum::completed;

    const V4: usize = 20;
    const V6: usize = 40;

    /// A super-datagram of 3 x 1000 and 500 octets, as the kernel hands it over.
    fn super_datagram(start: usize) -> Packet {
        let len = (UDP_HEADER + 3500) as u16;
        let mut octets = vec![0u8; start];
        match start {
            V4 => {
                octets[..10].copy_from_slice(&[0x45, 0, 0, 0, 0xff, 0xfe, 0x40, 0, 64, 17]);
                octets[12..20].copy_from_slice(&[10, 77, 0, 1, 10, 77, 0, 2]);
                put_word(&mut octets, 2, start as u16 + len);
            }
            _ => {
                octets[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 0, 17, 64]);
                octets[8..24].copy_from_slice(&[0xfd; 16]);
                octets[24..40].copy_from_slice(&[0xfe; 16]);
                put_word(&mut octets, 4, len);
            }
        }
        let pseudo_sum = pseudo_sum(&octets, len);
        octets.extend([0x30, 0x39, 0, 53]);
        octets.extend(len.to_be_bytes());
        octets.extend(pseudo_sum.to_be_bytes());
        octets.extend((0..3500).map(|index| (index % 251) as u8));
        let checksum = ChecksumState::Partial { start: start as u16, offset: 6 };
        let offload = Offload { checksum, gso_size: Some(1000) };
        Packet { offload, ..Packet::new(octets.into()) }
    }

    fn pseudo_sum(ip: &[u8], len: u16) -> u16 {
        let addresses = if ip[0] >> 4 == 4 { &ip[12..20] } else { &ip[8..40] };
        let mut pseudo_header = addresses.to_vec();
        pseudo_header.extend([0, 17]);
        pseudo_header.extend(len.to_be_bytes());
        !checksum(&pseudo_header)
    }

    #[test]
    fn each_datagram_is_whole_and_right() {
        for start in [V4, V6] {
            let packet = super_datagram(start);
            let mut batch = Vec::new();
            split(&packet, &mut batch).unwrap();
            let lens: Vec<usize> = batch.iter().map(|part| part.body.len()).collect();
            assert_eq!(lens, [1000, 1000, 1000, 500]);
            let payload: Vec<u8> = batch.iter().flat_map(|part| part.body.to_vec()).collect();
            assert_eq!(payload, packet.head[start + UDP_HEADER..]);
            for part in &batch {
                let len = (UDP_HEADER + part.body.len()) as u16;
                assert_eq!(word(&part.head, start + 4), len);
                assert_eq!(part.offload.gso_size, None);
                let octets = completed(part).unwrap();
                let udp = u32::from(!checksum(&octets[start..]));
                let sum = udp + u32::from(pseudo_sum(&octets, len));
                assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
            }
        }
    }

    #[test]
    fn ipv4_headers_are_summed_and_numbered_anew() {
        let mut batch = Vec::new();
        split(&super_datagram(V4), &mut batch).unwrap();
        for part in &batch {
            assert_eq!(!checksum(&part.head[..V4]), 0xffff);
            assert_eq!(usize::from(word(&part.head, 2)), part.len());
        }
        let idents: Vec<u16> = batch.iter().map(|part| word(&part.head, 4)).collect();
        assert_eq!(idents, [0xfffe, 0xffff, 0, 1]);
    }

    #[test]
    fn nonsense_is_refused() {
        let mut batch = Vec::new();
        let mut refuse = |change: fn(&mut Packet)| {
            let mut packet = super_datagram(V4);
            change(&mut packet);
            assert_eq!(split(&packet, &mut batch), None);
            assert!(batch.is_empty());
        };
        refuse(|packet| packet.offload.gso_size = Some(0));
        refuse(|packet| packet.offload.gso_size = None);
        refuse(|packet| packet.offload.checksum = ChecksumState::Unverified);
        refuse(|packet| packet.head = packet.head.slice(..27));
        refuse(|packet| {
            packet.offload.checksum = ChecksumState::Partial { start: 20, offset: 16 };
        });
        refuse(|packet| {
            packet.offload.checksum = ChecksumState::Partial { start: 19, offset: 6 };
        });
        refuse(|packet| {
            packet.offload.checksum = ChecksumState::Partial { start: 0xffff, offset: 6 };
        });
    }
}
