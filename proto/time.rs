//! Time as an argument.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A moment, in microseconds since an origin that the caller chose.
///
/// It has no `now`: whoever drives a machine says what time it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(
    /// One more than the microseconds, so that `Option<Instant>` takes no more room.
    NonZeroU64,
);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// The moment `micros` microseconds after the origin. The last microsecond of all is taken for the one before.
    pub const fn from_micros(micros: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(micros))
    }

    /// The moment `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_micros(millis * 1_000)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0.get() - 1
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time, so that an absurd time-out cannot wrap around.
    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at the origin.
    fn sub(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(self.0.get().saturating_sub(micros)).unwrap_or(NonZeroU64::MIN))
    }
}

impl Default for Instant {
    /// The origin.
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.as_micros()).finish()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_what_they_were_made_of_up_to_the_end_of_time() {
        for micros in [0, 1, 1_500_000, u64::MAX - 1] {
            assert_eq!(Instant::from_micros(micros).as_micros(), micros);
        }
        let end = Instant::from_micros(u64::MAX);
        assert_eq!(end, Instant::from_micros(u64::MAX - 1));
        assert_eq!(Instant::ZERO + Duration::MAX, end);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(end - Duration::MAX, Instant::ZERO);
        assert_eq!(Instant::from_millis(5) - Duration::from_millis(2), Instant::from_millis(3));
        assert!(Instant::ZERO < Instant::from_micros(1) && Instant::from_micros(1) < end);
        assert_eq!(end.saturating_since(Instant::ZERO), Duration::from_micros(u64::MAX - 1));
        assert_eq!(
            format!("{} {:?}", Instant::from_millis(1_500), Instant::ZERO),
            "1.500000 Instant(0)"
        );
        assert_eq!(size_of::<Option<Instant>>(), size_of::<Instant>());
    }
}
