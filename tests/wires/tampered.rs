//! Datagrams that were tampered with, into live connections of running stacks: none makes anything panic, those that
//! mean nothing are counted by reason, transfers that nobody aims at arrive octet for octet, and nothing is left over.
//!
//! These wires sign nothing: a connection that is aimed at may be cut short, or be told other octets by somebody who
//! forges well. That its own end comes is all that is asked for.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart::actors::address::Direction;
use netmart::actors::clock::instant;
use netmart::actors::message::{Arrival, LinkId, OnLink};
use netmart::proto::wire::Packet;
use netmart::proto::wires::{Config, Kind};

use crate::apps::{Finish, GO, Shared, Story};
use crate::content::{assemble, noise, writes};
use crate::forge::{Forge, LEFT_ALONE, Spy};
use crate::two::{Two, weather};

/// How many for each wire on an ordinary day.
const FEW: usize = 20_000;
/// How many at a time, and how long the stacks have until the next.
const BATCH: usize = 16;
const PAUSE: Duration = Duration::from_millis(3);
/// Connections that are aimed at, at any time; half of them have nothing to say after a while, and stay.
const TARGETS: usize = 6;
const AIMED_AT: u16 = 5_000;
const SPARED: u16 = 5_001;
const LINK: OnLink = OnLink { link: LinkId(1) };

fn how_many() -> usize {
    let wanted = std::env::var("NETMART_WIRE_MUTANTS").ok();
    wanted.map_or(FEW, |wanted| wanted.parse().expect("NETMART_WIRE_MUTANTS is a number"))
}

/// Two stacks, connections that are aimed at, and one at a time that is not.
struct Siege {
    kind: Kind,
    two: Two,
    blind: Shared<bool>,
    forge: Forge,
    /// Those that are aimed at, and whether they stay.
    targets: Vec<(bool, Shared<Story>)>,
    spared: Option<Shared<Story>>,
    served: Shared<Vec<Shared<Story>>>,
    /// Transfers that nobody aimed at, and that are over.
    exact: usize,
    ended: usize,
}

fn transferred() -> Bytes {
    noise(99, 3_000).into()
}

impl Siege {
    fn new(kind: Kind, seed: u64) -> Self {
        let (seen, blind): (Shared<_>, Shared<bool>) = Default::default();
        let spy = Spy { seen: Rc::clone(&seen), blind: Rc::clone(&blind) };
        let weather = weather(0.0, 0.0, 0.0);
        let mut two = Two::tapped(seed, &weather, |plug| plug.tap(Box::new(spy)));
        let silent: fn(&_) -> Vec<_> = |_| Vec::new();
        two.serve(kind, AIMED_AT, Rc::new(silent));
        let served = two.serve(kind, SPARED, Rc::new(silent));
        let forge = Forge::new(seed, seen);
        Self {
            kind,
            two,
            blind,
            forge,
            targets: Vec::new(),
            spared: None,
            served,
            exact: 0,
            ended: 0,
        }
    }

    /// There are always connections, and one that is left alone.
    fn keep_busy(&mut self) {
        let before = self.targets.len();
        self.targets.retain(|(_, target)| {
            let target = target.borrow();
            target.closed.is_none() && target.refused.is_none()
        });
        self.ended += before - self.targets.len();
        while self.targets.len() < TARGETS {
            let octets = noise(self.ended as u64, 2_000 + self.ended % 3_000).into();
            let chunks = writes(self.kind, &octets);
            let staying = self.targets.iter().filter(|(stays, _)| *stays).count();
            let stays = staying < TARGETS / 2;
            let finish = if stays { Finish::WhenTold } else { Finish::After(0) };
            self.targets.push((stays, self.two.dial(self.kind, AIMED_AT, chunks, finish)));
        }
        let is_over = |story: &Shared<Story>| story.borrow().closed.is_some();
        if self.spared.as_ref().is_none_or(is_over) {
            self.check_spared();
            self.two.with_port(self.kind, LEFT_ALONE.start() + (self.exact % 10_000) as u16);
            let chunks = writes(self.kind, &transferred());
            self.spared = Some(self.two.dial(self.kind, SPARED, chunks, Finish::After(0)));
        }
    }

    fn check_spared(&mut self) {
        let Some(story) = self.spared.take() else { return };
        let closed = &story.borrow().closed;
        assert!(closed.as_ref().is_some_and(|reason| reason.is_normal()), "{closed:?}");
        self.exact += 1;
    }

    fn hit(&mut self, count: usize) {
        *self.blind.borrow_mut() = true;
        let mut there = Vec::new();
        let mut back = Vec::new();
        for (towards, packet) in (0..count).filter_map(|_| self.forge.packet()) {
            match towards {
                Direction::Inbound => there.push(packet),
                Direction::Outbound => back.push(packet),
            }
        }
        self.inject(self.two.server, there);
        self.inject(self.two.client, back);
        *self.blind.borrow_mut() = false;
        let _ = self.two.sim.run_for(PAUSE);
        self.two.assert_no_panic();
    }

    fn inject(&mut self, stack: netmart::sim::StackId, packets: Vec<Packet>) {
        if packets.is_empty() {
            return;
        }
        let now = self.two.sim.now();
        let arrival = Arrival { on: LINK, packets, at: instant(now) };
        let dataspace = &mut self.two.sim[stack];
        dataspace.inject(arrival).expect("the queue has room");
        let _ = dataspace.run(now);
    }

    /// The last one that nobody aimed at comes to its end, and all that were served are as they were sent.
    fn check_the_spared(&mut self) {
        let spared = self.spared.clone().expect("there is always one");
        let is_under_way = |_: &_| spared.borrow().closed.is_none();
        let _ = self.two.sim.run_while(Duration::from_secs(120), is_under_way);
        self.check_spared();
        let _ = self.two.sim.run_for(Duration::from_secs(2));
        let expected = assemble(self.kind, &writes(self.kind, &transferred()));
        let served = self.served.borrow();
        assert_eq!(served.len(), self.exact);
        for story in served.iter() {
            let story = story.borrow();
            assert!(assemble(self.kind, &story.received) == expected, "{story:?}");
        }
    }

    /// Those that were aimed at come to an end, too, once they are told to.
    fn check_targets(&mut self) {
        self.two.sim[self.two.client].inject(GO).expect("the queue has room");
        let patience = Config::default().patience * 3;
        let targets = std::mem::take(&mut self.targets);
        let alive = |(_, story): &(bool, Shared<Story>)| {
            let story = story.borrow();
            story.closed.is_none() && story.refused.is_none()
        };
        let _ = self.two.sim.run_while(patience, |_| targets.iter().any(alive));
        let left: Vec<_> = targets.iter().filter(|target| alive(target)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn survive(kind: Kind) {
    let wanted = how_many();
    let mut siege = Siege::new(kind, 1 + kind as u64);
    let began = std::time::Instant::now();
    while (siege.forge.tally.made as usize) < wanted {
        siege.keep_busy();
        siege.hit(BATCH);
    }
    siege.check_the_spared();
    siege.check_targets();
    let discards = siege.two.discards();
    let (tally, elapsed) = (&siege.forge.tally, began.elapsed());
    println!("{}: {tally:?} in {elapsed:?}", kind.name());
    println!("{} spared, {} that were aimed at ended", siege.exact, siege.ended);
    for ((place, reason), count) in &discards {
        println!("{count:>9} {place} {reason}");
    }
    let by_wire: u64 = discards
        .iter()
        .filter(|((place, _), _)| *place == kind.name())
        .map(|(_, count)| count)
        .sum();
    // Some come too late for their connection; of the others most mean nothing, and those are in the books.
    assert!(by_wire * 6 > tally.made, "{by_wire} of {tally:?}: {discards:?}");
    assert!(siege.exact > 3 && siege.ended > 3, "{} {}", siege.exact, siege.ended);
    siege.two.assert_nothing_is_left();
}

#[test]
fn tampered_datagrams_of_faketcp() {
    survive(Kind::Faketcp);
}

#[test]
fn tampered_datagrams_of_cs488() {
    survive(Kind::Cs488);
}

#[test]
fn tampered_datagrams_of_sockettcp() {
    survive(Kind::Sockettcp);
}

#[test]
fn tampered_datagrams_of_quiq() {
    survive(Kind::Quiq);
}

#[test]
fn the_same_seed_does_the_same() {
    let run = || {
        let mut siege = Siege::new(Kind::Faketcp, 3);
        for _ in 0..60 {
            siege.keep_busy();
            siege.hit(BATCH);
        }
        (siege.two.discards(), siege.forge.tally, siege.exact, siege.ended)
    };
    assert_eq!(run(), run());
}
