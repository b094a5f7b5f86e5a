//! ICMP: echoes, errors about what we sent, errors that we send (RFC 792, RFC 1122 section 3.2.2, RFC 4443).

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use netmart_proto::wire::icmp::{self, IcmpError, IcmpErrorKind, IcmpMessage, Quote};
use netmart_proto::wire::{IpHeader, IpVersion, Packet, Protocol, emit_ip, parse_ip};

use super::reassembly::Abandonment;
use super::turn::Turn;
use super::{Ip, icmp_for};
use crate::address::{Address, Direction, LocalAddress, RemoteAddress};
use crate::message::{Datagram, Echo, EchoKey, EchoKind, IcmpErrorIn, OfProtocol};

impl Ip {
    /// Reads an ICMP message for us.
    pub(super) fn receive_icmp(&mut self, header: &IpHeader, transport: Packet, turn: &mut Turn) {
        match icmp::parse(header, transport) {
            Ok(IcmpMessage::EchoRequest(echo)) => self.receive_request(header, echo, turn),
            Ok(IcmpMessage::EchoReply(echo)) => {
                if self.echo_listeners == 0 {
                    return turn.discard("echo_reply_unwanted");
                }
                turn.echo(told(header, EchoKind::Reply, echo));
            }
            Ok(IcmpMessage::Error(error)) => self.receive_error(error, turn),
            Ok(IcmpMessage::Unknown { .. }) => turn.discard("icmp_unknown"),
            Err(error) => turn.discard(error.fault.name()),
        }
    }

    /// Answers a ping, unless that is left to others, who are told of it either way.
    fn receive_request(&mut self, header: &IpHeader, echo: icmp::Echo, turn: &mut Turn) {
        // Answers to requests that everybody hears would be an amplifier (RFC 1122 section 3.2.2.6).
        if !self.routes.is_local(header.dst) {
            return turn.discard("echo_to_all");
        }
        let has_listeners = self.echo_listeners > 0;
        if !self.answer_echo && !has_listeners {
            return turn.discard("echo_unanswered");
        }
        if has_listeners {
            turn.echo(told(header, EchoKind::Request, echo.clone()));
        }
        if self.answer_echo {
            let mut reply = self.header(header.dst, header.src);
            reply.tos = header.tos & DSCP;
            self.send_icmp(reply, IcmpMessage::EchoReply(echo), turn);
        }
    }

    /// Sends a ping or an answer on somebody's behalf.
    pub(super) fn send_echo(&mut self, echo: Echo, turn: &mut Turn) {
        let Echo { key, ident, sequence, payload } = echo;
        let source = if key.local.is_unspecified() {
            self.routes.lookup(key.remote).map(|path| path.source)
        } else {
            Some(key.local).filter(|local| self.routes.is_local(*local))
        };
        let Some(source) = source.filter(|source| source.is_ipv4() == key.remote.is_ipv4()) else {
            return turn.discard("no_source");
        };
        let content = icmp::Echo { ident, seq: sequence, data: payload };
        let message = match key.kind {
            EchoKind::Request => IcmpMessage::EchoRequest(content),
            EchoKind::Reply => IcmpMessage::EchoReply(content),
        };
        let header = self.header(source, key.remote);
        self.send_icmp(header, message, turn);
    }

    /// Tells whoever sent the quoted datagram, if that was us.
    fn receive_error(&mut self, error: IcmpError, turn: &mut Turn) {
        let Ok(quote) = Quote::parse(&error.quote) else {
            return turn.discard("icmp_quote_unreadable");
        };
        if !self.routes.is_local(quote.ip.src) {
            return turn.discard("icmp_quote_not_ours");
        }
        if let IcmpErrorKind::PacketTooBig { mtu } = error.kind
            && quote.ip.version() == IpVersion::V6
        {
            self.path_mtus.learn(quote.ip.dst, mtu, turn.at);
        }
        match error_about(&quote, error.kind, turn) {
            Some(error) => turn.error(error),
            None => turn.discard("icmp_quote_without_ports"),
        }
    }

    /// Tells our own transport that a packet of it is larger than its path allows.
    pub(super) fn too_big(&self, packet: &Packet, mtu: u16, turn: &mut Turn) {
        turn.discard("too_big");
        let kind = IcmpErrorKind::PacketTooBig { mtu: mtu.into() };
        if let Some(error) =
            Quote::parse(&packet.head).ok().and_then(|q| error_about(&q, kind, turn))
        {
            turn.error(error);
        }
    }

    /// Tells the senders of datagrams that did not become whole in time (RFC 792, RFC 4443 section 3.3).
    pub(super) fn report_abandoned(&mut self, turn: &mut Turn) {
        while let Some(abandoned) = self.reassembly.poll_abandoned() {
            turn.discard_many(abandoned.reason.name(), abandoned.fragments);
            let timed_out = abandoned.reason == Abandonment::TimedOut;
            if let Some(first) = abandoned.first.filter(|_| timed_out)
                && let Ok(parsed) = parse_ip(&first)
            {
                let kind = IcmpErrorKind::TimeExceeded { code: REASSEMBLY_TIME_EXCEEDED };
                self.report(&parsed.header, first, kind, turn);
            }
        }
    }

    /// Tells the sender of a datagram what is wrong with it.
    pub(super) fn report_datagram(
        &mut self,
        kind: IcmpErrorKind,
        datagram: Datagram,
        turn: &mut Turn,
    ) {
        let Datagram { header, transport } = datagram;
        let mut head = BytesMut::with_capacity(header.emitted_len() + transport.head.len());
        if emit_ip(&mut head, &header, transport.len()).is_ok() {
            head.extend_from_slice(&transport.head);
            let packet = Packet { head: head.freeze(), body: transport.body, ..Packet::default() };
            self.report(&header, packet, kind, turn);
        }
    }

    /// Sends an error about `packet`, whose header is `header`, if the rules allow it.
    pub(super) fn report(
        &mut self,
        header: &IpHeader,
        packet: Packet,
        kind: IcmpErrorKind,
        turn: &mut Turn,
    ) {
        if !self.may_report(header, kind) {
            return;
        }
        let Some(source) = self.error_source(header) else { return };
        if !self.errors_allowed.take(turn.at) {
            return turn.discard("icmp_error_rate");
        }
        let quote = quoted(header.version(), packet);
        let message = IcmpMessage::Error(IcmpError { kind, quote });
        let header = self.header(source, header.src);
        self.send_icmp(header, message, turn);
    }

    /// RFC 1122 section 3.2.2 and RFC 4443 section 2.4 (e): never about ICMP (of which errors are the part
    /// that matters), about what went to many or came from nobody in particular, or about a
    /// later fragment. IPv6 allows multicast destinations for unrecognized options.
    fn may_report(&self, header: &IpHeader, kind: IcmpErrorKind) -> bool {
        let option_problem =
            matches!(kind, IcmpErrorKind::ParameterProblem { code: UNRECOGNIZED_OPTION, .. });
        let is_v6 = header.version() == IpVersion::V6;
        !self.routes.is_invalid_remote(header.src)
            && (self.routes.is_local(header.dst) || (is_v6 && option_problem))
            && !matches!(header.protocol, Protocol::ICMP | Protocol::ICMPV6)
            && header.fragment.is_none_or(|fragment| fragment.offset == 0)
    }

    /// The address the datagram was sent to, if it is ours alone; else the best one for its sender.
    fn error_source(&self, header: &IpHeader) -> Option<IpAddr> {
        if self.routes.is_local(header.dst) {
            return Some(header.dst);
        }
        self.routes.lookup(header.src).map(|path| path.source)
    }

    fn send_icmp(&mut self, header: IpHeader, message: IcmpMessage, turn: &mut Turn) {
        match icmp::emit(&mut self.arena, &header, message) {
            Ok(packet) => self.send(header.protocol, header.dst, packet, turn),
            Err(_) => turn.discard("icmp_too_long"),
        }
    }

    /// The header of an ICMP message of ours. Routers may fragment it: nobody would repeat it.
    fn header(&mut self, src: IpAddr, dst: IpAddr) -> IpHeader {
        let header = IpHeader { ttl: self.ttl, ..IpHeader::new(src, dst, icmp_for(&dst)) };
        match header.version() {
            IpVersion::V4 => {
                let ident = self.fresh_ident(IpVersion::V4);
                IpHeader { ident, dont_fragment: false, ..header }
            }
            IpVersion::V6 => header,
        }
    }
}

/// An echo that came in, as a message.
fn told(header: &IpHeader, kind: EchoKind, echo: icmp::Echo) -> Echo {
    let (local, remote) = (header.dst, header.src);
    Echo {
        key: EchoKey { direction: Direction::Inbound, kind, local, remote },
        ident: echo.ident,
        sequence: echo.seq,
        payload: echo.data,
    }
}

/// An error about a datagram of ours, as a message; none if it quotes no ports.
fn error_about(quote: &Quote, kind: IcmpErrorKind, turn: &Turn) -> Option<IcmpErrorIn> {
    let (local, remote) = quote.ports?;
    Some(IcmpErrorIn {
        of: OfProtocol { protocol: quote.ip.protocol },
        local: LocalAddress(Address::new(quote.ip.src, local)),
        remote: RemoteAddress(Address::new(quote.ip.dst, remote)),
        kind,
        seq: quote.seq,
        at: turn.at,
    })
}

/// As much of a packet as an error brings back: the whole error has at most 576 octets in IPv4 (RFC 1812
/// section 4.3.2.3) and the minimum MTU of 1280 in IPv6 (RFC 4443 section 2.4 (c)).
fn quoted(version: IpVersion, packet: Packet) -> Bytes {
    let limit = match version {
        IpVersion::V4 => 576 - 20 - 8,
        IpVersion::V6 => 1280 - 40 - 8,
    };
    packet.narrow(0..limit).into_bytes()
}

/// The upper six bits of what was the type of service.
const DSCP: u8 = !0b11;

/// Fragment reassembly time exceeded (RFC 792, RFC 4443 section 3.3).
const REASSEMBLY_TIME_EXCEEDED: u8 = 1;

/// A code of IPv6's parameter problem: unrecognized option (RFC 4443 section 3.4).
pub(super) const UNRECOGNIZED_OPTION: u8 = 2;
