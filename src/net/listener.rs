//! The listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use netmart_actors::address::Listener;
use netmart_actors::message::{Connected, ListenError};
use netmart_bus::Context as Turn;
use tokio::net::ToSocketAddrs;

use super::address::each_address;
use super::door::{Door, Waiting};
use super::end::End;
use super::error;
use super::pipe::{Leave, Pipe, Tell};
use super::porter::{Intake, Porter};
use super::stream::TcpStream;
use super::user::StreamUser;
use super::wait::until;
use crate::stack::touch::FaceId;
use crate::stack::{Command, Stack};

/// A listener for TCP connections over a netmart stack, as [`tokio::net::TcpListener`] is one over the
/// kernel's.
///
/// Behind it stands an interest in connections to a port; dropping it takes that back, and resets
/// connections that nobody has accepted.
pub struct TcpListener {
    address: SocketAddr,
    hold: Hold,
}

/// The application's hold on a listener; whoever drops it leaves.
struct Hold {
    door: Arc<Door<Pipe, io::Error>>,
    stack: Stack,
    face: FaceId,
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
        ctx.spawn(StreamUser::claim(connected, face, Arc::clone(&pipe)));
        pipe
    }

    fn turn_away(pipe: &Pipe) -> Tell {
        pipe.leave(Leave::Abort)
    }
}

impl Hold {
    fn touch(&self) {
        // If the stack is gone, the door knows.
        let _ = self.stack.push(Command::Touch(self.face));
    }

    fn take_over(
        &self,
        (accepted, tell): (io::Result<Waiting<Pipe>>, bool),
    ) -> io::Result<(TcpStream, SocketAddr)> {
        if tell {
            self.touch();
        }
        let Waiting { ends, pipe, face } = accepted?;
        let tell = pipe.accepted();
        let end = End::new(pipe, self.stack.clone(), face);
        end.tell(tell);
        Ok((TcpStream::new(end, ends), ends.peer))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.door.leave();
        self.touch();
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
        let face = stack.fresh_face();
        // Two listeners of the same name would share their connections, so each gets a tag of its own.
        let listener = Listener { tag: face.0 as u32, ..Listener::at(address) };
        let door = Arc::new(Door::default());
        let inner = Arc::clone(&door);
        let settings = stack.settings();
        let given = (stack.names(), settings.backlog);
        let intake = Streams { window: settings.window };
        let hold = Hold { door, stack: stack.clone(), face };
        stack.call(move |inside| {
            let at = (listener, address.ip());
            inside.dataspace.spawn(Porter::spawn(intake, at, face, inner, given));
        })?;
        let address = until(&hold.door.news, || hold.door.try_bound()).await?;
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
        let door = &self.hold.door;
        let done = until(&door.news, || door.try_accept()).await;
        self.hold.take_over(done)
    }

    /// Like [`accept`](Self::accept), for a task.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let done = ready!(self.hold.door.poll_accept(cx));
        Poll::Ready(self.hold.take_over(done))
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
