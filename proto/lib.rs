//! The knowledge of netmart: bytes in, bytes out; no clock, no socket, no runtime.
//!
//! | module | what it knows |
//! |---|---|
//! | [`wire`] | headers of IPv4, IPv6, ICMP, UDP and TCP, and their checksums |
//! | [`tcp`] | the per-connection state vector of TCP |
//! | [`wires`] | reliable protocols in UDP datagrams, and the trait they share |
//! | [`netem`] | what a bad link does to packets |
//!
//! Every machine here keeps one contract: `handle_*` takes input and the current [`Instant`];
//! `poll_*` is drained after every mutation; `next_deadline()` says when to come back. Nothing can
//! read a clock: an [`Instant`] is a count of microseconds that the caller passes in.

pub mod netem;
pub mod tcp;
mod time;
pub mod wire;
pub mod wires;

pub use time::Instant;
