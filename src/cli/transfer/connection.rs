//! A connection over any of the wires, as a transfer needs it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use netmart::net::{TcpStream, WireError, WireStream};
use netmart::proto::tcp::State;
use netmart::proto::wires::Chunk;
use netmart::wires::statistics::Statistics;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::time::{sleep, timeout};

use super::stats::Details;
use super::status::{Failure, Result, Status};

/// A connection. Who drops it closes it in order; [`abort`](Self::abort) is for what was not completed.
#[derive(Debug)]
pub(super) struct Connection {
    kind: Kind,
    /// Our address and the peer's.
    ends: (SocketAddr, SocketAddr),
    /// How long nothing may move.
    patience: Option<Duration>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Wire(WireStream),
}

/// The most that is read at once.
const MOST: usize = 64 * 1024;

/// Between two looks at a connection that is closing.
const LOOK: Duration = Duration::from_millis(20);

impl Connection {
    pub(super) fn tcp(
        stream: TcpStream,
        ends: (SocketAddr, SocketAddr),
        patience: Option<Duration>,
    ) -> Self {
        Self { kind: Kind::Tcp(stream), ends, patience }
    }

    pub(super) fn wire(stream: WireStream, patience: Option<Duration>) -> Self {
        let ends = (stream.local_addr(), stream.peer_addr());
        Self { kind: Kind::Wire(stream), ends, patience }
    }

    /// Our address and the peer's.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        self.ends
    }

    /// Sends a chunk: waits until it is taken over. What the peer says meanwhile is thrown away.
    pub(super) async fn send(&self, chunk: Chunk) -> Result<()> {
        self.watched(async {
            match &self.kind {
                Kind::Tcp(stream) => {
                    write_all(stream, &chunk.data).await.map_err(|error| Failure::tcp(&error))
                }
                Kind::Wire(stream) => send(stream, chunk).await.map_err(failure),
            }
        })
        .await
    }

    /// The next octets, or nothing when the peer has closed in order. Dropping the future loses nothing.
    pub(super) async fn recv(&self) -> Result<Option<Chunk>> {
        match &self.kind {
            Kind::Tcp(stream) => match self.patience {
                None => read(stream).await,
                Some(patience) => match timeout(patience, read(stream)).await {
                    Ok(chunk) => chunk,
                    Err(_) => Err(silent(patience)),
                },
            },
            // Its own patience has been set.
            Kind::Wire(stream) => stream.recv().await.map_err(failure),
        }
    }

    /// Closes the connection, and waits until all that was sent has arrived.
    pub(super) async fn close(&mut self) -> Result<()> {
        if let Kind::Tcp(stream) = &mut self.kind {
            stream.shutdown().await.map_err(|error| Failure::tcp(&error))?;
        }
        self.watched(async {
            match &self.kind {
                Kind::Tcp(stream) => delivered(stream).await,
                Kind::Wire(stream) => stream.close().await.map(drop).map_err(failure),
            }
        })
        .await
    }

    /// Gives it up, so that the peer does not take what it has for all there is.
    pub(super) fn abort(self) {
        match self.kind {
            // No linger: the peer gets a RST. That cannot fail.
            Kind::Tcp(mut stream) => drop(stream.set_zero_linger()),
            Kind::Wire(stream) => stream.abort(),
        }
    }

    /// What it knows about itself, if it can still be asked.
    pub(super) async fn details(&self) -> Option<Details> {
        match &self.kind {
            Kind::Tcp(stream) => stream.info().await.ok().map(|info| Details::Tcp(Box::new(info))),
            Kind::Wire(stream) => {
                let statistics = Statistics::of(stream.kind(), stream.info().await.ok()?);
                Some(Details::Wire(Box::new(statistics)))
            }
        }
    }

    /// How often the peer was heard.
    async fn heard(&self) -> Option<u64> {
        Some(match self.details().await? {
            Details::Tcp(info) => info.counters.segments_in,
            Details::Wire(statistics) => statistics.info().counters.packets_received,
        })
    }

    /// Does `work`, unless nothing is heard of the peer meanwhile for as long as patience lasts.
    async fn watched(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        let Some(patience) = self.patience else { return work.await };
        let mut work = std::pin::pin!(work);
        let (mut since, mut heard) = (Instant::now(), None);
        loop {
            if let Ok(done) = timeout(patience / 4, &mut work).await {
                return done;
            }
            let now = self.heard().await;
            if now != heard {
                (since, heard) = (Instant::now(), now);
            } else if since.elapsed() >= patience {
                return Err(silent(patience));
            }
        }
    }
}

fn silent(patience: Duration) -> Failure {
    let seconds = patience.as_secs_f64();
    Failure::new(Status::TimedOut, format_args!("nothing has moved for {seconds} s"))
}

/// Why a connection over one of the datagram wires was not made, or is over.
pub(super) fn failure(error: WireError) -> Failure {
    match &error {
        WireError::Refused(reason) | WireError::Closed(reason) => Failure::reason(reason),
        WireError::Lost => Failure::new(Status::Vanished, error),
        WireError::Write(_) => Failure::new(Status::Unfit, error),
        _ => Failure::new(Status::Other, error),
    }
}

async fn send(stream: &WireStream, chunk: Chunk) -> std::result::Result<(), WireError> {
    let mut sent = std::pin::pin!(stream.send(chunk));
    let mut hears = true;
    loop {
        tokio::select! {
            biased;
            sent = &mut sent => return sent,
            // A peer that cannot get rid of what it says may not listen either.
            heard = stream.recv(), if hears => hears = matches!(heard, Ok(Some(_))),
        }
    }
}

async fn write_all(stream: &TcpStream, mut octets: &[u8]) -> std::io::Result<()> {
    let mut scrap = [0; 4096];
    while !octets.is_empty() {
        match stream.try_write(octets) {
            Ok(taken) => octets = &octets[taken..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
                // Its window would close, and some peers wait for that to open again.
                if ready.is_readable() && matches!(stream.try_read(&mut scrap), Ok(0)) {
                    // It says no more, which is always readable.
                    stream.writable().await?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read(stream: &TcpStream) -> Result<Option<Chunk>> {
    let mut buffer = BytesMut::with_capacity(MOST);
    loop {
        match stream.try_read_buf(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(Chunk { stream: 0, data: buffer.freeze(), end: false })),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                stream.readable().await.map_err(|error| Failure::tcp(&error))?;
            }
            Err(error) => return Err(Failure::tcp(&error)),
        }
    }
}

/// Waits until all is acknowledged, our FIN as well.
async fn delivered(stream: &TcpStream) -> Result<()> {
    let mut scrap = [0; 4096];
    loop {
        // What the peer still says is thrown away; its end is no end of ours.
        while matches!(stream.try_read(&mut scrap), Ok(1..)) {}
        if let Some(error) = stream.take_error().ok().flatten() {
            return Err(Failure::tcp(&error));
        }
        match stream.info().await {
            Ok(info) if matches!(info.state, State::FinWait2 | State::TimeWait) => return Ok(()),
            Ok(info) if info.state == State::Closed => return over(stream),
            Ok(_) => sleep(LOOK).await,
            Err(_) => return over(stream),
        }
    }
}

/// The connection is over: in order, unless there is an error.
fn over(stream: &TcpStream) -> Result<()> {
    match stream.try_read(&mut [0]) {
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(Failure::tcp(&error)),
        _ => stream.take_error().ok().flatten().map_or(Ok(()), |error| Err(Failure::tcp(&error))),
    }
}
