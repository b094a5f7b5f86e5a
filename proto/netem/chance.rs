//! All that is left to chance.

use core::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A seeded generator.
///
/// The mapping from its bits to outcomes is written out here, because a recorded run must come out
/// the same after an update of any library.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Xoshiro256PlusPlus);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Whether something of this probability happens. What never or always happens is not drawn.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        if probability >= 1.0 {
            return true;
        }
        // 53 bits: as many as a number between 0 and 1 has.
        let drawn = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        drawn < probability
    }

    /// A number less than `bound`, or 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias is less than bound / 2^64: nothing that could be measured.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A whole number of microseconds up to `limit`. Zero is not drawn.
    pub(crate) fn up_to(&mut self, limit: Duration) -> Duration {
        if limit.is_zero() {
            return Duration::ZERO;
        }
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(micros.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut chance = Chance::new(1);
        let drawn: Vec<u64> = (0..4).map(|_| chance.below(1_000_000)).collect();
        assert_eq!(drawn, [811_612, 747_104, 100_150, 746_216]);
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut chance = Chance::new(7);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[chance.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
        assert_eq!(chance.below(0), 0);
        assert!(chance.up_to(Duration::MAX) <= Duration::MAX);
    }

    #[test]
    fn what_is_certain_is_not_drawn() {
        let mut chance = Chance::new(3);
        let before = chance.clone();
        assert!(!chance.happens(0.0));
        assert!(chance.happens(1.0));
        assert!(!chance.happens(f64::NEG_INFINITY));
        assert_eq!(chance.0, before.0);
    }
}
