//! The side that receives.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::super::half::Half;
use super::super::{Common, Discard, Mode, Outcome, Phase, Reason, TimerKind};
use super::guess::Guess;
use super::number::{INITIAL, is_number, wrap};
use super::packet::{Body, Cs488Packet, Flag, PAYLOAD};
use crate::Instant;

/// For how long a client that was answered may be silent.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often its end is answered in all.
const FIN_TRIES: u32 = 7;
/// So many times the end is said with a number that cannot be, then something is missing.
const WRONG_ENDS: u32 = 3;

/// The receiving side.
#[derive(Clone, Debug)]
pub(super) struct Server {
    state: State,
    con_id: i16,
    last: Last,
    wrong_ends: u32,
}

/// The packet that was taken last, and with it the number of the next.
#[derive(Clone, Debug)]
struct Last {
    packet: Option<Cs488Packet>,
    /// The number of the next, if that is known.
    next: Option<i32>,
    /// If not, what is known.
    guess: Option<Guess>,
    /// How many octets it had, for the number that answers a FIN.
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynReceived,
    Established,
    /// The client has said that this is the end; with what number.
    FinReceived {
        seq: i32,
    },
    Closed,
}

type Shared = Common<Cs488Packet>;

impl Server {
    /// A careful server's id is one that no original draws.
    pub(super) fn accept(common: &mut Shared, seed: u64, now: Instant) -> Self {
        let con_id = 21 + (seed % (i16::MAX as u64 - 20)) as i16;
        let last = Last { packet: None, next: Some(INITIAL + 1), guess: None, len: 0 };
        let server = Self { state: State::SynReceived, con_id, last, wrong_ends: 0 };
        server.greet(common);
        common.timers.set(TimerKind::Repeat, now + PATIENCE);
        server
    }

    fn greet(&self, common: &mut Shared) {
        common.send(Cs488Packet::server(Flag::SynAck, self.con_id, INITIAL, INITIAL + 1));
    }

    /// One id per client, however often its SYN comes.
    fn take_syn(&self, common: &mut Shared, packet: &Cs488Packet) -> Outcome {
        if common.has_ended() && packet.seq == INITIAL {
            return Outcome::Opens;
        }
        if self.state != State::SynReceived {
            return Outcome::Dropped(Discard::Duplicate);
        }
        self.greet(common);
        Outcome::Taken
    }

    fn take_data(
        &mut self,
        common: &mut Shared,
        packet: &Cs488Packet,
        payload: &Bytes,
        now: Instant,
    ) -> Outcome {
        let Some(said) = usize::try_from(packet.ack).ok().filter(|&said| said <= PAYLOAD) else {
            return Outcome::Dropped(Discard::BadLength);
        };
        if said > 0 && payload.len() > said {
            return Outcome::Dropped(Discard::BadLength);
        }
        // An empty packet leaves its number to the next one: such packets are told apart by what is in them.
        if self.last.packet.as_ref() == Some(packet) {
            self.answer_again(common, now);
            return Outcome::Dropped(Discard::Duplicate);
        }
        let Some(nuls) = self.nuls_before(packet.seq) else {
            return Outcome::Dropped(Discard::OutOfOrder);
        };
        if !common.inbox.has_room() {
            return Outcome::Dropped(Discard::NoRoom);
        }
        self.put_back(common, nuls);
        self.begin(common, now);
        let data = if said > payload.len() {
            let mut whole = BytesMut::from(&payload[..]);
            whole.resize(said, 0);
            whole.freeze()
        } else {
            payload.clone()
        };
        let len = data.len();
        self.last = Last { packet: Some(packet.clone()), next: None, guess: None, len };
        if said > 0 || common.mode == Some(Mode::Careful) {
            common.mode = Some(Mode::Careful);
            self.last.next = Some(wrap(packet.seq + len as i32));
        } else {
            if len > 0 {
                common.mode.get_or_insert(Mode::Original);
            }
            self.last.guess = Some(Guess::new(packet.seq, payload.clone(), now));
        }
        if len > 0 {
            common.counters.received(len, now);
            common.deliver(0, data, false);
        }
        self.answer(common, packet.seq);
        Outcome::Taken
    }

    /// How many NULs of the last packet show only by the number of this one; nothing if this one is not next.
    fn nuls_before(&self, seq: i32) -> Option<usize> {
        match (&self.last.guess, self.last.next) {
            (Some(guess), _) => guess.nuls_before(seq),
            (None, next) => (next == Some(seq)).then_some(0),
        }
    }

    fn put_back(&self, common: &mut Shared, nuls: usize) {
        if nuls > 0 {
            common.counters.octets_received += nuls as u64;
            common.deliver(0, Bytes::from(vec![0; nuls]), false);
        }
    }

    fn begin(&mut self, common: &mut Shared, now: Instant) {
        if self.state == State::SynReceived {
            self.state = State::Established;
            common.timers.stop(TimerKind::Repeat);
            common.connect(now);
        }
    }

    fn answer(&self, common: &mut Shared, seq: i32) {
        let ack = match &self.last.guess {
            Some(guess) => guess.answer(),
            None => self.last.next,
        };
        if let Some(ack) = ack {
            common.send(Cs488Packet::server(Flag::Ack, self.con_id, seq, ack));
        }
    }

    fn answer_again(&mut self, common: &mut Shared, now: Instant) {
        let answers = match &mut self.last.guess {
            Some(guess) => guess.is_to_be_answered(now),
            None => true,
        };
        if answers && let Some(packet) = &self.last.packet {
            common.heard = now;
            self.answer(common, packet.seq);
        }
    }

    fn take_fin(&mut self, common: &mut Shared, seq: i32, now: Instant) -> Outcome {
        if let State::FinReceived { seq: said } = self.state {
            if seq == said {
                self.answer_fin(common, seq);
            }
            return Outcome::Dropped(Discard::Duplicate);
        }
        let Some(nuls) = self.nuls_before(seq) else {
            self.wrong_ends += 1;
            if self.wrong_ends >= WRONG_ENDS {
                let next = self.last.packet.as_ref().map_or(INITIAL + 1, |packet| packet.seq);
                self.state = State::Closed;
                common.give_up(Reason::Missing(vec![next as u64]));
            }
            return Outcome::Dropped(Discard::BadNumber);
        };
        self.begin(common, now);
        self.put_back(common, nuls);
        self.state = State::FinReceived { seq };
        common.peer_closed();
        self.answer_fin(common, seq);
        common.rto.answered();
        self.wait(common, now);
        Outcome::Taken
    }

    /// An original takes any packet for the answer to its FIN, an old acknowledgement, too. If that FIN was lost, its
    /// last words are the only ones that say where the end is.
    fn take_late_end(&mut self, common: &mut Shared, seq: i32, now: Instant) -> Outcome {
        let outcome = self.take_fin(common, seq, now);
        if outcome == Outcome::Taken {
            self.state = State::Closed;
            common.timers.stop(TimerKind::Repeat);
            common.end(Reason::Normal);
        }
        outcome
    }

    fn wait(&self, common: &mut Shared, now: Instant) {
        common.rto.try_again();
        common.timers.set(TimerKind::Repeat, now + common.rto.current());
    }

    /// That the end was heard, and at once that it is the end on this side, too.
    fn answer_fin(&self, common: &mut Shared, seq: i32) {
        let ack = wrap(seq + self.last.len as i32);
        common.send(Cs488Packet::server(Flag::FinAck, self.con_id, seq, ack));
        common.send(Cs488Packet::server(Flag::Fin, self.con_id, seq, 0));
    }
}

impl Half<Cs488Packet> for Server {
    fn take(&mut self, common: &mut Shared, packet: Cs488Packet, now: Instant) -> Outcome {
        let Body::Client(payload) = &packet.body else {
            return Outcome::Dropped(Discard::Unexpected);
        };
        if packet.flag == Flag::Syn {
            return self.take_syn(common, &packet);
        }
        if self.state == State::Closed || common.has_ended() {
            return Outcome::Dropped(Discard::Ended);
        }
        if packet.con_id != self.con_id {
            return Outcome::Dropped(Discard::OtherConnection);
        }
        if !is_number(packet.seq) {
            return Outcome::Dropped(Discard::BadNumber);
        }
        match (packet.flag, self.state) {
            (Flag::Data | Flag::Ack, State::SynReceived | State::Established) => {
                self.take_data(common, &packet, payload, now)
            }
            (Flag::Fin, _) => self.take_fin(common, packet.seq, now),
            (Flag::FinAck, State::FinReceived { seq }) if seq == packet.seq => {
                self.state = State::Closed;
                common.end(Reason::Normal);
                Outcome::Taken
            }
            (Flag::FinAck, State::SynReceived | State::Established)
                if packet.ack == packet.seq + 1 =>
            {
                self.take_late_end(common, packet.seq, now)
            }
            _ => Outcome::Dropped(Discard::Unexpected),
        }
    }

    /// The only timer: either nothing came after the SYN, or the answer to the end is to be repeated.
    fn take_timer(&mut self, common: &mut Shared, _timer: TimerKind, now: Instant) {
        match self.state {
            State::SynReceived => {
                self.state = State::Closed;
                common.time_out(Phase::Handshake);
            }
            State::FinReceived { seq } if common.rto.tries() < FIN_TRIES => {
                self.answer_fin(common, seq);
                self.wait(common, now);
            }
            State::FinReceived { .. } => {
                self.state = State::Closed;
                common.end(Reason::Normal);
            }
            _ => {}
        }
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinReceived { .. } => "FIN-RECEIVED",
            State::Closed => "CLOSED",
        }
    }
}
