//! How many connections a stack has, whatever carries them.

use std::cell::Cell;
use std::rc::Rc;

/// Connections of a stack: what its limit is compared with.
#[derive(Debug, Default)]
pub(crate) struct Census {
    tcp: Cell<usize>,
    wires: Cell<usize>,
}

impl Census {
    /// The codec of TCP knows so many.
    pub(crate) fn tcp_has(&self, connections: usize) {
        self.tcp.set(connections);
    }

    /// Connections over wires.
    pub(crate) fn on_wires(&self) -> usize {
        self.wires.get()
    }

    /// All connections.
    pub(crate) fn total(&self) -> usize {
        self.tcp.get() + self.wires.get()
    }
}

/// That a session over a wire exists. It is counted as long as this lives, so a crash is no exception.
#[derive(Debug)]
pub(crate) struct Counted(Rc<Census>);

impl Counted {
    pub(crate) fn in_census(census: &Rc<Census>) -> Self {
        census.wires.set(census.wires.get() + 1);
        Self(Rc::clone(census))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.wires.set(self.0.wires.get().saturating_sub(1));
    }
}
