//! The eleven states of RFC 9293 section 3.3.2.

use core::fmt;

/// Where a connection is in its life.
///
/// ```text
///            CLOSED --connect--> SYN-SENT --SYN--> SYN-RECEIVED <--SYN-- LISTEN
///                                    \                  |
///                                  SYN+ACK           ACK of SYN
///                                      \                |
///                                       '-> ESTABLISHED <'
///                           shutdown      /              \      FIN
///                                        v                v
///                                FIN-WAIT-1             CLOSE-WAIT
///                    ACK of FIN /    | FIN                   | shutdown
///                              v     v                       v
///                     FIN-WAIT-2   CLOSING                LAST-ACK
///                          FIN  \    | ACK of FIN            | ACK of FIN
///                                v   v                       v
///                               TIME-WAIT --2 MSL-------> CLOSED
/// ```
///
/// A [`StateVector`](super::StateVector) is never in LISTEN: a listener is somebody who starts a
/// machine for each SYN. The state is there so that a snapshot can name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection.
    #[default]
    Closed,
    /// Waiting for a SYN.
    Listen,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and ours was sent; its acknowledgement is awaited.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// Our FIN is queued or sent, not yet acknowledged.
    FinWait1,
    /// Our FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer's FIN came; we may still send.
    CloseWait,
    /// Both FINs crossed; ours is not yet acknowledged.
    Closing,
    /// Our FIN answered the peer's; its acknowledgement is awaited.
    LastAck,
    /// Everything is acknowledged; late segments die out.
    TimeWait,
}

impl State {
    /// Whether both sides know each other's sequence numbers (RFC 9293 section 3.4).
    pub const fn is_synchronised(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// Whether the peer may still send octets that we have not seen.
    pub const fn expects_data(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether segments with octets or a FIN of ours may leave.
    pub const fn may_transmit_data(self) -> bool {
        matches!(
            self,
            Self::Established | Self::CloseWait | Self::FinWait1 | Self::Closing | Self::LastAck
        )
    }

    /// Whether the application may still write.
    pub const fn accepts_writes(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait)
    }

    /// The name in RFC 9293.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
