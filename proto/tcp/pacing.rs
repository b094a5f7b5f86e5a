//! When may the next segment leave, where a rate says so and not only a window.
//!
//! A pacer is a bucket that fills at the rate and holds one quantum: about a millisecond of data, so
//! that super-segments survive at high rates, and at least two segments. Sending empties it, below
//! nothing if need be; once it is empty the sender waits until it is full again. Timers may be late:
//! what would have left meanwhile may leave then.

use core::time::Duration;

use super::{LimitedBy, StateVector, TimerKind};
use crate::Instant;

/// The bucket. Without a rate it is never asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Pacer {
    /// What may leave, in millionths of an octet; negative if more has left.
    credit: i64,
    /// When the credit was last counted.
    counted_at: Instant,
    /// Whether the sender waits for the bucket to fill.
    waits: bool,
}

impl Pacer {
    /// Whether a segment may leave at `now`; otherwise when to ask again.
    fn admit(&mut self, rate: u64, quantum: u32, now: Instant) -> Result<(), Instant> {
        self.fill(rate, quantum, now);
        let full = i64::from(quantum) * MILLIONTHS;
        if self.credit > 0 && !self.waits || self.credit >= full {
            self.waits = false;
            return Ok(());
        }
        self.waits = true;
        let missing = (full - self.credit).unsigned_abs();
        let micros = missing.div_ceil(rate.max(1)).min(MOST_WAIT.as_micros() as u64);
        Err(now + Duration::from_micros(micros.max(1)))
    }

    /// `octets` have left.
    fn spend(&mut self, octets: u32) {
        self.credit -= i64::from(octets) * MILLIONTHS;
    }

    fn fill(&mut self, rate: u64, quantum: u32, now: Instant) {
        let elapsed = now.saturating_since(self.counted_at).min(MOST_WAIT).as_micros() as u64;
        self.counted_at = self.counted_at.max(now);
        let rate = rate.min(MOST_RATE);
        let late = if self.waits { rate * LATENESS.as_micros() as u64 } else { 0 };
        let most = i64::from(quantum) * MILLIONTHS + late as i64;
        let filled = (self.credit + (rate * elapsed) as i64).min(most);
        self.credit = self.credit.max(filled);
    }
}

/// How much leaves at once at this rate: a millisecond's worth, at least two segments, at most what
/// one super-segment may carry.
fn quantum(rate: u64, mss: u32) -> u32 {
    let millisecond = u32::try_from(rate / 1_000).unwrap_or(u32::MAX);
    millisecond.min(MOST_QUANTUM).max(2 * mss)
}

impl StateVector {
    /// Whether the pace lets data leave at `now`; if not, the timer is set for when it does.
    pub(super) fn pace_admits(&mut self, now: Instant) -> bool {
        let Some(rate) = self.congestion.pacing_rate() else { return true };
        let quantum = quantum(rate, self.snd.mss.into());
        match self.pacer.admit(rate, quantum, now) {
            Ok(()) => true,
            Err(at) => {
                self.timers.set(TimerKind::Pacing, at);
                self.limits.stop(LimitedBy::Pace, now);
                false
            }
        }
    }

    /// `octets` leave, and what follows has to wait for them if there is a pace.
    pub(super) fn pace_spend(&mut self, octets: u32) {
        if self.congestion.pacing_rate().is_some() {
            self.pacer.spend(octets);
        }
    }

    /// The most that may leave in one go: a quantum if there is a pace.
    pub(super) fn pace_limit(&self) -> u32 {
        let mss = u32::from(self.snd.mss);
        self.congestion.pacing_rate().map_or(u32::MAX, |rate| quantum(rate, mss))
    }
}

const MILLIONTHS: i64 = 1_000_000;

/// A timer is expected to be late by less than this.
const LATENESS: Duration = Duration::from_millis(4);

/// No pace makes anybody wait longer.
const MOST_WAIT: Duration = Duration::from_secs(1);

/// The fastest pace, in octets per second; it keeps the arithmetic within 64 bits.
const MOST_RATE: u64 = 1 << 40;

/// The most of a quantum, in octets.
const MOST_QUANTUM: u32 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1_000;

    /// Sends full segments at `rate` for a second, with timers late by `lateness`, and returns the
    /// octets sent and how often the sender woke.
    fn run(rate: u64, lateness: Duration) -> (u64, u32) {
        let (mut pacer, mut now) = (Pacer::default(), Instant::from_millis(1_000));
        let (mut sent, mut woken) = (0, 0);
        let quantum = quantum(rate, MSS);
        let end = now + Duration::from_secs(1);
        while now < end {
            match pacer.admit(rate, quantum, now) {
                Ok(()) => {
                    pacer.spend(MSS);
                    sent += u64::from(MSS);
                }
                Err(at) => {
                    assert!(at > now);
                    now = at + lateness;
                    woken += 1;
                }
            }
        }
        (sent, woken)
    }

    #[test]
    fn the_rate_is_kept_whatever_it_is_and_however_late_the_timer() {
        for rate in [10_000, 1_000_000, 12_500_000, 125_000_000, 1_250_000_000] {
            for lateness in [0, 50, 1_000, 3_000] {
                let (sent, woken) = run(rate, Duration::from_micros(lateness));
                let most = rate + 2 * u64::from(quantum(rate, MSS)) + rate * 4 / 1_000;
                let least = rate - rate / 50 - 2 * u64::from(MSS);
                assert!((least..=most).contains(&sent), "{rate} late by {lateness}: {sent}");
                assert!(woken <= 22_000, "{rate} late by {lateness}: woken {woken} times");
            }
        }
    }

    #[test]
    fn a_pause_earns_one_quantum_and_no_more() {
        let mut pacer = Pacer::default();
        let now = Instant::from_millis(5_000);
        let quantum = quantum(1_000_000, MSS);
        let mut burst = 0;
        while pacer.admit(1_000_000, quantum, now).is_ok() {
            pacer.spend(MSS);
            burst += MSS;
        }
        assert_eq!(burst, quantum);
    }
}
