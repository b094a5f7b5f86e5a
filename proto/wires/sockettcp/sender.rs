//! What is sent, and when again.

use core::time::Duration;

use bytes::Bytes;

use super::super::{Discard, Outcome, Phase, Role, TimerKind};
use super::cut::Message;
use super::packet::SockettcpPacket;
use super::session::{Session, State};
use crate::Instant;

/// How often the very last segment is sent before we go on to close: some peers stop acknowledging once they
/// have got all they wanted.
const LAST_TRIES: u32 = 12;
/// After so many tries of the first segment, the last word of the handshake goes to the listening port as well.
const DOOR_TRIES: u32 = 3;
/// So many complaints show that the peer counts for itself.
const COMPLAINTS: u8 = 2;

/// A peer hears something at least this often from a side that has something to say at all.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Session {
    /// Nothing was to be sent for a while. A repeat of what the peer has got adds nothing, and whoever waits for data
    /// knows such repeats; before any data, that is the end of the handshake.
    pub(super) fn remind(&mut self, now: Instant) {
        if self.state != State::Established {
            return;
        }
        let due = self.common.spoke + KEEP_ALIVE;
        if due <= now && self.outstanding.is_none() {
            if let Some((seq, piece)) = self.last.clone() {
                self.common.send_again(SockettcpPacket::data(seq, piece));
            } else if self.common.role == Role::Client {
                self.common.send_again(SockettcpPacket::ack(self.greeting));
            }
        }
        self.common.timers.set(TimerKind::Probe, due.max(now + KEEP_ALIVE / 4));
    }

    /// The next piece of what was written: the length of a message, or some of its octets. It is counted.
    pub(super) fn next_piece(&mut self, now: Instant) -> Option<Bytes> {
        if let Some(message) = &mut self.sending {
            let piece = message.next_piece();
            if message.len() == 0 {
                self.sending = None;
            }
            self.common.counters.sent(piece.len(), now);
            return Some(piece);
        }
        let message = self.common.outbox.pop()?;
        let length = Bytes::from(message.len().to_string());
        self.common.counters.sent(0, now);
        self.sending = (!message.is_empty()).then(|| Message::new(message));
        Some(length)
    }

    pub(super) fn send_first(&mut self, piece: Bytes, now: Instant) {
        self.common.send(SockettcpPacket::data(self.snd, piece.clone()));
        self.outstanding = Some((piece, now));
        self.wait(now);
    }

    pub(super) fn repeat_data(&mut self, now: Instant) {
        let Some((piece, _)) = self.outstanding.clone() else { return };
        let is_last =
            self.common.closing && self.sending.is_none() && self.common.outbox.is_empty();
        let tries = self.common.rto.tries();
        if is_last && tries >= LAST_TRIES {
            self.snd += piece.len() as u64;
            self.outstanding = None;
            self.unconfirmed = true;
            self.stop_waiting();
            self.say_goodbye(now);
            return;
        }
        if tries >= self.common.config.data_tries {
            self.state = State::Closed;
            self.common.time_out(Phase::Data);
            return;
        }
        if tries == DOOR_TRIES && !self.understood && self.common.role == Role::Client {
            let greeting = SockettcpPacket::ack(self.greeting);
            self.common.send_to(greeting, self.door, true);
        }
        self.common.send_again(SockettcpPacket::data(self.snd, piece));
        self.wait(now);
    }

    /// Nothing but the acknowledgement of what is outstanding makes us send: a peer that answers every
    /// acknowledgement it did not expect with a copy of its segment would never come to rest.
    pub(super) fn take_ack(&mut self, seq: u64, now: Instant) -> Outcome {
        match self.state {
            State::SynReceived => {
                let is_greeting = self.take_greeting(seq, now);
                let drop = Outcome::Dropped(Discard::BadNumber);
                return if is_greeting { Outcome::Taken } else { drop };
            }
            State::FinSent { .. } => {
                self.state = State::FinSent { acked: true };
                return Outcome::Taken;
            }
            State::LastAck => {
                self.part(now);
                return Outcome::Taken;
            }
            _ => {}
        }
        let Some((piece, sent)) = &self.outstanding else {
            if seq == self.snd || seq == self.greeting {
                // It answers a reminder, or is one.
                self.common.heard = now;
            }
            return Outcome::Dropped(Discard::StaleAck);
        };
        let len = piece.len() as u64;
        if seq == self.snd + len {
            if self.common.rto.tries() == 1 {
                let rtt = now.saturating_since(*sent);
                self.common.rto.sample(rtt);
            }
            self.common.counters.acknowledged(now);
            self.last = self.outstanding.take().map(|(piece, _)| (self.snd, piece));
            self.understood = true;
            self.snd = seq;
            if self.shared {
                self.rcv = seq;
            }
            self.stop_waiting();
            return Outcome::Taken;
        }
        if self.is_complaint(seq) {
            self.complaints += 1;
            if self.complaints >= COMPLAINTS {
                self.count_alone(now);
                return Outcome::Taken;
            }
        }
        Outcome::Dropped(if seq <= self.snd { Discard::StaleAck } else { Discard::WildAck })
    }

    /// One time in a hundred a server that counts for itself draws the very number that a sharing one would have
    /// answered with; it then wants the octet after the SYN.
    fn is_complaint(&self, seq: u64) -> bool {
        self.common.role == Role::Client && self.shared && !self.understood && seq == self.x + 1
    }

    /// Goes over to counters of our own, and says the first segment again.
    fn count_alone(&mut self, now: Instant) {
        self.shared = false;
        self.snd = self.x + 1;
        self.greeting = self.snd;
        self.stop_waiting();
        if let Some((piece, _)) = self.outstanding.clone() {
            self.common.send_again(SockettcpPacket::data(self.snd, piece));
            self.wait(now);
        }
    }

    /// The peer was first with the number that our segment had.
    pub(super) fn give_way(&mut self, now: Instant) {
        if let Some((piece, sent)) = &mut self.outstanding {
            *sent = now;
            let packet = SockettcpPacket::data(self.snd, piece.clone());
            self.common.send(packet);
            self.stop_waiting();
            self.wait(now);
        }
    }

    /// Octets that were written and not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        let outstanding = self.outstanding.as_ref().map_or(0, |(piece, _)| piece.len());
        let sending = self.sending.as_ref().map_or(0, Message::len);
        outstanding + sending + self.common.outbox.octets()
    }
}
