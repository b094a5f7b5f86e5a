//! One recorded dataspace: who its actors are, and its events as text.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};

use netmart_bus::{ActorId, Detail, Kind, Record};

use crate::trace::encode::{Encoder, Entry, Place};
use crate::trace::format::{LISTED_MAX, TEXT_MAX};

/// Turns a dataspace's records into entries.
pub(super) struct PlaceWriter {
    place: Place,
    /// Ended actors, oldest first: a few events of theirs come after their end.
    departed: VecDeque<ActorId>,
    key: Text,
    summary: Text,
    to: Vec<ActorId>,
}

/// How many names of ended actors are kept.
const DEPARTED_KEPT: usize = 64;

impl PlaceWriter {
    pub(super) fn new(number: u32, name: &str) -> Self {
        let mut text = Text::default();
        // A `Text` takes whatever fits, and never fails.
        let _ = text.write_str(name);
        Self {
            place: Place { number, name: text.0.into(), actors: HashMap::new() },
            departed: VecDeque::new(),
            key: Text::default(),
            summary: Text::default(),
            to: Vec::new(),
        }
    }

    /// Writes one event.
    pub(super) fn write(&mut self, record: &Record, detail: &dyn Detail, out: &mut Encoder) {
        self.put_into_words(record, detail, |entry| out.event(entry));
    }

    /// Makes an entry of a record, and keeps account of who is born and who ends.
    pub(super) fn put_into_words(
        &mut self,
        record: &Record,
        detail: &dyn Detail,
        take: impl FnOnce(&Entry<'_>),
    ) {
        self.key.0.clear();
        self.summary.0.clear();
        self.to.clear();
        // A failing `Debug` leaves a shorter text; the event is there all the same.
        let _ = detail.key(&mut self.key);
        let _ = detail.summary(&mut self.summary);
        detail.recipients(&mut |actor| {
            if self.to.len() < LISTED_MAX {
                self.to.push(actor);
            }
        });
        if record.kind() == Kind::Spawn {
            self.place.actors.insert(record.actor(), self.summary.0.as_str().into());
        }
        take(&Entry {
            place: &self.place,
            id: record.id(),
            cause: record.cause(),
            time: record.time(),
            kind: record.kind(),
            actor: record.actor(),
            topic: detail.topic(),
            recipients: record.recipients(),
            to: &self.to,
            key: &self.key.0,
            summary: &self.summary.0,
        });
        if record.kind() == Kind::Stop {
            self.depart(record.actor());
        }
    }

    fn depart(&mut self, actor: ActorId) {
        self.departed.push_back(actor);
        if self.departed.len() > DEPARTED_KEPT
            && let Some(oldest) = self.departed.pop_front()
        {
            self.place.actors.remove(&oldest);
        }
    }
}

impl fmt::Debug for PlaceWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.name)
    }
}

/// Takes text up to a length, and ends with an ellipsis where it was cut.
#[derive(Default)]
struct Text(String);

const ELLIPSIS: &str = "…";

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT_MAX - ELLIPSIS.len();
        let left = room.saturating_sub(self.0.len());
        if text.len() <= left {
            self.0.push_str(text);
        } else if self.0.len() <= room {
            self.0.push_str(&text[..text.floor_char_boundary(left)]);
            if !self.0.ends_with(ELLIPSIS) {
                self.0.push_str(ELLIPSIS);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = Text::default();
        for _ in 0..3 {
            text.write_str(&"ä".repeat(TEXT_MAX / 4)).expect("never fails");
        }
        assert!(text.0.len() <= TEXT_MAX);
        assert!(text.0.ends_with("ä…"));
        let whole = text.0.clone();
        text.write_str("more").expect("never fails");
        assert_eq!(text.0, whole);
    }
}
