//! Packets of every kind that an attacker would send.

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use netmart::proto::wire::icmp::{self, Echo, IcmpError, IcmpErrorKind, IcmpMessage};
use netmart::proto::wire::tcp::{
    self, Flags, Options, PortedSegment, Segment, SeqNumber, Timestamps,
};
use netmart::proto::wire::udp::{self, Datagram};
use netmart::proto::wire::{
    ChecksumMode, ChecksumState, Ecn, Fragment, IpHeader, Offload, Packet, Protocol, emit_ip,
};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};

use crate::common::Shared;
use crate::mutate::{amend, intact_segment, mutate, nobody};
use crate::spy::{Knowledge, LEGITIMATE, View};
use crate::target::{OURS, PORTS, UDP_PORT};

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) made: u64,
    /// With every checksum right, for a connection that the target has.
    pub(crate) aimed_and_intact: u64,
    /// Of those, changed at random behind the ports.
    pub(crate) of_these_mutated: u64,
}

/// Makes packets from what a spy knows.
pub(crate) struct Forge {
    rng: ChaCha8Rng,
    knowledge: Shared<Knowledge>,
    pub(crate) tally: Tally,
}

/// Where the ports of TCP and UDP end, in a packet without options: from there on a mutation leaves the
/// packet aimed at what it was aimed at.
fn behind_ports(packet: &[u8]) -> usize {
    if packet.first().is_some_and(|first| first >> 4 == 4) { 24 } else { 44 }
}

impl Forge {
    pub(crate) fn new(seed: u64, knowledge: Shared<Knowledge>) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), knowledge, tally: Tally::default() }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        self.rng.fill_bytes(&mut octets);
        octets
    }

    /// The next packet; none of them is for the connections that are to be left alone.
    pub(crate) fn packet(&mut self) -> Packet {
        loop {
            let (packet, is_mutated) = self.any();
            let segment = intact_segment(&packet);
            if segment.as_ref().is_some_and(|(.., ported)| ported.dst_port == LEGITIMATE) {
                continue;
            }
            self.tally.made += 1;
            if let Some((src, dst, ported)) = segment {
                let local = SocketAddr::new(dst, ported.dst_port);
                let remote = SocketAddr::new(src, ported.src_port);
                if self.knowledge.borrow().views.contains_key(&(local, remote)) {
                    self.tally.aimed_and_intact += 1;
                    self.tally.of_these_mutated += u64::from(is_mutated);
                }
            }
            return packet;
        }
    }

    /// A packet, and whether it was changed at random.
    fn any(&mut self) -> (Packet, bool) {
        let kind = self.rng.random_range(0..100);
        let mut octets = match kind {
            0..68 => self.aimed(),
            68..74 => self.opening(),
            74..77 => self.stray(),
            77..83 => self.datagram(),
            83..88 => self.icmp(),
            88..92 => self.fragment(),
            92..95 => self.extended(),
            95..97 => self.recorded(),
            _ => self.garbage(),
        };
        // Of what is aimed, more is left as it was made: wrong enough already.
        let is_aimed = kind < 68;
        let is_mutated = self.chance(if is_aimed { 35 } else { 60 });
        if is_mutated {
            let from = if is_aimed && self.chance(90) { behind_ports(&octets) } else { 0 };
            for _ in 0..self.rng.random_range(1..4) {
                let other = self.recorded();
                mutate(&mut self.rng, &mut octets, from, &other);
            }
            if is_aimed && self.chance(90) || self.chance(60) {
                amend(&mut octets);
            }
        }
        octets.truncate(usize::from(u16::MAX));
        let mut packet = Packet::from(octets);
        packet.offload = self.offload();
        (packet, is_mutated)
    }

    /// Mostly none; a device that lies about what it has verified is not what this is about, but one that
    /// verified a packet gone bad in a buffer is.
    fn offload(&mut self) -> Offload {
        match self.rng.random_range(0..100) {
            0 => Offload { checksum: ChecksumState::Verified, gso_size: Some(1448) },
            1 => Offload {
                checksum: ChecksumState::Partial { start: 20, offset: 16 },
                gso_size: None,
            },
            _ => Offload::default(),
        }
    }

    // ------------------------------------------------------------------------------- TCP

    fn a_view(&mut self) -> Option<View> {
        let at = self.rng.next_u32() as usize;
        self.knowledge.borrow().view(at)
    }

    /// A segment for a connection that the target has, right, nearly right, or wrong.
    fn aimed(&mut self) -> Vec<u8> {
        let Some(view) = self.a_view() else { return self.opening() };
        let segment = Segment {
            seq: self.near(view.expects, view.window),
            ack: self.near(view.sent, view.window),
            flags: self.flags(),
            window: [0, 1, 500, u16::MAX, self.rng.next_u32() as u16][self.rng.random_range(0..5)],
            urgent: if self.chance(10) { self.rng.next_u32() as u16 } else { 0 },
            options: self.options(&view),
            ecn: Ecn::of(if self.chance(10) { self.rng.next_u32() as u8 } else { 0 }),
            payload: self.payload(),
        };
        self.segment(view.remote, view.local, segment)
    }

    /// `right` as it is, a little beside it, at the edge of a window, or anywhere.
    fn near(&mut self, right: SeqNumber, window: u16) -> SeqNumber {
        let window = u32::from(window) << self.rng.random_range(0..8);
        match self.rng.random_range(0..20) {
            0..10 => right,
            10 => SeqNumber(right.0.wrapping_sub(1)),
            11 => right + 1,
            12 => right + self.rng.random_range(0..3000),
            13 => SeqNumber(right.0.wrapping_sub(self.rng.random_range(0..30_000))),
            14 => right + window,
            15 => right + window.wrapping_sub(1),
            16 => right + self.rng.random_range(0..=window),
            17 => right + (1 << 31),
            18 => SeqNumber(right.0.wrapping_sub(window)),
            _ => SeqNumber(self.rng.next_u32()),
        }
    }

    fn flags(&mut self) -> Flags {
        const USUAL: [Flags; 6] =
            [Flags::ACK, Flags(0x18), Flags(0x11), Flags(0x04), Flags(0x12), Flags(0x02)];
        match self.rng.random_range(0..40) {
            0..24 => Flags::ACK,
            24..34 => Flags(0x18),
            34..38 => USUAL[self.rng.random_range(0..USUAL.len())],
            _ => Flags(self.rng.next_u32() as u16 & 0x1ff),
        }
    }

    fn options(&mut self, view: &View) -> Options {
        let mut options = Options::default();
        if let Some(clock) = view.clock.filter(|_| !self.rng.random_bool(0.1)) {
            let value = match self.rng.random_range(0..10) {
                0 => self.rng.next_u32(),
                _ => 1 << 20,
            };
            let echo = if self.chance(80) { clock } else { self.rng.next_u32() };
            options.timestamps = Some(Timestamps { value, echo });
        }
        if self.chance(15) {
            for _ in 0..self.rng.random_range(1..5) {
                let left = self.near(view.sent, view.window);
                let right = left + self.rng.random_range(0..5000);
                options.sack.push(left, right);
            }
        }
        if self.chance(5) {
            options.mss = Some([0, 1, 536, u16::MAX][self.rng.random_range(0..4)]);
            options.window_scale = Some(self.rng.next_u32() as u8);
            options.sack_permitted = self.chance(50);
        }
        options
    }

    fn payload(&mut self) -> Bytes {
        let len = match self.rng.random_range(0..40) {
            0..20 => 0,
            20..26 => 1,
            26..36 => self.rng.random_range(1..200),
            36..39 => 1448,
            _ => self.rng.random_range(1449..40_000),
        };
        self.octets(len).into()
    }

    /// A SYN to a port that listens, from an address where nobody is.
    fn opening(&mut self) -> Vec<u8> {
        let port = PORTS[self.rng.random_range(0..PORTS.len())];
        let (local, remote) = self.ends(port);
        let options = Options {
            mss: Some([0, 88, 536, 1460, u16::MAX][self.rng.random_range(0..5)]),
            window_scale: self.chance(70).then(|| self.rng.random_range(0..16)),
            sack_permitted: self.chance(70),
            timestamps: self.chance(70).then_some(Timestamps { value: 1, echo: 0 }),
            ..Options::default()
        };
        let payload = if self.chance(10) { self.payload() } else { Bytes::new() };
        let seq = SeqNumber(self.rng.next_u32());
        let window = self.rng.next_u32() as u16;
        let flags = Flags::SYN;
        let segment = Segment { seq, flags, window, options, payload, ..Segment::default() };
        self.segment(remote, local, segment)
    }

    /// A segment of a connection that does not exist.
    fn stray(&mut self) -> Vec<u8> {
        let port = self.rng.next_u32() as u16;
        let (local, remote) = self.ends(port);
        let (seq, ack) = (SeqNumber(self.rng.next_u32()), SeqNumber(self.rng.next_u32()));
        let (flags, payload) = (self.flags(), self.payload());
        self.segment(remote, local, Segment { seq, ack, flags, payload, ..Segment::default() })
    }

    /// An end of the target's, and one of nobody's.
    fn ends(&mut self, port: u16) -> (SocketAddr, SocketAddr) {
        let local = OURS[self.rng.random_range(0..OURS.len())];
        let remote = nobody(&mut self.rng, local);
        let remote_port = self.rng.random_range(1..=u16::MAX);
        (SocketAddr::new(local, port), SocketAddr::new(remote, remote_port))
    }

    fn segment(&mut self, from: SocketAddr, to: SocketAddr, segment: Segment) -> Vec<u8> {
        let header = IpHeader::new(from.ip(), to.ip(), Protocol::TCP);
        let ported = PortedSegment { src_port: from.port(), dst_port: to.port(), segment };
        tcp::emit(&mut BytesMut::new(), &header, ported, None, ChecksumMode::Full)
            .map_or_else(|_| self.garbage(), |packet| packet.to_vec())
    }

    // ------------------------------------------------------------------------- the others

    fn datagram(&mut self) -> Vec<u8> {
        let port = if self.chance(70) { UDP_PORT } else { self.rng.next_u32() as u16 };
        let (local, remote) = self.ends(port);
        let header = IpHeader::new(remote.ip(), local.ip(), Protocol::UDP);
        let (src_port, dst_port, payload) = (remote.port(), local.port(), self.payload());
        let datagram = Datagram { src_port, dst_port, payload };
        udp::emit(&mut BytesMut::new(), &header, datagram, ChecksumMode::Full)
            .map_or_else(|_| self.garbage(), |packet| packet.to_vec())
    }

    fn icmp(&mut self) -> Vec<u8> {
        let (local, remote) = self.ends(0);
        let protocol = if local.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 };
        let header = IpHeader::new(remote.ip(), local.ip(), protocol);
        let (ident, seq, data) = (1, self.rng.next_u32() as u16, self.payload());
        let message = match self.rng.random_range(0..10) {
            0..2 => IcmpMessage::EchoRequest(Echo { ident, seq, data }),
            2 => IcmpMessage::EchoReply(Echo { ident, seq, data }),
            3 => IcmpMessage::Unknown { kind: seq as u8, code: 0, rest: data },
            _ => {
                let quote = self.quote(local.ip());
                IcmpMessage::Error(IcmpError { kind: self.error_kind(), quote })
            }
        };
        icmp::emit(&mut BytesMut::new(), &header, message)
            .map_or_else(|_| self.garbage(), |packet| packet.to_vec())
    }

    fn error_kind(&mut self) -> IcmpErrorKind {
        let code = self.rng.random_range(0..16);
        match self.rng.random_range(0..5) {
            0 => IcmpErrorKind::Unreachable { code },
            1 => {
                let mtu = [0, 68, 576, 1280, 1500, u32::MAX][self.rng.random_range(0..6)];
                IcmpErrorKind::PacketTooBig { mtu }
            }
            2 => IcmpErrorKind::TimeExceeded { code },
            3 => IcmpErrorKind::ParameterProblem { code, pointer: code.into() },
            _ => IcmpErrorKind::SourceQuench,
        }
    }

    /// The beginning of a segment that the target may have sent.
    fn quote(&mut self, local: IpAddr) -> Bytes {
        let view = self.a_view().filter(|view| view.local.ip().is_ipv4() == local.is_ipv4());
        let Some(view) = view else { return self.payload() };
        let seq = SeqNumber(view.sent.0.wrapping_sub(self.rng.random_range(0..3000)));
        let mut quote =
            self.segment(view.local, view.remote, Segment { seq, ..Segment::default() });
        if self.chance(30) {
            quote.truncate(self.rng.random_range(0..=quote.len()));
        }
        quote.into()
    }

    /// A piece of a datagram; that others of the same datagram come as well, is likely.
    fn fragment(&mut self) -> Vec<u8> {
        let local = OURS[self.rng.random_range(0..OURS.len())];
        let remote = nobody(&mut self.rng, local);
        let protocol = [Protocol::UDP, Protocol::TCP][self.rng.random_range(0..2)];
        let offset = 8 * [0, 1, 2, 3, 8, 180, 8191][self.rng.random_range(0..7)];
        let header = IpHeader {
            fragment: Some(Fragment { offset, more: self.chance(60) }),
            ident: self.rng.random_range(1..40),
            dont_fragment: false,
            ..IpHeader::new(remote, local, protocol)
        };
        let len = 8 * self.rng.random_range(0..20);
        let payload = self.octets(len);
        let mut packet = BytesMut::new();
        if emit_ip(&mut packet, &header, payload.len()).is_err() {
            return self.garbage();
        }
        packet.extend_from_slice(&payload);
        packet.to_vec()
    }

    /// A packet of IPv6 with a chain of extension headers, as long and as odd as it gets.
    fn extended(&mut self) -> Vec<u8> {
        const KINDS: [u8; 8] = [0, 43, 44, 51, 60, 60, 135, 253];
        let inner = if self.chance(50) { self.datagram() } else { self.aimed() };
        let (last, transport) = match inner.get(40..) {
            Some(transport) if inner[0] >> 4 == 6 => (inner[6], transport.to_vec()),
            _ => (59, Vec::new()),
        };
        let count = self.rng.random_range(1..12);
        let mut kinds: Vec<u8> =
            (0..count).map(|_| KINDS[self.rng.random_range(0..KINDS.len())]).collect();
        if self.chance(50) {
            kinds[1..].fill(60);
        }
        let mut chain = Vec::new();
        for index in 0..kinds.len() {
            let words = self.rng.random_range(0..3);
            chain.push(kinds.get(index + 1).copied().unwrap_or(last));
            chain.push(if self.chance(95) { words } else { 255 });
            // Padding is harmless; anything else is an option or an address.
            let body = usize::from(words) * 8 + 6;
            let (fill, len) = (self.octets(body), body as u8 - 2);
            let padding = [&[1, len][..], &vec![0; body - 2]].concat();
            chain.extend(if self.chance(70) { padding } else { fill });
        }
        let mut packet = vec![0; 40];
        let local = OURS[2];
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (nobody(&mut self.rng, local), local) else {
            return self.garbage();
        };
        let len = (chain.len() + transport.len()) as u16;
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        packet[6] = kinds[0];
        packet[7] = 64;
        packet[8..24].copy_from_slice(&src.octets());
        packet[24..40].copy_from_slice(&dst.octets());
        packet.extend(chain);
        packet.extend(transport);
        amend(&mut packet);
        packet
    }

    /// What somebody else has sent.
    fn recorded(&mut self) -> Vec<u8> {
        let at = self.rng.next_u32() as usize;
        let knowledge = self.knowledge.borrow();
        let len = knowledge.packets.len();
        at.checked_rem(len).and_then(|at| knowledge.packets.get(at)).cloned().unwrap_or_default()
    }

    fn garbage(&mut self) -> Vec<u8> {
        let len = self.rng.random_range(0..200);
        let mut octets = self.octets(len);
        if let Some(first) = octets.first_mut() {
            *first = [0x45, 0x46, 0x60, *first][self.rng.random_range(0..4)];
        }
        octets
    }
}
