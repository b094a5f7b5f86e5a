//! Services that are a task per connection.

use std::io;
use std::net::SocketAddr;

use netmart::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of all services, and the word that ends them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `session` for every connection made to `listener`, until told to stop.
    pub(crate) fn serve<F>(
        &self,
        listener: TcpListener,
        session: impl Fn(TcpStream, SocketAddr, CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { tracker, stop } = self.clone();
        self.tracker.spawn(async move {
            while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                match accepted {
                    Ok((stream, peer)) => {
                        tracker.spawn(session(stream, peer, stop.clone()));
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::error!(%error, "no further connections are accepted");
                        return;
                    }
                }
            }
        });
    }

    /// Lets the services end, and waits until the last connection is served.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Whether the connection failed, and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
