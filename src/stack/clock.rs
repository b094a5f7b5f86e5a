//! The runtime's clock, as a dataspace counts time.

use netmart_bus::Time;
use tokio::time::Instant;

/// Counts microseconds since it was made. It follows tokio's clock, paused or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock that shows 0 now.
    pub(crate) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// What it shows.
    pub(crate) fn now(self) -> Time {
        let micros = self.epoch.elapsed().as_micros();
        // Half a million years fit.
        Time::from_micros(micros as u64)
    }

    /// The runtime's name for a time that this clock shows.
    pub(crate) fn instant(self, time: Time) -> Instant {
        self.epoch + time.saturating_since(Time::ZERO)
    }
}
