//! The session: its variables, the handshake, and who deals with what comes.

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::super::rto::Rto;
use super::super::{
    Action, AnswersFrom, Borders, Common, Config, Directions, Discard, Outcome, Profile, Role,
    TimerKind, Wire,
};
use super::cut::Message;
use super::original;
use super::packet::{MOST_DATA, SockettcpPacket};
use super::sender::KEEP_ALIVE;
use crate::Instant;

/// The longest header has 20 digits.
const MAX_DATAGRAM: usize = 15 + 20 + MOST_DATA;
/// How long the first packets wait for an answer.
const INITIAL: Duration = Duration::from_millis(250);
/// A repeat that comes sooner than the pause between two acknowledgements would not be answered.
const LEAST: Duration = Duration::from_millis(32);
const MOST: Duration = Duration::from_millis(500);

/// A connection, either side of it.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) common: Common<SockettcpPacket>,
    pub(super) state: State,
    /// Where the SYN went: some servers wait there for the end of the handshake.
    pub(super) door: SocketAddr,
    /// The number of the SYN.
    pub(super) x: u64,
    /// The number of the last packet of the handshake.
    pub(super) greeting: u64,
    /// The number of the next octet that is sent, or of the first that is not acknowledged.
    pub(super) snd: u64,
    /// The number of the next octet that is wanted.
    pub(super) rcv: u64,
    /// Whether both are one counter, as they should be.
    pub(super) shared: bool,
    /// Whether anything sent was ever acknowledged.
    pub(super) understood: bool,
    /// How often a peer that seems to share its counter wanted a number that only one that does not would want.
    pub(super) complaints: u8,
    /// The segment that waits for its acknowledgement, and when it was first sent.
    pub(super) outstanding: Option<(Bytes, Instant)>,
    /// The last segment that was acknowledged, and its number.
    pub(super) last: Option<(u64, Bytes)>,
    /// What is left of the message being sent.
    pub(super) sending: Option<Message>,
    /// How much is left of the message being received.
    pub(super) receiving: Option<u64>,
    /// When something was last acknowledged.
    pub(super) acknowledged: Option<Instant>,
    /// The last data was not acknowledged, but may well have arrived.
    pub(super) unconfirmed: bool,
    /// The number that answers the peer's FIN, or the last one of all.
    pub(super) farewell: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SynSent,
    SynReceived,
    Established,
    /// FIN is sent; whether an ACK came that may belong to it.
    FinSent {
        acked: bool,
    },
    /// The peer's FIN is answered.
    LastAck,
    /// The last ACK is sent, once or several times more.
    Parting {
        left: u8,
    },
    Closed,
}

impl Session {
    fn new(config: &Config, role: Role, remote: SocketAddr, x: u64, now: Instant) -> Self {
        let rto = Rto::new(INITIAL, LEAST, MOST);
        Self {
            common: Common::new(config, role, remote, rto, now),
            state: State::SynSent,
            door: remote,
            x,
            greeting: x + 2,
            snd: x + 2,
            rcv: x + 2,
            shared: true,
            understood: false,
            complaints: 0,
            outstanding: None,
            last: None,
            sending: None,
            receiving: None,
            acknowledged: None,
            unconfirmed: false,
            farewell: 0,
        }
    }

    /// Both ways of the handshake lead here.
    fn establish(&mut self, now: Instant) {
        self.state = State::Established;
        self.stop_waiting();
        self.common.connect(now);
        self.common.timers.set(TimerKind::Probe, now + KEEP_ALIVE);
    }

    /// Counts a try of what is being sent, and waits for the answer.
    pub(super) fn wait(&mut self, now: Instant) -> u32 {
        let tries = self.common.rto.try_again();
        self.common.timers.set(TimerKind::Repeat, now + self.common.rto.current());
        tries
    }

    /// What was waited for has come.
    pub(super) fn stop_waiting(&mut self) {
        self.common.rto.answered();
        self.common.timers.stop(TimerKind::Repeat);
    }

    fn send_opening(&mut self, now: Instant) {
        let packet = match self.state {
            State::SynReceived => SockettcpPacket::syn_ack(self.x + 1),
            _ => SockettcpPacket::syn(self.x),
        };
        let again = self.wait(now) > 1;
        self.common.send_to(packet, self.common.remote, again);
    }

    /// The answer to our SYN: from a port of its own, with the number that tells how its sender counts.
    fn take_syn_ack(&mut self, seq: u64, from: SocketAddr, now: Instant) -> Outcome {
        if self.common.role == Role::Server {
            return Outcome::Dropped(Discard::Unexpected);
        }
        if self.state != State::SynSent {
            // It missed our ACK, which it waits for.
            let packet = SockettcpPacket::ack(self.greeting);
            self.common.send_again(packet);
            return Outcome::Taken;
        }
        let Some(next) = seq.checked_add(1) else {
            return Outcome::Dropped(Discard::BadNumber);
        };
        if self.common.rto.tries() == 1 {
            self.common.rto.sample(now.saturating_since(self.common.heard));
        }
        self.common.remote = from;
        if seq != self.x + 1 {
            self.shared = false;
            self.snd = self.x + 1;
        }
        self.rcv = next;
        self.greeting = self.snd;
        self.establish(now);
        self.common.send(SockettcpPacket::ack(self.greeting));
        Outcome::Taken
    }

    /// Whether `seq` ends the handshake for a server: both ways of counting are met. If it does, the session is
    /// established.
    pub(super) fn take_greeting(&mut self, seq: u64, now: Instant) -> bool {
        if seq != self.x + 2 && seq != self.x + 1 {
            return false;
        }
        if self.common.rto.tries() == 1 {
            self.common.rto.sample(now.saturating_since(self.common.heard));
        }
        self.shared = seq == self.x + 2;
        self.rcv = seq;
        self.establish(now);
        true
    }

    /// Whether it ended without a farewell, or is past that.
    fn is_deaf(&self) -> bool {
        let parts = matches!(self.state, State::LastAck | State::Parting { .. });
        self.state == State::Closed || self.common.has_ended() && !parts
    }

    fn take_syn(&mut self, seq: u64) -> Outcome {
        if self.common.has_ended() || (self.common.role == Role::Server && seq != self.x) {
            return Outcome::Opens;
        }
        if self.state == State::SynReceived {
            self.common.send_again(SockettcpPacket::syn_ack(self.x + 1));
            return Outcome::Taken;
        }
        Outcome::Dropped(Discard::Duplicate)
    }
}

impl Wire for Session {
    type Packet = SockettcpPacket;

    const PROFILE: Profile = Profile {
        name: "sockettcp",
        answers_from: AnswersFrom::NewPort,
        directions: Directions::Both,
        borders: Borders::Message,
        default_port: Some(8000),
        max_datagram: MAX_DATAGRAM,
    };

    fn connect(config: &Config, remote: SocketAddr, seed: u64, now: Instant) -> Self {
        let mut session = Self::new(config, Role::Client, remote, seed % 101, now);
        session.send_opening(now);
        session
    }

    fn accept(
        config: &Config,
        packet: &SockettcpPacket,
        from: SocketAddr,
        _seed: u64,
        now: Instant,
    ) -> Option<Self> {
        // Half the numbers are left for the connection.
        if !packet.syn || packet.ack || packet.fin || packet.seq > u64::MAX / 2 {
            return None;
        }
        let mut session = Self::new(config, Role::Server, from, packet.seq, now);
        session.state = State::SynReceived;
        session.send_opening(now);
        Some(session)
    }

    fn common(&self) -> &Common<SockettcpPacket> {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common<SockettcpPacket> {
        &mut self.common
    }

    fn take_packet(&mut self, packet: SockettcpPacket, from: SocketAddr, now: Instant) -> Outcome {
        let door = (self.state == State::SynSent).then_some(self.door);
        if !self.common.is_peer(from, door) {
            return Outcome::Dropped(Discard::Stranger);
        }
        match (packet.syn, packet.ack, packet.fin) {
            (true, false, false) => self.take_syn(packet.seq),
            _ if self.is_deaf() => Outcome::Dropped(Discard::Ended),
            (true, true, false) => self.take_syn_ack(packet.seq, from, now),
            (true, ..) => Outcome::Dropped(Discard::Unexpected),
            _ if self.state == State::SynSent => Outcome::Dropped(Discard::Unexpected),
            (false, _, true) => self.take_fin(packet.seq, packet.ack, now),
            (false, true, false) => self.take_ack(packet.seq, now),
            (false, false, false) => self.take_data(packet.seq, packet.data, now),
        }
    }

    fn take_timer(&mut self, timer: TimerKind, now: Instant) {
        match timer {
            TimerKind::Linger => {
                self.state = State::Closed;
                return;
            }
            TimerKind::Probe => return self.remind(now),
            _ => {}
        }
        match self.state {
            State::SynSent | State::SynReceived => {
                if self.common.may_open_again() {
                    self.send_opening(now);
                } else {
                    self.state = State::Closed;
                }
            }
            State::Established => self.repeat_data(now),
            State::FinSent { .. } | State::LastAck | State::Parting { .. } => {
                self.repeat_farewell(now);
            }
            State::Closed => {}
        }
    }

    fn produce(&mut self, now: Instant) {
        if self.state != State::Established || self.outstanding.is_some() || self.common.has_ended()
        {
            return;
        }
        if let Some(piece) = self.next_piece(now) {
            self.send_first(piece, now);
        } else if self.common.closing {
            self.say_goodbye(now);
        }
    }

    fn carries_data(packet: &SockettcpPacket) -> bool {
        !packet.syn && !packet.ack && !packet.fin
    }

    fn log_line(_role: Role, action: Action, packet: &SockettcpPacket) -> String {
        original::log_line(action, packet)
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinSent { .. } => "FIN-SENT",
            State::LastAck => "LAST-ACK",
            State::Parting { .. } => "PARTING",
            State::Closed => "CLOSED",
        }
    }
}
