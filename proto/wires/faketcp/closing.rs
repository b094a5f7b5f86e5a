//! How it ends. There is no half of a close: who closes has heard enough, and who is closed upon has said enough,
//! or else what it said last was not wanted.

use core::time::Duration;

use super::super::rto::Rto;
use super::super::{Discard, Outcome, Reason, TimerKind};
use super::packet::FaketcpPacket;
use super::session::{Session, State};
use crate::Instant;

/// How often an original hears our FIN, and how long we wait each time; after that its silence means that it is
/// gone.
const ORIGINAL_FIN_TRIES: u32 = 6;
const ORIGINAL_FIN_RTO: Duration = Duration::from_millis(200);
const CAREFUL_FIN_TRIES: u32 = 10;
/// For how long a FIN is answered again, and what is not acknowledged is sent again to who has closed.
const LINGER: Duration = Duration::from_secs(3);

impl Session {
    /// Everything is acknowledged: says so.
    pub(super) fn say_goodbye(&mut self, now: Instant) {
        self.state = State::FinSent;
        self.common.timers.stop(TimerKind::Probe);
        if self.faces_original() {
            self.common.rto = Rto::fixed(ORIGINAL_FIN_RTO);
        }
        self.common.rto.answered();
        self.common.send(FaketcpPacket::fin());
        self.wait(now);
    }

    pub(super) fn repeat_fin(&mut self, now: Instant) {
        let most = if self.faces_original() { ORIGINAL_FIN_TRIES } else { CAREFUL_FIN_TRIES };
        if self.common.rto.tries() < most {
            self.common.send_again(FaketcpPacket::fin());
            self.wait(now);
        } else {
            self.state = State::Closed;
            self.common.peer_closed();
            self.common.end(Reason::Normal);
        }
    }

    pub(super) fn take_fin(&mut self, ack: bool, now: Instant) -> Outcome {
        match self.state {
            State::Established => self.answer_fin(now),
            State::FinSent => {
                self.common.peer_closed();
                if ack && self.common.counters.data_packets_received == 0 {
                    // It has heard us, and there is nothing of which it might have missed an acknowledgement.
                    self.state = State::Closed;
                    self.common.end(Reason::Normal);
                } else {
                    if !ack {
                        // Both have closed at once: each FIN answers the other, but ours may have got lost.
                        self.common.send(FaketcpPacket::fin_ack());
                    }
                    self.depart(now);
                }
            }
            State::Deserted | State::Parting => {
                if !ack {
                    self.common.send_again(FaketcpPacket::fin_ack());
                }
                return Outcome::Dropped(Discard::Duplicate);
            }
            _ => return Outcome::Dropped(Discard::Unexpected),
        }
        Outcome::Taken
    }

    fn answer_fin(&mut self, now: Instant) {
        if self.rcv.has_hole() {
            // It cannot have closed in order, for that all must be acknowledged.
            self.state = State::Closed;
            self.common.give_up(Reason::Missing(vec![self.rcv.nxt() as u64]));
            return;
        }
        self.common.send(FaketcpPacket::fin_ack());
        self.common.peer_closed();
        self.common.timers.stop(TimerKind::Probe);
        self.common.timers.stop(TimerKind::Acknowledge);
        if self.snd.is_done() && self.common.outbox.is_empty() {
            self.depart(now);
        } else {
            // It may have got everything, and only its acknowledgement got lost.
            self.state = State::Deserted;
            self.common.rto.answered();
            self.common.timers.stop(TimerKind::Repeat);
            self.repeat_data(now);
            self.common.timers.set(TimerKind::Linger, now + LINGER);
        }
    }

    /// All is said; who missed the last word may ask again for a while.
    pub(super) fn depart(&mut self, now: Instant) {
        self.state = State::Parting;
        self.common.end(Reason::Normal);
        self.common.timers.set(TimerKind::Linger, now + LINGER);
    }

    pub(super) fn stop_lingering(&mut self) {
        if self.state == State::Deserted {
            let lost = self.snd.unacknowledged() + self.common.outbox.octets();
            self.common.end(Reason::Deserted(lost));
        }
        self.common.timers.stop_all();
        self.state = State::Closed;
    }
}
