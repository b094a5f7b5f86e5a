//! UDP: datagrams to and from whoever bound an end.
//!
//! Nobody calls bind: an end is bound while somebody takes part in its datagrams, by a subscription to what
//! comes in or a provision of what goes out with the `local` end fixed. Its port is claimed from the port
//! allocator; [`Bound`] or [`BindFailed`] tells how that went, and both end with the demand.
//!
//! [`Bound`]: crate::message::Bound
//! [`BindFailed`]: crate::message::BindFailed

pub mod demand;
mod ends;

use std::net::IpAddr;

use bytes::BytesMut;
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Interest, Publisher, Spawn, TimerToken, Watcher,
};
use netmart_proto::wire::icmp::IcmpErrorKind;
use netmart_proto::wire::{ChecksumMode, EmitError, IpHeader, Packet, Protocol, udp as wire};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use self::demand::Demand;
use crate::address::{Address, Direction, LocalAddress, RemoteAddress};
use crate::config::Config;
use crate::message::{
    Datagram, DatagramsIn, DatagramsOut, IcmpErrorIn, IcmpReport, ListenError, OfProtocol,
    OutgoingDatagram, PortReply, UdpDatagram, UdpError, UdpKey,
};
use crate::route::{Path, RouteTable, watch_routes, watches_routes};

/// The actor of UDP.
pub struct Udp {
    ttl: u8,
    routes: RouteTable,
    demand: Demand<()>,
    /// Identifications for datagrams that routers may fragment.
    idents: ChaCha8Rng,
    /// Where headers are written; its pieces leave as packets.
    arena: BytesMut,
    publishers: Option<Publishers>,
}

/// The topics that datagrams travel by, resolved once.
struct Publishers {
    up: Publisher<UdpDatagram>,
    down: Publisher<DatagramsOut>,
}

const UDP: OfProtocol = OfProtocol { protocol: Protocol::UDP };

/// Octets set aside for headers at a time.
const ARENA: usize = 8 * 1024;

/// Sets our random numbers apart from others that follow from the same seed.
const IDENTS: u64 = 0x7564_702d_6964_656e;

/// Multicast stays on the link unless somebody says otherwise (RFC 1112 section 6.1).
const MULTICAST_TTL: u8 = 1;

/// Network unreachable (RFC 792), no route to destination (RFC 4443 section 3.1).
const NO_ROUTE: u8 = 0;

impl Udp {
    /// The UDP of a stack.
    pub fn spawn(config: &Config) -> Spawn<Self> {
        let udp = Self {
            ttl: config.ttl,
            routes: RouteTable::new(),
            demand: Demand::new(config.max_bound),
            idents: ChaCha8Rng::seed_from_u64(config.seed ^ IDENTS),
            arena: BytesMut::with_capacity(ARENA),
            publishers: None,
        };
        let udp = watch_routes(Spawn::new("udp", udp))
            .subscribe::<DatagramsIn>(UDP.exactly())
            .subscribe::<IcmpErrorIn>(UDP.exactly());
        demand::hears(udp)
    }

    // ------------------------------------------------------------------------------ inward

    fn receive(&mut self, datagram: Datagram, ctx: &mut Context<'_, Self>) {
        let Datagram { header, transport } = datagram;
        let read = match wire::parse(&header, transport.clone()) {
            Ok(read) => read,
            Err(error) => return demand::discard(error.fault.name(), ctx),
        };
        if read.dst_port == 0 {
            return demand::discard("port_zero", ctx);
        }
        let Some(local) = self.demand.reached_by(header.dst, read.dst_port) else {
            demand::discard("nobody", ctx);
            if self.routes.is_local(header.dst) {
                let kind = port_unreachable(&header);
                let datagram = Datagram { header, transport };
                ctx.send(IcmpReport { of: UDP, kind, datagram });
            }
            return;
        };
        let remote = RemoteAddress(Address::new(header.src, read.src_port));
        if let Some(Publishers { up, .. }) = &self.publishers {
            let key = UdpKey { direction: Direction::Inbound, local, remote };
            up.send(ctx, UdpDatagram { key, ip: Some(header.dst), payload: read.payload });
        }
    }

    // ------------------------------------------------------------------------------ outward

    /// The packet for a datagram of a bound end.
    fn emit(&mut self, datagram: UdpDatagram) -> Result<Packet, Unsent> {
        let UdpDatagram { key: UdpKey { local, remote, .. }, ip, payload } = datagram;
        if remote.0.port == 0 {
            return Err(Unsent::silently("port_zero"));
        }
        if remote.0.ip.is_unspecified() {
            return Err(Unsent::silently("invalid_remote"));
        }
        let unreachable = IcmpErrorKind::Unreachable { code: NO_ROUTE };
        let path =
            self.routes.lookup(remote.0.ip).ok_or(Unsent::because("no_route", unreachable))?;
        let source =
            self.source(local, ip, &path).ok_or(Unsent::because("no_source", unreachable))?;
        let checksum = match path.capabilities.checksum_offload {
            true => ChecksumMode::Partial,
            false => ChecksumMode::Full,
        };
        let header = self.header(source, remote);
        let datagram = wire::Datagram { src_port: local.0.port, dst_port: remote.0.port, payload };
        wire::emit(&mut self.arena, &header, datagram, checksum).map_err(|error| match error {
            EmitError::TooLong(_) => {
                Unsent::because("too_long", IcmpErrorKind::PacketTooBig { mtu: u16::MAX.into() })
            }
            _ => Unsent::silently("cannot_emit"),
        })
    }

    /// The address to send from: the one asked for, the one that is bound, or that of the path.
    fn source(&self, local: LocalAddress, ip: Option<IpAddr>, path: &Path) -> Option<IpAddr> {
        let bound = Some(local.0.ip).filter(|ip| !ip.is_unspecified());
        let source = ip.or(bound).unwrap_or(path.source);
        let is_usable = self.routes.is_local(source) && source.is_ipv4() == path.source.is_ipv4();
        is_usable.then_some(source)
    }

    /// Nobody repeats a datagram that was too large for some link, so routers may fragment it.
    fn header(&mut self, source: IpAddr, remote: RemoteAddress) -> IpHeader {
        let destination = remote.0.ip;
        let header = IpHeader::new(source, destination, Protocol::UDP);
        let ttl = if destination.is_multicast() { MULTICAST_TTL } else { self.ttl };
        if destination.is_ipv6() {
            return IpHeader { ttl, ..header };
        }
        let ident = (self.idents.next_u32() >> 16).max(1);
        IpHeader { ttl, ident, dont_fragment: false, ..header }
    }
}

/// Why a datagram is not sent, and what its user is told.
struct Unsent {
    reason: &'static str,
    error: Option<IcmpErrorKind>,
}

impl Unsent {
    const fn silently(reason: &'static str) -> Self {
        Self { reason, error: None }
    }

    const fn because(reason: &'static str, error: IcmpErrorKind) -> Self {
        Self { reason, error: Some(error) }
    }
}

/// RFC 792; RFC 4443 section 3.1.
const fn port_unreachable(header: &IpHeader) -> IcmpErrorKind {
    let code = if header.dst.is_ipv4() { 3 } else { 4 };
    IcmpErrorKind::Unreachable { code }
}

impl demand::Provider for Udp {
    type Held = ();
    const PLACE: &'static str = "udp";

    fn demand(&mut self) -> &mut Demand<()> {
        &mut self.demand
    }

    fn may_have(&self, ip: IpAddr) -> bool {
        ip.is_unspecified() || self.routes.is_local(ip)
    }

    /// There is nothing to open: what comes for an end is told apart here.
    fn open(&mut self, _local: LocalAddress) -> Result<(), ListenError> {
        Ok(())
    }

    fn send(&mut self, datagram: UdpDatagram, ctx: &mut Context<'_, Self>) {
        let key = datagram.key;
        match self.emit(datagram) {
            Ok(packet) => {
                let destination = key.remote.0.ip;
                let datagrams = vec![OutgoingDatagram { destination, packet }];
                if let Some(Publishers { down, .. }) = &self.publishers {
                    down.send(ctx, DatagramsOut { of: UDP, datagrams });
                }
            }
            Err(Unsent { reason, error }) => {
                demand::discard(reason, ctx);
                if let Some(error) = error {
                    ctx.send(UdpError {
                        key: UdpKey { direction: Direction::Inbound, ..key },
                        error,
                    });
                }
            }
        }
    }
}

impl Actor for Udp {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.publishers = Some(Publishers { up: ctx.publisher(), down: ctx.publisher() });
        demand::started(ctx);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        demand::ask_next(self, ctx);
    }
}

impl Handler<DatagramsIn> for Udp {
    fn handle(&mut self, message: Delivery<'_, DatagramsIn>, ctx: &mut Context<'_, Self>) {
        for datagram in message.take().datagrams {
            self.receive(datagram, ctx);
        }
    }
}

impl Handler<UdpDatagram> for Udp {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        demand::admit(self, message.take(), ctx);
    }
}

impl Handler<IcmpErrorIn> for Udp {
    fn handle(&mut self, message: Delivery<'_, IcmpErrorIn>, ctx: &mut Context<'_, Self>) {
        let IcmpErrorIn { local: LocalAddress(local), remote, kind: error, .. } = message.take();
        let Some(local) = self.demand.reached_by(local.ip, local.port) else {
            return demand::discard("icmp_nobody", ctx);
        };
        ctx.send(UdpError { key: UdpKey { direction: Direction::Inbound, local, remote }, error });
    }
}

impl Handler<PortReply> for Udp {
    fn handle(&mut self, message: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        demand::answered(self, &message, ctx);
    }
}

impl Watcher<Interest<UdpDatagram>> for Udp {
    fn changed(&mut self, change: Change<Interest<UdpDatagram>>, ctx: &mut Context<'_, Self>) {
        demand::changed(self, change, ctx);
    }
}

watches_routes!(Udp, routes);
