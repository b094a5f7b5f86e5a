//! CUBIC (RFC 9438).

use core::time::Duration;

use super::{Ack, Controller, Loss, MAX_CWND, Window};
use crate::Instant;

/// The state of section 4.1.2, windows in segments as in the RFC.
#[derive(Clone, Debug, Default)]
pub(super) struct Cubic {
    /// `W_max`: the window before the last reduction.
    w_max: f32,
    /// `K`: seconds from the begin of the epoch until the window is back at `w_max`.
    k: f32,
    /// `W_est`: what Reno would have now (section 4.3).
    w_est: f32,
    /// The part of an octet by which the window should have grown.
    fraction: f32,
    /// When congestion avoidance began after the last reduction.
    epoch: Option<Instant>,
    /// When there was last nothing to send, so that the pause can be left out (section 5.8).
    idle_since: Option<Instant>,
}

impl Cubic {
    /// Begins an epoch of congestion avoidance at the present window (section 4.2).
    fn begin(&mut self, cwnd: f32, now: Instant) -> Instant {
        self.w_max = self.w_max.max(cwnd);
        self.k = ((self.w_max - cwnd) / C).cbrt();
        self.w_est = cwnd;
        self.epoch = Some(now);
        now
    }

    /// `W_cubic(t)` of section 4.2, in segments.
    fn w_cubic(&self, since_epoch: Duration) -> f32 {
        C * (since_epoch.as_secs_f32() - self.k).powi(3) + self.w_max
    }
}

impl Controller for Cubic {
    fn on_ack(&mut self, window: &mut Window, ack: &Ack) {
        let rest = window.slow_start(ack.acked);
        if rest == 0 {
            return;
        }
        let mss = window.mss as f32;
        let cwnd = window.cwnd as f32 / mss;
        let acked = rest as f32 / mss;
        if let (Some(idle), Some(epoch)) = (self.idle_since.take(), self.epoch) {
            self.epoch = Some(epoch + ack.now.saturating_since(idle));
        }
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => self.begin(cwnd, ack.now),
        };
        let elapsed = ack.now.saturating_since(epoch);
        // Section 4.3: at least what Reno would do.
        let alpha = if self.w_est < self.w_max { ALPHA } else { 1.0 };
        self.w_est += alpha * acked / cwnd;
        let target = self.w_cubic(elapsed + ack.srtt).clamp(cwnd, 1.5 * cwnd);
        let growth = if self.w_cubic(elapsed) < self.w_est {
            (self.w_est - cwnd).max(0.0)
        } else {
            (target - cwnd) / cwnd * acked
        };
        self.fraction += growth * mss;
        // `as` saturates, and the fraction is never negative.
        let whole = self.fraction as u32;
        self.fraction -= whole as f32;
        window.cwnd = window.cwnd.saturating_add(whole).min(MAX_CWND);
    }

    fn on_loss(&mut self, window: &mut Window, _loss: &Loss) -> u32 {
        let cwnd = window.cwnd as f32 / window.mss as f32;
        // Fast convergence (section 4.7): leave room when the last maximum was not reached.
        self.w_max = if cwnd < self.w_max { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        self.epoch = None;
        self.idle_since = None;
        (window.cwnd as f32 * BETA) as u32
    }

    fn on_timeout(&mut self, _window: &mut Window, _now: Instant) {
        self.epoch = None;
    }

    fn on_idle(&mut self, _window: &mut Window, now: Instant) {
        self.idle_since = self.idle_since.or(Some(now));
    }
}

/// `C` of section 5.1, in segments per cubic second.
const C: f32 = 0.4;

/// `beta_cubic` of section 4.6.
const BETA: f32 = 0.7;

/// `alpha_cubic` of section 4.3: with it the average is Reno's in spite of the larger `BETA`.
const ALPHA: f32 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1_000;
    const RTT: Duration = Duration::from_millis(50);

    /// Runs congestion avoidance for `seconds`, one acknowledgement for a whole window per round
    /// trip, and returns the window in segments.
    fn run(cubic: &mut Cubic, window: &mut Window, start: Instant, seconds: f32) -> f32 {
        let rounds = (seconds / RTT.as_secs_f32()).round() as u32;
        for round in 0..rounds {
            let ack = Ack::plain(start + RTT * round, window.cwnd, RTT);
            cubic.on_ack(window, &ack);
        }
        window.cwnd as f32 / MSS as f32
    }

    fn reduced(segments: u32) -> (Cubic, Window) {
        let mut cubic = Cubic::default();
        let mut window = Window { cwnd: segments * MSS, ssthresh: 2 * MSS, mss: MSS };
        let loss = Loss::plain(Instant::ZERO, window.cwnd);
        window.ssthresh = cubic.on_loss(&mut window, &loss);
        window.cwnd = window.ssthresh;
        (cubic, window)
    }

    #[test]
    fn a_loss_takes_three_tenths() {
        let (_, window) = reduced(1_000);
        assert_eq!(window.cwnd, 700 * MSS);
    }

    #[test]
    fn the_window_is_back_after_k_flat_there_and_convex_beyond() {
        let (mut cubic, mut window) = reduced(1_000);
        let k = (1_000.0f32 * 0.3 / C).cbrt();
        let half = run(&mut cubic, &mut window, Instant::ZERO, k / 2.0);
        assert!((900.0..995.0).contains(&half), "most of the way after half the time: {half}");
        let start = Instant::ZERO + Duration::from_secs_f32(k / 2.0);
        let back = run(&mut cubic, &mut window, start, k / 2.0);
        assert!((985.0..1_010.0).contains(&back), "back after K: {back}");
        let start = Instant::ZERO + Duration::from_secs_f32(k);
        let beyond = run(&mut cubic, &mut window, start, k);
        assert!(beyond > 1_200.0, "probing beyond: {beyond}");
    }

    #[test]
    fn a_small_window_grows_at_least_like_reno() {
        let (mut cubic, mut window) = reduced(10);
        let after = run(&mut cubic, &mut window, Instant::ZERO, 2.0);
        assert!(after >= 7.0 + 40.0 * ALPHA * 0.9, "{after}");
    }

    #[test]
    fn fast_convergence_remembers_less_than_the_last_maximum() {
        let (mut cubic, mut window) = reduced(100);
        let loss = Loss::plain(Instant::ZERO, window.cwnd);
        cubic.on_loss(&mut window, &loss);
        assert!((cubic.w_max - 70.0 * 0.85).abs() < 0.1, "{}", cubic.w_max);
    }
}
