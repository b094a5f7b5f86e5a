//! Losses drawn beforehand, to be the same for whoever is measured.

use netmart_proto::Instant;
use netmart_proto::netem::{self, Impaired, Loss, LossPattern, Netem};

/// Which of so many packets get lost on a link that loses as `loss` says. What meets the link later
/// decides nothing, so two senders to which this pattern happens lose the same packets by number.
pub fn draw_losses(loss: &Loss, packets: usize, seed: u64) -> LossPattern {
    let config = netem::Config { loss: loss.clone(), record_losses: true, ..Default::default() };
    let mut link = Netem::new(config, seed);
    for _ in 0..packets {
        link.handle_packet(Instant::ZERO, Nothing);
        while link.poll(Instant::ZERO).is_some() {}
    }
    link.loss_pattern().cloned().unwrap_or_default()
}

/// A packet of which only the number counts.
#[derive(Clone)]
struct Nothing;

impl Impaired for Nothing {
    fn wire_len(&self) -> usize {
        0
    }

    fn flip_bit(&mut self, _bit: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_the_share_that_was_asked_for_and_follows_from_the_seed() {
        let pattern = draw_losses(&Loss::Independent(0.05), 100_000, 1);
        assert_eq!(pattern.len(), 100_000);
        assert!((4_800..5_200).contains(&pattern.lost()), "{}", pattern.lost());
        assert_eq!(pattern, draw_losses(&Loss::Independent(0.05), 100_000, 1));
        assert_ne!(pattern, draw_losses(&Loss::Independent(0.05), 100_000, 2));
        let bursts = draw_losses(&Loss::bursts(0.05, 5.0), 100_000, 1);
        assert!((4_300..5_700).contains(&bursts.lost()), "{}", bursts.lost());
    }
}
