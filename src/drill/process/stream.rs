//! The program's end of one connection: what a kernel keeps behind a connected socket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use netmart_actors::address::Direction;
use netmart_actors::message::{
    Body, Channel, Chunks, CloseReason, Connected, ConnectionKey, Refused, Setting, Terms,
};
use netmart_bus::{ActorId, Dataspace, Handle};
use netmart_proto::tcp::{IcmpKind, Info, Reason, State, Trouble};

use super::Flavour;
use super::errno::{self, Errno};
use crate::drill::ear::{self, Heard};

/// One connection as its program has it.
///
/// Room is granted only for what the program asks to read: what it has not read stays in the stack and
/// narrows the window, as it does below a socket of a kernel.
pub(super) struct Stream {
    connection: ConnectionKey,
    ear: ActorId,
    heard: Heard<Body>,
    /// What was wished of the connection; held for as long as the socket is there.
    _terms: Option<Handle>,
    flavour: Flavour,
    phase: Phase,
    local: Option<SocketAddr>,
    inbox: VecDeque<Bytes>,
    /// Octets in `inbox`.
    unread: usize,
    /// Octets granted that have not come.
    requested: usize,
    /// The peer's stream has ended.
    at_end: bool,
    /// What the next call is told.
    error: Option<Errno>,
    /// Octets that the stack takes.
    credit: usize,
    outbox: VecDeque<Bytes>,
    /// Octets in `outbox`.
    queued: usize,
    /// The program writes no more, and whether the stack knows.
    finish: Finish,
    read_shut: bool,
    /// Segments that are not full wait.
    corked: bool,
    /// Whether more is to follow what was written last.
    expects_more: bool,
    /// The octets that fill a segment, once that is known.
    full_segment: Option<usize>,
    info: Option<Info>,
    /// Octets up to the end of urgent data.
    urgent: usize,
    /// What the network has said last; the reason, if nobody answers.
    soft_error: Option<IcmpKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Connected,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    No,
    Wished,
    Said,
}

impl Stream {
    /// Dials, on `terms`.
    pub(super) fn dial(
        connection: ConnectionKey,
        terms: Terms,
        flavour: Flavour,
        dataspace: &mut Dataspace,
    ) -> Self {
        let mut kept = None;
        ear::state(dataspace, &mut kept, terms);
        let heard = Heard::default();
        let ear = dataspace.spawn(ear::ear(&connection, &heard));
        Self { _terms: kept, ..Self::new(connection, ear, heard, flavour) }
    }

    /// Takes over a connection that a listener has.
    pub(super) fn claim(
        connected: &Connected,
        flavour: Flavour,
        dataspace: &mut Dataspace,
    ) -> Self {
        let heard = Heard::default();
        let ear = dataspace.spawn(ear::ear(&connected.connection, &heard));
        let local = Some(connected.address.into());
        Self {
            local,
            phase: Phase::Connected,
            ..Self::new(connected.connection, ear, heard, flavour)
        }
    }

    fn new(connection: ConnectionKey, ear: ActorId, heard: Heard<Body>, flavour: Flavour) -> Self {
        Self {
            connection,
            ear,
            heard,
            _terms: None,
            flavour,
            phase: Phase::Connecting,
            local: None,
            inbox: VecDeque::new(),
            unread: 0,
            requested: 0,
            at_end: false,
            error: None,
            credit: 0,
            outbox: VecDeque::new(),
            queued: 0,
            finish: Finish::No,
            read_shut: false,
            corked: false,
            expects_more: false,
            full_segment: None,
            info: None,
            urgent: 0,
            soft_error: None,
        }
    }

    // ------------------------------------------------------------------------- questions

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The peer's address.
    pub(super) fn remote(&self) -> SocketAddr {
        self.connection.remote.into()
    }

    /// Our address, once known.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Octets that can be read at once.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    /// Octets written that the stack has not taken.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Octets that could be written without waiting.
    pub(super) fn room(&self) -> usize {
        self.credit.saturating_sub(self.queued)
    }

    pub(super) fn at_end(&self) -> bool {
        self.at_end || self.read_shut || self.phase == Phase::Over
    }

    pub(super) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    pub(super) fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    /// Whether nothing can be written any more.
    pub(super) fn is_shut(&self) -> bool {
        self.finish != Finish::No || self.phase == Phase::Over
    }

    /// The last answer to an inquiry.
    pub(super) fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    /// Forgets the last answer and asks anew.
    pub(super) fn inquire(&mut self, dataspace: &mut Dataspace) {
        self.info = None;
        self.say(Body::Inquire, dataspace);
    }

    /// The largest segment that both sides allow, options included, once it is known.
    pub(super) fn segment_size(&self) -> Option<usize> {
        let info = self.info.as_ref()?;
        let options = if info.options.timestamps { 12 } else { 0 };
        let is_known = !matches!(info.state, State::SynSent | State::Closed | State::Listen);
        is_known.then_some(usize::from(info.send_mss) + options)
    }

    // --------------------------------------------------------------------------- actions

    fn say(&self, body: Body, dataspace: &mut Dataspace) {
        let key = self.connection.channel(Direction::Outbound);
        // A full queue shows as a stack that is stuck.
        let _ = dataspace.inject(Channel { key, body });
    }

    /// Lets the stack hand up so many octets, those included that were granted before.
    pub(super) fn request(&mut self, octets: usize, dataspace: &mut Dataspace) {
        if octets > self.requested {
            let more = octets - self.requested;
            self.requested = octets;
            self.say(Body::Credit(u32::try_from(more).unwrap_or(u32::MAX)), dataspace);
        }
    }

    /// The next octets, which stay where they are if they are only looked at.
    pub(super) fn read(&mut self, most: usize, peek: bool) -> Vec<u8> {
        let mut octets = Vec::with_capacity(most.min(self.unread));
        for chunk in &self.inbox {
            octets.extend_from_slice(&chunk[..chunk.len().min(most - octets.len())]);
        }
        if !peek {
            self.skip(octets.len());
        }
        octets
    }

    fn skip(&mut self, octets: usize) {
        self.unread -= octets;
        self.urgent = self.urgent.saturating_sub(octets);
        let mut left = octets;
        while let Some(chunk) = self.inbox.front_mut().filter(|_| left > 0) {
            let part = chunk.len().min(left);
            left -= part;
            drop(chunk.split_to(part));
            if chunk.is_empty() {
                self.inbox.pop_front();
            }
        }
    }

    /// Queues octets.
    pub(super) fn write(&mut self, octets: Bytes, dataspace: &mut Dataspace) {
        self.queued += octets.len();
        self.outbox.push_back(octets);
        self.flush(dataspace);
    }

    /// Queues octets whose last one is urgent (RFC 6093).
    pub(super) fn write_urgent(&mut self, octets: Bytes, dataspace: &mut Dataspace) {
        let until = self.queued + octets.len();
        self.say(Body::Urgent(u32::try_from(until).unwrap_or(u32::MAX)), dataspace);
        self.write(octets, dataspace);
    }

    /// Whether urgent data is on its way to the program.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent > 0
    }

    /// Holds back what does not fill a segment, or no longer.
    pub(super) fn cork(&mut self, corked: bool, dataspace: &mut Dataspace) {
        self.corked = corked;
        self.flush(dataspace);
    }

    /// Says whether more is to follow what is written next, so that a part of a segment can wait for it.
    pub(super) fn expect_more(&mut self, expects_more: bool) {
        self.expects_more = expects_more;
    }

    /// Whether what does not fill a segment is held back.
    pub(super) fn is_corked(&self) -> bool {
        self.corked || self.expects_more
    }

    /// Hands the stack what it takes.
    fn flush(&mut self, dataspace: &mut Dataspace) {
        let held_back = match self.full_segment {
            _ if !self.is_corked() || self.finish != Finish::No => 0,
            Some(size) => self.queued % size,
            None => self.queued,
        };
        let mut left = self.credit.min(self.queued - held_back);
        let mut chunks = Chunks::new();
        while left > 0 {
            let Some(mut chunk) = self.outbox.pop_front() else { break };
            if chunk.len() > left {
                self.outbox.push_front(chunk.split_off(left));
            }
            left -= chunk.len();
            self.credit -= chunk.len();
            self.queued -= chunk.len();
            chunks.push(chunk);
        }
        if !chunks.is_empty() {
            self.say(Body::Data(chunks), dataspace);
        }
        if self.finish == Finish::Wished && self.queued == 0 && self.phase == Phase::Connected {
            self.finish = Finish::Said;
            self.say(Body::End, dataspace);
        }
    }

    /// Writes no more.
    pub(super) fn shut_write(&mut self, dataspace: &mut Dataspace) {
        if self.finish == Finish::No {
            self.finish = Finish::Wished;
            self.flush(dataspace);
        }
    }

    /// Reads no more: what still comes is thrown away.
    pub(super) fn shut_read(&mut self, dataspace: &mut Dataspace) {
        self.read_shut = true;
        self.inbox.clear();
        self.unread = 0;
        self.request(1 << 30, dataspace);
    }

    /// Changes how the connection behaves.
    pub(super) fn set(&self, setting: Setting, dataspace: &mut Dataspace) {
        self.say(Body::Set(setting), dataspace);
    }

    /// Gives the connection up with a RST.
    pub(super) fn abort(&mut self, dataspace: &mut Dataspace) {
        self.outbox.clear();
        self.queued = 0;
        self.say(Body::Abort, dataspace);
    }

    /// Whether something is left to do once the program has gone.
    pub(super) fn is_lingering(&self) -> bool {
        self.queued > 0 && self.phase == Phase::Connected
    }

    /// Leaves the connection to the stack.
    pub(super) fn leave(self, dataspace: &mut Dataspace) {
        dataspace.stop(self.ear);
    }

    // ------------------------------------------------------------------------------ news

    /// Takes in what was said; tells whether anything was.
    pub(super) fn hear(&mut self, dataspace: &mut Dataspace) -> bool {
        let bodies = self.heard.take();
        let news = !bodies.is_empty();
        for body in bodies {
            match body {
                Body::Data(chunks) => chunks.into_iter().for_each(|chunk| self.receive(chunk)),
                Body::End => self.at_end = true,
                Body::Credit(octets) => self.credited(octets as usize, dataspace),
                Body::Info(info) => {
                    self.full_segment = Some(usize::from(info.send_mss.max(1)));
                    self.info = Some(*info);
                }
                Body::Urgent(octets) => self.urgent = self.unread + octets as usize,
                Body::Closed(reason) => self.over(reason),
                Body::Trouble(Trouble::Icmp(kind)) => self.soft_error = Some(kind),
                Body::Trouble(_) => {}
                Body::Abort | Body::Set(_) | Body::Inquire | Body::Pieces(_) | Body::Report(_) => {}
            }
        }
        if self.phase == Phase::Connecting && !news {
            self.look_for_refusal(dataspace);
        }
        news
    }

    fn receive(&mut self, chunk: Bytes) {
        self.requested = self.requested.saturating_sub(chunk.len());
        if !self.read_shut {
            self.unread += chunk.len();
            self.inbox.push_back(chunk);
        }
    }

    fn credited(&mut self, octets: usize, dataspace: &mut Dataspace) {
        if self.phase == Phase::Connecting {
            self.phase = Phase::Connected;
            let connected: Vec<Connected> = dataspace.facts(&self.connection.exactly());
            self.local = connected.first().map(|fact| fact.address.into());
        }
        self.credit += octets;
        self.flush(dataspace);
    }

    fn over(&mut self, reason: CloseReason) {
        let connecting = self.phase == Phase::Connecting;
        self.phase = Phase::Over;
        self.info = None;
        let error = match (&reason, self.soft_error) {
            (CloseReason::Ended(Reason::TimedOut), Some(kind)) => {
                Some(errno::of_icmp(kind, self.flavour))
            }
            _ => errno::of_end(&reason, connecting, self.flavour),
        };
        self.error = self.error.or(error);
    }

    /// What the dialer cannot even begin it states as a fact.
    fn look_for_refusal(&mut self, dataspace: &Dataspace) {
        let refused: Vec<Refused> = dataspace.facts(&self.connection.exactly());
        if let Some(Refused { reason, .. }) = refused.first() {
            self.phase = Phase::Over;
            self.error = Some(errno::of_refusal(reason, self.flavour));
        }
    }
}
