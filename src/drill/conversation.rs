//! The numbers of a script and those of the wire.
//!
//! A script counts sequence numbers from the initial ones of either side, except in segments with SYN, where
//! it has them as it wishes; it writes timestamps as if the first
//! were 100, and assumes the receive buffer of the kernel that it was written for. A conversation knows what
//! the two sides really chose, and translates both ways.

use std::net::SocketAddr;

use netmart_proto::wire::tcp::Flags;

use super::ast::{
    Ack, Direction, Extent, FlagPattern, IcmpKind, IcmpPacket, IpInfo, Number, Packet, PacketBody,
    Quoted, TcpOption, TcpOptions, TcpPacket, UdpPacket,
};
use super::seen::{Seen, SeenBody, SeenSegment};

/// How near to the assumed edge of the window a sequence number must be to be meant as being at that edge.
const EDGE_REACH: u32 = 4;

/// The window that scripts assume unless their socket's buffer says otherwise: the largest without scaling.
const USUAL_WINDOW: u32 = 65_535;

/// What FreeBSD calls a buffer of the default size; the window it offers of it is [`USUAL_WINDOW`].
const DEFAULT_BUFFER: u32 = 65_536;

/// Both ends of a connection, or what a script takes for one.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The stack's end.
    pub local: SocketAddr,
    /// The end that the script plays.
    pub remote: SocketAddr,
    /// The stack's initial sequence number, once its SYN was seen.
    local_isn: Option<u32>,
    /// The number that the script's outbound SYN has.
    scripted_isn: u32,
    /// The initial sequence number of the script's SYN.
    remote_isn: Option<u32>,
    /// Timestamps of the stack, as the script and as the wire has them.
    clock: Vec<(u32, u32)>,
    /// Windows that the script may assume, in octets.
    windows: Vec<u32>,
    /// From this relative number on, those of the wire are so much larger than those of the script.
    shift: Option<(u32, u32)>,
    /// The last acknowledgement number on the wire.
    acknowledged: Option<u32>,
    /// The largest right edge of the window that was offered, on the wire.
    offered_edge: Option<u32>,
    /// Window scaling: what the stack offered, and whether the script did.
    local_scale: Option<u8>,
    remote_scales: bool,
}

impl Conversation {
    /// A conversation of which nothing is known yet.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local,
            remote,
            local_isn: None,
            scripted_isn: 0,
            remote_isn: None,
            clock: Vec::new(),
            windows: vec![USUAL_WINDOW],
            shift: None,
            acknowledged: None,
            offered_edge: None,
            local_scale: None,
            remote_scales: false,
        }
    }

    /// The script says that its socket has a receive buffer of `octets`, from which the window follows that
    /// it assumes.
    pub fn assume_buffer(&mut self, octets: u32) {
        if octets != DEFAULT_BUFFER && !self.windows.contains(&octets) {
            self.windows.push(octets);
        }
    }

    /// The stack's initial sequence number, if its SYN was seen.
    pub fn local_isn(&self) -> Option<u32> {
        self.local_isn
    }

    /// Takes note of a packet that the stack has sent, whether or not it was expected.
    pub fn observe(&mut self, seen: &Seen) {
        let Some(segment) = seen.segment() else { return };
        if segment.flags.contains(Flags::SYN) {
            self.local_isn = Some(segment.seq);
            self.local_scale = segment.options.iter().find_map(|option| match option {
                TcpOption::WindowScale(Number::Exactly(shift)) => Some(*shift),
                _ => None,
            });
        }
        if segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::RST) {
            let scale = match self.local_scale {
                // The window of a SYN is never scaled (RFC 7323 section 2.2).
                Some(scale) if self.remote_scales && !segment.flags.contains(Flags::SYN) => scale,
                _ => 0,
            };
            let edge = segment.ack.wrapping_add(u32::from(segment.window) << scale.min(14));
            self.acknowledged = Some(segment.ack);
            let is_later =
                self.offered_edge.is_none_or(|old| edge.wrapping_sub(old).cast_signed() > 0);
            // A new connection has nothing to do with the window of the old one.
            if is_later || segment.flags.contains(Flags::SYN) {
                self.offered_edge = Some(edge);
            }
        }
    }

    /// Takes note that `seen` is what the script expected as `expected`.
    pub(super) fn agree(&mut self, expected: &TcpPacket, seen: &SeenSegment) {
        if expected.flags.flags.contains(Flags::SYN)
            && let Some(start) = expected.seq.start
        {
            self.scripted_isn = start;
        }
        if let TcpOptions::These(options) = &expected.options {
            let scripted = options.iter().find_map(|option| match option {
                TcpOption::Timestamps { value: Number::Exactly(value), .. } => Some(*value),
                _ => None,
            });
            if let (Some(scripted), Some(live)) = (scripted, timestamp(seen)) {
                self.clock.retain(|(other, _)| *other != scripted);
                self.clock.push((scripted, live));
            }
        }
    }

    /// Takes note of a segment that the script sends, before it is translated.
    pub(super) fn sending(&mut self, segment: &TcpPacket) {
        if !segment.flags.flags.contains(Flags::SYN) {
            return;
        }
        if self.remote_isn.is_none() {
            self.remote_isn = segment.seq.start;
        }
        if let TcpOptions::These(options) = &segment.options {
            let scales = |option: &TcpOption| matches!(option, TcpOption::WindowScale(_));
            self.remote_scales |= options.iter().any(scales);
        }
    }

    /// The sequence number on the wire of a segment that the script sends.
    pub(super) fn inbound_seq(&mut self, segment: &TcpPacket) -> u32 {
        let start = segment.seq.start.unwrap_or_default();
        if segment.seq.is_absolute {
            return start;
        }
        let isn = self.remote_isn.unwrap_or_default();
        // A SYN has its number as the script writes it; all others are counted from there.
        let is_syn = segment.flags.flags.contains(Flags::SYN);
        let number = if is_syn { start.wrapping_sub(isn) } else { start };
        self.meet_edge(number);
        isn.wrapping_add(self.shifted(number))
    }

    /// The acknowledgement number on the wire of a segment that the script sends.
    pub(super) fn inbound_ack(&self, ack: u32, is_syn: bool) -> u32 {
        let base = if is_syn { self.scripted_isn } else { 0 };
        self.local_isn.unwrap_or_default().wrapping_add(ack.wrapping_sub(base))
    }

    /// The edge of a block on the wire that the script reports to the stack.
    pub(super) fn inbound_edge(&self, edge: u32) -> u32 {
        self.inbound_ack(edge, false)
    }

    /// The timestamp of the stack that the script means by `echo`.
    pub(super) fn inbound_echo(&self, echo: u32) -> u32 {
        let known = self.clock.iter().rev();
        // If the script echoes a value that was never sent, the nearest one tells how far it is.
        let nearest = known
            .min_by_key(|(scripted, _)| scripted.wrapping_sub(echo).cast_signed().unsigned_abs());
        match nearest {
            Some((scripted, live)) => live.wrapping_add(echo.wrapping_sub(*scripted)),
            None => echo,
        }
    }

    /// If the relative `number` is meant to be at the right edge of the window that the script assumes, from
    /// there on the numbers of the wire are counted from the edge of the window that was really offered.
    fn meet_edge(&mut self, number: u32) {
        let (Some(acknowledged), Some(edge), None) =
            (self.acknowledged, self.offered_edge, self.shift)
        else {
            return;
        };
        let isn = self.remote_isn.unwrap_or_default();
        let expected = acknowledged.wrapping_sub(isn);
        let near = self.windows.iter().filter_map(|window| {
            let assumed = expected.wrapping_add(*window);
            let distance = number.wrapping_sub(assumed).cast_signed().unsigned_abs();
            (distance <= EDGE_REACH).then_some((distance, assumed))
        });
        if let Some((_, assumed)) = near.min() {
            let live = edge.wrapping_sub(isn);
            let shift = live.wrapping_sub(assumed);
            if shift != 0 {
                self.shift = Some((assumed.wrapping_sub(EDGE_REACH), shift));
            }
        }
    }

    /// A relative number of the script's, as it is on the wire.
    fn shifted(&self, number: u32) -> u32 {
        match self.shift {
            Some((from, shift)) if number.wrapping_sub(from).cast_signed() >= 0 => {
                number.wrapping_add(shift)
            }
            _ => number,
        }
    }

    /// A relative number of the wire, as the script writes it.
    fn unshifted(&self, number: u32) -> u32 {
        match self.shift {
            Some((from, shift))
                if number.wrapping_sub(from.wrapping_add(shift)).cast_signed() >= 0 =>
            {
                number.wrapping_sub(shift)
            }
            _ => number,
        }
    }

    /// The sequence number of a packet of ours that the script quotes.
    pub(super) fn quoted_seq(&self, extent: Extent) -> u32 {
        let start = extent.start.unwrap_or_default();
        if extent.is_absolute {
            return start;
        }
        self.local_isn.unwrap_or_default().wrapping_add(start)
    }

    /// What the stack has sent, in the script's own numbers.
    pub fn relate(&self, seen: &Seen) -> Packet {
        let body = match &seen.body {
            SeenBody::Tcp(segment) => PacketBody::Tcp(self.relate_segment(segment)),
            SeenBody::Udp { src_port, dst_port, len } => PacketBody::Udp(UdpPacket {
                ports: self.foreign_ports(*src_port, *dst_port),
                len: u16::try_from(*len).unwrap_or(u16::MAX),
            }),
            SeenBody::Icmp { kind, code, .. } => PacketBody::Icmp(IcmpPacket {
                kind: IcmpKind::of(seen.ip.version(), *kind, *code),
                mtu: None,
                ident: None,
                quoted: None,
            }),
            SeenBody::Other(protocol) => PacketBody::Icmp(IcmpPacket {
                kind: IcmpKind { name: format!("protocol_{}", protocol.0), code: None },
                mtu: None,
                ident: None,
                quoted: None::<Quoted>,
            }),
        };
        Packet {
            direction: Direction::Outbound,
            encapsulation: Vec::new(),
            ip: IpInfo::of(&seen.ip),
            body,
        }
    }

    fn relate_segment(&self, segment: &SeenSegment) -> TcpPacket {
        let is_syn = segment.flags.contains(Flags::SYN);
        let from_isn = segment.seq.wrapping_sub(self.local_isn.unwrap_or_default());
        let start = if is_syn { self.scripted_isn.wrapping_add(from_isn) } else { from_isn };
        let ack = if segment.flags.contains(Flags::ACK) {
            // That of a SYN, like its own number, is not counted from the initial ones.
            let base = if is_syn { self.remote_isn.unwrap_or_default() } else { 0 };
            Ack::Relative(self.relate_to_remote(segment.ack).wrapping_add(base))
        } else {
            Ack::Absent
        };
        let options = segment.options.iter().map(|option| self.relate_option(option)).collect();
        TcpPacket {
            ports: self.foreign_ports(segment.src_port, segment.dst_port),
            flags: FlagPattern { flags: segment.flags, ace: None },
            seq: Extent {
                start: Some(start),
                len: u16::try_from(segment.payload.len()).unwrap_or(u16::MAX),
                is_absolute: false,
            },
            ack,
            window: Some(segment.window),
            urgent: (segment.urgent != 0).then_some(segment.urgent),
            options: TcpOptions::These(options),
            udp_encapsulation: None,
        }
    }

    fn relate_to_remote(&self, number: u32) -> u32 {
        self.unshifted(number.wrapping_sub(self.remote_isn.unwrap_or_default()))
    }

    fn relate_option(&self, option: &TcpOption) -> TcpOption {
        match option {
            TcpOption::Sack(Number::Exactly(blocks)) => {
                let related =
                    |&(left, right)| (self.relate_to_remote(left), self.relate_to_remote(right));
                TcpOption::Sack(Number::Exactly(blocks.iter().map(related).collect()))
            }
            TcpOption::Timestamps { value: Number::Exactly(value), echo } => {
                let value = match self.clock.last() {
                    Some((scripted, live)) => scripted.wrapping_add(value.wrapping_sub(*live)),
                    None => *value,
                };
                TcpOption::Timestamps { value: Number::Exactly(value), echo: *echo }
            }
            other => other.clone(),
        }
    }

    /// The ports, if they are not those of this conversation.
    fn foreign_ports(&self, src: u16, dst: u16) -> Option<(u16, u16)> {
        ((src, dst) != (self.local.port(), self.remote.port())).then_some((src, dst))
    }
}

fn timestamp(segment: &SeenSegment) -> Option<u32> {
    segment.options.iter().find_map(|option| match option {
        TcpOption::Timestamps { value: Number::Exactly(value), .. } => Some(*value),
        _ => None,
    })
}

#[cfg(test)]
pub(super) mod tests;
