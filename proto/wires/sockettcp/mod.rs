//! `sockettcp`: stop and wait with headers in text; messages of any length in pieces of 16 octets.
//!
//! | file | question |
//! |---|---|
//! | `packet` | what does a datagram mean |
//! | `session` | what comes next, on either side |
//! | `cut` | where is a message cut into segments |
//! | `sender` | what is sent, and when again |
//! | `receiver` | what is taken, and how is it answered |
//! | `closing` | how does it end |
//! | `original` | what does the assignment ask for |
//!
//! The wire makes no difference between its originals and careful peers: every segment is repeated until it
//! is answered, and what some of the originals do with the answers is kept in mind for all.
//!
//! Both sides share one counter of octets. When both send at once, the side that connected goes first, and the
//! other numbers its segment anew.

mod closing;
mod cut;
mod original;
mod packet;
mod receiver;
mod sender;
mod session;
#[cfg(test)]
mod tests;

pub use original::{create_segment, parse_segment};
pub use packet::{MOST_DATA, SockettcpPacket};
pub use session::Session;
