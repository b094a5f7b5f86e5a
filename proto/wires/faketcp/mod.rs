//! `faketcp`: datagrams both ways, each with a number; windows, and going back to what is missing.
//!
//! | file | question |
//! |---|---|
//! | `packet` | what does a datagram mean |
//! | `session` | how does it begin, who deals with what comes |
//! | `sender` | what is sent, and when again |
//! | `receiver` | what is taken, and how is it acknowledged |
//! | `closing` | how does it end |
//! | `original` | what does the original show its user |
//!
//! An original offers room for 16 datagrams when it opens a connection or answers; a careful peer offers any other
//! number. Towards an original, acknowledgements keep a distance in time, because one that overtakes another
//! breaks it, and a datagram that it cannot take makes it tell how far it is.

mod closing;
mod original;
mod packet;
mod receiver;
mod sender;
mod session;
#[cfg(test)]
mod tests;

pub use original::{SocketError, numbered_datagrams};
pub use packet::{FIN, FaketcpPacket, Flags, HEADER, MOST_PAYLOAD};
pub use session::Session;
