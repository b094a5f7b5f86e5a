//! Datagrams, and the ends they are for.

use core::fmt::{self, Write};
use std::net::IpAddr;

use bytes::Bytes;
use netmart_bus::Topic;
use netmart_proto::wire::icmp::IcmpErrorKind;

use super::*;

/// A UDP datagram: udp to user (inbound) or user to udp (outbound).
#[derive(Clone, Debug)]
pub struct UdpDatagram {
    /// Who talks to whom.
    pub key: UdpKey,
    /// The address of ours that stands in the packet; outbound: chosen by route if there is none.
    pub ip: Option<IpAddr>,
    /// The payload, in octets.
    pub payload: Bytes,
}

topic!(UdpDatagram, "udp", key: UdpKey, |this, out| write!(out, "length {}", this.payload.len()));

/// A fact: datagrams to this end are delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bound {
    /// The end.
    pub at: BoundKey,
}

topic!(Bound, "bound", at: BoundKey, |_this, _out| Ok(()));

/// A fact: nobody can bind to this end. It holds while somebody still wants to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BindFailed {
    /// The end.
    pub at: BoundKey,
    /// Why.
    pub reason: ListenError,
}

topic!(BindFailed, "bind-failed", at: BoundKey, |this, out| write!(out, "{}", this.reason));

/// A datagram did not reach its destination: udp to user.
#[derive(Clone, Debug)]
pub struct UdpError {
    /// The ends; the direction is inbound.
    pub key: UdpKey,
    /// What the network said.
    pub error: IcmpErrorKind,
}

topic!(UdpError, "udp-error", key: UdpKey, |this, out| write!(out, "{:?}", this.error));
