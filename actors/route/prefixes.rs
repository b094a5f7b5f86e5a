//! Networks, and which link leads to each.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netmart_proto::wire::IpVersion;

use super::source::bits;
use crate::message::{InterfaceAddress, LinkId};

/// A network: the first `len` bits of the addresses in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) version: IpVersion,
    bits: u128,
    len: u8,
}

impl Prefix {
    /// Bits behind the prefix are ignored.
    pub(super) fn new(network: &IpAddr, len: u8) -> Self {
        Self { version: IpVersion::of(network), bits: bits(network) & mask(len), len }
    }

    pub(super) fn of_address(address: &InterfaceAddress) -> Self {
        Self::new(&address.own.ip, address.prefix_len)
    }

    pub(super) fn is_valid(&self) -> bool {
        self.len <= if self.version == IpVersion::V4 { 32 } else { 128 }
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        IpVersion::of(&ip) == self.version && bits(&ip) & mask(self.len) == self.bits
    }
}

/// A number whose first `len` bits are set.
fn mask(len: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(len.into())).unwrap_or(0)
}

/// The prefixes of one version, by length.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    /// The longest first; a length is here only while some prefix has it.
    lengths: Vec<(u8, Networks)>,
    /// Over all lengths, every statement counted.
    count: usize,
}

/// Who leads to a network of one length, and how many statements say so.
type Networks = BTreeMap<(u128, LinkId, Origin), u32>;

/// Why we know of a route; each origin keeps a count of its own, so that a statement that found no
/// room takes nobody else's route away when it is retracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The subnet of an address.
    Address,
    /// A fact of its own.
    Route,
}

impl Prefixes {
    /// How many statements there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.lengths.is_empty()
    }

    pub(super) fn insert(&mut self, prefix: Prefix, link: LinkId, origin: Origin) {
        let place = self.lengths.partition_point(|(len, _)| *len > prefix.len);
        if self.lengths.get(place).is_none_or(|(len, _)| *len != prefix.len) {
            self.lengths.insert(place, (prefix.len, Networks::new()));
        }
        *self.lengths[place].1.entry((prefix.bits, link, origin)).or_default() += 1;
        self.count += 1;
    }

    pub(super) fn remove(&mut self, prefix: Prefix, link: LinkId, origin: Origin) {
        let Some(place) = self.lengths.iter().position(|(len, _)| *len == prefix.len) else {
            return;
        };
        let networks = &mut self.lengths[place].1;
        let key = (prefix.bits, link, origin);
        let Some(statements) = networks.get_mut(&key) else { return };
        self.count -= 1;
        *statements -= 1;
        if *statements == 0 {
            networks.remove(&key);
        }
        if networks.is_empty() {
            self.lengths.remove(place);
        }
    }

    /// What `answer` says to the first link that it accepts, the longest prefix first.
    pub(super) fn find_map<T>(
        &self,
        destination: u128,
        answer: impl Fn(LinkId) -> Option<T>,
    ) -> Option<T> {
        self.lengths.iter().find_map(|(len, networks)| {
            let network = destination & mask(*len);
            let first = (network, LinkId(0), Origin::Address);
            let last = (network, LinkId(u16::MAX), Origin::Route);
            networks.range(first..=last).find_map(|((_, link, _), _)| answer(*link))
        })
    }
}
