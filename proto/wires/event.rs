//! What the application is told.

use thiserror::Error;

/// News for the application. Each kind waits at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete, as far as this side can know.
    Connected,
    /// The handshake failed; nothing follows.
    Refused(Reason),
    /// There is something to [`read`](super::Wire::read).
    Readable,
    /// A [`write`](super::Wire::write) that was refused for want of room would be taken now.
    Writable,
    /// The peer has closed in order, and all that it sent was read.
    PeerClosed,
    /// The connection has ended, and all that came was read; nothing follows.
    ///
    /// With [`Reason::Normal`], all that was written has reached the peer.
    Closed(Reason),
}

/// Why a connection ended, or was never made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum Reason {
    /// One side closed in order, and nothing is missing.
    #[error("closed in order")]
    Normal,
    /// The peer did not answer.
    #[error("no answer to {phase} after {tries} tries")]
    TimedOut {
        /// What was not answered.
        phase: Phase,
        /// How often it was sent.
        tries: u32,
    },
    /// The network said for a while that nobody listens there.
    #[error("nobody listens there")]
    Unreachable,
    /// Nothing was heard from the peer for as long as patience lasts.
    #[error("the peer has vanished")]
    Vanished,
    /// The peer ended although packets of its are missing. A few of their numbers, the lowest first.
    #[error("data is missing: {0:?}")]
    Missing(Vec<u64>),
    /// The peer has not got all that was written, or more than that, and this wire has no way to mend it.
    #[error("the peer did not get packet {0} exactly once, and cannot be helped")]
    Spoilt(u64),
    /// What was written cannot be said to this peer.
    #[error("not representable: {0}")]
    NotRepresentable(Unfit),
    /// The peer closed while data was on its way to it.
    #[error("the peer closed before it had got {0} octets")]
    Deserted(usize),
    /// The peer's answer makes no sense.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The wire has no more numbers.
    #[error("the sequence numbers of this connection are used up")]
    Exhausted,
    /// The application asked for it.
    #[error("aborted on this side")]
    Aborted,
}

/// A part of a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Opening.
    Handshake,
    /// Data.
    Data,
    /// Closing.
    Close,
}

impl core::fmt::Display for Phase {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake",
            Self::Data => "data",
            Self::Close => "the close",
        })
    }
}

/// Why something cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Unfit {
    /// The peer drops NULs at the end of what it gets.
    #[error("the peer drops NULs at the end of a packet")]
    TrailingNul,
    /// The peer takes nothing but UTF-8.
    #[error("the peer takes nothing but UTF-8")]
    NotText,
}

/// Why a write was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum WriteError {
    /// Too much waits already; [`Event::Writable`] tells when it does not.
    #[error("the send queue is full")]
    Full,
    /// The wire does not carry so much in one piece.
    #[error("a datagram of this wire carries at most {0} octets")]
    TooLong(usize),
    /// The wire carries data the other way only.
    #[error("this wire carries data from client to server only")]
    WrongWay,
    /// The stream has ended, or its number means something else.
    #[error("stream {0} takes no more")]
    NoStream(u32),
    /// This side has closed, or the connection has ended.
    #[error("the connection is closed")]
    Closed,
}
