//! Sequence numbers: points on a circle of 2^32 (RFC 9293 section 3.4).

use core::fmt;
use core::ops::{Add, AddAssign};

/// A sequence number.
///
/// Order on a circle is not an order, so there is no `<`: each question has a name. Two numbers are
/// compared as if they lay less than 2^31 apart, which the window sizes of TCP guarantee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Whether this comes strictly before `other`.
    pub const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this comes strictly after `other`.
    pub const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }

    /// Whether this comes before `other` or equals it.
    pub const fn is_at_or_before(self, other: Self) -> bool {
        !self.is_after(other)
    }

    /// Whether this comes after `other` or equals it.
    pub const fn is_at_or_after(self, other: Self) -> bool {
        !self.is_before(other)
    }

    /// How many octets lie between `earlier` and this; call it only where this is not before `earlier`.
    pub const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this lies in the `size` octets that begin at `start`.
    pub const fn is_in_window(self, start: Self, size: u32) -> bool {
        self.0.wrapping_sub(start.0) < size
    }

    /// The later of the two.
    pub const fn later(self, other: Self) -> Self {
        if self.is_before(other) { other } else { self }
    }

    /// The earlier of the two.
    pub const fn earlier(self, other: Self) -> Self {
        if self.is_before(other) { self } else { other }
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNumber {
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl core::ops::Sub<u32> for SeqNumber {
    type Output = Self;

    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
