//! Between a device and its link, and between the link and ip.

use core::fmt::{self, Write};

use netmart_bus::Topic;
use netmart_proto::Instant;
use netmart_proto::wire::Packet;

use super::*;

/// Packets that a device handed over, said by the world to the link actor.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The link they came in on.
    pub on: OnLink,
    /// The packets, in their order of arrival.
    pub packets: Vec<Packet>,
    /// When they arrived, stamped before any queue of ours.
    pub at: Instant,
}

topic!(Arrival, "arrival", on: OnLink, |this, out| write!(out, "{} packets", this.packets.len()));

/// A device that was full takes packets again, said by the world to the link actor.
#[derive(Clone, Debug)]
pub struct DeviceReady {
    /// The link whose device it is.
    pub on: OnLink,
}

topic!(DeviceReady, "device-ready", on: OnLink, |_this, _out| Ok(()));

/// Packets on their way up: link to ip.
#[derive(Clone, Debug)]
pub struct PacketsIn {
    /// The link they came in on.
    pub on: OnLink,
    /// The packets, in their order of arrival.
    pub packets: Vec<Packet>,
    /// When they arrived.
    pub at: Instant,
}

topic!(PacketsIn, "packets-in", on: OnLink, |this, out| write!(out, "{} packets", this.packets.len()));

/// Packets on their way down: ip to link.
#[derive(Clone, Debug)]
pub struct PacketsOut {
    /// The link to leave by.
    pub on: OnLink,
    /// The packets, in the order in which they shall leave.
    pub packets: Vec<Packet>,
}

topic!(PacketsOut, "packets-out", on: OnLink, |this, out| write!(out, "{} packets", this.packets.len()));

/// A fact: the link works.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkUp {
    /// The link.
    pub on: OnLink,
    /// What it can do.
    pub capabilities: LinkCapabilities,
}

topic!(LinkUp, "link-up", on: OnLink, |this, out| write!(out, "mtu {}", this.capabilities.mtu));
