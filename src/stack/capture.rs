//! A capture file for the links of a stack or a simulation.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use netmart_actors::address::Direction;
use netmart_actors::link;
use netmart_proto::Instant;
use netmart_proto::wire::Packet;

use crate::link::tap::{self, InterfaceId, Tap, TapCounters};

/// A pcapng file that any number of links write to. Clones write to the same file.
pub struct Capture<W: Write = BufWriter<File>>(Arc<Mutex<Option<Tap<W>>>>);

impl Capture {
    /// Starts a capture in a new file, replacing an old one of that name.
    ///
    /// # Errors
    ///
    /// When the file cannot be created or written.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Tap::create(path).map(Self::new)
    }
}

impl<W: Write + Send + 'static> Capture<W> {
    /// Shares `tap` among links.
    pub fn new(tap: Tap<W>) -> Self {
        Self(Arc::new(Mutex::new(Some(tap))))
    }

    /// The tap for a link that is called `name` in the file.
    pub fn interface(&self, name: &str) -> Box<dyn link::Tap + Send> {
        let interface = self.with(|tap| tap.add_interface(name));
        Box::new(Interface { capture: self.clone(), interface })
    }

    /// Ends the capture; what links carry from now on is not written.
    ///
    /// # Errors
    ///
    /// The first error that writing met, flushing included.
    pub fn finish(&self) -> io::Result<TapCounters> {
        let tap = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        tap.map_or(Ok(TapCounters::default()), Tap::finish)
    }

    fn with<R>(&self, act: impl FnOnce(&mut Tap<W>) -> R) -> Option<R> {
        let mut tap = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tap.as_mut().map(act)
    }
}

impl<W: Write> Clone for Capture<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The tap of one link; none of the file's interfaces if the capture had ended before.
struct Interface<W: Write> {
    capture: Capture<W>,
    interface: Option<InterfaceId>,
}

impl<W: Write + Send + 'static> link::Tap for Interface<W> {
    fn captured(&mut self, direction: Direction, packet: &Packet, at: Instant) {
        let Some(interface) = self.interface else { return };
        let direction = match direction {
            Direction::Inbound => tap::Direction::Inbound,
            Direction::Outbound => tap::Direction::Outbound,
        };
        self.capture.with(|tap| tap.record(interface, direction, at, packet));
    }
}
