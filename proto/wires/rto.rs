//! How long to wait for an answer, and for how often.

use core::time::Duration;

/// A time-out that follows the round-trip time (RFC 6298) between two bounds, and doubles with each try.
#[derive(Clone, Debug)]
pub(super) struct Rto {
    smoothed: Option<(Duration, Duration)>,
    initial: Duration,
    least: Duration,
    most: Duration,
    /// How often what is outstanding has been sent.
    tries: u32,
}

impl Rto {
    pub(super) fn new(initial: Duration, least: Duration, most: Duration) -> Self {
        Self { smoothed: None, initial, least, most, tries: 0 }
    }

    /// One that never changes.
    pub(super) fn fixed(period: Duration) -> Self {
        Self::new(period, period, period)
    }

    /// How long the next try waits.
    pub(super) fn current(&self) -> Duration {
        let base = match self.smoothed {
            Some((srtt, rttvar)) => (srtt + rttvar * 4).clamp(self.least, self.most),
            None => self.initial,
        };
        let doubled = self.tries.saturating_sub(1).min(10);
        base.saturating_mul(1 << doubled).min(self.most)
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| srtt)
    }

    /// Learns from an answer that came `rtt` after what was sent once.
    pub(super) fn sample(&mut self, rtt: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (rtt, rtt / 2),
            Some((srtt, rttvar)) => {
                (srtt * 7 / 8 + rtt / 8, rttvar * 3 / 4 + srtt.abs_diff(rtt) / 4)
            }
        });
    }

    /// Counts a try; how many there have been with it.
    pub(super) fn try_again(&mut self) -> u32 {
        self.tries = self.tries.saturating_add(1);
        self.tries
    }

    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// The peer has answered: what comes next is tried for the first time.
    pub(super) fn answered(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_doubles_with_each_try_up_to_its_bound() {
        let mut rto = Rto::new(MS * 100, MS * 20, MS * 500);
        let waits = [100, 200, 400, 500, 500].map(|millis| MS * millis);
        for (number, wait) in (1..).zip(waits) {
            assert_eq!(rto.try_again(), number);
            assert_eq!(rto.current(), wait);
        }
        rto.answered();
        assert_eq!(rto.current(), MS * 100);
    }

    #[test]
    fn it_follows_the_round_trip_but_not_below_its_floor() {
        let mut rto = Rto::new(MS * 100, MS * 20, MS * 500);
        for _ in 0..50 {
            rto.sample(MS);
        }
        assert_eq!(rto.current(), MS * 20);
        for _ in 0..50 {
            rto.sample(MS * 100);
        }
        assert!(rto.current() >= MS * 99 && rto.current() < MS * 150, "{:?}", rto.current());
    }
}
