//! What BBR knows of the path: how fast it is, how long, and how unevenly acknowledgements come.

use core::time::Duration;

use crate::Instant;

/// The maximum of the delivery rate over this cycle of probing and the last
/// (`BBR.MaxBwFilter`), in octets per second.
#[derive(Clone, Debug, Default)]
pub(super) struct MaxBandwidth([u64; 2]);

impl MaxBandwidth {
    pub(super) fn get(&self) -> u64 {
        self.0[0].max(self.0[1])
    }

    pub(super) fn update(&mut self, rate: u64) {
        self.0[1] = self.0[1].max(rate);
    }

    /// A cycle is over. One that has measured nothing does not count.
    pub(super) fn advance(&mut self) {
        if self.0[1] > 0 {
            self.0 = [self.0[1], 0];
        }
    }
}

/// The least round-trip time, kept fresh by going below the path's capacity now and then.
#[derive(Clone, Debug)]
pub(super) struct MinRtt {
    /// `BBR.min_rtt`: the least of the last ten seconds or so; nothing before the first measurement.
    min: Option<Duration>,
    min_at: Instant,
    /// `BBR.probe_rtt_min_delay`: the least since the last probe.
    recent: Option<Duration>,
    recent_at: Instant,
    /// Whether the recent minimum is so old that the path should be probed.
    pub(super) is_stale: bool,
}

impl MinRtt {
    pub(super) fn new(now: Instant) -> Self {
        Self { min: None, min_at: now, recent: None, recent_at: now, is_stale: false }
    }

    pub(super) fn get(&self) -> Option<Duration> {
        self.min
    }

    pub(super) fn update(&mut self, rtt: Option<Duration>, now: Instant) {
        self.is_stale = now.saturating_since(self.recent_at) > PROBE_RTT_INTERVAL;
        if let Some(rtt) = rtt
            && (self.is_stale || self.recent.is_none_or(|recent| rtt <= recent))
        {
            self.recent = Some(rtt);
            self.recent_at = now;
        }
        let expired = now.saturating_since(self.min_at) > MIN_RTT_WINDOW;
        if let Some(recent) = self.recent
            && (expired || self.min.is_none_or(|min| recent <= min))
        {
            self.min = Some(recent);
            self.min_at = self.recent_at;
        }
    }

    /// The path was probed.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.recent_at = now;
    }
}

/// How much more is acknowledged at once than the rate explains: what must be in flight besides the
/// bandwidth-delay product to keep the path busy meanwhile (`BBR.ExtraACKedFilter`).
#[derive(Clone, Debug, Default)]
pub(super) struct ExtraAcked {
    begin: Instant,
    delivered: u64,
    /// The maxima of this window of rounds and of the last.
    maxima: [u32; 2],
    window_end: u64,
}

impl ExtraAcked {
    pub(super) fn get(&self) -> u32 {
        self.maxima[0].max(self.maxima[1])
    }

    /// `delivered` octets were acknowledged while the rate was thought to be `bandwidth`.
    pub(super) fn update(
        &mut self,
        delivered: u32,
        bandwidth: u64,
        cwnd: u32,
        round: u64,
        now: Instant,
    ) {
        let micros = now.saturating_since(self.begin).as_micros().min(1 << 32) as u64;
        let mut expected = octets_in(bandwidth, micros);
        if self.delivered <= expected {
            self.begin = now;
            self.delivered = 0;
            expected = 0;
        }
        self.delivered += u64::from(delivered);
        let extra = (self.delivered - expected).min(cwnd.into()) as u32;
        if round >= self.window_end {
            self.maxima = [self.maxima[1], 0];
            self.window_end = round + EXTRA_ACKED_ROUNDS;
        }
        self.maxima[1] = self.maxima[1].max(extra);
    }

    /// Sending begins again after a pause.
    pub(super) fn restart(&mut self, now: Instant) {
        self.begin = now;
        self.delivered = 0;
    }
}

/// Whether the path is full: three rounds in which the rate has not grown.
#[derive(Clone, Debug, Default)]
pub(super) struct FullPipe {
    rate: u64,
    rounds: u8,
    /// Whether it is full as far as the present probe tells.
    pub(super) now: bool,
    /// Whether it ever was, so that start-up is over.
    pub(super) reached: bool,
}

impl FullPipe {
    pub(super) fn reset(&mut self, rate: u64) {
        self.rate = rate;
        self.rounds = 0;
        self.now = false;
    }

    /// A round is over that measured `rate`; growth by less than one part of `parts` is none.
    pub(super) fn on_round(&mut self, rate: u64, parts: u64) {
        if self.now {
            return;
        }
        if rate >= self.rate + self.rate / parts {
            self.reset(rate);
            return;
        }
        self.rounds += 1;
        self.now = self.rounds >= FULL_ROUNDS;
        self.reached |= self.now;
    }
}

/// Octets that `rate` octets per second make in so many microseconds.
pub(super) fn octets_in(rate: u64, micros: u64) -> u64 {
    (u128::from(rate) * u128::from(micros) / 1_000_000).min(u64::MAX.into()) as u64
}

/// `BBR.ProbeRTTInterval`.
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);

/// `BBR.MinRTTFilterLen`.
const MIN_RTT_WINDOW: Duration = Duration::from_secs(10);

/// Half of `BBR.ExtraAckedFilterLen`, for there are two windows.
const EXTRA_ACKED_ROUNDS: u64 = 5;

/// Rounds without growth that show a full path.
const FULL_ROUNDS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_best_of_two_cycles_is_believed() {
        let mut best = MaxBandwidth::default();
        best.update(100);
        best.advance();
        best.update(80);
        assert_eq!(best.get(), 100);
        best.advance();
        assert_eq!(best.get(), 80);
        best.advance();
        assert_eq!(best.get(), 80, "nothing was measured");
    }

    #[test]
    fn the_least_round_trip_time_is_forgotten_after_ten_seconds() {
        let start = Instant::from_millis(1_000);
        let mut rtt = MinRtt::new(start);
        rtt.update(Some(ms(50)), start);
        rtt.update(Some(ms(70)), start + ms(4_000));
        assert_eq!((rtt.get(), rtt.is_stale), (Some(ms(50)), false));
        rtt.update(Some(ms(70)), start + ms(5_500));
        assert_eq!((rtt.get(), rtt.is_stale), (Some(ms(50)), true));
        rtt.update(Some(ms(60)), start + ms(10_100));
        assert_eq!(rtt.get(), Some(ms(60)));
    }

    #[test]
    fn what_comes_at_once_is_more_than_the_rate_explains() {
        let mut extra = ExtraAcked::default();
        let mut now = Instant::from_millis(1_000);
        for round in 0..4 {
            // 10 ms of data at 1 MB/s, all at once.
            now += ms(10);
            extra.update(10_000, 1_000_000, 100_000, round, now);
        }
        assert_eq!(extra.get(), 10_000);
        now += ms(20);
        for round in 5..16 {
            now += ms(1);
            extra.update(1_000, 1_000_000, 100_000, round, now);
        }
        assert_eq!(extra.get(), 1_000, "and is forgotten");
    }

    #[test]
    fn three_rounds_without_growth_fill_the_pipe() {
        let mut pipe = FullPipe::default();
        for rate in [100, 200, 400, 450, 480] {
            pipe.on_round(rate, 4);
            assert!(!pipe.now);
        }
        pipe.on_round(490, 4);
        assert!(pipe.now && pipe.reached);
        pipe.reset(490);
        assert!(!pipe.now && pipe.reached);
    }
}
