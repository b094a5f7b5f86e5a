//! `faketcp` as its original offers it: a class [`Socket`] for reliable datagrams, both ways.
//!
//! The names are the original's: `bind`, `listen`, `accept`, `connect`, `send`, `recv`, `sync`, `close`, the options
//! `ploss`, `pdup` and `pdelay`, the [states](State) and the errors. Other than there, every wait has an end, a
//! datagram that is too long is refused and not cut, and a wrong checksum does not end the connection: it is raised
//! once, by whatever call comes next, and that call can be made again.
//!
//! ```
//! use netmart::stack::Stack;
//! use netmart::wires::faketcp::{Error, Socket};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let stack = Stack::builder().start_on_own_thread()?;
//! let mut server = Socket::new(&stack);
//! server.bind("127.0.0.1:0").await?;
//! server.listen().await?;
//! let address = server.local_addr().ok_or("it listens")?;
//! let client = tokio::spawn(async move {
//!     let mut client = Socket::new(&stack);
//!     client.connect(address).await?;
//!     client.send("one").await?;
//!     client.send("two").await?;
//!     client.close().await
//! });
//! let (mut socket, _peer) = server.accept().await?;
//! assert_eq!(socket.recv().await?, "one");
//! assert_eq!(socket.recv().await?, "two");
//! // This is what the end looks like.
//! assert!(matches!(socket.recv().await, Err(Error::NotConnected)));
//! client.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod witness;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use netmart_proto::wires::faketcp::{HEADER, MOST_PAYLOAD, SocketError};
use netmart_proto::wires::{Chunk, Kind, Odds, WriteError};
use tokio::net::ToSocketAddrs;

use self::witness::Checksums;
use super::resolve;
use crate::net::{WireError, WireListener, WireOptions, WireStream};
use crate::stack::Stack;

/// Why a socket did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket is not established, or is not any more: also how the end of the data looks.
    #[error("not connected")]
    NotConnected,
    /// The socket is established, and can be neither bound nor connected nor listened on.
    #[error("already connected")]
    AlreadyConnected,
    /// A datagram has come whose checksum is wrong: its header. It was thrown away, and will come again.
    #[error("{}", SocketError::ChecksumError(*.0))]
    ChecksumError([u8; HEADER]),
    /// No datagram carries so much; the original cuts it without a word.
    #[error("a datagram carries at most {MOST_PAYLOAD} octets, and not {0}")]
    TooLong(usize),
    /// The address leads nowhere.
    #[error("could not find the address: {0}")]
    Address(#[from] io::Error),
    /// What the original waits for without an end.
    #[error(transparent)]
    Failed(WireError),
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Write(WriteError::Closed) => Self::NotConnected,
            error => Self::Failed(error),
        }
    }
}

/// The states of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Neither listens nor is connected.
    Closed = 0,
    /// Takes connections.
    Listen = 1,
    /// Has asked for a connection.
    SynSent = 2,
    /// Has been asked for one.
    SynRecv = 3,
    /// Connected.
    Established = 4,
}

/// By the original's names.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
        })
    }
}

/// A socket for reliable datagrams.
#[derive(Debug)]
pub struct Socket {
    stack: Stack,
    options: WireOptions,
    bound: Option<SocketAddr>,
    inner: Inner,
    /// The datagram that is being received, if it comes in parts.
    part: BytesMut,
    checksums: Option<Checksums>,
}

#[derive(Debug)]
enum Inner {
    Closed,
    Listen(WireListener),
    Dialling,
    Established(WireStream),
}

impl Socket {
    /// A socket that is closed.
    pub fn new(stack: &Stack) -> Self {
        Self::with_options(stack, WireOptions::default())
    }

    /// The same with other options.
    pub fn with_options(stack: &Stack, options: WireOptions) -> Self {
        let (stack, part) = (stack.clone(), BytesMut::new());
        Self { stack, options, bound: None, inner: Inner::Closed, part, checksums: None }
    }

    /// The original's options: the probabilities with which datagrams with data are lost, doubled and delayed as
    /// they are sent, on a connection that is made by [`connect`](Self::connect) from now on.
    pub fn set_probabilities(&mut self, ploss: f64, pdup: f64, pdelay: f64) {
        let impair = self.options.impair.get_or_insert_default();
        impair.odds = Odds { loss: ploss, dup: pdup, delay: pdelay };
    }

    /// Raises a wrong checksum that has been seen.
    fn raise(&self) -> Result<(), Error> {
        let header = self.checksums.as_ref().and_then(Checksums::take);
        header.map_or(Ok(()), |header| Err(Error::ChecksumError(header)))
    }

    /// Wrong checksums at our end are seen from now on.
    fn watch_checksums(&mut self) -> Result<(), Error> {
        if let Some(address) = self.local_addr() {
            let checksums = Checksums::at(&self.stack, address.port());
            self.checksums = Some(checksums.map_err(WireError::from)?);
        }
        Ok(())
    }

    /// The state. `SYN_RECV` is one of the connections that [`accept`](Self::accept) is about to give.
    pub const fn state(&self) -> State {
        match self.inner {
            Inner::Closed => State::Closed,
            Inner::Listen(_) => State::Listen,
            Inner::Dialling => State::SynSent,
            Inner::Established(_) => State::Established,
        }
    }

    fn unconnected(&self) -> Result<(), Error> {
        match self.inner {
            Inner::Established(_) => Err(Error::AlreadyConnected),
            Inner::Closed | Inner::Listen(_) | Inner::Dialling => Ok(()),
        }
    }

    fn stream(&self) -> Result<&WireStream, Error> {
        match &self.inner {
            Inner::Established(stream) => Ok(stream),
            Inner::Closed | Inner::Listen(_) | Inner::Dialling => Err(Error::NotConnected),
        }
    }

    /// Chooses the address to listen at, or to connect from. Whether it can be had shows when that is done.
    ///
    /// # Errors
    ///
    /// [`AlreadyConnected`](Error::AlreadyConnected), [`Address`](Error::Address).
    pub async fn bind(&mut self, address: impl ToSocketAddrs) -> Result<(), Error> {
        self.unconnected()?;
        self.bound = Some(resolve(address).await?);
        Ok(())
    }

    /// Takes connections from now on, at a port of the stack's choice if the socket was not bound.
    ///
    /// # Errors
    ///
    /// [`AlreadyConnected`](Error::AlreadyConnected); [`Failed`](Error::Failed) if the port or the address cannot be
    /// had.
    pub async fn listen(&mut self) -> Result<(), Error> {
        self.unconnected()?;
        let address = self.bound.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
        let options = WireOptions { impair: None, ..self.options.clone() };
        // The new one may be at the same place.
        self.inner = Inner::Closed;
        let listener = WireListener::bind(&self.stack, Kind::Faketcp, address, options).await?;
        self.inner = Inner::Listen(listener);
        self.watch_checksums()
    }

    /// Waits until somebody connects: a socket of its own for the connection, and who that is. As in the original,
    /// that socket loses, doubles and delays nothing. A socket that does not listen yet does so first.
    ///
    /// # Errors
    ///
    /// [`AlreadyConnected`](Error::AlreadyConnected); as those of [`listen`](Self::listen).
    pub async fn accept(&mut self) -> Result<(Self, SocketAddr), Error> {
        if !matches!(self.inner, Inner::Listen(_)) {
            self.listen().await?;
        }
        let Inner::Listen(listener) = &self.inner else { return Err(Error::NotConnected) };
        let (stream, peer) = raising(self.checksums.as_ref(), listener.accept()).await?;
        let options = WireOptions { impair: None, ..self.options.clone() };
        let mut accepted = Self::with_options(&self.stack, options);
        accepted.inner = Inner::Established(stream);
        accepted.watch_checksums()?;
        Ok((accepted, peer))
    }

    /// Connects to the socket that listens at `address`.
    ///
    /// # Errors
    ///
    /// [`AlreadyConnected`](Error::AlreadyConnected), [`Address`](Error::Address); [`Failed`](Error::Failed) if nobody
    /// answers.
    pub async fn connect(&mut self, address: impl ToSocketAddrs) -> Result<(), Error> {
        self.unconnected()?;
        let address = resolve(address).await?;
        let options = WireOptions { from: self.bound, ..self.options.clone() };
        self.inner = Inner::Dialling;
        let stream = WireStream::connect(&self.stack, Kind::Faketcp, address, options).await;
        self.inner = Inner::Closed;
        self.inner = Inner::Established(stream?);
        self.watch_checksums()
    }

    /// Sends one datagram of at most 4080 octets; waits while too many are under way.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected), [`TooLong`](Error::TooLong), [`Failed`](Error::Failed).
    pub async fn send(&self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let (stream, payload) = (self.stream()?, payload.as_ref());
        self.raise()?;
        if payload.len() > MOST_PAYLOAD {
            return Err(Error::TooLong(payload.len()));
        }
        Ok(stream.send(Chunk::message(Bytes::copy_from_slice(payload))).await?)
    }

    /// Receives one datagram, the whole of it; waits until there is one. (The original asks for a size, and ignores
    /// it.)
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected), also when the peer has closed and all was received;
    /// [`Failed`](Error::Failed).
    pub async fn recv(&mut self) -> Result<Bytes, Error> {
        loop {
            let receiving = self.stream()?.recv();
            let Some(chunk) = raising(self.checksums.as_ref(), receiving).await? else {
                return Err(Error::NotConnected);
            };
            if chunk.end && self.part.is_empty() {
                return Ok(chunk.data);
            }
            self.part.extend_from_slice(&chunk.data);
            if chunk.end {
                return Ok(self.part.split().freeze());
            }
        }
    }

    /// A step of the connection. The original needs it to make progress; here the stack sees to that, and it only
    /// tells whether the socket is still connected. If it is `blocking`, it first waits until there is something
    /// to receive, or the end.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected).
    pub async fn sync(&self, blocking: bool) -> Result<(), Error> {
        let stream = self.stream()?;
        self.raise()?;
        if blocking {
            let readable = async {
                stream.readable().await;
                Ok(())
            };
            raising(self.checksums.as_ref(), readable).await?;
        }
        if stream.is_over() { Err(Error::NotConnected) } else { Ok(()) }
    }

    /// Closes the socket. Of a connection, it waits until all that was sent has arrived and the peer has heard of the
    /// end; what was not received is thrown away, where the original waits for ever for somebody to receive it.
    ///
    /// # Errors
    ///
    /// [`Failed`](Error::Failed) if something may be missing at the peer.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.checksums = None;
        if let Inner::Established(stream) = &self.inner {
            let result = stream.close().await;
            self.inner = Inner::Closed;
            result?;
        }
        self.inner = Inner::Closed;
        Ok(())
    }

    /// The socket in words, as the original shows it: its state, pointers, windows and initial numbers. A socket
    /// that is not connected has a state only.
    ///
    /// # Errors
    ///
    /// [`Failed`](Error::Failed) if the stack does not answer.
    pub async fn text(&self) -> Result<String, Error> {
        let info = match &self.inner {
            Inner::Established(stream) => Some(stream.info().await?),
            Inner::Closed | Inner::Listen(_) | Inner::Dialling => None,
        };
        let shown = info.and_then(|info| info.shown);
        Ok(shown.unwrap_or_else(|| format!("SOCKET(STATE={})", self.state())))
    }

    /// Where the socket listens, or its end of the connection.
    pub const fn local_addr(&self) -> Option<SocketAddr> {
        match &self.inner {
            Inner::Listen(listener) => Some(listener.local_addr()),
            Inner::Established(stream) => Some(stream.local_addr()),
            Inner::Closed | Inner::Dialling => self.bound,
        }
    }

    /// The other end of the connection.
    pub const fn peer_addr(&self) -> Option<SocketAddr> {
        match &self.inner {
            Inner::Established(stream) => Some(stream.peer_addr()),
            Inner::Closed | Inner::Listen(_) | Inner::Dialling => None,
        }
    }
}

/// Waits for `done`, or for a wrong checksum to raise.
async fn raising<T>(
    checksums: Option<&Checksums>,
    done: impl Future<Output = Result<T, WireError>>,
) -> Result<T, Error> {
    let Some(checksums) = checksums else { return Ok(done.await?) };
    tokio::select! {
        biased;
        header = checksums.next() => Err(Error::ChecksumError(header)),
        done = done => Ok(done?),
    }
}
