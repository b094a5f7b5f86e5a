//! How the end of an actor that did not end well is told.

use std::borrow::Cow;
use std::fmt;

use crate::id::ActorId;
use crate::topic::Topic;

crate::key! {
    /// The actor that is down.
    #[derive(Copy)]
    pub struct DownKey / DownPattern {
        /// The actor.
        pub actor: ActorId,
    }
}

/// The fact that an actor panicked, failed or was stopped by the bus.
///
/// It is stated after everything the actor held has been retracted. Only the newest are kept, as
/// many as [`Config::down_limit`](crate::Config::down_limit) says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Down {
    /// The actor, as the routing key.
    pub key: DownKey,
    /// The actor's name.
    pub name: Cow<'static, str>,
    /// Why it is down.
    pub reason: Reason,
}

impl Down {
    /// The actor that is down.
    pub fn actor(&self) -> ActorId {
        self.key.actor
    }
}

impl Topic for Down {
    type Key = DownKey;
    const NAME: &'static str = "Down";

    fn key(&self) -> &DownKey {
        &self.key
    }

    fn summarize(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{} ({}) {}", self.key.actor, self.name, self.reason)
    }
}

/// Why an actor is down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A turn of it panicked; what the turn had done was dropped.
    Panicked(String),
    /// It ended itself with [`Context::fail`](crate::Context::fail).
    Failed(String),
    /// It sent to the topic named here while the queue was at its limit.
    QueueFull(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Failed(message) => write!(f, "failed: {message}"),
            Self::QueueFull(topic) => write!(f, "sent {topic} to a full queue"),
        }
    }
}
