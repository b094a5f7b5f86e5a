//! How a loss is repaired (RFC 5681, RFC 6582, RFC 6675).

use super::StateVector;
use super::congestion::Loss;
use super::scoreboard::DUP_THRESH;
use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// Where the sender is in repairing losses.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) phase: Phase,
    /// SND.NXT when the last repair began: it ends when this is acknowledged (`RecoveryPoint`).
    pub(super) high: SeqNumber,
    /// Duplicate acknowledgements since the last progress.
    pub(super) dup_acks: u32,
}

/// The phase of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery: acknowledgements told of the loss.
    Fast,
    /// The timer told of the loss.
    Loss,
}

impl Recovery {
    pub(super) fn new(iss: SeqNumber) -> Self {
        Self { phase: Phase::Open, high: iss, dup_acks: 0 }
    }
}

impl StateVector {
    /// `acked` octets were acknowledged for the first time, up to SND.UNA.
    pub(super) fn recovery_on_progress(&mut self, acked: u32, now: Instant) {
        let mss = u32::from(self.snd.mss);
        if self.recovery.phase == Phase::Open {
            self.recovery.dup_acks = 0;
            if self.snd.una.is_after(self.recovery.high) {
                // Keeps its distance below 2^31 on a connection that never loses anything.
                self.recovery.high = self.snd.una - 1;
            }
        } else if self.snd.una.is_at_or_after(self.recovery.high) {
            self.recovery.phase = Phase::Open;
            self.recovery.dup_acks = 0;
            self.congestion.on_recovery_end(now);
        } else if self.recovery.phase == Phase::Fast && !self.sack {
            // A partial acknowledgement: the segment after it is lost too (RFC 6582 section 3.2).
            let segments = (acked / mss).max(1);
            self.recovery.dup_acks = self.recovery.dup_acks.saturating_sub(segments - 1);
            self.scoreboard.mark_first_lost(mss);
            self.pending.resend_one = true;
        }
    }

    /// Judges what the scoreboard and the duplicates tell, and begins fast recovery if there is a
    /// loss.
    pub(super) fn detect_loss(&mut self, now: Instant) {
        let mss = u32::from(self.snd.mss);
        let newly_lost = self.scoreboard.mark_lost(mss) > 0;
        let duplicates = self.recovery.dup_acks >= DUP_THRESH;
        if newly_lost && self.only_probe_lost() {
            return;
        }
        if self.recovery.phase != Phase::Open || !(newly_lost || duplicates) {
            return;
        }
        // Duplicates of what a time-out sent again say nothing new (RFC 6582 section 3.2, step 2).
        if !newly_lost && !self.snd.una.is_after(self.recovery.high) {
            return;
        }
        if !newly_lost {
            self.scoreboard.mark_first_lost(mss);
        }
        self.recovery.phase = Phase::Fast;
        self.recovery.high = self.snd.nxt;
        let in_flight = self.scoreboard.outstanding();
        self.congestion.on_loss(&Loss { now, in_flight, marked: false });
        self.pending.resend_one = true;
    }

    /// The retransmission timer expired: all that was not received counts as lost.
    pub(super) fn recovery_on_timeout(&mut self, now: Instant) {
        let first = self.patience.attempts == 1;
        let in_flight = self.scoreboard.outstanding();
        self.congestion.on_timeout(&Loss { now, in_flight, marked: false }, first);
        self.scoreboard.mark_all_lost();
        self.recovery = Recovery { phase: Phase::Loss, high: self.snd.nxt, dup_acks: 0 };
        self.pending.resend_one = true;
    }
}
