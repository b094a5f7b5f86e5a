//! What if nothing was lost: repairs that turn out to be needless are taken back.
//!
//! Three things betray them. The acknowledgement that moves SND.UNA echoes a timestamp from before
//! the first retransmission (Eifel, RFC 3522). The peer reports as duplicate all that was sent again
//! (RFC 3708). Something arrives that was given up and not yet sent again, be it before anything was,
//! or after a time-out when only the first segment was (F-RTO, RFC 5682 with SACK). The answer is that
//! of RFC 4015: the window is again as it was. And the network has shown that it reorders by more than
//! was allowed for.

use super::StateVector;
use super::recovery::{News, Phase};
use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// What is known of a repair that may have been needless.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    /// SND.UNA when it began.
    from: SeqNumber,
    /// Once it is over: when this is acknowledged, no more reports are awaited.
    until: Option<SeqNumber>,
    /// Octets that were sent again.
    resent: u32,
    /// Of those, octets of which the peer reports that it had them.
    duplicated: u32,
    /// Our timestamp clock when the first was sent again.
    stamp: Option<u32>,
}

/// Where F-RTO is after a time-out (RFC 5682 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frto {
    /// It does not ask, or no more.
    Off,
    /// Step 2: the first segment was sent again, nothing was heard yet.
    First,
    /// Step 3: new data was sent instead of old.
    Second,
}

impl Undo {
    /// A repair begins.
    pub(super) fn new(una: SeqNumber) -> Self {
        Self { from: una, until: None, resent: 0, duplicated: 0, stamp: None }
    }

    /// Octets were sent again, our timestamp clock being at `stamp`.
    pub(super) fn on_resent(&mut self, octets: u32, stamp: u32) {
        self.resent = self.resent.saturating_add(octets);
        self.stamp.get_or_insert(stamp);
    }

    /// The repair is over: reports count until `until` is acknowledged.
    pub(super) fn expire_at(&mut self, until: SeqNumber) {
        self.until = Some(until);
    }

    /// Whether no more reports are awaited.
    pub(super) fn is_past(&self, una: SeqNumber) -> bool {
        self.until.is_some_and(|until| una.is_after(until))
    }

    fn on_duplicate(&mut self, left: SeqNumber, octets: u32) {
        if left.is_at_or_after(self.from) {
            self.duplicated = self.duplicated.saturating_add(octets);
        }
    }

    /// All that was sent again was there already.
    fn all_duplicated(&self) -> bool {
        self.resent > 0 && self.duplicated >= self.resent
    }

    /// The peer answers something from before the first retransmission.
    fn is_answer_of_original(&self, echo: u32) -> bool {
        self.stamp.is_some_and(|stamp| stamp.wrapping_sub(echo).wrapping_sub(1) < 1 << 31)
    }
}

impl StateVector {
    /// The peer reports that it got `left` up to `right` more than once.
    pub(super) fn take_duplicate_report(&mut self, (left, right): (SeqNumber, SeqNumber)) {
        if self.counters.spurious >= self.counters.resent.total() {
            // Not our doing: the network makes copies.
            return;
        }
        let octets = right.distance_from(left);
        self.counters.spurious += octets.div_ceil(u32::from(self.snd.mss).max(1));
        if let Some(undo) = &mut self.recovery.undo {
            undo.on_duplicate(left, octets);
        }
        let probe = self.recovery.tail.as_ref().is_some_and(|tail| tail.is_probe(right));
        if !probe {
            self.recovery.rack.on_duplicate_report(self.snd.nxt);
        }
    }

    /// Whether an acknowledgement shows that the last repair was needless.
    pub(super) fn was_spurious(&self, news: &News<'_>) -> bool {
        let Some(undo) = &self.recovery.undo else { return false };
        let repairing = self.recovery.phase != Phase::Open;
        let by_duplicates = news.duplicate.is_some() && undo.all_duplicated();
        let by_timestamp = repairing
            && news.acked > 0
            && news.echo.is_some_and(|echo| undo.is_answer_of_original(echo));
        let nothing_resent = if self.recovery.phase == Phase::Loss {
            self.recovery.frto != Frto::Off
        } else {
            undo.resent == 0
        };
        let by_arrival = repairing && nothing_resent && news.gain.given_up;
        by_duplicates || by_timestamp || by_arrival
    }

    /// Puts everything back as if the last repair had not begun.
    pub(super) fn undo_recovery(&mut self, now: Instant) {
        self.counters.undone += 1;
        self.recovery.undo = None;
        self.recovery.frto = Frto::Off;
        self.recovery.dup_acks = 0;
        self.scoreboard.unmark_lost();
        self.congestion.on_undo(now);
        self.rtt.reset_backoff();
        self.recovery.rack.on_duplicate_report(self.snd.nxt);
        if self.recovery.phase != Phase::Open {
            self.recovery.phase = Phase::Open;
            self.congestion.on_recovery_end(now);
        }
    }

    /// Steps 2 and 3 of RFC 5682 section 3.1, as far as the acknowledgement has not yet decided.
    pub(super) fn frto_on_ack(&mut self, news: &News<'_>) {
        self.recovery.frto = match self.recovery.frto {
            Frto::Off => Frto::Off,
            // Step 2b: try new data, if there is any and it may be sent.
            Frto::First if news.acked > 0 => {
                if self.may_send_fresh() {
                    Frto::Second
                } else {
                    Frto::Off
                }
            }
            Frto::First => Frto::First,
            // Step 3a: the answer to the new data repeats that something is missing.
            Frto::Second => Frto::Off,
        };
    }
}
