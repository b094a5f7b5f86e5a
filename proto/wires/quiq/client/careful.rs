//! Towards a careful server: a window of packets, each of which goes again until it is acknowledged.

use super::super::super::{Discard, Outcome, Phase, TimerKind};
use super::super::flight::Acked;
use super::super::packet::{PacketKind, QuiqPacket};
use super::{Client, Shared, State};
use crate::Instant;

/// How often a careful server is told; all else was acknowledged, so that silence means that it has left.
const FIN_TRIES: u32 = 12;
/// Packets handed out at a time.
const BATCH: usize = 64;

impl Client {
    /// A careful server has got this very packet.
    pub(super) fn take_ack(&mut self, common: &mut Shared, number: u32, now: Instant) -> Outcome {
        match self.flight.acknowledge(number, &mut common.rto, now) {
            Acked::Wild => return Outcome::Dropped(Discard::WildAck),
            Acked::Stale => return Outcome::Dropped(Discard::StaleAck),
            Acked::Octets(octets) => common.outbox.refund(octets),
        }
        Self::stop_waiting(common);
        if !self.flight.is_empty() {
            Self::wait(common, now);
        }
        match self.state {
            State::BatchEnding => self.begin_next(common),
            State::FinSent => self.finish(common),
            _ => {}
        }
        Outcome::Taken
    }

    /// A careful server did not acknowledge anything in time.
    pub(super) fn repeat(&mut self, common: &mut Shared, now: Instant) {
        let tries = common.rto.tries();
        if self.state == State::FinSent && tries >= FIN_TRIES {
            self.finish(common);
        } else if tries >= common.config.data_tries {
            self.state = State::Closed;
            common.time_out(Phase::Data);
        } else if !self.flight.is_empty() {
            self.flight.time_out(&common.rto, now);
            Self::wait(common, now);
        }
    }

    pub(super) fn produce_for_careful(&mut self, common: &mut Shared, now: Instant) {
        for _ in 0..BATCH {
            if let Some(packet) = self.flight.next_again(now) {
                common.send_again(packet);
            } else if self.state != State::Established || !self.send_new(common, now) {
                break;
            }
        }
        if !self.flight.is_empty() && !common.timers.is_set(TimerKind::Repeat) {
            Self::wait(common, now);
        }
        if self.state == State::Established && self.flight.is_empty() && common.out.is_empty() {
            if self.batch.is_finished() {
                self.state = State::BatchEnding;
                self.send_numbered(common, PacketKind::DataFin, now);
            } else if common.closing && self.batch.is_empty() {
                self.state = State::FinSent;
                self.send_numbered(common, PacketKind::Fin, now);
            }
        }
    }

    fn send_numbered(&mut self, common: &mut Shared, kind: PacketKind, now: Instant) {
        let packet = QuiqPacket::bare(kind, self.flight.next_number());
        self.flight.push(packet.clone(), now);
        common.rto.answered();
        common.send(packet);
        Self::wait(common, now);
    }
}
