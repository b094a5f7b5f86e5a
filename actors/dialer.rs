//! The dialer: somebody wants a remote end, and gets a port, a source address, a state vector and a relay.
//!
//! Who subscribes to what comes in from, or provides what goes out to, a certain remote end under a
//! handle wants that connection. It is dialled once for as long as somebody wants it: who wants to try
//! again uses another handle.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use netmart_bus::{
    Action, Actor, Change, Context, Delivery, Demand, DemandMatcher, DemandPolicy, Ended, Handle,
    Handler, Interest, Restart, Role, Spawn, Watcher,
};
use netmart_proto::wire::IpVersion;
use netmart_proto::wires::Kind;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::address::{
    Address, Flow, FlowPattern, HandleId, Local, LocalAddress, RemoteAddress, Transport,
};
use crate::census::Census;
use crate::channel::{feed_demand, is_users};
use crate::config::{Config, TcpConfigs};
use crate::fast_open::FastOpenCache;
use crate::message::{
    Channel, ChannelPattern, ConnectionKey, FastOpenHint, ForAsker, OfPeerPattern, PortReply,
    PortRequest, PortsOf, PortsOfPattern, Refusal, Refused, SegmentsIn, Terms, TermsPattern,
};
use crate::packets::Packets;
use crate::relay::Relay;
use crate::route::{Path, RouteTable, watch_routes, watches_routes};
use crate::secrets::Secrets;
use crate::state_vector::StateVector;
use crate::terms::TermsTable;
use crate::wires::{Dial, unspecified_like};

/// A connection that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    handle: HandleId,
    remote: RemoteAddress,
}

/// A wish for which a port was asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    wish: Wish,
    way: Way,
    /// The very port that its terms name.
    port: Option<u16>,
}

/// How the remote end of a wish is reached.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By TCP over this path.
    Path(Path),
    /// By a wire from this address of ours. Where the datagrams go is for UDP to find out.
    Wire(Kind, IpAddr),
}

impl Asked {
    /// The remote end that the port is asked for: only TCP's are told apart by it.
    fn towards(&self) -> Option<RemoteAddress> {
        match self.way {
            Way::Path(_) => Some(self.wish.remote),
            Way::Wire(..) => None,
        }
    }

    /// Whether `reply` may be the answer. One port towards a remote end is as good as another, unless a
    /// certain one was wanted.
    fn may_be_answered_by(&self, reply: &PortReply) -> bool {
        let is_wanted = |port: &u16| self.port.is_none_or(|want| want == *port);
        self.towards() == reply.remote && reply.result.as_ref().map_or(true, is_wanted)
    }
}

/// Demand matcher of outbound connections.
#[derive(Debug)]
pub struct Dialer {
    max_connections: usize,
    census: Rc<Census>,
    /// Decides what sessions over wires leave to chance.
    seeds: ChaCha8Rng,
    relay_patience: Duration,
    configs: TcpConfigs,
    secrets: Rc<Secrets>,
    routes: RouteTable,
    terms: TermsTable,
    fast_open: FastOpenCache,
    matcher: DemandMatcher<Wish>,
    /// Wishes for which a port was asked.
    asked: VecDeque<Asked>,
    /// Wishes that cannot be fulfilled, each with its [`Refused`], for as long as somebody has them.
    refused: BTreeMap<Wish, Handle>,
    /// State vectors of this stack, of whatever origin; sessions over wires are in the census.
    connections: usize,
    /// Wishes that had a relay before this dialer started: its predecessor crashed.
    inherited: BTreeSet<Wish>,
}

/// Sets our random numbers apart from others that follow from the same seed.
const SEEDS: u64 = 0x6469_616c_6c65_7221;

/// The most dials that wait for a port; further ones queue.
const START_LIMIT: usize = 256;

impl Dialer {
    /// The dialer of a stack; it shares `secrets` with the codec.
    pub(crate) fn spawn(config: &Config, secrets: Rc<Secrets>, census: Rc<Census>) -> Spawn<Self> {
        let dialer = Self {
            max_connections: config.max_connections,
            census,
            seeds: ChaCha8Rng::seed_from_u64(config.seed ^ SEEDS),
            relay_patience: config.relay_patience,
            configs: TcpConfigs::new(config.tcp.clone()),
            secrets,
            routes: RouteTable::default(),
            terms: TermsTable::default(),
            fast_open: FastOpenCache::default(),
            matcher: DemandMatcher::new(DemandPolicy {
                start_limit: START_LIMIT,
                restart: Restart::Never,
            }),
            asked: VecDeque::new(),
            refused: BTreeMap::new(),
            connections: 0,
            inherited: BTreeSet::new(),
        };
        watch_routes(Spawn::new("dialer", dialer))
            // Before the interests: terms are stated before the wish that they are for.
            .watch::<Terms>(TermsPattern::any())
            .subscribe::<FastOpenHint>(OfPeerPattern::any())
            .watch_interest::<SegmentsIn>(Role::Subscriber, FlowPattern::any())
            .watch_interest::<PortRequest>(Role::Subscriber, PortsOfPattern::any())
            // Providers first: relays are among them, and what has one must not be dialled again.
            .watch_interest::<Channel>(Role::Provider, ChannelPattern::any())
            .watch_interest::<Channel>(Role::Subscriber, ChannelPattern::any())
    }

    fn act(&mut self, ctx: &mut Context<'_, Self>) {
        while let Some(action) = self.matcher.poll(ctx.now()) {
            match action {
                Action::Start(wish) => self.start(wish, ctx),
                // The relay sees its user leave, and ends by itself.
                Action::Stop(wish) => {
                    self.refused.remove(&wish);
                    self.matcher.task_ended(wish, Ended::Well, ctx.now());
                }
                Action::GaveUp(_) | Action::WildcardDemand => {}
            }
        }
    }

    fn start(&mut self, wish: Wish, ctx: &mut Context<'_, Self>) {
        if self.inherited.remove(&wish) {
            return self.matcher.supply_appeared(wish, ctx.now());
        }
        let way = match self.way(wish) {
            Ok(way) => way,
            Err(reason) => return self.refuse(wish, reason, ctx),
        };
        let port = self.terms.of(Local::Handle(wish.handle)).and_then(|terms| terms.port);
        let asked = Asked { wish, way, port };
        if let (Way::Wire(kind, ip), Some(port)) = (way, port) {
            // Binding it shows whether it is free.
            return self.dial_wire(wish, kind, ip, port, ctx);
        }
        Self::ask(asked, ctx);
        self.asked.push_back(asked);
    }

    fn ask(asked: Asked, ctx: &mut Context<'_, Self>) {
        let of = PortsOf { protocol: asked.wish.handle.over.protocol() };
        let (asker, remote) = (ctx.id(), asked.towards());
        let ip = match asked.way {
            Way::Wire(_, ip) => Some(ip).filter(|ip| !ip.is_unspecified()),
            Way::Path(_) => None,
        };
        ctx.send(PortRequest { of, asker, want: asked.port, ip, remote });
    }

    /// Relays that are there already serve wishes that a predecessor has dialled.
    fn inherit(&mut self, change: &Change<Interest<Channel>>) {
        match change {
            Change::Snapshot(interests) => {
                self.inherited.extend(interests.iter().filter_map(served_by));
            }
            Change::Gone(interest) => {
                if let Some(wish) = served_by(interest) {
                    self.inherited.remove(&wish);
                }
            }
            Change::Appeared(_) => {}
        }
    }

    fn way(&self, wish: Wish) -> Result<Way, Refusal> {
        let Address { ip, port } = wish.remote.0;
        if port == 0 || self.routes.is_invalid_remote(ip) {
            return Err(Refusal::InvalidAddress);
        }
        if self.connections + self.census.on_wires() >= self.max_connections {
            return Err(Refusal::TooMany);
        }
        match wish.handle.over {
            Transport::Tcp => self.path(wish).map(Way::Path),
            Transport::Wire(kind) => {
                let terms = self.terms.of(Local::Handle(wish.handle));
                match terms.and_then(|terms| terms.ip) {
                    Some(source) if source.is_ipv4() != ip.is_ipv4() => {
                        Err(Refusal::InvalidAddress)
                    }
                    source => Ok(Way::Wire(kind, source.unwrap_or(unspecified_like(ip)))),
                }
            }
        }
    }

    fn path(&self, wish: Wish) -> Result<Path, Refusal> {
        let ip = wish.remote.0.ip;
        let path = self.routes.lookup(ip).ok_or(Refusal::NoRoute)?;
        match self.terms.of(Local::Handle(wish.handle)).and_then(|terms| terms.ip) {
            Some(source) if !self.routes.is_local(source) || source.is_ipv4() != ip.is_ipv4() => {
                Err(Refusal::InvalidAddress)
            }
            Some(source) => Ok(Path { source, ..path }),
            None => Ok(path),
        }
    }

    fn refuse(&mut self, wish: Wish, reason: Refusal, ctx: &mut Context<'_, Self>) {
        let local = Local::Handle(wish.handle);
        let connection = ConnectionKey { local, remote: wish.remote, ip: None };
        tracing::debug!(remote = %wish.remote, %reason, "cannot dial");
        self.refused.insert(wish, ctx.assert(Refused { connection, reason }));
        self.matcher.supply_appeared(wish, ctx.now());
    }

    fn dial_wire(
        &mut self,
        wish: Wish,
        kind: Kind,
        ip: IpAddr,
        port: u16,
        ctx: &mut Context<'_, Self>,
    ) {
        let terms = self.terms.of(Local::Handle(wish.handle));
        let dial = Dial {
            kind,
            user: Local::Handle(wish.handle),
            remote: wish.remote,
            from: LocalAddress(Address::new(ip, port)),
            any_port: terms.is_none_or(|terms| terms.port.is_none()),
            terms: terms.and_then(|terms| terms.wire.clone()),
            patience: self.relay_patience,
            seed: self.seeds.next_u64(),
            census: &self.census,
            ctx,
        };
        dial.spawn();
        self.matcher.supply_appeared(wish, ctx.now());
    }

    fn dial(&mut self, wish: Wish, path: Path, port: u16, ctx: &mut Context<'_, Self>) {
        let local = LocalAddress(Address::new(path.source, port));
        let flow = Flow { local, remote: wish.remote };
        let terms = self.terms.of(Local::Handle(wish.handle));
        let version = IpVersion::of(&wish.remote.0.ip);
        let config = self.configs.on_terms(terms, path.capabilities, version);
        let packets = Packets::on_terms(terms);
        let first = terms.and_then(|terms| terms.first.clone());
        let mut vector = StateVector::connect(flow, &config, packets, &self.secrets, ctx.now());
        if let Some(octets) = first {
            vector.write_first(octets);
        }
        if config.fast_open_client {
            vector.open_fast(self.fast_open.wish(wish.remote.0.ip));
        }
        // The relay first: the state vector must never see itself without one.
        ctx.spawn(Relay::spawn(flow, Local::Handle(wish.handle), self.relay_patience));
        ctx.spawn(vector.dial());
        self.matcher.supply_appeared(wish, ctx.now());
    }
}

/// The wish that an interest serves, if it is a relay's.
fn served_by(interest: &Interest<Channel>) -> Option<Wish> {
    match (interest.role, interest.pattern.local, interest.pattern.remote) {
        (Role::Provider, Some(Local::Handle(handle)), Some(remote)) if !is_users(interest) => {
            Some(Wish { handle, remote })
        }
        _ => None,
    }
}

/// What an interest in a channel wants of the dialer.
fn wish_of(interest: &Interest<Channel>) -> Option<Demand<Wish>> {
    match (interest.pattern.local, interest.pattern.remote) {
        _ if !is_users(interest) => None,
        (Some(Local::Handle(handle)), Some(remote)) => Some(Demand::Exact(Wish { handle, remote })),
        // A remote end without a handle, or a handle without a remote end, names nothing to dial.
        (Some(Local::Handle(_)), None) | (None, Some(_)) => Some(Demand::Wildcard),
        _ => None,
    }
}

impl Actor for Dialer {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe::<PortReply>(ForAsker { asker: ctx.id() }.exactly()).keep();
    }
}

impl Handler<PortReply> for Dialer {
    fn handle(&mut self, reply: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        let asked = self.asked.iter().position(|asked| asked.may_be_answered_by(&reply));
        let Some(asked) = asked.and_then(|index| self.asked.remove(index)) else { return };
        let Asked { wish, way, .. } = asked;
        match reply.result {
            // Nobody wants it any more: the port lapses.
            _ if !self.matcher.has_task(&wish) => {}
            Ok(port) => match way {
                Way::Path(path) => self.dial(wish, path, port, ctx),
                Way::Wire(kind, ip) => self.dial_wire(wish, kind, ip, port, ctx),
            },
            Err(error) => self.refuse(wish, error.into(), ctx),
        }
        self.act(ctx);
    }
}

impl Watcher<Interest<Channel>> for Dialer {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        self.inherit(&change);
        feed_demand(&mut self.matcher, change, wish_of);
        self.act(ctx);
    }
}

/// A new port allocator knows nothing of what its predecessor was asked.
impl Watcher<Interest<PortRequest>> for Dialer {
    fn changed(&mut self, change: Change<Interest<PortRequest>>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(_) = change {
            self.asked.iter().for_each(|asked| Self::ask(*asked, ctx));
        }
    }
}

impl Watcher<Interest<SegmentsIn>> for Dialer {
    fn changed(&mut self, change: Change<Interest<SegmentsIn>>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(interests) => self.connections = interests.len(),
            Change::Appeared(_) => self.connections += 1,
            Change::Gone(_) => self.connections -= 1,
        }
    }
}

impl Handler<FastOpenHint> for Dialer {
    fn handle(&mut self, hint: Delivery<'_, FastOpenHint>, _ctx: &mut Context<'_, Self>) {
        self.fast_open.learn(hint.of.ip, hint.news);
    }
}

impl Watcher<Terms> for Dialer {
    fn changed(&mut self, change: Change<Terms>, _ctx: &mut Context<'_, Self>) {
        self.terms.apply(change);
    }
}

watches_routes!(Dialer, routes);
