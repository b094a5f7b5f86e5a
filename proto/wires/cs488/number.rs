//! Numbers on a circle of 204800.

/// How many numbers there are.
pub(super) const MODULUS: i32 = 204_800;
/// The number that both sides start from; a SYN takes it.
pub(super) const INITIAL: i32 = 42;

/// A sum of a number and a length, back on the circle.
pub(super) const fn wrap(sum: i32) -> i32 {
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

/// The same, as the original's client reckons: a packet that ends exactly where the circle closes is
/// acknowledged with a number that is not on it.
pub(super) const fn wrap_late(sum: i32) -> i32 {
    if sum > MODULUS { sum - MODULUS } else { sum }
}

/// Whether it is one of the numbers.
pub(super) const fn is_number(seq: i32) -> bool {
    0 <= seq && seq < MODULUS
}

/// How far `to` lies behind `from` on the circle.
pub(super) const fn distance(from: i32, to: i32) -> i32 {
    if to >= from { to - from } else { to - from + MODULUS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circle_closes() {
        assert_eq!(wrap(204_331 + 512), 43);
        assert_eq!((wrap(204_800), wrap_late(204_800), wrap_late(204_801)), (0, 204_800, 1));
        assert_eq!(distance(204_331, 43), 512);
        assert_eq!(distance(43, 43), 0);
        assert!(is_number(0) && !is_number(204_800) && !is_number(-1));
    }
}
