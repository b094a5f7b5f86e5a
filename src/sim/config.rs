//! What a wire is like.

use std::time::Duration;

use netmart_actors::message::LinkCapabilities;
use netmart_proto::netem;

/// What a wire between two links does to packets, and what the links at its ends can do.
#[derive(Clone, Debug)]
pub struct WireConfig {
    /// What it does from the first end to the second.
    pub there: netem::Config,
    /// What it does from the second end to the first.
    pub back: netem::Config,
    /// What both links can do.
    pub capabilities: LinkCapabilities,
}

impl WireConfig {
    /// A wire that does the same in both directions, with an MTU of 1500 octets and no offload.
    pub fn new(both: netem::Config) -> Self {
        let capabilities = LinkCapabilities { mtu: 1500, checksum_offload: false, gso_max: 0 };
        Self { there: both.clone(), back: both, capabilities }
    }

    /// A wire that delays packets by `delay` in each direction, and does nothing else to them.
    pub fn with_delay(delay: Duration) -> Self {
        Self::new(netem::Config { delay, ..Default::default() })
    }

    /// The same wire with another MTU, in octets.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.capabilities.mtu = mtu;
        self
    }
}

impl Default for WireConfig {
    /// A wire that does nothing to packets, not even delay them.
    fn default() -> Self {
        Self::new(netem::Config::default())
    }
}
