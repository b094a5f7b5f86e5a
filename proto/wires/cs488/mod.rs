//! `cs488`: one file from client to server, stop and wait, 512 octets at a time.
//!
//! | file | question |
//! |---|---|
//! | `packet`, `number` | what does a datagram mean |
//! | `session` | who deals with what comes |
//! | `client` | what is sent, and when again |
//! | `cut` | where may a packet end |
//! | `server` | what is taken, and how is it answered |
//! | `guess` | how long was a packet that does not say |
//! | `original` | what does the original show its user |
//!
//! A careful client says in the field `ack` how long its payload is; a careful server draws a connection id above
//! 20. Neither means anything to the originals, which know no length: they drop NULs at the end of a packet,
//! take nothing but UTF-8, and answer whatever comes.

mod client;
mod cut;
mod guess;
mod number;
mod original;
mod packet;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub use original::exit_status;
pub use packet::{Body, Cs488Packet, Flag, HEADER, PAYLOAD};
pub use session::Session;
