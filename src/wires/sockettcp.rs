//! `sockettcp` as its assignment asks for it: a class [`SocketTCP`] that carries messages.
//!
//! The names are the original's: `bind`, `connect`, `accept`, `send`, `recv`, `close`, `recv_close`, and the two that
//! turn segments into structures and back. What waits there waits here too, but as a future.
//!
//! ```
//! use netmart::stack::Stack;
//! use netmart::wires::sockettcp::SocketTCP;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let stack = Stack::builder().start_on_own_thread()?;
//! let mut server = SocketTCP::new(&stack);
//! server.bind("127.0.0.1:0").await?;
//! let address = server.local_addr().ok_or("it is bound")?;
//! let client = tokio::spawn(async move {
//!     let mut client = SocketTCP::new(&stack);
//!     client.connect(address).await?;
//!     client.send("Mensaje de largo 19").await?;
//!     client.close().await
//! });
//! let (mut connection, new_address) = server.accept().await?;
//! assert_ne!(new_address, address);
//! // At most so many octets; the rest of the message stays for the next call.
//! assert_eq!(connection.recv(16).await?.as_deref(), Some(&b"Mensaje de largo"[..]));
//! assert_eq!(connection.recv(16).await?.as_deref(), Some(&b" 19"[..]));
//! connection.recv_close().await?;
//! client.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use netmart_proto::wires::{Chunk, Fault, Info, Kind, sockettcp};
use tokio::net::ToSocketAddrs;

pub use netmart_proto::wires::sockettcp::SockettcpPacket as Segment;

use super::resolve;
use crate::net::{WireError, WireListener, WireLogger, WireOptions, WireStream};
use crate::stack::Stack;

/// Why a socket did not do what it was asked. The original names none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made, or has failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The address leads nowhere.
    #[error("could not find the address: {0}")]
    Address(#[from] io::Error),
    /// It is neither connected nor made by [`accept`](SocketTCP::accept).
    #[error("the socket is not connected")]
    NotConnected,
    /// It is connected, and can be neither bound nor connected again.
    #[error("the socket is connected")]
    Connected,
    /// It was not [bound](SocketTCP::bind), so that nobody can come.
    #[error("the socket is not bound")]
    NotBound,
}

/// A socket for messages of any length.
#[derive(Debug)]
pub struct SocketTCP {
    stack: Stack,
    options: WireOptions,
    state: State,
    /// Octets of the message that is being read.
    rest: BytesMut,
    message: Message,
}

#[derive(Debug)]
enum State {
    Fresh,
    Bound(WireListener),
    Connected(WireStream),
    Closed,
}

/// What is known of the message that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// The next octets begin one.
    None,
    /// Some of it has come, and was perhaps read.
    Begun,
    /// All of it has come.
    Whole,
}

impl SocketTCP {
    /// A socket that is not connected.
    pub fn new(stack: &Stack) -> Self {
        Self::with_options(stack, WireOptions::default())
    }

    /// The same with other options.
    pub fn with_options(stack: &Stack, options: WireOptions) -> Self {
        let (stack, rest) = (stack.clone(), BytesMut::new());
        Self { stack, options, state: State::Fresh, rest, message: Message::None }
    }

    fn connected(stack: &Stack, options: WireOptions, stream: WireStream) -> Self {
        Self { state: State::Connected(stream), ..Self::with_options(stack, options) }
    }

    /// The mode that shows how losses are dealt with: `write` gets a line for each segment that is sent, sent
    /// again, received or thrown away. It counts for connections that are made from now on.
    pub fn debug_mode(&mut self, write: impl Fn(&str) + Send + Sync + 'static) {
        self.options.log = Some(WireLogger::new(write));
    }

    /// The structure of a segment.
    ///
    /// # Errors
    ///
    /// If the octets are no segment.
    pub fn parse_segment(octets: impl Into<Bytes>) -> Result<Segment, Fault> {
        sockettcp::parse_segment(octets)
    }

    /// The segment of a structure.
    pub fn create_segment(structure: &Segment) -> Bytes {
        sockettcp::create_segment(structure)
    }

    /// Lets others connect to `address`; a port of 0 leaves the choice to the stack.
    ///
    /// # Errors
    ///
    /// If the address or the port cannot be had, or the socket is connected.
    pub async fn bind(&mut self, address: impl ToSocketAddrs) -> Result<(), Error> {
        if matches!(self.state, State::Connected(_)) {
            return Err(Error::Connected);
        }
        let address = resolve(address).await?;
        let options = self.options.clone();
        let listener = WireListener::bind(&self.stack, Kind::Sockettcp, address, options).await?;
        self.state = State::Bound(listener);
        Ok(())
    }

    /// Connects to a socket that was bound to `address`.
    ///
    /// # Errors
    ///
    /// If nobody answers there, or the socket is connected.
    pub async fn connect(&mut self, address: impl ToSocketAddrs) -> Result<(), Error> {
        if matches!(self.state, State::Connected(_)) {
            return Err(Error::Connected);
        }
        let address = resolve(address).await?;
        let options = self.options.clone();
        let stream = WireStream::connect(&self.stack, Kind::Sockettcp, address, options).await?;
        self.state = State::Connected(stream);
        Ok(())
    }

    /// Waits until somebody connects: a socket of its own for the connection, and that socket's new address.
    ///
    /// # Errors
    ///
    /// If the socket is not bound.
    pub async fn accept(&mut self) -> Result<(Self, SocketAddr), Error> {
        let State::Bound(listener) = &self.state else { return Err(Error::NotBound) };
        let (stream, _peer) = listener.accept().await?;
        let address = stream.local_addr();
        Ok((Self::connected(&self.stack, self.options.clone(), stream), address))
    }

    /// Where the socket is bound, or its end of the connection.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Bound(listener) => Some(listener.local_addr()),
            State::Connected(stream) => Some(stream.local_addr()),
            State::Fresh | State::Closed => None,
        }
    }

    /// The other end of the connection.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream().ok().map(WireStream::peer_addr)
    }

    fn stream(&self) -> Result<&WireStream, Error> {
        match &self.state {
            State::Connected(stream) => Ok(stream),
            State::Fresh | State::Bound(_) | State::Closed => Err(Error::NotConnected),
        }
    }

    /// Sends a message of any length, also an empty one. The original returns when all of it is acknowledged; this
    /// returns when there is room for more, and [`close`](Self::close) waits for the rest.
    ///
    /// # Errors
    ///
    /// If the socket is not connected, or no longer.
    pub async fn send(&self, message: impl AsRef<[u8]>) -> Result<(), Error> {
        let message = Bytes::copy_from_slice(message.as_ref());
        Ok(self.stream()?.send(Chunk::message(message)).await?)
    }

    /// The next octets of a message: `buff_size`, or what is left of it if that is less. The rest stays for the
    /// next calls; no call gives octets of two messages. Nothing when the other side has closed.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// If the socket is not connected, or the connection has failed.
    pub async fn recv(&mut self, buff_size: usize) -> Result<Option<Bytes>, Error> {
        while self.message != Message::Whole && self.rest.len() < buff_size.max(1) {
            let Some(chunk) = self.stream()?.recv().await? else {
                return Ok(None);
            };
            self.take(&chunk);
        }
        let portion = self.rest.split_to(buff_size.min(self.rest.len())).freeze();
        if self.rest.is_empty() && self.message == Message::Whole {
            self.message = Message::None;
        }
        Ok(Some(portion))
    }

    fn take(&mut self, chunk: &Chunk) {
        self.rest.extend_from_slice(&chunk.data);
        self.message = match (chunk.end, self.message) {
            // The end of a message whose octets were all read already is no message.
            (true, Message::Begun) if self.rest.is_empty() => Message::None,
            (true, _) => Message::Whole,
            (false, _) => Message::Begun,
        };
    }

    /// Closes the connection from this side, and waits until the other has heard of it and has all that was sent.
    /// What was not received is thrown away.
    ///
    /// # Errors
    ///
    /// If the socket is not connected, or something may be missing at the other side.
    pub async fn close(&mut self) -> Result<Info, Error> {
        let result = self.stream()?.close().await;
        self.state = State::Closed;
        Ok(result?)
    }

    /// Waits until the other side closes. What was not received is thrown away.
    ///
    /// # Errors
    ///
    /// If the socket is not connected, or the other side vanishes.
    pub async fn recv_close(&mut self) -> Result<Info, Error> {
        let result = self.stream()?.closed().await;
        self.state = State::Closed;
        Ok(result?)
    }
}
