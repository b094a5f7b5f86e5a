//! The host: one actix actor that owns a dataspace, feeds it and wakes it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, ActorContext, AsyncContext, SpawnHandle, StreamHandler};
use futures_util::stream::{Stream, StreamExt};
use netmart_actors::cast::Cast;
use netmart_actors::clock::instant;
use netmart_actors::config::Config;
use netmart_actors::ledger::Discards;
use netmart_actors::link::{self, Device, LinkConfig, LinkCounters, Tap};
use netmart_actors::message::{Arrival, DeviceReady, Discard, DiscardKey, LinkId, OnLink, PortKey};
use netmart_bus::{ActorId, Dataspace, Ran, Time};
use netmart_proto::wire::{Packet, Protocol};
use tokio::sync::oneshot;

use super::builder::{Builder, Kind, Link, StartError};
use super::clock::Clock;
use super::closing::Closing;
use super::impaired::{Due, Impaired, Weather};
use super::mailbox::{Command, Commands, Mailbox};
use super::narrator::Narrator;
use super::touch::{FaceId, OfFace, Touch};
use super::{LinkReport, Report, tun};
use crate::link::tun::Tun;
use crate::link::udp;
use crate::net::SocketEnds;
use crate::sockets::{Arrivals, News, Provider, Reactor};

/// The dataspace of a running stack, and what its host keeps beside it.
pub(crate) struct Inside {
    pub(crate) dataspace: Dataspace,
    pub(super) clock: Clock,
    discards: Rc<RefCell<Discards>>,
    links: BTreeMap<LinkId, RunningLink>,
    socket_ends: SocketEnds,
    /// The sockets of the operating system, if they carry the stack's datagrams.
    sockets: Option<Rc<Reactor>>,
}

struct RunningLink {
    actor: ActorId,
    counters: Rc<LinkCounters>,
    refused: Arc<AtomicU64>,
    overrun: u64,
    weather: Option<Rc<Weather>>,
}

/// What stands around the device of a link.
struct Around {
    tap: Option<Box<dyn Tap + Send>>,
    weather: Option<Rc<Weather>>,
}

/// What comes to the host from outside.
pub(super) enum Input {
    /// What applications ask for.
    Commands(Vec<Command>),
    /// What a link has received.
    Packets(LinkId, Vec<Packet>),
    /// The device of a link has room again, or is to be looked after.
    LinkReady(LinkId),
    /// The device of a link is gone.
    LinkLost(LinkId, io::Error),
    /// What came by sockets of the operating system.
    Sockets(Vec<News>),
}

/// The inputs that a link brings.
pub(super) type Inputs = Pin<Box<dyn Stream<Item = Input>>>;

impl Inside {
    /// The stack that `builder` describes, its links open.
    pub(super) fn build(builder: Builder) -> Result<(Self, Vec<Inputs>), StartError> {
        let Builder { config, limits, links, setup, sockets, .. } = builder;
        let sockets = sockets.map(Reactor::open).transpose().map_err(StartError::Sockets)?;
        let mut dataspace = Dataspace::new(limits);
        setup.into_iter().for_each(|act| act(&mut dataspace));
        let Cast { discards } = match &sockets {
            Some(sockets) => enter_with_sockets(&mut dataspace, &config, sockets),
            None => Cast::enter(&mut dataspace, &config),
        };
        Narrator::wanted().map(|narrator| dataspace.spawn(narrator));
        let clock = Clock::start();
        let mut inside = Self {
            dataspace,
            clock,
            discards,
            links: BTreeMap::new(),
            socket_ends: SocketEnds::default(),
            sockets,
        };
        let mut inputs = Vec::new();
        for (id, link) in (1..).map(LinkId).zip(links) {
            inside.open(id, link, &mut inputs)?;
        }
        inputs.extend(inside.sockets.as_ref().map(|sockets| -> Inputs {
            Box::pin(Arrivals::of(Rc::clone(sockets)).map(Input::Sockets))
        }));
        Ok((inside, inputs))
    }

    fn open(&mut self, id: LinkId, link: Link, inputs: &mut Vec<Inputs>) -> Result<(), StartError> {
        let Link { kind, addresses, tap, weather } = link;
        let weather = weather.map(|(config, seed)| Weather::new(config, seed, self.clock));
        inputs.extend(weather.as_ref().map(|weather| -> Inputs {
            Box::pin(Due::of(Rc::clone(weather)).map(move |()| Input::LinkReady(id)))
        }));
        let config = |capabilities| addresses.applied_to(LinkConfig::new(id, capabilities));
        let around = Around { tap, weather };
        inputs.push(match kind {
            Kind::Tun(device) => {
                let tun = Arc::new(Tun::open(&device)?);
                let refused = Arc::new(AtomicU64::new(0));
                let writer = tun::Writer::new(Arc::clone(&tun), Arc::clone(&refused));
                self.add_link(config(tun::capabilities(&tun)), writer, around, refused);
                Box::pin(tun::arrivals(tun).map(move |batch| match batch {
                    Ok(packets) => Input::Packets(id, packets),
                    Err(error) => Input::LinkLost(id, error),
                }))
            }
            Kind::Udp(link) => {
                let carrier = udp::Carrier::new(*link).map_err(StartError::Udp)?;
                let writer = udp::Writer::new(Rc::clone(&carrier));
                let (config, refused) = (config(carrier.capabilities()), carrier.refused());
                self.add_link(config, writer, around, refused);
                Box::pin(udp::Arrivals(carrier).map(move |brought| match brought {
                    udp::Brought::Packets(packets) => Input::Packets(id, packets),
                    udp::Brought::Room => Input::LinkReady(id),
                }))
            }
            Kind::Wire(end) => {
                let config = config(end.capabilities());
                let (transmitter, arrivals) = end.split();
                self.add_link(config, transmitter, around, Arc::default());
                Box::pin(arrivals.map(move |packets| Input::Packets(id, packets)))
            }
        });
        Ok(())
    }

    fn add_link(
        &mut self,
        mut config: LinkConfig,
        device: impl Device,
        around: Around,
        refused: Arc<AtomicU64>,
    ) {
        let Some(weather) = around.weather.clone() else {
            return self.spawn_link(config, device, around, refused);
        };
        // A bad network meets segments, not what a device would cut into them.
        config.capabilities.gso_max = 0;
        let device = Impaired::new(device, weather, Arc::clone(&refused));
        self.spawn_link(config, device, around, refused);
    }

    fn spawn_link(
        &mut self,
        config: LinkConfig,
        device: impl Device,
        Around { tap, weather }: Around,
        refused: Arc<AtomicU64>,
    ) {
        let id = config.id;
        let link = link::Link::new(config, device);
        let counters = link.counters();
        let link = match tap {
            Some(tap) => link.tapped(tap),
            None => link,
        };
        let actor = self.dataspace.spawn(link.spawn());
        let running = RunningLink { actor, counters, refused, overrun: 0, weather };
        self.links.insert(id, running);
    }

    fn link_ready(&mut self, id: LinkId) {
        // If the queue is full there is more to come, and the device is looked after again.
        let _ = self.dataspace.inject(DeviceReady { on: OnLink { link: id } });
    }

    fn packets_arrived(&mut self, id: LinkId, packets: Vec<Packet>) {
        let (on, at) = (OnLink { link: id }, instant(self.clock.now()));
        let taken = self.dataspace.inject(Arrival { on, packets, at });
        if let (Err(_), Some(link)) = (taken, self.links.get_mut(&id)) {
            link.overrun += 1;
        }
    }

    fn link_lost(&mut self, id: LinkId, error: &io::Error) {
        tracing::warn!(link = id.0, %error, "the device is gone");
        if let Some(link) = self.links.get(&id) {
            self.dataspace.stop(link.actor);
        }
    }

    fn sockets_told(&mut self, news: Vec<News>) {
        for news in news {
            let taken = match news {
                News::Datagram(datagram) => self.dataspace.inject(datagram),
                News::Error(error) => self.dataspace.inject(error),
                News::Discard(reason, count) => {
                    let why = DiscardKey { place: "sockets", reason };
                    self.dataspace.inject(Discard { why, count })
                }
            };
            if let (Err(_), Some(sockets)) = (taken, &self.sockets) {
                sockets.overrun();
            }
        }
    }

    /// Lets leave what the last run has sent by sockets; tells whether that led to news.
    pub(super) fn flush(&mut self) -> bool {
        let news = self.sockets.as_ref().map(|sockets| sockets.flush()).unwrap_or_default();
        let is_news = !news.is_empty();
        self.sockets_told(news);
        is_news
    }

    /// The UDP ends that sockets hold.
    pub(crate) fn socket_ends(&self) -> SocketEnds {
        Rc::clone(&self.socket_ends)
    }

    /// Numbers about the stack.
    pub(super) fn report(&self) -> Report {
        let links = self.links.iter().map(|(id, link)| (*id, link.report())).collect();
        Report {
            bus: self.dataspace.counters(),
            footprint: self.dataspace.footprint(),
            discards: self.discards.borrow().clone(),
            links,
            sockets: self.sockets.as_ref().map(|sockets| sockets.report()),
        }
    }
}

/// The cast, with sockets of the operating system in the place of UDP over ip.
fn enter_with_sockets(dataspace: &mut Dataspace, config: &Config, sockets: &Rc<Reactor>) -> Cast {
    let of_allocator = Rc::clone(sockets);
    let is_free =
        move |port: PortKey| port.protocol != Protocol::UDP || of_allocator.reserve(port.port);
    let (sockets, most) = (Rc::clone(sockets), config.max_bound);
    Cast::enter_with(dataspace, config, Rc::new(is_free), move || {
        Provider::spawn(Rc::clone(&sockets), most)
    })
}

impl RunningLink {
    fn report(&self) -> LinkReport {
        LinkReport {
            received: self.counters.received(),
            sent: self.counters.sent(),
            dropped: self.counters.dropped(),
            refused: self.refused.load(Ordering::Relaxed),
            overrun: self.overrun,
            impaired: self.weather.as_ref().map(|weather| weather.counters()),
        }
    }
}

/// Owns the dataspace and steps it: when something came in, and when a timer is due.
pub(super) struct Host {
    inside: Inside,
    mailbox: Arc<Mailbox>,
    /// What links receive; taken when the host starts.
    inputs: Vec<Inputs>,
    /// Touches that found the queue of the dataspace full.
    untold: VecDeque<FaceId>,
    /// When we will be woken, and by what.
    alarm: Option<(Time, SpawnHandle)>,
    /// Whether we come back at once, after others on the arbiter had their turn.
    is_behind: bool,
    closing: Option<Closing>,
    /// Dropped when the host ends, to let its thread end as well.
    _ended: Option<oneshot::Sender<()>>,
}

impl Host {
    pub(super) fn new(
        inside: Inside,
        inputs: Vec<Inputs>,
        mailbox: Arc<Mailbox>,
        ended: Option<oneshot::Sender<()>>,
    ) -> Self {
        Self {
            inside,
            mailbox,
            inputs,
            untold: VecDeque::new(),
            alarm: None,
            is_behind: false,
            closing: None,
            _ended: ended,
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Touch(face) => self.tell(face),
            Command::Call(act) => act(&mut self.inside),
            Command::ShutDown { grace, done } => {
                let closing = match &mut self.closing {
                    Some(closing) => closing,
                    None => self.closing.insert(Closing::begin(&mut self.inside)),
                };
                closing.within(grace, done, &self.inside);
            }
        }
    }

    fn tell(&mut self, face: FaceId) {
        if self.inside.dataspace.inject(Touch { of: OfFace { face } }).is_err() {
            self.untold.push_back(face);
        }
    }

    /// Works until nothing is left to do for now, or others must have their turn first.
    fn step(&mut self, ctx: &mut actix::Context<Self>) {
        let ran = self.inside.dataspace.run(self.inside.clock.now());
        let ran = if self.inside.flush() { Ran::BudgetSpent } else { ran };
        for _ in 0..self.untold.len() {
            if let Some(face) = self.untold.pop_front() {
                self.tell(face);
            }
        }
        if let Some(closing) = &mut self.closing
            && closing.is_over(&mut self.inside)
        {
            self.inside.flush();
            return ctx.stop();
        }
        match ran {
            Ran::BudgetSpent => self.come_back(ctx),
            Ran::Idle => self.set_alarm(ctx),
        }
    }

    fn come_back(&mut self, ctx: &mut actix::Context<Self>) {
        if self.is_behind {
            return;
        }
        self.is_behind = true;
        let others = wrap_future(tokio::task::yield_now());
        ctx.spawn(others.map(|(), host: &mut Self, ctx: &mut actix::Context<Self>| {
            host.is_behind = false;
            host.step(ctx);
        }));
    }

    /// Sees to it that we wake for the next timer. One that is set for earlier already stays: timers
    /// mostly move back, and to wake once for nothing is cheaper than to move along each time.
    fn set_alarm(&mut self, ctx: &mut actix::Context<Self>) {
        let timer = self.inside.dataspace.next_deadline();
        let limit = self.closing.as_ref().map(|closing| closing.limit());
        let Some(due) = timer.into_iter().chain(limit).min() else { return };
        if let Some((at, alarm)) = self.alarm {
            if at <= due {
                return;
            }
            ctx.cancel_future(alarm);
        }
        let wait = due.saturating_since(self.inside.clock.now());
        let alarm = ctx.run_later(wait, |host, ctx| {
            host.alarm = None;
            host.step(ctx);
        });
        self.alarm = Some((due, alarm));
    }
}

impl Actor for Host {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let commands = Commands(Arc::clone(&self.mailbox));
        ctx.add_stream(commands.map(Input::Commands));
        for inputs in std::mem::take(&mut self.inputs) {
            ctx.add_stream(inputs);
        }
        self.step(ctx);
    }
}

impl StreamHandler<Input> for Host {
    fn handle(&mut self, input: Input, ctx: &mut Self::Context) {
        match input {
            Input::Commands(commands) => {
                commands.into_iter().for_each(|command| self.obey(command))
            }
            Input::Packets(link, packets) => self.inside.packets_arrived(link, packets),
            Input::LinkReady(link) => self.inside.link_ready(link),
            Input::LinkLost(link, error) => self.inside.link_lost(link, &error),
            Input::Sockets(news) => self.inside.sockets_told(news),
        }
        self.step(ctx);
    }

    /// A link without arrivals is still good for what leaves.
    fn finished(&mut self, _ctx: &mut Self::Context) {}
}

impl Drop for Host {
    /// Callers that still wait are told, also when the arbiter goes away under us.
    fn drop(&mut self) {
        self.mailbox.close();
    }
}
