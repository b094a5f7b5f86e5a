//! What the tests of the simulation share: applications on the bus, and stacks to run them on.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use netmart::actors::address::{Direction, Listener, Local, RemoteAddress};
use netmart::actors::end::{ChannelEnd, Heard};
use netmart::actors::message::{
    Channel, ChannelPattern, CloseReason, Connected, ConnectionKey, ConnectionPattern, Refusal,
    Refused,
};
use netmart::bus::{Actor, Change, Context, Delivery, Handle, Handler, Spawn, Watcher};
use netmart::proto::netem;
use netmart::sim::{Plug, Simulation, StackId, WireConfig, WireId};

/// The octet at `offset` of the stream that `seed` stands for.
pub(crate) fn octet(seed: u64, offset: usize) -> u8 {
    let mixed = (offset as u64 / 8 + 1)
        .wrapping_mul(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15));
    (mixed ^ (mixed >> 29)).to_le_bytes()[offset % 8]
}

/// `len` octets of the stream from `offset` on.
pub(crate) fn octets(seed: u64, offset: usize, len: usize) -> Vec<u8> {
    (offset..offset + len).map(|at| octet(seed, at)).collect()
}

/// What an application sends, and how it listens.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The stream it sends.
    pub(crate) seed: u64,
    /// How many octets of it.
    pub(crate) send: usize,
    /// The stream it expects.
    pub(crate) expect: u64,
    /// How many octets may be on their way to it.
    pub(crate) window: usize,
    /// Whether it says at once what it has dealt with; if not, the peer's window closes.
    pub(crate) grants: bool,
    /// Whether it leaves when both directions have ended.
    pub(crate) leaves: bool,
}

impl Script {
    pub(crate) fn new(seed: u64, send: usize, expect: u64) -> Self {
        Self { seed, send, expect, window: 256 * 1024, grants: true, leaves: true }
    }
}

/// What has happened to an application so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) sent: usize,
    pub(crate) received: usize,
    /// The offset of the first octet that was not the expected one.
    pub(crate) wrong_at: Option<usize>,
    pub(crate) established: bool,
    pub(crate) ended: bool,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) refused: Option<Refusal>,
}

/// A story that the test can read while it happens.
pub(crate) type Shared<T> = Rc<RefCell<T>>;

/// The user of one connection: follows a script, and writes down what happens.
pub(crate) struct App {
    connection: ConnectionKey,
    script: Script,
    story: Shared<Story>,
    end: Option<ChannelEnd>,
    /// Octets not granted yet, and whether they shall be from now on.
    held: usize,
}

/// Says to an [`App`] that grants nothing: grant everything from now on.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    key: (),
}

impl netmart::bus::Topic for Resume {
    type Key = ();
    const NAME: &'static str = "resume";

    fn key(&self) -> &() {
        &self.key
    }
}

pub(crate) const RESUME: Resume = Resume { key: () };

impl App {
    pub(crate) fn spawn(
        connection: ConnectionKey,
        script: Script,
        story: Shared<Story>,
    ) -> Spawn<Self> {
        let [inbound, outbound] = ChannelEnd::patterns(&connection);
        let facts = ConnectionPattern::any().local(connection.local).remote(connection.remote);
        Spawn::new("app", Self { connection, script, story, end: None, held: 0 })
            .subscribe::<Channel>(inbound)
            .provide::<Channel>(outbound)
            .watch::<Refused>(facts)
            .observe::<Resume>(())
    }

    fn write(&mut self, ctx: &mut Context<'_, Self>) {
        let (Some(end), mut story) = (&mut self.end, self.story.borrow_mut()) else { return };
        let more = end.room().min(self.script.send - story.sent);
        if more > 0 {
            end.write(octets(self.script.seed, story.sent, more), ctx);
            story.sent += more;
        }
        if story.sent == self.script.send && story.established {
            end.finish(ctx);
        }
    }

    fn read(&mut self, octets: &[u8]) {
        let mut story = self.story.borrow_mut();
        for &found in octets {
            if found != octet(self.script.expect, story.received) && story.wrong_at.is_none() {
                story.wrong_at = Some(story.received);
            }
            story.received += 1;
        }
    }

    fn leave_if_done(&mut self, ctx: &mut Context<'_, Self>) {
        let story = self.story.borrow();
        let sent =
            self.end.as_ref().is_some_and(ChannelEnd::is_flushed) && story.sent == self.script.send;
        if self.script.leaves && (story.closed.is_some() || sent && story.ended) {
            ctx.stop();
        }
    }
}

impl Actor for App {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end = Some(ChannelEnd::new(self.connection, self.script.window, ctx));
    }
}

impl Handler<Channel> for App {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Some(end) = &mut self.end else { return };
        match end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                let octets: usize = chunks.iter().map(|chunk| chunk.len()).sum();
                if self.script.grants {
                    end.consumed(octets, ctx);
                } else {
                    self.held += octets;
                }
                chunks.iter().for_each(|chunk| self.read(chunk));
            }
            Some(Heard::Room(_)) => {
                self.story.borrow_mut().established = true;
                self.write(ctx);
            }
            Some(Heard::End) => self.story.borrow_mut().ended = true,
            Some(Heard::Closed(reason)) => self.story.borrow_mut().closed = Some(reason),
            _ => {}
        }
        self.leave_if_done(ctx);
    }
}

impl Handler<Resume> for App {
    fn handle(&mut self, _message: Delivery<'_, Resume>, ctx: &mut Context<'_, Self>) {
        self.script.grants = true;
        if let Some(end) = &mut self.end {
            end.consumed(std::mem::take(&mut self.held), ctx);
        }
    }
}

impl Watcher<Refused> for App {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        let facts = match change {
            Change::Snapshot(facts) => facts,
            Change::Appeared(fact) => vec![fact],
            Change::Gone(_) => return,
        };
        if let Some(fact) = facts.first() {
            self.story.borrow_mut().refused = Some(fact.reason.clone());
            ctx.stop();
        }
    }
}

/// A server: wants a listener, and gives each connection an [`App`] of its own.
pub(crate) struct Server {
    listener: Listener,
    script: Box<dyn Fn(RemoteAddress) -> Script>,
    pub(crate) stories: Shared<BTreeMap<RemoteAddress, Shared<Story>>>,
    wish: Option<Handle>,
}

impl Server {
    pub(crate) fn spawn(
        listener: Listener,
        stories: Shared<BTreeMap<RemoteAddress, Shared<Story>>>,
        script: impl Fn(RemoteAddress) -> Script + 'static,
    ) -> Spawn<Self> {
        let local = Local::Listener(listener);
        Spawn::new("server", Self { listener, script: Box::new(script), stories, wish: None })
            .provide::<Channel>(ChannelPattern::any().direction(Direction::Outbound).local(local))
            .watch::<Connected>(ConnectionPattern::any().local(local))
    }
}

impl Actor for Server {}

impl Watcher<Connected> for Server {
    fn changed(&mut self, change: Change<Connected>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(Connected { connection, .. }) = change {
            let story = Shared::default();
            self.stories.borrow_mut().insert(connection.remote, Rc::clone(&story));
            ctx.spawn(App::spawn(connection, (self.script)(connection.remote), story));
        }
    }
}

/// A client stack and a server stack, and a wire between them.
pub(crate) struct Pair {
    pub(crate) sim: Simulation,
    pub(crate) client: StackId,
    pub(crate) server: StackId,
    pub(crate) wire: WireId,
    pub(crate) stories: Shared<BTreeMap<RemoteAddress, Shared<Story>>>,
    next_handle: u64,
}

/// Where the server of a [`Pair`] is.
pub(crate) const SERVER: &str = "10.0.0.2";

impl Pair {
    pub(crate) fn new(seed: u64, wire: WireConfig) -> Self {
        Self::with_config(seed, wire, netmart::Config::default())
    }

    pub(crate) fn with_config(seed: u64, wire: WireConfig, config: netmart::Config) -> Self {
        let mut sim = Simulation::new(seed);
        let client = sim.add_stack("client", config.clone());
        let server = sim.add_stack("server", config);
        let near = Plug::at(client).address("10.0.0.1/24".parse().unwrap());
        let far = Plug::at(server).address("10.0.0.2/24".parse().unwrap());
        let near = near.address("fd00::1/64".parse().unwrap());
        let far = far.address("fd00::2/64".parse().unwrap());
        let wire = sim.connect(near, far, wire);
        Self { sim, client, server, wire, stories: Shared::default(), next_handle: 1 }
    }

    /// Makes the server's stack serve `port`.
    pub(crate) fn serve(&mut self, port: u16, script: impl Fn(RemoteAddress) -> Script + 'static) {
        let stories = Rc::clone(&self.stories);
        self.sim[self.server].spawn(Server::spawn(Listener::on(port), stories, script));
        let _ = self.sim.run_for(std::time::Duration::ZERO);
    }

    /// Lets the client's stack dial `address` and follow `script`.
    pub(crate) fn dial(&mut self, address: &str, script: Script) -> Shared<Story> {
        let remote: std::net::SocketAddr = address.parse().unwrap();
        let story = Shared::default();
        let connection = ConnectionKey::outbound(self.next_handle, remote);
        self.next_handle += 1;
        self.sim[self.client].spawn(App::spawn(connection, script, Rc::clone(&story)));
        story
    }

    /// The stories of the server's side, ordered by the client's end.
    pub(crate) fn server_stories(&self) -> Vec<Story> {
        self.stories.borrow().values().map(|story| story.borrow().clone()).collect()
    }
}

/// 2 % loss, 1 % duplicates, reordering and some delay, both ways.
pub(crate) fn bad_wire() -> WireConfig {
    WireConfig::new(netem::Config {
        delay: std::time::Duration::from_millis(5),
        loss: netem::Loss::Independent(0.02),
        duplication: 0.01,
        reordering: netem::Reordering {
            probability: 0.02,
            extra: std::time::Duration::from_millis(3),
        },
        ..Default::default()
    })
}
