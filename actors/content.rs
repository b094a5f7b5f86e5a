//! What messages carry besides octets: abilities, wishes and reasons.

use core::time::Duration;

use netmart_proto::tcp;

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

/// What a user may change about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Send small segments at once (RFC 9293 section 3.7.4, MUST-17).
    NoDelay(bool),
    /// Probe an idle peer (RFC 9293 section 3.8.4), or do not.
    KeepAlive(Option<tcp::KeepAlive>),
    /// How long data may stay unacknowledged (RFC 9293 section 3.9.1.1); for ever if there is none.
    UserTimeout(Option<Duration>),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// By the rules of TCP.
    #[error("{0}")]
    Ended(tcp::Reason),
    /// Its state vector crashed.
    #[error("the connection's state vector crashed")]
    Crashed,
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
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
}

/// Whether a listener takes further connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backlog {
    /// There is room.
    Open,
    /// So many connections wait to be claimed that a SYN is dropped, to be repeated by its sender.
    Full,
}
