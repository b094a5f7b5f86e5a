//! Towards an original: one packet at a time, and what its answers tell. It throws away a batch of which it does not
//! hear the end, and never says whether it did.

use core::time::Duration;

use bytes::Bytes;

use super::super::super::{Discard, Outcome, Phase, Reason, TimerKind};
use super::super::arrivals::Verdict;
use super::super::packet::{Frame, PacketKind, QuiqPacket};
use super::{Client, Shared, State};
use crate::Instant;

/// How often an original that does not is asked.
const QUESTIONS: u32 = 5;
/// Between packets to an original, or two round trips if that is longer: if the network has doubled one, the second
/// answer comes before it could be taken for that of the next one. The original itself sends no faster.
const BREATH: Duration = Duration::from_millis(2);
/// Before the end of the batch to an original: for so long an answer too many may still come.
const SETTLE: Duration = Duration::from_millis(100);
/// Between that and the end of all.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it hears the end of all, of which it never tells.
const ORIGINAL_FINS: u32 = 3;

impl Client {
    /// An original has got something.
    pub(super) fn take_arrival(
        &mut self,
        common: &mut Shared,
        number: u32,
        now: Instant,
    ) -> Outcome {
        if self.flight.is_empty() {
            if !self.arrivals.is_excess(number) {
                return Outcome::Dropped(Discard::StaleAck);
            }
            self.abandon(common);
            return Outcome::Taken;
        }
        match self.arrivals.judge(number) {
            Verdict::Old => Outcome::Dropped(Discard::StaleAck),
            Verdict::Doubtful => {
                self.abandon(common);
                Outcome::Taken
            }
            Verdict::Whole => {
                common.outbox.refund(self.flight.land());
                Self::stop_waiting(common);
                let breath = common.rto.smoothed().map_or(BREATH, |rtt| BREATH.max(rtt * 2));
                common.timers.set(TimerKind::Pause, now + breath);
                Outcome::Taken
            }
        }
    }

    /// An original has got something behind the end of the last batch: its count tells whether it got that, too.
    pub(super) fn take_check(&mut self, common: &mut Shared, number: u32, now: Instant) -> Outcome {
        match self.arrivals.judge_check(number) {
            Verdict::Old => return Outcome::Dropped(Discard::StaleAck),
            Verdict::Doubtful => self.abandon(common),
            Verdict::Whole => self.begin_farewell(common, now),
        }
        Outcome::Taken
    }

    /// An original has got too little or too much. Without the end of the batch it throws away what it has.
    fn abandon(&mut self, common: &mut Shared) {
        let number = self.flight.next_number();
        self.state = State::Closed;
        common.give_up(Reason::Spoilt((number - 1).into()));
        common.send(QuiqPacket::bare(PacketKind::Fin, number));
    }

    /// A pause is over.
    pub(super) fn end_pause(&mut self, common: &mut Shared, now: Instant) {
        match self.state {
            State::BatchEnding => {
                let packet = QuiqPacket::bare(PacketKind::DataFin, self.flight.next_number());
                self.flight.skip();
                self.arrivals.end_batch();
                common.send(packet);
                self.begin_next(common);
            }
            State::Pausing if self.arrivals.has_open_end() => {
                self.state = State::Checking;
                self.check(common, now);
            }
            State::Pausing => self.begin_farewell(common, now),
            _ => {}
        }
    }

    /// What was sent last was not answered.
    pub(super) fn hear_nothing_from_original(&mut self, common: &mut Shared, now: Instant) {
        match self.state {
            State::FinSent => self.say_fin(common, now),
            // It answered all data, and now does not even read: it has what it wanted.
            State::Checking if self.arrivals.questions >= QUESTIONS => {
                self.begin_farewell(common, now);
            }
            State::Checking => {
                self.arrivals.questions += 1;
                self.check(common, now);
            }
            _ => self.ask(common, now),
        }
    }

    /// Begins a batch that has no end, of which an original keeps nothing: but it answers each packet of it.
    fn check(&mut self, common: &mut Shared, now: Instant) {
        let frame = Frame { stream: self.arrivals.questions + 1, offset: 0, data: Bytes::new() };
        let (kind, number) = (PacketKind::First, self.flight.next_number());
        self.flight.skip();
        let again = self.arrivals.questions > 0;
        let packet = QuiqPacket { kind, number, frames: vec![frame] };
        common.send_to(packet, common.remote, again);
        Self::wait(common, now);
    }

    fn begin_farewell(&mut self, common: &mut Shared, now: Instant) {
        self.state = State::FinSent;
        self.say_fin(common, now);
    }

    fn say_fin(&mut self, common: &mut Shared, now: Instant) {
        if self.fins == ORIGINAL_FINS {
            self.finish(common);
            return;
        }
        self.fins += 1;
        let number = self.flight.next_number();
        common.send_to(QuiqPacket::bare(PacketKind::Fin, number), common.remote, self.fins > 1);
        Self::wait(common, now);
    }

    /// An original did not acknowledge a packet: a question that adds nothing to its streams tells whether the
    /// packet or its answer was lost.
    fn ask(&mut self, common: &mut Shared, now: Instant) {
        if self.flight.is_empty() {
            return;
        }
        let number = self.flight.next_number();
        if self.arrivals.questions >= QUESTIONS {
            self.state = State::Closed;
            common.time_out(Phase::Data);
            common.send(QuiqPacket::bare(PacketKind::Fin, number));
            return;
        }
        // What is under way keeps its place; a question takes a number of its own.
        if let Some(question) = self.batch.question(number) {
            self.arrivals.questions += 1;
            self.flight.push(question.clone(), now);
            common.send_again(question);
            Self::wait(common, now);
        }
    }

    /// One packet at a time, then the end of the batch, and the end, each after a pause.
    pub(super) fn produce_for_original(&mut self, common: &mut Shared, now: Instant) {
        let is_pausing = common.timers.is_set(TimerKind::Pause);
        if self.state != State::Established || !self.flight.is_empty() || is_pausing {
            return;
        }
        if self.send_new(common, now) {
            Self::wait(common, now);
        } else if self.batch.is_finished() {
            self.state = State::BatchEnding;
            common.timers.set(TimerKind::Pause, now + SETTLE);
        } else if common.closing && self.batch.is_empty() {
            self.state = State::Pausing;
            common.timers.set(TimerKind::Pause, now + PAUSE);
        }
    }
}
