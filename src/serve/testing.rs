//! A service on one stack, scripted clients on another, a simulated wire between them.

use std::cell::{Ref, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart::Config;
use netmart::actors::address::{Direction, Listener, Local};
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{
    Channel, ChannelPattern, Connected, ConnectionKey, ConnectionPattern,
};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn, Topic, key};
use netmart::sim::{Plug, Simulation, StackId, WireConfig};

pub(super) struct Bench {
    sim: Simulation,
    server: StackId,
    clients: StackId,
    stories: Vec<Rc<RefCell<Story>>>,
}

/// What a client has met so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) received: Vec<u8>,
    /// Octets that the client could not send yet.
    pub(super) waiting: usize,
    pub(super) has_ended: bool,
}

impl Story {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.received).expect("text")
    }
}

pub(super) fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 + index / 251) as u8).collect()
}

impl Bench {
    pub(super) fn with(service: Spawn<impl Actor>) -> Self {
        let mut sim = Simulation::new(1);
        let server = sim.add_stack("server", Config::default());
        let clients = sim.add_stack("clients", Config::default());
        let address = |text: &str| text.parse().expect("an address");
        sim.connect(
            Plug::at(server).address(address("10.0.0.1/24")),
            Plug::at(clients).address(address("10.0.0.2/24")),
            WireConfig::with_delay(Duration::from_millis(1)),
        );
        sim[server].spawn(service);
        let mut bench = Self { sim, server, clients, stories: Vec::new() };
        bench.run();
        bench
    }

    pub(super) fn spawn(&mut self, actor: Spawn<impl Actor>) {
        self.sim[self.server].spawn(actor);
    }

    /// Lets happen what happens within a good while.
    pub(super) fn run(&mut self) {
        assert!(self.sim.run_for(Duration::from_secs(20)).is_orderly());
    }

    /// A client that reads all it gets.
    pub(super) fn connect(&mut self, port: u16) -> usize {
        self.dial(port, true)
    }

    /// A client that reads when told to, and otherwise lets things come in until its window is full.
    pub(super) fn connect_without_reading(&mut self, port: u16) -> usize {
        self.dial(port, false)
    }

    fn dial(&mut self, port: u16, is_reading: bool) -> usize {
        let number = self.stories.len();
        let story = Rc::new(RefCell::new(Story::default()));
        let remote: SocketAddr = ([10, 0, 0, 1], port).into();
        let connection = ConnectionKey::outbound(number as u64, remote);
        let client = session("client", connection, WINDOW, |end| Client {
            end,
            is_reading,
            story: Rc::clone(&story),
        });
        self.sim[self.clients].spawn(client.subscribe::<Order>(Number { number }.exactly()));
        self.stories.push(story);
        number
    }

    pub(super) fn send(&mut self, client: usize, octets: impl Into<Bytes>) {
        self.order(client, Act::Send(octets.into()));
    }

    pub(super) fn finish(&mut self, client: usize) {
        self.order(client, Act::Finish);
    }

    pub(super) fn read_on(&mut self, client: usize, octets: usize) {
        self.order(client, Act::Read(octets));
    }

    pub(super) fn leave(&mut self, client: usize) {
        self.order(client, Act::Leave);
    }

    fn order(&mut self, client: usize, act: Act) {
        let order = Order { to: Number { number: client }, act };
        self.sim[self.clients].inject(order).expect("there is room");
    }

    pub(super) fn story(&self, client: usize) -> Ref<'_, Story> {
        self.stories[client].borrow()
    }

    /// How many connections the server has.
    pub(super) fn connections(&self) -> usize {
        self.sim[self.server].facts::<Connected>(&ConnectionPattern::any()).len()
    }
}

/// Somebody who wants `listener` to be, and no more.
pub(super) fn wish(listener: Listener) -> Spawn<impl Actor> {
    let wish = ChannelPattern::any().local(Local::Listener(listener));
    Spawn::new("wish", Idle).provide::<Channel>(wish.direction(Direction::Outbound))
}

struct Idle;

impl Actor for Idle {}

key! {
    /// Which client.
    struct Number / NumberPattern {
        number: usize,
    }
}

/// What a client shall do.
#[derive(Clone, Debug)]
struct Order {
    to: Number,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    Send(Bytes),
    Finish,
    Read(usize),
    Leave,
}

impl Topic for Order {
    type Key = Number;
    const NAME: &'static str = "order";

    fn key(&self) -> &Number {
        &self.to
    }
}

struct Client {
    end: ChannelEnd,
    is_reading: bool,
    story: Rc<RefCell<Story>>,
}

const WINDOW: usize = 65_536;

impl Actor for Client {}

impl Handler<Channel> for Client {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        let mut story = self.story.borrow_mut();
        match end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    story.received.extend_from_slice(&chunk);
                    if self.is_reading {
                        end.consumed(chunk.len(), ctx);
                    }
                }
            }
            Some(Heard::End) => story.has_ended = true,
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
        story.waiting = end.queued();
    }
}

impl Handler<Order> for Client {
    fn handle(&mut self, order: Delivery<'_, Order>, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        match order.take().act {
            Act::Send(octets) => end.write(octets, ctx),
            Act::Finish => end.finish(ctx),
            Act::Read(octets) => end.consumed(octets, ctx),
            Act::Leave => ctx.stop(),
        }
    }
}
