//! The codec: datagrams on one side, typed segments on the other.
//!
//! It is also where a connection begins: a SYN for a listener spawns a state vector together with that
//! SYN, and a segment that belongs to nobody is answered statelessly.

mod batch;
mod opening;

use core::num::NonZeroU8;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::BytesMut;
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Interest, Publisher, Role, Spawn, Watcher,
};
use netmart_proto::Instant;
use netmart_proto::tcp;
use netmart_proto::wire::icmp::IcmpErrorKind;
use netmart_proto::wire::tcp::PortedSegment;
use netmart_proto::wire::{
    ChecksumMode, Dscp, IpHeader, IpVersion, Protocol, SourceRoute, tcp as wire,
};
use smallvec::SmallVec;

use self::batch::{Batch, Group};
use self::opening::{Entry, opens};
use crate::address::{Flow, FlowPattern, Transport};
use crate::census::Census;
use crate::config::{Config, SynCookies, TcpConfigs};
use crate::doors::Doors;
use crate::lives::Lives;
use crate::message::{
    Arrivals, DatagramsIn, DatagramsOut, Discard, DiscardKey, HalfOpen, IcmpErrorIn, Listening,
    ListeningPattern, OfListenerPattern, OfProtocol, OutgoingDatagram, PacketTerms, Reoffer,
    SegmentsIn, SegmentsOut, Terms, TermsPattern,
};
use crate::route::{RouteTable, watch_routes, watches_routes};
use crate::secrets::Secrets;
use crate::terms::TermsTable;

/// Between ip and the state vectors.
pub struct Codec {
    ttl: u8,
    dscp: Dscp,
    accept_source_routes: bool,
    max_connections: usize,
    census: Rc<Census>,
    configs: TcpConfigs,
    cookies: SynCookies,
    fast_open_pending: usize,
    secrets: Rc<Secrets>,
    routes: RouteTable,
    terms: TermsTable,
    doors: Doors,
    flows: Lives,
    /// Where headers are written; its pieces leave as packets.
    arena: BytesMut,
    segments_in: Option<Publisher<SegmentsIn>>,
    datagrams_out: Option<Publisher<DatagramsOut>>,
}

/// Octets set aside for headers at a time: some hundreds of packets.
const ARENA: usize = 32 * 1024;

/// Octets that the headers of one packet take at most.
const HEADERS: usize = 40 + 60;

const TCP: OfProtocol = OfProtocol { protocol: Protocol::TCP };

impl Codec {
    /// The codec of a stack; it shares `secrets` with the dialer.
    pub(crate) fn spawn(config: &Config, secrets: Rc<Secrets>, census: Rc<Census>) -> Spawn<Self> {
        let codec = Self {
            ttl: config.ttl,
            dscp: config.dscp,
            accept_source_routes: config.accept_source_routes,
            max_connections: config.max_connections,
            census,
            configs: TcpConfigs::new(config.tcp.clone()),
            cookies: config.syn_cookies,
            fast_open_pending: config.fast_open_pending,
            secrets,
            routes: RouteTable::default(),
            terms: TermsTable::default(),
            doors: Doors::new(config.half_open),
            flows: Lives::new(config.seed),
            arena: BytesMut::new(),
            segments_in: None,
            datagrams_out: None,
        };
        watch_routes(Spawn::new("codec", codec))
            .subscribe::<DatagramsIn>(TCP.exactly())
            .subscribe::<IcmpErrorIn>(TCP.exactly())
            .subscribe::<SegmentsOut>(FlowPattern::any())
            .subscribe::<Reoffer>(FlowPattern::any())
            .watch_interest::<SegmentsIn>(Role::Subscriber, FlowPattern::any())
            .watch::<Listening>(ListeningPattern::any())
            .watch::<HalfOpen>(OfListenerPattern::any())
            .watch::<Terms>(TermsPattern::any())
    }

    fn discard(reason: &'static str, ctx: &mut Context<'_, Self>) {
        ctx.send(Discard { why: DiscardKey { place: "codec", reason }, count: 1 });
    }

    // ------------------------------------------------------------------------------ inward

    /// Hands the segments to their state vector, to a new one, or to nobody.
    fn dispatch(
        &mut self,
        (flow, segments): Group,
        back: Option<Rc<SourceRoute>>,
        at: Instant,
        ctx: &mut Context<'_, Self>,
    ) {
        if self.flows.has(flow) {
            if let Some(segments_in) = &self.segments_in {
                let arrivals = match back {
                    Some(back) => Arrivals::Routed(back, segments),
                    None => Arrivals::Segments(segments),
                };
                segments_in.send(ctx, SegmentsIn { flow, arrivals, at });
            }
            return;
        }
        let Some(first) = segments.first() else { return };
        if opens(first) {
            match self.knock(flow) {
                Entry::Spawn(listener) => {
                    return self.open((flow, segments), back, listener, at, ctx);
                }
                Entry::Cookie(listener) => {
                    return self.answer_with_cookie((flow, first), back, listener, at, ctx);
                }
                Entry::Drop(reason) => return Self::discard(reason, ctx),
                Entry::Refuse => {}
            }
        }
        let Some(segments) = self.redeem((flow, segments), back, at, ctx) else { return };
        Self::discard("nobody", ctx);
        let once = |segment| tcp::Transmit { segment, gso_size: None, retransmission: None };
        let replies = segments.iter().filter_map(tcp::reset_for).map(once).collect();
        self.encode(flow, replies, None, ctx);
    }

    // ----------------------------------------------------------------------------- outward

    /// The header of a connection's packets.
    fn header(&self, flow: Flow, packets: Option<&PacketTerms>) -> IpHeader {
        let (src, dst) = (flow.local.0.ip, flow.remote.0.ip);
        let mut header = IpHeader::new(src, dst, Protocol::TCP);
        let ttl = packets.and_then(|packets| packets.ttl);
        header.ttl = ttl.map_or(self.ttl, NonZeroU8::get);
        let dscp = packets.and_then(|packets| packets.dscp);
        header.tos = dscp.unwrap_or(self.dscp).applied_to(header.tos);
        if let (Some(route), IpAddr::V4(dst)) =
            (packets.and_then(|packets| packets.source_route.as_ref()), dst)
        {
            header.options = route.options_to(dst);
        }
        header
    }

    fn encode(
        &mut self,
        flow: Flow,
        transmits: SmallVec<[tcp::Transmit; 1]>,
        packets: Option<&PacketTerms>,
        ctx: &mut Context<'_, Self>,
    ) {
        let header = self.header(flow, packets);
        let source_route = packets
            .and_then(|packets| packets.source_route.as_ref())
            .filter(|_| flow.remote.0.ip.is_ipv4());
        let destination = source_route.map_or(flow.remote.0.ip, |route| route.first_hop().into());
        let Some(path) = self.routes.lookup(destination) else {
            return Self::discard("no_route", ctx);
        };
        let checksum = if path.capabilities.checksum_offload {
            ChecksumMode::Partial
        } else {
            ChecksumMode::Full
        };
        let mut datagrams = Vec::with_capacity(transmits.len());
        for tcp::Transmit { segment, gso_size, .. } in transmits {
            if self.arena.capacity() - self.arena.len() < HEADERS {
                self.arena = BytesMut::with_capacity(ARENA);
            }
            let ported = PortedSegment {
                src_port: flow.local.0.port,
                dst_port: flow.remote.0.port,
                segment,
            };
            // Who cuts a super-segment completes the checksums of its pieces.
            let checksum = if gso_size.is_some() { ChecksumMode::Partial } else { checksum };
            match wire::emit(&mut self.arena, &header, ported, gso_size, checksum) {
                Ok(packet) => {
                    let packet = match source_route {
                        Some(route) => route.divert(packet),
                        None => packet,
                    };
                    datagrams.push(OutgoingDatagram { destination, packet });
                }
                Err(_) => Self::discard("not_representable", ctx),
            }
        }
        if let (false, Some(out)) = (datagrams.is_empty(), &self.datagrams_out) {
            out.send(ctx, DatagramsOut { of: TCP, datagrams });
        }
    }
}

/// What an ICMP error means for a TCP connection (RFC 9293 section 3.9.2.2).
fn icmp_kind(kind: IcmpErrorKind, version: IpVersion) -> tcp::IcmpKind {
    match (kind, version) {
        (IcmpErrorKind::Unreachable { code: 2 | 3 }, IpVersion::V4)
        | (IcmpErrorKind::Unreachable { code: 4 }, IpVersion::V6) => tcp::IcmpKind::PortUnreachable,
        (IcmpErrorKind::ParameterProblem { code: 1, .. }, IpVersion::V6) => {
            tcp::IcmpKind::NextHeaderUnknown
        }
        (IcmpErrorKind::Unreachable { code: 9 | 10 | 13 }, IpVersion::V4)
        | (IcmpErrorKind::Unreachable { code: 1 | 5 | 6 }, IpVersion::V6) => {
            tcp::IcmpKind::Prohibited
        }
        (IcmpErrorKind::Unreachable { .. }, _) => tcp::IcmpKind::HostUnreachable,
        (IcmpErrorKind::PacketTooBig { mtu }, version) => {
            let headers = if version == IpVersion::V4 { 40 } else { 60 };
            let mss = u16::try_from(mtu.saturating_sub(headers)).unwrap_or(u16::MAX);
            tcp::IcmpKind::PacketTooBig { mss }
        }
        (IcmpErrorKind::TimeExceeded { .. }, _) => tcp::IcmpKind::TimeExceeded,
        (IcmpErrorKind::ParameterProblem { .. }, _) => tcp::IcmpKind::ParameterProblem,
        (IcmpErrorKind::SourceQuench, _) => tcp::IcmpKind::SourceQuench,
    }
}

impl Actor for Codec {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.segments_in = Some(ctx.publisher());
        self.datagrams_out = Some(ctx.publisher());
    }
}

impl Handler<DatagramsIn> for Codec {
    fn handle(&mut self, message: Delivery<'_, DatagramsIn>, ctx: &mut Context<'_, Self>) {
        let DatagramsIn { datagrams, at, .. } = message.take();
        let mut batch = Batch::of(datagrams.len(), self.accept_source_routes);
        for datagram in datagrams {
            if let Err(reason) = batch.decode(datagram) {
                Self::discard(reason, ctx);
            }
        }
        let routes = batch.take_routes();
        for group in batch.into_groups() {
            let back =
                routes.iter().rfind(|(flow, _)| *flow == group.0).map(|(_, back)| Rc::clone(back));
            self.dispatch(group, back, at, ctx);
        }
    }
}

impl Handler<SegmentsOut> for Codec {
    fn handle(&mut self, message: Delivery<'_, SegmentsOut>, ctx: &mut Context<'_, Self>) {
        let SegmentsOut { flow, segments, packets } = message.take();
        self.encode(flow, segments, packets.as_deref(), ctx);
    }
}

impl Handler<Reoffer> for Codec {
    fn handle(&mut self, message: Delivery<'_, Reoffer>, ctx: &mut Context<'_, Self>) {
        let Reoffer { flow, segments, at } = message.take();
        self.flows.ended(flow);
        self.dispatch((flow, segments), None, at, ctx);
    }
}

impl Handler<IcmpErrorIn> for Codec {
    fn handle(&mut self, message: Delivery<'_, IcmpErrorIn>, ctx: &mut Context<'_, Self>) {
        let IcmpErrorIn { local, remote, kind, seq, at, .. } = message.take();
        let flow = Flow { local, remote };
        let (Some(seq), true, Some(segments_in)) = (seq, self.flows.has(flow), &self.segments_in)
        else {
            return Self::discard("icmp_for_nobody", ctx);
        };
        let kind = icmp_kind(kind, IpVersion::of(&remote.0.ip));
        let arrivals = Arrivals::Icmp(tcp::IcmpError { kind, seq });
        segments_in.send(ctx, SegmentsIn { flow, arrivals, at });
    }
}

impl Watcher<Interest<SegmentsIn>> for Codec {
    fn changed(&mut self, change: Change<Interest<SegmentsIn>>, _ctx: &mut Context<'_, Self>) {
        self.flows
            .apply(change, |pattern| Some(Flow { local: pattern.local?, remote: pattern.remote? }));
        self.census.tcp_has(self.flows.len());
    }
}

impl Watcher<Listening> for Codec {
    fn changed(&mut self, change: Change<Listening>, _ctx: &mut Context<'_, Self>) {
        self.doors.listening(&change, Transport::Tcp);
    }
}

impl Watcher<HalfOpen> for Codec {
    fn changed(&mut self, change: Change<HalfOpen>, _ctx: &mut Context<'_, Self>) {
        self.doors.half_opened(&change);
    }
}

impl Watcher<Terms> for Codec {
    fn changed(&mut self, change: Change<Terms>, _ctx: &mut Context<'_, Self>) {
        self.terms.apply(change);
    }
}

watches_routes!(Codec, routes);

#[cfg(test)]
mod tests {
    use super::*;
    use IpVersion::{V4, V6};
    use tcp::IcmpKind;

    /// RFC 9293 section 3.9.2.2, and for what it leaves open RFC 5461 section 2.
    #[test]
    fn errors_are_soft_or_hard_as_rfc_9293_sorts_them_must_54_must_56() {
        let unreachable = |code| IcmpErrorKind::Unreachable { code };
        let exceeded = |code| IcmpErrorKind::TimeExceeded { code };
        let problem = |code| IcmpErrorKind::ParameterProblem { code, pointer: 0 };
        let too_big = |mtu| IcmpErrorKind::PacketTooBig { mtu };
        let soft = IcmpKind::HostUnreachable;
        let hard = IcmpKind::PortUnreachable;
        let cases = [
            (V4, unreachable(0), soft),
            (V4, unreachable(1), soft),
            (V4, unreachable(5), soft),
            (V4, exceeded(0), IcmpKind::TimeExceeded),
            (V4, exceeded(1), IcmpKind::TimeExceeded),
            (V4, problem(0), IcmpKind::ParameterProblem),
            (V6, unreachable(0), soft),
            (V6, unreachable(3), soft),
            (V6, exceeded(0), IcmpKind::TimeExceeded),
            (V6, exceeded(1), IcmpKind::TimeExceeded),
            (V6, problem(0), IcmpKind::ParameterProblem),
            (V6, problem(1), IcmpKind::NextHeaderUnknown),
            (V6, problem(2), IcmpKind::ParameterProblem),
            (V4, unreachable(2), hard),
            (V4, unreachable(3), hard),
            (V6, unreachable(4), hard),
            (V4, unreachable(9), IcmpKind::Prohibited),
            (V4, unreachable(10), IcmpKind::Prohibited),
            (V4, unreachable(13), IcmpKind::Prohibited),
            (V6, unreachable(1), IcmpKind::Prohibited),
            (V4, too_big(1400), IcmpKind::PacketTooBig { mss: 1360 }),
            (V6, too_big(1400), IcmpKind::PacketTooBig { mss: 1340 }),
            (V4, too_big(0), IcmpKind::PacketTooBig { mss: 0 }),
            (V4, IcmpErrorKind::SourceQuench, IcmpKind::SourceQuench),
        ];
        for (version, kind, expected) in cases {
            assert_eq!(icmp_kind(kind, version), expected, "{version:?} {kind:?}");
        }
    }
}
