//! What a session says to its user, and hears: the kernel-level end of the connection's channel.

use netmart_bus::{Change, Context, Delivery, Handle, Handler, Interest, Publisher, Role, Watcher};
use netmart_proto::wires::{self, Borders, Chunk, Directions, Event, Reason, Wire};

use super::session::{Origin, WireSession};
use crate::address::{Direction, Transport};
use crate::channel::parties;
use crate::clock::instant;
use crate::message::{
    Body, Channel, ChannelKey, Chunks, CloseReason, Established, Listening, ListeningPattern,
    OfListener, Piece, Pieces,
};

/// Where the conversation stands.
#[derive(Debug, Default)]
pub(super) struct Words {
    channel: Option<Publisher<Channel>>,
    /// The interests in the channel, until the last word is said.
    holds: Vec<Handle>,
    /// Tells whether the relay is there.
    watch: Option<Handle>,
    relay: Presence,
    /// What a relay that has not come yet will be told.
    unsaid: Vec<Body>,
    /// While an established connection waits for its relay: how many listeners could send one.
    listeners: Option<(Handle, usize)>,
    /// That the connection is established.
    standing: Option<Handle>,
    is_connected: bool,
    /// Whether the user knows.
    has_greeted: bool,
    /// Whether the user has been told, or will be, how it ended.
    has_ended: bool,
    /// The user writes no more.
    is_closing: bool,
    /// What the relay may still send, in octets.
    credit: usize,
    /// What the user may still be sent, in octets.
    granted: usize,
    /// What was read and goes beyond that.
    held: Option<Chunk>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Presence {
    #[default]
    Expected,
    Here,
    Left,
}

/// Octets of credit that are worth a message while the relay still has some.
const CREDIT_PORTION: usize = 32 * 1024;

impl Words {
    pub(super) fn open(&mut self, channel: Publisher<Channel>) {
        self.channel = Some(channel);
    }
}

impl<W: Wire> WireSession<W> {
    fn channel_key(&self, direction: Direction) -> ChannelKey {
        ChannelKey::of_flow_over(Transport::Wire(self.kind), self.flow, direction)
    }

    /// Takes part in the channel.
    pub(super) fn join_channel(&mut self, ctx: &mut Context<'_, Self>) {
        let inbound = self.channel_key(Direction::Inbound).exactly();
        let outbound = self.channel_key(Direction::Outbound).exactly();
        self.words.holds =
            vec![ctx.subscribe::<Channel>(outbound), ctx.provide::<Channel>(inbound)];
        self.words.watch = Some(ctx.watch_interest::<Channel>(Role::Provider, outbound));
    }

    fn say(&mut self, body: Body, ctx: &mut Context<'_, Self>) {
        match self.words.relay {
            Presence::Expected => self.words.unsaid.push(body),
            Presence::Here => {
                if let Some(channel) = &self.words.channel {
                    channel.send(ctx, Channel { key: self.channel_key(Direction::Inbound), body });
                }
            }
            Presence::Left => {}
        }
    }

    /// Whether nobody is left to be told anything.
    pub(super) fn has_said_all(&self) -> bool {
        let words = &self.words;
        match (words.relay, self.origin) {
            (Presence::Left, _) => true,
            (Presence::Here, _) => words.has_ended,
            // Nobody hears of a connection that was never established.
            (Presence::Expected, Origin::Accepted { .. }) => !words.is_connected,
            (Presence::Expected, Origin::Dialled { .. }) => false,
        }
    }

    /// Whether the connection is over and its user has left, or never was.
    pub(super) fn may_give_way(&self) -> bool {
        let has_ended = self.words.has_ended || self.words.relay == Presence::Left;
        has_ended && self.words.relay != Presence::Here && self.has_said_all()
    }

    // --------------------------------------------------------------------------------- upward

    /// What happened, as far as what came before it has been handed up.
    pub(super) fn tell_events(&mut self, ctx: &mut Context<'_, Self>) {
        while self.words.held.is_none()
            && let Some(event) = self.machine.poll_event()
        {
            match event {
                Event::Connected => self.established(ctx),
                Event::PeerClosed => self.say(Body::End, ctx),
                Event::Refused(reason) | Event::Closed(reason) => self.ended(reason, ctx),
                // What can be read and written is looked at on every occasion anyway.
                Event::Readable | Event::Writable => {}
            }
        }
    }

    fn established(&mut self, ctx: &mut Context<'_, Self>) {
        self.words.is_connected = true;
        if let Origin::Accepted { listener, .. } = self.origin {
            let of = OfListener { listener, flow: self.flow };
            self.words.standing = Some(ctx.assert(Established { of }));
            if self.words.relay == Presence::Expected {
                let listening = ListeningPattern::any().listener(listener);
                self.words.listeners = Some((ctx.watch::<Listening>(listening), 0));
            }
        }
        self.half_open = None;
        tracing::debug!(flow = %self.flow, over = self.kind.name(), "established");
        // The first word, even where the peer's end came in the same batch.
        self.grant_credit(ctx);
    }

    fn ended(&mut self, reason: Reason, ctx: &mut Context<'_, Self>) {
        tracing::debug!(flow = %self.flow, %reason, "closed");
        self.half_open = None;
        self.over(reason.into(), ctx);
    }

    /// Tells how it ended, once.
    fn over(&mut self, reason: CloseReason, ctx: &mut Context<'_, Self>) {
        // A listener that has not heard of it yet shall: the connection may have been over at once, and yet in
        // order.
        if self.words.relay != Presence::Expected {
            self.words.standing = None;
        }
        if !core::mem::replace(&mut self.words.has_ended, true) {
            self.say(Body::Report(Box::new(self.machine.info())), ctx);
            self.say(Body::Closed(reason), ctx);
            if self.words.relay == Presence::Here {
                self.words.holds.clear();
            }
        }
    }

    /// There was no port for it.
    pub(super) fn never_connected(&mut self, reason: CloseReason, ctx: &mut Context<'_, Self>) {
        self.over(reason, ctx);
    }

    /// Hands octets to the user, as far as they are granted.
    pub(super) fn hand_up(&mut self, ctx: &mut Context<'_, Self>) {
        match self.words.relay {
            Presence::Expected => return,
            Presence::Left => return self.read_for_nobody(ctx),
            Presence::Here => {}
        }
        let (mut pieces, mut octets) = (Pieces::new(), Chunks::new());
        while self.words.granted > 0
            && let Some(mut chunk) = self.words.held.take().or_else(|| self.machine.read())
        {
            let most = self.words.granted.min(u32::MAX as usize);
            let mut end = chunk.end;
            if chunk.data.len() > most {
                let rest = chunk.data.split_off(most);
                self.words.held = Some(Chunk { data: rest, ..chunk.clone() });
                end = false;
            }
            let piece = Piece { stream: chunk.stream, octets: chunk.data.len() as u32, end };
            if W::PROFILE.borders != Borders::None {
                self.words.granted -= piece.cost() as usize;
                join(&mut pieces, piece);
            } else {
                self.words.granted -= chunk.data.len();
            }
            octets.extend(Some(chunk.data).filter(|data| !data.is_empty()));
        }
        if !pieces.is_empty() {
            self.say(Body::Pieces(pieces), ctx);
        }
        if !octets.is_empty() {
            self.say(Body::Data(octets), ctx);
        }
    }

    /// What comes when the user has left would be lost, and its peer take it for delivered.
    fn read_for_nobody(&mut self, ctx: &mut Context<'_, Self>) {
        let has_octets = |chunk: &Chunk| !chunk.data.is_empty();
        let mut is_lost = self.words.held.take().as_ref().is_some_and(has_octets);
        while let Some(chunk) = self.machine.read() {
            is_lost |= has_octets(&chunk);
        }
        if is_lost && !self.words.has_ended {
            Self::discard("unread", ctx);
            self.machine.abort(instant(ctx.now()));
        }
    }

    /// Lets the relay send what the machine takes, in portions worth a message. The first word also tells
    /// that the connection is established, where nothing may be sent as well.
    pub(super) fn grant_credit(&mut self, ctx: &mut Context<'_, Self>) {
        let words = &self.words;
        let is_first = !words.has_greeted;
        let may_write = !words.is_closing && !words.has_ended;
        if words.relay != Presence::Here || !words.is_connected || !may_write && !is_first {
            return;
        }
        let taken = words.credit + self.writes.waiting();
        let room = self.machine.writable().saturating_sub(taken);
        if is_first || room >= CREDIT_PORTION || room > 0 && words.credit == 0 {
            self.words.has_greeted = true;
            self.words.credit += room;
            self.say(Body::Credit(u32::try_from(room).unwrap_or(u32::MAX)), ctx);
        }
    }

    // ------------------------------------------------------------------------------- downward

    /// Gives the machine what was written, as far as it takes it.
    pub(super) fn hand_down(&mut self, ctx: &mut Context<'_, Self>) {
        let now = instant(ctx.now());
        match self.writes.hand_down(&mut self.machine, now) {
            Ok(()) if self.words.is_closing && self.writes.is_empty() => {
                if !core::mem::replace(&mut self.writes.is_closed, true) {
                    self.machine.close(now);
                }
            }
            Ok(()) => {}
            Err(error) => {
                self.over(CloseReason::Unwritable(error), ctx);
                self.machine.abort(now);
            }
        }
    }

    fn written(&mut self, octets: Chunks, ctx: &mut Context<'_, Self>) {
        let cost = self.writes.take(octets);
        let is_one_way = W::PROFILE.directions == Directions::ToServer;
        let is_misdirected = is_one_way && self.role() == wires::Role::Server;
        // What goes the wrong way never has any credit; the machine says what is wrong with it.
        if cost > self.words.credit && !is_misdirected {
            // Who ignores credit would make the queue grow without bound.
            self.machine.abort(instant(ctx.now()));
        }
        self.words.credit = self.words.credit.saturating_sub(cost);
    }

    fn closed_by_user(&mut self) {
        if !core::mem::replace(&mut self.words.is_closing, true) {
            self.writes.finish();
        }
    }

    /// The user has left. What was written is still delivered if nothing was to follow; otherwise the peer
    /// must not take a part for the whole.
    fn left(&mut self, ctx: &mut Context<'_, Self>) {
        self.words.relay = Presence::Left;
        self.words.standing = None;
        self.words.unsaid.clear();
        if !self.words.is_closing && !self.words.has_ended {
            self.machine.abort(instant(ctx.now()));
        }
    }

    fn relay_came(&mut self, ctx: &mut Context<'_, Self>) {
        self.words.relay = Presence::Here;
        self.words.listeners = None;
        self.grant_credit(ctx);
        for body in core::mem::take(&mut self.words.unsaid) {
            self.say(body, ctx);
        }
        if self.words.has_ended {
            self.words.standing = None;
            self.words.holds.clear();
        }
    }
}

/// Adds a piece to what is said: it continues the one before, if that has not ended.
fn join(pieces: &mut Pieces, piece: Piece) {
    match pieces.last_mut() {
        Some(last) if last.stream == piece.stream && !last.end && piece.octets > 0 => {
            match last.octets.checked_add(piece.octets) {
                Some(octets) => *last = Piece { octets, ..piece },
                None => pieces.push(piece),
            }
        }
        _ => pieces.push(piece),
    }
}

impl<W: Wire> Handler<Channel> for WireSession<W> {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match message.take().body {
            Body::Pieces(pieces) => {
                if self.writes.announce(pieces) {
                    self.written(Chunks::new(), ctx);
                }
            }
            Body::Data(octets) => self.written(octets, ctx),
            Body::End => self.closed_by_user(),
            Body::Credit(octets) => self.words.granted += octets as usize,
            Body::Abort => self.machine.abort(instant(ctx.now())),
            Body::Inquire => {
                let info = self.machine.info();
                self.say(Body::Report(Box::new(info)), ctx);
            }
            // Settings are TCP's, and so is urgent data: its octets come all the same.
            Body::Set(_) => Self::discard("setting", ctx),
            Body::Urgent(_) => Self::discard("urgent", ctx),
            Body::Closed(_) | Body::Info(_) | Body::Report(_) | Body::Trouble(_) => {}
        }
        self.drain_soon(ctx);
    }
}

impl<W: Wire> Watcher<Interest<Channel>> for WireSession<W> {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        let relays = parties(u32::from(self.words.relay == Presence::Here), &change);
        match (self.words.relay, relays) {
            (Presence::Expected, 1..) => self.relay_came(ctx),
            (Presence::Here, 0) => self.left(ctx),
            _ => return,
        }
        self.drain_soon(ctx);
    }
}

/// A connection that was established too late, with nobody left to send a relay, must not stay for ever.
impl<W: Wire> Watcher<Listening> for WireSession<W> {
    fn changed(&mut self, change: Change<Listening>, ctx: &mut Context<'_, Self>) {
        let Some((_, listeners)) = &mut self.words.listeners else { return };
        match change {
            Change::Snapshot(facts) => *listeners = facts.len(),
            Change::Appeared(_) => *listeners += 1,
            Change::Gone(_) => *listeners = listeners.saturating_sub(1),
        }
        if *listeners == 0 {
            self.left(ctx);
            self.words.listeners = None;
            self.drain_soon(ctx);
        }
    }
}
