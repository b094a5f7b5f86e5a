//! The ends that somebody wants, and how far each has come.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Address, LocalAddress};
use crate::message::{ListenError, UdpDatagram};

/// A value that knows the ends; its actor does what the [`Verdict`]s say. `B` is what an end holds while it is
/// bound, `F` while it cannot be: both are dropped with the last interest.
#[derive(Debug)]
pub(super) struct Ends<B, F> {
    limit: usize,
    /// By port first, so that the ends of one port are neighbours.
    ends: BTreeMap<(u16, IpAddr), End<B, F>>,
    /// How many of them have not failed.
    open: usize,
    /// Ends whose port is to be claimed; the allocator has been asked for the first.
    line: VecDeque<LocalAddress>,
}

/// An end that somebody wants.
#[derive(Debug)]
struct End<B, F> {
    /// How many interests want it.
    interests: usize,
    state: State<B, F>,
}

#[derive(Debug)]
enum State<B, F> {
    /// Its port is being claimed; what shall be sent waits.
    Claiming(Vec<UdpDatagram>),
    /// It is bound, and holds what says so.
    Bound(B),
    /// It could not be bound, and holds what says so.
    Failed(F),
    /// It could not be bound, and the fact is about to be stated.
    Failing,
}

/// What an interest leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The end is known already.
    Nothing,
    /// The end is in line for its port, and nobody was before it.
    Ask,
    /// The end cannot be bound.
    Fail(ListenError),
}

/// The most datagrams that wait for the port of an end to be claimed.
const WAITING: usize = 64;

impl<B, F> Ends<B, F> {
    /// No ends, and room for `limit`.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, ends: BTreeMap::new(), open: 0, line: VecDeque::new() }
    }

    /// One more interest wants `local`, which is an address of ours or not.
    pub(super) fn wanted(&mut self, local: LocalAddress, is_possible: bool) -> Verdict {
        if let Some(end) = self.ends.get_mut(&key(local)) {
            end.interests += 1;
            return Verdict::Nothing;
        }
        let refusal = if !is_possible || local.0.port == 0 {
            Some(ListenError::NotLocal)
        } else {
            (self.open >= self.limit).then_some(ListenError::TooMany)
        };
        let state = match refusal {
            Some(_) => State::Failing,
            None => State::Claiming(Vec::new()),
        };
        self.ends.insert(key(local), End { interests: 1, state });
        if let Some(reason) = refusal {
            return Verdict::Fail(reason);
        }
        self.open += 1;
        self.line.push_back(local);
        if self.line.len() == 1 { Verdict::Ask } else { Verdict::Nothing }
    }

    /// One interest less wants `local`. With the last one all that was stated of the end is retracted.
    pub(super) fn unwanted(&mut self, local: LocalAddress) {
        let Some(end) = self.ends.get_mut(&key(local)) else { return };
        end.interests -= 1;
        if end.interests == 0
            && let Some(End { state: State::Claiming(_) | State::Bound(_), .. }) =
                self.ends.remove(&key(local))
        {
            self.open -= 1;
        }
    }

    /// The end whose port is to be claimed now. It stays in line when the last interest leaves, for the
    /// allocator's answer is still to come.
    pub(super) fn next_in_line(&self) -> Option<LocalAddress> {
        self.line.front().copied()
    }

    /// Whether an end of `port` is bound.
    pub(super) fn holds_port(&self, port: u16) -> bool {
        let first = (port, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let last = (port, IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));
        self.ends.range(first..=last).any(|(_, end)| matches!(end.state, State::Bound(_)))
    }

    /// The first in line is bound and holds `held`, which ends here if nobody wants it any more. What waited
    /// for it can be sent.
    pub(super) fn bound(&mut self, local: LocalAddress, held: B) -> Vec<UdpDatagram> {
        self.leave_line(local);
        self.replace(local, State::Bound(held))
    }

    /// What `local` holds, if it is bound.
    pub(super) fn held(&self, local: LocalAddress) -> Option<&B> {
        match self.ends.get(&key(local)) {
            Some(End { state: State::Bound(held), .. }) => Some(held),
            _ => None,
        }
    }

    /// Whether anybody wants `local`.
    pub(super) fn is_wanted(&self, local: LocalAddress) -> bool {
        self.ends.contains_key(&key(local))
    }

    /// `local` cannot be bound, and holds the `fact` that says so. What waited for it is lost.
    pub(super) fn failed(&mut self, local: LocalAddress, fact: F) -> Vec<UdpDatagram> {
        self.leave_line(local);
        if let Some(End { state: State::Claiming(_), .. }) = self.ends.get(&key(local)) {
            self.open -= 1;
        }
        self.replace(local, State::Failed(fact))
    }

    /// `local`, if it is the first in line, is not any more.
    pub(super) fn leave_line(&mut self, local: LocalAddress) {
        if self.line.front() == Some(&local) {
            self.line.pop_front();
        }
    }

    fn replace(&mut self, local: LocalAddress, state: State<B, F>) -> Vec<UdpDatagram> {
        let Some(end) = self.ends.get_mut(&key(local)) else { return Vec::new() };
        match std::mem::replace(&mut end.state, state) {
            State::Claiming(waiting) => waiting,
            State::Bound(_) | State::Failed(_) | State::Failing => Vec::new(),
        }
    }

    /// The datagram if its end is bound; nothing if it waits until that is.
    ///
    /// # Errors
    ///
    /// Why it is dropped, as a stable name.
    pub(super) fn admit(
        &mut self,
        datagram: UdpDatagram,
    ) -> Result<Option<UdpDatagram>, &'static str> {
        match self.ends.get_mut(&key(datagram.key.local)).map(|end| &mut end.state) {
            Some(State::Bound(_)) => Ok(Some(datagram)),
            Some(State::Claiming(waiting)) if waiting.len() < WAITING => {
                waiting.push(datagram);
                Ok(None)
            }
            Some(State::Claiming(_)) => Err("too_many_waiting"),
            Some(State::Failed(_) | State::Failing) | None => Err("not_bound"),
        }
    }

    /// The bound end that a datagram to `port` of `ip` is for: the one with that address before one with
    /// none. An end with the unspecified address of IPv6 takes IPv4 too, if no other does.
    pub(super) fn reached_by(&self, ip: IpAddr, port: u16) -> Option<LocalAddress> {
        let unspecified_v4 = ip.is_ipv4().then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let candidates = [Some(ip), unspecified_v4, Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))];
        candidates.into_iter().flatten().find_map(|ip| {
            let end = self.ends.get(&(port, ip))?;
            matches!(end.state, State::Bound(_)).then(|| LocalAddress(Address::new(ip, port)))
        })
    }
}

const fn key(local: LocalAddress) -> (u16, IpAddr) {
    (local.0.port, local.0.ip)
}
