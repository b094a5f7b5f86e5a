//! Slow start and additive increase (RFC 5681).

use super::{Ack, Controller, Loss, MAX_CWND, Window};

#[derive(Clone, Debug, Default)]
pub(super) struct Reno {
    /// Octets acknowledged since the window last grew in congestion avoidance.
    acked: u32,
}

impl Controller for Reno {
    fn on_ack(&mut self, window: &mut Window, ack: &Ack) {
        let rest = window.slow_start(ack.acked);
        self.acked = self.acked.saturating_add(rest);
        if rest > 0 && self.acked >= window.cwnd {
            self.acked -= window.cwnd;
            window.cwnd = (window.cwnd + window.mss).min(MAX_CWND);
        }
    }

    fn on_loss(&mut self, _window: &mut Window, loss: &Loss) -> u32 {
        self.acked = 0;
        loss.in_flight / 2
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::Instant;

    fn window(cwnd: u32, ssthresh: u32) -> Window {
        Window { cwnd, ssthresh, mss: 1_000 }
    }

    fn ack(acked: u32) -> Ack {
        Ack::plain(Instant::ZERO, acked, Duration::from_millis(10))
    }

    #[test]
    fn lineage_19_slow_start_doubles_and_congestion_avoidance_adds_one_segment() {
        let mut reno = Reno::default();
        let mut window = window(10_000, 20_000);
        reno.on_ack(&mut window, &ack(10_000));
        assert_eq!(window.cwnd, 20_000, "slow start: one round trip doubles");
        for _ in 0..10 {
            reno.on_ack(&mut window, &ack(2_000));
        }
        assert_eq!(window.cwnd, 21_000, "congestion avoidance: one segment in a round trip");
        assert_eq!(reno.on_loss(&mut window, &Loss::plain(Instant::ZERO, 21_000)), 10_500);
    }
}
