//! `cs488` as its original offers it: a client that sends a file, a server that writes it.
//!
//! The original is two programs, `client.py HOST PORT < FILE` and `server.py PORT > FILE`; here they are
//! [`Client`] and [`Server`], whose input and output are any reader and writer. One client, one server, one file:
//! whoever wants more makes more of them, or uses [`WireListener`].
//!
//! Other than the original's, they carry any octets between each other, NULs at the end included; the server waits
//! for its client as long as it takes, and listens where it is told to rather than on 127.0.0.1 only. Towards an
//! original, what cannot be said (NULs at the end, or no UTF-8) ends in an error.
//!
//! ```
//! use netmart::stack::Stack;
//! use netmart::wires::cs488::{Client, Server};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let stack = Stack::builder().start_on_own_thread()?;
//! let mut server = Server::bind(&stack, "127.0.0.1:0").await?;
//! let mut client = Client::new(&stack, "127.0.0.1", server.local_addr().port());
//! let mut file = Vec::new();
//! let (sent, received) =
//!     tokio::join!(client.send(&b"hello\ntail\n"[..]), server.receive(&mut file));
//! assert_eq!(file, b"hello\ntail\n");
//! assert_eq!((sent?.bytes, received?.bytes), (11, 11));
//! assert_eq!((client.exit_status(), server.exit_status()), (0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use netmart_proto::wires::{Chunk, Info, Kind, cs488};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::ToSocketAddrs;

use super::resolve;
use crate::net::{WireError, WireListener, WireOptions, WireStream};
use crate::stack::Stack;

/// Octets read at a time.
const PORTION: usize = 64 * 1024;

/// Why a file did not get across.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made, or has failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The input could not be read.
    #[error("could not read the input: {0}")]
    Input(#[source] io::Error),
    /// The output could not be written. The client learns nothing of it but silence.
    #[error("could not write the output: {0}")]
    Output(#[source] io::Error),
    /// The host's name leads nowhere.
    #[error("could not find the host: {0}")]
    Host(#[source] io::Error),
}

/// What the original counts and never shows. It takes each packet for 512 octets; here those count that the file
/// has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// From the first data to the last.
    pub elapsed: Duration,
    /// Octets of the file.
    pub bytes: u64,
}

impl Counters {
    fn of(info: &Info) -> Self {
        let counters = &info.counters;
        Self { elapsed: counters.elapsed(), bytes: counters.octets_sent + counters.octets_received }
    }

    /// Kilobits per second, which are `bytes / 125 / seconds`; nothing where no time has passed.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        (seconds > 0.0).then(|| self.bytes as f64 / 125.0 / seconds)
    }
}

/// Seconds with three decimals, the rate with two.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s, {} bytes", self.elapsed.as_secs_f64(), self.bytes)?;
        match self.rate() {
            Some(rate) => write!(f, ", {rate:.2} kbit/s"),
            None => Ok(()),
        }
    }
}

/// The original's exit status of what was done last: 0, or 1 where it failed.
fn status<T>(result: &Result<T, Error>) -> u8 {
    match result {
        Ok(_) => 0,
        Err(Error::Wire(WireError::Refused(reason) | WireError::Closed(reason))) => {
            cs488::exit_status(reason)
        }
        Err(_) => 1,
    }
}

/// The side that sends.
#[derive(Debug)]
pub struct Client {
    stack: Stack,
    host: String,
    port: u16,
    options: WireOptions,
    status: u8,
}

impl Client {
    /// A client of the server at `port` of `host`, a name or an address.
    pub fn new(stack: &Stack, host: &str, port: u16) -> Self {
        let options = WireOptions::default();
        Self { stack: stack.clone(), host: host.to_owned(), port, options, status: 0 }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: WireOptions) -> Self {
        self.options = options;
        self
    }

    /// Sends all that `input` gives, and waits until the server has it.
    ///
    /// Dropping the future leaves the server without an end, so that it does not take the part for the whole.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, or not everything arrives: see [`Error`].
    pub async fn send(&mut self, input: impl AsyncRead + Unpin) -> Result<Counters, Error> {
        let result = self.run(input).await;
        self.status = status(&result);
        result
    }

    async fn run(&self, input: impl AsyncRead + Unpin) -> Result<Counters, Error> {
        let address = resolve((self.host.as_str(), self.port)).await.map_err(Error::Host)?;
        let options = self.options.clone();
        let stream = WireStream::connect(&self.stack, Kind::Cs488, address, options).await?;
        let stream = Unfinished(Some(stream));
        stream.send_all(input).await?;
        Ok(Counters::of(&stream.finished().close().await?))
    }

    /// 0, or 1 if the last file did not get across.
    pub const fn exit_status(&self) -> u8 {
        self.status
    }
}

/// A stream that is given up, not closed, if the file does not come to its end.
struct Unfinished(Option<WireStream>);

impl Unfinished {
    async fn send_all(&self, mut input: impl AsyncRead + Unpin) -> Result<(), Error> {
        let Some(stream) = &self.0 else { return Ok(()) };
        let mut portion = BytesMut::new();
        loop {
            portion.reserve(PORTION);
            if input.read_buf(&mut portion).await.map_err(Error::Input)? == 0 {
                return Ok(());
            }
            let data = portion.split().freeze();
            stream.send(Chunk { stream: 0, data, end: false }).await?;
        }
    }

    fn finished(mut self) -> WireStream {
        self.0.take().expect("it is taken only here, and by its end")
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.abort();
        }
    }
}

/// The side that receives.
#[derive(Debug)]
pub struct Server {
    listener: WireListener,
    status: u8,
}

impl Server {
    /// A server at `port` of every address; the original's is at 127.0.0.1 only.
    ///
    /// # Errors
    ///
    /// If the port is taken.
    pub async fn new(stack: &Stack, port: u16) -> Result<Self, Error> {
        Self::bind(stack, ("0.0.0.0", port)).await
    }

    /// A server at `address`; a port of 0 leaves the choice to the stack.
    ///
    /// # Errors
    ///
    /// If the address or the port cannot be had.
    pub async fn bind(stack: &Stack, address: impl ToSocketAddrs) -> Result<Self, Error> {
        Self::bind_with(stack, address, WireOptions::default()).await
    }

    /// The same with other options.
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind).
    pub async fn bind_with(
        stack: &Stack,
        address: impl ToSocketAddrs,
        options: WireOptions,
    ) -> Result<Self, Error> {
        let address = resolve(address).await.map_err(Error::Host)?;
        let listener = WireListener::bind(stack, Kind::Cs488, address, options).await?;
        Ok(Self { listener, status: 0 })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Waits for a client, and writes to `output` all that it sends, up to its end.
    ///
    /// # Errors
    ///
    /// If the output cannot be written, or the client's file does not come to its end: what was written is then
    /// a part only.
    pub async fn receive(&mut self, output: impl AsyncWrite + Unpin) -> Result<Counters, Error> {
        let result = self.run(output).await;
        self.status = status(&result);
        result
    }

    async fn run(&self, mut output: impl AsyncWrite + Unpin) -> Result<Counters, Error> {
        let (stream, _client) = self.listener.accept().await?;
        while let Some(chunk) = stream.recv().await? {
            if let Err(error) = output.write_all(&chunk.data).await {
                stream.abort();
                return Err(Error::Output(error));
            }
        }
        output.flush().await.map_err(Error::Output)?;
        Ok(Counters::of(&stream.close().await?))
    }

    /// 0, or 1 if the last file did not get across.
    pub const fn exit_status(&self) -> u8 {
        self.status
    }
}
