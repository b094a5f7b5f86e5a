//! Any octets, over any of these links, arrive as they were written; and both ends know it.

use core::time::Duration;

use bytes::Bytes;

use super::super::{Borders, Codec as _, Config, Directions, Event, Kind, Reason, Visitor, Wire};
use super::data::{Content, SIZES, assemble, writes};
use super::pair::{Pair, weather};
use crate::netem;

const HOUR: Duration = Duration::from_secs(3600);

fn weathers() -> [netem::Config; 5] {
    [
        weather(0.0, 0.0, 0.0),
        weather(0.05, 0.0, 0.0),
        weather(0.0, 0.05, 0.0),
        weather(0.0, 0.0, 0.05),
        weather(0.05, 0.05, 0.05),
    ]
}

/// Sends `octets` to the server, and `back` the other way where the wire allows it.
fn transfer<W: Wire>(
    octets: &Bytes,
    back: Option<&Bytes>,
    weather: &netem::Config,
    seed: u64,
) -> Pair<W> {
    let mut pair = Pair::<W>::new(Config::default(), weather, seed);
    pair.client.to_send = writes::<W>(octets).into();
    pair.client.closes_after = Some(0);
    if let Some(back) = back {
        // An empty message cannot be waited for by counting octets; the others can.
        pair.client.closes_after = Some(back.len());
        pair.reply = (writes::<W>(back), None);
    }
    let came_to_rest = pair.run(HOUR);
    let what = format!("{} {} octets {weather:?} seed {seed}", W::PROFILE.name, octets.len());
    assert!(came_to_rest, "{what}: {:?} {:?}", pair.client.session, pair.servers[0].session);
    let ends = [&pair.client, &pair.servers[0]];
    for end in ends {
        assert_eq!(end.events.first(), Some(&Event::Connected), "{what}: {:?}", end.events);
        assert_eq!(end.ended(), Some(&Reason::Normal), "{what}: {:?}", end.events);
        assert!(end.session.is_over(), "{what}");
    }
    let (sent, received) = (assemble(&writes::<W>(octets)), assemble(&pair.servers[0].received));
    // Where there are streams, the reader also sees where a batch of them ends.
    let is_border = |stream| stream == 0 && W::PROFILE.borders == Borders::Stream;
    let received: Vec<_> = received.into_iter().filter(|(id, ..)| !is_border(*id)).collect();
    if W::PROFILE.borders == Borders::None {
        let run: Vec<u8> = received.iter().flat_map(|(_, octets, _)| octets.clone()).collect();
        assert!(run == *octets, "{what}: other octets");
    } else {
        assert!(sent == received, "{what}: other messages");
    }
    if let Some(back) = back {
        let (sent, received) = (assemble(&writes::<W>(back)), assemble(&pair.client.received));
        assert!(sent == received, "{what}: other messages came back");
    }
    pair
}

struct EverySizeAndContent;

impl Visitor for EverySizeAndContent {
    type Output = ();

    fn visit<W: Wire>(self) {
        for weather in weathers() {
            for (index, size) in SIZES.into_iter().enumerate() {
                // Large ones take their time; what is special about a content shows at the edges of packets.
                let few = if size > 1000 { 2 } else { Content::ALL.len() };
                for (kind, content) in Content::ALL.into_iter().rev().take(few).enumerate() {
                    let seed = (index * 10 + kind) as u64;
                    transfer::<W>(&content.octets(size), None, &weather, seed);
                }
            }
        }
    }
}

struct BothWays;

impl Visitor for BothWays {
    type Output = ();

    fn visit<W: Wire>(self) {
        if W::PROFILE.directions == Directions::ToServer {
            return;
        }
        for weather in weathers() {
            for (seed, size) in (0..).zip([1, 17, 513, 20_000]) {
                let back = Content::Utf8.octets(size + 300);
                transfer::<W>(&Content::Random.octets(size), Some(&back), &weather, seed);
                transfer::<W>(&Bytes::new(), Some(&back), &weather, seed);
            }
        }
    }
}

struct TheSameAgain;

impl Visitor for TheSameAgain {
    type Output = ();

    fn visit<W: Wire>(self) {
        let octets = Content::Random.octets(20_000);
        let weather = weather(0.1, 0.1, 0.1);
        let runs: Vec<_> = (0..2).map(|_| transfer::<W>(&octets, None, &weather, 9).log).collect();
        assert!(runs[0] == runs[1], "{}: the same seed, other datagrams", W::PROFILE.name);
        let other = transfer::<W>(&octets, None, &weather, 10).log;
        assert!(runs[0] != other, "{}: the seed does not matter", W::PROFILE.name);
    }
}

struct ManySeeds;

impl Visitor for ManySeeds {
    type Output = ();

    fn visit<W: Wire>(self) {
        let weather = weather(0.2, 0.2, 0.2);
        for seed in 100..400 {
            transfer::<W>(&Content::Bars.octets(seed as usize % 40), None, &weather, seed);
            if W::PROFILE.directions == Directions::Both {
                let back = Content::Text.octets(1 + seed as usize % 30);
                transfer::<W>(&Content::Bars.octets(3), Some(&back), &weather, seed);
            }
        }
    }
}

struct Large;

impl Visitor for Large {
    type Output = ();

    fn visit<W: Wire>(self) {
        // Pieces of 16 octets take their time.
        let large = if W::PROFILE.borders == Borders::Message { 1 << 20 } else { 10 << 20 };
        let size = if cfg!(debug_assertions) { large / 10 } else { large };
        for weather in [weather(0.0, 0.0, 0.0), weather(0.05, 0.05, 0.05)] {
            transfer::<W>(&Content::Random.octets(size), None, &weather, 3);
        }
    }
}

struct WhatCarriesData;

impl Visitor for WhatCarriesData {
    type Output = ();

    fn visit<W: Wire>(self) {
        let mut pair = Pair::<W>::new(Config::default(), &weather(0.0, 0.0, 0.0), 3);
        pair.client.to_send.extend(writes::<W>(&Content::Random.octets(5_000)));
        pair.client.closes_after = Some(0);
        assert!(pair.run(Duration::from_secs(60)), "{pair:#?}");
        let sent = pair.log.iter().map(|(_, datagram)| W::Packet::parse(datagram.octets.clone()));
        let sent: Vec<_> = sent.collect::<Result<_, _>>().expect("packets");
        let data = sent.iter().filter(|packet| W::carries_data(packet)).count();
        assert_eq!(data as u64, pair.client.session.info().counters.data_packets_sent);
        let [first, .., last] = &sent[..] else { panic!("{sent:?}") };
        assert!(!W::carries_data(first) && !W::carries_data(last), "{first:?} {last:?}");
    }
}

/// A test per wire, so that a failure names it.
macro_rules! over_every_wire {
    ($($wire:ident)*) => {
        $(mod $wire {
            use super::*;

            fn kind() -> Kind {
                Kind::from_name(stringify!($wire)).expect("a wire")
            }

            #[test]
            fn every_size_and_content_arrives_in_any_weather() {
                kind().visit(EverySizeAndContent);
            }

            #[test]
            fn mutated_datagrams_do_no_harm() {
                super::super::mutants::survive(stringify!($wire));
            }

            #[test]
            fn a_large_file_arrives() {
                kind().visit(Large);
            }

            #[test]
            fn what_carries_data_is_known() {
                kind().visit(WhatCarriesData);
            }

            #[test]
            fn both_directions_at_once() {
                kind().visit(BothWays);
            }

            #[test]
            fn the_same_seed_means_the_same_datagrams() {
                kind().visit(TheSameAgain);
            }

            #[test]
            fn handshake_and_close_survive_a_storm() {
                kind().visit(ManySeeds);
            }
        })*

        #[test]
        fn no_wire_is_left_out() {
            let tested = [$(stringify!($wire)),*];
            assert!(Kind::ALL.iter().all(|kind| tested.contains(&kind.name())));
        }
    };
}

over_every_wire! { cs488 faketcp quiq sockettcp }
