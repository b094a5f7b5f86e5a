//! A running stack: a dataspace hosted by an actix actor, with links to the world.
//!
//! [`Stack::builder`] describes it, [`start`](Builder::start) runs it on the arbiter of the caller,
//! [`start_on_own_thread`](Builder::start_on_own_thread) anywhere else. The [`Stack`] that comes back is a
//! handle: clone it, send it to other threads, give it to [`netmart::net`](crate::net). Applications that
//! are actors on the bus are spawned with [`Stack::with`].
//!
//! ```
//! use netmart::stack::{Link, Stack, wire};
//! use netmart::sim::WireConfig;
//!
//! # actix_rt::System::new().block_on(async {
//! let (near, far) = wire(WireConfig::default(), 7);
//! let client = Stack::builder().link(Link::wire(near).address("10.0.0.1/24".parse()?)).start()?;
//! let server = Stack::builder().link(Link::wire(far).address("10.0.0.2/24".parse()?)).start()?;
//! let actors = server.with(|dataspace| dataspace.actors().len()).await?;
//! assert!(actors > 0);
//! client.shutdown().await;
//! server.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod builder;
mod capture;
pub(crate) mod clock;
mod closing;
mod host;
mod impaired;
mod mailbox;
mod memory;
mod narrator;
pub(crate) mod touch;
mod tun;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netmart_actors::ledger::Discards;
use netmart_actors::link::Volume;
use netmart_actors::message::LinkId;
use netmart_bus::{Counters, Dataspace, Footprint};
use netmart_proto::netem;
use tokio::sync::oneshot;

pub use self::builder::{Builder, Link, StartError};
pub use self::capture::Capture;
pub(crate) use self::host::Inside;
pub(crate) use self::mailbox::{Command, Mailbox};
pub use self::memory::{WireEnd, wire};
use self::touch::FaceId;
use crate::sockets::SocketsReport;

/// How long [`Stack::shutdown`] lets connections end in order.
pub const GRACE: Duration = Duration::from_secs(5);

/// A handle of a running stack. When the last one is dropped, those that sockets hold included, the
/// stack shuts down.
#[derive(Clone)]
pub struct Stack {
    shared: Arc<Shared>,
}

/// What all handles of a stack share.
struct Shared {
    mailbox: Arc<Mailbox>,
    names: Arc<Names>,
    settings: Settings,
}

/// Gives names that it has not given before.
#[derive(Default)]
pub(crate) struct Names(AtomicU64);

/// Lower names are left to applications that dial on the bus: see
/// [`ConnectionKey::outbound`](netmart_actors::message::ConnectionKey::outbound).
const FIRST_NAME: u64 = (1 << 32) + 1;

impl Names {
    /// A fresh one.
    pub(crate) fn fresh(&self) -> u64 {
        FIRST_NAME + self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// What ends that applications hold need to know of their stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Octets that may be on their way to the user of a connection.
    pub(crate) window: usize,
    /// Connections that a listener's user may leave waiting.
    pub(crate) backlog: usize,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A host that has ended needs no telling.
        let _ = self.mailbox.push(Command::ShutDown { grace: GRACE, done: None });
    }
}

/// Why a stack did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The stack has been shut down.
    #[error("the stack has been shut down")]
    Gone,
    /// Too many requests wait to be served.
    #[error("too many requests to the stack wait to be served")]
    Busy,
}

impl From<StackError> for io::Error {
    fn from(error: StackError) -> Self {
        let kind = match error {
            StackError::Gone => io::ErrorKind::NetworkDown,
            StackError::Busy => io::ErrorKind::ResourceBusy,
        };
        Self::new(kind, error)
    }
}

/// Numbers about a running stack.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the dataspace has done.
    pub bus: Counters,
    /// What it holds.
    pub footprint: Footprint,
    /// What was discarded, by place and reason.
    pub discards: Discards,
    /// What the links have carried.
    pub links: BTreeMap<LinkId, LinkReport>,
    /// What sockets of the operating system have carried, if the stack has any.
    pub sockets: Option<SocketsReport>,
}

/// What a link has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkReport {
    /// What the device has delivered.
    pub received: Volume,
    /// What the device has taken.
    pub sent: Volume,
    /// What found no room while the device was busy.
    pub dropped: Volume,
    /// How many packets of those it took the device refused after all.
    pub refused: u64,
    /// How many batches of received packets the stack was too busy for.
    pub overrun: u64,
    /// What a [bad network](Link::impaired) behind the link did to what was sent.
    pub impaired: Option<netem::Counters>,
}

impl Stack {
    /// A stack to be described and started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(mailbox: Arc<Mailbox>, settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { mailbox, names: Arc::default(), settings }) }
    }

    /// Calls `act` with the dataspace of the stack, on the stack's thread and between two turns, and
    /// returns what it returns. What it spawns or injects takes effect at once after it.
    ///
    /// The call is made even if the future is dropped after its first poll.
    ///
    /// # Errors
    ///
    /// If the stack has been shut down, also when that happens before the call was made.
    pub async fn with<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Dataspace) -> R + Send + 'static,
    ) -> Result<R, StackError> {
        self.ask(|inside| act(&mut inside.dataspace)).await
    }

    /// Numbers about the stack.
    ///
    /// # Errors
    ///
    /// If the stack has been shut down.
    pub async fn report(&self) -> Result<Report, StackError> {
        self.ask(|inside| inside.report()).await
    }

    /// Shuts the stack down and waits until that is done: listeners end first; each connection sends
    /// what was written and then FIN, or RST where data was not read; what has not ended after
    /// [`GRACE`] is aborted.
    pub async fn shutdown(&self) {
        self.shutdown_within(GRACE).await;
    }

    /// Like [`shutdown`](Self::shutdown), with another time for connections to end in order.
    pub async fn shutdown_within(&self, grace: Duration) {
        let (done, is_done) = oneshot::channel();
        if self.push(Command::ShutDown { grace, done: Some(done) }).is_ok() {
            // An error means that the host has ended: that will do as well.
            let _ = is_done.await;
        }
    }

    async fn ask<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Inside) -> R + Send + 'static,
    ) -> Result<R, StackError> {
        let (reply, replied) = oneshot::channel();
        self.call(move |inside| {
            // Whoever asked may have gone.
            let _ = reply.send(act(inside));
        })?;
        replied.await.map_err(|_| StackError::Gone)
    }

    /// Has `act` called between turns, sometime soon.
    pub(crate) fn call(
        &self,
        act: impl FnOnce(&mut Inside) + Send + 'static,
    ) -> Result<(), StackError> {
        self.push(Command::Call(Box::new(act)))
    }

    pub(crate) fn push(&self, command: Command) -> Result<(), StackError> {
        self.shared.mailbox.push(command)
    }

    /// What names the ends of this stack.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.shared.names)
    }

    pub(crate) fn fresh_face(&self) -> FaceId {
        FaceId(self.shared.names.fresh())
    }

    pub(crate) fn settings(&self) -> Settings {
        self.shared.settings
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
