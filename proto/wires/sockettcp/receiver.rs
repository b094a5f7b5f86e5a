//! What is taken, and how it is answered.

use core::time::Duration;

use bytes::Bytes;

use super::super::{Discard, Outcome, Role};
use super::packet::{SockettcpPacket, decimal};
use super::session::{Session, State};
use crate::Instant;

/// The least time between two acknowledgements of the same number: a peer that answers each of them with a
/// copy would otherwise never come to rest.
const ACK_GAP: Duration = Duration::from_millis(30);

impl Session {
    pub(super) fn take_data(&mut self, seq: u64, data: Bytes, now: Instant) -> Outcome {
        if self.state == State::SynReceived && !self.take_greeting(seq, now) {
            return Outcome::Dropped(Discard::BadNumber);
        }
        if !matches!(self.state, State::Established | State::FinSent { .. }) {
            return Outcome::Dropped(Discard::Unexpected);
        }
        if seq < self.rcv {
            self.common.heard = now;
            self.acknowledge_again(now);
            return Outcome::Dropped(Discard::Duplicate);
        }
        if seq > self.rcv {
            return Outcome::Dropped(Discard::OutOfOrder);
        }
        if self.state != State::Established || self.common.has_ended() {
            return Outcome::Dropped(Discard::Unexpected);
        }
        // Two segments have one number: ours goes first if we connected.
        let collides = self.shared && self.outstanding.is_some();
        if collides && self.common.role == Role::Client {
            return Outcome::Dropped(Discard::OutOfOrder);
        }
        if !self.common.inbox.has_room() {
            return Outcome::Dropped(Discard::NoRoom);
        }
        let len = data.len() as u64;
        let Some(next) = self.rcv.checked_add(len) else {
            return Outcome::Dropped(Discard::BadNumber);
        };
        // The digits of a length are none of the application's octets.
        let octets = self.receiving.map_or(0, |_| data.len());
        if !self.take_piece(data) {
            return Outcome::Dropped(Discard::BadLength);
        }
        self.common.counters.received(octets, now);
        self.rcv = next;
        if self.shared {
            self.snd = next;
        }
        self.acknowledged = Some(now);
        self.common.send(SockettcpPacket::ack(self.rcv));
        if collides {
            self.give_way(now);
        }
        Outcome::Taken
    }

    /// The length of a message, or some of its octets, but no more than announced.
    fn take_piece(&mut self, data: Bytes) -> bool {
        let Some(left) = self.receiving else {
            let Some(length) = decimal(&data) else { return false };
            self.receiving = Some(length).filter(|&length| length > 0);
            if length == 0 {
                self.common.deliver(0, Bytes::new(), true);
            }
            return true;
        };
        let len = data.len() as u64;
        if len == 0 || len > left {
            return false;
        }
        let is_end = len == left;
        self.receiving = Some(left - len).filter(|_| !is_end);
        self.common.deliver(0, data, is_end);
        true
    }

    fn acknowledge_again(&mut self, now: Instant) {
        let is_soon = self.acknowledged.is_some_and(|at| now.saturating_since(at) < ACK_GAP);
        if !is_soon {
            self.acknowledged = Some(now);
            self.common.send_again(SockettcpPacket::ack(self.rcv));
        }
    }
}
