//! Ports, and who listens on them.

use core::fmt::{self, Write};
use std::net::IpAddr;

use netmart_bus::{ActorId, Topic};

use super::*;
use crate::address::RemoteAddress;

/// Somebody wants a port: anyone to port allocator.
#[derive(Clone, Debug)]
pub struct PortRequest {
    /// The protocol.
    pub of: PortsOf,
    /// Who asks.
    pub asker: ActorId,
    /// The very port that is wanted, or any that nobody holds.
    pub want: Option<u16>,
    /// The local address it is for; every address if there is none.
    pub ip: Option<IpAddr>,
    /// The remote end it is for; every one if there is none.
    pub remote: Option<RemoteAddress>,
}

topic!(PortRequest, "port-request", of: PortsOf, |this, out| write!(out, "{:?} for {}", this.want, this.asker));

/// The answer to a [`PortRequest`]. The port is kept for the asker until it states [`PortInUse`]
/// itself, for a bounded time.
#[derive(Clone, Debug)]
pub struct PortReply {
    /// Who asked.
    pub to: ForAsker,
    /// The remote end it was asked for.
    pub remote: Option<RemoteAddress>,
    /// The port.
    pub result: Result<u16, PortError>,
}

topic!(PortReply, "port-reply", to: ForAsker, |this, out| write!(out, "{:?}", this.result));

/// A fact: somebody holds this port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortInUse {
    /// The port.
    pub port: PortKey,
    /// On this address only, or on every one.
    pub ip: Option<IpAddr>,
    /// Towards this remote end only, or towards every one.
    pub remote: Option<RemoteAddress>,
}

topic!(PortInUse, "port-in-use", port: PortKey, |this, out| match &this.remote {
    Some(remote) => write!(out, "towards {remote}"),
    None => Ok(()),
});

/// A fact: connections to this port are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listening {
    /// The listener and its port.
    pub at: ListeningKey,
    /// Whether there is room for more.
    pub backlog: Backlog,
}

topic!(Listening, "listening", at: ListeningKey, |this, out| write!(out, "backlog {:?}", this.backlog));

/// A fact: nobody can listen there. It holds while somebody still wants to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenFailed {
    /// The listener.
    pub of: ListenerKey,
    /// Why.
    pub reason: ListenError,
}

topic!(ListenFailed, "listen-failed", of: ListenerKey, |this, out| write!(out, "{}", this.reason));
