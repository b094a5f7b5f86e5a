//! What the application is told.

use core::fmt;

use crate::wire::tcp::Segment;

/// News for the application. Each kind waits at most once, so a slow reader costs no memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The three-way handshake is complete.
    Connected,
    /// The handshake failed; nothing follows.
    Refused(Reason),
    /// There are octets to [`read`](super::StateVector::read) that were granted.
    Readable,
    /// The peer has closed its side and all it sent was read: the end of its stream.
    PeerClosed,
    /// So many octets can be [written](super::StateVector::write) now.
    Writable(usize),
    /// Something is wrong, but the connection goes on (RFC 9293 sections 3.8.3 and 3.9.1.8).
    Trouble(Trouble),
    /// The connection has ended; nothing follows but [`Event::Superseded`].
    Closed(Reason),
    /// In TIME-WAIT came a SYN for a new connection between the same ports (RFC 6191). This machine
    /// is closed; the SYN is handed back so that a new one can be started for it.
    Superseded(Box<Segment>),
}

/// Why a connection ended, or was never made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Both sides closed in order.
    Normal,
    /// The peer sent a RST.
    Reset,
    /// Nothing was acknowledged for R2 (RFC 9293 section 3.8.3), or keep-alive found nobody.
    TimedOut,
    /// The user time-out passed.
    UserTimeout,
    /// We sent a RST: the application asked for it, or went away with data unread (SHLD-3).
    Aborted,
    /// The network said so.
    Icmp(IcmpKind),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("closed by both sides"),
            Self::Reset => f.write_str("reset by the peer"),
            Self::TimedOut => f.write_str("the peer does not answer"),
            Self::UserTimeout => f.write_str("the user time-out passed"),
            Self::Aborted => f.write_str("aborted on this side"),
            Self::Icmp(kind) => write!(f, "the network reported: {kind}"),
        }
    }
}

/// A difficulty that does not end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The same data was retransmitted this many times (R1).
    Retransmitting(u32),
    /// The network reported a problem that may pass.
    Icmp(IcmpKind),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retransmitting(times) => write!(f, "sent again {times} times in vain"),
            Self::Icmp(kind) => write!(f, "the network reported: {kind}"),
        }
    }
}

/// An ICMP error about a segment of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// What it reports.
    pub kind: IcmpKind,
    /// The sequence number in the quoted header. The error counts only if that octet is in flight
    /// (RFC 5927 section 4.1).
    pub seq: crate::wire::tcp::SeqNumber,
}

/// What ICMP can tell a transport (RFC 9293 section 3.9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// Protocol or port unreachable: a hard error.
    PortUnreachable,
    /// Network or host unreachable, source route failed: a soft error.
    HostUnreachable,
    /// Administratively prohibited: treated as soft once connected.
    Prohibited,
    /// The time to live ran out: a soft error.
    TimeExceeded,
    /// A header field was not understood: a soft error.
    ParameterProblem,
    /// Of IPv6: nobody there speaks TCP, a parameter problem and so a soft error (RFC 9293
    /// section 3.9.2.2), though RFC 5461 section 2.2 counts it among the hard ones.
    NextHeaderUnknown,
    /// A packet did not fit.
    PacketTooBig {
        /// The largest payload of a segment without options that fits the reported MTU, in octets;
        /// 0 if the router told no MTU.
        mss: u16,
    },
    /// Source quench; ignored (MUST-55).
    SourceQuench,
}

impl fmt::Display for IcmpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortUnreachable => f.write_str("port unreachable"),
            Self::HostUnreachable => f.write_str("host unreachable"),
            Self::Prohibited => f.write_str("administratively prohibited"),
            Self::TimeExceeded => f.write_str("time exceeded"),
            Self::NextHeaderUnknown => f.write_str("next header unrecognised"),
            Self::ParameterProblem => f.write_str("parameter problem"),
            Self::PacketTooBig { mss } => write!(f, "packet too big, {mss} octets fit"),
            Self::SourceQuench => f.write_str("source quench"),
        }
    }
}

/// A segment to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The segment.
    pub segment: Segment,
    /// For a super-segment: the payload of each segment that the device makes of it, in octets.
    pub gso_size: Option<u16>,
    /// Why it is sent again, if it is.
    pub retransmission: Option<Retransmission>,
}

impl Transmit {
    /// A single segment that was not sent before.
    pub fn once(segment: Segment) -> Self {
        Self { segment, gso_size: None, retransmission: None }
    }
}

/// Why a segment is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retransmission {
    /// A SYN, or SYN and ACK, was not answered in time, or its answer came again.
    Handshake,
    /// Three later segments were acknowledged selectively, or by duplicate acknowledgements
    /// (RFC 5681 section 3.2, RFC 8985 section 6.2).
    FastRetransmit,
    /// A segment that was sent later has arrived, and this one had time enough to arrive as well
    /// (RFC 8985 section 6); the only way to notice that a retransmission was lost.
    Rack,
    /// The end of what was sent stayed unacknowledged (RFC 8985 section 7).
    TailLossProbe,
    /// The retransmission timer expired.
    Timeout,
    /// A probe of a closed window was not accepted.
    WindowProbe,
}

/// The events that wait, at most one of each kind, in the order in which they make sense.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) connected: bool,
    pub(super) refused: Option<Reason>,
    pub(super) readable: bool,
    pub(super) peer_closed: bool,
    pub(super) writable: bool,
    pub(super) trouble: Option<Trouble>,
    pub(super) closed: Option<Reason>,
    pub(super) superseded: Option<Box<Segment>>,
}

impl Events {
    /// The next event; `writable` is the space it reports if it is that one's turn, and `may_end` whether it may
    /// be the end.
    pub(super) fn pop(&mut self, writable: impl FnOnce() -> usize, may_end: bool) -> Option<Event> {
        if core::mem::take(&mut self.connected) {
            return Some(Event::Connected);
        }
        if let Some(reason) = self.refused.take() {
            return Some(Event::Refused(reason));
        }
        if core::mem::take(&mut self.readable) {
            return Some(Event::Readable);
        }
        if core::mem::take(&mut self.peer_closed) {
            return Some(Event::PeerClosed);
        }
        if core::mem::take(&mut self.writable) {
            return Some(Event::Writable(writable()));
        }
        if let Some(trouble) = self.trouble.take() {
            return Some(Event::Trouble(trouble));
        }
        if let Some(reason) = self.closed.take_if(|_| may_end) {
            return Some(Event::Closed(reason));
        }
        self.superseded.take().map(Event::Superseded)
    }
}
