//! IP packets on a bad link.

use bytes::BytesMut;

use super::Impaired;
use crate::wire::{ChecksumState, Packet};

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
}
