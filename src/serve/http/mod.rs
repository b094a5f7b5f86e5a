//! A web server for the files of a directory: hyper, on whatever streams it is given.
//!
//! | module | its question |
//! |---|---|
//! | `path` | which file does a request name, and may it? |
//! | `range` | which part of it is wanted? |
//! | `files` | what is there, and where do uploads go? |
//! | `listing` | how does a directory look? |
//! | `respond` | what is the answer? |

mod files;
mod listing;
mod path;
mod range;
mod respond;

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::files::Tree;

/// A directory, and what clients may do with it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    tree: Tree,
    access: Access,
}

/// What clients may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    /// PUT as well.
    Writable,
}

/// How long a client may take for the head of a request, or leave us waiting for more of its body.
const PATIENCE: Duration = Duration::from_secs(60);

impl Site {
    /// The files below `directory`.
    ///
    /// # Errors
    ///
    /// When there is no such directory, or it may not be opened.
    pub(crate) fn open(directory: &Path, access: Access) -> io::Result<Self> {
        Ok(Self { tree: Tree::open(directory)?, access })
    }

    /// Serves one connection until its client leaves. When `stop` is cancelled the request under way is
    /// answered to its end, and no other is taken.
    ///
    /// # Errors
    ///
    /// When the client breaks off or does not speak HTTP.
    pub(crate) async fn serve<S>(&self, stream: S, stop: &CancellationToken) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let answer = service_fn(async |request| Ok::<_, Infallible>(self.respond(request).await));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            // A client that has said all it wants to still waits for the answer.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), answer);
        let mut connection = pin!(connection);
        tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }
}

#[cfg(test)]
mod tests;
