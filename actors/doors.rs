//! Which listener a SYN is for, and whether it has room.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netmart_bus::Change;

use crate::address::{Listener, LocalAddress, Transport};
use crate::message::{Backlog, HalfOpen, Listening};

/// The open listeners of a stack, by port; fed with the facts that the listeners and the state vectors
/// state.
#[derive(Debug)]
pub(crate) struct Doors {
    half_open_limit: usize,
    by_port: BTreeMap<u16, Vec<Door>>,
    half_open: BTreeMap<Listener, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Door {
    listener: Listener,
    backlog: Backlog,
}

/// What a SYN finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knock {
    /// This listener takes it.
    Open(Listener),
    /// This listener would take it, but has as many connections in their handshake as it may.
    Crowded(Listener),
    /// A listener is there but has no room: drop the SYN, its sender will repeat it.
    Full,
    /// Nobody listens there.
    Nobody,
}

impl Doors {
    /// No doors yet; each will have room for `half_open_limit` connections in their handshake.
    pub(crate) const fn new(half_open_limit: usize) -> Self {
        Self { half_open_limit, by_port: BTreeMap::new(), half_open: BTreeMap::new() }
    }

    /// News of the listeners, among which those over `over` are ours.
    pub(crate) fn listening(&mut self, change: &Change<Listening>, over: Transport) {
        let is_ours = |fact: &&Listening| fact.at.listener.over == over;
        match change {
            Change::Snapshot(facts) => {
                facts.iter().filter(is_ours).for_each(|fact| self.opened(fact));
            }
            Change::Appeared(fact) if is_ours(&fact) => self.opened(fact),
            Change::Gone(fact) if is_ours(&fact) => self.closed(fact),
            Change::Appeared(_) | Change::Gone(_) => {}
        }
    }

    /// News of the connections in their handshake.
    pub(crate) fn half_opened(&mut self, change: &Change<HalfOpen>) {
        match change {
            Change::Snapshot(facts) => facts.iter().for_each(|fact| self.entering(fact)),
            Change::Appeared(fact) => self.entering(fact),
            Change::Gone(fact) => self.entered(fact),
        }
    }

    /// A listener listens, or its backlog has changed.
    fn opened(&mut self, fact: &Listening) {
        let door = Door { listener: fact.at.listener, backlog: fact.backlog };
        self.by_port.entry(fact.at.port).or_default().push(door);
    }

    /// What [`opened`](Self::opened) said no longer holds.
    fn closed(&mut self, fact: &Listening) {
        let door = Door { listener: fact.at.listener, backlog: fact.backlog };
        if let Some(doors) = self.by_port.get_mut(&fact.at.port) {
            doors.retain(|known| *known != door);
            if doors.is_empty() {
                self.by_port.remove(&fact.at.port);
            }
        }
    }

    /// A connection has begun its handshake.
    fn entering(&mut self, fact: &HalfOpen) {
        *self.half_open.entry(fact.of.listener).or_default() += 1;
    }

    /// A connection has ended its handshake, either way.
    fn entered(&mut self, fact: &HalfOpen) {
        if let Some(count) = self.half_open.get_mut(&fact.of.listener) {
            *count -= 1;
            if *count == 0 {
                self.half_open.remove(&fact.of.listener);
            }
        }
    }

    /// How many connections of a listener are in their handshake.
    pub(crate) fn half_open(&self, listener: Listener) -> usize {
        self.half_open.get(&listener).copied().unwrap_or(0)
    }

    /// Which listener takes a connection to `local`: one on the very address before one on all.
    pub(crate) fn knock(&self, local: LocalAddress) -> Knock {
        let Some((listener, backlog)) = self.at(local) else { return Knock::Nobody };
        let half_open = self.half_open(listener);
        match backlog {
            Backlog::Full => Knock::Full,
            Backlog::Open if half_open >= self.half_open_limit => Knock::Crowded(listener),
            Backlog::Open => Knock::Open(listener),
        }
    }

    /// The listener that connections to `local` belong to.
    pub(crate) fn at(&self, local: LocalAddress) -> Option<(Listener, Backlog)> {
        let doors = self.by_port.get(&local.0.port).map_or(&[][..], Vec::as_slice);
        let best = |ip: Option<IpAddr>| {
            // A backlog that has just changed is stated anew before it is retracted: the last counts.
            doors.iter().rev().find(|door| door.listener.ip == ip)
        };
        let door = best(Some(local.0.ip)).or_else(|| best(None))?;
        Some((door.listener, door.backlog))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, Flow, RemoteAddress};
    use crate::message::{ListeningKey, OfListener};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn listening(listener: Listener, backlog: Backlog) -> Listening {
        Listening { at: ListeningKey { listener, port: listener.port }, backlog }
    }

    fn half_open(listener: Listener, port: u16) -> HalfOpen {
        let local = LocalAddress(Address::new(HERE, listener.port));
        let remote = RemoteAddress(Address::new(THERE, port));
        HalfOpen { of: OfListener { listener, flow: Flow { local, remote } } }
    }

    fn knock(doors: &Doors, ip: IpAddr, port: u16) -> Knock {
        doors.knock(LocalAddress(Address::new(ip, port)))
    }

    #[test]
    fn the_very_address_comes_before_every_address() {
        let (any, one) = (Listener::on(80), Listener { ip: Some(HERE), ..Listener::on(80) });
        let mut doors = Doors::new(8);
        doors.opened(&listening(any, Backlog::Open));
        assert_eq!(knock(&doors, HERE, 80), Knock::Open(any));
        doors.opened(&listening(one, Backlog::Open));
        assert_eq!(knock(&doors, HERE, 80), Knock::Open(one));
        assert_eq!(knock(&doors, THERE, 80), Knock::Open(any));
        assert_eq!(knock(&doors, HERE, 81), Knock::Nobody);
        doors.closed(&listening(one, Backlog::Open));
        doors.closed(&listening(any, Backlog::Open));
        assert_eq!(knock(&doors, HERE, 80), Knock::Nobody);
    }

    #[test]
    fn a_full_backlog_drops_and_does_not_refuse() {
        let listener = Listener::on(80);
        let mut doors = Doors::new(8);
        doors.opened(&listening(listener, Backlog::Open));
        doors.opened(&listening(listener, Backlog::Full));
        doors.closed(&listening(listener, Backlog::Open));
        assert_eq!(knock(&doors, HERE, 80), Knock::Full);
    }

    #[test]
    fn handshakes_are_limited_per_listener() {
        let listener = Listener::on(80);
        let mut doors = Doors::new(2);
        doors.opened(&listening(listener, Backlog::Open));
        doors.entering(&half_open(listener, 1));
        assert_eq!(knock(&doors, HERE, 80), Knock::Open(listener));
        doors.entering(&half_open(listener, 2));
        assert_eq!(knock(&doors, HERE, 80), Knock::Crowded(listener));
        doors.entered(&half_open(listener, 1));
        assert_eq!(knock(&doors, HERE, 80), Knock::Open(listener));
    }
}
