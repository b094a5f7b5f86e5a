//! The bus and the protocols count microseconds in types of their own; here they meet.

use netmart_bus::Time;
use netmart_proto::Instant;

/// The dataspace's time as the protocols count it.
pub const fn instant(time: Time) -> Instant {
    Instant::from_micros(time.as_micros())
}

/// The protocols' time as the dataspace counts it.
pub const fn time(instant: Instant) -> Time {
    Time::from_micros(instant.as_micros())
}
