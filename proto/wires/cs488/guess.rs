//! How long was a packet that does not say: its client counts, drops NULs from sight, and repeats itself until
//! it hears the number it has in mind.

use core::time::Duration;

use bytes::Bytes;

use super::number::{distance, wrap_late};
use super::packet::PAYLOAD;
use crate::Instant;

/// A repeat sooner than this after an answer is no cry for it, but the echo of an earlier answer.
const ECHO: Duration = Duration::from_millis(100);

/// The last packet of a client that does not say its length.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    seq: i32,
    /// What is to be seen of the payload.
    text: Bytes,
    /// How many lengths have been refused.
    refused: usize,
    answered: Instant,
    /// Whether it was answered more than once.
    repeated: bool,
    /// Whether the last answer went to a client that had waited for one.
    unheard: bool,
}

impl Guess {
    pub(super) fn new(seq: i32, text: Bytes, now: Instant) -> Self {
        Self { seq, text, refused: 0, answered: now, repeated: false, unheard: false }
    }

    /// The length that is answered at present: what is to be seen, then all, then characters instead of octets,
    /// then any length; nothing when all were refused.
    pub(super) fn len(&self) -> Option<usize> {
        let seen = self.text.len();
        match self.refused {
            0 => Some(seen),
            1 => Some(PAYLOAD),
            2 => Some(self.characters()),
            more => Some(seen + more - 2).filter(|&len| len < PAYLOAD),
        }
    }

    /// The number that answers it.
    pub(super) fn answer(&self) -> Option<i32> {
        Some(wrap_late(self.seq + self.len()? as i32))
    }

    /// The packet has come again: whether to answer.
    pub(super) fn is_to_be_answered(&mut self, now: Instant) -> bool {
        if now.saturating_since(self.answered) >= ECHO {
            // It heard nothing. One that does not answer a wrong number at once, as the original does,
            // would never hear the right one again if we stayed with a later guess.
            if self.unheard {
                self.refused = 0;
            }
            self.unheard = true;
        } else if self.repeated {
            // It did not like the answer.
            self.refused += 1;
            self.unheard = false;
        } else {
            return false;
        }
        self.repeated = true;
        self.answered = now;
        true
    }

    /// How many NULs the packet had behind what was to be seen, given the number of the next one; nothing if
    /// that cannot be the next one.
    pub(super) fn nuls_before(&self, next: i32) -> Option<usize> {
        let len = distance(self.seq, next) as usize;
        if len >= self.text.len() && len <= PAYLOAD {
            return Some(len - self.text.len());
        }
        (len == self.characters()).then_some(0)
    }

    fn characters(&self) -> usize {
        core::str::from_utf8(&self.text).map_or(self.text.len(), |text| text.chars().count())
    }
}
