//! The codec of a wire: datagrams on one side, typed packets on the other. A packet that opens a connection
//! to a listener spawns a session.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Publisher, Role, Spawn, Watcher,
};
use netmart_proto::wires::{Codec as _, Kind, Wire};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::session::{Opening, WireSession};
use super::terms_or_default;
use crate::address::{Address, Direction, Flow, Local, LocalAddress, RemoteAddress, Transport};
use crate::census::Census;
use crate::clock::instant;
use crate::config::Config;
use crate::doors::{Doors, Knock};
use crate::lives::Lives;
use crate::message::{
    Discard, DiscardKey, HalfOpen, Listening, ListeningPattern, OfListenerPattern, Terms,
    TermsPattern, UdpDatagram, UdpKey, UdpPattern, WireEnd, WireEndKey, WireEndPattern, WireFault,
    WirePacket, WireReoffer,
};
use crate::terms::TermsTable;

/// Between the ends that use a wire and its sessions.
pub struct WireCodec<W: Wire> {
    kind: Kind,
    max_connections: usize,
    census: Rc<Census>,
    doors: Doors,
    terms: TermsTable,
    ends: HashMap<LocalAddress, End, foldhash::fast::FixedState>,
    sessions: Lives,
    /// Decides what sessions leave to chance.
    seeds: ChaCha8Rng,
    /// Where datagrams are written.
    arena: BytesMut,
    publishers: Option<Publishers<W>>,
}

struct Publishers<W: Wire> {
    up: Publisher<WirePacket<W>>,
    down: Publisher<UdpDatagram>,
}

/// A bound end that somebody states to be of this wire.
struct End {
    /// The sessions whose own end it is, and nothing for a listener's; the last counts.
    of: Vec<Option<Flow>>,
    #[expect(dead_code, reason = "held, so that datagrams come")]
    subscription: Handle,
}

/// Octets set aside for datagrams at a time.
const ARENA: usize = 64 * 1024;

/// Sets our random numbers apart from others that follow from the same seed.
const SEEDS: u64 = 0x7769_7265_2d63_6f64;

impl<W: Wire> WireCodec<W> {
    /// The codec of `kind`, which is the wire `W`.
    pub(crate) fn spawn(kind: Kind, config: &Config, census: Rc<Census>) -> Spawn<Self> {
        let hasher = || foldhash::fast::FixedState::with_seed(config.seed);
        let codec = Self {
            kind,
            max_connections: config.max_connections,
            census,
            doors: Doors::new(config.half_open),
            terms: TermsTable::default(),
            ends: HashMap::with_hasher(hasher()),
            sessions: Lives::new(config.seed),
            seeds: ChaCha8Rng::seed_from_u64(config.seed ^ SEEDS),
            arena: BytesMut::new(),
            publishers: None,
        };
        let packets = |direction| UdpPattern::any().direction(direction);
        Spawn::new(format!("{} codec", kind.name()), codec)
            .subscribe::<WirePacket<W>>(packets(Direction::Outbound))
            .subscribe::<WireReoffer<W>>(UdpPattern::any())
            .watch_interest::<WirePacket<W>>(Role::Subscriber, packets(Direction::Inbound))
            .watch::<WireEnd>(WireEndPattern::any().over(kind))
            .watch::<Listening>(ListeningPattern::any())
            .watch::<HalfOpen>(OfListenerPattern::any())
            .watch::<Terms>(TermsPattern::any())
    }

    fn discard(reason: &'static str, ctx: &mut Context<'_, Self>) {
        ctx.send(Discard { why: DiscardKey { place: W::PROFILE.name, reason }, count: 1 });
    }

    /// A packet for a session that exists, or for one that does not.
    fn dispatch(&mut self, packet: WirePacket<W>, ctx: &mut Context<'_, Self>) {
        if self.sessions.has(flow_of(packet.key)) {
            if let Some(Publishers { up, .. }) = &self.publishers {
                up.send(ctx, packet);
            }
        } else {
            self.open(packet, ctx);
        }
    }

    /// Spawns a session for a packet that opens a connection to a listener.
    fn open(&mut self, first: WirePacket<W>, ctx: &mut Context<'_, Self>) {
        let flow = flow_of(first.key);
        let listener = match self.doors.knock(flow.local) {
            Knock::Open(listener) => listener,
            Knock::Crowded(_) | Knock::Full => return Self::discard("backlog_full", ctx),
            Knock::Nobody => return Self::discard("nobody", ctx),
        };
        if self.census.total() >= self.max_connections {
            return Self::discard("too_many_connections", ctx);
        }
        let terms = self.terms.of(Local::Listener(listener)).and_then(|terms| terms.wire.as_ref());
        let terms = terms_or_default(terms);
        let (peer, now) = (first.peer.into(), instant(ctx.now()));
        let seed = self.seeds.next_u64();
        let Some(machine) = W::accept(&terms.config, &first.packet, peer, seed, now) else {
            return Self::discard("opens_nothing", ctx);
        };
        let (kind, via) = (self.kind, first.via);
        let opening = Opening { kind, flow, listener, via, terms: &terms, seed };
        ctx.spawn(WireSession::accept(&opening, machine, &first.packet, &self.census));
        self.sessions.spawned(flow);
    }
}

/// The session that a key means.
const fn flow_of(key: UdpKey) -> Flow {
    Flow { local: key.local, remote: key.remote }
}

/// The unspecified address of the same family.
pub(crate) const fn unspecified_like(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The end of ours that a datagram from `remote` came to, as far as that is known.
fn reached(end: LocalAddress, ip: Option<IpAddr>, remote: RemoteAddress) -> LocalAddress {
    let bound = Some(end.0.ip).filter(|ip| !ip.is_unspecified());
    let ip = ip.or(bound).unwrap_or(unspecified_like(remote.0.ip));
    LocalAddress(Address::new(ip, end.0.port))
}

impl<W: Wire> Actor for WireCodec<W> {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.publishers = Some(Publishers { up: ctx.publisher(), down: ctx.publisher() });
    }
}

impl<W: Wire> Handler<UdpDatagram> for WireCodec<W> {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        let UdpDatagram { key: UdpKey { local: end, remote, .. }, ip, payload } = message.take();
        // Only a slice of it, and kept no longer than this turn unless it is no packet.
        let packet = match W::Packet::parse(payload.clone()) {
            Ok(packet) => packet,
            Err(fault) => {
                let at = WireEndKey { over: self.kind, local: end };
                ctx.send(WireFault { at, from: remote, fault, datagram: payload });
                return Self::discard(fault.name(), ctx);
            }
        };
        let own = self.ends.get(&end).and_then(|end| end.of.iter().rev().find_map(|of| *of));
        let flow = own.unwrap_or_else(|| Flow { local: reached(end, ip, remote), remote });
        let Flow { local, remote: named } = flow;
        let key = UdpKey { direction: Direction::Inbound, local, remote: named };
        let via = (end, ip);
        self.dispatch(WirePacket { key, via, peer: remote, packet, again: false }, ctx);
    }
}

impl<W: Wire> Handler<WireReoffer<W>> for WireCodec<W> {
    fn handle(&mut self, message: Delivery<'_, WireReoffer<W>>, ctx: &mut Context<'_, Self>) {
        let WireReoffer(packet) = message.take();
        self.sessions.ended(flow_of(packet.key));
        self.open(packet, ctx);
    }
}

impl<W: Wire> Handler<WirePacket<W>> for WireCodec<W> {
    fn handle(&mut self, message: Delivery<'_, WirePacket<W>>, ctx: &mut Context<'_, Self>) {
        let most = W::PROFILE.max_datagram;
        if self.arena.capacity() - self.arena.len() < most {
            self.arena = BytesMut::with_capacity(ARENA.max(most));
        }
        message.packet.emit(&mut self.arena);
        let payload: Bytes = self.arena.split().freeze();
        let (local, ip) = message.via;
        let key = UdpKey { direction: Direction::Outbound, local, remote: message.peer };
        if let Some(Publishers { down, .. }) = &self.publishers {
            down.send(ctx, UdpDatagram { key, ip, payload });
        }
    }
}

impl<W: Wire> WireCodec<W> {
    fn end_appeared(&mut self, fact: &WireEnd, ctx: &mut Context<'_, Self>) {
        let local = fact.at.local;
        let end = self.ends.entry(local).or_insert_with(|| {
            let pattern = UdpPattern::any().direction(Direction::Inbound).local(local);
            End { of: Vec::new(), subscription: ctx.subscribe::<UdpDatagram>(pattern) }
        });
        end.of.push(fact.of);
    }

    fn end_gone(&mut self, fact: &WireEnd) {
        let Some(end) = self.ends.get_mut(&fact.at.local) else { return };
        if let Some(index) = end.of.iter().position(|of| *of == fact.of) {
            end.of.remove(index);
        }
        if end.of.is_empty() {
            self.ends.remove(&fact.at.local);
        }
    }
}

impl<W: Wire> Watcher<WireEnd> for WireCodec<W> {
    fn changed(&mut self, change: Change<WireEnd>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(ends) => ends.iter().for_each(|fact| self.end_appeared(fact, ctx)),
            Change::Appeared(fact) => self.end_appeared(&fact, ctx),
            Change::Gone(fact) => self.end_gone(&fact),
        }
    }
}

impl<W: Wire> Watcher<Interest<WirePacket<W>>> for WireCodec<W> {
    fn changed(&mut self, change: Change<Interest<WirePacket<W>>>, _ctx: &mut Context<'_, Self>) {
        self.sessions
            .apply(change, |pattern| Some(Flow { local: pattern.local?, remote: pattern.remote? }));
    }
}

impl<W: Wire> Watcher<Listening> for WireCodec<W> {
    fn changed(&mut self, change: Change<Listening>, _ctx: &mut Context<'_, Self>) {
        self.doors.listening(&change, Transport::Wire(self.kind));
    }
}

impl<W: Wire> Watcher<HalfOpen> for WireCodec<W> {
    fn changed(&mut self, change: Change<HalfOpen>, _ctx: &mut Context<'_, Self>) {
        self.doors.half_opened(&change);
    }
}

impl<W: Wire> Watcher<Terms> for WireCodec<W> {
    fn changed(&mut self, change: Change<Terms>, _ctx: &mut Context<'_, Self>) {
        self.terms.apply(change);
    }
}
