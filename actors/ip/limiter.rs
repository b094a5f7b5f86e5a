//! How many ICMP errors we send.

use netmart_proto::Instant;

/// Lets through so many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    /// Microseconds that earn one token.
    interval: u64,
    capacity: u64,
    tokens: u64,
    /// Up to when tokens have been earned.
    since: Instant,
}

impl TokenBucket {
    /// A full bucket of `capacity` tokens, refilled with `per_second`, at most one a microsecond.
    pub(super) fn new(per_second: u64, capacity: u64) -> Self {
        let interval = (1_000_000 / per_second.max(1)).max(1);
        Self { interval, capacity, tokens: capacity, since: Instant::ZERO }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.as_micros().saturating_sub(self.since.as_micros());
        let earned = elapsed / self.interval;
        self.tokens = self.tokens.saturating_add(earned).min(self.capacity);
        self.since = Instant::from_micros(self.since.as_micros() + earned * self.interval);
        let taken = self.tokens > 0;
        self.tokens -= u64::from(taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut TokenBucket, at: u64) -> usize {
        (0..100).take_while(|_| bucket.take(Instant::from_micros(at))).count()
    }

    #[test]
    fn tokens_are_earned_with_time_up_to_the_capacity() {
        let mut bucket = TokenBucket::new(1000, 3);
        let cases = [(0, 3), (999, 0), (1000, 1), (1500, 0), (3000, 2), (60_000_000, 3), (0, 0)];
        for (at, expected) in cases {
            assert_eq!(taken(&mut bucket, at), expected, "at {at} us");
        }
    }
}
