//! Applications that keep the borders of what they write and read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use netmart::actors::address::{Listener, RemoteAddress, Transport};
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{
    Channel, CloseReason, ConnectionKey, ConnectionPattern, Refusal, Refused,
};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Change, Context, Delivery, Handler, Spawn, Topic, Watcher};
use netmart::proto::wires::{Chunk, Info, Kind};

pub(crate) type Shared<T> = Rc<RefCell<T>>;

/// Octets on their way to an application.
const WINDOW: usize = 256 * 1024;

/// What happened to an application.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) remote: Option<RemoteAddress>,
    pub(crate) received: Vec<Chunk>,
    pub(crate) octets: usize,
    pub(crate) connected: bool,
    pub(crate) ended: bool,
    pub(crate) report: Option<Info>,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) refused: Option<Refusal>,
}

/// When an application says that it writes no more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish {
    /// When so many octets have come.
    After(usize),
    /// When the peer has said so.
    WithPeer,
    /// When it hears [`GO`].
    WhenTold,
}

/// Says to those who wait for it that they may finish.
#[derive(Clone, Debug)]
pub(crate) struct Go {
    key: (),
}

impl Topic for Go {
    type Key = ();
    const NAME: &'static str = "go";

    fn key(&self) -> &() {
        &self.key
    }
}

pub(crate) const GO: Go = Go { key: () };

/// What an application answers to the first chunk.
pub(crate) type Reply = Rc<dyn Fn(&Chunk) -> Vec<Chunk>>;

/// The user of one connection.
pub(crate) struct App {
    end: ChannelEnd,
    to_send: VecDeque<Chunk>,
    finish: Finish,
    reply: Option<Reply>,
    story: Shared<Story>,
}

impl App {
    fn spawn(
        connection: ConnectionKey,
        to_send: Vec<Chunk>,
        finish: Finish,
        reply: Option<Reply>,
        story: Shared<Story>,
    ) -> Spawn<Self> {
        let facts = ConnectionPattern::any().local(connection.local).remote(connection.remote);
        story.borrow_mut().remote = Some(connection.remote);
        session("wire app", connection, WINDOW, move |end| {
            let end = end.keeping_borders();
            Self { end, to_send: to_send.into(), finish, reply, story }
        })
        .watch::<Refused>(facts)
        .observe::<Go>(())
    }

    fn take(&mut self, chunks: Vec<Chunk>, ctx: &mut Context<'_, Self>) {
        for chunk in chunks {
            self.end.consumed(chunk.data.len().max(1), ctx);
            if let Some(reply) = self.reply.take() {
                reply(&chunk).into_iter().for_each(|chunk| self.end.write_chunk(chunk, ctx));
            }
            let mut story = self.story.borrow_mut();
            story.octets += chunk.data.len();
            story.received.push(chunk);
        }
    }

    fn finish_if_done(&mut self, ctx: &mut Context<'_, Self>) {
        let story = self.story.borrow();
        let is_done = match self.finish {
            Finish::After(octets) => story.octets >= octets,
            Finish::WithPeer => story.ended,
            Finish::WhenTold => false,
        };
        if story.connected && is_done {
            self.end.finish(ctx);
        }
    }
}

impl Actor for App {}

impl Handler<Channel> for App {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Room(_)) => {
                self.story.borrow_mut().connected = true;
                while let Some(chunk) = self.to_send.pop_front() {
                    self.end.write_chunk(chunk, ctx);
                }
            }
            Some(Heard::Chunks(chunks)) => self.take(chunks, ctx),
            // The wire has no borders.
            Some(Heard::Data(octets)) => {
                let chunk = |data| Chunk { stream: 0, data, end: false };
                self.take(octets.into_iter().map(chunk).collect(), ctx);
            }
            Some(Heard::End) => self.story.borrow_mut().ended = true,
            Some(Heard::Report(info)) => self.story.borrow_mut().report = Some(*info),
            Some(Heard::Closed(reason)) => {
                self.story.borrow_mut().closed = Some(reason);
                ctx.stop();
            }
            _ => {}
        }
        self.finish_if_done(ctx);
    }
}

impl Handler<Go> for App {
    fn handle(&mut self, _message: Delivery<'_, Go>, ctx: &mut Context<'_, Self>) {
        self.end.finish(ctx);
    }
}

impl Watcher<Refused> for App {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        let refused = match change {
            Change::Snapshot(facts) => facts.into_iter().next(),
            Change::Appeared(fact) => Some(fact),
            Change::Gone(_) => None,
        };
        if let Some(refused) = refused {
            self.story.borrow_mut().refused = Some(refused.reason);
            ctx.stop();
        }
    }
}

/// Dials `remote` over the wire, and writes.
pub(crate) fn dial(
    kind: Kind,
    handle: u64,
    remote: RemoteAddress,
    to_send: Vec<Chunk>,
    finish: Finish,
) -> (Spawn<App>, Shared<Story>) {
    let connection = ConnectionKey::outbound(handle, remote).over(Transport::Wire(kind));
    let story = Shared::default();
    (App::spawn(connection, to_send, finish, None, Rc::clone(&story)), story)
}

/// Serves a port: each connection answers its first chunk with `reply`, and closes when its peer does.
pub(crate) fn server(
    kind: Kind,
    port: u16,
    reply: Reply,
    stories: Shared<Vec<Shared<Story>>>,
) -> Spawn<impl Actor> {
    let listener = Listener::on(port).over(Transport::Wire(kind));
    serve("wire server", listener, move |connection| {
        let story = Shared::default();
        stories.borrow_mut().push(Rc::clone(&story));
        App::spawn(connection, Vec::new(), Finish::WithPeer, Some(Rc::clone(&reply)), story)
    })
}
