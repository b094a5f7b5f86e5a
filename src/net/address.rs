//! Addresses as applications give them: one, several, or a name.

use std::io;
use std::net::SocketAddr;

use tokio::net::ToSocketAddrs;

/// Tries one address after the other until one works out; if none does, the last error tells.
pub(super) async fn each_address<A, T, F>(
    addresses: A,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    A: ToSocketAddrs,
    F: Future<Output = io::Result<T>>,
{
    let mut last = None;
    for address in tokio::net::lookup_host(addresses).await? {
        match attempt(address).await {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
    }))
}
