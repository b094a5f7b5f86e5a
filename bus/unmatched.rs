//! Why a message reached nobody.

use std::fmt;

use crate::id::EventId;
use crate::key::{Key, Mask};
use crate::topic::{PatternOf, Topic};

/// Why a message reached nobody: the interest that came nearest, and in what it differed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// The message.
    pub id: EventId,
    /// Its topic.
    pub topic: &'static str,
    /// Its key.
    pub key: String,
    /// The pattern that differs in the fewest fields, if anybody listens to the topic at all.
    pub nearest: Option<String>,
    /// The fields in which it differs; none if whoever listens has just ended.
    pub differing: Vec<&'static str>,
}

impl Unmatched {
    pub(crate) fn new<T: Topic>(
        id: EventId,
        key: &T::Key,
        nearest: Option<(&PatternOf<T>, Mask)>,
    ) -> Self {
        let (pattern, mask) = nearest.unzip();
        let mask = mask.unwrap_or(0);
        let fields = T::Key::FIELDS.iter().enumerate();
        Self {
            id,
            topic: T::NAME,
            key: format!("{key:?}"),
            nearest: pattern.map(|pattern| format!("{pattern:?}")),
            differing: fields.filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, f)| *f).collect(),
        }
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} reached nobody: ", self.topic, self.id, self.key)?;
        match &self.nearest {
            None => f.write_str("no interest in the topic"),
            Some(_) if self.differing.is_empty() => f.write_str("who was interested has ended"),
            Some(pattern) => {
                write!(f, "nearest is {pattern}, differing in {}", self.differing.join(", "))
            }
        }
    }
}

/// An unmatched message and why it is.
pub(crate) struct UnmatchedLine<'a, T> {
    pub(crate) message: &'a T,
    pub(crate) why: &'a Unmatched,
}

impl<T: Topic> crate::trace::Detail for UnmatchedLine<'_, T> {
    fn topic(&self) -> Option<&'static str> {
        Some(T::NAME)
    }

    fn key(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.why.key)
    }

    fn summary(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.message.summarize(out)?;
        write!(out, " ({})", self.why)
    }
}
