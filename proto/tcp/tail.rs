//! Is the end of what I sent lost: tail loss probes (RFC 8985 section 7).
//!
//! When nothing follows a lost segment, no acknowledgement tells of the loss. So after two round
//! trips without one, something is sent that draws it: new data, or the last segment again.

use core::time::Duration;

use super::congestion::Loss;
use super::recovery::{News, Phase};
use super::{Retransmission, StateVector, TimerKind, Transmit};
use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// A probe that is under way (section 7.1: `TLP.end_seq`, `TLP.is_retrans`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// SND.NXT after it was sent.
    end: SeqNumber,
    /// Whether it was sent before, so that it may have repaired a loss in silence.
    again: bool,
}

impl Tail {
    /// Whether a report of a duplicate that ends at `right` is about the probe.
    pub(super) fn is_probe(&self, right: SeqNumber) -> bool {
        // A FIN takes a sequence number, but no report counts it.
        self.again && right.is_at_or_after(self.end - 1)
    }
}

impl StateVector {
    /// Sets the timer for a probe, or stops it if this is no time for one (section 7.2).
    pub(super) fn arm_loss_probe(&mut self, now: Instant) {
        if !self.may_probe_tail() {
            self.timers.stop(TimerKind::LossProbe);
            return;
        }
        let mut wait = self.rtt.smoothed().map_or(Duration::from_secs(1), |srtt| srtt * 2);
        wait = wait.max(LEAST_WAIT);
        if self.scoreboard.segments(u32::from(self.snd.mss).max(1), 2) == 1 {
            wait += MAX_ACK_DELAY;
        }
        let due = now + wait;
        // Where the time-out comes first, a probe in its place does less harm.
        let due = self.timers.at(TimerKind::Retransmit).map_or(due, |timeout| timeout.min(due));
        self.timers.set(TimerKind::LossProbe, due);
    }

    /// Whether a probe could tell anything that is not told otherwise.
    fn may_probe_tail(&self) -> bool {
        self.sack
            && self.recovery.phase == Phase::Open
            && self.recovery.tail.is_none()
            && self.state.may_transmit_data()
            && !self.scoreboard.is_empty()
            && !self.scoreboard.has_sacked()
            && !self.scoreboard.has_lost()
            && self.snd.wnd > 0
            // A FIN alone is left to the retransmission timer.
            && self.snd.una.is_before(self.data_end())
    }

    pub(super) fn on_loss_probe_timer(&mut self, now: Instant) {
        if self.may_probe_tail() {
            self.pending.tail_probe = true;
            // The time-out waits for the answer (section 7.3).
            self.timers.set(TimerKind::Retransmit, self.next_retransmission(false, now));
        }
    }

    /// The probe, if one is due: a segment of new data, or else the last one again (section 7.3).
    pub(super) fn tail_probe(&mut self, now: Instant) -> Option<Transmit> {
        if !core::mem::take(&mut self.pending.tail_probe) || !self.may_probe_tail() {
            return None;
        }
        let mss = u32::from(self.segment_mss());
        let unsent = self.data_end().0.wrapping_sub(self.snd.nxt.0).cast_signed().max(0) as u32;
        let len = unsent.min(mss);
        let window = self.snd.wnd.saturating_sub(self.snd.nxt.distance_from(self.snd.una));
        if len > 0 && len <= window {
            let transmit = self.send_fresh(self.snd.nxt + len, now);
            self.recovery.tail = Some(Tail { end: self.snd.nxt, again: false });
            self.timers.stop(TimerKind::LossProbe);
            return Some(transmit);
        }
        let fin = u32::from(self.fin_sent());
        let (start, end) = self.scoreboard.tail(mss + fin)?;
        self.recovery.tail = Some(Tail { end: self.snd.nxt, again: true });
        self.scoreboard.in_pieces_of(mss as u16).resent(start, end, now);
        let segment = self.data_segment(start, end, now);
        self.counters.resent.count(Retransmission::TailLossProbe, 1);
        self.counters.bytes_resent += u64::from(end.distance_from(start));
        let retransmission = Some(Retransmission::TailLossProbe);
        Some(Transmit { segment, gso_size: None, retransmission })
    }

    /// What an acknowledgement says about the probe (section 7.4.2): if it came again and was no
    /// duplicate, it has repaired a loss, which is congestion as any other.
    pub(super) fn tail_on_ack(&mut self, news: &News<'_>, now: Instant) {
        let Some(tail) = self.recovery.tail else { return };
        if self.snd.una.is_before(tail.end) {
            return;
        }
        let duplicate = news.duplicate.is_some_and(|(_, right)| tail.is_probe(right));
        let repaired = tail.again && !duplicate && self.snd.una.is_after(tail.end);
        if !tail.again || duplicate || repaired || news.bare_repeat {
            self.recovery.tail = None;
        }
        if repaired && self.recovery.phase == Phase::Open {
            let in_flight = self.scoreboard.outstanding();
            self.congestion.on_loss(&Loss { now, in_flight, marked: false });
            self.congestion.on_recovery_end(now);
        }
    }
}

/// A round trip too short to be measured is no reason to probe before an answer can be there.
const LEAST_WAIT: Duration = Duration::from_millis(2);

/// `TLP.max_ack_delay`: how long the peer may delay the acknowledgement of a single segment.
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);
