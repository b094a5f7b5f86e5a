//! One connection as it is received: from the wire into the sink, without either waiting for a word about each
//! datagram.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use netmart::actors::address::Transport;
use netmart::proto::wires::Chunk;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::options::{Options, Stats};
use super::over;
use super::progress::Progress;
use super::sink::Target;
use super::stats::Summary;
use super::status::{Failure, Result, Status};

/// A connection that is received.
pub(super) struct Arrival {
    connection: Connection,
    over: Transport,
    target: Target,
    stats: Option<Stats>,
    stop: CancellationToken,
    octets: u64,
}

/// What is written at once, unless less has come.
const AT_ONCE: usize = 256 * 1024;

/// How long the peer may take to hear that we have closed as well. All that it sent is here, and it may be gone.
const COURTESY: Duration = Duration::from_secs(2);

/// How long a write may take when nobody wants to wait any more.
const GRACE: Duration = Duration::from_secs(1);

impl Arrival {
    pub(super) fn new(
        connection: Connection,
        target: &Target,
        options: &Options,
        stop: &CancellationToken,
    ) -> Self {
        let (over, stats) = (options.wire, options.stats);
        Self { connection, over, target: target.clone(), stats, stop: stop.clone(), octets: 0 }
    }

    /// Receives it to the end.
    pub(super) async fn receive(mut self) -> Result<()> {
        let (began, (local, peer)) = (Instant::now(), self.connection.ends());
        tracing::debug!(%peer, "connected");
        let received = self.receive_whole().await;
        let is_whole = received.is_ok();
        // TCP has none to tell when it is over.
        let before = self.connection.details().await;
        if is_whole && let Ok(Err(failure)) = timeout(COURTESY, self.connection.close()).await {
            tracing::debug!(%peer, %failure, "close");
        }
        let failure = received.err().map(|failure| from(peer, failure));
        if let Some(stats) = self.stats {
            let details = self.connection.details().await.or(before);
            let (over, octets, time) = (self.over, self.octets, began.elapsed());
            let failure = failure.clone();
            Summary { over, role: "recv", local, peer, octets, time, failure, details }.tell(stats);
        }
        if !is_whole {
            self.connection.abort();
        }
        failure.map_or(Ok(()), Err)
    }

    /// Receives until the peer has closed in order, and puts what came in its place.
    async fn receive_whole(&mut self) -> Result<()> {
        let mut sink = self.target.open(over::has_streams(self.over))?;
        let progress = Progress::new(None, self.target == Target::Output);
        let stop = self.stop.clone();
        loop {
            let batch = tokio::select! {
                batch = self.next_batch() => batch?,
                () = stop.cancelled() => return Err(stopped()),
            };
            let Some(chunks) = batch else { break };
            let octets = chunks.iter().map(|chunk| chunk.data.len() as u64).sum();
            self.octets += octets;
            let taken = spawn_blocking(move || sink.take(&chunks).map(|()| sink));
            sink = self.written(taken).await?;
            progress.add(octets);
        }
        let placed = spawn_blocking(move || sink.place());
        for path in self.written(placed).await? {
            tracing::debug!(path = %path.display(), "complete");
        }
        Ok(())
    }

    /// What has come by now; waits if nothing has. Nothing when the peer has closed in order.
    async fn next_batch(&self) -> Result<Option<Vec<Chunk>>> {
        let Some(first) = self.connection.recv().await? else { return Ok(None) };
        let mut octets = first.data.len();
        let mut chunks = vec![first];
        while octets < AT_ONCE {
            // The end, or an error, is told again.
            let Some(Ok(Some(chunk))) = self.connection.recv().now_or_never() else { break };
            octets += chunk.data.len();
            chunks.push(chunk);
        }
        Ok(Some(chunks))
    }

    /// Waits for something that is done on a thread where waiting harms nobody.
    async fn written<T>(&self, mut write: JoinHandle<Result<T>>) -> Result<T> {
        let done = tokio::select! {
            done = &mut write => Some(done),
            () = self.stop.cancelled() => timeout(GRACE, &mut write).await.ok(),
        };
        match done {
            Some(done) => done.unwrap_or_else(|error| Err(Failure::new(Status::Other, error))),
            None => Err(stopped()),
        }
    }
}

fn stopped() -> Failure {
    Failure::new(Status::Other, "stopped")
}

fn from(peer: SocketAddr, failure: Failure) -> Failure {
    // The peer has nothing to do with an output that cannot be written.
    if failure.status == Status::Output {
        failure
    } else {
        failure.during(format_args!("receiving from {peer}"))
    }
}
