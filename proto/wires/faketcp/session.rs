//! The session: its variables, the handshake, and who deals with what comes.

use core::net::SocketAddr;
use core::time::Duration;

use super::super::rto::Rto;
use super::super::{
    Action, AnswersFrom, Borders, Chunk, Common, Config, Directions, Discard, Info, Mode, Outcome,
    Profile, Role, TimerKind, Wire,
};
use super::original;
use super::packet::{FaketcpPacket, Flags, HEADER, MOST_PAYLOAD};
use super::receiver::Receiver;
use super::sender::Sender;
use crate::Instant;

/// What an original offers.
const ORIGINAL_WINDOW: i32 = 16;
/// How long a SYN waits for its answer.
const SYN_RTO: Duration = Duration::from_millis(400);
/// How long the answer waits for any datagram of the client's, at first and later on. Each answer starts an original's
/// timer of 0.4 s anew: if its acknowledgement and its data are lost, that has to run out in between.
const SYN_ACK_RTO: Duration = Duration::from_millis(200);
const SYN_ACK_MOST_RTO: Duration = Duration::from_millis(500);
/// An original's retransmission time-out, and ours towards it.
const ORIGINAL_RTO: Duration = Duration::from_millis(400);
const LEAST_RTO: Duration = Duration::from_millis(20);
const MOST_RTO: Duration = Duration::from_millis(500);
/// A careful peer hears something at least this often.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A connection, either side of it.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) common: Common<FaketcpPacket>,
    pub(super) state: State,
    /// Where the SYN went.
    door: SocketAddr,
    /// Our initial number.
    pub(super) iss: i64,
    /// The peer's.
    pub(super) irs: i64,
    pub(super) snd: Sender,
    pub(super) rcv: Receiver,
    /// The log has the session in words.
    is_shown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SynSent,
    SynReceived,
    Established,
    /// All is acknowledged, and FIN is sent.
    FinSent,
    /// The peer has closed, but may have to acknowledge something again.
    Deserted,
    /// FIN ACK is sent, and is sent again if it got lost.
    Parting,
    Closed,
}

impl Session {
    fn new(config: &Config, role: Role, remote: SocketAddr, seed: u64, now: Instant) -> Self {
        let iss = (seed % 65_536) as i64;
        let rto = match role {
            Role::Client => Rto::fixed(SYN_RTO),
            Role::Server => Rto::new(SYN_ACK_RTO, SYN_ACK_RTO, SYN_ACK_MOST_RTO),
        };
        Self {
            common: Common::new(config, role, remote, rto, now),
            state: State::SynSent,
            door: remote,
            iss,
            irs: 0,
            snd: Sender::new(iss + 1),
            rcv: Receiver::default(),
            is_shown: false,
        }
    }

    /// Whether the peer may be an original.
    pub(super) fn faces_original(&self) -> bool {
        self.common.mode == Some(Mode::Original)
    }

    /// A packet of this moment. All numbers fit: a session ends before they do not.
    pub(super) fn packet(&self, flags: Flags, seq: i64, ack: i64) -> FaketcpPacket {
        let win = self.rcv.window(&self.common.inbox);
        let payload = bytes::Bytes::new();
        FaketcpPacket { seq: seq as i32, ack: ack as i32, win, flags, payload }
    }

    pub(super) fn wait(&mut self, now: Instant) -> u32 {
        let tries = self.common.rto.try_again();
        self.common.timers.set(TimerKind::Repeat, now + self.common.rto.current());
        tries
    }

    fn send_opening(&mut self, now: Instant) {
        let packet = if self.state == State::SynSent {
            FaketcpPacket { ack: 0, ..self.packet(Flags::SYN, self.iss, 0) }
        } else {
            self.packet(Flags::SYN.with(Flags::ACK), self.iss, self.irs + 1)
        };
        let again = self.wait(now) > 1;
        self.common.send_to(packet, self.common.remote, again);
    }

    /// What the peer offers in the handshake tells who it is.
    fn recognise(&mut self, packet: &FaketcpPacket) {
        let is_original = packet.win == ORIGINAL_WINDOW;
        self.common.mode = Some(if is_original { Mode::Original } else { Mode::Careful });
        self.irs = packet.seq.into();
        self.rcv.begin(self.irs + 1);
        self.snd.offer(packet.win.into(), self.iss + 1);
    }

    fn establish(&mut self, now: Instant) {
        let rtt = now.saturating_since(self.common.heard);
        let is_clear = self.common.rto.tries() == 1;
        self.common.rto = if self.faces_original() {
            Rto::fixed(ORIGINAL_RTO)
        } else {
            Rto::new(MOST_RTO / 2, LEAST_RTO, MOST_RTO)
        };
        if is_clear {
            self.common.rto.sample(rtt);
        }
        self.state = State::Established;
        self.common.timers.stop(TimerKind::Repeat);
        self.common.connect(now);
        if !self.faces_original() {
            self.common.timers.set(TimerKind::Probe, now + KEEP_ALIVE);
        }
    }

    fn take_syn(&mut self, packet: &FaketcpPacket, now: Instant) -> Outcome {
        let is_other = i64::from(packet.seq) != self.irs;
        if self.common.role == Role::Server && (is_other || self.common.has_ended()) {
            return Outcome::Opens;
        }
        // An original never repeats its SYN, and an answer too many confuses it.
        if self.state == State::SynReceived && !self.faces_original() {
            let packet = self.packet(Flags::SYN.with(Flags::ACK), self.iss, self.irs + 1);
            self.common.send_again(packet);
            self.common.heard = now;
        }
        Outcome::Dropped(Discard::Duplicate)
    }

    fn take_syn_ack(&mut self, packet: &FaketcpPacket, from: SocketAddr, now: Instant) -> Outcome {
        if self.common.role == Role::Server {
            return Outcome::Dropped(Discard::Unexpected);
        }
        if i64::from(packet.ack) != self.iss + 1 || packet.seq < 0 {
            return Outcome::Dropped(Discard::BadNumber);
        }
        if self.state != State::SynSent {
            self.rcv.acknowledge_now();
            return Outcome::Dropped(Discard::Duplicate);
        }
        self.recognise(packet);
        self.common.remote = from;
        self.establish(now);
        let ack = self.packet(Flags::ACK, self.iss + 1, self.irs + 1);
        self.common.send(ack);
        Outcome::Taken
    }

    /// Any datagram of the client's ends the handshake for a server, if its numbers make sense.
    fn take_greeting(&mut self, packet: &FaketcpPacket, now: Instant) -> bool {
        let acks = packet.flags.has(Flags::ACK) || packet.flags.has(Flags::NACK);
        let fits = i64::from(packet.ack) == self.iss + 1;
        let is_data = packet.flags.has(Flags::DATA) && self.rcv.is_in_window(packet.seq.into());
        let greets = packet.is_fin() || is_data && !acks || acks && fits;
        if greets {
            self.establish(now);
        }
        greets
    }

    fn take_established(&mut self, packet: FaketcpPacket, now: Instant) -> Outcome {
        let flags = packet.flags;
        let (ack, win) = (i64::from(packet.ack), i64::from(packet.win));
        if flags.has(Flags::DATA) {
            let una = self.snd.una();
            if flags.has(Flags::ACK) {
                self.take_ack(ack, win, now);
            }
            let outcome = self.take_data(packet.seq.into(), packet.payload, now);
            return if self.snd.una() > una { Outcome::Taken } else { outcome };
        }
        if flags.has(Flags::NACK) {
            self.take_nack(ack, win, now)
        } else if flags.has(Flags::ACK) {
            self.take_ack(ack, win, now)
        } else {
            Outcome::Dropped(Discard::Unexpected)
        }
    }
}

impl Wire for Session {
    type Packet = FaketcpPacket;

    const PROFILE: Profile = Profile {
        name: "faketcp",
        answers_from: AnswersFrom::NewPort,
        directions: Directions::Both,
        borders: Borders::Datagram(MOST_PAYLOAD),
        default_port: Some(50_007),
        max_datagram: HEADER + MOST_PAYLOAD,
    };

    fn connect(config: &Config, remote: SocketAddr, seed: u64, now: Instant) -> Self {
        let mut session = Self::new(config, Role::Client, remote, seed, now);
        session.send_opening(now);
        session
    }

    fn accept(
        config: &Config,
        packet: &FaketcpPacket,
        from: SocketAddr,
        seed: u64,
        now: Instant,
    ) -> Option<Self> {
        let flags = packet.flags;
        if !flags.has(Flags::SYN) || flags.has(Flags::ACK) || packet.seq < 0 {
            return None;
        }
        let mut session = Self::new(config, Role::Server, from, seed, now);
        session.state = State::SynReceived;
        session.recognise(packet);
        session.send_opening(now);
        Some(session)
    }

    fn common(&self) -> &Common<FaketcpPacket> {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common<FaketcpPacket> {
        &mut self.common
    }

    fn take_packet(&mut self, packet: FaketcpPacket, from: SocketAddr, now: Instant) -> Outcome {
        let door = (self.state == State::SynSent).then_some(self.door);
        if !self.common.is_peer(from, door) {
            return Outcome::Dropped(Discard::Stranger);
        }
        let (syn, ack) = (packet.flags.has(Flags::SYN), packet.flags.has(Flags::ACK));
        if syn && !ack && packet.seq >= 0 {
            return self.take_syn(&packet, now);
        }
        if self.common.has_ended() && !matches!(self.state, State::Parting) {
            return Outcome::Dropped(Discard::Ended);
        }
        if packet.is_fin() {
            if self.state == State::SynReceived {
                self.take_greeting(&packet, now);
            }
            return self.take_fin(ack, now);
        }
        if syn && ack {
            return self.take_syn_ack(&packet, from, now);
        }
        match self.state {
            State::SynSent => Outcome::Dropped(Discard::Unexpected),
            State::SynReceived => {
                if self.take_greeting(&packet, now) {
                    self.take_established(packet, now)
                } else {
                    Outcome::Dropped(Discard::BadNumber)
                }
            }
            State::Closed => Outcome::Dropped(Discard::Ended),
            _ => self.take_established(packet, now),
        }
    }

    fn take_timer(&mut self, timer: TimerKind, now: Instant) {
        match (timer, self.state) {
            (TimerKind::Linger, _) => self.stop_lingering(),
            (TimerKind::Acknowledge, _) => self.rcv.acknowledge_now(),
            (TimerKind::Probe, State::Established) => self.remind(now),
            (TimerKind::Repeat, State::SynSent | State::SynReceived) => {
                if self.common.may_open_again() {
                    self.send_opening(now);
                } else {
                    self.state = State::Closed;
                }
            }
            (TimerKind::Repeat, State::Established | State::Deserted) => self.repeat_data(now),
            (TimerKind::Repeat, State::FinSent) => self.repeat_fin(now),
            _ => {}
        }
    }

    fn produce(&mut self, now: Instant) {
        match self.state {
            State::Established => {
                self.send_data(now);
                self.send_ack(now);
                if self.common.closing && self.snd.is_done() && self.common.outbox.is_empty() {
                    self.say_goodbye(now);
                }
            }
            State::Deserted => self.send_data(now),
            State::FinSent | State::Parting => self.send_ack(now),
            _ => {}
        }
    }

    /// Makes room, of which a peer that had none is told.
    fn read(&mut self) -> Option<Chunk> {
        let chunk = self.common.inbox.pop()?;
        self.rcv.made_room(&self.common.inbox);
        Some(chunk)
    }

    fn carries_data(packet: &FaketcpPacket) -> bool {
        packet.flags.has(Flags::DATA)
    }

    fn poll_remark(&mut self) -> Option<String> {
        if !core::mem::replace(&mut self.is_shown, true) {
            return Some(self.to_string());
        }
        self.snd.take_cause().map(|cause| original::remark(cause).to_owned())
    }

    fn log_line(_role: Role, action: Action, packet: &FaketcpPacket) -> String {
        original::log_line(action, packet)
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RECV",
            State::Established => "ESTABLISHED",
            State::FinSent => "FIN_SENT",
            State::Deserted => "DESERTED",
            State::Parting => "PARTING",
            State::Closed => "CLOSED",
        }
    }

    fn info(&self) -> Info {
        let shown = Some(self.to_string());
        Info { shown, ..self.common.info(Self::PROFILE.name, self.state()) }
    }
}
