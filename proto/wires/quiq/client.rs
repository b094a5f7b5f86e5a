//! The side that sends: how it begins and ends, and when a packet may go. Towards the two kinds of peers that is done
//! in two ways, which are in `careful` and `original`.

mod careful;
mod original;

use core::time::Duration;

use bytes::Bytes;

use super::super::half::Half;
use super::super::rto::Rto;
use super::super::{
    Chunk, Common, Discard, Mode, Outcome, Reason, StreamInfo, TimerKind, WriteError,
};
use super::arrivals::Arrivals;
use super::batch::Batch;
use super::flight::Flight;
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
/// A careful server hears something at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

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
    /// The last batch has ended. Whether an original knows is being found out.
    Checking,
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

    /// How a stream was cut, once it is known.
    pub(super) fn take_plan(&mut self) -> Option<String> {
        self.batch.take_plan()
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

    fn begin_next(&mut self, common: &mut Shared) {
        common.unblock();
        self.batch.begin_next();
        self.state = State::Established;
    }

    fn finish(&mut self, common: &mut Shared) {
        self.state = State::Closed;
        common.end(Reason::Normal);
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
}

impl Half<QuiqPacket> for Client {
    fn take(&mut self, common: &mut Shared, packet: QuiqPacket, now: Instant) -> Outcome {
        if common.has_ended() || self.state == State::Closed {
            return Outcome::Dropped(Discard::Ended);
        }
        match (packet.kind, self.state) {
            (PacketKind::Accept, State::SynSent) => self.take_accept(common, &packet, now),
            (PacketKind::Accept, _) => Outcome::Dropped(Discard::Duplicate),
            (_, State::SynSent) => Outcome::Dropped(Discard::Unexpected),
            (PacketKind::AckData, _) if common.mode == Some(Mode::Careful) => {
                self.take_ack(common, packet.number, now)
            }
            (PacketKind::AckData, State::Established | State::BatchEnding) => {
                self.take_arrival(common, packet.number, now)
            }
            (PacketKind::AckData, State::Checking) => self.take_check(common, packet.number, now),
            (PacketKind::AckData, _) => Outcome::Dropped(Discard::StaleAck),
            _ => Outcome::Dropped(Discard::Unexpected),
        }
    }

    fn take_timer(&mut self, common: &mut Shared, timer: TimerKind, now: Instant) {
        match (timer, self.state) {
            (TimerKind::Probe, State::Established) => {
                if common.spoke + KEEP_ALIVE <= now {
                    common.send_again(Self::syn());
                }
                common.timers.set(TimerKind::Probe, now + KEEP_ALIVE);
            }
            (TimerKind::Repeat, State::SynSent) => {
                if common.may_open_again() {
                    self.send_syn(common, now);
                } else {
                    self.state = State::Closed;
                }
            }
            (TimerKind::Repeat, _) if common.mode == Some(Mode::Original) => {
                self.hear_nothing_from_original(common, now);
            }
            (TimerKind::Repeat, _) => self.repeat(common, now),
            (TimerKind::Pause, _) => self.end_pause(common, now),
            _ => {}
        }
    }

    fn produce(&mut self, common: &mut Shared, now: Instant) {
        if common.has_ended() || self.state == State::SynSent {
            return;
        }
        if common.closing {
            self.batch.complete_last();
        }
        if common.mode == Some(Mode::Original) {
            self.produce_for_original(common, now);
        } else {
            self.produce_for_careful(common, now);
        }
    }

    fn streams(&self) -> Vec<StreamInfo> {
        self.batch.infos()
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::SynSent => "SYN-SENT",
            State::Established => "ESTABLISHED",
            State::BatchEnding => "BATCH-ENDING",
            State::Pausing => "PAUSING",
            State::Checking => "CHECKING",
            State::FinSent => "FIN-SENT",
            State::Closed => "CLOSED",
        }
    }
}
