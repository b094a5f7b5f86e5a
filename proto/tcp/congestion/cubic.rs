//! CUBIC (RFC 9438).

use core::time::Duration;

use super::hystart::HyStart;
use super::{Ack, Controller, Loss, MAX_CWND, Window};
use crate::Instant;

/// CUBIC with HyStart++ in its first slow start.
#[derive(Clone, Debug, Default)]
pub(super) struct Cubic {
    curve: Curve,
    /// The curve before the last reduction, for when that was a mistake (section 4.9).
    before: Option<Box<Curve>>,
    /// While the first slow start lasts, once anything was acknowledged.
    hystart: Option<Box<HyStart>>,
}

/// The state of section 4.1.2, windows in segments as in the RFC.
#[derive(Clone, Copy, Debug, Default)]
struct Curve {
    /// `W_max`: the window before the last reduction, or less by fast convergence.
    w_max: f32,
    /// `cwnd_prior`: the window before the last reduction.
    prior: f32,
    /// `K`: seconds from the begin of the epoch until the window is back at `w_max`.
    k: f32,
    /// `W_est`: what Reno would have now (section 4.3).
    w_est: f32,
    /// The part of an octet by which the window should have grown.
    fraction: f32,
    /// When congestion avoidance began after the last reduction.
    epoch: Option<Instant>,
    /// Since when the window is not in full use, so that the time can be left out (section 5.8).
    idle_since: Option<Instant>,
}

impl Curve {
    /// Begins an epoch of congestion avoidance at the present window (section 4.2). Above `W_max`, as
    /// after the first slow start or a time-out, that is where the curve begins too (4.8, 4.10).
    fn begin(&mut self, cwnd: f32, now: Instant) -> Instant {
        self.w_max = self.w_max.max(cwnd);
        self.k = cube_root((self.w_max - cwnd) / C);
        self.w_est = cwnd;
        self.epoch = Some(now);
        now
    }

    /// `W_cubic(t)` of section 4.2, in segments.
    fn w_cubic(&self, since_epoch: Duration) -> f32 {
        let t = since_epoch.as_secs_f32() - self.k;
        C * t * t * t + self.w_max
    }

    /// By how many segments the window grows when `acked` of them are acknowledged.
    fn growth(&mut self, cwnd: f32, acked: f32, srtt: Duration, now: Instant) -> f32 {
        if let (Some(idle), Some(epoch)) = (self.idle_since.take(), self.epoch) {
            self.epoch = Some(epoch + now.saturating_since(idle));
        }
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => self.begin(cwnd, now),
        };
        let elapsed = now.saturating_since(epoch);
        // Section 4.3: at least what Reno would do.
        let alpha = if self.w_est < self.prior { ALPHA } else { 1.0 };
        self.w_est += alpha * acked / cwnd;
        let target = self.w_cubic(elapsed + srtt).clamp(cwnd, 1.5 * cwnd);
        if self.w_cubic(elapsed) < self.w_est {
            (self.w_est - cwnd).max(0.0)
        } else {
            (target - cwnd) / cwnd * acked
        }
    }
}

impl Controller for Cubic {
    fn on_ack(&mut self, window: &mut Window, ack: &Ack) {
        let acked = if window.ssthresh == u32::MAX {
            self.hystart.get_or_insert_default().on_ack(window, ack)
        } else {
            ack.acked
        };
        let rest = window.slow_start(acked);
        if rest == 0 {
            return;
        }
        self.hystart = None;
        let mss = window.mss as f32;
        let cwnd = window.cwnd as f32 / mss;
        let segments = self.curve.growth(cwnd, rest as f32 / mss, ack.srtt, ack.now);
        self.curve.fraction += segments * mss;
        // `as` saturates, and the fraction is never negative.
        let whole = self.curve.fraction as u32;
        self.curve.fraction -= whole as f32;
        window.cwnd = window.cwnd.saturating_add(whole).min(MAX_CWND);
    }

    fn on_loss(&mut self, window: &mut Window, loss: &Loss) -> u32 {
        self.before = Some(Box::new(self.curve));
        self.hystart = None;
        // Section 4.6: what was in use, which may be less than the window.
        let used = window.cwnd.min(loss.in_flight.max(window.mss));
        let cwnd = used as f32 / window.mss as f32;
        let curve = &mut self.curve;
        curve.prior = cwnd;
        // Fast convergence (section 4.7): leave room when the last maximum was not reached.
        curve.w_max = if cwnd < curve.w_max { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        curve.epoch = None;
        curve.idle_since = None;
        (used as f32 * BETA) as u32
    }

    /// Section 4.8: congestion avoidance after a time-out begins from where slow start ends.
    fn on_timeout(&mut self, _window: &mut Window, _now: Instant) {
        self.curve.epoch = None;
        self.curve.w_max = 0.0;
    }

    fn on_undo(&mut self, _window: &mut Window, _now: Instant) {
        if let Some(before) = self.before.take() {
            self.curve = *before;
        }
    }

    fn on_idle(&mut self, _window: &mut Window, now: Instant) {
        self.curve.idle_since = self.curve.idle_since.or(Some(now));
    }
}

/// The cube root, the same on every machine; of nothing below 0.
fn cube_root(x: f32) -> f32 {
    if x <= 0.0 {
        return 0.0;
    }
    // Newton: from above, each step takes at least a third off until it is exact.
    let mut root = x.max(1.0);
    for _ in 0..64 {
        let next = (2.0 * root + x / (root * root)) / 3.0;
        if next >= root {
            break;
        }
        root = next;
    }
    root
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
        assert!((cubic.curve.w_max - 70.0 * 0.85).abs() < 0.1, "{}", cubic.curve.w_max);
    }

    #[test]
    fn after_a_time_out_the_curve_begins_at_the_window_of_then() {
        let (mut cubic, mut window) = reduced(100);
        cubic.on_timeout(&mut window, Instant::ZERO);
        (window.cwnd, window.ssthresh) = (40 * MSS, 40 * MSS);
        run(&mut cubic, &mut window, Instant::ZERO, 0.1);
        assert_eq!((cubic.curve.k, cubic.curve.w_max), (0.0, 40.0), "section 4.8");
    }

    #[test]
    fn only_the_window_in_use_counts_at_a_loss() {
        let mut cubic = Cubic::default();
        let mut window = Window { cwnd: 100 * MSS, ssthresh: u32::MAX, mss: MSS };
        let loss = Loss::plain(Instant::ZERO, 50 * MSS);
        assert_eq!(cubic.on_loss(&mut window, &loss), 35 * MSS);
    }

    #[test]
    fn an_undone_loss_leaves_the_curve_as_it_was() {
        let (mut cubic, mut window) = reduced(1_000);
        run(&mut cubic, &mut window, Instant::ZERO, 1.0);
        let (before, loss) = (cubic.curve, Loss::plain(Instant::from_millis(1_000), window.cwnd));
        cubic.on_loss(&mut window, &loss);
        cubic.on_undo(&mut window, Instant::from_millis(1_000));
        assert_eq!(format!("{before:?}"), format!("{:?}", cubic.curve));
    }

    #[test]
    fn time_in_which_the_window_is_not_used_does_not_count() {
        let (mut cubic, mut window) = reduced(1_000);
        let one = run(&mut cubic, &mut window, Instant::ZERO, 1.0);
        cubic.on_idle(&mut window, Instant::from_millis(1_000));
        let two = run(&mut cubic, &mut window, Instant::from_millis(60_000), 0.05);
        assert!(two - one < 20.0, "from {one} to {two}");
    }

    #[test]
    fn the_cube_root_is_one() {
        for x in [0.0f32, 0.001, 0.5, 1.0, 2.0, 27.0, 750.0, 1e6, 1e9] {
            let root = cube_root(x);
            assert!((root * root * root - x).abs() <= x * 1e-5, "{x}: {root}");
        }
    }
}
