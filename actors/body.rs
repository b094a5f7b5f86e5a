//! What is said on a channel; re-exported by [`message`](crate::message).

use core::fmt::{self, Write};

use bytes::Bytes;
use netmart_proto::tcp;
use smallvec::SmallVec;

use crate::message::{CloseReason, Setting};

/// Octets in order, as slices of the buffers they came in.
pub type Chunks = SmallVec<[Bytes; 1]>;

/// What is said on a channel.
#[derive(Clone, Debug)]
pub enum Body {
    /// Octets of the stream. Never more than the receiver granted.
    Data(Chunks),
    /// Urgent data ends so many octets after those said so far (RFC 9293 section 3.8.5): news that
    /// overtakes them, for the octets themselves stay in the stream.
    Urgent(u32),
    /// No more octets will come this way.
    End,
    /// The sender has room for so many more octets of the opposite direction. The first credit of an
    /// inbound message tells a user that the connection is established.
    Credit(u32),
    /// Outbound: give the connection up at once, with a RST.
    Abort,
    /// Outbound: change how the connection behaves.
    Set(Setting),
    /// Outbound: tell how the connection does.
    Inquire,
    /// Inbound: how the connection does, because somebody inquired.
    Info(Box<tcp::Info>),
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
            Body::Urgent(octets) => write!(out, "urgent {octets}"),
            Body::End => out.write_str("end"),
            Body::Credit(octets) => write!(out, "credit {octets}"),
            Body::Abort => out.write_str("abort"),
            Body::Set(setting) => write!(out, "set {setting:?}"),
            Body::Inquire => out.write_str("inquire"),
            Body::Info(info) => write!(out, "info: {:?}", info.state),
            Body::Trouble(trouble) => write!(out, "trouble: {trouble}"),
            Body::Closed(reason) => write!(out, "closed: {reason}"),
        }
    }
}
