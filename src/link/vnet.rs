//! The virtio-net header in front of each packet of a device with offload.
//!
//! Virtio 1.2, section 5.1.6. A TUN device uses the legacy layout of ten octets in the byte order of
//! the host.

use netmart_proto::wire::{ChecksumState, Offload, Packet};
use tun_rs::{VIRTIO_NET_HDR_LEN, VirtioNetHdr};

/// Octets of the header.
pub(super) const HEADER_LEN: usize = VIRTIO_NET_HDR_LEN;

/// What the header of a packet from the device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// What the stack has to know of it.
    pub(super) offload: Offload,
    /// Whether the segments to be made of it are datagrams of UDP.
    pub(super) kind: Kind,
}

/// What a super-segment consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Segments of TCP, or a single packet of whatever protocol.
    Segments,
    /// Datagrams of UDP: a message boundary between each two.
    Datagrams,
}

/// What holds for every packet of a device without the header.
pub(super) const PLAIN: Received = Received {
    offload: Offload { checksum: ChecksumState::Unverified, gso_size: None },
    kind: Kind::Segments,
};

/// Why a packet cannot go to the device as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSendable {
    /// The device has no virtio-net header to announce it with.
    #[error("a device without offload takes no super-segments")]
    NoOffload,
    /// The field to be completed lies outside the packet.
    #[error("the place of the partial checksum lies outside the packet")]
    NoChecksumField,
    /// A device splits a packet only while it also completes its checksum.
    #[error("a super-segment needs a partial checksum")]
    CompleteSuperSegment,
    /// The header that the device shall copy to each segment is not in the first piece.
    #[error("the transport header of a super-segment is cut short")]
    NoTransportHeader,
    /// The place of its checksum is neither that of TCP nor that of UDP.
    #[error("only TCP and UDP packets can be split")]
    NotSplittable,
}

/// Reads a header; `None` when it is of a kind that was never agreed upon, or contradicts itself.
pub(super) fn decode(octets: &[u8]) -> Option<Received> {
    let header = VirtioNetHdr::decode(octets).ok()?;
    let checksum = if header.flags & flag::NEEDS_CSUM != 0 {
        ChecksumState::Partial { start: header.csum_start, offset: header.csum_offset }
    } else if header.flags & flag::DATA_VALID != 0 {
        ChecksumState::Verified
    } else {
        ChecksumState::Unverified
    };
    let (kind, gso_size) = match header.gso_type & !gso::ECN {
        gso::NONE => (Kind::Segments, None),
        gso::TCPV4 | gso::TCPV6 => (Kind::Segments, Some(header.gso_size)),
        gso::UDP_L4 => (Kind::Datagrams, Some(header.gso_size)),
        _ => return None,
    };
    if gso_size == Some(0) {
        return None;
    }
    Some(Received { offload: Offload { checksum, gso_size }, kind })
}

/// The header with which `packet` goes to the device.
pub(super) fn encode(packet: &Packet) -> Result<[u8; HEADER_LEN], NotSendable> {
    let mut header = VirtioNetHdr::default();
    if let ChecksumState::Partial { start, offset } = packet.offload.checksum {
        header.flags = flag::NEEDS_CSUM;
        header.csum_start = start;
        header.csum_offset = offset;
    }
    if let Some(gso_size) = packet.offload.gso_size {
        let (gso_type, hdr_len) = segmentation(packet)?;
        header.gso_type = gso_type;
        header.hdr_len = hdr_len;
        header.gso_size = gso_size;
    }
    let mut octets = [0; HEADER_LEN];
    header.encode(&mut octets).expect("the array has the length of the header");
    Ok(octets)
}

/// The kind of a super-segment, and how many octets of headers each of its segments gets.
fn segmentation(packet: &Packet) -> Result<(u8, u16), NotSendable> {
    let ChecksumState::Partial { start, offset } = packet.offload.checksum else {
        return Err(NotSendable::CompleteSuperSegment);
    };
    let version = packet.head.first().map(|octet| octet >> 4);
    match (offset, version) {
        (tcp::CHECKSUM, Some(4 | 6)) => {
            let data_offset = packet.head.get(usize::from(start) + tcp::DATA_OFFSET);
            let words = data_offset.ok_or(NotSendable::NoTransportHeader)? >> 4;
            let kind = if version == Some(4) { gso::TCPV4 } else { gso::TCPV6 };
            Ok((kind, start.saturating_add(u16::from(words) * 4)))
        }
        (udp::CHECKSUM, Some(4 | 6)) => Ok((gso::UDP_L4, start.saturating_add(udp::HEADER_LEN))),
        _ => Err(NotSendable::NotSplittable),
    }
}

/// `VIRTIO_NET_HDR_F_*`.
mod flag {
    pub(super) const NEEDS_CSUM: u8 = 1;
    pub(super) const DATA_VALID: u8 = 2;
}

/// `VIRTIO_NET_HDR_GSO_*`.
mod gso {
    pub(super) const NONE: u8 = 0;
    pub(super) const TCPV4: u8 = 1;
    pub(super) const TCPV6: u8 = 4;
    pub(super) const UDP_L4: u8 = 5;
    pub(super) const ECN: u8 = 0x80;
}

/// Places in the header of TCP.
mod tcp {
    pub(super) const DATA_OFFSET: usize = 12;
    pub(super) const CHECKSUM: u16 = 16;
}

/// Places in the header of UDP.
mod udp {
    pub(super) const CHECKSUM: u16 = 6;
    pub(super) const HEADER_LEN: u16 = 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8, gso_type: u8, gso_size: u16) -> [u8; HEADER_LEN] {
        let header = VirtioNetHdr {
            flags,
            gso_type,
            hdr_len: 52,
            gso_size,
            csum_start: 20,
            csum_offset: 16,
        };
        let mut octets = [0; HEADER_LEN];
        header.encode(&mut octets).unwrap();
        octets
    }

    fn partial(start: u16, offset: u16) -> ChecksumState {
        ChecksumState::Partial { start, offset }
    }

    #[test]
    fn checksum_states_of_received_packets() {
        let cases = [
            (0, ChecksumState::Unverified),
            (flag::NEEDS_CSUM, partial(20, 16)),
            (flag::DATA_VALID, ChecksumState::Verified),
            (flag::NEEDS_CSUM | flag::DATA_VALID, partial(20, 16)),
        ];
        for (flags, checksum) in cases {
            let received = decode(&header(flags, gso::NONE, 0)).unwrap();
            assert_eq!(received.offload, Offload { checksum, gso_size: None });
        }
    }

    #[test]
    fn kinds_of_super_segments() {
        let cases = [
            (gso::TCPV4, 1448, Some((Kind::Segments, Some(1448)))),
            (gso::TCPV6 | gso::ECN, 1428, Some((Kind::Segments, Some(1428)))),
            (gso::UDP_L4, 1200, Some((Kind::Datagrams, Some(1200)))),
            (gso::NONE, 1448, Some((Kind::Segments, None))),
            (gso::TCPV4, 0, None),
            (3, 1448, None),
            (0x7f, 1448, None),
        ];
        for (gso_type, gso_size, expected) in cases {
            let received = decode(&header(flag::NEEDS_CSUM, gso_type, gso_size));
            let found = received.map(|received| (received.kind, received.offload.gso_size));
            assert_eq!(found, expected, "type {gso_type:#x}, size {gso_size}");
        }
        assert_eq!(decode(&[0; HEADER_LEN - 1]), None);
    }

    /// An IPv4 header of 20 octets and a TCP header of 32, with 3,000 octets of payload.
    fn super_segment() -> Packet {
        let mut head = vec![0; 52];
        head[0] = 0x45;
        head[20 + tcp::DATA_OFFSET] = 8 << 4;
        let offload = Offload { checksum: partial(20, 16), gso_size: Some(1448) };
        Packet { head: head.into(), body: vec![1; 3000].into(), offload }
    }

    #[test]
    fn a_super_segment_is_announced() {
        let header = VirtioNetHdr::decode(&encode(&super_segment()).unwrap()).unwrap();
        assert_eq!((header.flags, header.gso_type), (flag::NEEDS_CSUM, gso::TCPV4));
        assert_eq!((header.hdr_len, header.gso_size), (52, 1448));
        assert_eq!((header.csum_start, header.csum_offset), (20, 16));
    }

    #[test]
    fn a_complete_packet_has_an_empty_header() {
        let packet = Packet::new(vec![0x45; 40].into());
        assert_eq!(encode(&packet).unwrap(), [0; HEADER_LEN]);
    }

    #[test]
    fn what_no_device_could_split_is_refused() {
        let mut complete = super_segment();
        complete.offload.checksum = ChecksumState::Unverified;
        assert_eq!(encode(&complete), Err(NotSendable::CompleteSuperSegment));

        let mut short = super_segment();
        short.head = short.head.slice(..20);
        assert_eq!(encode(&short), Err(NotSendable::NoTransportHeader));

        let mut icmp = super_segment();
        icmp.offload.checksum = partial(20, 2);
        assert_eq!(encode(&icmp), Err(NotSendable::NotSplittable));
    }
}
