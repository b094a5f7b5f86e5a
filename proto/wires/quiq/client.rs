//! The side that sends: how it begins and ends, and when a packet may go.

use core::time::Duration;

use bytes::Bytes;

use super::super::rto::Rto;
use super::super::{
    Chunk, Common, Discard, Mode, Outcome, Phase, Reason, StreamInfo, TimerKind, WriteError,
};
use super::arrivals::{Arrivals, Verdict};
use super::batch::Batch;
use super::flight::{Acked, Flight};
use super::packet::{Frame, PacketKind, QuiqPacket};
use super::session::{CAREFUL_CLIENT, CAREFUL_SERVER};
use crate::Instant;

/// The number of the SYN; reading its answer takes the next one.
const SYN: u32 = 1;
const FIRST_DATA: u32 = 3;
/// What the frame of the SYN carries.
const TAG: &[u8] = b"rel1";

const FIRST_RTO: Duration = Duration::from_millis(250);
const LEAST_RTO: Duration = Duration::from_millis(20);
const MOST_RTO: Duration = Duration::from_millis(500);
/// How long an original may take to acknowledge a packet.
const ORIGINAL_RTO: Duration = Duration::from_millis(200);
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
/// How often a careful server is told; all else was acknowledged, so that silence means that it has left.
const FIN_TRIES: u32 = 12;
/// A careful server hears something at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Packets handed out at a time.
const BATCH: usize = 64;

/// The sending side.
#[derive(Clone, Debug)]
pub(super) struct Client {
    state: State,
    seed: u64,
    batch: Batch,
    flight: Flight,
    arrivals: Arrivals,
    /// How often an original was told the end.
    fins: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent,
    Established,
    /// The end of the batch is sent; to an original, it is about to be.
    BatchEnding,
    /// The end of all is about to be sent to an original.
    Pausing,
    FinSent,
    Closed,
}

type Shared = Common<QuiqPacket>;

impl Client {
    pub(super) fn connect(common: &mut Shared, seed: u64, now: Instant) -> Self {
        let mut batch = Batch::default();
        if let Some(chunk) = common.config.chunk {
            batch.shape_by_chunk(chunk);
        }
        let client = Self {
            state: State::SynSent,
            seed,
            batch,
            flight: Flight::new(FIRST_DATA),
            arrivals: Arrivals::new(true),
            fins: 0,
        };
        client.send_syn(common, now);
        client
    }

    fn syn() -> QuiqPacket {
        let data = Bytes::from_static(TAG);
        let frame = Frame { stream: 0, offset: CAREFUL_CLIENT, data };
        QuiqPacket { kind: PacketKind::Syn, number: SYN, frames: vec![frame] }
    }

    fn send_syn(&self, common: &mut Shared, now: Instant) {
        let again = Self::wait(common, now) > 1;
        common.send_to(Self::syn(), common.remote, again);
    }

    fn wait(common: &mut Shared, now: Instant) -> u32 {
        let tries = common.rto.try_again();
        common.timers.set(TimerKind::Repeat, now + common.rto.current());
        tries
    }

    fn stop_waiting(common: &mut Shared) {
        common.rto.answered();
        common.timers.stop(TimerKind::Repeat);
    }

    pub(super) fn write(&mut self, common: &mut Shared, chunk: Chunk) -> Result<(), WriteError> {
        let octets = chunk.data.len();
        self.batch.write(chunk).map_err(|error| match error {
            WriteError::Full => common.block(),
            other => other,
        })?;
        common.outbox.charge(octets);
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        common: &mut Shared,
        packet: &QuiqPacket,
        now: Instant,
    ) -> Outcome {
        if common.has_ended() || self.state == State::Closed {
            return Outcome::Dropped(Discard::Ended);
        }
        match (packet.kind, self.state) {
            (PacketKind::Accept, State::SynSent) => self.take_accept(common, packet, now),
            (PacketKind::Accept, _) => Outcome::Dropped(Discard::Duplicate),
            (_, State::SynSent) => Outcome::Dropped(Discard::Unexpected),
            (PacketKind::AckData, _) if common.mode == Some(Mode::Careful) => {
                self.take_ack(common, packet.number, now)
            }
            (PacketKind::AckData, State::Established | State::BatchEnding) => {
                self.take_arrival(common, packet.number, now)
            }
            (PacketKind::AckData, _) => Outcome::Dropped(Discard::StaleAck),
            _ => Outcome::Dropped(Discard::Unexpected),
        }
    }

    /// The answer to the SYN has its number, and its frame: as it was, or as a careful server changes it.
    fn take_accept(&mut self, common: &mut Shared, packet: &QuiqPacket, now: Instant) -> Outcome {
        if packet.number != SYN {
            return Outcome::Dropped(Discard::BadNumber);
        }
        let is_careful = match packet.frames.as_slice() {
            [] => false,
            [Frame { stream: 0, offset, data }] if data == TAG && *offset == CAREFUL_CLIENT => {
                false
            }
            [Frame { stream: 0, offset, data }] if data == TAG && *offset == CAREFUL_SERVER => true,
            _ => {
                self.state = State::Closed;
                common.give_up(Reason::Protocol("its answer to the SYN is not the SYN's echo"));
                return Outcome::Taken;
            }
        };
        let heard_one_syn = common.rto.tries() == 1;
        let rtt = now.saturating_since(common.heard);
        if is_careful {
            common.mode = Some(Mode::Careful);
            common.rto = Rto::new(FIRST_RTO, LEAST_RTO, MOST_RTO);
            common.timers.set(TimerKind::Probe, now + KEEP_ALIVE);
        } else {
            common.mode = Some(Mode::Original);
            common.rto = Rto::fixed(ORIGINAL_RTO.max(rtt * 3));
            self.batch.shape_as_original(self.seed);
        }
        if heard_one_syn {
            common.rto.sample(rtt);
        }
        self.arrivals = Arrivals::new(heard_one_syn);
        self.state = State::Established;
        common.timers.stop(TimerKind::Repeat);
        common.connect(now);
        Outcome::Taken
    }

    /// A careful server has got this very packet.
    fn take_ack(&mut self, common: &mut Shared, number: u32, now: Instant) -> Outcome {
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

    fn begin_next(&mut self, common: &mut Shared) {
        common.unblock();
        self.batch.begin_next();
        self.state = State::Established;
    }

    fn finish(&mut self, common: &mut Shared) {
        self.state = State::Closed;
        common.end(Reason::Normal);
    }

    /// An original has got something.
    fn take_arrival(&mut self, common: &mut Shared, number: u32, now: Instant) -> Outcome {
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

    /// An original has got too little or too much. Without the end of the batch it throws away what it has.
    fn abandon(&mut self, common: &mut Shared) {
        let number = self.flight.next_number();
        self.state = State::Closed;
        common.give_up(Reason::Spoilt((number - 1).into()));
        common.send(QuiqPacket::bare(PacketKind::Fin, number));
    }

    pub(super) fn take_timer(&mut self, common: &mut Shared, timer: TimerKind, now: Instant) {
        match (timer, self.state) {
            (TimerKind::Pause, State::BatchEnding) => {
                let packet = QuiqPacket::bare(PacketKind::DataFin, self.flight.next_number());
                self.flight.skip();
                self.arrivals.end_batch();
                common.send(packet);
                self.begin_next(common);
            }
            (TimerKind::Pause, State::Pausing) => {
                self.state = State::FinSent;
                self.say_fin_to_original(common, now);
            }
            (TimerKind::Probe, State::Established) => {
                if common.spoke + KEEP_ALIVE <= now {
                    common.send_again(Self::syn());
                }
                common.timers.set(TimerKind::Probe, now + KEEP_ALIVE);
            }
            (TimerKind::Repeat, State::SynSent) => {
                if common.rto.tries() >= common.config.connect_tries {
                    self.state = State::Closed;
                    common.time_out(Phase::Handshake);
                } else {
                    self.send_syn(common, now);
                }
            }
            (TimerKind::Repeat, State::FinSent) if common.mode == Some(Mode::Original) => {
                self.say_fin_to_original(common, now);
            }
            (TimerKind::Repeat, _) if common.mode == Some(Mode::Original) => {
                self.ask(common, now);
            }
            (TimerKind::Repeat, _) => self.repeat(common, now),
            _ => {}
        }
    }

    fn say_fin_to_original(&mut self, common: &mut Shared, now: Instant) {
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
        if self.arrivals.questions >= QUESTIONS {
            let number = self.flight.next_number();
            self.state = State::Closed;
            common.time_out(Phase::Data);
            common.send(QuiqPacket::bare(PacketKind::Fin, number));
            return;
        }
        // What is under way keeps its place; a question takes a number of its own.
        let number = self.flight.next_number();
        if let Some(question) = self.batch.question(number) {
            self.arrivals.questions += 1;
            self.flight.push(question.clone(), now);
            common.send_again(question);
            Self::wait(common, now);
        }
    }

    /// A careful server did not acknowledge anything in time.
    fn repeat(&mut self, common: &mut Shared, now: Instant) {
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

    pub(super) fn produce(&mut self, common: &mut Shared, now: Instant) {
        if common.has_ended() || self.state == State::SynSent {
            return;
        }
        if common.closing {
            self.batch.complete_last();
        }
        if common.mode == Some(Mode::Original) {
            self.produce_for_original(common, now);
            return;
        }
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

    fn send_new(&mut self, common: &mut Shared, now: Instant) -> bool {
        let number = self.flight.next_number();
        if !self.flight.has_room() || self.is_exhausted(common, number) {
            return false;
        }
        let may_be_small = self.flight.is_empty();
        let Some(packet) = self.batch.next_packet(number, may_be_small, now) else { return false };
        common.counters.sent(packet.octets(), now);
        self.flight.push(packet.clone(), now);
        common.send(packet);
        true
    }

    fn is_exhausted(&mut self, common: &mut Shared, number: u32) -> bool {
        let is_exhausted = number > u32::MAX / 2;
        if is_exhausted {
            self.state = State::Closed;
            common.give_up(Reason::Exhausted);
        }
        is_exhausted
    }

    fn send_numbered(&mut self, common: &mut Shared, kind: PacketKind, now: Instant) {
        let packet = QuiqPacket::bare(kind, self.flight.next_number());
        self.flight.push(packet.clone(), now);
        common.rto.answered();
        common.send(packet);
        Self::wait(common, now);
    }

    /// One packet at a time, then the end of the batch, and the end, each after a pause.
    fn produce_for_original(&mut self, common: &mut Shared, now: Instant) {
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

    pub(super) fn streams(&self) -> Vec<StreamInfo> {
        self.batch.infos()
    }

    pub(super) fn state(&self) -> &'static str {
        match self.state {
            State::SynSent => "SYN-SENT",
            State::Established => "ESTABLISHED",
            State::BatchEnding => "BATCH-ENDING",
            State::Pausing => "PAUSING",
            State::FinSent => "FIN-SENT",
            State::Closed => "CLOSED",
        }
    }
}
