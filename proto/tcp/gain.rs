//! What one acknowledgement delivers, gathered from the scoreboard record by record.

use core::time::Duration;

use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// The sum over all records that an acknowledgement reports for the first time, be it cumulatively
/// or by a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    witness: Witness,
    /// How many octets are news.
    pub(super) octets: u32,
    /// The part that was sent last, of those that surely arrived as they were sent last.
    pub(super) newest: Option<Newest>,
    /// Whether any of it was taken for lost and not sent again: the original has arrived.
    pub(super) given_up: bool,
    /// Where the leftmost part ends that was sent only once.
    pub(super) lowest_original: Option<SeqNumber>,
    /// Where the rightmost part ends.
    pub(super) highest: Option<SeqNumber>,
}

/// A part of what is in flight that has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) octets: u32,
    /// Where it ends.
    pub(super) end: SeqNumber,
    /// When it was last sent.
    pub(super) at: Instant,
    /// Whether it was ever sent again.
    pub(super) again: bool,
    /// Whether it was taken for lost, and not sent again since.
    pub(super) given_up: bool,
}

/// The part that was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    /// When it was last sent.
    pub(super) at: Instant,
    /// Where it ends.
    pub(super) end: SeqNumber,
    /// Whether it had been sent before.
    pub(super) again: bool,
}

/// Tells whether an acknowledgement can be for the last copy of what was sent more than once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness {
    /// When the acknowledgement came.
    pub(super) now: Instant,
    /// The least round-trip time known; zero if there is none.
    pub(super) least: Duration,
    /// The timestamp it echoes.
    pub(super) echo: Option<u32>,
    /// Where our timestamp clock began.
    pub(super) offset: u32,
}

impl Witness {
    /// Whether it can be for a copy sent at `at` (RFC 8985 section 6.2, step 2): neither too early
    /// for that, nor an echo of an earlier copy.
    fn vouches(&self, at: Instant) -> bool {
        let sent = ((at.as_micros() / 1_000) as u32).wrapping_add(self.offset);
        let older = self.echo.is_some_and(|echo| sent.wrapping_sub(echo).wrapping_sub(1) < 1 << 31);
        !older && self.now.saturating_since(at) >= self.least
    }
}

impl Gain {
    pub(super) fn new(witness: Witness) -> Self {
        Self {
            witness,
            octets: 0,
            newest: None,
            given_up: false,
            lowest_original: None,
            highest: None,
        }
    }

    /// A part has arrived.
    #[inline]
    pub(super) fn add(&mut self, part: &Delivered) {
        let Delivered { octets, end, at, again, given_up } = *part;
        self.octets += octets;
        self.highest = Some(self.highest.map_or(end, |highest| highest.later(end)));
        if !again {
            self.given_up |= given_up;
            self.lowest_original = Some(self.lowest_original.map_or(end, |low| low.earlier(end)));
        }
        let newer =
            self.newest.is_none_or(|newest| was_sent_before(newest.at, newest.end, at, end));
        if newer && (!again || self.witness.vouches(at)) {
            self.newest = Some(Newest { at, end, again });
        }
    }

    /// When the acknowledgement came.
    pub(super) fn now(&self) -> Instant {
        self.witness.now
    }

    /// How long the newest part took, if that is beyond doubt.
    pub(super) fn rtt(&self) -> Option<Duration> {
        let newest = self.newest.filter(|newest| !newest.again)?;
        Some(self.witness.now.saturating_since(newest.at))
    }
}

/// Whether the first of two segments was sent before the second; what leaves in one moment leaves in
/// the order of its sequence numbers (`RACK_sent_after` of RFC 8985 section 6.2).
#[inline]
pub(super) fn was_sent_before(
    at: Instant,
    end: SeqNumber,
    other_at: Instant,
    other_end: SeqNumber,
) -> bool {
    at < other_at || (at == other_at && end.is_before(other_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn gain(echo: Option<u32>) -> Gain {
        let least = Duration::from_millis(10);
        Gain::new(Witness { now: at(100), least, echo, offset: 7 })
    }

    fn add(gain: &mut Gain, end: u32, at: Instant, again: bool) {
        let end = SeqNumber(end);
        gain.add(&Delivered { octets: 10, end, at, again, given_up: false });
    }

    #[test]
    fn the_segment_sent_last_counts_and_not_the_one_that_ends_last() {
        let mut gain = gain(None);
        add(&mut gain, 30, at(50), false);
        add(&mut gain, 10, at(60), true);
        add(&mut gain, 20, at(50), false);
        assert_eq!(gain.octets, 30);
        assert_eq!(gain.newest, Some(Newest { at: at(60), end: SeqNumber(10), again: true }));
        assert_eq!(gain.lowest_original, Some(SeqNumber(20)));
        assert_eq!(gain.highest, Some(SeqNumber(30)));
        assert_eq!(gain.rtt(), None, "Karn");
    }

    #[test]
    fn an_acknowledgement_of_an_earlier_copy_says_nothing_about_the_later() {
        let cases = [
            // sent again at, echo, whether it counts
            (at(91), None, false, "it came too early"),
            (at(90), None, true, "just in time"),
            (at(50), Some(57), true, "it echoes this copy"),
            (at(50), Some(60), true, "or something later"),
            (at(50), Some(56), false, "it echoes something earlier"),
        ];
        for (sent, echo, counts, why) in cases {
            let mut gain = gain(echo);
            add(&mut gain, 10, sent, true);
            assert_eq!(gain.newest.is_some(), counts, "{why}");
            assert_eq!(gain.octets, 10);
        }
    }
}
