//! BBR, version 3 (draft-ietf-ccwg-bbr): a model of the path instead of a reaction to loss.
//!
//! The controller measures how fast the path delivers (`model`), sends at that rate, and keeps little
//! more in flight than the path holds. In turn it probes for more, drains what that queued, and
//! cruises (`cycle`); every few seconds it lets the queue run empty to see how long the path is
//! (`probe_rtt`). Losses bound it when there are too many (`bounds`).
//!
//! One thing is not as in the draft. The draft takes more than 2 % of losses in a flight for a sign of
//! congestion, and any loss for a reason to be careful until the next probe; on a path that loses
//! packets by chance it goes down with every round. Here the round-trip time has a say: where it shows
//! a queue, [`Bbr::loss_threshold`] holds as in the draft; where it shows none, losses are too many only
//! past [`Bbr::clear_loss_threshold`]. Rates that lose less than that leave the bounds alone.
//!
//! [`Bbr::loss_threshold`]: crate::tcp::Bbr::loss_threshold
//! [`Bbr::clear_loss_threshold`]: crate::tcp::Bbr::clear_loss_threshold

mod bounds;
mod cycle;
mod model;
mod probe_rtt;

use core::time::Duration;

use self::bounds::Bounds;
use self::cycle::Cycle;
use self::model::{ExtraAcked, FullPipe, MaxBandwidth, MinRtt, octets_in};
use self::probe_rtt::ProbeRtt;
use super::super::config::Bbr as Settings;
use super::super::delivery::Tolerance;
use super::rounds::Rounds;
use super::{Ack, Controller, Loss, MAX_CWND, Window};
use crate::Instant;

/// The state of a connection that BBR controls.
#[derive(Clone, Debug)]
pub(super) struct Bbr {
    settings: Settings,
    mode: Mode,
    rounds: Rounds,
    bandwidth: MaxBandwidth,
    min_rtt: MinRtt,
    extra_acked: ExtraAcked,
    full_pipe: FullPipe,
    bounds: Bounds,
    cycle: Cycle,
    probe_rtt: ProbeRtt,
    /// Octets per second; 0 before the first acknowledgement.
    pacing_rate: u64,
    /// The initial window, in octets.
    initial_cwnd: u32,
    /// The window to come back to after a repair or a probe of the round-trip time.
    saved_cwnd: u32,
    /// Sending has begun again after a pause, and nothing was delivered since.
    restarts: bool,
    /// Repairing after a time-out.
    timed_out: bool,
}

/// What BBR does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Doubles the rate every round until the path is full.
    Startup,
    /// Lets the queue of the start-up drain.
    Drain,
    /// Sends a little less than the path carries, to leave room and to drain.
    Down,
    /// Sends what the path carries.
    Cruise,
    /// Fills the path without a queue, so that the probe that follows is a fair one.
    Refill,
    /// Probes for more.
    Up,
    /// Lets the queue run empty to measure the path.
    ProbeRtt,
}

impl Mode {
    fn pacing_gain(self) -> f64 {
        match self {
            Self::Startup => STARTUP_PACING_GAIN,
            Self::Drain => DRAIN_PACING_GAIN,
            Self::Down => 0.9,
            Self::Cruise | Self::Refill | Self::ProbeRtt => 1.0,
            Self::Up => 1.25,
        }
    }

    fn cwnd_gain(self) -> f64 {
        match self {
            Self::Startup | Self::Drain | Self::Down | Self::Cruise | Self::Refill => 2.0,
            Self::Up => 2.25,
            Self::ProbeRtt => 0.5,
        }
    }

    /// Whether it is one of the phases of `ProbeBW`.
    fn probes_bandwidth(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }
}

impl Bbr {
    /// `seed` spreads the probes of flows that share a path.
    pub(super) fn new(settings: Settings, window: &Window, seed: u64, now: Instant) -> Self {
        Self {
            settings,
            mode: Mode::Startup,
            rounds: Rounds::default(),
            bandwidth: MaxBandwidth::default(),
            min_rtt: MinRtt::new(now),
            extra_acked: ExtraAcked::default(),
            full_pipe: FullPipe::default(),
            bounds: Bounds::default(),
            cycle: Cycle::new(seed, now),
            probe_rtt: ProbeRtt::default(),
            pacing_rate: 0,
            initial_cwnd: window.cwnd,
            saved_cwnd: 0,
            restarts: false,
            timed_out: false,
        }
    }

    /// How fast the path is thought to be now, in octets per second.
    fn rate(&self) -> u64 {
        self.bandwidth.get().min(self.bounds.short_term_rate())
    }

    /// Octets that the path holds without a queue, times `gain`; the initial window while unknown.
    fn bdp(&self, rate: u64, gain: f64) -> u32 {
        let Some(min_rtt) = self.min_rtt.get().filter(|_| rate > 0) else {
            return self.initial_cwnd;
        };
        let octets = octets_in(rate, min_rtt.as_micros() as u64);
        (octets as f64 * gain).min(f64::from(MAX_CWND)) as u32
    }

    /// `BBRInflight`: octets that keep the path busy at `gain`, with the least that the mechanics of
    /// sending and acknowledging need.
    fn inflight(&self, gain: f64, mss: u32) -> u32 {
        self.quantised(self.bdp(self.rate(), gain), mss)
    }

    fn quantised(&self, octets: u32, mss: u32) -> u32 {
        let quanta = 3 * ((self.pacing_rate / 1_000).min(64 << 10) as u32).max(2 * mss);
        let most = octets.max(quanta).max(MIN_SEGMENTS * mss);
        if self.mode == Mode::Up { most + 2 * mss } else { most }
    }

    /// Whether the round-trip time shows a queue.
    fn sees_queue(&self, rtt: Duration) -> bool {
        let Some(min) = self.min_rtt.get() else { return false };
        rtt > min + min * u32::from(self.settings.queue_threshold) / 1000
    }

    fn update_model(&mut self, window: &Window, ack: &Ack) {
        self.rounds.starts = false;
        if let Some(sample) = ack.rate {
            self.rounds.on_delivery(sample.prior_delivered, ack.total_delivered);
            let rate = sample.rate();
            if sample.is_reliable && (rate >= self.bandwidth.get() || !sample.is_app_limited) {
                self.bandwidth.update(rate);
            }
        }
        self.bounds_on_ack(window, ack);
        let bandwidth = self.bandwidth.get();
        let round = self.rounds.count;
        self.extra_acked.update(ack.delivered, bandwidth, window.cwnd, round, ack.now);
    }

    /// Whether start-up and drain are over.
    fn check_startup(&mut self, window: &Window, ack: &Ack) {
        let app_limited = ack.rate.is_none_or(|sample| sample.is_app_limited);
        if self.rounds.starts && !app_limited {
            // A probe sends a quarter more, of which chance may lose a part.
            let parts = if self.mode == Mode::Up { UP_PARTS } else { STARTUP_PARTS };
            self.full_pipe.on_round(self.bandwidth.get(), parts);
        }
        if self.mode == Mode::Startup {
            if self.startup_loses_too_much() {
                self.full_pipe.reached = true;
                let most = self.bdp(self.bandwidth.get(), 1.0).max(self.bounds.latest_inflight());
                self.bounds.set_long_term(most);
            }
            if self.full_pipe.reached {
                self.mode = Mode::Drain;
            }
        }
        if self.mode == Mode::Drain && ack.in_flight <= self.inflight(1.0, window.mss) {
            self.start_down(ack.now, ack.total_delivered);
        }
    }

    fn set_pacing_rate(&mut self, ack: &Ack) {
        let bandwidth = match self.rate() {
            0 => {
                let rtt = self.min_rtt.get().unwrap_or(ack.srtt).max(Duration::from_millis(1));
                u64::from(self.initial_cwnd) * 1_000_000 / rtt.as_micros() as u64
            }
            rate => rate,
        };
        let gain = self.mode.pacing_gain();
        let rate = (bandwidth as f64 * gain * PACING_MARGIN) as u64;
        if self.full_pipe.reached || rate > self.pacing_rate {
            self.pacing_rate = rate.max(1);
        }
    }

    fn set_cwnd(&mut self, window: &mut Window, ack: &Ack) {
        let mss = window.mss;
        let gained = self.bdp(self.rate(), self.mode.cwnd_gain());
        let most = self.quantised(gained.saturating_add(self.extra_acked.get()), mss);
        let grown = window.cwnd.saturating_add(ack.delivered);
        if self.timed_out {
            // After a time-out the window opens with what arrives, as far as it was.
            window.cwnd = grown.min(most.max(self.saved_cwnd));
        } else if self.full_pipe.reached {
            window.cwnd = grown.min(most);
        } else if window.cwnd < most || ack.total_delivered < self.initial_cwnd.into() {
            window.cwnd = grown;
        }
        let mut cap = MAX_CWND;
        if self.mode == Mode::ProbeRtt {
            cap = self.probe_rtt_cwnd(mss);
        }
        cap = cap.min(self.bound_of_inflight(mss));
        window.cwnd = window.cwnd.min(cap).max(MIN_SEGMENTS * mss);
        window.ssthresh = u32::MAX;
    }

    fn save_cwnd(&mut self, window: &Window) {
        let in_use = !self.timed_out && self.mode != Mode::ProbeRtt;
        self.saved_cwnd = if in_use { window.cwnd } else { self.saved_cwnd.max(window.cwnd) };
    }

    fn restore_cwnd(&mut self, window: &mut Window) {
        window.cwnd = window.cwnd.max(self.saved_cwnd);
    }
}

impl Controller for Bbr {
    fn on_ack(&mut self, window: &mut Window, ack: &Ack) {
        self.update_model(window, ack);
        self.check_startup(window, ack);
        self.update_cycle(window, ack);
        let rtt = ack.rate.and_then(|sample| sample.rtt).or(ack.rtt);
        self.min_rtt.update(rtt, ack.now);
        self.check_probe_rtt(window, ack);
        self.bounds.advance(self.rounds.starts);
        if ack.delivered > 0 {
            self.restarts = false;
        }
        self.set_pacing_rate(ack);
        self.set_cwnd(window, ack);
    }

    fn on_start(&mut self, window: &Window) {
        self.initial_cwnd = window.cwnd;
    }

    /// Single losses change nothing; `on_ack` hears of all of them, and counts.
    fn on_loss(&mut self, window: &mut Window, loss: &Loss) -> u32 {
        if loss.marked {
            self.bounds_on_mark(window);
        }
        window.ssthresh
    }

    fn on_recovery_end(&mut self, window: &mut Window, _now: Instant) {
        if self.timed_out {
            self.timed_out = false;
            self.restore_cwnd(window);
        }
    }

    fn before_timeout(&mut self, window: &Window) {
        self.save_cwnd(window);
    }

    fn on_timeout(&mut self, _window: &mut Window, _now: Instant) {
        self.timed_out = true;
    }

    fn on_undo(&mut self, window: &mut Window, now: Instant) {
        self.bounds.forget_short_term();
        self.on_recovery_end(window, now);
    }

    fn on_idle(&mut self, window: &mut Window, now: Instant) {
        self.restarts = true;
        self.extra_acked.restart(now);
        if self.mode.probes_bandwidth() {
            self.pacing_rate = ((self.rate() as f64) * PACING_MARGIN) as u64;
        } else if self.mode == Mode::ProbeRtt {
            self.check_probe_rtt_done(window, now);
        }
    }

    fn pacing_rate(&self) -> Option<u64> {
        (self.pacing_rate > 0).then_some(self.pacing_rate)
    }

    fn keeps_window(&self) -> bool {
        true
    }

    fn tolerance(&self, mss: u32) -> Tolerance {
        self.loss_tolerance(mss)
    }
}

/// `4 ln 2`: the least gain with which the rate doubles in every round.
const STARTUP_PACING_GAIN: f64 = 2.773;

/// In start-up, a rate that grows by less than a quarter in a round does not grow.
const STARTUP_PARTS: u64 = 4;

/// In a probe, a rate that grows by less than this part does not grow.
const UP_PARTS: u64 = 16;

/// `BBR.DrainPacingGain`.
const DRAIN_PACING_GAIN: f64 = 0.5;

/// `BBR.PacingMarginPercent`: sending one part in a hundred slower lets queues drain.
const PACING_MARGIN: f64 = 0.99;

/// `BBR.MinPipeCwnd`: with less, delayed acknowledgements would stop the sender.
const MIN_SEGMENTS: u32 = 4;
