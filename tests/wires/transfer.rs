//! Any octets in any weather, both ways, with handshake and close: they arrive as they were written, both sides know
//! it, and the same seed makes the same things happen.

use std::rc::Rc;

use bytes::Bytes;
use netmart::proto::netem;
use netmart::proto::wires::{Directions, Info, Kind};

use crate::apps::{Finish, Shared, Story};
use crate::content::{SIZES, assemble, noise, writes};
use crate::is_thorough;
use crate::octets::Content;
use crate::scribe::write_down;
use crate::two::{Two, weather, weathers};

/// A transfer that is under way.
struct Case {
    kind: Kind,
    what: String,
    octets: Bytes,
    back: Option<Bytes>,
    client: Shared<Story>,
    servers: Shared<Vec<Shared<Story>>>,
}

/// Begins a transfer to a port of its own.
fn begin(two: &mut Two, kind: Kind, port: u16, octets: Bytes, back: Option<Bytes>) -> Case {
    let answer = back.clone();
    let reply = Rc::new(move |_: &_| answer.iter().flat_map(|back| writes(kind, back)).collect());
    let servers = two.serve(kind, port, reply);
    let expected = back.as_ref().map_or(0, Bytes::len);
    let client = two.dial(kind, port, writes(kind, &octets), Finish::After(expected));
    let what = format!("{} port {port}, {} octets", kind.name(), octets.len());
    Case { kind, what, octets, back, client, servers }
}

impl Case {
    fn check(&self) {
        let (what, client) = (&self.what, self.client.borrow());
        assert_eq!(client.refused, None, "{what}");
        let servers = self.servers.borrow();
        assert_eq!(servers.len(), 1, "{what}: one connection");
        let server = servers[0].borrow();
        for (name, story) in [("client", &client), ("server", &server)] {
            let closed = story.closed.as_ref();
            assert!(closed.is_some_and(|reason| reason.is_normal()), "{what}: {name} {closed:?}");
            let report =
                story.report.as_ref().unwrap_or_else(|| panic!("{what}: {name}: no report"));
            assert_eq!(report.wire, self.kind.name(), "{what}");
        }
        let same = |sent: &Bytes, story: &Story| {
            assemble(self.kind, &writes(self.kind, sent)) == assemble(self.kind, &story.received)
        };
        assert!(same(&self.octets, &server), "{what}: other octets");
        if let Some(back) = &self.back {
            assert!(same(back, &client), "{what}: other octets came back");
        }
    }

    /// What the sender counted.
    fn report(&self) -> Info {
        self.client.borrow().report.clone().expect("a report")
    }
}

/// All contents of all small sizes at once, and a few large ones.
fn every_size_and_content(kind: Kind, weather: &netem::Config, seed: u64) {
    let mut two = Two::new(seed, weather);
    let mut wanted: Vec<_> =
        SIZES.into_iter().flat_map(|size| Content::ALL.map(|content| (content, size))).collect();
    let large = if is_thorough() { &Content::ALL[..] } else { &Content::ALL[..1] };
    wanted.extend(large.iter().map(|&content| (content, 100_000)));
    let cases: Vec<_> = (1_000..)
        .zip(wanted)
        .map(|(port, (content, size))| begin(&mut two, kind, port, content.octets(size), None))
        .collect();
    two.finish();
    cases.iter().for_each(Case::check);
    two.assert_nothing_is_left();
}

/// The same from both sides to the other.
fn both_directions(kind: Kind, weather: &netem::Config, seed: u64) {
    let mut two = Two::new(seed, weather);
    let sizes = [1, 16, 17, 513, if is_thorough() { 100_000 } else { 10_000 }];
    let cases: Vec<_> = (1_000..)
        .zip(sizes)
        .map(|(port, size)| {
            // An answer to something, so that there is something to answer.
            let (there, back) = (noise(seed, size), noise(seed + 1, size / 2 + 1));
            begin(&mut two, kind, port, there.into(), Some(back.into()))
        })
        .collect();
    two.finish();
    cases.iter().for_each(Case::check);
    two.assert_nothing_is_left();
}

fn large(kind: Kind) {
    // Pieces of 16 octets take their time.
    let all = if kind == Kind::Sockettcp { 1 << 20 } else { 10 << 20 };
    let size = if is_thorough() { all } else { all / 50 };
    for weather in [weather(0.0, 0.0, 0.0), weather(0.05, 0.05, 0.05)] {
        let mut two = Two::new(5, &weather);
        let case = begin(&mut two, kind, 1_000, noise(5, size).into(), None);
        let start = std::time::Instant::now();
        two.finish();
        case.check();
        let counters = case.report().counters;
        println!("{}: {size} octets in {:?}, {counters:?}", kind.name(), start.elapsed());
        two.assert_nothing_is_left();
    }
}

fn chronicle(kind: Kind, seed: u64) -> [String; 2] {
    let mut two = Two::new(seed, &weather(0.1, 0.1, 0.1));
    let texts = write_down(&mut two.sim, [two.client, two.server]);
    let cases: Vec<_> = (1_000..1_003)
        .map(|port| begin(&mut two, kind, port, noise(3, 3_000).into(), None))
        .collect();
    two.finish();
    cases.iter().for_each(Case::check);
    texts.map(|text| text.take())
}

fn the_same_again(kind: Kind) {
    let (first, second) = (chronicle(kind, 11), chronicle(kind, 11));
    assert!(first[0].lines().count() > 300, "{}", first[0].lines().count());
    for (first, second) in first.iter().zip(&second) {
        let difference = first.lines().zip(second.lines()).find(|(one, other)| one != other);
        assert_eq!(difference, None, "{}", kind.name());
        assert_eq!(first.len(), second.len());
    }
    assert!(first != chronicle(kind, 12), "{}: the seed does not matter", kind.name());
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
                for (seed, weather) in (1..).zip(weathers()) {
                    every_size_and_content(kind(), &weather, seed);
                }
            }

            #[test]
            fn both_directions_in_any_weather() {
                if kind().profile().directions == Directions::Both {
                    for (seed, weather) in (1..).zip(weathers()) {
                        both_directions(kind(), &weather, seed);
                    }
                }
            }

            #[test]
            fn a_large_file_arrives() {
                large(kind());
            }

            #[test]
            fn the_same_seed_gives_the_same_events_to_the_letter() {
                the_same_again(kind());
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
