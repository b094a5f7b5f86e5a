//! What has arrived: the fifth step of RFC 9293 section 3.10.7.4 for a connection that is up.

use core::time::Duration;

use super::acceptance::{AckVerdict, updates_window};
use super::congestion::Ack;
use super::recovery::Phase;
use super::vector::Patience;
use super::{Reason, State, StateVector, TimerKind};
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

impl StateVector {
    /// Takes the acknowledgement and the window of an acceptable segment.
    pub(super) fn process_ack(&mut self, segment: &Segment, verdict: AckVerdict, now: Instant) {
        let window = u32::from(segment.window) << self.snd.shift;
        let before = self.before_ack();
        let mut measured = None;
        if verdict == AckVerdict::Advances {
            measured = self.advance(segment, now);
        }
        if !segment.options.sack.is_empty() || verdict == AckVerdict::Old {
            let news = self.sack && self.scoreboard.sack(&segment.options.sack) > 0;
            if verdict == AckVerdict::Old {
                self.count_duplicate(segment, window, news);
            }
            self.detect_loss(now);
        } else if self.scoreboard.has_sacked() {
            self.detect_loss(now);
        }
        self.tell_congestion(&before, measured, now);
        if updates_window(segment.seq, segment.ack, self.snd.wl1, self.snd.wl2)
            && segment.ack.is_at_or_after(self.snd.una)
        {
            self.update_window(window, segment.seq, segment.ack);
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
                self.scoreboard.mark_first_lost(self.snd.mss.into());
            }
        }
    }

    /// What the congestion controller is told the differences from.
    fn before_ack(&self) -> BeforeAck {
        BeforeAck {
            una: self.snd.una,
            delivered: self.scoreboard.delivery.delivered(),
            lost: self.scoreboard.delivery.lost(),
            in_flight: self.in_flight(),
            in_recovery: self.recovery.phase == Phase::Fast,
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
            min_rtt,
            rate: self.scoreboard.delivery.sample(now, min_rtt),
            total_delivered,
            too_high: self.scoreboard.delivery.take_too_high(),
            in_recovery: before.in_recovery || self.recovery.phase == Phase::Fast,
            window_limited: self.congestion.limited,
            ecn_echo: false,
        };
        self.congestion.on_ack(&ack);
        self.scoreboard.delivery.set_tolerance(self.congestion.tolerance());
    }

    /// SND.UNA moves to SEG.ACK. Returns the round-trip time that this measures.
    fn advance(&mut self, segment: &Segment, now: Instant) -> Option<Duration> {
        let acked = segment.ack.distance_from(self.snd.una);
        let board = self.scoreboard.acknowledge(segment.ack);
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
        self.recovery_on_progress(acked, now);
        self.patience.progress();
        self.restart_retransmit_timers(now);
        measured
    }

    /// Frees what was acknowledged, and tells the application when that is worth a message.
    fn release(&mut self, una: SeqNumber) {
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
        self.timers.set(TimerKind::Retransmit, now + self.rtt.rto(&self.config));
        if let Some(timeout) = self.patience.user_timeout {
            self.timers.set(TimerKind::UserTimeout, now + timeout);
        }
    }

    /// RFC 5681 section 2: an empty segment that repeats the acknowledgement and the window while
    /// data is in flight. With SACK it must bring news as well (RFC 6675 section 2).
    fn count_duplicate(&mut self, segment: &Segment, window: u32, news: bool) {
        let duplicate = segment.ack == self.snd.una
            && segment.payload.is_empty()
            && !segment.flags.contains(Flags::FIN)
            && !self.scoreboard.is_empty()
            && if self.sack { news } else { window == self.snd.wnd && window > 0 };
        if duplicate {
            self.counters.duplicate_acks += 1;
            self.recovery.dup_acks = self.recovery.dup_acks.saturating_add(1);
        }
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
    in_flight: u32,
    in_recovery: bool,
}

impl Patience {
    fn progress(&mut self) {
        self.attempts = 0;
        self.since = None;
    }
}

/// How far apart two readings of the timestamp clock may be that are the same moment.
const TICK: Duration = Duration::from_millis(1);
