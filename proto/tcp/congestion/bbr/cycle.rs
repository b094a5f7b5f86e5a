//! The cycle of probing for bandwidth: down, cruise, refill, up.

use core::time::Duration;

use super::{Ack, Bbr, Mode};
use crate::Instant;
use crate::tcp::congestion::Window;

/// Where in the cycle a connection is.
#[derive(Clone, Debug)]
pub(super) struct Cycle {
    /// When the present phase began.
    since: Instant,
    /// How long to wait before the next probe.
    wait: Duration,
    /// Rounds since the last probe.
    rounds: u32,
    /// What the acknowledgements that come now tell of.
    feedback: Feedback,
    /// Whether the losses of a probe are still to be judged.
    pub(super) judges_probe: bool,
    /// By how many segments the long-term bound has grown per round so far, as a power of two.
    up_rounds: u32,
    /// Octets to be acknowledged for each segment by which the bound grows.
    up_step: u32,
    /// Octets acknowledged since it last grew.
    up_acked: u32,
    dice: u64,
}

/// What acknowledgements tell of: they come a round after what they acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    Start,
    Refilling,
    Beginning,
    Probing,
    Ending,
}

impl Cycle {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            since: now,
            wait: Duration::ZERO,
            rounds: 0,
            feedback: Feedback::Start,
            judges_probe: false,
            up_rounds: 0,
            up_step: u32::MAX,
            up_acked: 0,
            dice: seed | 1,
        }
    }

    /// A number below `sides`, from a xorshift generator.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 24) % sides
    }

    /// `BBRPickProbeWait`: two to three seconds, so that flows do not probe together.
    fn pick_wait(&mut self) {
        self.rounds = self.roll(2) as u32;
        self.wait = Duration::from_micros(2_000_000 + self.roll(1_000_000));
    }

    fn raise_slope(&mut self, cwnd: u32, mss: u32) {
        let growth = mss.saturating_mul(1 << self.up_rounds.min(16));
        self.up_rounds += 1;
        self.up_step = (cwnd / (growth / mss).max(1)).max(mss);
    }
}

impl Bbr {
    /// `BBRUpdateProbeBWCyclePhase`.
    pub(super) fn update_cycle(&mut self, window: &Window, ack: &Ack) {
        if !self.full_pipe.reached {
            return;
        }
        self.adapt_long_term(window, ack);
        let (now, total) = (ack.now, ack.total_delivered);
        if self.rounds.starts {
            self.cycle.rounds = self.cycle.rounds.saturating_add(1);
        }
        match self.mode {
            Mode::Down => {
                if self.is_time_to_probe(window, now) {
                    self.start_refill(now, total);
                } else if self.is_time_to_cruise(window.mss, ack.in_flight) {
                    self.mode = Mode::Cruise;
                    self.cycle.since = now;
                }
            }
            Mode::Cruise if self.is_time_to_probe(window, now) => self.start_refill(now, total),
            Mode::Refill if self.rounds.starts => self.start_up(window, ack),
            Mode::Up => {
                let rate = ack.rate.map_or(0, |sample| sample.rate());
                if ack.window_limited && window.cwnd >= self.bounds.long_term() {
                    // The bound, not the path, holds the rate: it says nothing about the path.
                    self.full_pipe.reset(rate);
                } else if self.full_pipe.now {
                    self.start_down(now, total);
                }
            }
            _ => {}
        }
    }

    pub(super) fn start_down(&mut self, now: Instant, total: u64) {
        self.bounds.reset_signals();
        self.cycle.up_step = u32::MAX;
        self.cycle.pick_wait();
        self.cycle.since = now;
        self.cycle.feedback = Feedback::Ending;
        self.rounds.begin(total);
        self.mode = Mode::Down;
    }

    fn start_refill(&mut self, now: Instant, total: u64) {
        self.bounds.forget_short_term();
        self.cycle.up_rounds = 0;
        self.cycle.up_acked = 0;
        self.cycle.since = now;
        self.cycle.feedback = Feedback::Refilling;
        self.rounds.begin(total);
        self.mode = Mode::Refill;
    }

    fn start_up(&mut self, window: &Window, ack: &Ack) {
        self.cycle.judges_probe = true;
        self.cycle.feedback = Feedback::Beginning;
        self.cycle.since = ack.now;
        self.rounds.begin(ack.total_delivered);
        self.full_pipe.reset(ack.rate.map_or(0, |sample| sample.rate()));
        self.mode = Mode::Up;
        self.cycle.raise_slope(window.cwnd, window.mss);
    }

    /// After a probe of the round-trip time the wait for the next one of bandwidth begins anew.
    pub(super) fn resume_cruise(&mut self, now: Instant) {
        self.cycle.pick_wait();
        self.cycle.since = now;
        self.mode = Mode::Cruise;
    }

    /// A probe is broken off: what comes is told of what is over.
    pub(super) fn stop_measuring(&mut self) {
        self.cycle.feedback = Feedback::Ending;
    }

    /// After the wait, or as often as a Reno flow would ask for more on a short path.
    fn is_time_to_probe(&self, window: &Window, now: Instant) -> bool {
        let reno_rounds = (self.target_inflight(window) / window.mss.max(1)).min(MOST_RENO_ROUNDS);
        now.saturating_since(self.cycle.since) > self.cycle.wait || self.cycle.rounds >= reno_rounds
    }

    fn is_time_to_cruise(&self, mss: u32, in_flight: u32) -> bool {
        in_flight <= self.bounds.long_term_with_headroom(mss)
            && in_flight <= self.inflight(1.0, mss)
    }

    /// What the path holds, or the window if it is smaller.
    pub(super) fn target_inflight(&self, window: &Window) -> u32 {
        self.bdp(self.rate(), 1.0).min(window.cwnd)
    }

    /// `BBRAdaptLongTermModel`: the bound on what is in flight follows what probes find.
    fn adapt_long_term(&mut self, window: &Window, ack: &Ack) {
        if self.rounds.starts {
            match self.cycle.feedback {
                Feedback::Beginning => self.cycle.feedback = Feedback::Probing,
                Feedback::Ending => {
                    self.cycle.judges_probe = false;
                    self.cycle.feedback = Feedback::Start;
                    let app_limited = ack.rate.is_none_or(|sample| sample.is_app_limited);
                    if self.mode.probes_bandwidth() && !app_limited {
                        self.bandwidth.advance();
                    }
                }
                _ => {}
            }
        }
        if let (true, Some(in_flight)) = (self.cycle.judges_probe, ack.too_high) {
            self.cycle.judges_probe = false;
            self.inflight_too_high(in_flight, window, ack);
            return;
        }
        let Some(sample) = ack.rate.filter(|_| ack.too_high.is_none()) else { return };
        self.bounds.raise_long_term(sample.sent_in_flight);
        if self.mode == Mode::Up {
            self.probe_upward(window, ack);
        }
    }

    fn inflight_too_high(&mut self, in_flight: u32, window: &Window, ack: &Ack) {
        if ack.rate.is_none_or(|sample| !sample.is_app_limited) {
            let least = (f64::from(self.target_inflight(window)) * super::bounds::BETA) as u32;
            self.bounds.set_long_term(in_flight.max(least));
        }
        if self.mode == Mode::Up {
            self.start_down(ack.now, ack.total_delivered);
        }
    }

    /// Raises the bound faster and faster as long as the path takes it.
    fn probe_upward(&mut self, window: &Window, ack: &Ack) {
        if !ack.window_limited || window.cwnd < self.bounds.long_term() {
            return;
        }
        self.cycle.up_acked = self.cycle.up_acked.saturating_add(ack.delivered);
        if self.cycle.up_acked >= self.cycle.up_step {
            let segments = self.cycle.up_acked / self.cycle.up_step;
            self.cycle.up_acked -= segments * self.cycle.up_step;
            self.bounds.grow_long_term(segments.saturating_mul(window.mss));
        }
        if self.rounds.starts {
            self.cycle.raise_slope(window.cwnd, window.mss);
        }
    }
}

/// A path that holds more is probed by the clock only.
const MOST_RENO_ROUNDS: u32 = 63;
