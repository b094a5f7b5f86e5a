//! The wires as their originals offer them: one small face each, with the original's names, units and errors.
//!
//! | module | its original's user has |
//! |---|---|
//! | [`faketcp`] | a class `Socket`: datagrams, both ways |
//! | [`cs488`] | two programs: a client that sends its input, a server that writes what comes |
//! | [`sockettcp`] | a class `SocketTCP`: messages, both ways |
//! | [`quiq`] | a class that sends files, one stream each, and shows statistics |
//! | [`statistics`] | what any of them counts, as text and as JSON |
//!
//! All of them stand on [`WireStream`](crate::net::WireStream) and [`WireListener`](crate::net::WireListener), which
//! new applications do better with: those are the same for every wire. Names are resolved by the host's resolver.

pub mod cs488;
pub mod faketcp;
pub mod quiq;
pub mod sockettcp;
pub mod statistics;

use std::io;
use std::net::SocketAddr;

use tokio::net::ToSocketAddrs;

/// The first address of a name.
async fn resolve(host: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    let first = tokio::net::lookup_host(host).await?.next();
    first.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
    })
}
