//! The largest packets that paths of IPv6 carry (RFC 8201).

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use netmart_proto::Instant;

/// What routers have told, for a while.
#[derive(Debug, Default)]
pub(super) struct PathMtus {
    known: BTreeMap<IpAddr, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    mtu: u16,
    until: Instant,
}

impl PathMtus {
    /// A packet to `destination` was too big for a hop that carries `mtu` octets. Never less than the
    /// minimum of IPv6 is believed (RFC 8201 section 4), and nothing makes a path wider than it was.
    pub(super) fn learn(&mut self, destination: IpAddr, mtu: u32, now: Instant) {
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX).max(MINIMUM);
        let mtu = self.get(&destination, now).map_or(mtu, |known| known.min(mtu));
        if self.known.len() == CAPACITY && !self.known.contains_key(&destination) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.until);
            if let Some(oldest) = oldest.map(|(destination, _)| *destination) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(destination, Known { mtu, until: now + LIFETIME });
    }

    /// Nothing is known any more of the path to `destination`.
    pub(super) fn forget(&mut self, destination: &IpAddr) {
        self.known.remove(destination);
    }

    /// The MTU of the path to `destination`, in octets, if it is known.
    pub(super) fn get(&self, destination: &IpAddr, now: Instant) -> Option<u16> {
        self.known.get(destination).filter(|known| now < known.until).map(|known| known.mtu)
    }
}

/// Every IPv6 link carries this many octets (RFC 8200 section 5).
const MINIMUM: u16 = 1280;

/// How long to believe it before trying more again (RFC 8201 section 4).
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The most paths; the one that was learnt first makes room.
const CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: u16) -> IpAddr {
        IpAddr::V6(core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number))
    }

    #[test]
    fn a_path_gets_narrower_until_what_is_known_of_it_is_too_old() {
        let mut mtus = PathMtus::default();
        let now = Instant::ZERO;
        assert_eq!(mtus.get(&path(1), now), None);
        for (told, expected) in
            [(9000, 9000), (1400, 1400), (1450, 1400), (0, 1280), (1 << 20, 1280)]
        {
            mtus.learn(path(1), told, now);
            assert_eq!(mtus.get(&path(1), now), Some(expected), "told {told}");
        }
        assert_eq!(mtus.get(&path(1), now + LIFETIME), None);
        mtus.learn(path(1), 1400, now + LIFETIME);
        assert_eq!(
            mtus.get(&path(1), now + LIFETIME),
            Some(1400),
            "what was forgotten does not count"
        );
    }

    #[test]
    fn what_is_doubted_is_forgotten() {
        let mut mtus = PathMtus::default();
        mtus.learn(path(1), 1400, Instant::ZERO);
        mtus.learn(path(2), 1400, Instant::ZERO);
        mtus.forget(&path(1));
        let known = [1, 2].map(|number| mtus.get(&path(number), Instant::ZERO));
        assert_eq!(known, [None, Some(1400)]);
    }

    #[test]
    fn the_oldest_path_makes_room() {
        let mut mtus = PathMtus::default();
        for number in 0..=CAPACITY as u16 {
            mtus.learn(path(number), 1400, Instant::from_micros(number.into()));
        }
        let now = Instant::from_millis(1);
        assert_eq!(mtus.known.len(), CAPACITY);
        assert_eq!((mtus.get(&path(0), now), mtus.get(&path(1), now)), (None, Some(1400)));
    }
}
