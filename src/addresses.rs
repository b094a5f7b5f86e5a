//! What a stack is told about one of its links: its own addresses there, and what else lies behind it.

use ipnet::IpNet;
use netmart_actors::link::LinkConfig;

/// Addresses and routes of a link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    /// The stack's own, with their subnets.
    pub(crate) own: Vec<IpNet>,
    /// Networks behind the link besides those subnets.
    pub(crate) routes: Vec<IpNet>,
}

impl Addresses {
    /// `config` with these.
    pub(crate) fn applied_to(&self, config: LinkConfig) -> LinkConfig {
        LinkConfig {
            addresses: self.own.iter().map(|net| (net.addr(), net.prefix_len())).collect(),
            routes: self.routes.iter().map(|net| (net.network(), net.prefix_len())).collect(),
            ..config
        }
    }
}
