//! A timer expires (RFC 9293 section 3.10.8).

use core::time::Duration;

use super::vector::{AckNeed, Probe};
use super::{Reason, Retransmission, State, StateVector, TimerKind, Trouble};
use crate::Instant;

impl StateVector {
    /// Does what was due at `now` or before.
    pub fn handle_deadline(&mut self, now: Instant) {
        while let Some(kind) = self.timers.expire(now) {
            match kind {
                TimerKind::LossProbe => self.on_loss_probe_timer(now),
                TimerKind::Reorder => self.on_reorder_timer(now),
                TimerKind::Retransmit => self.on_retransmit_timer(now),
                TimerKind::Persist => self.on_persist_timer(now),
                TimerKind::DelayedAck => self.need_ack(AckNeed::Now),
                // `poll_transmit` follows, and finds that data may leave.
                TimerKind::Pacing => {}
                TimerKind::KeepAlive => self.on_keep_alive_timer(now),
                TimerKind::UserTimeout => self.abort_with(Reason::UserTimeout),
                TimerKind::Linger => self.close(Reason::Normal),
            }
        }
    }

    fn on_retransmit_timer(&mut self, now: Instant) {
        let handshake = matches!(self.state, State::SynSent | State::SynReceived);
        if !handshake && self.scoreboard.is_empty() {
            return;
        }
        if self.out_of_patience(handshake, now) {
            return;
        }
        self.rtt.back_off();
        // Runs on even if an acknowledgement makes what is due now superfluous.
        self.timers.set(TimerKind::Retransmit, self.next_retransmission(handshake, now));
        if handshake {
            self.pending.syn = Some(Some(Retransmission::Handshake));
        } else if self.snd.wnd == 0 {
            // What is in flight was refused, not lost: ask again, but do not slow down.
            self.pending.probe = Some(Probe::Window);
        } else {
            self.path_on_timeout(now);
            self.recovery_on_timeout(now);
        }
    }

    /// R1 and R2 of RFC 9293 section 3.8.3. Returns whether the connection has ended.
    fn out_of_patience(&mut self, handshake: bool, now: Instant) -> bool {
        self.patience.attempts += 1;
        let since = *self.patience.since.get_or_insert(now);
        if now.saturating_since(since) >= self.r2(handshake) {
            self.close(Reason::TimedOut);
            return true;
        }
        if self.patience.attempts == self.config.r1 {
            self.events.trouble = Some(Trouble::Retransmitting(self.patience.attempts));
        }
        false
    }

    /// When to retransmit next: after the back-off, but back-off must not carry the end past R2.
    pub(super) fn next_retransmission(&self, handshake: bool, now: Instant) -> Instant {
        let next = now + self.rtt.rto(&self.config);
        self.patience.since.map_or(next, |since| next.min(since + self.r2(handshake)))
    }

    /// When to probe a closed window next. While there is an application, for as long as it likes.
    pub(super) fn next_window_probe(&self, now: Instant) -> Instant {
        if self.attached {
            now + self.rtt.rto(&self.config)
        } else {
            self.next_retransmission(false, now)
        }
    }

    fn r2(&self, handshake: bool) -> Duration {
        if handshake { self.config.syn_r2 } else { self.config.r2 }
    }

    /// The window is closed, or too small for silly-window avoidance, and nothing is in flight that
    /// could draw an acknowledgement (RFC 9293 section 3.8.6.1).
    fn on_persist_timer(&mut self, now: Instant) {
        if !self.attached && self.out_of_patience(false, now) {
            // Without an application nobody wants to wait for ever.
            return;
        }
        self.rtt.back_off();
        self.pending.probe = Some(Probe::Window);
    }

    fn on_keep_alive_timer(&mut self, now: Instant) {
        let Some(keep_alive) = self.patience.keep_alive.as_deref().copied() else { return };
        let due = self.patience.heard.max(self.snd.last_sent) + keep_alive.idle;
        if self.patience.keep_alives == 0 && (due > now || !self.scoreboard.is_empty()) {
            // Something was exchanged meanwhile, or is in flight (MUST-26).
            self.timers.set(TimerKind::KeepAlive, due.max(now + keep_alive.interval));
            return;
        }
        if self.patience.keep_alives >= keep_alive.probes {
            self.abort_with(Reason::TimedOut);
            return;
        }
        self.patience.keep_alives += 1;
        self.pending.probe = Some(Probe::KeepAlive);
        self.timers.set(TimerKind::KeepAlive, now + keep_alive.interval);
    }
}
