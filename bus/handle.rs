//! The handle of an interest or fact.

use std::rc::{Rc, Weak};

use crate::space::Space;

/// Holds an interest or a fact. Dropping it retracts, in its place in the order: after what was
/// done before the drop, before what is done after it.
///
/// When the actor ends first, the handle holds nothing any more.
#[must_use = "dropping a handle retracts what it holds; `keep` it to hold on as long as the actor lives"]
#[derive(Debug)]
pub struct Handle {
    space: Weak<Space>,
    lease: u32,
    generation: u32,
}

impl Handle {
    pub(crate) fn new(space: &Weak<Space>, (lease, generation): (u32, u32)) -> Self {
        Self { space: Weak::clone(space), lease, generation }
    }

    /// Holds on for as long as the actor lives (the host's: as long as the dataspace).
    pub fn keep(mut self) {
        self.space = Weak::new();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(space) = Weak::upgrade(&self.space) {
            Rc::as_ref(&space).retract_later(self.lease, self.generation);
        }
    }
}
