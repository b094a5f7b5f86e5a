//! Between the codec of a wire and its sessions.

use core::fmt::{self, Write};
use std::net::IpAddr;

use bytes::Bytes;
use netmart_bus::Topic;
use netmart_proto::wires::{Codec as _, Fault, Wire};

use super::*;
use crate::address::{Flow, Local, LocalAddress, RemoteAddress};

/// A packet of a wire: codec of that wire to session (inbound), session to codec (outbound). A topic for
/// each wire, which is called as the wire is.
#[derive(Debug)]
pub struct WirePacket<W: Wire> {
    /// The session: the end of ours that its peer first wrote to, or that it dialled from, and the end
    /// that it was dialled from, or has dialled.
    pub key: UdpKey,
    /// The bound end that the datagram came to or leaves from, and the address of ours in its header; if
    /// there is none, the network chooses.
    pub via: (LocalAddress, Option<IpAddr>),
    /// Whom it comes from or goes to. A peer may answer from another port than it was written to.
    pub peer: RemoteAddress,
    /// What it says.
    pub packet: W::Packet,
    /// Outbound: it was sent before.
    pub again: bool,
}

impl<W: Wire> Clone for WirePacket<W> {
    fn clone(&self) -> Self {
        Self { packet: self.packet.clone(), ..*self }
    }
}

impl<W: Wire> Topic for WirePacket<W> {
    type Key = UdpKey;
    const NAME: &'static str = W::PROFILE.name;

    fn key(&self) -> &UdpKey {
        &self.key
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        self.packet.summarize(out)?;
        out.write_str(if self.again { " again" } else { "" })
    }
}

/// A packet for a session that has ended and gives way to a new one: session to codec, as its last word.
#[derive(Debug)]
pub struct WireReoffer<W: Wire>(pub WirePacket<W>);

impl<W: Wire> Clone for WireReoffer<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: Wire> Topic for WireReoffer<W> {
    type Key = UdpKey;
    const NAME: &'static str = "wire-reoffer";

    fn key(&self) -> &UdpKey {
        &self.0.key
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        self.0.summarize(out)
    }
}

/// A fact: datagrams to this end are of this wire. A listener states it, and each session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireEnd {
    /// The wire and the bound end.
    pub at: WireEndKey,
    /// The session whose own end it is, as the key of its [`WirePacket`]s names it; nothing if a
    /// listener's connections share it.
    pub of: Option<Flow>,
}

topic!(WireEnd, "wire-end", at: WireEndKey, |this, out| match &this.of {
    Some(flow) => write!(out, "of {flow}"),
    None => out.write_str("shared"),
});

/// What became of a datagram, in the manner of the wire's original, where the [`WireTerms`] ask for it.
#[derive(Clone, Debug)]
pub struct WireLog {
    /// The connection, as its kernel-level channel names it.
    pub of: Flow,
    /// Whose it is: the handle that it was dialled by, or its listener.
    pub user: Local,
    /// The line, without its end.
    pub line: String,
}

topic!(WireLog, "wire-log", of: Flow, |this, out| out.write_str(&this.line));

/// A datagram that is no packet of the wire that its end is of: codec to whoever wants to know. It is thrown
/// away.
#[derive(Clone, Debug)]
pub struct WireFault {
    /// The wire, and the bound end that it came to.
    pub at: WireEndKey,
    /// Whom it came from.
    pub from: RemoteAddress,
    /// What is wrong with it.
    pub fault: Fault,
    /// The datagram.
    pub datagram: Bytes,
}

topic!(WireFault, "wire-fault", at: WireEndKey, |this, out| {
    write!(out, "{} octets from {}: {}", this.datagram.len(), this.from, this.fault)
});
