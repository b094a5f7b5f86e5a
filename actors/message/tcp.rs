//! Between the codec of TCP and the state vectors, and what those state.

use core::fmt::{self, Write};
use std::rc::Rc;

use netmart_bus::Topic;
use netmart_proto::wire::SourceRoute;
use netmart_proto::wire::tcp::Segment;
use netmart_proto::{Instant, tcp};
use smallvec::SmallVec;

use super::*;
use crate::address::Flow;
use crate::summary::summarize_segments;

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
