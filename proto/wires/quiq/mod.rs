//! `quiq`: several streams in packets of frames, from client to server.
//!
//! | file | question |
//! |---|---|
//! | `packet` | what does a datagram mean |
//! | `session` | who deals with what comes |
//! | `client` | how does it begin and end, when may a packet go |
//! | `batch` | what is in the next packet |
//! | `flight` | what has a careful server got, what goes again |
//! | `arrivals` | what has an original got, as far as that can be known |
//! | `server` | what is taken, and how is it answered |
//! | `streams` | what is the next piece of each stream |
//! | `original` | what does the original show its user |
//!
//! A client's SYN carries a frame that an original gives back as it is, and a careful server with another offset. The
//! original never repeats anything and puts together what comes as it comes: towards it one packet is under way at
//! a time, and what its acknowledgements count tells whether each packet arrived once. If not, the batch is left
//! without its end, so that the receiver does not take it for whole.

mod arrivals;
mod batch;
mod client;
mod flight;
mod original;
mod packet;
mod server;
mod session;
mod streams;
#[cfg(test)]
mod tests;

pub use original::SocketError;
pub use packet::{FRAME_HEADER, Frame, HEADER, MOST, PacketKind, QuiqPacket};
pub use session::Session;
