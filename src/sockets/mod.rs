//! Sockets of the operating system as the provider of UDP datagrams.
//!
//! A stack with [`Sockets`] carries [`UdpDatagram`](netmart_actors::message::UdpDatagram) by real sockets
//! instead of UDP over its own IP. Who takes part in datagrams sees no difference: an end is bound while
//! somebody wants it, and `Bound`, `BindFailed` and `UdpError` tell how it goes.
//!
//! | module | its one job |
//! |---|---|
//! | `provider` | the actor: which ends are wanted, and what they send |
//! | `reactor` | the sockets that are open, woken by one epoll; flushes what a run has sent |
//! | `socket` | one socket: batches in and out, ICMP errors |
//! | `outbox` | what waits to be sent, cut into runs that one system call takes |
//! | `watch` | tells when sockets are ready |
//! | `errors` | what the operating system says, in the words of the bus |
//! | `lost` | what the kernel dropped because a receive buffer was full |
//!
//! What differs from UDP over our own IP: the kernel answers what comes to a port that nobody holds, and one
//! that holds `[::]` holds the port on every address, so a second program cannot have it on one.

pub(crate) mod errors;
mod lost;
pub(crate) mod outbox;
mod provider;
mod reactor;
pub(crate) mod socket;
pub(crate) mod watch;

pub(crate) use self::provider::Provider;
pub(crate) use self::reactor::{Arrivals, News, Reactor};

use netmart_actors::link::Volume;

/// Settings of the sockets that carry the datagrams of a stack; see
/// [`Builder::sockets`](crate::stack::Builder::sockets).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    pub(crate) buffer: usize,
    pub(crate) backlog_datagrams: usize,
    pub(crate) backlog_octets: usize,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { buffer: 4 << 20, backlog_datagrams: 1024, backlog_octets: 4 << 20 }
    }
}

impl Sockets {
    /// Sockets with kernel buffers of 4 MiB, and room for 1024 datagrams or 4 MiB while the kernel takes no
    /// more.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for kernel buffers of so many octets, one for what came and one for what leaves. What a program
    /// without `CAP_NET_ADMIN` gets is limited by `net.core.rmem_max` and `wmem_max`.
    #[must_use]
    pub fn buffer(mut self, octets: usize) -> Self {
        self.buffer = octets;
        self
    }

    /// How much may wait at each socket while the kernel takes no more, as datagrams and octets; what comes
    /// on top is dropped and counted. A single datagram always may.
    #[must_use]
    pub fn backlog(mut self, datagrams: usize, octets: usize) -> Self {
        (self.backlog_datagrams, self.backlog_octets) = (datagrams, octets);
        self
    }
}

/// What the sockets of a stack have carried so far. Volumes count payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketsReport {
    /// Sockets that are open now.
    pub open: usize,
    /// Datagrams that came, and their octets.
    pub received: Volume,
    /// Datagrams that the kernel took, and their octets.
    pub sent: Volume,
    /// System calls that brought datagrams.
    pub receive_calls: u64,
    /// System calls that took datagrams.
    pub send_calls: u64,
    /// How often the kernel took no more for a while.
    pub stalls: u64,
    /// Datagrams that found no room while the kernel took no more.
    pub dropped: u64,
    /// Datagrams that the kernel refused.
    pub refused: u64,
    /// Errors that the network reported.
    pub errors: u64,
    /// Datagrams that the kernel dropped because the receive buffer of a socket was full; of sockets that are
    /// open.
    pub lost: u64,
    /// Datagrams and errors that the stack was too busy for.
    pub overrun: u64,
}
