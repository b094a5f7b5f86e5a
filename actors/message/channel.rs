//! What users of connections say and hear.

use core::fmt::{self, Write};
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use netmart_bus::{Topic, WhenFull};
use netmart_proto::tcp;

use super::*;
use crate::address::{Local, LocalAddress};

/// A message of a connection: between state vector and relay at kernel level, between relay and user at
/// user level.
///
/// Octets that nobody has room for would be lost, so who overfills the bus with them is stopped.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The channel and the direction.
    pub key: ChannelKey,
    /// What is said.
    pub body: Body,
}

topic!(Channel, "channel", key: ChannelKey, |this, out| this.body.summarize(out), when full: WhenFull::StopSender);

/// A fact: the connection is established, and its relay serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connected {
    /// The connection as its user names it.
    pub connection: ConnectionKey,
    /// Its kernel-level local end.
    pub address: LocalAddress,
}

topic!(Connected, "connected", connection: ConnectionKey, |this, out| write!(out, "at {}", this.address));

/// A fact: the connection could not be made. It holds while somebody still wants the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// The connection as its user names it.
    pub connection: ConnectionKey,
    /// Why.
    pub reason: Refusal,
}

topic!(Refused, "refused", connection: ConnectionKey, |this, out| write!(out, "{}", this.reason));

/// A fact: the peer will send no more. It holds until the connection's user has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerClosed {
    /// The connection as its user names it.
    pub connection: ConnectionKey,
}

topic!(PeerClosed, "peer-closed", connection: ConnectionKey, |_this, _out| Ok(()));

/// A fact: the connection has ended. It holds until the connection's user has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Closed {
    /// The connection as its user names it.
    pub connection: ConnectionKey,
    /// How it ended.
    pub reason: CloseReason,
}

topic!(Closed, "closed", connection: ConnectionKey, |this, out| write!(out, "{}", this.reason));

/// A fact: what the user of a local end wants of connections that are yet to be made there. Whoever
/// states it does so before stating the interest that asks for them; a connection that exists does not
/// change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The user's local end: a handle or a listener.
    pub of: TermsKey,
    /// The settings of TCP, in place of the stack's. Segment sizes still follow from the path.
    pub tcp: Option<Rc<tcp::Config>>,
    /// The largest segment to offer and to send, in octets, where the path would allow more (RFC 9293
    /// section 3.7.1).
    pub max_segment: Option<u16>,
    /// Dial from this address of ours, whatever the route says (RFC 9293 section 3.9.1.1, MUST-43).
    pub ip: Option<IpAddr>,
    /// What the IP headers shall say besides; of connections of a listener from the SYN and ACK on.
    pub packets: Option<Rc<PacketTerms>>,
    /// Dial from this port instead of one that the allocator chooses.
    pub port: Option<u16>,
    /// The first octets to send: with the SYN, if Fast Open is on and the peer gave a cookie, behind the
    /// handshake if not. At most what fits the smallest send buffer counts, 128 KiB.
    pub first: Option<Bytes>,
    /// What is wanted where the transport is a wire; the defaults if it is not set. Of the rest only
    /// `ip` and `port` concern connections over a wire.
    pub wire: Option<Rc<WireTerms>>,
}

topic!(Terms, "terms", of: TermsKey, |this, out| match this.port {
    Some(port) => write!(out, "from port {port}"),
    None => Ok(()),
});

impl Terms {
    /// No wishes for connections of `local`.
    pub const fn of(local: Local) -> Self {
        let of = TermsKey { local };
        Self {
            of,
            tcp: None,
            max_segment: None,
            ip: None,
            packets: None,
            port: None,
            first: None,
            wire: None,
        }
    }
}
