//! What the examples share: two stacks with a wire between them, and terminals on one of them.
//!
//! A terminal is what `telnet` would be: it dials, sends the lines that are typed, and shows what comes.

#![allow(dead_code, reason = "each example uses its own part")]

use std::cell::RefCell;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart::Config;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, ConnectionKey};
use netmart::bus::{Actor, ActorId, Context, Delivery, Handler, Spawn, Time, key, topic};
use netmart::sim::{Plug, Simulation, StackId, WireConfig};

/// Octets that may be on their way to a session or a terminal.
pub(crate) const WINDOW: usize = 64 * 1024;

/// A moment of virtual time, to be printed.
pub(crate) fn clock(time: Time) -> String {
    format!("{:6.3} s", time.as_micros() as f64 / 1e6)
}

/// Two stacks, 10 milliseconds apart, and one virtual clock.
pub(crate) struct Net {
    pub(crate) sim: Simulation,
    /// Its address is 10.0.0.1.
    pub(crate) client: StackId,
    /// Its address is 10.0.0.2.
    pub(crate) server: StackId,
    terminals: u64,
}

impl Net {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        Self::with_config(Config::default())
    }

    pub(crate) fn with_config(config: Config) -> Result<Self, Box<dyn Error>> {
        let mut sim = Simulation::new(1);
        let client = sim.add_stack("client", config.clone());
        let server = sim.add_stack("server", config);
        let wire = WireConfig::with_delay(Duration::from_millis(10));
        let near = Plug::at(client).address("10.0.0.1/24".parse()?);
        let far = Plug::at(server).address("10.0.0.2/24".parse()?);
        sim.connect(near, far, wire);
        Ok(Self { sim, client, server, terminals: 0 })
    }

    /// Puts an actor on the server's stack and lets it start.
    pub(crate) fn serve<A: Actor>(&mut self, server: Spawn<A>) -> ActorId {
        let actor = self.sim[self.server].spawn(server);
        self.run(0);
        actor
    }

    /// Lets everything happen that happens within so many milliseconds.
    pub(crate) fn run(&mut self, milliseconds: u64) {
        let stopped = self.sim.run_for(Duration::from_millis(milliseconds));
        assert!(stopped.is_orderly(), "the stacks keep each other busy for ever");
    }

    /// A terminal on the client's stack that is connected to the server's `port`.
    pub(crate) fn dial(
        &mut self,
        name: &'static str,
        port: u16,
    ) -> Result<Terminal, Box<dyn Error>> {
        self.terminals += 1;
        let server: SocketAddr = format!("10.0.0.2:{port}").parse()?;
        let connection = ConnectionKey::outbound(self.terminals, server);
        let screen = Screen::default();
        let shown = Rc::clone(&screen);
        let typist = session(name, connection, WINDOW, |end| Typist { name, end, screen: shown })
            .subscribe::<Typed>(TerminalPattern::any().number(self.terminals));
        self.sim[self.client].spawn(typist);
        Ok(Terminal { number: self.terminals, screen })
    }

    /// Types at a terminal, and gives it 100 milliseconds for all that follows.
    pub(crate) fn type_at(&mut self, terminal: &Terminal, text: &str) {
        self.keys(terminal, Keys::Text(Bytes::copy_from_slice(text.as_bytes())));
    }

    /// Hangs up at a terminal.
    pub(crate) fn hang_up(&mut self, terminal: &Terminal) {
        self.keys(terminal, Keys::HangUp);
    }

    fn keys(&mut self, terminal: &Terminal, keys: Keys) {
        let typed = Typed { at: AtTerminal { number: terminal.number }, keys };
        self.sim[self.client].inject(typed).expect("the queue of an idle stack has room");
        self.run(100);
    }
}

type Screen = Rc<RefCell<String>>;

/// A terminal, as whoever sits there sees it.
pub(crate) struct Terminal {
    number: u64,
    screen: Screen,
}

impl Terminal {
    /// All that has come so far.
    pub(crate) fn screen(&self) -> String {
        self.screen.borrow().clone()
    }
}

key! {
    /// Which terminal.
    struct AtTerminal / TerminalPattern { number: u64 }
}

/// Somebody types at a terminal.
#[derive(Clone, Debug)]
struct Typed {
    at: AtTerminal,
    keys: Keys,
}

#[derive(Clone, Debug)]
enum Keys {
    Text(Bytes),
    HangUp,
}

topic!(Typed, "typed", at: AtTerminal);

/// The actor behind a terminal: the user of one connection.
struct Typist {
    name: &'static str,
    end: ChannelEnd,
    screen: Screen,
}

impl Actor for Typist {}

impl Handler<Typed> for Typist {
    fn handle(&mut self, typed: Delivery<'_, Typed>, ctx: &mut Context<'_, Self>) {
        match typed.take().keys {
            Keys::Text(text) => self.end.write(text, ctx),
            Keys::HangUp => self.end.finish(ctx),
        }
    }
}

impl Handler<Channel> for Typist {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    let text = String::from_utf8_lossy(&chunk);
                    let seconds = ctx.now().as_micros() as f64 / 1e6;
                    text.lines().for_each(|line| {
                        println!("{seconds:6.3} s  {:>6} sees: {line}", self.name)
                    });
                    self.screen.borrow_mut().push_str(&text);
                }
            }
            Some(Heard::End) => self.end.finish(ctx),
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}
