//! What is said on a channel; re-exported by [`message`](crate::message).

use core::fmt::{self, Write};

use bytes::Bytes;
use netmart_proto::{tcp, wires};
use smallvec::SmallVec;

use crate::message::{CloseReason, Setting};

/// Octets in order, as slices of the buffers they came in.
pub type Chunks = SmallVec<[Bytes; 1]>;

/// How octets divide, in order.
pub type Pieces = SmallVec<[Piece; 1]>;

/// A part of the octets that follow, on a wire with borders.
///
/// A piece costs as much credit as it has octets, and at least 1: even empty messages must not come
/// faster than they are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The stream it belongs to, where the wire has streams; otherwise 0.
    pub stream: u32,
    /// How many octets it has; a write that is larger than 4 GiB is several pieces.
    pub octets: u32,
    /// Whether a message or a stream ends with it; see [`wires::Chunk`].
    pub end: bool,
}

impl Piece {
    /// What it costs, in octets of credit.
    pub const fn cost(&self) -> u32 {
        if self.octets == 0 { 1 } else { self.octets }
    }
}

/// What is said on a channel.
#[derive(Clone, Debug)]
pub enum Body {
    /// Octets of the stream. Never more than the receiver granted.
    Data(Chunks),
    /// How the octets of the next [`Data`](Self::Data) divide; they are as many as all pieces together.
    /// If those have none, no data follows. Wires without borders never say it to their users.
    ///
    /// Outbound data of which nothing is said is cut as suits the wire: into datagrams as large as fit,
    /// one message for each `Data`, or more octets of stream 1, which ends with [`End`](Self::End).
    Pieces(Pieces),
    /// Urgent data ends so many octets after those said so far (RFC 9293 section 3.8.5): news that
    /// overtakes them, for the octets themselves stay in the stream.
    Urgent(u32),
    /// No more octets will come this way.
    End,
    /// The sender has room for so many more octets of the opposite direction. The first credit of an
    /// inbound message tells a user that the connection is established.
    Credit(u32),
    /// Outbound: give the connection up at once; over TCP with a RST.
    Abort,
    /// Outbound: change how the connection behaves.
    Set(Setting),
    /// Outbound: tell how the connection does.
    Inquire,
    /// Inbound: how the connection does, because somebody inquired.
    Info(Box<tcp::Info>),
    /// Inbound: the same of a connection over a wire. It is also told unasked, right before
    /// [`Closed`](Self::Closed).
    Report(Box<wires::Info>),
    /// Inbound: something is wrong, but the connection goes on (RFC 9293 sections 3.8.3 and 3.9.1.8).
    Trouble(tcp::Trouble),
    /// Inbound: the connection has ended.
    Closed(CloseReason),
}

impl Body {
    /// Its line in a trace.
    pub(crate) fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        match self {
            Body::Data(chunks) => {
                write!(out, "data {}", chunks.iter().map(Bytes::len).sum::<usize>())
            }
            Body::Pieces(pieces) => {
                let octets: u64 = pieces.iter().map(|piece| u64::from(piece.octets)).sum();
                let ends = pieces.iter().filter(|piece| piece.end).count();
                write!(out, "{} pieces, {ends} ends, of {octets}", pieces.len())
            }
            Body::Urgent(octets) => write!(out, "urgent {octets}"),
            Body::End => out.write_str("end"),
            Body::Credit(octets) => write!(out, "credit {octets}"),
            Body::Abort => out.write_str("abort"),
            Body::Set(setting) => write!(out, "set {setting:?}"),
            Body::Inquire => out.write_str("inquire"),
            Body::Info(info) => write!(out, "info: {:?}", info.state),
            Body::Report(info) => write!(out, "report: {} {}", info.wire, info.state),
            Body::Trouble(trouble) => write!(out, "trouble: {trouble}"),
            Body::Closed(reason) => write!(out, "closed: {reason}"),
        }
    }
}
