//! The session: one of two quite different sides.

use core::net::SocketAddr;
use core::time::Duration;

use super::super::half::{Half, Side};
use super::super::rto::Rto;
use super::super::{
    Action, AnswersFrom, Borders, Chunk, Common, Config, Directions, Discard, Info, Outcome,
    Profile, Role, TimerKind, Wire, WriteError,
};
use super::client::Client;
use super::original;
use super::packet::{MOST, PacketKind, QuiqPacket};
use super::server::Server;
use crate::Instant;

const SYN_RTO: Duration = Duration::from_millis(400);

/// What the offset of the frame in the handshake means: a careful client asks, a careful server answers.
pub(super) const CAREFUL_CLIENT: u32 = 1;
pub(super) const CAREFUL_SERVER: u32 = 2;

/// A connection, either side of it.
#[derive(Clone, Debug)]
pub struct Session {
    common: Common<QuiqPacket>,
    side: Side<Client, Server>,
}

impl Wire for Session {
    type Packet = QuiqPacket;

    const PROFILE: Profile = Profile {
        name: "quiq",
        answers_from: AnswersFrom::ListeningPort,
        directions: Directions::ToServer,
        borders: Borders::Stream,
        default_port: Some(4269),
        max_datagram: MOST,
    };

    fn connect(config: &Config, remote: SocketAddr, seed: u64, now: Instant) -> Self {
        let rto = Rto::fixed(SYN_RTO);
        let mut common = Common::new(config, Role::Client, remote, rto, now);
        let side = Side::Client(Client::connect(&mut common, seed, now));
        Self { common, side }
    }

    fn accept(
        config: &Config,
        packet: &QuiqPacket,
        from: SocketAddr,
        _seed: u64,
        now: Instant,
    ) -> Option<Self> {
        // Half the numbers are left for the connection.
        if packet.kind != PacketKind::Syn || packet.number > u32::MAX / 2 {
            return None;
        }
        let rto = Rto::fixed(SYN_RTO);
        let mut common = Common::new(config, Role::Server, from, rto, now);
        let side = Side::Server(Server::accept(&mut common, packet, now));
        Some(Self { common, side })
    }

    fn common(&self) -> &Common<QuiqPacket> {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common<QuiqPacket> {
        &mut self.common
    }

    fn take_packet(&mut self, packet: QuiqPacket, from: SocketAddr, now: Instant) -> Outcome {
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

    fn write(&mut self, chunk: Chunk, now: Instant) -> Result<(), WriteError> {
        let _ = now;
        self.common.may_write(&Self::PROFILE, chunk.data.len())?;
        match &mut self.side {
            Side::Client(client) => client.write(&mut self.common, chunk),
            Side::Server(_) => Err(WriteError::WrongWay),
        }
    }

    fn carries_data(packet: &QuiqPacket) -> bool {
        packet.kind.is_data()
    }

    fn log_line(_role: Role, action: Action, packet: &QuiqPacket) -> String {
        original::log_line(action, packet)
    }

    fn poll_remark(&mut self) -> Option<String> {
        match &mut self.side {
            Side::Client(client) => client.take_plan(),
            Side::Server(_) => None,
        }
    }

    fn report(info: &Info) -> String {
        original::report(info)
    }

    fn state(&self) -> &'static str {
        self.side.state()
    }

    fn info(&self) -> Info {
        Info { streams: self.side.streams(), ..self.common.info(Self::PROFILE.name, self.state()) }
    }
}
