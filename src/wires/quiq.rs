//! `quiq` as its original offers it: files in batches, each a stream of its own, and statistics.
//!
//! The names are the original's: `listen` and `connect_to` make the connection, `send_files` and `receive` carry a
//! batch, `close` ends it, `display_statistics` shows what was counted.
//!
//! Where the original counts wrongly, this does not: the total time begins with the stream that starts first, not
//! with the one that starts last; a stream of one packet takes no time and has no rate, where the original shows the
//! time of day; and a new batch begins with new counts. Empty files arrive as such, and files come out in the order
//! in which they were sent, not in that of their first packets.
//!
//! ```
//! use netmart::stack::Stack;
//! use netmart::wires::quiq::Socket;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let stack = Stack::builder().start_on_own_thread()?;
//! let receiving = stack.clone();
//! let receiver = tokio::spawn(async move {
//!     let mut receiver = Socket::new(&receiving);
//!     receiver.listen("127.0.0.1", 4269).await?;
//!     let files = receiver.receive().await?;
//!     assert_eq!(receiver.receive().await?, None);
//!     let statistics = receiver.display_statistics().await?;
//!     Ok::<_, netmart::wires::quiq::Error>((files, statistics))
//! });
//! let mut sender = Socket::new(&stack);
//! sender.connect_to("127.0.0.1", 4269).await?;
//! sender.send_files(["hello quiq", ""]).await?;
//! sender.close().await?;
//! let (files, statistics) = receiver.await??;
//! assert_eq!(files, Some(vec!["hello quiq".into(), "".into()]));
//! assert!(statistics.starts_with("All data\nnumber of streams: 2\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use netmart_proto::wires::{Chunk, Info, Kind, Reason, quiq};

use super::resolve;
use super::statistics::Statistics;
use crate::net::{WireError, WireListener, WireOptions, WireStream};
use crate::stack::Stack;

/// Octets of a stream that are handed on before it is the next one's turn.
const TURN: usize = 16 * 1024;

/// What goes wrong, by the original's names where it has some.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made. The original says this of a handshake that goes wrong, and waits for ever
    /// for one that does not come to its end.
    #[error("connection error: {0}")]
    ConnectionError(#[source] WireError),
    /// A frame of so many octets, its header included, does not fit a packet.
    #[error("a frame of {0} octets does not fit a packet")]
    ValueError(usize),
    /// The socket is not connected, or is not any more.
    #[error("not connected")]
    NotConnected,
    /// The host's name leads nowhere.
    #[error("could not find the host: {0}")]
    Host(#[from] io::Error),
    /// The connection has failed, which the original does not notice.
    #[error(transparent)]
    Failed(WireError),
}

/// One connection: whoever connects sends, whoever listens receives.
#[derive(Debug)]
pub struct Socket {
    stack: Stack,
    options: WireOptions,
    stream: Option<WireStream>,
    /// The files of the batch that is being received.
    files: BTreeMap<u32, BytesMut>,
    /// What was known at last of a connection that is over.
    last: Option<Info>,
}

impl Socket {
    /// A socket that is not connected.
    pub fn new(stack: &Stack) -> Self {
        Self::with_options(stack, WireOptions::default())
    }

    /// The same with other options.
    pub fn with_options(stack: &Stack, options: WireOptions) -> Self {
        let (stack, files) = (stack.clone(), BTreeMap::new());
        Self { stack, options, stream: None, files, last: None }
    }

    /// Sends frames of `size` octets, their headers of 16 included, on connections that are made from now on. The
    /// original draws a size from 1000 to 1999 for each stream; this one draws it where it speaks to an original,
    /// and else makes packets that pass any network uncut.
    ///
    /// # Errors
    ///
    /// [`ValueError`](Error::ValueError) if such a frame does not fit a packet.
    pub fn set_frame_size(&mut self, size: usize) -> Result<(), Error> {
        let size = quiq::SocketError::check_frame_size(size);
        let size = size.map_err(|error| match error {
            quiq::SocketError::ValueError(size) => Error::ValueError(size),
            quiq::SocketError::ConnectionError(reason) | quiq::SocketError::Failed(reason) => {
                Error::Failed(WireError::Closed(reason))
            }
            quiq::SocketError::NotTaken(error) => Error::Failed(error.into()),
        })?;
        self.options.config.chunk = Some(size - quiq::FRAME_HEADER);
        Ok(())
    }

    /// Waits at `port` of `host` for one client.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`](Error::ConnectionError) if the port or the address cannot be had.
    pub async fn listen(&mut self, host: &str, port: u16) -> Result<SocketAddr, Error> {
        let address = resolve((host, port)).await?;
        let options = self.options.clone();
        let listener = WireListener::bind(&self.stack, Kind::Quiq, address, options).await;
        let accepted = listener.map_err(Error::ConnectionError)?.accept().await;
        let (stream, peer) = accepted.map_err(Error::ConnectionError)?;
        self.stream = Some(stream);
        Ok(peer)
    }

    /// Connects to who listens at `port` of `host`.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`](Error::ConnectionError) if nobody answers there as the protocol wants it.
    pub async fn connect_to(&mut self, host: &str, port: u16) -> Result<(), Error> {
        let address = resolve((host, port)).await?;
        let options = self.options.clone();
        let stream = WireStream::connect(&self.stack, Kind::Quiq, address, options).await;
        self.stream = Some(stream.map_err(Error::ConnectionError)?);
        Ok(())
    }

    fn stream(&self) -> Result<&WireStream, Error> {
        self.stream.as_ref().ok_or(Error::NotConnected)
    }

    /// Sends a batch of files, each as a stream of its own; they take turns. It returns when there is room for
    /// more; [`close`](Self::close) waits until everything has arrived.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected), [`Failed`](Error::Failed).
    pub async fn send_files<F>(&self, files: impl IntoIterator<Item = F>) -> Result<(), Error>
    where
        F: Into<Bytes>,
    {
        let stream = self.stream()?;
        let mut files: Vec<_> = (1..).zip(files.into_iter().map(Into::<Bytes>::into)).collect();
        while !files.is_empty() {
            for (number, file) in &mut files {
                let data = file.split_to(file.len().min(TURN));
                let chunk = Chunk { stream: *number, data, end: file.is_empty() };
                stream.send(chunk).await.map_err(failed)?;
            }
            files.retain(|(_, file)| !file.is_empty());
        }
        let border = Chunk { stream: 0, data: Bytes::new(), end: true };
        stream.send(border).await.map_err(failed)
    }

    /// The files of the next batch, in the order in which they were sent, or nothing when the sender has closed.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected); [`Failed`](Error::Failed) if something is missing.
    pub async fn receive(&mut self) -> Result<Option<Vec<Bytes>>, Error> {
        loop {
            let Some(chunk) = self.stream()?.recv().await.map_err(failed)? else {
                // Without the end of its batch a file is none.
                self.files.clear();
                return Ok(None);
            };
            if chunk.stream == 0 {
                let files = std::mem::take(&mut self.files);
                return Ok(Some(files.into_values().map(BytesMut::freeze).collect()));
            }
            self.files.entry(chunk.stream).or_default().extend_from_slice(&chunk.data);
        }
    }

    /// Ends the connection; all that was sent has arrived. What was not received is thrown away.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected); [`Failed`](Error::Failed) if something may be missing at the
    /// receiver.
    pub async fn close(&mut self) -> Result<(), Error> {
        let info = self.stream()?.close().await;
        self.stream = None;
        self.last = Some(info.map_err(failed)?);
        Ok(())
    }

    /// What was counted.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](Error::NotConnected), before the socket is.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        let info = match (&self.stream, &self.last) {
            (Some(stream), _) => stream.info().await.map_err(failed)?,
            (None, Some(info)) => info.clone(),
            (None, None) => return Err(Error::NotConnected),
        };
        Ok(Statistics::of(Kind::Quiq, info))
    }

    /// The statistics with the original's fields and units, a line each: of all data, then of each stream.
    ///
    /// # Errors
    ///
    /// As those of [`statistics`](Self::statistics).
    pub async fn display_statistics(&self) -> Result<String, Error> {
        Ok(self.statistics().await?.to_string())
    }
}

fn failed(error: WireError) -> Error {
    match error {
        WireError::Closed(Reason::Normal) => Error::NotConnected,
        error => Error::Failed(error),
    }
}
