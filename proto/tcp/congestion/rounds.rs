//! How many round trips have passed.

/// Counts round trips by what is delivered: one is over when something arrives that left after it
/// began.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    /// The round is over when data arrives that left with so much delivered.
    ends_at: u64,
    /// Whether the present acknowledgement ends a round.
    pub(super) starts: bool,
    /// How many there were.
    pub(super) count: u64,
}

impl Rounds {
    /// Data arrived that had left with `prior` octets delivered, of now `total`.
    pub(super) fn on_delivery(&mut self, prior: u64, total: u64) {
        self.starts = prior >= self.ends_at;
        if self.starts {
            self.ends_at = total;
            self.count += 1;
        }
    }

    /// Begins a round now.
    pub(super) fn begin(&mut self, total: u64) {
        self.ends_at = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_with_data_that_left_after_it_began() {
        let mut rounds = Rounds::default();
        let mut starts = |prior, total| {
            rounds.on_delivery(prior, total);
            rounds.starts
        };
        let seen = [starts(0, 10), starts(0, 20), starts(9, 30), starts(10, 40), starts(39, 50)];
        assert_eq!(seen, [true, false, false, true, false]);
    }
}
