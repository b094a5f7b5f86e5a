//! How fast what I send is delivered (draft-ietf-ccwg-bbr, section 4.1).
//!
//! Each segment takes a [`Stamp`] with it when it leaves: how much had been delivered then, and when.
//! Its acknowledgement closes the interval, and what was delivered in it gives the rate.

use core::time::Duration;

use crate::Instant;

/// What a connection knows of delivery: `C` of the draft.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    /// Octets delivered so far, each counted once.
    delivered: u64,
    /// Octets found lost so far; one that is lost twice counts twice.
    lost: u64,
    /// When anything was last delivered.
    delivered_at: Instant,
    /// When the segment left that begins the present interval.
    first_sent_at: Instant,
    /// What is delivered up to here was slowed down by the application; 0 if it is not.
    app_limited: u64,
    /// Of what the present acknowledgement delivers, that which left last.
    newest: Option<Newest>,
    /// The first segment of those found lost since the last sample at which the losses of its flight
    /// were too many: octets in flight when it left; 0 if there is none.
    too_high: u32,
    /// The [`Tolerance`] of losses, its fields side by side to take less room.
    tolerated_share: u16,
    tolerated_least: u32,
    /// The last reliable rate, in octets per second; 0 before the first. Seven digits are enough.
    rate: f32,
    /// Whether that was the application's.
    rate_is_app_limited: bool,
}

/// How much of a flight may be lost before it is too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tolerance {
    /// Octets of 1024 in flight.
    pub(super) share: u16,
    /// Octets that never are too many.
    pub(super) least: u32,
}

/// The segment among those just delivered that left last.
#[derive(Clone, Copy, Debug)]
struct Newest {
    sent_at: Instant,
    /// Whether it had left before that as well.
    again: bool,
    stamp: Stamp,
}

/// What a segment remembers of the moment it left: `P` of the draft.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp {
    /// What had been delivered, modulo 2^32.
    delivered: u32,
    /// What had been lost, modulo 2^32.
    lost: u32,
    /// Octets in flight with this one.
    in_flight: u32,
    /// How long before that something was last delivered, in microseconds.
    delivered_ago: u32,
    /// How long before that the interval had begun, in microseconds.
    first_sent_ago: u32,
    /// Whether the sender had been short of data.
    app_limited: bool,
}

/// A measurement of the delivery rate: `rs` of the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateSample {
    /// Octets delivered in the interval.
    pub(super) delivered: u32,
    /// The longer of the times it took to send and to acknowledge them.
    pub(super) interval: Duration,
    /// What had been delivered when the newest of the segments left; rounds are counted by it.
    pub(super) prior_delivered: u64,
    /// Octets in flight when that segment left, itself included.
    pub(super) sent_in_flight: u32,
    /// Octets lost since that segment left.
    pub(super) lost: u32,
    /// How long ago it left, unless it left more than once.
    pub(super) rtt: Option<Duration>,
    /// Whether the interval is long enough to tell a rate: one shorter than the least round-trip time
    /// tells of a burst only.
    pub(super) is_reliable: bool,
    /// Whether the application held the sender back, so that the path may be faster than this.
    pub(super) is_app_limited: bool,
}

impl RateSample {
    /// Octets per second.
    pub(super) fn rate(&self) -> u64 {
        u64::from(self.delivered) * 1_000_000 / (self.interval.as_micros() as u64).max(1)
    }
}

impl Delivery {
    /// Octets delivered so far.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Octets found lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// The delivery rate as last measured, in octets per second.
    pub(super) fn rate(&self) -> Option<u64> {
        (self.rate > 0.0).then_some(self.rate as u64)
    }

    /// Whether the application, or the peer's window, held that rate.
    pub(super) fn rate_is_app_limited(&self) -> bool {
        self.rate_is_app_limited
    }

    /// A segment leaves while `in_flight` octets are under way, itself not counted.
    pub(super) fn stamp(&mut self, len: u32, in_flight: u32, now: Instant) -> Stamp {
        if in_flight == 0 {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        Stamp {
            delivered: self.delivered as u32,
            lost: self.lost as u32,
            in_flight: in_flight.saturating_add(len),
            delivered_ago: micros(now.saturating_since(self.delivered_at)),
            first_sent_ago: micros(now.saturating_since(self.first_sent_at)),
            app_limited: self.app_limited > 0,
        }
    }

    /// `len` octets were delivered, which last left `sent_at`, and had left before if `again`.
    pub(super) fn deliver(&mut self, len: u32, sent_at: Instant, again: bool, stamp: Stamp) {
        self.delivered += u64::from(len);
        if self.newest.is_none_or(|newest| sent_at >= newest.sent_at) {
            self.newest = Some(Newest { sent_at, again, stamp });
        }
    }

    /// `len` octets were found lost.
    pub(super) fn lose(&mut self, len: u32, stamp: Stamp) {
        self.lost += u64::from(len);
        let flight = (self.lost as u32).wrapping_sub(stamp.lost);
        let share = u64::from(stamp.in_flight) * u64::from(self.tolerated_share) / 1024;
        if u64::from(flight) > share.max(self.tolerated_least.into()) {
            self.too_high = if self.too_high > 0 { self.too_high } else { stamp.in_flight };
        }
    }

    /// The sender has nothing to send, with `in_flight` octets under way: until they are delivered,
    /// the rate is the application's.
    pub(super) fn limit_by_application(&mut self, in_flight: u32) {
        self.app_limited = (self.delivered + u64::from(in_flight)).max(1);
    }

    /// An acknowledgement that came at `now` is done with: what it tells of the rate, if it delivered
    /// anything.
    pub(super) fn sample(&mut self, now: Instant, min_rtt: Duration) -> Option<RateSample> {
        if self.app_limited > 0 && self.delivered > self.app_limited {
            self.app_limited = 0;
        }
        let Newest { sent_at, again, stamp } = self.newest.take()?;
        let delivered_before = sent_at - Duration::from_micros(stamp.delivered_ago.into());
        let sending = Duration::from_micros(stamp.first_sent_ago.into());
        let interval = now.saturating_since(delivered_before).max(sending);
        self.delivered_at = now;
        self.first_sent_at = sent_at;
        let delivered = (self.delivered as u32).wrapping_sub(stamp.delivered);
        let sample = RateSample {
            delivered,
            interval,
            prior_delivered: self.delivered - u64::from(delivered),
            sent_in_flight: stamp.in_flight,
            lost: (self.lost as u32).wrapping_sub(stamp.lost),
            rtt: (!again).then(|| now.saturating_since(sent_at)),
            is_reliable: interval >= min_rtt && !interval.is_zero(),
            is_app_limited: stamp.app_limited,
        };
        // A rate that was not the path's counts only if the path has shown no better one.
        if sample.is_reliable && (!sample.is_app_limited || sample.rate() as f32 >= self.rate) {
            self.rate = sample.rate() as f32;
            self.rate_is_app_limited = sample.is_app_limited;
        }
        Some(sample)
    }

    /// From now on losses are too many past `tolerance`.
    pub(super) fn set_tolerance(&mut self, tolerance: Tolerance) {
        self.tolerated_share = tolerance.share;
        self.tolerated_least = tolerance.least;
    }

    /// Takes the octets in flight at which losses became too many, if they have since the last call.
    pub(super) fn take_too_high(&mut self) -> Option<u32> {
        let in_flight = core::mem::take(&mut self.too_high);
        (in_flight > 0).then_some(in_flight)
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn the_rate_is_what_was_delivered_in_the_longer_of_the_two_times() {
        let mut delivery = Delivery::default();
        let first = delivery.stamp(1_000, 0, ms(100));
        let second = delivery.stamp(1_000, 1_000, ms(104));
        delivery.deliver(1_000, ms(100), false, first);
        let sample = delivery.sample(ms(110), Duration::from_millis(10)).unwrap();
        assert_eq!((sample.delivered, sample.interval.as_millis()), (1_000, 10));
        assert_eq!((sample.rate(), sample.prior_delivered), (100_000, 0));
        delivery.deliver(1_000, ms(104), false, second);
        let sample = delivery.sample(ms(120), Duration::from_millis(10)).unwrap();
        assert_eq!((sample.delivered, sample.interval.as_millis()), (2_000, 20));
        assert_eq!(delivery.sample(ms(121), Duration::ZERO), None, "nothing was delivered");
    }

    #[test]
    fn an_interval_shorter_than_a_round_trip_tells_nothing() {
        let mut delivery = Delivery::default();
        let stamp = delivery.stamp(1_000, 0, ms(100));
        delivery.deliver(1_000, ms(100), false, stamp);
        let sample = delivery.sample(ms(105), Duration::from_millis(10)).unwrap();
        assert!(!sample.is_reliable);
        assert_eq!(sample.rtt, Some(Duration::from_millis(5)));
        assert_eq!(delivery.delivered(), 1_000, "but it was delivered");
    }

    #[test]
    fn the_application_limits_until_what_was_in_flight_is_delivered() {
        let mut delivery = Delivery::default();
        let before = delivery.stamp(1_000, 0, ms(100));
        delivery.limit_by_application(1_000);
        let during = delivery.stamp(1_000, 1_000, ms(101));
        delivery.deliver(1_000, ms(100), false, before);
        assert!(!delivery.sample(ms(110), Duration::ZERO).unwrap().is_app_limited);
        delivery.deliver(1_000, ms(101), true, during);
        let sample = delivery.sample(ms(111), Duration::ZERO).unwrap();
        assert!(sample.is_app_limited);
        assert_eq!(sample.rtt, None, "it had left twice");
        assert!(!delivery.stamp(1_000, 0, ms(112)).app_limited);
    }

    #[test]
    fn losses_of_a_flight_are_too_many_past_the_tolerance() {
        let mut delivery = Delivery::default();
        delivery.set_tolerance(Tolerance { share: 103, least: 500 });
        let stamps: Vec<Stamp> =
            (0..10).map(|sent| delivery.stamp(1_000, sent * 1_000, ms(100))).collect();
        delivery.lose(1_000, stamps[9]);
        assert_eq!(delivery.take_too_high(), None, "one of ten");
        delivery.lose(1_000, stamps[8]);
        assert_eq!(delivery.take_too_high(), Some(9_000), "two of nine");
        assert_eq!((delivery.lost(), delivery.take_too_high()), (2_000, None));
    }
}
