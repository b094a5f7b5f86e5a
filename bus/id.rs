//! Names for actors and events.

use core::fmt;

/// An actor of one dataspace.
///
/// Numbered in the order of spawning, from 1; a number is never given out twice, so an id that
/// outlived its actor names nobody. Older actors order before younger ones, and that is also the
/// order in which the recipients of one message receive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(u64);

impl ActorId {
    /// Not an actor: the host that steps the dataspace, as the sender of what it injects.
    pub const HOST: Self = Self(0);

    /// The id with this number, as found in a trace.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number: how many actors had been spawned when this one was, itself included.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HOST => f.write_str("host"),
            Self(number) => write!(f, "actor {number}"),
        }
    }
}

/// An event of one dataspace: something that was sent, stated, retracted, spawned or fired.
///
/// Numbered from 1 in the order in which the events were *asked for*; the numbers of events that a
/// panic rolled back are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u64);

impl EventId {
    /// No event: the cause of what the host does of its own accord.
    pub const NONE: Self = Self(0);

    /// The id with this number, as found in a trace.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
