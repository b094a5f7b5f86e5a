//! When does silence mean loss: RACK (RFC 8985 section 6).
//!
//! A segment is lost when another one that was sent later has arrived, and since then more time has
//! passed than reordering explains. How much that is, is learned: a quarter of a round trip at first,
//! more each time the peer reports that something was sent again in vain.

use core::time::Duration;

use super::gain::{Gain, was_sent_before};
use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// The variables of RFC 8985 section 5.3.
#[derive(Clone, Debug, Default)]
pub(super) struct Rack {
    /// `RACK.xmit_ts` and `RACK.end_seq`: the segment that was sent last, of all that were
    /// delivered.
    newest: Option<(Instant, SeqNumber)>,
    /// `RACK.rtt`: how long that took, in microseconds.
    rtt: u32,
    /// `RACK.fack`: where the rightmost octet ends that was delivered.
    fack: Option<SeqNumber>,
    /// `RACK.dsack_round`: until this is acknowledged, further reports of duplicates are of the same
    /// round trip.
    dsack_round: Option<SeqNumber>,
    /// `RACK.reo_wnd_mult` less one: by how many quarters of a round trip the window has grown.
    widened: u8,
    /// `RACK.reo_wnd_persist`: after so many repairs the window shrinks again.
    persist: u8,
    /// `RACK.reordering_seen`.
    reordering_seen: bool,
}

/// How long to wait for a segment after a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tolerance {
    /// As long as reordering may take.
    Reordering,
    /// Not at all as long as no reordering was ever seen: enough segments have arrived, or a loss is
    /// known already.
    None,
}

impl Rack {
    /// Steps 2 and 3 of section 6.2: takes what an acknowledgement delivered.
    pub(super) fn on_delivery(&mut self, gain: &Gain, una: SeqNumber) {
        if let Some(newest) = gain.newest {
            self.rtt = micros(gain.now().saturating_since(newest.at));
            let (at, end) = (newest.at, newest.end);
            if self.newest.is_none_or(|(was_at, was_end)| was_sent_before(was_at, was_end, at, end))
            {
                self.newest = Some((at, end));
            }
        }
        if let (Some(fack), Some(lowest)) = (self.fack, gain.lowest_original) {
            self.reordering_seen |= lowest.is_before(fack);
        }
        if let Some(highest) = gain.highest {
            self.fack = Some(self.fack.map_or(highest, |fack| fack.later(highest)));
        }
        if self.dsack_round.is_some_and(|round| una.is_at_or_after(round)) {
            self.dsack_round = None;
        }
    }

    /// Step 4: the peer reports a duplicate, so that more patience is called for; once a round trip.
    pub(super) fn on_duplicate_report(&mut self, nxt: SeqNumber) {
        if self.dsack_round.is_none() {
            self.dsack_round = Some(nxt);
            self.widened = self.widened.saturating_add(1);
            self.persist = PERSIST;
        }
    }

    /// Step 4: a repair is over.
    pub(super) fn on_recovery_end(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.widened = 0;
        }
    }

    /// `RACK.reo_wnd`: how much longer than a round trip a segment may take.
    pub(super) fn window(
        &self,
        tolerance: Tolerance,
        least: Option<Duration>,
        smoothed: Option<Duration>,
    ) -> Duration {
        if tolerance == Tolerance::None && !self.reordering_seen {
            return Duration::ZERO;
        }
        let rtt = Duration::from_micros(self.rtt.into());
        let quarter = least.unwrap_or(rtt) / 4;
        (quarter * (u32::from(self.widened) + 1)).min(smoothed.unwrap_or(rtt))
    }

    /// Until when to wait for a segment that was sent at `at` and ends at `end`, if the window is
    /// `window`; nothing if none that was sent later has arrived (step 5).
    #[inline]
    pub(super) fn deadline(
        &self,
        at: Instant,
        end: SeqNumber,
        window: Duration,
    ) -> Option<Instant> {
        let (newest_at, newest_end) = self.newest?;
        was_sent_before(at, end, newest_at, newest_end).then(|| self.overdue(at, window))
    }

    /// When a segment sent at `at` has taken longer than a round trip and `window`.
    pub(super) fn overdue(&self, at: Instant, window: Duration) -> Instant {
        at + Duration::from_micros(self.rtt.into()) + window
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// How many repairs an enlarged window outlasts (section 6.2, step 4).
const PERSIST: u8 = 16;

#[cfg(test)]
mod tests {
    use super::super::gain::{Delivered, Witness};
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A segment of 10 octets, numbered from one: when it was sent, and whether again.
    type Part = (u32, u64, bool);

    fn deliver(rack: &mut Rack, now: u64, segments: &[Part]) {
        let mut gain = Gain::new(Witness { now: at(now), least: ms(20), echo: None, offset: 0 });
        for &(number, sent, again) in segments {
            let (end, at) = (SeqNumber(number * 10), at(sent));
            gain.add(&Delivered { octets: 10, end, at, again, given_up: false });
        }
        rack.on_delivery(&gain, SeqNumber(0));
    }

    #[test]
    fn what_was_sent_before_the_newest_is_due_a_round_trip_and_the_window_after() {
        let mut rack = Rack::default();
        assert_eq!(rack.deadline(at(0), SeqNumber(10), ms(5)), None, "nothing arrived yet");
        deliver(&mut rack, 20, &[(3, 0, false)]);
        let cases = [
            (1, 0, Some(at(25)), "sent in the same moment, to the left"),
            (4, 0, None, "sent in the same moment, to the right"),
            (3, 0, None, "itself"),
            (1, 1, None, "sent later"),
        ];
        for (number, sent, expected, why) in cases {
            assert_eq!(rack.deadline(at(sent), SeqNumber(number * 10), ms(5)), expected, "{why}");
        }
    }

    #[test]
    fn reordering_is_seen_when_a_hole_is_filled_by_what_was_sent_once() {
        let cases: [(&[Part], bool, &str); 4] = [
            (&[(1, 0, false)], true, "the original filled the hole"),
            (&[(1, 5, true)], false, "a retransmission did"),
            (&[(4, 0, false)], false, "in order"),
            (&[(4, 0, false), (1, 0, false)], true, "both"),
        ];
        for (segments, seen, why) in cases {
            let mut rack = Rack::default();
            deliver(&mut rack, 20, &[(3, 0, false)]);
            deliver(&mut rack, 30, segments);
            assert_eq!(rack.reordering_seen, seen, "{why}");
        }
        let mut rack = Rack::default();
        deliver(&mut rack, 20, &[(3, 0, false), (1, 0, false)]);
        assert!(!rack.reordering_seen, "the order within one acknowledgement says nothing");
    }

    #[test]
    fn the_window_grows_once_a_round_trip_with_duplicates_and_shrinks_after_sixteen_repairs() {
        let mut rack = Rack::default();
        let window = |rack: &Rack, tolerance| rack.window(tolerance, Some(ms(20)), Some(ms(18)));
        assert_eq!(window(&rack, Tolerance::Reordering), ms(5));
        assert_eq!(window(&rack, Tolerance::None), ms(0));
        rack.on_duplicate_report(SeqNumber(100));
        rack.on_duplicate_report(SeqNumber(110));
        assert_eq!(window(&rack, Tolerance::Reordering), ms(10), "one round trip, one step");
        let none = Gain::new(Witness { now: at(0), least: ms(0), echo: None, offset: 0 });
        rack.on_delivery(&none, SeqNumber(100));
        rack.on_duplicate_report(SeqNumber(200));
        assert_eq!(window(&rack, Tolerance::Reordering), ms(15));
        rack.on_delivery(&none, SeqNumber(200));
        rack.on_duplicate_report(SeqNumber(300));
        assert_eq!(window(&rack, Tolerance::Reordering), ms(18), "never more than SRTT");
        for _ in 0..15 {
            rack.on_recovery_end();
        }
        assert_eq!(window(&rack, Tolerance::Reordering), ms(18));
        rack.on_recovery_end();
        assert_eq!(window(&rack, Tolerance::Reordering), ms(5));
        deliver(&mut rack, 20, &[(3, 0, false)]);
        deliver(&mut rack, 21, &[(1, 0, false)]);
        assert_eq!(window(&rack, Tolerance::None), ms(5), "reordering was seen");
    }
}
