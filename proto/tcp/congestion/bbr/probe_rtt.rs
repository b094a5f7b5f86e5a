//! How long is the path: the queue runs empty for a moment, so that it can be measured.

use core::time::Duration;

use super::{Ack, Bbr, MIN_SEGMENTS, Mode};
use crate::Instant;
use crate::tcp::congestion::Window;

#[derive(Clone, Debug, Default)]
pub(super) struct ProbeRtt {
    /// When the probe may end; nothing before the queue is empty.
    done_at: Option<Instant>,
    /// Whether a round has passed with an empty queue.
    round_done: bool,
}

impl Bbr {
    pub(super) fn check_probe_rtt(&mut self, window: &mut Window, ack: &Ack) {
        if self.mode != Mode::ProbeRtt && self.min_rtt.is_stale && !self.restarts {
            self.save_cwnd(window);
            self.mode = Mode::ProbeRtt;
            self.probe_rtt = ProbeRtt::default();
            self.stop_measuring();
            self.rounds.begin(ack.total_delivered);
        }
        if self.mode == Mode::ProbeRtt {
            self.probe(window, ack);
        }
    }

    fn probe(&mut self, window: &mut Window, ack: &Ack) {
        match self.probe_rtt.done_at {
            None if ack.in_flight <= self.probe_rtt_cwnd(window.mss) => {
                self.probe_rtt.done_at = Some(ack.now + DURATION);
                self.rounds.begin(ack.total_delivered);
            }
            None => {}
            Some(_) => {
                self.probe_rtt.round_done |= self.rounds.starts;
                if self.probe_rtt.round_done {
                    self.check_probe_rtt_done(window, ack.now);
                }
            }
        }
        if self.mode != Mode::ProbeRtt {
            self.rounds.begin(ack.total_delivered);
        }
    }

    /// Ends the probe when its time has come.
    pub(super) fn check_probe_rtt_done(&mut self, window: &mut Window, now: Instant) {
        if self.probe_rtt.done_at.is_none_or(|done| now < done) {
            return;
        }
        self.min_rtt.refresh(now);
        self.restore_cwnd(window);
        self.bounds.forget_short_term();
        if self.full_pipe.reached {
            self.resume_cruise(now);
        } else {
            self.mode = Mode::Startup;
        }
    }

    /// `BBRProbeRTTCwnd`: half of what the path holds.
    pub(super) fn probe_rtt_cwnd(&self, mss: u32) -> u32 {
        self.bdp(self.rate(), Mode::ProbeRtt.cwnd_gain()).max(MIN_SEGMENTS * mss)
    }
}

/// `BBR.ProbeRTTDuration`.
const DURATION: Duration = Duration::from_millis(200);
