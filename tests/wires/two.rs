//! A client's stack, a server's stack, and a bad link between them.

use std::rc::Rc;
use std::time::Duration;

use netmart::Config;
use netmart::actors::address::{Address, HandleId, Local, RemoteAddress, Transport};
use netmart::actors::ledger::Discards;
use netmart::actors::message::Terms;
use netmart::bus::{Down, DownPattern, Footprint, Handle};
use netmart::proto::netem::{self, Loss, Reordering};
use netmart::proto::wires::{Chunk, Kind};
use netmart::sim::{Plug, Simulation, StackId, Stopped, WireConfig};

use crate::apps::{Finish, Reply, Shared, Story, dial, server};

pub(crate) const SERVER: &str = "10.0.0.2";

/// Loss, duplication and reordering, each with this probability.
pub(crate) fn weather(loss: f64, duplication: f64, reordering: f64) -> netem::Config {
    netem::Config {
        delay: Duration::from_millis(2),
        loss: Loss::Independent(loss),
        duplication,
        reordering: Reordering { probability: reordering, extra: Duration::from_millis(5) },
        ..netem::Config::default()
    }
}

/// Fair weather, each kind of bad weather, and all of them together.
pub(crate) fn weathers() -> [netem::Config; 5] {
    [
        weather(0.0, 0.0, 0.0),
        weather(0.05, 0.0, 0.0),
        weather(0.0, 0.05, 0.0),
        weather(0.0, 0.0, 0.05),
        weather(0.05, 0.05, 0.05),
    ]
}

pub(crate) struct Two {
    pub(crate) sim: Simulation,
    pub(crate) client: StackId,
    pub(crate) server: StackId,
    before: [Footprint; 2],
    handles: u64,
    /// What the last one that was dialled from a certain port asks for.
    terms: Option<Handle>,
}

impl Two {
    pub(crate) fn new(seed: u64, weather: &netem::Config) -> Self {
        Self::tapped(seed, weather, |plug| plug)
    }

    /// The same, with something done to the server's plug.
    pub(crate) fn tapped(
        seed: u64,
        weather: &netem::Config,
        tap: impl FnOnce(Plug) -> Plug,
    ) -> Self {
        let mut sim = Simulation::new(seed);
        let client = sim.add_stack("client", Config::default());
        let server = sim.add_stack("server", Config::default());
        let near = Plug::at(client).address("10.0.0.1/24".parse().unwrap());
        let far = tap(Plug::at(server)).address("10.0.0.2/24".parse().unwrap());
        sim.connect(near, far, WireConfig::new(weather.clone()));
        let _ = sim.run_for(Duration::from_millis(10));
        let before = [sim[client].footprint(), sim[server].footprint()];
        Self { sim, client, server, before, handles: 0, terms: None }
    }

    /// Makes the server's stack serve a port; gives the stories of those who connect, as they come.
    pub(crate) fn serve(
        &mut self,
        kind: Kind,
        port: u16,
        reply: Reply,
    ) -> Shared<Vec<Shared<Story>>> {
        let stories = Shared::default();
        self.sim[self.server].spawn(server(kind, port, reply, Rc::clone(&stories)));
        let _ = self.sim.run_for(Duration::ZERO);
        stories
    }

    pub(crate) fn dial(
        &mut self,
        kind: Kind,
        port: u16,
        chunks: Vec<Chunk>,
        finish: Finish,
    ) -> Shared<Story> {
        self.handles += 1;
        let remote = RemoteAddress(Address::new(SERVER.parse().unwrap(), port));
        let (app, story) = dial(kind, self.handles, remote, chunks, finish);
        self.sim[self.client].spawn(app);
        story
    }

    /// The next one that is dialled comes from this port.
    pub(crate) fn with_port(&mut self, kind: Kind, port: u16) {
        let handle = HandleId::new(self.handles + 1).over(Transport::Wire(kind));
        let terms = Terms { port: Some(port), ..Terms::of(Local::Handle(handle)) };
        let fact = self.sim[self.client].assert(terms);
        self.terms = Some(fact);
    }

    /// Lets everything come to its end.
    pub(crate) fn finish(&mut self) {
        assert_eq!(self.sim.run_until_idle(Duration::from_secs(7_200)), Stopped::Idle);
    }

    /// Nobody panicked.
    pub(crate) fn assert_no_panic(&self) {
        for stack in [self.client, self.server] {
            let dataspace = &self.sim[stack];
            let downs = dataspace.facts::<Down>(&DownPattern::any());
            assert_eq!(dataspace.counters().panics, 0, "{downs:?}");
        }
    }

    /// Stops everybody who wants something, lets the rest come to its end, and checks that nothing is left.
    pub(crate) fn assert_nothing_is_left(&mut self) {
        self.terms = None;
        for stack in [self.client, self.server] {
            for (actor, name) in self.sim[stack].actors() {
                if name.starts_with("wire app") || name.starts_with("wire server") {
                    self.sim[stack].stop(actor);
                }
            }
        }
        let _ = self.sim.run_for(Duration::from_secs(300));
        self.assert_no_panic();
        for (stack, before) in [(self.client, self.before[0]), (self.server, self.before[1])] {
            let dataspace = &self.sim[stack];
            assert_eq!(dataspace.footprint(), before, "{:?}", dataspace.actors());
        }
    }

    /// What the stacks threw away, by place and reason.
    pub(crate) fn discards(&self) -> Discards {
        let mut all = Discards::new();
        for stack in [self.client, self.server] {
            for (reason, count) in self.sim.discards(stack).borrow().iter() {
                *all.entry(*reason).or_default() += count;
            }
        }
        all
    }
}
