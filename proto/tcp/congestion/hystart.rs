//! HyStart++: when to leave the first slow start before it overflows the queue (RFC 9406).
//!
//! The round-trip time grows before anything is lost. When the least of a round exceeds that of the
//! round before by an eighth, slow start goes on at a quarter of its pace; if the growth was only noise
//! it resumes, otherwise congestion avoidance begins after five rounds.

use core::time::Duration;

use super::rounds::Rounds;
use super::{Ack, Window};

/// The variables of section 4.2.
#[derive(Clone, Debug, Default)]
pub(super) struct HyStart {
    rounds: Rounds,
    /// `lastRoundMinRTT`.
    last: Option<Duration>,
    /// `currentRoundMinRTT`.
    current: Option<Duration>,
    /// `rttSampleCount`.
    samples: u32,
    /// While in conservative slow start.
    conservative: Option<Conservative>,
}

/// Conservative slow start: the phase of doubt.
#[derive(Clone, Copy, Debug)]
struct Conservative {
    /// `cssBaselineMinRtt`.
    baseline: Duration,
    /// Rounds in this phase.
    rounds: u32,
}

impl HyStart {
    /// An acknowledgement came in slow start: by how many octets the window grows, before
    /// `ssthresh` stops it. Sets `ssthresh` when slow start is over.
    pub(super) fn on_ack(&mut self, window: &mut Window, ack: &Ack) -> u32 {
        self.begin_round(window, ack);
        if let Some(rtt) = ack.rate.and_then(|sample| sample.rtt).or(ack.rtt) {
            self.current = Some(self.current.map_or(rtt, |current| current.min(rtt)));
            self.samples += 1;
        }
        self.judge();
        let burst = (BURST_SEGMENTS * window.mss).max(SUPER_SEGMENT);
        let acked = ack.acked.min(burst);
        if self.conservative.is_some() { acked / GROWTH_DIVISOR } else { acked }
    }

    fn begin_round(&mut self, window: &mut Window, ack: &Ack) {
        let Some(sample) = ack.rate else { return };
        self.rounds.on_delivery(sample.prior_delivered, ack.total_delivered);
        if !self.rounds.starts {
            return;
        }
        self.last = self.current.take();
        self.samples = 0;
        if let Some(conservative) = &mut self.conservative {
            conservative.rounds += 1;
            if conservative.rounds >= CONSERVATIVE_ROUNDS {
                window.ssthresh = window.cwnd;
            }
        }
    }

    /// Compares this round with the last, once it has enough samples.
    fn judge(&mut self) {
        let (Some(current), true) = (self.current, self.samples >= SAMPLES) else { return };
        match self.conservative {
            Some(Conservative { baseline, .. }) if current < baseline => self.conservative = None,
            Some(_) => {}
            None => {
                let Some(last) = self.last else { return };
                let threshold = (last / THRESHOLD_DIVISOR).clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
                if current >= last + threshold {
                    self.conservative = Some(Conservative { baseline: current, rounds: 0 });
                }
            }
        }
    }
}

/// `MIN_RTT_THRESH`.
const LEAST_THRESHOLD: Duration = Duration::from_millis(4);

/// `MAX_RTT_THRESH`.
const MOST_THRESHOLD: Duration = Duration::from_millis(16);

/// `MIN_RTT_DIVISOR`.
const THRESHOLD_DIVISOR: u32 = 8;

/// `N_RTT_SAMPLE`.
const SAMPLES: u32 = 8;

/// `CSS_GROWTH_DIVISOR`.
const GROWTH_DIVISOR: u32 = 4;

/// `CSS_ROUNDS`.
const CONSERVATIVE_ROUNDS: u32 = 5;

/// `L`: how many segments one acknowledgement may bring, ...
const BURST_SEGMENTS: u32 = 8;

/// ... or what one super-segment carries, in octets: those are acknowledged at once.
const SUPER_SEGMENT: u32 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instant;
    use crate::tcp::delivery::RateSample;

    const MSS: u32 = 1_000;

    /// A slow start whose rounds have these round-trip times, in milliseconds; ten acknowledgements of
    /// a segment each. Returns by how many segments the window grew in each round.
    fn run(rtts: &[u64]) -> (Vec<u32>, Window) {
        let (mut hystart, mut delivered) = (HyStart::default(), 0);
        let mut window = Window { cwnd: 10 * MSS, ssthresh: u32::MAX, mss: MSS };
        let mut growths = Vec::new();
        for &rtt in rtts {
            let (prior, before) = (delivered, window.cwnd);
            let rtt = Duration::from_millis(rtt);
            for _ in 0..10 {
                delivered += u64::from(MSS);
                let rate = RateSample {
                    delivered: MSS,
                    interval: rtt,
                    prior_delivered: prior,
                    sent_in_flight: MSS,
                    lost: 0,
                    rtt: Some(rtt),
                    is_reliable: true,
                    is_app_limited: false,
                };
                let plain = Ack::plain(Instant::ZERO, MSS, rtt);
                let ack = Ack { rate: Some(rate), total_delivered: delivered, ..plain };
                let acked = hystart.on_ack(&mut window, &ack);
                window.slow_start(acked);
            }
            growths.push((window.cwnd - before) / MSS);
        }
        (growths, window)
    }

    #[test]
    fn a_steady_path_is_slow_start() {
        let (growths, window) = run(&[50; 8]);
        assert_eq!(growths, [10; 8]);
        assert_eq!(window.ssthresh, u32::MAX);
    }

    #[test]
    fn a_growing_round_trip_time_ends_it_after_five_careful_rounds() {
        let (growths, window) = run(&[50, 50, 60, 60, 60, 60, 60, 60, 60]);
        assert_eq!(growths, [10, 10, 7, 2, 2, 2, 2, 0, 0]);
        assert!(!window.is_slow_start());
    }

    #[test]
    fn noise_is_forgotten() {
        let (growths, window) = run(&[50, 50, 60, 51, 50, 50]);
        assert_eq!(growths, [10, 10, 7, 4, 10, 10]);
        assert_eq!(window.ssthresh, u32::MAX);
    }
}
