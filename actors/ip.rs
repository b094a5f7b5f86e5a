//! The network layer: what is for us goes up, what is not ours to deliver goes out by its route.
//!
//! A host, not a router: nothing is forwarded. Incoming packets are read once, checked for where they
//! come from and go to, put together if they are fragments ([`reassembly`]), and handed on in batches
//! that keep their order. ICMP is answered and told here (`icmp`), outgoing datagrams are routed and, if
//! they may be, fragmented (`send`). Whatever is thrown away is told as a [`Discard`].

mod fragment;
mod icmp;
mod limiter;
mod path_mtu;
pub mod reassembly;
mod receive;
mod send;
mod turn;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BytesMut;
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Interest, Publisher, Role, Spawn, Timer, TimerToken,
    Watcher,
};
use netmart_proto::Instant;
use netmart_proto::wire::Protocol;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use self::limiter::TokenBucket;
use self::path_mtu::PathMtus;
use self::reassembly::{Limits, Reassembly};
use self::receive::Origin;
use self::turn::{Said, Turn};
use crate::address::{Direction, FlowPattern};
use crate::clock::{instant, time};
use crate::config::Config;
use crate::message::{
    DatagramsIn, DatagramsOut, Discard, DiscardKey, Echo, EchoPattern, IcmpReport,
    InterfaceAddress, LinkId, OfProtocolPattern, OnLink, OnLinkPattern, OwnAddress, PacketsIn,
    PacketsOut, PathDoubted,
};
use crate::route::{RouteTable, watch_routes, watches_routes};

/// The actor of the network layer.
pub struct Ip {
    ttl: u8,
    answer_echo: bool,
    routes: RouteTable,
    reassembly: Reassembly,
    /// Runs while a datagram is incomplete, and until when.
    reassembly_timer: Option<(Instant, Timer)>,
    /// Who wants which protocol: the patterns of all subscriptions, an open one as `None`.
    wanted: Vec<Option<Protocol>>,
    /// How many patterns want to hear of echoes.
    echo_listeners: usize,
    errors_allowed: TokenBucket,
    path_mtus: PathMtus,
    /// Identifications of fragmented datagrams, unpredictable (RFC 7739 section 5.3).
    idents: ChaCha8Rng,
    /// Where headers are written; its pieces leave as packets.
    arena: BytesMut,
    publishers: Option<Publishers>,
}

/// The topics that packets travel by, resolved once.
struct Publishers {
    up: Publisher<DatagramsIn>,
    down: Publisher<PacketsOut>,
}

/// Octets set aside for headers at a time.
const ARENA: usize = 32 * 1024;

/// The one timer: the oldest incomplete datagram has waited long enough.
const REASSEMBLY: TimerToken = TimerToken(0);

impl Ip {
    /// The network layer of a stack. It states the loopback addresses.
    pub fn spawn(config: &Config) -> Spawn<Self> {
        let ip = Self {
            ttl: config.ttl,
            answer_echo: config.answer_echo,
            routes: RouteTable::new(),
            reassembly: Reassembly::new(Limits::default()),
            reassembly_timer: None,
            wanted: Vec::new(),
            echo_listeners: 0,
            errors_allowed: TokenBucket::new(ERRORS_PER_SECOND, ERRORS_AT_ONCE),
            path_mtus: PathMtus::default(),
            idents: ChaCha8Rng::seed_from_u64(config.seed ^ IDENTS),
            arena: BytesMut::with_capacity(ARENA),
            publishers: None,
        };
        let inbound = EchoPattern::any().direction(Direction::Inbound);
        let outbound = EchoPattern::any().direction(Direction::Outbound);
        let spawn = Spawn::new("ip", ip)
            .subscribe::<PacketsIn>(OnLinkPattern::any())
            .subscribe::<DatagramsOut>(OfProtocolPattern::any())
            .subscribe::<IcmpReport>(OfProtocolPattern::any())
            .subscribe::<PathDoubted>(FlowPattern::any())
            .subscribe::<Echo>(outbound)
            .watch_interest::<DatagramsIn>(Role::Subscriber, OfProtocolPattern::any())
            .watch_interest::<Echo>(Role::Subscriber, inbound);
        watch_routes(LOOPBACK_ADDRESSES.into_iter().fold(spawn, |spawn, (ip, prefix_len)| {
            let own = OwnAddress { link: LinkId::LOOPBACK, ip };
            spawn.assert(InterfaceAddress { own, prefix_len })
        }))
    }

    fn turn(batch: usize, ctx: &Context<'_, Self>) -> Turn {
        Turn::new(instant(ctx.now()), batch)
    }

    /// Delivers what the stack has sent to itself, and says all that the turn has to say.
    fn finish(&mut self, mut turn: Turn, ctx: &mut Context<'_, Self>) {
        loop {
            self.report_abandoned(&mut turn);
            let Some(packet) = turn.next_looped() else { break };
            self.receive(packet, Origin::Ourselves, &mut turn);
        }
        self.say(turn, ctx);
        self.arm_reassembly(ctx);
    }

    fn say(&self, turn: Turn, ctx: &mut Context<'_, Self>) {
        let Some(Publishers { up, down }) = &self.publishers else { return };
        let at = turn.at;
        let (said, discards) = turn.into_parts();
        for said in said {
            match said {
                Said::Up(of, datagrams) => up.send(ctx, DatagramsIn { of, datagrams, at }),
                Said::Down(link, packets) => {
                    down.send(ctx, PacketsOut { on: OnLink { link }, packets })
                }
                Said::Echo(echo) => ctx.send(*echo),
                Said::Error(error) => ctx.send(*error),
            };
        }
        for (reason, count) in discards {
            ctx.send(Discard { why: DiscardKey { place: "ip", reason }, count });
        }
    }

    fn arm_reassembly(&mut self, ctx: &mut Context<'_, Self>) {
        let deadline = self.reassembly.next_deadline();
        if self.reassembly_timer.as_ref().map(|(set, _)| *set) != deadline {
            self.reassembly_timer = deadline.map(|at| (at, ctx.set_timer(time(at), REASSEMBLY)));
        }
    }
}

/// What every host answers to (RFC 1122 section 3.2.1.3 (g), RFC 4291 section 2.5.3).
const LOOPBACK_ADDRESSES: [(IpAddr, u8); 2] =
    [(IpAddr::V4(Ipv4Addr::LOCALHOST), 8), (IpAddr::V6(Ipv6Addr::LOCALHOST), 128)];

/// ICMP errors that we send: so many in a second, so many at once (RFC 4443 section 2.4 (f)).
const ERRORS_PER_SECOND: u64 = 1000;
const ERRORS_AT_ONCE: u64 = 50;

/// Sets our random numbers apart from others that follow from the same seed.
const IDENTS: u64 = 0x6970_2d69_6465_6e74;

impl Actor for Ip {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.publishers = Some(Publishers { up: ctx.publisher(), down: ctx.publisher() });
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.reassembly.handle_deadline(instant(ctx.now()));
        self.finish(Self::turn(1, ctx), ctx);
    }
}

impl Handler<PacketsIn> for Ip {
    fn handle(&mut self, message: Delivery<'_, PacketsIn>, ctx: &mut Context<'_, Self>) {
        let PacketsIn { packets, at, .. } = message.take();
        let mut turn = Turn::new(at, packets.len());
        for packet in packets {
            self.receive(packet, Origin::Link, &mut turn);
        }
        self.finish(turn, ctx);
    }
}

impl Handler<DatagramsOut> for Ip {
    fn handle(&mut self, message: Delivery<'_, DatagramsOut>, ctx: &mut Context<'_, Self>) {
        let DatagramsOut { of, datagrams } = message.take();
        let mut turn = Self::turn(datagrams.len(), ctx);
        for datagram in datagrams {
            self.send(of.protocol, datagram.destination, datagram.packet, &mut turn);
        }
        self.finish(turn, ctx);
    }
}

impl Handler<Echo> for Ip {
    fn handle(&mut self, message: Delivery<'_, Echo>, ctx: &mut Context<'_, Self>) {
        let mut turn = Self::turn(1, ctx);
        self.send_echo(message.take(), &mut turn);
        self.finish(turn, ctx);
    }
}

impl Handler<IcmpReport> for Ip {
    fn handle(&mut self, message: Delivery<'_, IcmpReport>, ctx: &mut Context<'_, Self>) {
        let IcmpReport { kind, datagram, .. } = message.take();
        let mut turn = Self::turn(1, ctx);
        self.report_datagram(kind, datagram, &mut turn);
        self.finish(turn, ctx);
    }
}

/// What was learnt of a path that may be broken is forgotten: its next packets tell anew (RFC 1122
/// section 3.3.1.4, RFC 4821 section 7.7).
impl Handler<PathDoubted> for Ip {
    fn handle(&mut self, message: Delivery<'_, PathDoubted>, _ctx: &mut Context<'_, Self>) {
        self.path_mtus.forget(&message.flow.remote.0.ip);
    }
}

impl Watcher<Interest<DatagramsIn>> for Ip {
    fn changed(&mut self, change: Change<Interest<DatagramsIn>>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(all) => {
                self.wanted.extend(all.iter().map(|interest| interest.pattern.protocol));
            }
            Change::Appeared(interest) => self.wanted.push(interest.pattern.protocol),
            Change::Gone(Interest { pattern, .. }) => {
                self.wanted.retain(|wanted| *wanted != pattern.protocol);
            }
        }
    }
}

impl Watcher<Interest<Echo>> for Ip {
    fn changed(&mut self, change: Change<Interest<Echo>>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(all) => self.echo_listeners += all.len(),
            Change::Appeared(_) => self.echo_listeners += 1,
            Change::Gone(_) => self.echo_listeners -= 1,
        }
    }
}

watches_routes!(Ip, routes);

/// The ICMP of the version that `ip` is of.
const fn icmp_for(ip: &IpAddr) -> Protocol {
    match ip {
        IpAddr::V4(_) => Protocol::ICMP,
        IpAddr::V6(_) => Protocol::ICMPV6,
    }
}
