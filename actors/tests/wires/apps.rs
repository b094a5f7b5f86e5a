//! Applications that only declare interest, and what they have seen.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use netmart_actors::address::{HandleId, Listener, Local, Transport};
use netmart_actors::end::{ChannelEnd, Heard, session};
use netmart_actors::message::{Channel, CloseReason, ConnectionKey, Terms, WireTerms};
use netmart_actors::serve::serve;
use netmart_bus::{Actor, ActorId, Context, Delivery, Handler, Spawn};
use netmart_proto::wires::{Borders, Chunk, Info, Kind};

use crate::common::Station;
use crate::common::apps::connection;

/// Octets that may be on their way to an application.
pub(crate) const WINDOW: usize = 65_536;

/// What one side of a connection has seen.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) octets: Vec<u8>,
    pub(crate) connected: bool,
    pub(crate) ended: bool,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) report: Option<Box<Info>>,
}

impl Story {
    /// How it ended, in words.
    pub(crate) fn end(&self) -> String {
        self.closed.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

pub(crate) type Shared = Rc<RefCell<Story>>;

/// Sends what it has, sends back what comes if it is to, and closes when enough has come.
pub(crate) struct Party {
    pub(crate) end: ChannelEnd,
    pub(crate) to_send: Vec<Chunk>,
    pub(crate) echoes: bool,
    /// Close when so many octets have come.
    pub(crate) closes_after: Option<usize>,
    pub(crate) story: Shared,
}

impl Party {
    fn received(&mut self, chunk: Chunk, ctx: &mut Context<'_, Self>) {
        self.end.consumed(chunk.data.len().max(1), ctx);
        self.story.borrow_mut().octets.extend_from_slice(&chunk.data);
        if self.echoes {
            self.end.write_chunk(chunk.clone(), ctx);
        }
        self.story.borrow_mut().chunks.push(chunk);
    }

    fn close_if_done(&mut self, ctx: &mut Context<'_, Self>) {
        let received = self.story.borrow().octets.len();
        if self.story.borrow().connected && self.closes_after.is_some_and(|after| received >= after)
        {
            self.end.finish(ctx);
        }
    }
}

impl Actor for Party {}

impl Handler<Channel> for Party {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Room(_)) => {
                self.story.borrow_mut().connected = true;
                self.end.write_chunks(std::mem::take(&mut self.to_send), ctx);
            }
            Some(Heard::Chunks(chunks)) => {
                chunks.into_iter().for_each(|chunk| self.received(chunk, ctx));
            }
            Some(Heard::Data(octets)) => {
                for data in octets {
                    self.received(Chunk { stream: 0, data, end: false }, ctx);
                }
            }
            Some(Heard::End) => {
                self.story.borrow_mut().ended = true;
                self.end.finish(ctx);
            }
            Some(Heard::Report(info)) => self.story.borrow_mut().report = Some(info),
            Some(Heard::Closed(reason)) => {
                self.story.borrow_mut().closed = Some(reason);
                return ctx.stop();
            }
            _ => {}
        }
        self.close_if_done(ctx);
    }
}

/// The listener of the tests.
pub(crate) fn listener(kind: Kind) -> Listener {
    Listener::on(7).over(Transport::Wire(kind))
}

/// What the client calls its connection.
pub(crate) fn wished(kind: Kind, handle: u64) -> ConnectionKey {
    connection(handle, 7).over(Transport::Wire(kind))
}

/// Dials, sends, and closes when so many octets have come back.
pub(crate) fn client(
    kind: Kind,
    handle: u64,
    to_send: Vec<Chunk>,
    closes_after: Option<usize>,
) -> (Spawn<Party>, Shared) {
    let story = Shared::default();
    let shared = Rc::clone(&story);
    let spawn = session("client", wished(kind, handle), WINDOW, |end| Party {
        end: end.keeping_borders(),
        to_send,
        echoes: false,
        closes_after,
        story: shared,
    });
    (spawn, story)
}

pub(crate) type Stories = Rc<RefCell<Vec<Shared>>>;

/// A server whose connections are all alike.
pub(crate) fn server(station: &mut Station, kind: Kind, echoes: bool) -> (ActorId, Stories) {
    let stories = Stories::default();
    let all = Rc::clone(&stories);
    let make = move |connection| {
        let story = Shared::default();
        all.borrow_mut().push(Rc::clone(&story));
        session("taker", connection, WINDOW, |end| Party {
            end: end.keeping_borders(),
            to_send: Vec::new(),
            echoes,
            closes_after: None,
            story,
        })
    };
    let server = station.dataspace.spawn(serve("server", listener(kind), make));
    (server, stories)
}

/// `octets` as this wire carries them, in writes of at most `most` octets.
pub(crate) fn writes(kind: Kind, octets: &Bytes, most: usize) -> Vec<Chunk> {
    let most = match kind.profile().borders {
        Borders::Datagram(limit) => most.min(limit),
        _ => most,
    };
    let count = octets.len().div_ceil(most).max(1);
    (0..count)
        .map(|index| {
            let data = octets.slice(index * most..octets.len().min((index + 1) * most));
            match kind.profile().borders {
                Borders::Stream => Chunk { stream: 1, data, end: index + 1 == count },
                _ => Chunk::message(data),
            }
        })
        .collect()
}

/// Chunks put together up to the end of their messages.
pub(crate) fn whole(chunks: &[Chunk]) -> Vec<Chunk> {
    let mut messages: Vec<Chunk> = Vec::new();
    for chunk in chunks {
        match messages.last_mut() {
            Some(last) if !last.end => {
                *last = Chunk {
                    data: [&last.data[..], &chunk.data[..]].concat().into(),
                    ..chunk.clone()
                };
            }
            _ => messages.push(chunk.clone()),
        }
    }
    messages
}

/// States what connections of a user-level end shall be like.
pub(crate) fn terms(station: &mut Station, local: Local, wire: WireTerms) {
    station.dataspace.assert(Terms { wire: Some(Rc::new(wire)), ..Terms::of(local) }).keep();
}

/// The name of a client's end.
pub(crate) const fn handle(kind: Kind, number: u64) -> Local {
    Local::Handle(HandleId::new(number).over(Transport::Wire(kind)))
}

/// How often something was thrown away.
pub(crate) fn discarded(station: &Station, kind: Kind, reason: &'static str) -> u64 {
    station.cast.discards.borrow().get(&(kind.name(), reason)).copied().unwrap_or(0)
}

/// The sessions of a station over a wire, whatever their state.
pub(crate) fn sessions(station: &Station, kind: Kind) -> Vec<ActorId> {
    let actors = station.dataspace.actors().into_iter();
    actors.filter(|(_, name)| *name == kind.name()).map(|(id, _)| id).collect()
}

/// The only actor of that name.
pub(crate) fn actor(station: &Station, name: &str) -> ActorId {
    let all: Vec<_> =
        station.dataspace.actors().into_iter().filter(|actor| actor.1 == name).collect();
    assert_eq!(all.len(), 1, "{name}: {all:?}");
    all[0].0
}
