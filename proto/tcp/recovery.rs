//! How a loss is repaired (RFC 5681, RFC 6582, RFC 8985, RFC 9937).

use super::congestion::Loss;
use super::gain::Gain;
use super::prr::{Progress, Prr};
use super::rack::{Rack, Tolerance};
use super::scoreboard::DUP_THRESH;
use super::tail::Tail;
use super::undo::{Frto, Undo};
use super::{Retransmission, StateVector, TimerKind};
use crate::Instant;
use crate::wire::tcp::SeqNumber;

/// Where the sender is in finding and repairing losses.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) phase: Phase,
    /// SND.NXT when the last repair began: it ends when this is acknowledged (`RecoveryPoint`).
    pub(super) high: SeqNumber,
    /// Duplicate acknowledgements since the last progress.
    pub(super) dup_acks: u32,
    pub(super) rack: Rack,
    pub(super) prr: Prr,
    /// The probe for the loss of the last segments that is under way.
    pub(super) tail: Option<Tail>,
    /// What would show that the last repair was needless.
    pub(super) undo: Option<Box<Undo>>,
    pub(super) frto: Frto,
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

/// What an acknowledgement brought, for the repair of losses.
#[derive(Clone, Copy, Debug)]
pub(super) struct News<'a> {
    pub(super) gain: &'a Gain,
    /// How many octets SND.UNA moved.
    pub(super) acked: u32,
    /// Octets outstanding and not reported as received before.
    pub(super) flight: u32,
    /// What the peer reports as received more than once (RFC 2883).
    pub(super) duplicate: Option<(SeqNumber, SeqNumber)>,
    /// Whether it is a duplicate acknowledgement without blocks.
    pub(super) bare_repeat: bool,
    /// The timestamp it echoes.
    pub(super) echo: Option<u32>,
}

impl Recovery {
    pub(super) fn new(iss: SeqNumber) -> Self {
        Self {
            phase: Phase::Open,
            high: iss,
            dup_acks: 0,
            rack: Rack::default(),
            prr: Prr::default(),
            tail: None,
            undo: None,
            frto: Frto::Off,
        }
    }

    /// Whether nothing is lost, asked about, or waiting for news.
    pub(super) fn is_calm(&self) -> bool {
        self.phase == Phase::Open && self.dup_acks == 0 && self.tail.is_none()
    }
}

impl StateVector {
    /// An acknowledgement was entered on the scoreboard.
    pub(super) fn recovery_on_ack(&mut self, news: &News<'_>, now: Instant) {
        self.recovery.rack.on_delivery(news.gain, self.snd.una);
        let calm = self.recovery.is_calm() && news.duplicate.is_none();
        if calm && !self.scoreboard.has_sacked() && !self.scoreboard.has_lost() {
            // The everyday case. Without news of anything sent later there is nothing to judge.
            self.keep_high_near();
            return;
        }
        if let Some(duplicate) = news.duplicate {
            self.take_duplicate_report(duplicate);
        }
        self.tail_on_ack(news, now);
        if self.was_spurious(news) {
            self.undo_recovery(now);
        }
        let ended = news.acked > 0 && self.recovery_on_progress(news.acked, now);
        self.frto_on_ack(news);
        let newly_lost = self.detect_loss(ended, news.flight, now);
        if self.uses_prr() && (news.gain.octets > 0 || newly_lost > 0) {
            let pipe = self.in_flight();
            let safe = news.acked > 0 && newly_lost == 0;
            let progress = Progress { delivered: news.gain.octets, pipe, safe };
            self.follow_prr(&progress);
        }
    }

    /// SND.UNA moved by `acked` octets. Returns whether a repair has ended.
    fn recovery_on_progress(&mut self, acked: u32, now: Instant) -> bool {
        let mss = u32::from(self.snd.mss);
        if self.recovery.phase == Phase::Open {
            self.recovery.dup_acks = 0;
            self.keep_high_near();
        } else if self.snd.una.is_at_or_after(self.recovery.high) {
            self.end_recovery(now);
            return true;
        } else if self.recovery.phase == Phase::Fast && !self.sack {
            // A partial acknowledgement: the segment after it is lost too (RFC 6582 section 3.2).
            let segments = (acked / mss).max(1);
            self.recovery.dup_acks = self.recovery.dup_acks.saturating_sub(segments - 1);
            self.scoreboard.mark_first_lost(mss, Retransmission::FastRetransmit);
            self.pending.resend_one = true;
        }
        false
    }

    /// Keeps the distances from SND.UNA below 2^31 on a connection that never loses anything.
    fn keep_high_near(&mut self) {
        if self.snd.una.is_after(self.recovery.high) {
            self.recovery.high = self.snd.una - 1;
        }
        if self.recovery.undo.as_ref().is_some_and(|undo| undo.is_past(self.snd.una)) {
            self.recovery.undo = None;
        }
    }

    fn end_recovery(&mut self, now: Instant) {
        if self.uses_prr() {
            self.congestion.window.cwnd = self.congestion.window.ssthresh;
        }
        self.recovery.phase = Phase::Open;
        self.recovery.frto = Frto::Off;
        self.recovery.dup_acks = 0;
        self.recovery.rack.on_recovery_end();
        if let Some(undo) = &mut self.recovery.undo {
            undo.expire_at(self.snd.nxt + self.snd.max_wnd.min(UNDO_REACH));
        }
        self.congestion.on_recovery_end(now);
    }

    /// Judges what the scoreboard, the clock and the duplicates tell, and begins fast recovery if
    /// there is a loss; `ended` tells that one has just ended, `flight` how much was outstanding and
    /// not reported as received. Returns how many octets were newly found lost.
    fn detect_loss(&mut self, ended: bool, flight: u32, now: Instant) -> u32 {
        let mss = u32::from(self.snd.mss);
        let newly_lost = if self.sack { self.judge(now) } else { 0 };
        let probe = newly_lost > 0 && self.only_probe_lost();
        if probe || self.recovery.phase != Phase::Open {
            return newly_lost;
        }
        // What was sent during the repair and is known to be lost wants another one.
        if newly_lost > 0 || ended && self.scoreboard.has_lost() {
            self.begin_recovery(flight, now);
            return newly_lost;
        }
        // Duplicates of what a time-out sent again say nothing new (RFC 6582 section 3.2, step 2).
        let duplicates = self.recovery.dup_acks >= DUP_THRESH;
        if !self.sack && duplicates && self.snd.una.is_after(self.recovery.high) {
            self.scoreboard.mark_first_lost(mss, Retransmission::FastRetransmit);
            self.begin_recovery(flight, now);
        }
        newly_lost
    }

    /// RACK: asks the clock which segments are lost, and when to ask again. Returns how many octets
    /// are news.
    fn judge(&mut self, now: Instant) -> u32 {
        let mss = u32::from(self.snd.mss);
        let repairing = self.recovery.phase != Phase::Open;
        let enough = self.scoreboard.sacked() > (DUP_THRESH - 1) * mss
            || self.recovery.dup_acks >= DUP_THRESH;
        let tolerance = if repairing || enough { Tolerance::None } else { Tolerance::Reordering };
        let Recovery { rack, .. } = &self.recovery;
        let window = rack.window(tolerance, self.rtt.least(), self.rtt.smoothed());
        let cause =
            if window.is_zero() { Retransmission::FastRetransmit } else { Retransmission::Rack };
        let judgement = self.scoreboard.judge(rack, window, cause, now);
        match judgement.next {
            Some(next) => self.timers.set(TimerKind::Reorder, next),
            None => self.timers.stop(TimerKind::Reorder),
        }
        judgement.lost
    }

    /// Nothing was heard for as long as reordering may take.
    pub(super) fn on_reorder_timer(&mut self, now: Instant) {
        let flight = self.scoreboard.unreported();
        let was_open = self.recovery.phase == Phase::Open;
        if self.detect_loss(false, flight, now) > 0 && was_open && self.uses_prr() {
            let progress = Progress { delivered: 0, pipe: self.in_flight(), safe: false };
            self.follow_prr(&progress);
        }
    }

    fn begin_recovery(&mut self, flight: u32, now: Instant) {
        self.recovery.phase = Phase::Fast;
        self.recovery.high = self.snd.nxt;
        self.recovery.prr.begin(flight);
        self.recovery.undo = Some(Box::new(Undo::new(self.snd.una)));
        let in_flight = self.scoreboard.outstanding();
        self.congestion.on_loss(&Loss { now, in_flight, marked: false });
        self.ecn_on_reduction();
        self.pending.resend_one = true;
        self.timers.stop(TimerKind::LossProbe);
    }

    /// Whether proportional rate reduction sets the congestion window now.
    fn uses_prr(&self) -> bool {
        self.recovery.phase == Phase::Fast && self.sack && !self.congestion.keeps_window()
    }

    fn follow_prr(&mut self, progress: &Progress) {
        let window = &mut self.congestion.window;
        let wanted = self.recovery.prr.window(progress, window.ssthresh, window.mss);
        window.cwnd = wanted.max(window.mss);
    }

    /// The retransmission timer expired: all that was not received counts as lost, but for what was
    /// sent lately.
    pub(super) fn recovery_on_timeout(&mut self, now: Instant) {
        // The window is reduced once for what is lost together (RFC 5681 section 3.1).
        let first = match self.recovery.phase {
            Phase::Open => true,
            Phase::Fast => self.snd.una.is_at_or_after(self.recovery.high),
            Phase::Loss => self.patience.attempts == 1,
        };
        if self.scoreboard.is_reneged() {
            self.counters.reneged += 1;
        }
        if first || self.recovery.undo.is_none() {
            self.recovery.undo = Some(Box::new(Undo::new(self.snd.una)));
        }
        // After a fast retransmission its ambiguity would confuse the detection (RFC 5682 section 3).
        let fits = self.sack && (self.recovery.phase != Phase::Fast || self.patience.attempts > 1);
        self.recovery.frto = if fits { Frto::First } else { Frto::Off };
        let in_flight = self.scoreboard.outstanding();
        self.congestion.on_timeout(&Loss { now, in_flight, marked: false }, first);
        self.ecn_on_reduction();
        let Recovery { rack, .. } = &self.recovery;
        let window = rack.window(Tolerance::Reordering, self.rtt.least(), self.rtt.smoothed());
        let recent = self.sack;
        self.scoreboard.mark_all_lost(|at| !recent || rack.overdue(at, window) <= now);
        self.recovery.phase = Phase::Loss;
        self.recovery.high = self.snd.nxt;
        self.recovery.dup_acks = 0;
        self.recovery.tail = None;
        self.timers.stop(TimerKind::LossProbe);
        self.timers.stop(TimerKind::Reorder);
        self.pending.resend_one = true;
    }
}

/// Reports of duplicates are awaited for at most so many octets after a repair.
const UNDO_REACH: u32 = 1 << 28;
