//! Initial sequence numbers (RFC 6528).

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher24;

use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// Chooses initial sequence numbers that nobody outside can predict, yet that rise between two
/// connections over the same ports: `ISN = M + F(4-tuple, key)`, with M ticking every 4 us.
#[derive(Clone)]
pub struct IsnGenerator {
    hasher: SipHasher24,
}

impl IsnGenerator {
    /// A generator with a secret key (MUST-9).
    pub fn new(key: [u8; 16]) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key) }
    }

    /// The initial sequence number of a connection opened now.
    pub fn isn(&self, now: Instant, local: SocketAddr, remote: SocketAddr) -> SeqNumber {
        let ticks = now.as_micros() / 4;
        SeqNumber((self.digest(local, remote) as u32).wrapping_add(ticks as u32))
    }

    /// The offset of the timestamp clock for these two ends (RFC 7323 section 5.4), for
    /// [`StateVector::set_timestamp_offset`](super::StateVector::set_timestamp_offset). It stays
    /// the same between connections, so that TIME-WAIT can be judged by timestamps (RFC 6191).
    pub fn timestamp_offset(&self, local: SocketAddr, remote: SocketAddr) -> u32 {
        (self.digest(local, remote) >> 32) as u32
    }

    fn digest(&self, local: SocketAddr, remote: SocketAddr) -> u64 {
        let mut hasher = self.hasher;
        for end in [local, remote] {
            match end.ip() {
                IpAddr::V4(address) => hasher.write(&address.octets()),
                IpAddr::V6(address) => hasher.write(&address.octets()),
            }
            hasher.write(&end.port().to_be_bytes());
        }
        hasher.finish()
    }
}

impl core::fmt::Debug for IsnGenerator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The key stays secret.
        f.debug_struct("IsnGenerator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 80);
    const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 4000);

    #[test]
    fn lineage_23_initial_sequence_numbers_are_keyed_and_tick_every_4_us() {
        let generator = IsnGenerator::new([7; 16]);
        let at = |micros| generator.isn(Instant::from_micros(micros), LOCAL, REMOTE);
        assert_eq!(at(4_000).distance_from(at(0)), 1_000);
        assert_eq!(at(3), at(0));
        let other_key = IsnGenerator::new([8; 16]);
        assert_ne!(at(0), other_key.isn(Instant::ZERO, LOCAL, REMOTE));
        assert_ne!(at(0), generator.isn(Instant::ZERO, REMOTE, LOCAL));
    }

    #[test]
    fn the_timestamp_offset_belongs_to_the_two_ends() {
        let generator = IsnGenerator::new([7; 16]);
        let offset = generator.timestamp_offset(LOCAL, REMOTE);
        assert_eq!(offset, generator.clone().timestamp_offset(LOCAL, REMOTE));
        assert_ne!(offset, generator.timestamp_offset(REMOTE, LOCAL));
    }
}
