//! How it ends.

use core::time::Duration;

use super::super::{Discard, Outcome, Phase, Reason, TimerKind};
use super::packet::SockettcpPacket;
use super::session::{Session, State};
use crate::Instant;

/// How often a FIN is sent; a peer that is still silent is taken to be gone.
const FIN_TRIES: u32 = 8;
/// How often the answer to a FIN is sent.
const ANSWER_TRIES: u32 = 5;
/// How often the last ACK is sent in all.
const LAST_ACKS: u8 = 3;
/// For how long the peer may ask again when all is said.
const LINGER: Duration = Duration::from_millis(500);

impl Session {
    /// Sends our FIN.
    pub(super) fn say_goodbye(&mut self, now: Instant) {
        self.state = State::FinSent { acked: false };
        self.common.send(SockettcpPacket::fin(self.snd));
        self.wait(now);
    }

    pub(super) fn take_fin(&mut self, seq: u64, ack: bool, now: Instant) -> Outcome {
        if self.state == State::SynReceived && !self.take_greeting(seq, now) {
            return Outcome::Dropped(Discard::BadNumber);
        }
        match self.state {
            State::Established => self.answer_fin(seq, now),
            State::FinSent { acked } => self.finish(seq, ack || acked, now),
            State::LastAck => {
                self.common.send_again(SockettcpPacket::fin_ack(self.farewell));
                Outcome::Dropped(Discard::Duplicate)
            }
            State::Parting { .. } => {
                // The last ACK is under way several times; only a peer that closed at the same time as we
                // did needs to be told more than that.
                let packet = if ack {
                    SockettcpPacket::ack(self.farewell)
                } else {
                    SockettcpPacket::fin_ack(self.farewell)
                };
                self.common.send_again(packet);
                Outcome::Dropped(Discard::Duplicate)
            }
            _ => Outcome::Dropped(Discard::Unexpected),
        }
    }

    /// The peer closes. If something is missing it gets no answer, so that it does not believe all is well.
    fn answer_fin(&mut self, seq: u64, now: Instant) -> Outcome {
        let Some(answer) = seq.checked_add(1) else {
            return Outcome::Dropped(Discard::BadNumber);
        };
        if let Some((piece, _)) = &self.outstanding
            && self.shared
            && seq == self.snd + piece.len() as u64
        {
            // The counter is shared: this number acknowledges what we sent.
            self.snd = seq;
            self.rcv = seq;
            self.outstanding = None;
        }
        if seq > self.rcv || self.receiving.is_some() {
            self.state = State::Closed;
            self.common.give_up(Reason::Missing(vec![self.rcv]));
            return Outcome::Taken;
        }
        let unacknowledged = self.unacknowledged();
        self.farewell = answer;
        self.state = State::LastAck;
        self.common.send(SockettcpPacket::fin_ack(answer));
        self.common.rto.answered();
        if unacknowledged > 0 {
            self.common.end(Reason::Deserted(unacknowledged));
        } else {
            self.common.peer_closed();
        }
        self.wait(now);
        Outcome::Taken
    }

    /// The peer has answered our FIN, or has closed at the same time.
    fn finish(&mut self, seq: u64, acked: bool, now: Instant) -> Outcome {
        self.farewell = if self.shared { self.snd + 2 } else { self.snd + 1 };
        let packet = if acked {
            SockettcpPacket::ack(self.farewell)
        } else {
            SockettcpPacket::fin_ack(seq.saturating_add(1))
        };
        self.common.send(packet);
        self.state = State::Parting { left: LAST_ACKS - 1 };
        self.common.peer_closed();
        self.common.end(Reason::Normal);
        self.common.rto.answered();
        self.wait(now);
        Outcome::Taken
    }

    pub(super) fn repeat_farewell(&mut self, now: Instant) {
        match self.state {
            State::FinSent { .. } if self.common.rto.tries() < FIN_TRIES => {
                self.common.send_again(SockettcpPacket::fin(self.snd));
                self.wait(now);
            }
            State::FinSent { .. } => {
                self.state = State::Closed;
                if self.unconfirmed {
                    self.common.time_out(Phase::Data);
                } else {
                    // All was acknowledged: the peer has left before us.
                    self.common.peer_closed();
                    self.common.end(Reason::Normal);
                }
            }
            State::LastAck if self.common.rto.tries() < ANSWER_TRIES => {
                self.common.send_again(SockettcpPacket::fin_ack(self.farewell));
                self.wait(now);
            }
            State::LastAck => {
                self.state = State::Closed;
                self.common.end(Reason::Normal);
            }
            State::Parting { left: 0 } => self.linger(now),
            State::Parting { left } => {
                self.state = State::Parting { left: left - 1 };
                self.common.send_again(SockettcpPacket::ack(self.farewell));
                self.common.rto.answered();
                self.wait(now);
            }
            _ => {}
        }
    }

    /// The last ACK has come: all is said, and who asks again is answered for a while.
    pub(super) fn part(&mut self, now: Instant) {
        self.common.end(Reason::Normal);
        self.linger(now);
    }

    fn linger(&mut self, now: Instant) {
        self.common.timers.stop(TimerKind::Repeat);
        if !self.common.timers.is_set(TimerKind::Linger) {
            self.common.timers.set(TimerKind::Linger, now + LINGER);
        }
    }
}
