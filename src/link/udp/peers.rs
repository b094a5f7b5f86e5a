//! Which UDP address stands for which address inside the stack.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netmart_proto::Instant;

use super::FIRST_PEER;

/// A peer, as it is heard and spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its address inside the stack.
    pub(super) inner: Ipv4Addr,
    /// Where it sends from.
    pub(super) real: SocketAddr,
    /// The address of ours that it sends to.
    pub(super) ours: IpAddr,
}

/// The peers that are known.
#[derive(Debug)]
pub(super) struct Peers {
    limit: usize,
    by_real: HashMap<SocketAddr, u16>,
    by_index: BTreeMap<u16, Entry>,
    /// The index that the next one gets, unless it is taken: addresses are used again as late as possible.
    next: u16,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    heard: Instant,
    /// It has answered what we sent, so it is where it says it is.
    is_proven: bool,
    /// We have sent it something.
    is_answered: bool,
}

/// The most peers: the host part of the addresses has 16 bits, and a few are left out.
pub(super) const MOST: usize = 65_000;

/// How long a peer that has answered may be silent before it can be forgotten.
const SILENCE: Duration = Duration::from_secs(300);

impl Peers {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, by_real: HashMap::new(), by_index: BTreeMap::new(), next: 0 }
    }

    /// The peer that sends from `real` to `ours`, made known if need be. `opens` tells that what it sent begins
    /// a connection: everything else from a peer that we have answered proves that it hears us.
    pub(super) fn heard(
        &mut self,
        real: SocketAddr,
        ours: IpAddr,
        opens: bool,
        now: Instant,
    ) -> Option<(Peer, Known)> {
        if let Some(entry) = self.by_real.get(&real).and_then(|index| self.by_index.get_mut(index))
        {
            entry.heard = now;
            entry.peer.ours = ours;
            entry.is_proven |= entry.is_answered && !opens;
            return Some((entry.peer, Known::Before));
        }
        let gone =
            if self.by_index.len() >= self.limit { Some(self.forget_one(now)?) } else { None };
        let index = self.free_index()?;
        let peer = Peer { inner: inner(index), real, ours };
        self.by_real.insert(real, index);
        let entry = Entry { peer, heard: now, is_proven: false, is_answered: false };
        self.by_index.insert(index, entry);
        Some((peer, Known::Now { gone }))
    }

    /// Whom a packet to `inner` is for.
    pub(super) fn at(&mut self, inner: Ipv4Addr) -> Option<Peer> {
        let entry = self.by_index.get_mut(&index(inner)?)?;
        entry.is_answered = true;
        Some(entry.peer)
    }

    /// The peer that is known to send from `real`.
    pub(super) fn known(&self, real: SocketAddr) -> Option<Peer> {
        self.by_real.get(&real).and_then(|index| self.by_index.get(index)).map(|entry| entry.peer)
    }

    /// Makes room: of those who never answered the one that was heard first, or one that is silent.
    fn forget_one(&mut self, now: Instant) -> Option<Ipv4Addr> {
        let may_go =
            |entry: &&Entry| !entry.is_proven || now.saturating_since(entry.heard) > SILENCE;
        let entries = self.by_index.values().filter(may_go);
        let peer = entries.min_by_key(|entry| (entry.is_proven, entry.heard))?.peer;
        self.by_real.remove(&peer.real);
        self.by_index.remove(&index(peer.inner)?);
        Some(peer.inner)
    }

    fn free_index(&mut self) -> Option<u16> {
        for _ in 0..MOST {
            let index = self.next;
            self.next = (self.next + 1) % MOST as u16;
            if !self.by_index.contains_key(&index) {
                return Some(index);
            }
        }
        None
    }
}

/// Since when a peer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Before,
    /// It took the place of one that was forgotten, perhaps.
    Now {
        gone: Option<Ipv4Addr>,
    },
}

fn inner(index: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST_PEER.to_bits() + u32::from(index))
}

fn index(inner: Ipv4Addr) -> Option<u16> {
    u16::try_from(inner.to_bits().checked_sub(FIRST_PEER.to_bits())?).ok()
}

/// What others may know of the peers, from any thread.
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<HashMap<Ipv4Addr, SocketAddr>>);

impl Directory {
    fn lock(&self) -> MutexGuard<'_, HashMap<Ipv4Addr, SocketAddr>> {
        // Nothing in a critical section here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn real(&self, inner: Ipv4Addr) -> Option<SocketAddr> {
        self.lock().get(&inner).copied()
    }

    pub(super) fn enter(&self, peer: Peer, gone: Option<Ipv4Addr>) {
        let mut known = self.lock();
        gone.map(|gone| known.remove(&gone));
        known.insert(peer.inner, peer.real);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn real(port: u16) -> SocketAddr {
        (Ipv4Addr::new(192, 0, 2, 1), port).into()
    }

    fn at(secs: u64) -> Instant {
        Instant::from_millis(secs * 1000)
    }

    fn meet(peers: &mut Peers, port: u16, opens: bool, secs: u64) -> Option<Peer> {
        peers.heard(real(port), OURS, opens, at(secs)).map(|(peer, _)| peer)
    }

    #[test]
    fn peers_behind_one_address_are_different_and_stay_the_same() {
        let mut peers = Peers::new(10);
        let one = meet(&mut peers, 1, true, 0).unwrap();
        let two = meet(&mut peers, 2, true, 0).unwrap();
        assert_eq!(one.inner, FIRST_PEER);
        assert_ne!(one.inner, two.inner);
        assert_eq!(meet(&mut peers, 1, false, 1).unwrap(), one);
        assert_eq!(peers.at(two.inner), Some(two));
        assert_eq!(peers.known(real(2)), Some(two));
        assert_eq!(peers.at(Ipv4Addr::new(198, 18, 0, 1)), None);
        assert_eq!(peers.at(Ipv4Addr::new(198, 19, 0, 9)), None);
    }

    #[test]
    fn a_flood_of_strangers_forgets_none_who_has_answered() {
        let mut peers = Peers::new(3);
        let friend = meet(&mut peers, 1, true, 0).unwrap();
        peers.at(friend.inner);
        assert_eq!(meet(&mut peers, 1, false, 0), Some(friend));
        for port in 100..200 {
            assert!(meet(&mut peers, port, true, 1).is_some());
        }
        assert_eq!(peers.known(real(1)), Some(friend));
        assert_eq!(peers.by_index.len(), 3);
        assert_eq!(peers.by_real.len(), 3);
    }

    #[test]
    fn a_stranger_who_sends_without_having_been_answered_proves_nothing() {
        let mut peers = Peers::new(1);
        meet(&mut peers, 1, true, 0);
        meet(&mut peers, 1, false, 0);
        assert!(meet(&mut peers, 2, true, 0).is_some());
        assert_eq!(peers.known(real(1)), None);
    }

    #[test]
    fn who_has_answered_is_kept_until_it_has_been_silent_for_long() {
        let mut peers = Peers::new(1);
        let friend = meet(&mut peers, 1, true, 0).unwrap();
        peers.at(friend.inner);
        meet(&mut peers, 1, false, 10);
        assert_eq!(meet(&mut peers, 2, true, 300), None);
        let (next, known) = peers.heard(real(2), OURS, true, at(311)).unwrap();
        assert_eq!(known, Known::Now { gone: Some(friend.inner) });
        assert_ne!(next.inner, friend.inner);
    }
}
