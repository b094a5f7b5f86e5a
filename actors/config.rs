//! What a stack may be told, with defaults that suit a host.

use core::time::Duration;
use std::ops::RangeInclusive;
use std::rc::Rc;

use netmart_proto::tcp;
use netmart_proto::wire::{Dscp, IpVersion};

use crate::message::{LinkCapabilities, Terms};

/// The settings and limits of a stack.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings of TCP. Segment sizes follow from the path of each connection, not from here.
    pub tcp: tcp::Config,
    /// Everything random in this stack follows from it: ports, initial sequence numbers, table keys.
    pub seed: u64,
    /// The ports given to those who do not ask for a certain one (RFC 6056 section 3.2).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// The most connections at once; a SYN beyond is dropped, a dial beyond is refused.
    pub max_connections: usize,
    /// The most listeners at once.
    pub max_listeners: usize,
    /// The most connections per listener that have finished their handshake and that nobody has
    /// claimed. A SYN beyond is dropped.
    pub backlog: usize,
    /// The most connections per listener in their handshake. What becomes of a SYN beyond says
    /// `syn_cookies`.
    pub half_open: usize,
    /// While so many connections per listener are in their handshake, data of SYNs that show a Fast Open
    /// cookie waits for the handshake, too (RFC 7413 section 5.1).
    pub fast_open_pending: usize,
    /// When to answer a SYN without keeping anything of it.
    pub syn_cookies: SynCookies,
    /// About how many challenge acknowledgements all connections may send per second (RFC 5961
    /// section 7); each has a limit of its own besides.
    pub challenges: u32,
    /// The most UDP ports bound at once.
    pub max_bound: usize,
    /// How long a relay waits for an end that has not come, or has not left after the connection ended.
    pub relay_patience: Duration,
    /// Whether ip answers echo requests itself.
    pub answer_echo: bool,
    /// Time to live and hop limit of what we send.
    pub ttl: u8,
    /// The Diffserv code point of TCP segments.
    pub dscp: Dscp,
    /// Whether a connection made by a peer that comes by a source route uses its reverse (RFC 9293
    /// section 3.9.2.1). Off, for who forges one sees the answers (RFC 7126 section 4.3).
    pub accept_source_routes: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tcp: tcp::Config::default(),
            seed: 0,
            ephemeral_ports: 32_768..=65_535,
            max_connections: 100_000,
            max_listeners: 1_024,
            backlog: 1_024,
            half_open: 1_024,
            fast_open_pending: 256,
            syn_cookies: SynCookies::WhenFull,
            challenges: 1_000,
            max_bound: 4_096,
            relay_patience: Duration::from_secs(5),
            answer_echo: true,
            ttl: 64,
            dscp: Dscp::default(),
            accept_source_routes: false,
        }
    }
}

/// When a SYN is answered with a cookie (RFC 4987 section 3.6): statelessly, so that no flood of them
/// takes memory, at the price of what a cookie cannot say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SynCookies {
    /// Never: a SYN beyond the limit is dropped.
    Off,
    /// Once a listener has as many connections in their handshake as it may.
    #[default]
    WhenFull,
    /// Always: no connection takes memory before its handshake is done.
    Always,
}

/// TCP settings per kind of path, shared by all connections over such a path.
#[derive(Debug)]
pub struct TcpConfigs {
    base: tcp::Config,
    made: Vec<(LinkCapabilities, IpVersion, Rc<tcp::Config>)>,
}

/// Links come and go, but few kinds of them: past this number the oldest is made anew.
const KINDS_KEPT: usize = 16;

impl TcpConfigs {
    /// Settings that differ from `base` in their segment sizes only.
    pub const fn new(base: tcp::Config) -> Self {
        Self { base, made: Vec::new() }
    }

    /// The settings for connections of `version` over a link with `capabilities`.
    pub fn over(&mut self, capabilities: LinkCapabilities, version: IpVersion) -> Rc<tcp::Config> {
        let known = self.made.iter().find(|made| made.0 == capabilities && made.1 == version);
        if let Some((.., config)) = known {
            return Rc::clone(config);
        }
        let config = Rc::new(Self::make(&self.base, None, capabilities, version));
        if self.made.len() == KINDS_KEPT {
            self.made.remove(0);
        }
        self.made.push((capabilities, version, Rc::clone(&config)));
        config
    }

    /// The settings for a connection of somebody who has `terms`, over such a link.
    pub fn on_terms(
        &mut self,
        terms: Option<&Terms>,
        capabilities: LinkCapabilities,
        version: IpVersion,
    ) -> Rc<tcp::Config> {
        match terms {
            Some(Terms { tcp, max_segment, .. }) if tcp.is_some() || max_segment.is_some() => {
                let base = tcp.as_deref().unwrap_or(&self.base);
                Rc::new(Self::make(base, *max_segment, capabilities, version))
            }
            _ => self.over(capabilities, version),
        }
    }

    fn make(
        base: &tcp::Config,
        max_segment: Option<u16>,
        capabilities: LinkCapabilities,
        version: IpVersion,
    ) -> tcp::Config {
        let (headers, default_peer_mss) = match version {
            IpVersion::V4 => (IPV4_HEADERS, 536),
            IpVersion::V6 => (IPV6_HEADERS, 1220),
        };
        let mss = capabilities.mtu.saturating_sub(headers).max(SMALLEST_MSS);
        let mss = max_segment.map_or(mss, |most| mss.min(most.max(SMALLEST_MSS)));
        let gso_max = match capabilities.gso_max {
            0 => SOFTWARE_GSO_MAX,
            device => device as usize,
        };
        let gso_max_size = gso_max.max(usize::from(mss));
        tcp::Config { mss, default_peer_mss, gso_max_size, ..base.clone() }
    }
}

/// The largest payload of a super-segment that ip cuts itself: what IPv4 can express behind the longest
/// headers.
const SOFTWARE_GSO_MAX: usize = 65_535 - 60 - 60;

/// Octets of an IPv4 and a TCP header without options.
const IPV4_HEADERS: u16 = 40;

/// Octets of an IPv6 and a TCP header.
const IPV6_HEADERS: u16 = 60;

/// An MTU of 68 octets is the least that IPv4 allows (RFC 791): 28 octets are left for the payload.
const SMALLEST_MSS: u16 = 28;
