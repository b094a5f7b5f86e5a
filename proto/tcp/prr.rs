//! How much to send during fast recovery: proportional rate reduction (RFC 9937).

/// The variables of RFC 9937 section 6, all in octets.
#[derive(Clone, Debug, Default)]
pub(super) struct Prr {
    /// `prr_delivered`: what has arrived since recovery began.
    delivered: u32,
    /// `prr_out`: what was sent since.
    out: u32,
    /// `RecoverFS`: what was in the network when the loss was found, lost or not.
    flight: u32,
}

/// What an acknowledgement during recovery tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// `DeliveredData`: octets that it reports for the first time.
    pub(super) delivered: u32,
    /// `inflight`: octets thought to be in the network, in the light of it.
    pub(super) pipe: u32,
    /// `SafeACK`: whether SND.UNA advances and nothing more is found lost.
    pub(super) safe: bool,
}

impl Prr {
    /// Recovery begins, with so many octets outstanding that were not reported as received before
    /// the acknowledgement that told of the loss.
    pub(super) fn begin(&mut self, flight: u32) {
        *self = Self { delivered: 0, out: 0, flight: flight.max(1) };
    }

    /// So many octets were sent.
    #[inline]
    pub(super) fn sent(&mut self, octets: u32) {
        self.out = self.out.saturating_add(octets);
    }

    /// The congestion window after an acknowledgement, on its way to `ssthresh`.
    pub(super) fn window(&mut self, progress: &Progress, ssthresh: u32, mss: u32) -> u32 {
        let Progress { delivered, pipe, safe } = *progress;
        self.delivered = self.delivered.saturating_add(delivered);
        let mut room = if pipe > ssthresh {
            let share = u64::from(self.delivered) * u64::from(ssthresh);
            let share = share.div_ceil(u64::from(self.flight));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            let conserving = self.delivered.saturating_sub(self.out).max(delivered);
            let bound = if safe { conserving.saturating_add(mss) } else { conserving };
            bound.min(ssthresh - pipe)
        };
        if self.out == 0 {
            // The retransmission that recovery begins with leaves at once.
            room = room.max(mss);
        }
        pipe.saturating_add(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1_000;

    /// One segment of `flight` is lost; each acknowledgement reports one of the others. Returns how
    /// many segments leave in answer to each.
    fn one_loss(flight: u32, ssthresh: u32, reported: u32) -> Vec<u32> {
        let mut prr = Prr::default();
        prr.begin(flight * MSS);
        let mut pipe = (flight - 1) * MSS;
        (0..reported)
            .map(|_| {
                pipe -= MSS;
                let progress = Progress { delivered: MSS, pipe, safe: false };
                let window = prr.window(&progress, ssthresh * MSS, MSS);
                let sent = (window - pipe) / MSS;
                prr.sent(sent * MSS);
                pipe += sent * MSS;
                sent
            })
            .collect()
    }

    #[test]
    fn one_leaves_for_each_two_that_arrive_when_the_window_halves() {
        let sent = one_loss(20, 10, 18);
        assert_eq!(sent[..15], [1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0], "the first at once");
        assert_eq!(sent.iter().sum::<u32>(), 9, "ten are in flight at the end");
    }

    #[test]
    fn seven_leave_for_each_ten_that_arrive_when_three_tenths_go() {
        let sent: u32 = one_loss(100, 70, 98).iter().sum();
        assert_eq!(sent, 69, "proportional, not a burst after a pause");
    }

    #[test]
    fn after_heavy_loss_the_window_grows_only_while_progress_is_good() {
        for (safe, expected) in [(false, 1), (true, 2)] {
            let mut prr = Prr::default();
            prr.begin(20 * MSS);
            prr.sent(MSS);
            let progress = Progress { delivered: MSS, pipe: 2 * MSS, safe };
            let window = prr.window(&progress, 10 * MSS, MSS);
            assert_eq!(window, (2 + expected) * MSS, "conserving, or one more: {safe}");
        }
    }

    #[test]
    fn never_beyond_the_threshold_and_always_one_at_first() {
        let mut prr = Prr::default();
        prr.begin(20 * MSS);
        prr.sent(MSS);
        let progress = Progress { delivered: 15 * MSS, pipe: 9_500, safe: true };
        assert_eq!(prr.window(&progress, 10 * MSS, MSS), 10 * MSS);
        prr.begin(20 * MSS);
        let progress = Progress { delivered: 0, pipe: 19 * MSS, safe: false };
        assert_eq!(prr.window(&progress, 10 * MSS, MSS), 20 * MSS);
    }
}
