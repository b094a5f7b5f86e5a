//! The side that receives.

use core::time::Duration;
use std::collections::BTreeMap;

use super::super::half::Half;
use super::super::{Common, Discard, Mode, Outcome, Phase, Reason, StreamInfo, TimerKind};
use super::packet::{Frame, PacketKind, QuiqPacket};
use super::session::{CAREFUL_CLIENT, CAREFUL_SERVER};
use super::streams::Streams;
use crate::Instant;

/// For how long a client that was answered may be silent.
const PATIENCE: Duration = Duration::from_secs(15);
/// For how long a packet of an original's may be late; it never repeats one.
const LATE: Duration = Duration::from_secs(1);
/// For how long the end is acknowledged again.
const LINGER: Duration = Duration::from_secs(2);
/// An original that is silent for so long behind the end of a batch has ended: it says so only once.
const FIN_LATE: Duration = Duration::from_secs(10);
/// Packets of an original's that may wait for one before them.
const MOST_HELD: u32 = 2048;
/// Missing numbers that are told.
const MOST_TOLD: usize = 32;

/// The receiving side.
#[derive(Clone, Debug)]
pub(super) struct Server {
    state: State,
    /// The SYN's number, and the frames that answer it.
    syn: u32,
    answer: Vec<Frame>,
    streams: Streams,
    /// A careful client's batches end with these numbers; what is below belongs to one that has ended.
    floor: u32,
    /// The next number of an original.
    next: u32,
    /// What of an original's came before its turn.
    held: BTreeMap<u32, QuiqPacket>,
    /// The number of our last acknowledgement of an original's packet.
    acked: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynReceived,
    Established,
    /// The client has ended, but may ask whether we know.
    Parting,
    Closed,
}

type Shared = Common<QuiqPacket>;

impl Server {
    pub(super) fn accept(common: &mut Shared, syn: &QuiqPacket, now: Instant) -> Self {
        let mut answer = syn.frames.clone();
        common.mode = Some(Mode::Original);
        if let [Frame { stream: 0, offset, .. }] = answer.as_mut_slice()
            && *offset == CAREFUL_CLIENT
        {
            *offset = CAREFUL_SERVER;
            common.mode = Some(Mode::Careful);
        }
        let server = Self {
            state: State::SynReceived,
            syn: syn.number,
            answer,
            streams: Streams::default(),
            floor: syn.number,
            // Reading the answer takes a number.
            next: syn.number + 2,
            held: BTreeMap::new(),
            acked: syn.number,
        };
        server.greet(common);
        common.timers.set(TimerKind::Repeat, now + PATIENCE);
        server
    }

    fn greet(&self, common: &mut Shared) {
        let (kind, frames) = (PacketKind::Accept, self.answer.clone());
        common.send(QuiqPacket { kind, number: self.syn, frames });
    }

    fn take_syn(&self, common: &mut Shared, packet: &QuiqPacket, now: Instant) -> Outcome {
        if common.has_ended() || packet.number != self.syn {
            return Outcome::Opens;
        }
        common.heard = now;
        self.greet(common);
        Outcome::Dropped(Discard::Duplicate)
    }

    fn begin(&mut self, common: &mut Shared, now: Instant) {
        if self.state == State::SynReceived {
            self.state = State::Established;
            common.timers.stop(TimerKind::Repeat);
            common.connect(now);
        }
    }

    /// Each packet is acknowledged by its number, and comes again until it is.
    fn take_from_careful(
        &mut self,
        common: &mut Shared,
        packet: &QuiqPacket,
        now: Instant,
    ) -> Outcome {
        let ack = QuiqPacket::bare(PacketKind::AckData, packet.number);
        if packet.number <= self.floor || self.state == State::Parting {
            if packet.number <= self.floor && packet.number > self.syn {
                common.send_again(ack);
            }
            return Outcome::Dropped(Discard::Duplicate);
        }
        match packet.kind {
            PacketKind::DataFin => {
                if self.end_batch(common, packet.number) {
                    self.begin(common, now);
                    common.send(ack);
                }
            }
            PacketKind::Fin => {
                self.begin(common, now);
                self.floor = packet.number;
                common.send(ack);
                self.end(common, packet.number, now);
            }
            _ => {
                if !common.inbox.has_room() {
                    return Outcome::Dropped(Discard::NoRoom);
                }
                let limit = common.config.receive_limit;
                if let Err(discard) = self.streams.check(packet, limit) {
                    return Outcome::Dropped(discard);
                }
                self.begin(common, now);
                common.send(ack);
                if !self.take_data(common, packet, now) {
                    return Outcome::Dropped(Discard::Duplicate);
                }
            }
        }
        Outcome::Taken
    }

    fn take_data(&mut self, common: &mut Shared, packet: &QuiqPacket, now: Instant) -> bool {
        let deliver = |(stream, data, end)| common.deliver(stream, data, end);
        let new = self.streams.take(packet, now, deliver);
        if let Some(octets) = new {
            common.counters.received(octets, now);
        }
        new.is_some()
    }

    /// Whether the batch is whole; if not, the connection has ended.
    fn end_batch(&mut self, common: &mut Shared, number: u32) -> bool {
        let deliver = |(stream, data, end)| common.deliver(stream, data, end);
        if let Err(missing) = self.streams.finish(deliver) {
            self.state = State::Closed;
            common.give_up(Reason::Missing(missing));
            return false;
        }
        self.floor = number;
        common.deliver(0, bytes::Bytes::new(), true);
        true
    }

    fn end(&mut self, common: &mut Shared, number: u32, now: Instant) {
        if !self.streams.is_empty() {
            // A batch that was not ended is not whole.
            self.state = State::Closed;
            common.end(Reason::Missing(vec![number.into()]));
            return;
        }
        self.state = State::Parting;
        common.peer_closed();
        common.end(Reason::Normal);
        common.timers.set(TimerKind::Linger, now + LINGER);
    }

    /// Packets are used in the order of their numbers. None comes again: what is late for too long is lost.
    fn take_from_original(
        &mut self,
        common: &mut Shared,
        packet: QuiqPacket,
        now: Instant,
    ) -> Outcome {
        let number = packet.number;
        if self.state == State::Parting {
            return Outcome::Dropped(Discard::Ended);
        }
        if number < self.next || self.held.contains_key(&number) {
            return Outcome::Dropped(Discard::Duplicate);
        }
        if number - self.next >= MOST_HELD {
            return Outcome::Dropped(Discard::BadNumber);
        }
        if packet.kind.is_data() {
            if packet.frames.is_empty() {
                return Outcome::Dropped(Discard::BadLength);
            }
            if !common.inbox.has_room() {
                return Outcome::Dropped(Discard::NoRoom);
            }
            self.acked += 2;
            common.send(QuiqPacket::bare(PacketKind::AckData, self.acked));
        }
        self.begin(common, now);
        common.timers.stop(TimerKind::Linger);
        self.held.insert(number, packet);
        while let Some(packet) = self.held.remove(&self.next) {
            self.next += 1;
            if !self.use_next(common, &packet, now) {
                break;
            }
        }
        if self.held.is_empty() || self.state != State::Established {
            common.timers.stop(TimerKind::Repeat);
        } else if !common.timers.is_set(TimerKind::Repeat) {
            common.timers.set(TimerKind::Repeat, now + LATE);
        }
        Outcome::Taken
    }

    /// Whether to go on.
    fn use_next(&mut self, common: &mut Shared, packet: &QuiqPacket, now: Instant) -> bool {
        match packet.kind {
            PacketKind::DataFin => {
                self.acked += 1;
                common.timers.set(TimerKind::Linger, now + FIN_LATE);
                self.end_batch(common, packet.number)
            }
            PacketKind::Fin => {
                self.end(common, packet.number, now);
                common.timers.stop(TimerKind::Linger);
                false
            }
            _ => {
                let limit = common.config.receive_limit;
                if self.streams.check(packet, limit).is_ok() {
                    self.take_data(common, packet, now);
                    return true;
                }
                self.state = State::Closed;
                common.give_up(Reason::Protocol("frames that cannot be"));
                false
            }
        }
    }

    /// What was late is lost. Only the end of the batch can do without: the end of all, with the number behind it,
    /// says the same.
    fn miss(&mut self, common: &mut Shared) {
        let now = common.heard;
        if let Some((&number, held)) = self.held.first_key_value()
            && held.kind == PacketKind::Fin
            && number == self.next + 1
            && !self.streams.is_empty()
        {
            if self.end_batch(common, self.next) {
                self.end(common, number, now);
                common.timers.stop(TimerKind::Linger);
            }
            return;
        }
        let last = self.held.last_key_value().map_or(self.next, |(&number, _)| number);
        let missing = (self.next..last).filter(|number| !self.held.contains_key(number));
        let missing = missing.map(u64::from).take(MOST_TOLD).collect();
        self.state = State::Closed;
        common.give_up(Reason::Missing(missing));
    }
}

impl Half<QuiqPacket> for Server {
    fn take(&mut self, common: &mut Shared, packet: QuiqPacket, now: Instant) -> Outcome {
        if packet.kind == PacketKind::Syn {
            return self.take_syn(common, &packet, now);
        }
        if self.state == State::Closed || common.has_ended() && self.state != State::Parting {
            return Outcome::Dropped(Discard::Ended);
        }
        let is_answer = matches!(packet.kind, PacketKind::Accept | PacketKind::AckData);
        if is_answer {
            return Outcome::Dropped(Discard::Unexpected);
        }
        if common.mode == Some(Mode::Careful) {
            self.take_from_careful(common, &packet, now)
        } else {
            self.take_from_original(common, packet, now)
        }
    }

    fn take_timer(&mut self, common: &mut Shared, timer: TimerKind, _now: Instant) {
        match (timer, self.state) {
            (TimerKind::Repeat, State::SynReceived) => {
                self.state = State::Closed;
                common.time_out(Phase::Handshake);
            }
            (TimerKind::Repeat, State::Established) => self.miss(common),
            (TimerKind::Linger, State::Established) => {
                self.state = State::Closed;
                common.peer_closed();
                common.end(Reason::Normal);
            }
            (TimerKind::Linger, _) => self.state = State::Closed,
            _ => {}
        }
    }

    fn streams(&self) -> Vec<StreamInfo> {
        self.streams.infos()
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::Parting => "PARTING",
            State::Closed => "CLOSED",
        }
    }
}
