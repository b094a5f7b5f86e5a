//! Which packets are for us, and for whom of us.

use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use netmart_proto::wire::icmp::IcmpErrorKind;
use netmart_proto::wire::{
    ChecksumState, Fault, Fragment, IpHeader, IpVersion, Layer, Likeness, Packet, ParseError,
    ParsedIp, Protocol, SourceRoute, parse_ip,
};

use super::icmp::UNRECOGNIZED_OPTION;
use super::turn::Turn;
use super::{Ip, icmp_for};
use crate::message::Datagram;

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In by a link: nothing about it can be believed.
    Link,
    /// From this very stack; it never left the machine.
    Ourselves,
}

impl Ip {
    /// Reads a packet, unless it bears a header that was read just now, and hands it on.
    pub(super) fn receive(&mut self, packet: Packet, origin: Origin, turn: &mut Turn) {
        if let Some(packet) = turn.up_if_known(packet) {
            self.receive_unknown(packet, origin, turn);
        }
    }

    fn receive_unknown(&mut self, mut packet: Packet, origin: Origin, turn: &mut Turn) {
        // Once more for each datagram that this packet makes whole: those may hide fragments again.
        loop {
            let parsed = match parse_ip(&packet) {
                Ok(parsed) => parsed,
                Err(error) => return self.refuse(&packet, error, origin, turn),
            };
            if let Err(reason) = self.admit(&parsed.header, origin, turn) {
                return turn.discard(reason);
            }
            if SourceRoute::is_under_way(&parsed.header) && origin == Origin::Link {
                // A host forwards nothing (RFC 1122 section 3.3.5, RFC 7126 section 4.3).
                turn.discard("source_route_incomplete");
                let kind = IcmpErrorKind::Unreachable { code: SOURCE_ROUTE_FAILED };
                return self.report(&parsed.header, packet, kind, turn);
            }
            if parsed.header.fragment.is_none_or(Fragment::is_whole) {
                return self.hand_on(parsed, packet, origin, turn);
            }
            let piece = packet.narrow(parsed.payload);
            match self.reassembly.handle_fragment(parsed.header, piece, turn.at) {
                Ok(Some(whole)) => packet = whole,
                Ok(None) => return,
                Err(refusal) => return turn.discard(refusal.name()),
            }
        }
    }

    /// Whether the packet may come from where it says, and is for us.
    fn admit(
        &self,
        header: &IpHeader,
        origin: Origin,
        turn: &mut Turn,
    ) -> Result<(), &'static str> {
        if origin == Origin::Ourselves {
            return Ok(());
        }
        let ends = (header.src, header.dst, header.protocol);
        if turn.admitted == Some(ends) {
            return Ok(());
        }
        if self.routes.is_martian(header.src) {
            return Err("martian_source");
        }
        if header.dst.is_loopback() {
            return Err("martian_destination");
        }
        // A connection has one other end: TCP to many is dropped (RFC 9293 MUST-57).
        let is_for_us = self.routes.is_local(header.dst)
            || (header.protocol != Protocol::TCP && self.routes.is_for_all(header.dst));
        if !is_for_us {
            return Err("not_for_us");
        }
        turn.admitted = Some(ends);
        Ok(())
    }

    /// Gives a whole datagram to whoever handles its protocol.
    fn hand_on(&mut self, parsed: ParsedIp, packet: Packet, origin: Origin, turn: &mut Turn) {
        let protocol = parsed.header.protocol;
        let may_recur = protocol == Protocol::TCP && origin == Origin::Link;
        let likeness = if may_recur { Likeness::of(&packet, &parsed) } else { None };
        let ParsedIp { header, payload } = parsed;
        let is_icmp = protocol == icmp_for(&header.dst);
        let is_wanted = is_icmp || turn.continues(protocol) || self.wants(protocol);
        if !is_wanted {
            turn.discard(if protocol == Protocol::NONE {
                "no_payload"
            } else {
                "unknown_protocol"
            });
            if protocol != Protocol::NONE {
                let kind = unknown_protocol(&header, &packet, payload.start);
                self.report(&header, packet, kind, turn);
            }
            return;
        }
        let mut transport = packet.narrow(payload);
        let checksum = &mut transport.offload.checksum;
        if origin == Origin::Ourselves && *checksum == ChecksumState::Unverified {
            *checksum = ChecksumState::Verified;
        }
        if is_icmp {
            self.receive_icmp(&header, transport, turn);
        } else {
            let header = Rc::new(header);
            if may_recur {
                turn.know(likeness, &header);
            }
            turn.up(Datagram { header, transport });
        }
    }

    fn wants(&self, protocol: Protocol) -> bool {
        self.wanted.iter().any(|wanted| wanted.is_none_or(|wanted| wanted == protocol))
    }

    /// Throws a packet away whose headers cannot be read, and tells its sender where IPv6 wants it.
    fn refuse(&mut self, packet: &Packet, error: ParseError, origin: Origin, turn: &mut Turn) {
        turn.discard(error.fault.name());
        let Some(header) = addresses_v6(packet).filter(|_| error.layer == Layer::Ipv6) else {
            return;
        };
        let Some(code) = parameter_problem(error.fault, &header) else { return };
        if self.admit(&header, origin, turn).is_ok() {
            // Both are offsets within headers, of 2^16 octets at most.
            let kind = IcmpErrorKind::ParameterProblem { code, pointer: error.offset as u32 };
            self.report(&header, packet.clone(), kind, turn);
        }
    }
}

/// What to say of a protocol that nobody here speaks: protocol unreachable (RFC 1122 section 3.2.2.1), or
/// unrecognized next header (RFC 8200 section 4).
fn unknown_protocol(header: &IpHeader, packet: &Packet, payload: usize) -> IcmpErrorKind {
    match header.version() {
        IpVersion::V4 => IcmpErrorKind::Unreachable { code: PROTOCOL_UNREACHABLE },
        IpVersion::V6 => IcmpErrorKind::ParameterProblem {
            code: UNRECOGNIZED_NEXT_HEADER,
            pointer: next_header_at(&packet.head, payload) as u32,
        },
    }
}

/// Where the field stands that names what begins at `payload`, in a packet that has been parsed.
fn next_header_at(head: &[u8], payload: usize) -> usize {
    const FRAGMENT: u8 = 44;
    let octet = |at: usize| head.get(at).copied().unwrap_or(0);
    let (mut field, mut at) = (6, 40);
    while at < payload {
        let len = if octet(field) == FRAGMENT { 0 } else { usize::from(octet(at + 1)) * 8 };
        field = at;
        at += 8 + len;
    }
    field
}

/// The code that RFC 8200 wants for a fault (RFC 4443 section 3.4); none if it is silent about it.
fn parameter_problem(fault: Fault, header: &IpHeader) -> Option<u8> {
    match fault {
        Fault::BadFragment | Fault::UnsupportedRouting => Some(ERRONEOUS_FIELD),
        Fault::MisplacedExtension => Some(UNRECOGNIZED_NEXT_HEADER),
        Fault::UnknownOptionReport => Some(UNRECOGNIZED_OPTION),
        Fault::UnknownOptionReportUnicast if !header.dst.is_multicast() => {
            Some(UNRECOGNIZED_OPTION)
        }
        _ => None,
    }
}

/// The addresses of an IPv6 packet whose extension headers cannot be read.
fn addresses_v6(packet: &Packet) -> Option<IpHeader> {
    let address = |octets: &[u8]| {
        let octets: [u8; 16] = octets.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(octets)))
    };
    let (src, dst) = (packet.head.get(8..24)?, packet.head.get(24..40)?);
    Some(IpHeader::new(address(src)?, address(dst)?, Protocol::NONE))
}

/// Codes of IPv4's destination unreachable (RFC 792).
const SOURCE_ROUTE_FAILED: u8 = 5;
const PROTOCOL_UNREACHABLE: u8 = 2;

/// Codes of IPv6's parameter problem (RFC 4443 section 3.4).
const ERRONEOUS_FIELD: u8 = 0;
const UNRECOGNIZED_NEXT_HEADER: u8 = 1;
