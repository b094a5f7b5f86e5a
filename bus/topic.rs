//! What travels on the bus: messages, and facts that hold for a while.

use core::fmt::{self, Debug};
use core::hash::Hash;

use crate::key::Key;

/// The pattern type of a topic.
pub type PatternOf<T> = <<T as Topic>::Key as Key>::Pattern;

/// A kind of message or fact: a plain struct that contains its routing key.
pub trait Topic: Clone + Debug + 'static {
    /// The fields it is routed by; `()` when everybody interested hears everything.
    type Key: Key;

    /// The topic's name in traces and explanations.
    const NAME: &'static str;

    /// What becomes of a send when the dataspace's queue is at its limit.
    const WHEN_FULL: WhenFull = WhenFull::Drop;

    /// The key of this message or fact.
    fn key(&self) -> &Self::Key;

    /// Writes one line about this message for traces.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn summarize(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// Makes a struct a [`Topic`]: by its name, and the field that is its key if it is routed by one.
///
/// ```
/// use netmart_bus::{Topic, key, topic};
///
/// key! {
///     /// A room.
///     struct Room / RoomPattern { number: u32 }
/// }
///
/// /// Somebody knocks at a door.
/// #[derive(Clone, Debug)]
/// struct Knock { at: Room }
///
/// /// It burns: everybody hears that.
/// #[derive(Clone, Debug)]
/// struct Alarm;
///
/// topic!(Knock, "knock", at: Room);
/// topic!(Alarm, "alarm");
///
/// assert_eq!(Knock { at: Room { number: 4 } }.key().number, 4);
/// assert_eq!(Alarm::NAME, "alarm");
/// ```
#[macro_export]
macro_rules! topic {
    ($topic:ty, $name:literal) => {
        impl $crate::Topic for $topic {
            type Key = ();
            const NAME: &'static str = $name;

            fn key(&self) -> &() {
                &()
            }
        }
    };
    ($topic:ty, $name:literal, $field:ident: $key:ty) => {
        impl $crate::Topic for $topic {
            type Key = $key;
            const NAME: &'static str = $name;

            fn key(&self) -> &$key {
                &self.$field
            }
        }
    };
}

/// A topic whose values can be stated, and compared to count who states the same.
pub trait Fact: Topic + Eq + Hash {}

impl<T: Topic + Eq + Hash> Fact for T {}

/// What becomes of a send when the queue is at its limit. Both are counted and traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The message is dropped; the sender goes on.
    Drop,
    /// The message is dropped and its sender stopped, which is told as
    /// [`Down`](crate::Down) with [`Reason::QueueFull`](crate::Reason::QueueFull).
    StopSender,
}

/// The side that an interest takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Wants the messages that match.
    Subscriber,
    /// Stands ready to send the messages that match.
    Provider,
}

/// The fact that somebody subscribes to, or provides, the messages of a pattern.
///
/// Counted like any fact by role and pattern, whoever holds it; watched with
/// [`Context::watch_interest`](crate::Context::watch_interest).
pub struct Interest<T: Topic> {
    /// Which side.
    pub role: Role,
    /// Which messages.
    pub pattern: PatternOf<T>,
}

impl<T: Topic> Clone for Interest<T> {
    fn clone(&self) -> Self {
        Self { role: self.role, pattern: self.pattern.clone() }
    }
}

impl<T: Topic> PartialEq for Interest<T> {
    fn eq(&self, other: &Self) -> bool {
        self.role == other.role && self.pattern == other.pattern
    }
}

impl<T: Topic> Eq for Interest<T> {}

impl<T: Topic> Hash for Interest<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.role.hash(state);
        self.pattern.hash(state);
    }
}

impl<T: Topic> Debug for Interest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} {:?}", self.role, T::NAME, self.pattern)
    }
}

/// News for a watcher.
///
/// The first is always exactly one snapshot, even an empty one. After it, a fact that several
/// actors state appears when the first states it and is gone when the last retracts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<F> {
    /// All facts that match when the watch begins, oldest first.
    Snapshot(Vec<F>),
    /// A fact holds that did not.
    Appeared(F),
    /// A fact holds no longer.
    Gone(F),
}

impl<F> Change<F> {
    /// The facts that hold now and did not before, for watchers whom it does not concern when they end.
    pub fn appeared(self) -> Vec<F> {
        match self {
            Self::Snapshot(facts) => facts,
            Self::Appeared(fact) => vec![fact],
            Self::Gone(_) => Vec::new(),
        }
    }

    /// The newest of them: all there is to know where one holds at a time.
    pub fn newest(self) -> Option<F> {
        match self {
            Self::Snapshot(mut facts) => facts.pop(),
            Self::Appeared(fact) => Some(fact),
            Self::Gone(_) => None,
        }
    }
}
