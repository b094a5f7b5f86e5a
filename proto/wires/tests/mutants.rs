//! Mutated datagrams into live connections: no panic, nothing wrong delivered, everything counted.
//!
//! Those that come from a stranger, cannot be read, or are copies of what was sent before must leave a transfer as
//! it is; so must all that a session drops. The others are forged so well that these wires, which sign nothing,
//! cannot tell them from the peer's: after one of them only the end is waited for.

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::super::{Codec, Config, Discard, Event, Kind, Outcome, Reason, Visitor, Wire};
use super::data::{Content, Dice, assemble, writes};
use super::pair::{CLIENT, Pair, weather};
use crate::Instant;

/// How many mutants each wire gets; a longer run sets this variable.
const VARIABLE: &str = "NETMART_WIRE_MUTANTS";
const MUTANTS: usize = 20_000;
/// Mutants for each datagram of the peers.
const PER_STEP: usize = 6;

#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    unreadable: usize,
    dropped: usize,
    taken: usize,
    unwanted: usize,
    /// Transfers that had to be exact, and those of which only the end was to come.
    exact: usize,
    tainted: usize,
}

struct Mutate;

impl Visitor for Mutate {
    type Output = Tally;

    fn visit<W: Wire>(self) -> Tally {
        let variable = std::env::var(VARIABLE).ok();
        let count = variable.map_or(MUTANTS, |count| count.parse().expect("a number"));
        let mut tally = Tally::default();
        let mut seed = 1;
        while tally.sent < count {
            attack::<W>(seed, &mut tally);
            seed += 1;
        }
        tally
    }
}

/// One transfer under attack; every third time by somebody who forges well.
fn attack<W: Wire>(seed: u64, tally: &mut Tally) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let forges = seed.is_multiple_of(3);
    let octets = Content::Random.octets(600 + dice.roll(4_000));
    let mut pair = Pair::<W>::new(Config::default(), &weather(0.0, 0.0, 0.0), seed);
    pair.client.to_send = writes::<W>(&octets).into();
    pair.client.closes_after = Some(0);
    pair.settle();
    let limit = pair.now + Duration::from_secs(3_600);
    let mut tainted = false;
    let mut before = 0;
    while pair.step() {
        assert!(pair.now < limit, "{} seed {seed}: no end", W::PROFILE.name);
        let is_alive = pair.client.ended().is_none();
        if !is_alive || pair.log.len() == before {
            continue;
        }
        before = pair.log.len();
        for _ in 0..PER_STEP {
            tainted |= send_mutant(&mut pair, &mut dice, forges, tally);
        }
        pair.settle();
    }
    check_counters(&pair);
    if tainted {
        tally.tainted += 1;
        return;
    }
    tally.exact += 1;
    let what = format!("{} seed {seed}", W::PROFILE.name);
    let client: SocketAddr = CLIENT.parse().expect("an address");
    let own: Vec<_> =
        pair.servers.iter().filter(|end| end.session.common().remote == client).collect();
    // A copy of the SYN may have come when all was over, and opened another one.
    let server = own[0];
    assert_eq!(pair.client.ended(), Some(&Reason::Normal), "{what}");
    assert_eq!(server.ended(), Some(&Reason::Normal), "{what}: {:?}", server.session);
    let joined = |chunks: &[_]| -> Vec<(u32, Vec<u8>)> {
        let mut streams: Vec<(u32, Vec<u8>)> = Vec::new();
        for (stream, octets, _) in assemble(chunks) {
            match streams.iter_mut().find(|(id, _)| *id == stream) {
                Some((_, joined)) => joined.extend(octets),
                None => streams.push((stream, octets)),
            }
        }
        streams.retain(|(_, octets)| !octets.is_empty());
        streams
    };
    assert!(joined(&server.received) == joined(&writes::<W>(&octets)), "{what}: other octets");
}

/// Delivers one; tells whether the transfer may be different for it.
fn send_mutant<W: Wire>(
    pair: &mut Pair<W>,
    dice: &mut Dice,
    forges: bool,
    tally: &mut Tally,
) -> bool {
    let recent = pair.log.len() - 1 - dice.roll(pair.log.len().min(40));
    let mut datagram = pair.log[recent].1.clone();
    let kind = dice.roll(4);
    if kind > 0 {
        datagram.octets = mutate(&datagram.octets, dice);
    }
    let is_copy = pair.log[recent].1.octets == datagram.octets;
    let is_readable = W::Packet::parse(datagram.octets.clone()).is_ok();
    if is_readable && !is_copy && !forges || kind == 1 {
        datagram.from = stranger(dice);
    }
    let from_stranger = datagram.from != pair.log[recent].1.from;
    tally.sent += 1;
    match pair.deliver(datagram) {
        None if is_readable => tally.unwanted += 1,
        None => tally.unreadable += 1,
        Some(Outcome::Dropped(_)) => tally.dropped += 1,
        Some(Outcome::Taken | Outcome::Opens) => {
            tally.taken += 1;
            // A client that has not been answered yet cannot know from which port it will be.
            return !is_copy || from_stranger && pair.servers.is_empty();
        }
    }
    false
}

fn stranger(dice: &mut Dice) -> SocketAddr {
    SocketAddr::from(([10, 9, 9, 9], 1_000 + dice.roll(4) as u16))
}

/// Changes octets, one way or another.
fn mutate(octets: &Bytes, dice: &mut Dice) -> Bytes {
    let mut octets = octets.to_vec();
    for _ in 0..1 + dice.roll(3) {
        let len = octets.len();
        match dice.roll(7) {
            0 if len > 0 => octets[dice.roll(len)] ^= 1 << dice.roll(8),
            1 if len > 0 => octets[dice.roll(len.min(24))] = dice.roll(256) as u8,
            2 => octets.truncate(dice.roll(len + 1)),
            3 => octets.extend((0..dice.roll(40)).map(|_| dice.roll(256) as u8)),
            4 if len > 4 => {
                let at = dice.roll(len - 4);
                let extreme = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX][dice.roll(5)];
                octets[at..at + 4].copy_from_slice(&extreme.to_be_bytes());
            }
            5 => octets = (0..dice.roll(600)).map(|_| dice.roll(256) as u8).collect(),
            _ if len > 1 => {
                let (from, to) = (dice.roll(len), dice.roll(len));
                octets.swap(from, to);
            }
            _ => {}
        }
    }
    octets.into()
}

/// What was thrown away is counted by reason, and the reasons add up.
fn check_counters<W: Wire>(pair: &Pair<W>) {
    for end in core::iter::once(&pair.client).chain(&pair.servers) {
        let counters = end.session.info().counters;
        let by_reason: u64 = Discard::ALL.iter().map(|&discard| counters.dropped(discard)).sum();
        assert_eq!(by_reason, counters.all_dropped());
        assert!(counters.all_dropped() <= counters.packets_received);
        assert!(end.session.is_over(), "{:?}", end.session);
    }
}

/// Sends the wire of that name its mutants.
pub(super) fn survive(name: &str) {
    let tally = Kind::from_name(name).expect("a wire").visit(Mutate);
    println!("{name}: {tally:?}");
    let counted = tally.unreadable + tally.dropped + tally.taken + tally.unwanted;
    assert_eq!(counted, tally.sent);
    assert!(tally.unreadable > tally.sent / 20 && tally.dropped > tally.sent / 20, "{tally:?}");
    assert!(tally.exact > 2 && tally.tainted > 0, "{tally:?}");
}

#[test]
fn an_idle_session_is_small() {
    struct Size;
    impl Visitor for Size {
        type Output = ();

        fn visit<W: Wire>(self) {
            let size = size_of::<W>();
            println!("{}: {size} octets", W::PROFILE.name);
            assert!(size <= 1_536, "{}: {size} octets", W::PROFILE.name);
        }
    }
    for kind in Kind::ALL {
        kind.visit(Size);
    }
}

#[test]
fn a_session_that_hears_nothing_but_noise_ends() {
    struct Noise;
    impl Visitor for Noise {
        type Output = ();

        fn visit<W: Wire>(self) {
            let mut dice = Dice(77);
            let mut now = Instant::from_millis(1);
            let remote = stranger(&mut dice);
            let mut session = W::connect(&Config::default(), remote, 5, now);
            while !session.is_over() {
                let octets: Vec<u8> = (0..dice.roll(64)).map(|_| dice.roll(256) as u8).collect();
                if let Ok(packet) = W::Packet::parse(octets.into()) {
                    session.handle_packet(packet, remote, now);
                }
                while session.poll_transmit(now).is_some() {}
                while session.poll_event().is_some() {}
                if let Some((at, _)) = session.next_deadline() {
                    now = now.max(at);
                    session.handle_deadline(now);
                }
                assert!(now < Instant::from_millis(120_000), "{}", W::PROFILE.name);
            }
        }
    }
    for kind in Kind::ALL {
        kind.visit(Noise);
    }
}

#[test]
fn a_port_where_nobody_listens_is_given_some_seconds_but_not_all() {
    struct Nobody;
    impl Visitor for Nobody {
        type Output = ();

        fn visit<W: Wire>(self) {
            let mut now = Instant::from_millis(1);
            let mut session = W::connect(&Config::default(), stranger(&mut Dice(1)), 5, now);
            while session.info().ended.is_none() {
                while session.poll_transmit(now).is_some() {
                    session.handle_unreachable(now + Duration::from_millis(1));
                }
                if let Some((at, _)) = session.next_deadline() {
                    now = now.max(at);
                    session.handle_deadline(now);
                }
            }
            assert_eq!(session.poll_event(), Some(Event::Refused(Reason::Unreachable)));
            assert!(now > Instant::from_millis(3_000) && now < Instant::from_millis(4_000));
        }
    }
    for kind in Kind::ALL {
        kind.visit(Nobody);
    }
}

#[test]
fn a_datagram_of_any_length_is_read_or_refused() {
    struct AnyLength;
    impl Visitor for AnyLength {
        type Output = ();

        fn visit<W: Wire>(self) {
            for filling in [0, b'0', b'|', 1, 0xff] {
                for len in 0..700 {
                    let octets = Bytes::from(vec![filling; len]);
                    if let Ok(packet) = W::Packet::parse(octets) {
                        assert_eq!(W::Packet::parse(packet.to_bytes()), Ok(packet));
                    }
                }
            }
        }
    }
    for kind in Kind::ALL {
        kind.visit(AnyLength);
    }
}
