//! Datagrams that somebody made who sees all that passes the server's link, and changes some of it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use netmart::actors::address::Direction;
use netmart::actors::link::Tap;
use netmart::proto::Instant;
use netmart::proto::wire::udp::{self, Datagram};
use netmart::proto::wire::{ChecksumMode, IpHeader, Packet, ParsedIp, Protocol, parse_ip};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};

use crate::apps::Shared;

/// Ports of clients that are left alone, so that their transfers must be exact. Those made up have lower ones, others
/// higher ones.
pub(crate) const LEFT_ALONE: RangeInclusive<u16> = 20_000..=29_999;

/// Where the clients are.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Datagrams to build upon: recent ones, whose connections are still there.
const KEPT: usize = 64;

/// A datagram with its addresses.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) towards: Direction,
    src: IpAddr,
    dst: IpAddr,
    datagram: Datagram,
}

/// Looks at the server's link, but not at what was forged.
pub(crate) struct Spy {
    pub(crate) seen: Shared<VecDeque<Seen>>,
    pub(crate) blind: Shared<bool>,
}

impl Tap for Spy {
    fn captured(&mut self, towards: Direction, packet: &Packet, _at: Instant) {
        if *self.blind.borrow() {
            return;
        }
        let Some((src, dst, datagram)) = read(packet) else { return };
        let (ip, port) = match towards {
            Direction::Inbound => (src, datagram.src_port),
            Direction::Outbound => (dst, datagram.dst_port),
        };
        // Neither what is left alone, nor what the server tells those who were made up.
        if ip != CLIENT || port <= *LEFT_ALONE.end() {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        if seen.len() == KEPT {
            seen.pop_front();
        }
        seen.push_back(Seen { towards, src, dst, datagram });
    }
}

/// A whole datagram of UDP over IPv4.
fn read(packet: &Packet) -> Option<(IpAddr, IpAddr, Datagram)> {
    let ParsedIp { header, payload } = parse_ip(packet).ok()?;
    if header.protocol != Protocol::UDP || header.fragment.is_some() {
        return None;
    }
    let datagram = udp::parse(&header, packet.clone().narrow(payload)).ok()?;
    Some((header.src, header.dst, datagram))
}

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) made: u64,
    pub(crate) copies: u64,
    pub(crate) changed: u64,
    pub(crate) from_strangers: u64,
    pub(crate) noise: u64,
}

pub(crate) struct Forge {
    rng: ChaCha8Rng,
    pub(crate) seen: Shared<VecDeque<Seen>>,
    pub(crate) tally: Tally,
}

impl Forge {
    pub(crate) fn new(seed: u64, seen: Shared<VecDeque<Seen>>) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), seen, tally: Tally::default() }
    }

    /// The next packet, and which way it goes; nothing before anything was seen.
    pub(crate) fn packet(&mut self) -> Option<(Direction, Packet)> {
        let known = self.seen.borrow().len();
        let at = self.rng.next_u32() as usize;
        let mut made = self.seen.borrow().get(at.checked_rem(known)?)?.clone();
        self.tally.made += 1;
        match self.rng.random_range(0..10) {
            0 => self.tally.copies += 1,
            1 => {
                made.datagram.payload = self.noise();
                self.tally.noise += 1;
            }
            _ => {
                made.datagram.payload = self.change(&made.datagram.payload);
                self.tally.changed += 1;
            }
        }
        if self.rng.random_range(0..10) < 3 {
            self.tally.from_strangers += 1;
            if self.rng.random_range(0..2) == 0 {
                made.datagram.src_port = self.rng.random_range(1..20_000);
            } else {
                made.src = IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.rng.random_range(3..200)));
            }
        }
        let header = IpHeader::new(made.src, made.dst, Protocol::UDP);
        let packet = udp::emit(&mut BytesMut::new(), &header, made.datagram, ChecksumMode::Full);
        Some((made.towards, packet.expect("no longer than what was seen by much")))
    }

    fn noise(&mut self) -> Bytes {
        let mut octets = vec![0; self.rng.random_range(0..700)];
        self.rng.fill_bytes(&mut octets);
        octets.into()
    }

    fn change(&mut self, octets: &Bytes) -> Bytes {
        let mut octets = octets.to_vec();
        for _ in 0..self.rng.random_range(1..4) {
            let len = octets.len().max(1);
            octets.resize(len, 0);
            // Headers are where it hurts.
            let most = if self.rng.random_range(0..3) == 0 { len } else { len.min(29) };
            let at = self.rng.random_range(0..most);
            match self.rng.random_range(0..7) {
                0 | 1 => octets[at] ^= 1 << self.rng.random_range(0..8),
                2 => octets[at] = self.rng.next_u32() as u8,
                3 => octets.truncate(self.rng.random_range(0..=len)),
                4 => octets.extend(std::iter::repeat_n(0x30, self.rng.random_range(1..40))),
                5 => {
                    let numbers = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX];
                    let number = numbers[self.rng.random_range(0..numbers.len())];
                    let field = octets[at..].iter_mut().zip(number.to_be_bytes());
                    field.for_each(|(octet, new)| *octet = new);
                }
                _ => {
                    let other = self.rng.random_range(0..len);
                    octets.swap(at, other);
                }
            }
        }
        octets.into()
    }
}
