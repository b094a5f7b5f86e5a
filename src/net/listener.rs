//! The listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use netmart_actors::message::{Connected, ListenError};
use netmart_bus::Context as Turn;
use tokio::net::ToSocketAddrs;

use super::address::each_address;
use super::error;
use super::hold::ListenerHold;
use super::octets;
use super::pipe::Pipe;
use super::porter::{Intake, Porter};
use super::stream::TcpStream;
use crate::stack::Stack;
use crate::stack::touch::FaceId;

/// A listener for TCP connections over a netmart stack, as [`tokio::net::TcpListener`] is one over the
/// kernel's.
///
/// Behind it stands an interest in connections to a port; dropping it takes that back, and resets
/// connections that nobody has accepted.
pub struct TcpListener {
    address: SocketAddr,
    hold: ListenerHold<Pipe, io::Error>,
}

/// Takes in TCP connections.
struct Streams {
    /// Octets that may be on their way to a connection's user.
    window: usize,
}

impl Intake for Streams {
    type Pipe = Pipe;
    type Error = io::Error;

    fn not_bound(reason: ListenError) -> io::Error {
        error::not_bound(reason)
    }

    fn claim(
        &self,
        connected: &Connected,
        face: FaceId,
        ctx: &mut Turn<'_, Porter<Self>>,
    ) -> Arc<Pipe> {
        let pipe = Arc::new(Pipe::new(self.window));
        ctx.spawn(octets::claim(connected, face, Arc::clone(&pipe)));
        pipe
    }
}

impl TcpListener {
    /// Listens at `addr` of `stack`: on every address if that is unspecified, on a port of the stack's
    /// choice if it is 0. Of several addresses, the first that can be bound is taken.
    ///
    /// Dropping the future gives it up.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`; `NetworkDown` if the stack has been shut down.
    pub async fn bind<A: ToSocketAddrs>(stack: &Stack, addr: A) -> io::Result<Self> {
        each_address(addr, |address| Self::bind_one(stack, address)).await
    }

    async fn bind_one(stack: &Stack, address: SocketAddr) -> io::Result<Self> {
        let hold = ListenerHold::new(stack);
        let (face, inner) = (hold.face, Arc::clone(&hold.door));
        let at = (hold.listener(address), address.ip());
        let settings = stack.settings();
        let given = (stack.names(), settings.backlog);
        let intake = Streams { window: settings.window };
        stack.call(move |inside| {
            inside.dataspace.spawn(Porter::spawn(intake, at, face, inner, given));
        })?;
        let address = hold.bound().await?;
        Ok(Self { address, hold })
    }

    /// The next connection and its peer's address; waits until there is one.
    ///
    /// Dropping the future loses no connection.
    ///
    /// # Errors
    ///
    /// `NetworkDown` when the stack has been shut down.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (end, ends) = self.hold.accept().await?;
        Ok((TcpStream::new(end, ends), ends.peer))
    }

    /// Like [`accept`](Self::accept), for a task.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (end, ends) = ready!(self.hold.poll_accept(cx))?;
        Poll::Ready(Ok((TcpStream::new(end, ends), ends.peer)))
    }

    /// The address bound to; its port is never 0.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("addr", &self.address).finish_non_exhaustive()
    }
}
