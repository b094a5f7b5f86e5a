//! What waits to be sent at one socket, cut into runs that one system call takes.

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;
use netmart_actors::address::{Address, LocalAddress};

/// A datagram on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// The end that sends it.
    pub(crate) local: LocalAddress,
    /// Whom it is for.
    pub(crate) to: Address,
    /// The address to send from, if it matters.
    pub(crate) from: Option<IpAddr>,
    pub(crate) payload: Bytes,
}

/// Datagrams in their order, within bounds.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Outgoing>,
    octets: usize,
    most_datagrams: usize,
    most_octets: usize,
}

/// Octets of the longest run: what one datagram of IPv4 carries at most is 65,507, less some room.
const LONGEST_RUN: usize = 65_000;

impl Outbox {
    pub(crate) fn new(most_datagrams: usize, most_octets: usize) -> Self {
        Self { queue: VecDeque::new(), octets: 0, most_datagrams, most_octets }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is no room for a datagram; an empty outbox has room for any.
    pub(crate) fn is_full_for(&self, datagram: &Outgoing) -> bool {
        let octets = self.octets + datagram.payload.len();
        let has_room = self.queue.len() < self.most_datagrams && octets <= self.most_octets;
        !has_room && !self.queue.is_empty()
    }

    /// Takes a datagram, unless there is no room for it.
    pub(crate) fn push(&mut self, datagram: Outgoing) -> bool {
        let is_full = self.is_full_for(&datagram);
        if !is_full {
            self.octets += datagram.payload.len();
            self.queue.push_back(datagram);
        }
        !is_full
    }

    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let datagram = self.queue.pop_front()?;
        self.octets -= datagram.payload.len();
        Some(datagram)
    }

    /// The datagrams at the front that one call can send: one, or up to `most` of one size between the same
    /// ends, of which only the last may be shorter. None but the first is longer than `longest`.
    pub(crate) fn run(
        &self,
        most: usize,
        longest: usize,
    ) -> impl ExactSizeIterator<Item = &Outgoing> {
        self.queue.iter().take(self.run_len(most, longest))
    }

    fn run_len(&self, most: usize, longest: usize) -> usize {
        let Some(first) = self.queue.front() else { return 0 };
        let size = first.payload.len();
        if size == 0 || size > longest {
            return 1;
        }
        let fits = (LONGEST_RUN / size).min(most).max(1);
        let mut count = 1;
        for next in self.queue.iter().take(fits).skip(1) {
            let len = next.payload.len();
            if len == 0 || len > size || (next.to, next.from) != (first.to, first.from) {
                break;
            }
            count += 1;
            if len < size {
                break;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn datagram(port: u16, len: usize) -> Outgoing {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
        Outgoing { local: here.into(), to, from: None, payload: vec![0; len].into() }
    }

    fn filled(datagrams: &[(u16, usize)]) -> Outbox {
        let mut outbox = Outbox::new(100, 1 << 20);
        for &(port, len) in datagrams {
            assert!(outbox.push(datagram(port, len)));
        }
        outbox
    }

    fn runs(datagrams: &[(u16, usize)], most: usize, longest: usize) -> Vec<usize> {
        let mut outbox = filled(datagrams);
        let mut runs = Vec::new();
        while outbox.len() > 0 {
            let len = outbox.run(most, longest).count();
            runs.push(len);
            (0..len).for_each(|_| drop(outbox.pop()));
        }
        runs
    }

    #[test]
    fn a_run_is_of_one_size_and_ends_with_a_shorter_one() {
        assert_eq!(runs(&[(7, 5), (7, 5), (7, 3), (7, 3), (7, 5)], 64, 1000), [3, 1, 1]);
    }

    #[test]
    fn a_run_goes_to_one_end() {
        assert_eq!(runs(&[(7, 5), (8, 5), (8, 5), (7, 5)], 64, 1000), [1, 2, 1]);
    }

    #[test]
    fn datagrams_without_octets_go_alone() {
        assert_eq!(runs(&[(7, 0), (7, 0), (7, 4), (7, 0)], 64, 1000), [1, 1, 1, 1]);
    }

    #[test]
    fn a_run_is_limited_by_count_by_length_and_by_what_can_be_cut() {
        assert_eq!(runs(&[(7, 5); 5], 2, 1000), [2, 2, 1]);
        assert_eq!(runs(&[(7, 30_000); 5], 64, 65_535), [2, 2, 1]);
        assert_eq!(runs(&[(7, 5); 3], 64, 4), [1, 1, 1]);
        assert_eq!(runs(&[(7, 65_507); 2], 64, 65_535), [1, 1]);
    }

    #[test]
    fn what_finds_no_room_is_refused_but_the_first() {
        let mut outbox = Outbox::new(2, 10);
        assert!(outbox.push(datagram(7, 100)));
        assert!(!outbox.push(datagram(7, 1)));
        assert_eq!(outbox.pop().map(|sent| sent.payload.len()), Some(100));
        assert!(outbox.push(datagram(7, 4)));
        assert!(outbox.push(datagram(7, 6)));
        assert!(!outbox.push(datagram(7, 0)));
        assert_eq!(outbox.len(), 2);
    }
}
