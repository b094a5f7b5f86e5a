//! Where a packet goes and which of our addresses it bears: a value that is fed with facts.
//!
//! Everybody who needs routes keeps a table of its own and watches three facts; [`watch_routes`] and
//! `watches_routes!` are all it takes. Tables fed with the same facts
//! in the same order answer alike.

mod prefixes;
mod source;

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};

use netmart_bus::{Change, Spawn, Watcher};
use netmart_proto::wire::IpVersion;

use self::prefixes::{Origin, Prefix, Prefixes};
use self::source::{Candidate, Scope, bits, choose};
use crate::message::{
    InterfaceAddress, LinkCapabilities, LinkId, LinkUp, OnLinkPattern, OwnAddressPattern, Route,
    RoutePattern,
};

/// The way to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The link to leave by; [`LinkId::LOOPBACK`] when the destination is ours.
    pub link: LinkId,
    /// What that link can do.
    pub capabilities: LinkCapabilities,
    /// The address of ours to send from.
    pub source: IpAddr,
}

/// What the stack's connection to itself can do: packets of any length, and nobody computes a
/// checksum for octets that never leave the machine.
pub const LOOPBACK: LinkCapabilities =
    LinkCapabilities { mtu: u16::MAX, checksum_offload: true, gso_max: 0 };

/// The links, addresses and routes of a stack.
///
/// Holds at most [`RouteTable::MAX_LINKS`], [`RouteTable::MAX_ADDRESSES`] and
/// [`RouteTable::MAX_ROUTES`]; what is stated beyond that is not taken in, and counted.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// Oldest first: of two statements about one link the later one counts.
    links: Vec<LinkUp>,
    /// Oldest first: between equally good sources the first stated one wins.
    addresses: Vec<InterfaceAddress>,
    /// The addresses alone, sorted, one entry per statement.
    own: Vec<IpAddr>,
    v4: Prefixes,
    v6: Prefixes,
    /// Answers of [`RouteTable::lookup`] since the last change, each in the place its destination has.
    answers: [Cell<Option<Answer>>; ANSWERS],
    refused: u64,
    generation: u64,
}

/// A destination and the way to it.
type Answer = (IpAddr, Option<Path>);

/// How many answers are kept: a stack talks to few hosts at a time, or else to very many.
const ANSWERS: usize = 16;

impl RouteTable {
    /// How many links there may be.
    pub const MAX_LINKS: usize = 64;
    /// How many addresses there may be.
    pub const MAX_ADDRESSES: usize = 1024;
    /// How many routes there may be, those implied by addresses included.
    pub const MAX_ROUTES: usize = 16_384;

    /// An empty table: nothing is local, nothing can be reached.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in news of links, addresses or routes.
    pub fn apply<F: RoutingFact>(&mut self, change: Change<F>) {
        self.generation += 1;
        self.answers = Default::default();
        match change {
            Change::Snapshot(facts) => facts.iter().for_each(|fact| self.add(fact)),
            Change::Appeared(fact) => self.add(&fact),
            Change::Gone(fact) => fact.remove_from(self),
        }
    }

    fn add<F: RoutingFact>(&mut self, fact: &F) {
        if !fact.add_to(self) {
            self.refused += 1;
        }
    }

    /// How many statements found no room or made no sense.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Changes whenever an answer of this table may have changed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether packets to `ip` are for us alone: it is an address of ours, or lies in `127.0.0.0/8`
    /// and in the subnet of an address of the loopback link (RFC 1122 section 3.2.1.3 (g)).
    pub fn is_local(&self, ip: IpAddr) -> bool {
        self.own.binary_search(&ip).is_ok() || (may_be_loopback(ip) && self.is_in_loopback(ip))
    }

    fn is_in_loopback(&self, ip: IpAddr) -> bool {
        let mut loopback = self.addresses.iter().filter(|a| a.own.link == LinkId::LOOPBACK);
        loopback.any(|address| Prefix::of_address(address).contains(ip))
    }

    /// The way to `destination`: by the longest prefix whose link is up, and of equally long ones by
    /// the link with the lowest number. Nothing if no route leads there or we have no address of
    /// its version to send from.
    pub fn lookup(&self, destination: IpAddr) -> Option<Path> {
        let place = &self.answers[place_of(&destination)];
        match place.get() {
            Some((known, path)) if known == destination => path,
            _ => {
                let path = self.find(destination);
                place.set(Some((destination, path)));
                path
            }
        }
    }

    fn find(&self, destination: IpAddr) -> Option<Path> {
        if self.is_local(destination) {
            let (link, source) = (LinkId::LOOPBACK, destination);
            return Some(Path { link, capabilities: LOOPBACK, source });
        }
        let prefixes = self.prefixes(IpVersion::of(&destination));
        let (link, capabilities) = prefixes.find_map(bits(&destination), |link| {
            self.capabilities(link).map(|capabilities| (link, capabilities))
        })?;
        let source = self.source(destination, link)?;
        Some(Path { link, capabilities, source })
    }

    /// What `link` can do, if it is up.
    pub fn capabilities(&self, link: LinkId) -> Option<LinkCapabilities> {
        self.links.iter().rev().find(|up| up.on.link == link).map(|up| up.capabilities)
    }

    /// The best of our addresses to send from to `destination` by `link` (RFC 6724 section 5): one of
    /// that link, or, if it has none, one of another link that is known beyond it.
    fn source(&self, destination: IpAddr, link: LinkId) -> Option<IpAddr> {
        let candidates = || {
            let of_version = |a: &&InterfaceAddress| a.own.ip.is_ipv4() == destination.is_ipv4();
            self.addresses.iter().filter(of_version)
        };
        let candidate = |a: &InterfaceAddress| Candidate { ip: a.own.ip, prefix_len: a.prefix_len };
        let of_link = candidates().filter(|a| a.own.link == link).map(candidate);
        choose(&destination, of_link).or_else(|| {
            let known_elsewhere = |a: &&InterfaceAddress| {
                a.own.link != LinkId::LOOPBACK && Scope::of(&a.own.ip) == Scope::GLOBAL
            };
            choose(&destination, candidates().filter(known_elsewhere).map(candidate))
        })
    }

    /// Whether `ip` means every host of a network: the limited broadcast address, or that of a subnet
    /// of ours (RFC 1122 section 3.2.1.3, RFC 3021 for prefixes of 31 bits, which have none).
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(ip) = ip else { return false };
        ip.is_broadcast()
            || self.addresses.iter().any(|address| match address.own.ip {
                IpAddr::V4(own) if address.prefix_len <= 30 => {
                    let host_bits = u32::MAX.checked_shr(address.prefix_len.into()).unwrap_or(0);
                    own.to_bits() | host_bits == ip.to_bits()
                }
                _ => false,
            })
    }

    /// Whether packets to `ip` reach us among others: broadcast, and the groups every host is in
    /// (RFC 1112 section 4, RFC 4291 section 2.7.1).
    pub fn is_for_all(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(group) => group == Ipv4Addr::new(224, 0, 0, 1) || self.is_broadcast(ip),
            IpAddr::V6(group) => matches!(group.segments(), [0xff01 | 0xff02, 0, 0, 0, 0, 0, 0, 1]),
        }
    }

    /// Whether no single host can have this address, so that no connection is made to it and nothing
    /// from it is answered: unspecified, multicast or broadcast (RFC 9293 MUST-46, MUST-57, MUST-63),
    /// `0.0.0.0/8` and the reserved part of IPv4 (RFC 1122 section 3.2.1.3), IPv4 in an IPv6 address.
    pub fn is_invalid_remote(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => {
                let first = v4.octets()[0];
                first == 0 || first >= 224 || self.is_broadcast(ip)
            }
            IpAddr::V6(v6) => {
                v6.is_unspecified() || v6.is_multicast() || v6.to_ipv4_mapped().is_some()
            }
        }
    }

    /// Whether no packet that came in by a real link can be from `ip`: invalid as a remote end, of the
    /// loopback network, or ours.
    pub fn is_martian(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.is_invalid_remote(ip) || self.is_local(ip)
    }

    /// Our addresses, in the order in which they were stated.
    pub fn addresses(&self) -> &[InterfaceAddress] {
        &self.addresses
    }

    fn prefixes(&self, version: IpVersion) -> &Prefixes {
        match version {
            IpVersion::V4 => &self.v4,
            IpVersion::V6 => &self.v6,
        }
    }

    fn prefixes_mut(&mut self, version: IpVersion) -> &mut Prefixes {
        match version {
            IpVersion::V4 => &mut self.v4,
            IpVersion::V6 => &mut self.v6,
        }
    }

    fn add_prefix(&mut self, prefix: Prefix, link: LinkId, origin: Origin) -> bool {
        let room = self.v4.count() + self.v6.count() < Self::MAX_ROUTES;
        if room {
            self.prefixes_mut(prefix.version).insert(prefix, link, origin);
        }
        room
    }

    fn remove_prefix(&mut self, prefix: Prefix, link: LinkId, origin: Origin) {
        self.prefixes_mut(prefix.version).remove(prefix, link, origin);
    }
}

/// A fact that a [`RouteTable`] is made from.
pub trait RoutingFact: sealed::Sealed {}

impl RoutingFact for LinkUp {}
impl RoutingFact for InterfaceAddress {}
impl RoutingFact for Route {}

mod sealed {
    use super::RouteTable;

    pub trait Sealed {
        /// False if there is no room for it or it makes no sense.
        fn add_to(&self, table: &mut RouteTable) -> bool;
        /// Does nothing if it is not in the table.
        fn remove_from(&self, table: &mut RouteTable);
    }
}

impl sealed::Sealed for LinkUp {
    fn add_to(&self, table: &mut RouteTable) -> bool {
        let room = table.links.len() < RouteTable::MAX_LINKS;
        if room {
            table.links.push(self.clone());
        }
        room
    }

    fn remove_from(&self, table: &mut RouteTable) {
        table.links.retain(|up| up != self);
    }
}

impl sealed::Sealed for InterfaceAddress {
    fn add_to(&self, table: &mut RouteTable) -> bool {
        let prefix = Prefix::of_address(self);
        let takes = table.addresses.len() < RouteTable::MAX_ADDRESSES
            && prefix.is_valid()
            && !table.addresses.contains(self)
            && (self.own.link == LinkId::LOOPBACK
                || table.add_prefix(prefix, self.own.link, Origin::Address));
        if takes {
            table.addresses.push(self.clone());
            let place = table.own.partition_point(|ip| *ip < self.own.ip);
            table.own.insert(place, self.own.ip);
        }
        takes
    }

    fn remove_from(&self, table: &mut RouteTable) {
        let Some(place) = table.addresses.iter().position(|address| address == self) else {
            return;
        };
        table.addresses.remove(place);
        if let Ok(place) = table.own.binary_search(&self.own.ip) {
            table.own.remove(place);
        }
        if self.own.link != LinkId::LOOPBACK {
            table.remove_prefix(Prefix::of_address(self), self.own.link, Origin::Address);
        }
    }
}

impl sealed::Sealed for Route {
    fn add_to(&self, table: &mut RouteTable) -> bool {
        let prefix = Prefix::new(&self.to.network, self.to.prefix_len);
        prefix.is_valid() && table.add_prefix(prefix, self.to.link, Origin::Route)
    }

    fn remove_from(&self, table: &mut RouteTable) {
        let prefix = Prefix::new(&self.to.network, self.to.prefix_len);
        table.remove_prefix(prefix, self.to.link, Origin::Route);
    }
}

/// Adds to `spawn` the watches that `watches_routes!` answers.
pub fn watch_routes<A>(spawn: Spawn<A>) -> Spawn<A>
where
    A: Watcher<LinkUp> + Watcher<InterfaceAddress> + Watcher<Route>,
{
    spawn
        .watch::<LinkUp>(OnLinkPattern::any())
        .watch::<InterfaceAddress>(OwnAddressPattern::any())
        .watch::<Route>(RoutePattern::any())
}

/// `watches_routes!(Actor, field)`: the actor's [`RouteTable`] in `field` follows the facts.
macro_rules! watches_routes {
    ($actor:ty, $field:ident) => {
        $crate::route::watches_routes!(@ $actor, $field, LinkUp, InterfaceAddress, Route);
    };
    (@ $actor:ty, $field:ident, $($fact:ident),*) => {$(
        impl ::netmart_bus::Watcher<$crate::message::$fact> for $actor {
            fn changed(
                &mut self,
                change: ::netmart_bus::Change<$crate::message::$fact>,
                _ctx: &mut ::netmart_bus::Context<'_, Self>,
            ) {
                self.$field.apply(change);
            }
        }
    )*};
}
pub(crate) use watches_routes;

/// Where among the answers that for `destination` is kept: by its last bits, in which neighbours differ.
fn place_of(destination: &IpAddr) -> usize {
    let last = match destination {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(ip) => ip.octets()[15],
    };
    usize::from(last) % ANSWERS
}

/// Spares the search through our addresses in nearly all cases.
fn may_be_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 127,
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests;
