//! The stream.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use netmart_proto::wires::{Borders, Chunk, Directions, Info, Kind, Profile, Role, WriteError};

use super::pipe::Pipe;
use super::user::{self, Dial};
use super::{WireError, WireOptions};
use crate::net::course::{Ends, Leave};
use crate::net::hold::Hold;
use crate::net::wait::until;
use crate::stack::Stack;

/// A connection over one of the wires.
///
/// It carries [`Chunk`]s: octets that know where a message, a datagram or a stream ends, on wires that keep such
/// borders. Methods take `&self`, so that one task may send while another receives.
///
/// Dropping it lets go of the connection as closing a socket does: what was sent is still delivered and the
/// connection closed in order, without anybody to learn whether that succeeds. But if something that has come
/// was not received, the connection is given up at once. No wire here can tell the peer so: it finds out by the
/// silence, if it still waits for something. What matters should therefore be confirmed by an answer, or by the
/// order of the close: a receiver that reads to the end before it lets go has got everything.
pub struct WireStream {
    kind: Kind,
    role: Role,
    ends: Ends,
    hold: Hold<Pipe>,
}

impl WireStream {
    /// Opens a connection over the wire `kind` of `stack` to `address`.
    ///
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    ///
    /// [`Refused`](WireError::Refused) if nobody answers in order, [`NotDialled`](WireError::NotDialled),
    /// [`Stack`](WireError::Stack).
    pub async fn connect(
        stack: &Stack,
        kind: Kind,
        address: SocketAddr,
        options: WireOptions,
    ) -> Result<Self, WireError> {
        let face = stack.fresh_face();
        let window = options.window.unwrap_or(stack.settings().window);
        let pipe = Arc::new(Pipe::new(window));
        let user = Arc::clone(&pipe);
        // Who does not wait for the end of this leaves: the hold is made first.
        let hold = Hold::new(pipe, stack.clone(), face);
        let dial = Dial { kind, address, options };
        stack.call(move |inside| {
            inside.dataspace.spawn(user::dial(dial, face, user));
        })?;
        let ends = until(&hold.pipe.reading, || hold.pipe.try_connected()).await?;
        Ok(Self::new(kind, Role::Client, ends, hold))
    }

    pub(super) const fn new(kind: Kind, role: Role, ends: Ends, hold: Hold<Pipe>) -> Self {
        Self { kind, role, ends, hold }
    }

    /// The wire.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the wire is like.
    pub const fn profile(&self) -> Profile {
        self.kind.profile()
    }

    /// Which side of the connection this is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Our address.
    pub const fn local_addr(&self) -> SocketAddr {
        self.ends.local
    }

    /// The peer's address.
    pub const fn peer_addr(&self) -> SocketAddr {
        self.ends.peer
    }

    /// Sends a chunk; waits until there is room, and then takes it whole, however long it is.
    ///
    /// On a wire of datagrams or messages a chunk with `end` is one of them, or the last part of one; on `quiq` a
    /// chunk is the next part of its stream, and one of stream 0 with `end` ends the batch. Elsewhere only the
    /// octets count. That it was taken does not mean that the peer has it: see [`close`](Self::close).
    ///
    /// Dropping the future before it is done sends nothing.
    ///
    /// # Errors
    ///
    /// [`Write`](WireError::Write) if the wire does not carry such a chunk, or after [`finish`](Self::finish);
    /// otherwise what ended the connection.
    pub async fn send(&self, chunk: Chunk) -> Result<(), WireError> {
        self.check(&chunk)?;
        let mut chunk = Some(chunk);
        let pipe = &self.hold.pipe;
        let done = until(&pipe.writing, || pipe.try_write(&mut chunk)).await;
        self.hold.told(done)
    }

    /// What the wire cannot carry is found out here, and not when it is on its way.
    fn check(&self, chunk: &Chunk) -> Result<(), WriteError> {
        let profile = self.profile();
        if profile.directions == Directions::ToServer && self.role == Role::Server {
            return Err(WriteError::WrongWay);
        }
        match profile.borders {
            Borders::Datagram(most) if chunk.data.len() > most => Err(WriteError::TooLong(most)),
            Borders::Stream if chunk.stream == 0 && !chunk.data.is_empty() => {
                Err(WriteError::NoStream(0))
            }
            _ => Ok(()),
        }
    }

    /// The next chunk from the peer, or nothing when the peer has closed in order and all was read.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// What ended the connection before the peer closed it; told each time, after all that has come was read.
    pub async fn recv(&self) -> Result<Option<Chunk>, WireError> {
        let pipe = &self.hold.pipe;
        let done = until(&pipe.reading, || pipe.try_read()).await;
        self.hold.told(done)
    }

    /// Waits until [`recv`](Self::recv) will not have to.
    pub async fn readable(&self) {
        let pipe = &self.hold.pipe;
        until(&pipe.reading, || pipe.try_readable()).await;
    }

    /// Whether [`recv`](Self::recv) would not have to wait.
    pub fn is_readable(&self) -> bool {
        self.hold.pipe.try_readable().is_some()
    }

    /// Whether the connection has ended; something that has come may still wait to be received.
    pub fn is_over(&self) -> bool {
        self.hold.pipe.try_closed().is_some()
    }

    /// Sends no more: when all that was sent is delivered, the connection closes, and the peer reads to the
    /// end. What the peer has sent by then can still be received.
    pub fn finish(&self) {
        self.hold.tell(self.hold.pipe.shut_down());
    }

    /// Closes the connection, waits until that is done, and tells how it went: all that was sent has reached
    /// the peer. What the peer has sent and was not received is thrown away.
    ///
    /// It waits as long as the tries and the patience of [the configuration](WireOptions::config) allow. Asked
    /// again, it tells the same again.
    ///
    /// # Errors
    ///
    /// What ended the connection otherwise: something may be missing at the peer.
    pub async fn close(&self) -> Result<Info, WireError> {
        self.finish();
        self.closed().await
    }

    /// Waits until the connection has ended, of itself or after [`finish`](Self::finish), and tells how: as
    /// [`close`](Self::close), but without closing it.
    ///
    /// # Errors
    ///
    /// As those of [`close`](Self::close).
    pub async fn closed(&self) -> Result<Info, WireError> {
        let pipe = &self.hold.pipe;
        self.hold.tell(pipe.deafen());
        until(&pipe.reading, || pipe.try_closed()).await
    }

    /// Gives the connection up at once. The peer finds out by the silence.
    pub fn abort(mut self) {
        self.hold.leave = Leave::Abort;
    }

    /// What the connection knows about itself; once it is over, what it knew at last.
    ///
    /// # Errors
    ///
    /// If it ended without having told.
    pub async fn info(&self) -> Result<Info, WireError> {
        let pipe = &self.hold.pipe;
        let (inquiry, tell) = pipe.inquire();
        self.hold.tell(tell);
        until(&pipe.reading, || pipe.try_info(inquiry)).await
    }
}

impl fmt::Debug for WireStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireStream")
            .field("wire", &self.kind.name())
            .field("addr", &self.ends.local)
            .field("peer", &self.ends.peer)
            .finish_non_exhaustive()
    }
}
