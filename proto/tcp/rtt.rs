//! The round-trip time and the retransmission time-out (RFC 6298).

use core::time::Duration;

use super::Config;

/// Smooths measurements and derives the time-out from them.
#[derive(Clone, Debug)]
pub(super) struct RttEstimator {
    /// SRTT, in microseconds; nothing before the first measurement.
    smoothed: Option<u32>,
    /// RTTVAR, in microseconds.
    variance: u32,
    /// The least measurement so far, in microseconds.
    least: u32,
    /// The time-out before back-off, in microseconds.
    base: u32,
    /// How often the time-out was doubled since the last new measurement.
    backoff: u8,
}

impl RttEstimator {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            smoothed: None,
            variance: 0,
            least: u32::MAX,
            base: micros(config.rto_initial),
            backoff: 0,
        }
    }

    /// Takes a measurement of a segment that was sent only once, or told apart by its timestamp
    /// (Karn's algorithm, RFC 6298 section 3).
    pub(super) fn measure(&mut self, rtt: Duration, config: &Config) {
        let rtt = micros(rtt);
        self.least = self.least.min(rtt);
        let smoothed = match self.smoothed {
            None => {
                self.variance = rtt / 2;
                rtt
            }
            Some(smoothed) => {
                // In this order: the variance is taken from the old SRTT (section 2.3).
                self.variance = weighted(self.variance, smoothed.abs_diff(rtt), 4);
                weighted(smoothed, rtt, 8)
            }
        };
        self.smoothed = Some(smoothed);
        let spread = self.variance.saturating_mul(4).max(micros(config.rto_min));
        self.base = smoothed.saturating_add(spread);
        self.backoff = 0;
    }

    /// The time-out now.
    pub(super) fn rto(&self, config: &Config) -> Duration {
        let micros = u64::from(self.base) << self.backoff.min(MAX_BACKOFF);
        let is_first = self.smoothed.is_none() && self.backoff == 0;
        let slop = if is_first { Duration::ZERO } else { config.rto_slop };
        (Duration::from_micros(micros) + slop).min(config.rto_max)
    }

    /// Doubles the time-out, since it passed in vain (section 5.5).
    pub(super) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1).min(MAX_BACKOFF);
    }

    /// Forgets the doubling: something was acknowledged.
    pub(super) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// A SYN was lost, so that one second is too little to start from (section 5.7).
    pub(super) fn distrust_initial(&mut self) {
        if self.smoothed.is_none() {
            self.base = self.base.max(micros(Duration::from_secs(3)));
            self.backoff = 0;
        }
    }

    /// SRTT, once there is one.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(|micros| Duration::from_micros(micros.into()))
    }

    /// RTTVAR.
    pub(super) fn variance(&self) -> Duration {
        Duration::from_micros(self.variance.into())
    }

    /// The least measurement, once there is one.
    pub(super) fn least(&self) -> Option<Duration> {
        self.smoothed.map(|_| Duration::from_micros(self.least.into()))
    }
}

/// `old` moved by one part of `parts` towards `new`.
fn weighted(old: u32, new: u32, parts: u64) -> u32 {
    ((u64::from(old) * (parts - 1) + u64::from(new)) / parts) as u32
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// Past this many doublings every time-out is at its maximum.
const MAX_BACKOFF: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn lineage_27_the_time_out_follows_rfc_6298() {
        let config = Config::default();
        let mut rtt = RttEstimator::new(&config);
        assert_eq!(rtt.rto(&config), ms(1000), "section 2.1");
        rtt.measure(ms(400), &config);
        assert_eq!(rtt.smoothed(), Some(ms(400)), "section 2.2");
        assert_eq!(rtt.rto(&config), ms(400 + 4 * 200));
        rtt.measure(ms(800), &config);
        assert_eq!(rtt.variance(), ms(200 * 3 / 4 + 400 / 4), "section 2.3");
        assert_eq!(rtt.smoothed(), Some(ms(400 * 7 / 8 + 800 / 8)));
        assert_eq!(rtt.least(), Some(ms(400)));
    }

    #[test]
    fn back_off_doubles_up_to_the_maximum_and_ends_with_a_measurement() {
        let config = Config::default();
        let mut rtt = RttEstimator::new(&config);
        let seconds: Vec<u64> = (0..8)
            .map(|_| {
                let rto = rtt.rto(&config).as_secs();
                rtt.back_off();
                rto
            })
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        rtt.measure(ms(100), &config);
        assert_eq!(rtt.rto(&config), ms(300));
    }

    #[test]
    fn slop_is_added_to_all_but_the_first_time_out() {
        let config = Config { rto_slop: ms(200), ..Config::default() };
        let mut rtt = RttEstimator::new(&config);
        assert_eq!(rtt.rto(&config), ms(1000));
        rtt.back_off();
        assert_eq!(rtt.rto(&config), ms(2200));
        rtt.measure(ms(400), &config);
        assert_eq!(rtt.rto(&config), ms(400 + 800 + 200));
    }

    #[test]
    fn a_short_path_keeps_the_floor_above_a_delayed_acknowledgement() {
        let config = Config::default();
        let mut rtt = RttEstimator::new(&config);
        for _ in 0..100 {
            rtt.measure(Duration::from_micros(50), &config);
        }
        assert_eq!(rtt.rto(&config), config.rto_min + Duration::from_micros(50));
    }
}
