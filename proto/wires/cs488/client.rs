//! The side that sends: one packet, its acknowledgement, the next packet.

use core::time::Duration;

use bytes::Bytes;

use super::super::half::Half;
use super::super::rto::Rto;
use super::super::{Common, Discard, Mode, Outcome, Phase, Reason, TimerKind, Unfit};
use super::cut::cut;
use super::number::{INITIAL, distance, is_number, wrap, wrap_late};
use super::packet::{Body, Cs488Packet, Flag, PAYLOAD, without_nuls};
use crate::Instant;

/// Connection ids up to here may be an original's.
const ORIGINAL_IDS: i16 = 20;
/// An original draws a new id for every SYN: the last answer within this time counts.
const SETTLE: Duration = Duration::from_millis(60);
/// How long an original is given to answer; it gives up itself after two seconds of silence.
const ORIGINAL_RTO: Duration = Duration::from_millis(400);
/// How long an original may wait for data before it hears an empty packet.
const ORIGINAL_IDLE: Duration = Duration::from_millis(900);
/// The same for a careful server, which has a patience of its own.
const CAREFUL_IDLE: Duration = Duration::from_secs(10);
/// How often the end is said. All data was acknowledged before, so that silence means that the server has left.
const FIN_TRIES: u32 = 8;
/// A copy of an old packet that overtakes ours makes an original acknowledge ours unread. It does no harm while
/// nothing of ours is under way: so wait a little before each packet, and longer once there are copies about.
const ORIGINAL_PAUSE: Duration = Duration::from_millis(2);
const WARY_PAUSE: Duration = Duration::from_millis(30);
/// How many packets the last copy is remembered for.
const WARY_PACKETS: u32 = 256;
/// How often an original hears what is no text, which ends it; but it may have been a careful server that lost it.
const UNREADABLE_TRIES: u32 = 8;
/// For how long its FIN is answered.
const LINGER: Duration = Duration::from_millis(1_200);

/// The sending side.
#[derive(Clone, Debug)]
pub(super) struct Client {
    state: State,
    con_id: i16,
    /// The number of the next octet that is sent, or of the first that is not acknowledged.
    seq: i32,
    /// Whether anything was acknowledged; the first packet has a flag of its own.
    began: bool,
    outstanding: Option<Outstanding>,
    /// Towards an original: not before this is the next packet sent.
    ready: Instant,
    /// For so many packets more copies are to be reckoned with.
    wary: u32,
}

#[derive(Clone, Debug)]
struct Outstanding {
    packet: Cs488Packet,
    /// The payload with all its NULs.
    payload: Bytes,
    sent: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent,
    /// Answered by what may be an original: it may have heard more than one SYN.
    Settling,
    Established,
    FinSent,
    /// All is said, but the server may not know it.
    Parting,
    Closed,
}

type Shared = Common<Cs488Packet>;

impl Client {
    pub(super) fn first_rto() -> Rto {
        let ms = Duration::from_millis;
        Rto::new(ms(400), ms(20), ms(500))
    }

    pub(super) fn connect(common: &mut Shared, now: Instant) -> Self {
        let client = Self {
            state: State::SynSent,
            con_id: 0,
            seq: INITIAL + 1,
            began: false,
            outstanding: None,
            ready: now,
            wary: 0,
        };
        client.repeat(common, Self::syn(), now);
        client
    }

    fn syn() -> Cs488Packet {
        Cs488Packet::client(Flag::Syn, 0, INITIAL, 0, &Bytes::new())
    }

    fn fin(&self) -> Cs488Packet {
        Cs488Packet::client(Flag::Fin, self.con_id, self.seq, 0, &Bytes::new())
    }

    /// Sends a packet, and again if it is not answered.
    fn repeat(&self, common: &mut Shared, packet: Cs488Packet, now: Instant) {
        let again = common.rto.try_again() > 1;
        common.send_to(packet, common.remote, again);
        common.timers.set(TimerKind::Repeat, now + common.rto.current());
    }

    fn take_syn_ack(&mut self, common: &mut Shared, packet: &Cs488Packet, now: Instant) -> Outcome {
        if packet.ack != INITIAL + 1 || packet.seq != INITIAL {
            return Outcome::Dropped(Discard::BadNumber);
        }
        match self.state {
            State::SynSent => {
                if common.rto.tries() == 1 {
                    common.rto.sample(now.saturating_since(common.heard));
                }
                common.rto.answered();
                common.timers.stop(TimerKind::Repeat);
                self.con_id = packet.con_id;
                if packet.con_id > ORIGINAL_IDS {
                    common.mode = Some(Mode::Careful);
                    self.establish(common, now);
                } else {
                    self.state = State::Settling;
                    common.timers.set(TimerKind::Pause, now + SETTLE);
                }
                Outcome::Taken
            }
            State::Settling => {
                self.con_id = packet.con_id;
                Outcome::Taken
            }
            // A SYN that was long under way has killed the id that we use, before anything was sent with it.
            State::Established
                if !self.began
                    && common.mode == Some(Mode::Original)
                    && packet.con_id != self.con_id =>
            {
                self.con_id = packet.con_id;
                if let Some(outstanding) = &mut self.outstanding {
                    outstanding.packet.con_id = packet.con_id;
                }
                Outcome::Taken
            }
            _ => Outcome::Dropped(Discard::Duplicate),
        }
    }

    fn establish(&mut self, common: &mut Shared, now: Instant) {
        self.state = State::Established;
        common.connect(now);
        self.rest(common, now);
    }

    /// Nothing is to be done until something is written; but the server is to know that we are there.
    fn rest(&self, common: &mut Shared, now: Instant) {
        let is_careful = common.mode == Some(Mode::Careful);
        let idle = if is_careful { CAREFUL_IDLE } else { ORIGINAL_IDLE };
        common.timers.set(TimerKind::Probe, now + idle);
    }

    /// Only the acknowledgement of this very packet counts, and nothing else makes us send: an original answers
    /// every copy, and each answer would make another copy.
    fn take_ack(&mut self, common: &mut Shared, packet: &Cs488Packet, now: Instant) -> Outcome {
        let Some(outstanding) = &self.outstanding else {
            return self.take_unasked_ack(common, packet);
        };
        if packet.seq != self.seq {
            self.grow_wary();
            return Outcome::Dropped(Discard::StaleAck);
        }
        let payload = outstanding.payload.clone();
        let ends_at = |len: usize| {
            let sum = self.seq + len as i32;
            packet.ack == wrap(sum) || packet.ack == wrap_late(sum)
        };
        let text_len = without_nuls(&payload);
        if ends_at(payload.len()) {
            if text_len < payload.len() {
                // Only a careful server can know that.
                common.mode = Some(Mode::Careful);
            }
        } else if common.mode == Some(Mode::Careful) {
            return Outcome::Dropped(Discard::WildAck);
        } else {
            let text = core::str::from_utf8(&payload[..text_len]).ok();
            let characters = text.map(|text| text.chars().count());
            if !ends_at(text_len) && !characters.is_some_and(ends_at) {
                return Outcome::Dropped(Discard::WildAck);
            }
            if text_len < payload.len() {
                common.give_up(Reason::NotRepresentable(Unfit::TrailingNul));
                self.state = State::Closed;
                return Outcome::Taken;
            }
        }
        if common.rto.tries() == 1 {
            common.rto.sample(now.saturating_since(outstanding.sent));
        }
        common.rto.answered();
        common.timers.stop(TimerKind::Repeat);
        if !payload.is_empty() {
            common.counters.acknowledged(now);
        }
        common.outbox.consume(payload.len());
        self.seq = wrap(packet.ack);
        self.began = true;
        self.outstanding = None;
        self.rest(common, now);
        if common.mode == Some(Mode::Original) {
            self.pause(common, now);
        }
        Outcome::Taken
    }

    fn grow_wary(&mut self) {
        self.wary = WARY_PACKETS;
    }

    /// Lets copies of old packets arrive before the next one leaves.
    fn pause(&mut self, common: &mut Shared, now: Instant) {
        let rtt = common.rto.smoothed().unwrap_or_default();
        let least = if self.wary > 0 { WARY_PAUSE } else { ORIGINAL_PAUSE };
        self.wary = self.wary.saturating_sub(1);
        self.ready = now + rtt.clamp(least, ORIGINAL_RTO);
        common.timers.set(TimerKind::Pause, self.ready);
    }

    /// Nothing was asked. An original answers a copy of an old packet as if it were the next one, with a number that
    /// is still to come, and counts it: from there it can be followed.
    fn take_unasked_ack(&mut self, common: &Shared, packet: &Cs488Packet) -> Outcome {
        self.grow_wary();
        let moved = packet.seq == self.seq
            && is_number(wrap(packet.ack))
            && (1..=PAYLOAD as i32).contains(&distance(packet.seq, wrap(packet.ack)));
        if common.mode != Some(Mode::Original) || !moved {
            return Outcome::Dropped(Discard::StaleAck);
        }
        self.seq = wrap(packet.ack);
        Outcome::Taken
    }

    /// Whether an original that was troubled by copies has lost count, and with it data.
    fn is_spoilt(&self, fin: &Cs488Packet) -> bool {
        self.wary > 0 && fin.seq != self.seq
    }

    fn repeat_last(&mut self, common: &mut Shared, now: Instant) {
        let tries = common.rto.tries();
        match self.state {
            State::SynSent if common.may_open_again() => self.repeat(common, Self::syn(), now),
            State::SynSent => self.state = State::Closed,
            State::Established => {
                let Some(outstanding) = &self.outstanding else { return };
                let is_text = core::str::from_utf8(&outstanding.payload).is_ok();
                let is_unreadable = common.mode == Some(Mode::Original) && !is_text;
                let most = common.config.data_tries;
                if tries < if is_unreadable { most.min(UNREADABLE_TRIES) } else { most } {
                    self.repeat(common, outstanding.packet.clone(), now);
                    return;
                }
                self.state = State::Closed;
                if is_unreadable {
                    common.give_up(Reason::NotRepresentable(Unfit::NotText));
                } else {
                    common.time_out(Phase::Data);
                }
            }
            State::FinSent if tries < FIN_TRIES => self.repeat(common, self.fin(), now),
            State::FinSent => {
                self.state = State::Closed;
                common.end(Reason::Normal);
            }
            _ => {}
        }
    }

    fn send_data(&mut self, common: &mut Shared, len: usize, now: Instant) {
        common.timers.stop(TimerKind::Probe);
        let flag = if self.began { Flag::Data } else { Flag::Ack };
        let payload = common.outbox.peek_joined(len);
        let packet = Cs488Packet::client(flag, self.con_id, self.seq, len as i32, &payload);
        if len > 0 {
            common.counters.sent(len, now);
        }
        self.repeat(common, packet.clone(), now);
        self.outstanding = Some(Outstanding { packet, payload, sent: now });
    }
}

impl Half<Cs488Packet> for Client {
    fn take(&mut self, common: &mut Shared, packet: Cs488Packet, now: Instant) -> Outcome {
        if packet.body != Body::Server {
            return Outcome::Dropped(Discard::Unexpected);
        }
        if self.state == State::Closed || common.has_ended() && self.state != State::Parting {
            return Outcome::Dropped(Discard::Ended);
        }
        if packet.flag == Flag::SynAck {
            return self.take_syn_ack(common, &packet, now);
        }
        if matches!(self.state, State::SynSent | State::Settling) {
            return Outcome::Dropped(Discard::Unexpected);
        }
        if packet.con_id != self.con_id {
            return Outcome::Dropped(Discard::OtherConnection);
        }
        match (packet.flag, self.state) {
            (Flag::Ack, State::Established) => self.take_ack(common, &packet, now),
            (Flag::Ack, _) => Outcome::Dropped(Discard::StaleAck),
            (Flag::Fin, State::FinSent) if self.is_spoilt(&packet) => {
                common.give_up(Reason::Spoilt(packet.seq.unsigned_abs().into()));
                self.state = State::Closed;
                Outcome::Taken
            }
            (Flag::Fin, State::FinSent | State::Parting) => {
                let (seq, ack) = (packet.seq, packet.seq.saturating_add(1));
                let answer =
                    Cs488Packet::client(Flag::FinAck, self.con_id, seq, ack, &Bytes::new());
                common.send(answer);
                if self.state == State::FinSent {
                    self.state = State::Parting;
                    common.end(Reason::Normal);
                    common.timers.set(TimerKind::Linger, now + LINGER);
                }
                Outcome::Taken
            }
            // It is followed by the FIN that counts.
            (Flag::FinAck, State::FinSent) => Outcome::Taken,
            _ => Outcome::Dropped(Discard::Unexpected),
        }
    }

    fn take_timer(&mut self, common: &mut Shared, timer: TimerKind, now: Instant) {
        match (timer, self.state) {
            (TimerKind::Pause, State::Settling) => {
                common.mode = Some(Mode::Original);
                common.rto = Rto::fixed(ORIGINAL_RTO);
                self.establish(common, now);
            }
            (TimerKind::Probe, State::Established) if self.outstanding.is_none() => {
                self.send_data(common, 0, now);
            }
            (TimerKind::Repeat, _) => self.repeat_last(common, now),
            (TimerKind::Linger, _) => self.state = State::Closed,
            _ => {}
        }
    }

    fn produce(&mut self, common: &mut Shared, now: Instant) {
        let may_send = self.state == State::Established && self.outstanding.is_none();
        if !may_send || common.has_ended() || now < self.ready {
            return;
        }
        let next = common.outbox.peek_joined(PAYLOAD);
        let is_all = common.closing && common.outbox.octets() == next.len();
        let len = if common.mode == Some(Mode::Careful) {
            Some(next.len()).filter(|&len| len > 0)
        } else {
            cut(&next, is_all)
        };
        if let Some(len) = len {
            self.send_data(common, len, now);
        } else if is_all && !self.began {
            // The first packet also ends the handshake; an empty file has it, too.
            self.send_data(common, 0, now);
        } else if is_all {
            self.state = State::FinSent;
            common.timers.stop(TimerKind::Probe);
            self.repeat(common, self.fin(), now);
        }
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::SynSent => "SYN-SENT",
            State::Settling => "SETTLING",
            State::Established => "ESTABLISHED",
            State::FinSent => "FIN-SENT",
            State::Parting => "PARTING",
            State::Closed => "CLOSED",
        }
    }
}
