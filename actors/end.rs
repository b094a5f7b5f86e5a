//! The user's end of a channel: what every user of a connection would otherwise write again.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use netmart_bus::{Actor, Context, Handle, Handler, Publisher, Spawn};
use netmart_proto::tcp::Trouble;
use netmart_proto::wires::{self, Chunk, Directions};

use crate::address::{Direction, Listener, Local, Transport};
use crate::borders::{self, Borders};
use crate::message::{
    Body, Channel, ChannelPattern, Chunks, CloseReason, ConnectionKey, Pieces, Setting,
};

/// Keeps count of credit both ways, and keeps what may not be sent yet.
///
/// The contract: hand every inbound [`Channel`] message of the connection to [`hear`](Self::hear); say
/// with [`consumed`](Self::consumed) when octets have been dealt with, for they are granted anew then;
/// [`write`](Self::write) at will, but look at [`queued`](Self::queued) to not outrun the peer.
#[derive(Debug)]
pub struct ChannelEnd {
    connection: ConnectionKey,
    /// Nothing before the first word.
    channel: Option<Publisher<Channel>>,
    /// Octets that may be sent.
    credit: usize,
    queue: VecDeque<Bytes>,
    queued: usize,
    /// How many of them are urgent, before the first word.
    urgent: usize,
    /// Octets dealt with and not granted again yet.
    consumed: usize,
    window: usize,
    sending: Sending,
    connected: bool,
    /// Nothing as long as borders do not matter.
    borders: Option<Box<Borders>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Open,
    /// `End` follows when the queue is empty.
    Finishing,
    Finished,
}

/// An actor for one connection: it comes with the interests that make it the connection's user, and
/// with the end of the channel that `make` builds it around. At most `window` octets will be on their
/// way to it at any time.
///
/// Spawned for a connection under a handle it makes the dialer dial; spawned for one of a listener, as
/// by [`serve`](crate::serve::serve), it claims it.
pub fn session<A: Handler<Channel>>(
    name: impl Into<Cow<'static, str>>,
    connection: ConnectionKey,
    window: usize,
    make: impl FnOnce(ChannelEnd) -> A,
) -> Spawn<A> {
    let [inbound, outbound] = ChannelEnd::patterns(&connection);
    Spawn::new(name, make(ChannelEnd::of(connection, window)))
        .subscribe::<Channel>(inbound)
        .provide::<Channel>(outbound)
}

/// What a message on the channel means to its user.
#[derive(Debug)]
pub enum Heard {
    /// Octets from the peer, in order.
    Data(Chunks),
    /// The peer calls urgent what it sent up to so many octets after those heard so far: they come as
    /// all others do, but whoever cares may hurry (RFC 6093).
    Urgent(u32),
    /// The peer will send no more.
    End,
    /// So many octets may be sent without being queued. The first one tells that the connection is
    /// established.
    Room(usize),
    /// Something is wrong, but the connection goes on.
    Trouble(Trouble),
    /// Octets from the peer and the borders between them, if [borders are kept](ChannelEnd::keeping_borders)
    /// and the wire has any.
    Chunks(Vec<Chunk>),
    /// How a connection over a wire does, or did: asked for, or right before it is told to have ended.
    Report(Box<wires::Info>),
    /// The connection has ended.
    Closed(CloseReason),
}

impl ChannelEnd {
    /// The interests that make an actor the user of `connection`: it subscribes to what comes in and
    /// provides what goes out. Whoever drops them has left.
    pub fn claim<A: Handler<Channel>>(
        connection: &ConnectionKey,
        ctx: &mut Context<'_, A>,
    ) -> (Handle, Handle) {
        let [inbound, outbound] = Self::patterns(connection);
        (ctx.subscribe::<Channel>(inbound), ctx.provide::<Channel>(outbound))
    }

    /// The patterns of those interests, for an actor that is spawned with them: the first to subscribe
    /// to, the second to provide.
    pub fn patterns(connection: &ConnectionKey) -> [ChannelPattern; 2] {
        [Direction::Inbound, Direction::Outbound]
            .map(|direction| connection.channel(direction).exactly())
    }

    /// The end of a claimed connection. At most `window` octets will be on their way to this user at
    /// any time.
    pub fn new<A: Actor>(
        connection: ConnectionKey,
        window: usize,
        ctx: &mut Context<'_, A>,
    ) -> Self {
        Self { channel: Some(ctx.publisher()), ..Self::of(connection, window) }
    }

    /// The same for an actor that is not there yet: see [`session`].
    pub const fn of(connection: ConnectionKey, window: usize) -> Self {
        Self {
            connection,
            channel: None,
            credit: 0,
            queue: VecDeque::new(),
            queued: 0,
            urgent: 0,
            consumed: 0,
            window,
            sending: Sending::Open,
            connected: false,
            borders: None,
        }
    }

    /// Makes [`hear`](Self::hear) give [`Heard::Chunks`] where the wire has borders.
    #[must_use]
    pub fn keeping_borders(mut self) -> Self {
        self.borders.get_or_insert_default().keep();
        self
    }

    /// The connection whose end this is.
    pub const fn connection(&self) -> &ConnectionKey {
        &self.connection
    }

    /// Octets written that wait for credit.
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// Octets that can be written without being queued.
    pub const fn room(&self) -> usize {
        self.credit.saturating_sub(self.queued)
    }

    /// Whether everything written, and the end if it was wished, has been handed on.
    pub fn is_flushed(&self) -> bool {
        self.nothing_waits() && self.sending != Sending::Finishing
    }

    /// Sends octets, or queues what goes beyond the credit. After [`finish`](Self::finish) they are
    /// ignored.
    pub fn write<A: Actor>(&mut self, octets: impl Into<Bytes>, ctx: &mut Context<'_, A>) {
        let octets = octets.into();
        if octets.is_empty() || self.sending != Sending::Open {
            return;
        }
        self.queued += octets.len();
        self.queue.push_back(octets);
        self.flush(ctx);
    }

    /// Sends octets as [`write`](Self::write) does, and tells the peer that all up to their end is
    /// urgent. That news overtakes them, even where the peer's window is closed. RFC 6093 advises new
    /// applications to do without.
    pub fn write_urgent<A: Actor>(&mut self, octets: impl Into<Bytes>, ctx: &mut Context<'_, A>) {
        let octets = octets.into();
        if octets.is_empty() || self.sending != Sending::Open {
            return;
        }
        let end = self.queued + octets.len();
        if self.connected {
            self.tell_urgent(end, ctx);
        } else {
            self.urgent = end;
        }
        self.write(octets, ctx);
    }

    fn tell_urgent<A: Actor>(&mut self, octets: usize, ctx: &mut Context<'_, A>) {
        self.say(Body::Urgent(u32::try_from(octets).unwrap_or(u32::MAX)), ctx);
    }

    /// Sends a chunk on a wire with borders, or queues what goes beyond the credit: see
    /// [`wires::Borders`]. It costs as much credit as it has octets, and at least 1. What the wire cannot
    /// carry ends the connection with [`CloseReason::Unwritable`], and so does anything that goes the way in
    /// which it carries nothing. Whoever uses this does not use
    /// [`write`](Self::write) as well.
    pub fn write_chunk<A: Actor>(&mut self, chunk: Chunk, ctx: &mut Context<'_, A>) {
        self.write_chunks([chunk], ctx);
    }

    /// Sends several chunks as [`write_chunk`](Self::write_chunk) does, in one message.
    pub fn write_chunks<A: Actor>(
        &mut self,
        chunks: impl IntoIterator<Item = Chunk>,
        ctx: &mut Context<'_, A>,
    ) {
        if self.sending != Sending::Open {
            return;
        }
        for chunk in chunks {
            self.queued += chunk.data.len().max(1);
            self.borders.get_or_insert_default().queue(chunk);
        }
        self.flush(ctx);
    }

    fn nothing_waits(&self) -> bool {
        self.queue.is_empty() && self.borders.as_ref().is_none_or(|borders| !borders.is_waiting())
    }

    /// Says that no more octets follow those already written.
    pub fn finish<A: Actor>(&mut self, ctx: &mut Context<'_, A>) {
        if self.sending == Sending::Open {
            self.sending = Sending::Finishing;
            self.flush(ctx);
        }
    }

    /// Gives the connection up at once.
    pub fn abort<A: Actor>(&mut self, ctx: &mut Context<'_, A>) {
        self.queue.clear();
        if let Some(borders) = &mut self.borders {
            borders.clear();
        }
        self.queued = 0;
        self.sending = Sending::Finished;
        self.say(Body::Abort, ctx);
    }

    /// Changes how the connection behaves.
    pub fn set<A: Actor>(&mut self, setting: Setting, ctx: &mut Context<'_, A>) {
        self.say(Body::Set(setting), ctx);
    }

    /// Grants the peer so many octets again, in portions worth a message. Of [`Heard::Chunks`] an empty
    /// one counts as an octet.
    pub fn consumed<A: Actor>(&mut self, octets: usize, ctx: &mut Context<'_, A>) {
        self.consumed += octets;
        if self.consumed >= self.window / 4 {
            let portion = core::mem::take(&mut self.consumed);
            self.grant(portion, ctx);
        }
    }

    /// Lets more octets be on their way to this user at a time.
    pub fn widen<A: Actor>(&mut self, window: usize, ctx: &mut Context<'_, A>) {
        let more = window.saturating_sub(self.window);
        self.window += more;
        if self.connected {
            self.grant(more, ctx);
        }
    }

    /// Asks how the connection does. The answer is a [`Body::Report`] over a wire; over TCP a [`Body::Info`], for whoever looks at what comes
    /// before it goes to [`hear`](Self::hear); once the connection has ended nobody answers, but one
    /// that this side closed first lingers in TIME-WAIT and does.
    pub fn inquire<A: Actor>(&mut self, ctx: &mut Context<'_, A>) {
        self.say(Body::Inquire, ctx);
    }

    /// Takes in an inbound message of this connection; nothing if it was none.
    pub fn hear<A: Actor>(&mut self, body: Body, ctx: &mut Context<'_, A>) -> Option<Heard> {
        match body {
            Body::Data(chunks) => match self.borders.as_mut().and_then(|borders| borders.take()) {
                Some(pieces) => Some(Heard::Chunks(borders::divide(&pieces, chunks))),
                None => Some(Heard::Data(chunks)),
            },
            Body::Pieces(pieces) => self.pieces(pieces, ctx),
            Body::Report(info) => Some(Heard::Report(info)),
            Body::Urgent(octets) => Some(Heard::Urgent(octets)),
            Body::End => Some(Heard::End),
            Body::Closed(reason) => Some(Heard::Closed(reason)),
            Body::Trouble(trouble) => Some(Heard::Trouble(trouble)),
            Body::Credit(octets) => {
                if !std::mem::replace(&mut self.connected, true) {
                    // Not earlier: before the first word from the relay there may be none to hear it.
                    self.grant(self.window, ctx);
                    if self.urgent > 0 {
                        self.tell_urgent(self.urgent, ctx);
                    }
                }
                self.credit += octets as usize;
                self.flush(ctx);
                Some(Heard::Room(self.room()))
            }
            Body::Abort | Body::Set(_) | Body::Inquire | Body::Info(_) => None,
        }
    }

    fn pieces<A: Actor>(&mut self, pieces: Pieces, ctx: &mut Context<'_, A>) -> Option<Heard> {
        let empty = pieces.iter().filter(|piece| piece.octets == 0).count();
        let is_data_to_come = empty < pieces.len();
        match self.borders.as_mut().filter(|borders| borders.are_kept()) {
            Some(borders) if is_data_to_come => borders.announced(pieces),
            Some(_) => return Some(Heard::Chunks(borders::divide(&pieces, Chunks::new()))),
            // Who does not hear of them cannot give their credit back.
            None => self.consumed(empty, ctx),
        }
        None
    }

    fn flush_chunks<A: Actor>(&mut self, ctx: &mut Context<'_, A>) {
        let Some(borders) = self.borders.as_mut().filter(|borders| borders.is_waiting()) else {
            return;
        };
        let (pieces, chunks) = borders.portion(&mut self.credit);
        self.queued -= pieces.iter().map(|piece| piece.cost() as usize).sum::<usize>();
        if !pieces.is_empty() {
            self.say(Body::Pieces(pieces), ctx);
        }
        if !chunks.is_empty() {
            self.say(Body::Data(chunks), ctx);
        }
    }

    /// Whether the wire carries nothing this way.
    fn is_one_way(&self) -> bool {
        match self.connection.local {
            Local::Listener(Listener { over: Transport::Wire(kind), .. }) => {
                kind.profile().directions == Directions::ToServer
            }
            _ => false,
        }
    }

    fn flush<A: Actor>(&mut self, ctx: &mut Context<'_, A>) {
        if self.connected && self.is_one_way() {
            // There is no credit to wait for: the session refuses it.
            self.credit = self.queued;
        }
        self.flush_chunks(ctx);
        let mut chunks = Chunks::new();
        while let Some(mut chunk) = self.queue.pop_front() {
            if self.credit == 0 {
                self.queue.push_front(chunk);
                break;
            }
            if chunk.len() > self.credit {
                self.queue.push_front(chunk.split_off(self.credit));
            }
            self.credit -= chunk.len();
            self.queued -= chunk.len();
            chunks.push(chunk);
        }
        if !chunks.is_empty() {
            self.say(Body::Data(chunks), ctx);
        }
        // Before the first word from the relay there may be none to hear it.
        if self.connected && self.nothing_waits() && self.sending == Sending::Finishing {
            self.sending = Sending::Finished;
            self.say(Body::End, ctx);
        }
    }

    fn grant<A: Actor>(&mut self, octets: usize, ctx: &mut Context<'_, A>) {
        if octets > 0 {
            self.say(Body::Credit(u32::try_from(octets).unwrap_or(u32::MAX)), ctx);
        }
    }

    fn say<A: Actor>(&mut self, body: Body, ctx: &mut Context<'_, A>) {
        let key = self.connection.channel(Direction::Outbound);
        let channel = self.channel.get_or_insert_with(|| ctx.publisher());
        channel.send(ctx, Channel { key, body });
    }
}
