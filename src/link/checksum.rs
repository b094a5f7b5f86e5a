//! Completing what a device with offload left, or would have left, to others.

use netmart_proto::wire::{ChecksumState, Packet, checksum};

/// The octets of `packet` in one piece and without a partial checksum; `None` when its place lies
/// outside the packet.
pub(super) fn completed(packet: &Packet) -> Option<Vec<u8>> {
    let mut octets = packet.to_vec();
    complete(&mut octets, packet.offload.checksum)?;
    Some(octets)
}

/// Completes a partial checksum in place; `None` when its place lies outside of `octets`.
pub(super) fn complete(octets: &mut [u8], state: ChecksumState) -> Option<()> {
    let ChecksumState::Partial { start, offset } = state else { return Some(()) };
    let covered = octets.get_mut(usize::from(start)..)?;
    let place = usize::from(offset)..usize::from(offset) + 2;
    covered.get(place.clone())?;
    let sum = match checksum(covered) {
        // UDP sends the other zero of one's complement: zero would mean "none" (RFC 768).
        0 if offset == UDP_CHECKSUM => 0xffff,
        sum => sum,
    };
    covered[place].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Where the checksum stands in the header of UDP.
const UDP_CHECKSUM: u16 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completed_checksum_sums_to_all_ones() {
        let mut octets: Vec<u8> = (0..101).collect();
        complete(&mut octets, ChecksumState::Partial { start: 20, offset: 16 }).unwrap();
        // What stood in the field was the sum of a pseudo header: it is part of the whole.
        let pseudo_header = u16::from_be_bytes([36, 37]);
        let all = u32::from(!checksum(&octets[20..])) + u32::from(pseudo_header);
        assert_eq!((all & 0xffff) + (all >> 16), 0xffff);
    }

    #[test]
    fn udp_never_sends_a_zero() {
        let mut octets = [0u8, 1, 0, 2, 0, 8, 0xff, 0xf4];
        complete(&mut octets, ChecksumState::Partial { start: 0, offset: 6 }).unwrap();
        assert_eq!(octets[6..], [0xff, 0xff]);
    }

    #[test]
    fn a_place_outside_the_packet_is_not_written() {
        for (start, offset) in [(0, 39), (39, 0), (41, 0), (20, 19), (0xffff, 0xffff)] {
            let mut octets = [7; 40];
            assert_eq!(complete(&mut octets, ChecksumState::Partial { start, offset }), None);
            assert_eq!(octets, [7; 40]);
        }
    }
}
