//! Numbers about a dataspace.

use std::cell::Cell;

/// What a dataspace has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Events taken from the queue.
    pub events: u64,
    /// Messages routed.
    pub sent: u64,
    /// Deliveries of messages to actors; one message may have many.
    pub delivered: u64,
    /// Messages that no interest matched.
    pub unmatched: u64,
    /// Messages dropped because the queue was at its limit.
    pub dropped: u64,
    /// Facts that came to hold.
    pub appeared: u64,
    /// Facts that ceased to hold.
    pub gone: u64,
    /// Deliveries of snapshots and changes to watchers.
    pub noticed: u64,
    /// Actors spawned.
    pub spawned: u64,
    /// Actors that ended, however they did.
    pub ended: u64,
    /// Panics contained, in turns and in the `Drop` of actors.
    pub panics: u64,
    /// Timers set or set again.
    pub timers_set: u64,
    /// Timers that came due and took a turn.
    pub timers_fired: u64,
}

/// What a dataspace holds at the moment, for leak tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Footprint {
    /// Actors alive.
    pub actors: usize,
    /// Interests and facts held by somebody, each counted per holder.
    pub leases: usize,
    /// Timers set.
    pub timers: usize,
    /// Events in the queue.
    pub queued: usize,
}

macro_rules! tally {
    ($($name:ident)*) => {
        /// The counters while they count.
        #[derive(Debug, Default)]
        pub(crate) struct Tally { $( pub(crate) $name: Count, )* }

        impl Tally {
            pub(crate) fn counters(&self) -> Counters {
                Counters { $( $name: self.$name.0.get(), )* }
            }
        }
    };
}

tally! {
    events sent delivered unmatched dropped appeared gone noticed spawned ended panics timers_set
    timers_fired
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Count(Cell<u64>);

impl Count {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.set(self.0.get().wrapping_add(count));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}
