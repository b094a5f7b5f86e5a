//! The session: one of two quite different sides.

use core::net::SocketAddr;

use super::super::half::{Half, Side};
use super::super::{
    Action, AnswersFrom, Borders, Common, Config, Directions, Discard, Info, Outcome, Profile,
    Role, TimerKind, Wire,
};
use super::client::Client;
use super::number::INITIAL;
use super::original;
use super::packet::{Body, Cs488Packet, Flag, HEADER, PAYLOAD};
use super::server::Server;
use crate::Instant;

/// A connection, either side of it.
#[derive(Clone, Debug)]
pub struct Session {
    common: Common<Cs488Packet>,
    side: Side<Client, Server>,
}

impl Wire for Session {
    type Packet = Cs488Packet;

    const PROFILE: Profile = Profile {
        name: "cs488",
        answers_from: AnswersFrom::ListeningPort,
        directions: Directions::ToServer,
        borders: Borders::None,
        default_port: None,
        max_datagram: HEADER + PAYLOAD,
    };

    fn connect(config: &Config, remote: SocketAddr, _seed: u64, now: Instant) -> Self {
        let mut common = Common::new(config, Role::Client, remote, Client::first_rto(), now);
        let side = Side::Client(Client::connect(&mut common, now));
        Self { common, side }
    }

    fn accept(
        config: &Config,
        packet: &Cs488Packet,
        from: SocketAddr,
        seed: u64,
        now: Instant,
    ) -> Option<Self> {
        let is_opening = packet.flag == Flag::Syn && packet.seq == INITIAL;
        if !is_opening || packet.body == Body::Server {
            return None;
        }
        let mut common = Common::new(config, Role::Server, from, Client::first_rto(), now);
        let side = Side::Server(Server::accept(&mut common, seed, now));
        Some(Self { common, side })
    }

    fn common(&self) -> &Common<Cs488Packet> {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common<Cs488Packet> {
        &mut self.common
    }

    fn take_packet(&mut self, packet: Cs488Packet, from: SocketAddr, now: Instant) -> Outcome {
        if !self.common.is_peer(from, None) {
            return Outcome::Dropped(Discard::Stranger);
        }
        self.side.take(&mut self.common, packet, now)
    }

    fn take_timer(&mut self, timer: TimerKind, now: Instant) {
        self.side.take_timer(&mut self.common, timer, now);
    }

    fn produce(&mut self, now: Instant) {
        self.side.produce(&mut self.common, now);
    }

    fn carries_data(packet: &Cs488Packet) -> bool {
        matches!(packet.body, Body::Client(_)) && matches!(packet.flag, Flag::Data | Flag::Ack)
    }

    fn log_line(role: Role, action: Action, packet: &Cs488Packet) -> String {
        original::log_line(role, action, packet)
    }

    fn report(info: &Info) -> String {
        original::report(info)
    }

    fn state(&self) -> &'static str {
        self.side.state()
    }
}
