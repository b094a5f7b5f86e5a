//! What every session has.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use super::queue::{Inbox, Outbox};
use super::rto::Rto;
use super::timer::{TimerKind, Timers};
use super::{
    Config, Counters, Directions, Event, Info, Mode, Phase, Profile, Reason, Transmit, WriteError,
};
use crate::Instant;

/// Answers that may wait to be sent; a driver that drains after each packet never meets it.
const MOST_OUT: usize = 4096;

/// How long a peer that is just being started may be unreachable.
const START_TIME: Duration = Duration::from_secs(3);

/// The part of a session that does not depend on its wire.
#[derive(Clone, Debug)]
pub struct Common<P> {
    pub(super) config: Config,
    pub(super) role: Role,
    /// Where packets go, and come from.
    pub(super) remote: SocketAddr,
    pub(super) mode: Option<Mode>,
    pub(super) out: VecDeque<Transmit<P>>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) timers: Timers,
    pub(super) rto: Rto,
    pub(super) counters: Counters,
    /// When the peer was last heard.
    pub(super) heard: Instant,
    /// When something was last sent.
    pub(super) spoke: Instant,
    /// The application writes no more.
    pub(super) closing: bool,
    connected: bool,
    /// Since when the network says that nobody listens there.
    unreachable: Option<Instant>,
    ended: Option<Reason>,
    news: News,
}

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It connected.
    Client,
    /// It accepted.
    Server,
}

/// What the application has not been told, or has asked to be told.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    connected: bool,
    readable: bool,
    /// A write was refused for want of room.
    wants_room: bool,
    /// Room of another kind than that of the send queue.
    blocked: bool,
    peer_closed: bool,
    ended: bool,
}

impl<P> Common<P> {
    pub(super) fn new(
        config: &Config,
        role: Role,
        remote: SocketAddr,
        rto: Rto,
        now: Instant,
    ) -> Self {
        Self {
            role,
            remote,
            mode: None,
            out: VecDeque::new(),
            inbox: Inbox::new(config.receive_limit),
            outbox: Outbox::new(config.send_limit),
            timers: Timers::default(),
            rto,
            counters: Counters::default(),
            heard: now,
            spoke: now,
            closing: false,
            connected: false,
            unreachable: None,
            ended: None,
            news: News::default(),
            config: config.clone(),
        }
    }

    /// Sends a packet to the peer.
    pub(super) fn send(&mut self, packet: P) {
        self.send_to(packet, self.remote, false);
    }

    /// Sends a packet to the peer that was sent before.
    pub(super) fn send_again(&mut self, packet: P) {
        self.send_to(packet, self.remote, true);
    }

    pub(super) fn send_to(&mut self, packet: P, to: SocketAddr, again: bool) {
        if self.out.len() < MOST_OUT {
            self.out.push_back(Transmit { packet, to, again });
        }
    }

    pub(super) fn next_out(&mut self, now: Instant) -> Option<Transmit<P>> {
        let transmit = self.out.pop_front()?;
        self.spoke = now;
        self.counters.packets_sent += 1;
        self.counters.retransmitted += u64::from(transmit.again);
        Some(transmit)
    }

    /// The handshake is complete.
    pub(super) fn connect(&mut self, now: Instant) {
        if !self.connected {
            self.connected = true;
            self.news.connected = true;
            self.heard = now;
            self.timers.set(TimerKind::Patience, now + self.config.patience);
        }
    }

    /// Hands octets to the application.
    pub(super) fn deliver(&mut self, stream: u32, data: bytes::Bytes, end: bool) {
        self.inbox.push(stream, data, end);
        self.news.readable = true;
    }

    /// The peer has closed in order.
    pub(super) fn peer_closed(&mut self) {
        self.news.peer_closed = self.ended.is_none();
    }

    /// Ends the connection for the application. What is set or queued from now on serves only a peer that
    /// missed the last word.
    pub(super) fn end(&mut self, reason: Reason) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.news.ended = true;
            self.timers.stop_all();
            self.outbox.clear();
        }
    }

    /// Gives up: nothing is sent any more.
    pub(super) fn give_up(&mut self, reason: Reason) {
        self.out.clear();
        self.end(reason);
    }

    /// Whether an opening packet may be sent once more. If not, the connection has ended.
    pub(super) fn may_open_again(&mut self) -> bool {
        let may = self.rto.tries() < self.config.connect_tries;
        if !may {
            self.time_out(Phase::Handshake);
        }
        may
    }

    /// Whether `from` is the peer. One that was asked at its `door` and has not answered yet will do so from a port
    /// of its own: of it only the host is known.
    pub(super) fn is_peer(&self, from: SocketAddr, door: Option<SocketAddr>) -> bool {
        door.map_or(from == self.remote, |door| same_host(from, door))
    }

    pub(super) fn time_out(&mut self, phase: Phase) {
        let tries = self.rto.tries();
        self.give_up(Reason::TimedOut { phase, tries });
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Only a side that is to get something can miss it: a client that only sends has its own time-outs.
    pub(super) fn lose_patience(&mut self, now: Instant) {
        let silence = now.saturating_since(self.heard);
        let waits = self.role == Role::Server || self.counters.data_packets_received > 0;
        if silence < self.config.patience {
            self.timers.set(TimerKind::Patience, self.heard + self.config.patience);
        } else if waits {
            self.give_up(Reason::Vanished);
        } else {
            self.timers.set(TimerKind::Patience, now + self.config.patience);
        }
    }

    /// A peer may take a moment to start. Once connected, nobody but the peer is believed.
    pub(super) fn unreachable(&mut self, now: Instant) {
        let since = *self.unreachable.get_or_insert(now);
        let is_persistent = now.saturating_since(since) >= START_TIME;
        if is_persistent && !self.connected && self.ended.is_none() {
            self.give_up(Reason::Unreachable);
        }
    }

    pub(super) fn may_write(&mut self, profile: &Profile, len: usize) -> Result<(), WriteError> {
        if self.closing || self.ended.is_some() {
            return Err(WriteError::Closed);
        }
        if profile.directions == Directions::ToServer && self.role == Role::Server {
            return Err(WriteError::WrongWay);
        }
        if let super::Borders::Datagram(most) = profile.borders
            && len > most
        {
            return Err(WriteError::TooLong(most));
        }
        if self.outbox.room() == 0 {
            self.news.wants_room = true;
            return Err(WriteError::Full);
        }
        Ok(())
    }

    /// Refuses a write until [`unblock`](Self::unblock).
    pub(super) fn block(&mut self) -> WriteError {
        self.news.wants_room = true;
        self.news.blocked = true;
        WriteError::Full
    }

    /// What was refused would be taken now.
    pub(super) fn unblock(&mut self) {
        self.news.blocked = false;
    }

    pub(super) fn writable(&self, profile: &Profile) -> usize {
        let wrong_way = profile.directions == Directions::ToServer && self.role == Role::Server;
        if self.closing || self.ended.is_some() || wrong_way { 0 } else { self.outbox.room() }
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        let news = &mut self.news;
        if core::mem::take(&mut news.connected) {
            return Some(Event::Connected);
        }
        if core::mem::take(&mut news.readable) && !self.inbox.is_empty() {
            return Some(Event::Readable);
        }
        if news.wants_room && !news.blocked && self.ended.is_none() && self.outbox.room() > 0 {
            news.wants_room = false;
            return Some(Event::Writable);
        }
        if !self.inbox.is_empty() {
            return None;
        }
        if core::mem::take(&mut news.peer_closed) {
            return Some(Event::PeerClosed);
        }
        if core::mem::take(&mut news.ended) {
            let reason = self.ended.clone()?;
            return Some(if self.connected {
                Event::Closed(reason)
            } else {
                Event::Refused(reason)
            });
        }
        None
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some() && self.out.is_empty() && self.timers.soonest().is_none()
    }

    pub(super) fn info(&self, wire: &'static str, state: &'static str) -> Info {
        Info {
            wire,
            mode: self.mode,
            state,
            ended: self.ended.clone(),
            srtt: self.rto.smoothed(),
            rto: self.rto.current(),
            counters: self.counters.clone(),
            streams: Vec::new(),
            shown: None,
        }
    }
}

/// Whether an answer from `from` may come from the host that was asked at `asked`.
fn same_host(from: SocketAddr, asked: SocketAddr) -> bool {
    let (from, asked) = (from.ip().to_canonical(), asked.ip().to_canonical());
    from == asked || asked.is_unspecified()
}
