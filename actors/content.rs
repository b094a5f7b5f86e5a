//! What messages carry besides octets: abilities, wishes and reasons.

use core::num::NonZeroU8;
use core::time::Duration;

use std::sync::Arc;

use netmart_proto::wire::{Dscp, SourceRoute};
use netmart_proto::{netem, tcp, wires};

/// Which link of the stack; 0 is the stack's connection to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u16);

impl LinkId {
    /// The link that leads back to the stack itself.
    pub const LOOPBACK: Self = Self(0);
}

/// What a link can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkCapabilities {
    /// The largest IP packet, in octets.
    pub mtu: u16,
    /// The device completes TCP and UDP checksums.
    pub checksum_offload: bool,
    /// The largest TCP payload, in octets, that the device splits into segments itself; 0 if it does not.
    pub gso_max: u32,
}

/// Whether an echo asks or answers (ICMP types 8 and 0, ICMPv6 128 and 129).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EchoKind {
    /// Wants the same octets back.
    Request,
    /// Brings them back.
    Reply,
}

/// Why there is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PortError {
    /// Somebody holds the port.
    #[error("the port is in use")]
    InUse,
    /// Every port of the range is held.
    #[error("no port is left")]
    Exhausted,
}

/// What the IP headers of a connection say besides its ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PacketTerms {
    /// Time to live, or hop limit (RFC 9293 section 3.9.2, MUST-49); the stack's if there is none.
    pub ttl: Option<NonZeroU8>,
    /// The Diffserv code point (RFC 9293 section 3.9.1.9, MUST-48); the stack's if there is none.
    pub dscp: Option<Dscp>,
    /// The route that packets shall take, of IPv4 only (RFC 9293 section 3.9.2.1, MUST-51). It takes
    /// precedence over what a peer has come by (MUST-52). Most of the Internet drops such packets
    /// (RFC 7126 section 4.3).
    pub source_route: Option<SourceRoute>,
}

/// What a user may change about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Time to live, or hop limit, from the next segment on; the stack's if there is none.
    TimeToLive(Option<NonZeroU8>),
    /// The Diffserv code point from the next segment on (SHLD-21); the stack's if there is none. To
    /// change it often reorders segments (SHLD-23).
    Diffserv(Option<Dscp>),
    /// Whether trouble that does not end the connection is told (RFC 9293 section 3.9.1.8, SHLD-20); it
    /// is, unless this says no.
    TellTrouble(bool),
    /// Send small segments at once (RFC 9293 section 3.7.4, MUST-17).
    NoDelay(bool),
    /// Probe an idle peer (RFC 9293 section 3.8.4), or do not.
    KeepAlive(Option<tcp::KeepAlive>),
    /// The congestion controller, which takes over the window as it is.
    Congestion(tcp::CongestionControl),
    /// How long data may stay unacknowledged (RFC 9293 section 3.9.1.1); for ever if there is none.
    UserTimeout(Option<Duration>),
}

/// What a user wants of connections over a wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WireTerms {
    /// How their sessions behave.
    pub config: wires::Config,
    /// What happens to the datagrams that this side sends, for trials; nothing if it is not set.
    pub impair: Option<Impair>,
    /// Whether each datagram is told as a [`WireLog`](crate::message::WireLog).
    pub log: bool,
}

// Facts are compared and hashed; a probability that is no number makes two terms different, no more.
impl Eq for WireTerms {}

impl core::hash::Hash for WireTerms {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        let wires::Config { patience, receive_limit, send_limit, .. } = self.config;
        (patience, receive_limit, send_limit, self.log).hash(state);
        self.impair.as_ref().map(|impair| impair.seed).hash(state);
    }
}

/// Bad weather between a session and the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impair {
    /// What the weather is like: loss, duplication, delay, jitter, reordering.
    pub weather: netem::Config,
    /// What happens to packets with data before they meet it.
    pub odds: wires::Odds,
    /// Decides all that is left to chance; each session draws numbers of its own from it.
    pub seed: u64,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// By the rules of TCP.
    #[error("{0}")]
    Ended(tcp::Reason),
    /// By the rules of its wire.
    #[error("{0}")]
    Wire(Arc<wires::Reason>),
    /// It wrote what its wire does not carry.
    #[error("{0}")]
    Unwritable(wires::WriteError),
    /// No port could be bound for it.
    #[error("cannot bind a port: {0}")]
    NotBound(ListenError),
    /// The actor that drove it crashed.
    #[error("the connection's state vector crashed")]
    Crashed,
}

impl CloseReason {
    /// Whether all that was written has reached the peer, and nothing is missing.
    pub fn is_normal(&self) -> bool {
        match self {
            Self::Ended(reason) => *reason == tcp::Reason::Normal,
            Self::Wire(reason) => **reason == wires::Reason::Normal,
            Self::Unwritable(_) | Self::NotBound(_) | Self::Crashed => false,
        }
    }
}

impl From<wires::Reason> for CloseReason {
    fn from(reason: wires::Reason) -> Self {
        Self::Wire(Arc::new(reason))
    }
}

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No route leads to the remote address, or no address of ours can reach it.
    #[error("no route to the remote address")]
    NoRoute,
    /// The remote end is not one that a connection can be made to.
    #[error("not an address that a connection can be made to")]
    InvalidAddress,
    /// The port allocator had none.
    #[error("{0}")]
    Port(#[from] PortError),
    /// Too many connections.
    #[error("too many connections")]
    TooMany,
    /// The network or the peer said no, or nothing.
    #[error("{0}")]
    Closed(CloseReason),
}

impl From<ListenError> for CloseReason {
    fn from(reason: ListenError) -> Self {
        Self::NotBound(reason)
    }
}

impl From<CloseReason> for Refusal {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::NotBound(ListenError::Port(error)) => Self::Port(error),
            CloseReason::NotBound(ListenError::NotLocal) => Self::InvalidAddress,
            CloseReason::NotBound(ListenError::TooMany) => Self::TooMany,
            reason => Self::Closed(reason),
        }
    }
}

/// Why nobody can listen there, or bind to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ListenError {
    /// The port allocator refused.
    #[error("{0}")]
    Port(#[from] PortError),
    /// The address is none of ours.
    #[error("the address is none of this stack's")]
    NotLocal,
    /// Too many listeners.
    #[error("too many listeners")]
    TooMany,
    /// The operating system does not let this program use the port, such as one below 1024.
    #[error("this program is not allowed to use the port")]
    NotAllowed,
    /// The operating system refuses for another reason, in its own words.
    #[error("the operating system refuses: {0}")]
    System(&'static str),
}

/// Whether a listener takes further connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backlog {
    /// There is room.
    Open,
    /// So many connections wait to be claimed that a SYN is dropped, to be repeated by its sender.
    Full,
}
