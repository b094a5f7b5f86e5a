//! What ip is told and tells: addresses, routes, datagrams, errors, echoes.

use core::fmt::{self, Write};
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use netmart_bus::Topic;
use netmart_proto::Instant;
use netmart_proto::wire::icmp::IcmpErrorKind;
use netmart_proto::wire::tcp::SeqNumber;
use netmart_proto::wire::{IpHeader, Packet};

use super::*;
use crate::address::{LocalAddress, RemoteAddress};

/// A fact: the stack answers to this address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The link and the address.
    pub own: OwnAddress,
    /// The length of the subnet's prefix, in bits.
    pub prefix_len: u8,
}

topic!(InterfaceAddress, "address", own: OwnAddress, |this, out| write!(out, "/{}", this.prefix_len));

/// A fact: packets to this network leave by this link. The longest prefix wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where to, and by which link.
    pub to: RouteKey,
}

topic!(Route, "route", to: RouteKey, |_this, _out| Ok(()));

/// A datagram, its IP header read.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// What its header says. The destination is one of our addresses; of UDP it may also be one that
    /// all hosts of a network share. TCP segments of one flow may share one, but for the
    /// identification of IPv4, which means nothing there (RFC 6864).
    pub header: Rc<IpHeader>,
    /// From the transport header on.
    pub transport: Packet,
}

/// Datagrams for one of our addresses: ip to codec and udp.
#[derive(Clone, Debug)]
pub struct DatagramsIn {
    /// The protocol above IP.
    pub of: OfProtocol,
    /// The datagrams, in their order of arrival.
    pub datagrams: Vec<Datagram>,
    /// When they arrived.
    pub at: Instant,
}

topic!(DatagramsIn, "datagrams-in", of: OfProtocol, |this, out| write!(out, "{} datagrams", this.datagrams.len()));

/// A datagram on its way out, its headers written.
#[derive(Clone, Debug)]
pub struct OutgoingDatagram {
    /// Whom it is for, as its header says.
    pub destination: IpAddr,
    /// The packet.
    pub packet: Packet,
}

/// Datagrams on their way out: codec and udp to ip.
#[derive(Clone, Debug)]
pub struct DatagramsOut {
    /// The protocol above IP.
    pub of: OfProtocol,
    /// The datagrams, in the order in which they shall leave.
    pub datagrams: Vec<OutgoingDatagram>,
}

topic!(DatagramsOut, "datagrams-out", of: OfProtocol, |this, out| write!(out, "{} datagrams", this.datagrams.len()));

/// An ICMP error about a datagram of ours: ip to codec and udp.
#[derive(Clone, Debug)]
pub struct IcmpErrorIn {
    /// The protocol of the datagram it quotes.
    pub of: OfProtocol,
    /// The source of the quoted datagram: one of our addresses.
    pub local: LocalAddress,
    /// The destination of the quoted datagram.
    pub remote: RemoteAddress,
    /// What happened to it.
    pub kind: IcmpErrorKind,
    /// The sequence number of the segment it quotes, if the protocol is TCP.
    pub seq: Option<SeqNumber>,
    /// When it arrived.
    pub at: Instant,
}

topic!(IcmpErrorIn, "icmp-error-in", of: OfProtocol, |this, out| write!(out, "{:?} about {}", this.kind, this.remote));

/// A datagram that nobody wants, whose sender shall be told so: udp to ip, which tells it unless the
/// rules for ICMP errors forbid it.
#[derive(Clone, Debug)]
pub struct IcmpReport {
    /// The protocol of the datagram.
    pub of: OfProtocol,
    /// What is wrong with it.
    pub kind: IcmpErrorKind,
    /// The datagram.
    pub datagram: Datagram,
}

topic!(IcmpReport, "icmp-report", of: OfProtocol, |this, out| write!(out, "{:?} to {}", this.kind, this.datagram.header.src));

/// A ping or its answer: inbound ones are told by ip, outbound ones are sent by it.
#[derive(Clone, Debug)]
pub struct Echo {
    /// Who pings whom.
    pub key: EchoKey,
    /// The identifier.
    pub ident: u16,
    /// The sequence number.
    pub sequence: u16,
    /// The octets to bring back.
    pub payload: Bytes,
}

topic!(Echo, "echo", key: EchoKey, |this, out| write!(out, "id {} seq {} length {}", this.ident, this.sequence, this.payload.len()));
