//! What has arrived: the fifth step of RFC 9293 section 3.10.7.4 for a connection that is up.

use core::time::Duration;

use super::acceptance::{AckVerdict, updates_window};
use super::congestion::Ack;
use super::gain::{Gain, Witness};
use super::recovery::{News, Phase};
use super::vector::Patience;
use super::{Reason, Retransmission, State, StateVector, TimerKind};
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

impl StateVector {
    /// Takes the acknowledgement and the window of an acceptable segment.
    pub(super) fn process_ack(&mut self, segment: &Segment, verdict: AckVerdict, now: Instant) {
        let window = u32::from(segment.window) << self.snd.shift;
        let before = self.before_ack(segment);
        let echo = segment.options.timestamps.filter(|_| self.timestamps.agreed);
        let echo = echo.map(|timestamps| timestamps.echo).filter(|echo| *echo != 0);
        let mut gain = Gain::new(Witness {
            now,
            least: self.rtt.least().unwrap_or_default(),
            echo,
            offset: self.timestamps.offset,
        });
        let mut measured = None;
        if verdict == AckVerdict::Advances {
            measured = self.advance(segment, &mut gain, now);
        }
        let blocks = &segment.options.sack;
        let mut duplicate = None;
        if self.sack && !blocks.is_empty() {
            duplicate = duplicate_report(blocks.as_slice(), segment.ack)
                .filter(|(left, right)| self.may_be_duplicate(*left, *right));
            self.scoreboard.sack(blocks, &mut gain);
        }
        let repeats =
            verdict == AckVerdict::Old && self.count_duplicate(segment, window, gain.octets > 0);
        if verdict == AckVerdict::Old
            && let Some(rtt) = gain.rtt()
        {
            // What is reported selectively tells the time as well.
            measured = Some(rtt);
            self.rtt.measure(rtt, &self.config);
        }
        let acked = self.snd.una.distance_from(before.una);
        self.recovery_on_ack(
            &News {
                gain: &gain,
                acked,
                flight: before.flight,
                duplicate,
                bare_repeat: repeats && blocks.is_empty(),
                echo,
            },
            now,
        );
        self.tell_congestion(&before, measured, now);
        if updates_window(segment.seq, segment.ack, self.snd.wl1, self.snd.wl2)
            && segment.ack.is_at_or_after(self.snd.una)
        {
            self.update_window(window, segment.seq, segment.ack);
        }
        if acked > 0 {
            self.after_progress(now);
        } else if self.scoreboard.has_sacked() {
            self.timers.stop(TimerKind::LossProbe);
        }
        if self.snd.wnd == 0 {
            // A closed window is kept closed by a peer that is there (MUST-37).
            self.patience.attempts = 0;
            self.patience.since = None;
        }
        if self.fin_sent() && self.snd.una == self.snd.nxt {
            self.fin_acknowledged(now);
        }
    }

    /// Takes over a window that is newer than ours.
    pub(super) fn update_window(&mut self, window: u32, seq: SeqNumber, ack: SeqNumber) {
        let was_closed = self.snd.wnd == 0;
        self.snd.wnd = window;
        self.snd.max_wnd = self.snd.max_wnd.max(window);
        self.snd.wl1 = seq;
        self.snd.wl2 = ack;
        if was_closed && window > 0 {
            // Probes that were refused are due now, without the patience they had taught.
            self.timers.stop(TimerKind::Persist);
            self.pending.probe = None;
            self.rtt.reset_backoff();
            if !self.scoreboard.is_empty() && self.recovery.phase == Phase::Open {
                let cause = Retransmission::WindowProbe;
                self.scoreboard.mark_first_lost(self.snd.mss.into(), cause);
            }
        }
    }

    /// What the congestion controller is told the differences from.
    fn before_ack(&self, segment: &Segment) -> BeforeAck {
        BeforeAck {
            una: self.snd.una,
            delivered: self.scoreboard.delivery.delivered(),
            lost: self.scoreboard.delivery.lost(),
            flight: self.scoreboard.unreported(),
            in_flight: self.in_flight(),
            in_recovery: self.recovery.phase == Phase::Fast,
            ecn_echo: self.ecn.agreed && segment.flags.contains(Flags::ECE),
        }
    }

    /// The acknowledgement has been taken in: the congestion controller hears of it, if it brought
    /// any news.
    fn tell_congestion(&mut self, before: &BeforeAck, rtt: Option<Duration>, now: Instant) {
        let total_delivered = self.scoreboard.delivery.delivered();
        let delivered = (total_delivered - before.delivered) as u32;
        let lost = (self.scoreboard.delivery.lost() - before.lost) as u32;
        let acked = self.snd.una.distance_from(before.una);
        if acked == 0 && delivered == 0 && lost == 0 {
            return;
        }
        let min_rtt = self.rtt.least().unwrap_or_default();
        let ack = Ack {
            now,
            acked,
            delivered,
            lost,
            prior_in_flight: before.in_flight,
            in_flight: self.in_flight(),
            rtt,
            srtt: self.rtt.smoothed().unwrap_or_default(),
            rate: self.scoreboard.delivery.sample(now, min_rtt),
            total_delivered,
            too_high: self.scoreboard.delivery.take_too_high(),
            in_recovery: before.in_recovery || self.recovery.phase == Phase::Fast,
            window_limited: self.congestion.limited,
            ecn_echo: before.ecn_echo,
        };
        self.congestion.on_ack(&ack);
        self.scoreboard.delivery.set_tolerance(self.congestion.tolerance());
    }

    /// SND.UNA moves to SEG.ACK. Returns the round-trip time that this measures.
    fn advance(&mut self, segment: &Segment, gain: &mut Gain, now: Instant) -> Option<Duration> {
        let board = self.scoreboard.acknowledge(segment.ack, gain);
        self.snd.una = segment.ack;
        self.path_on_ack();
        self.release(segment.ack);
        // Karn: what was sent twice does not tell when, unless its timestamp does, and shows that it
        // was the last copy; the acknowledgement of an earlier one may have been lost meanwhile.
        let since_last = now.saturating_since(board.last_at) + TICK;
        let measured = board.rtt(now).or_else(|| {
            let echo = segment.options.timestamps.filter(|_| self.timestamps.agreed)?.echo;
            self.timestamps.elapsed(echo, now).filter(|rtt| board.ambiguous && *rtt <= since_last)
        });
        if let Some(rtt) = measured {
            self.rtt.measure(rtt, &self.config);
        }
        self.patience.progress();
        measured
    }

    /// SND.UNA has moved, and what that means for repairs is known: the timers begin again.
    fn after_progress(&mut self, now: Instant) {
        self.restart_retransmit_timers(now);
        if self.scoreboard.is_reneged() {
            // Never heard of again but by time-out, and there is nothing to wait for.
            let soon = (self.rtt.smoothed().unwrap_or_default() / 2).max(RENEGED_WAIT);
            self.timers.set(TimerKind::Retransmit, now + soon);
        }
        self.arm_loss_probe(now);
    }

    /// Whether these octets can have been sent twice and be reported now.
    fn may_be_duplicate(&self, left: SeqNumber, right: SeqNumber) -> bool {
        let oldest = self.snd.una - self.snd.max_wnd.min(1 << 30);
        left.is_before(right) && left.is_at_or_after(oldest) && right.is_at_or_before(self.snd.nxt)
    }

    /// Frees what was acknowledged, and tells the application when that is worth a message.
    pub(super) fn release(&mut self, una: SeqNumber) {
        let octets = (una.0.wrapping_sub(self.snd.base.0) as usize).min(self.send_buffer.len());
        if una.is_after(self.snd.base) && octets > 0 {
            self.send_buffer.release(octets);
            self.snd.base += octets as u32;
            self.counters.bytes_acked += octets as u64;
            self.note_writable();
        }
    }

    /// RFC 6298 section 5.2 and 5.3: the timer runs while anything is in flight, from the last
    /// progress on.
    fn restart_retransmit_timers(&mut self, now: Instant) {
        if self.scoreboard.is_empty() {
            self.timers.stop(TimerKind::Retransmit);
            self.timers.stop(TimerKind::UserTimeout);
            return;
        }
        let rto = self.rtt.rto(&self.config);
        self.timers.set(TimerKind::Retransmit, self.retransmission_begin(now) + rto);
        if let Some(timeout) = self.patience.user_timeout {
            self.timers.set(TimerKind::UserTimeout, now + timeout);
        }
    }

    /// From when the time-out counts: the last progress, or, while too few segments are in flight for
    /// a loss to be found otherwise, the moment at which the oldest was sent (RFC 7765 section 4).
    fn retransmission_begin(&self, now: Instant) -> Instant {
        let few = |vector: &Self| {
            vector.scoreboard.segments(vector.snd.mss.max(1).into(), RESTART_THRESH)
                < RESTART_THRESH
                && !vector.snd.nxt.is_before(vector.data_end())
        };
        if self.config.rto_restart && few(self) {
            self.scoreboard.first_sent_at().map_or(now, |sent| sent.min(now))
        } else {
            now
        }
    }

    /// RFC 5681 section 2: an empty segment that repeats the acknowledgement and the window while
    /// data is in flight. With SACK it must bring news as well to count (RFC 6675 section 2). Returns
    /// whether it is one, news or not.
    fn count_duplicate(&mut self, segment: &Segment, window: u32, news: bool) -> bool {
        let repeats = segment.ack == self.snd.una
            && segment.payload.is_empty()
            && !segment.flags.contains(Flags::FIN);
        let same_window = window == self.snd.wnd && window > 0;
        let counts =
            repeats && !self.scoreboard.is_empty() && if self.sack { news } else { same_window };
        if counts {
            self.counters.duplicate_acks += 1;
            self.recovery.dup_acks = self.recovery.dup_acks.saturating_add(1);
        }
        repeats && same_window
    }

    /// Our FIN, and with it all we sent, has arrived.
    fn fin_acknowledged(&mut self, now: Instant) {
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                if !self.attached {
                    self.timers.set(TimerKind::Linger, now + self.config.fin_wait_2);
                }
            }
            State::Closing => self.enter_time_wait(now),
            State::LastAck => self.close(Reason::Normal),
            _ => {}
        }
    }
}

/// The state of things before an acknowledgement.
#[derive(Debug)]
struct BeforeAck {
    una: SeqNumber,
    delivered: u64,
    lost: u64,
    flight: u32,
    in_flight: u32,
    in_recovery: bool,
    ecn_echo: bool,
}

impl Patience {
    fn progress(&mut self) {
        self.attempts = 0;
        self.since = None;
    }
}

/// How far apart two readings of the timestamp clock may be that are the same moment.
const TICK: Duration = Duration::from_millis(1);

/// After how little time the peer is sent again what it reported and threw away, at least.
const RENEGED_WAIT: Duration = Duration::from_millis(10);

/// `rrthresh` of RFC 7765 section 4: with so many segments in flight, or more, duplicates tell of a
/// loss before the time-out.
const RESTART_THRESH: u32 = 4;

/// The first block of an acknowledgement, if it reports what came twice: it lies before the
/// acknowledgement number, or inside the block after it (RFC 2883 section 4).
fn duplicate_report(
    blocks: &[(SeqNumber, SeqNumber)],
    ack: SeqNumber,
) -> Option<(SeqNumber, SeqNumber)> {
    let &(left, right) = blocks.first()?;
    let inside = |&(start, end): &(SeqNumber, SeqNumber)| {
        start.is_at_or_before(left) && right.is_at_or_before(end)
    };
    let twice = left.is_before(ack) || blocks.get(1).is_some_and(inside);
    twice.then_some((left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_tells_of_duplicates_in_these_places_rfc_2883() {
        type Block = (u32, u32);
        let cases: [(&[Block], Option<Block>, &str); 7] = [
            (&[], None, "no block"),
            (&[(600, 700)], None, "beyond a hole"),
            (&[(400, 500)], Some((400, 500)), "acknowledged"),
            (&[(400, 500), (600, 700)], Some((400, 500)), "acknowledged, and a block"),
            (&[(620, 640), (600, 700)], Some((620, 640)), "inside the next"),
            (&[(600, 700), (600, 700)], Some((600, 700)), "the same as the next"),
            (&[(600, 700), (620, 640)], None, "around the next"),
        ];
        for (blocks, expected, why) in cases {
            let seq = |&(left, right): &Block| (SeqNumber(left), SeqNumber(right));
            let blocks: Vec<_> = blocks.iter().map(seq).collect();
            let expected = expected.as_ref().map(seq);
            assert_eq!(duplicate_report(&blocks, SeqNumber(500)), expected, "{why}");
        }
    }
}
