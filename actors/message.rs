//! Everything that is said on the bus of a stack, in the order in which a packet meets it.
//!
//! `docs/MESSAGES.md` lists who says each and who listens. The keys they are routed by stand in `keys`,
//! the reasons and abilities they carry in `content`; both are re-exported here.

use core::fmt::{self, Write};
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use netmart_bus::{ActorId, Topic, WhenFull};
use netmart_proto::wire::icmp::IcmpErrorKind;
use netmart_proto::wire::tcp::{Segment, SeqNumber};
use netmart_proto::wire::{IpHeader, Packet, SourceRoute};
use netmart_proto::{Instant, tcp};
use smallvec::SmallVec;

use crate::address::{Flow, Local, LocalAddress, RemoteAddress};
pub use crate::body::*;
pub use crate::content::*;
pub use crate::keys::*;
use crate::summary::summarize_segments;

/// Makes a struct a topic: its name, the field that holds its key, and its line in a trace.
macro_rules! topic {
    ($type:ty, $name:literal, $key:ident: $key_type:ty, |$this:ident, $out:ident| $line:expr
     $(, when full: $when_full:expr)?) => {
        impl Topic for $type {
            type Key = $key_type;
            const NAME: &'static str = $name;
            $(const WHEN_FULL: WhenFull = $when_full;)?

            fn key(&self) -> &$key_type {
                &self.$key
            }

            fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
                let ($this, $out) = (self, out);
                $line
            }
        }
    };
}

// ---------------------------------------------------------------------------------- links

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

// ------------------------------------------------------------------------------------- ip

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

// ------------------------------------------------------------------------------------ tcp

/// What the network has to say to one connection.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// Segments, in their order of arrival.
    Segments(SmallVec<[Segment; 1]>),
    /// An ICMP error about a segment of ours.
    Icmp(tcp::IcmpError),
    /// Segments that have come by a source route, and the way back.
    Routed(Rc<SourceRoute>, SmallVec<[Segment; 1]>),
}

/// Decoded segments of one connection: codec to state vector.
#[derive(Clone, Debug)]
pub struct SegmentsIn {
    /// The connection.
    pub flow: Flow,
    /// What came.
    pub arrivals: Arrivals,
    /// When it arrived at the link.
    pub at: Instant,
}

topic!(SegmentsIn, "segments-in", flow: Flow, |this, out| match &this.arrivals {
    Arrivals::Segments(segments) => summarize_segments(segments.iter().map(|segment| (segment, None)), out),
    Arrivals::Routed(_, segments) => summarize_segments(segments.iter().map(|segment| (segment, None)), out),
    Arrivals::Icmp(error) => write!(out, "icmp: {} about seq {}", error.kind, error.seq),
});

/// Segments to be sent: state vector to codec.
#[derive(Clone, Debug)]
pub struct SegmentsOut {
    /// The connection.
    pub flow: Flow,
    /// The segments, in the order in which they shall leave.
    pub segments: SmallVec<[tcp::Transmit; 1]>,
    /// What their IP headers shall say besides, if not what those of the stack do.
    pub packets: Option<Rc<PacketTerms>>,
}

topic!(SegmentsOut, "segments-out", flow: Flow, |this, out| {
    summarize_segments(this.segments.iter().map(|sent| (&sent.segment, sent.retransmission)), out)
});

/// Segments have been sent again in vain R1 times, so something on the way to the peer may be broken
/// (RFC 9293 section 3.8.3, MUST-20): state vector to ip.
#[derive(Clone, Debug)]
pub struct PathDoubted {
    /// The connection whose peer does not answer.
    pub flow: Flow,
    /// How often the same segment was sent again.
    pub retransmissions: u32,
}

topic!(PathDoubted, "path-doubted", flow: Flow, |this, out| write!(out, "after {} retransmissions", this.retransmissions));

/// A SYN for a connection that lingers in TIME-WAIT and gives way to a new one (RFC 6191): state vector
/// to codec, as its last word.
#[derive(Clone, Debug)]
pub struct Reoffer {
    /// The flow that is free again.
    pub flow: Flow,
    /// The SYN and what came behind it.
    pub segments: SmallVec<[Segment; 1]>,
    /// When they arrived.
    pub at: Instant,
}

topic!(Reoffer, "reoffer", flow: Flow, |this, out| summarize_segments(this.segments.iter().map(|segment| (segment, None)), out));

/// A fact: this passively opened connection has not finished its handshake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HalfOpen {
    /// The connection and its listener.
    pub of: OfListener,
}

topic!(HalfOpen, "half-open", of: OfListener, |_this, _out| Ok(()));

/// A fact: this passively opened connection has been established, and it has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Established {
    /// The connection and its listener.
    pub of: OfListener,
}

topic!(Established, "established", of: OfListener, |_this, _out| Ok(()));

/// A fact: this connection is over and lingers in TIME-WAIT (RFC 9293 section 3.3.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimeWait {
    /// The connection.
    pub flow: Flow,
}

topic!(TimeWait, "time-wait", flow: Flow, |_this, _out| Ok(()));

/// How an attempt at Fast Open went (RFC 7413): state vector to dialer, which remembers it for the next.
#[derive(Clone, Debug)]
pub struct FastOpenHint {
    /// The peer.
    pub of: OfPeer,
    /// What there is to remember.
    pub news: tcp::FastOpenNews,
}

topic!(FastOpenHint, "fast-open-hint", of: OfPeer, |this, out| match this.news {
    tcp::FastOpenNews::Cookie(_) => out.write_str("a cookie"),
    tcp::FastOpenNews::Failed => out.write_str("failed"),
});

// ---------------------------------------------------------------------------------- ports

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

// ------------------------------------------------------------------------------- channels

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
}

topic!(Terms, "terms", of: TermsKey, |this, out| match this.port {
    Some(port) => write!(out, "from port {port}"),
    None => Ok(()),
});

impl Terms {
    /// No wishes for connections of `local`.
    pub const fn of(local: Local) -> Self {
        let of = TermsKey { local };
        Self { of, tcp: None, max_segment: None, ip: None, packets: None, port: None, first: None }
    }
}

// ------------------------------------------------------------------------------ listeners

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

// ------------------------------------------------------------------------------------ udp

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

// ------------------------------------------------------------------------------- discards

/// Something was thrown away: anyone to ledger.
#[derive(Clone, Debug)]
pub struct Discard {
    /// Where and why.
    pub why: DiscardKey,
    /// How many packets, segments or datagrams.
    pub count: u32,
}

topic!(Discard, "discard", why: DiscardKey, |this, out| write!(out, "{}", this.count));
