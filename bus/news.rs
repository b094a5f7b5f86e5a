//! A change on its way to its watchers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::actor::{Notice, Watchable};
use crate::id::{ActorId, EventId};
use crate::routing::{Entry, Rank};
use crate::space::Space;
use crate::topic::Change;

/// A watcher of `F`, as it hangs on the pattern it watches.
pub(crate) struct Watch<F> {
    pub(crate) target: Rc<dyn Notice<F>>,
    /// Whose it is, and which role of interest it watches; facts have no role.
    pub(crate) rank: Rank,
}

impl<F> Entry for Watch<F> {
    fn rank(&self) -> Rank {
        self.rank
    }
}

/// The fan-out of one change. It lives outside the drain loop, so that a panic of one watcher does
/// not lose the change for the others.
pub(crate) struct News<F> {
    change: RefCell<Option<Change<F>>>,
    targets: RefCell<VecDeque<Rc<dyn Notice<F>>>>,
    cause: Cell<EventId>,
}

impl<F: Watchable> News<F> {
    pub(crate) fn new() -> Self {
        Self {
            change: RefCell::new(None),
            targets: RefCell::default(),
            cause: Cell::new(EventId::NONE),
        }
    }

    /// Gathers the watchers: oldest actor first, each once.
    pub(crate) fn gather<'a>(&self, watches: impl FnOnce(&mut dyn FnMut(&'a Watch<F>))) -> usize
    where
        F: 'a,
    {
        let mut targets = self.targets.borrow_mut();
        targets.clear();
        let mut sorted = true;
        let mut last = ActorId::HOST;
        watches(&mut |watch| {
            if watch.target.is_live() {
                sorted &= last < watch.rank.actor();
                last = watch.rank.actor();
                targets.push_back(Rc::clone(&watch.target));
            }
        });
        if !sorted {
            let targets = targets.make_contiguous();
            targets.sort_by_key(|target| target.id());
        }
        let mut last = ActorId::HOST;
        targets.retain(|target| std::mem::replace(&mut last, target.id()) != target.id());
        targets.len()
    }

    /// Tells who has been gathered.
    pub(crate) fn recipients(&self, each: &mut dyn FnMut(ActorId)) {
        self.targets.borrow().iter().for_each(|target| each(target.id()));
    }

    /// Makes `target` the only recipient.
    pub(crate) fn address(&self, target: Rc<dyn Notice<F>>) {
        let mut targets = self.targets.borrow_mut();
        targets.clear();
        targets.push_back(target);
    }

    /// Delivers `change` to those gathered.
    pub(crate) fn deliver(&self, space: &Space, channel: u16, cause: EventId, change: Change<F>) {
        self.cause.set(cause);
        *self.change.borrow_mut() = Some(change);
        space.in_flight.set(Some(channel));
        self.resume(space);
        space.in_flight.set(None);
    }

    /// Goes on with whoever has not been told.
    pub(crate) fn resume(&self, space: &Space) {
        loop {
            let (target, last) = {
                let mut targets = self.targets.borrow_mut();
                let Some(target) = targets.pop_front() else { break };
                (target, targets.is_empty())
            };
            let change =
                if last { self.change.borrow_mut().take() } else { self.change.borrow().clone() };
            let Some(change) = change else { break };
            space.tally.noticed.add(1);
            target.notice(space, self.cause.get(), change);
        }
        self.change.borrow_mut().take();
    }

    pub(crate) fn clear(&self) {
        self.targets.borrow_mut().clear();
        self.change.borrow_mut().take();
    }
}
