//! What a stack shall be like, and how it is started.

use std::io;
use std::sync::Arc;
use std::thread;

use actix::Actor;
use actix_rt::{Arbiter, System};
use ipnet::{IpNet, Ipv4Net};
use netmart_actors::config::Config;
use netmart_actors::link::Tap;
use netmart_bus::Dataspace;
use netmart_proto::netem;
use tokio::sync::oneshot;

use super::host::{Host, Inside};
use super::memory::WireEnd;
use super::{Mailbox, Settings, Stack};
use crate::addresses::Addresses;
use crate::link::tun::{TunConfig, TunError};
use crate::link::udp::{self, UdpLink};
use crate::sockets::Sockets;

/// Describes a stack; see [`Stack::builder`].
pub struct Builder {
    pub(super) config: Config,
    pub(super) seed: Option<u64>,
    pub(super) limits: netmart_bus::Config,
    pub(super) links: Vec<Link>,
    pub(super) setup: Vec<Setup>,
    pub(super) sockets: Option<Sockets>,
    settings: Settings,
}

/// Something to do with the dataspace before the first actor is spawned.
type Setup = Box<dyn FnOnce(&mut Dataspace) + Send>;

impl Default for Builder {
    fn default() -> Self {
        let limits = netmart_bus::Config { run_budget: RUN_BUDGET, ..Default::default() };
        Self {
            config: Config::default(),
            seed: None,
            limits,
            links: Vec::new(),
            setup: Vec::new(),
            sockets: None,
            settings: Settings { window: WINDOW, backlog: BACKLOG },
        }
    }
}

/// Events that a stack handles before others on its arbiter have their turn: about a millisecond.
const RUN_BUDGET: u64 = 8 * 1024;

/// The least that lets one connection fill a path of 1 Gbit/s and 4 ms.
const WINDOW: usize = 512 * 1024;

/// As many as Linux allows to a program that asks for no other number (tokio does so, too).
const BACKLOG: usize = 1024;

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A TUN device could not be opened.
    #[error(transparent)]
    Tun(#[from] TunError),
    /// The operating system refuses what sockets need.
    #[error("no sockets: {0}")]
    Sockets(#[source] io::Error),
    /// The operating system refuses what a link over UDP needs.
    #[error("no link over UDP: {0}")]
    Udp(#[source] io::Error),
    /// There is no actix arbiter here.
    #[error("a stack starts on an actix arbiter; elsewhere it needs a thread of its own")]
    NoArbiter,
    /// The thread for the stack could not be started.
    #[error("the stack's thread could not be started: {0}")]
    Thread(#[from] io::Error),
    /// The thread of the stack ended before the stack was up.
    #[error("the stack's thread ended before the stack was up")]
    Ended,
}

/// A link that a stack shall have.
pub struct Link {
    pub(super) kind: Kind,
    pub(super) addresses: Addresses,
    pub(super) tap: Option<Box<dyn Tap + Send>>,
    pub(super) weather: Option<(netem::Config, u64)>,
}

pub(super) enum Kind {
    Tun(TunConfig),
    Udp(Box<UdpLink>),
    Wire(WireEnd),
}

impl Link {
    /// A TUN device, opened when the stack starts.
    pub fn tun(config: TunConfig) -> Self {
        Self::new(Kind::Tun(config))
    }

    /// TCP segments in UDP datagrams. Such a link has its address and its route already, see
    /// [`link::udp`](crate::link::udp).
    pub fn udp(link: UdpLink) -> Self {
        let own = Ipv4Net::new_assert(udp::HERE, udp::PREFIX_LEN);
        Self::new(Kind::Udp(Box::new(link))).address(own.into())
    }

    /// One end of a [`wire`](super::wire) in memory.
    pub fn wire(end: WireEnd) -> Self {
        Self::new(Kind::Wire(end))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, addresses: Addresses::default(), tap: None, weather: None }
    }

    /// Gives the stack this address on the link; its subnet is routed there.
    #[must_use]
    pub fn address(mut self, address: IpNet) -> Self {
        self.addresses.own.push(address);
        self
    }

    /// Routes packets to `network` by this link.
    #[must_use]
    pub fn route(mut self, network: IpNet) -> Self {
        self.addresses.routes.push(network);
        self
    }

    /// Puts a bad network behind the link: what the stack sends there passes `network` in real time. What is
    /// left to chance follows from `seed`. Taps see what was sent, not what got through.
    #[must_use]
    pub fn impaired(mut self, network: netem::Config, seed: u64) -> Self {
        self.weather = Some((network, seed));
        self
    }

    /// Shows all packets that pass to `tap`, such as that of a [`Capture`](super::Capture).
    #[must_use]
    pub fn tap(mut self, tap: Box<dyn Tap + Send>) -> Self {
        self.tap = Some(tap);
        self
    }
}

impl Builder {
    /// The settings and limits of the stack. Their seed does not count: see [`seed`](Self::seed).
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What everything random in this stack follows from. Without it, the operating system's generator.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The limits of the dataspace. Its hash seed follows from the stack's seed, if that is set.
    #[must_use]
    pub fn limits(mut self, limits: netmart_bus::Config) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a link; the first has the number 1.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// Lets UDP datagrams, and with them all that is carried in them, go by sockets of the operating system
    /// instead of the stack's own IP. Such a stack needs no link.
    #[must_use]
    pub fn sockets(mut self, sockets: Sockets) -> Self {
        self.sockets = Some(sockets);
        self
    }

    /// How many octets may wait for the application on each connection of
    /// [`netmart::net`](crate::net); 512 KiB if not set.
    #[must_use]
    pub fn window(mut self, octets: usize) -> Self {
        self.settings.window = octets.max(1);
        self
    }

    /// How many connections may wait to be accepted at each listener of
    /// [`netmart::net`](crate::net); 1024 if not set.
    #[must_use]
    pub fn backlog(mut self, connections: usize) -> Self {
        self.settings.backlog = connections.max(1);
        self
    }

    /// Calls `act` with the dataspace while it is empty: a recorder set here misses nothing.
    #[must_use]
    pub fn setup(mut self, act: impl FnOnce(&mut Dataspace) + Send + 'static) -> Self {
        self.setup.push(Box::new(act));
        self
    }

    /// Starts the stack on the actix arbiter of the caller.
    ///
    /// # Errors
    ///
    /// If there is no arbiter here, or a link cannot be opened.
    pub fn start(self) -> Result<Stack, StartError> {
        if Arbiter::try_current().is_none() {
            return Err(StartError::NoArbiter);
        }
        self.launch(None)
    }

    /// Starts the stack on a thread of its own, which ends with it. The caller needs neither actix nor
    /// tokio.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started, or a link cannot be opened.
    pub fn start_on_own_thread(self) -> Result<Stack, StartError> {
        let (report, started) = std::sync::mpsc::sync_channel(1);
        thread::Builder::new().name("netmart".to_owned()).spawn(move || {
            System::new().block_on(async move {
                let (ended, has_ended) = oneshot::channel();
                let started = self.launch(Some(ended));
                let is_up = started.is_ok();
                // The caller waits for it.
                let _ = report.send(started);
                if is_up {
                    let _ = has_ended.await;
                }
            });
        })?;
        started.recv().unwrap_or(Err(StartError::Ended))
    }

    fn launch(mut self, ended: Option<oneshot::Sender<()>>) -> Result<Stack, StartError> {
        let settings = self.settings;
        let seed = self.seed.unwrap_or_else(unpredictable);
        self.config.seed = seed;
        if self.seed.is_some() {
            self.limits.hash_seed = Some(seed.rotate_left(32));
        }
        let mailbox = Arc::new(Mailbox::default());
        let (inside, inputs) = Inside::build(self)?;
        Host::new(inside, inputs, Arc::clone(&mailbox), ended).start();
        Ok(Stack::new(mailbox, settings))
    }
}

/// A seed that nobody can guess: the standard library keys its tables from the operating system.
fn unpredictable() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
