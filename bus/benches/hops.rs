//! What a hop costs, beside a hop between two actix actors on one arbiter.
//!
//! `cargo bench -p netmart-bus`: all cases take turns in each round, so that what else the machine
//! does meets them alike; printed are medians. A message is 88 bytes and every hop depends on the
//! one before it. Words after `--` choose cases by a part of their names.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix::prelude::*;
use netmart_bus as bus;
use netmart_bus::{Config, Dataspace, Delivery, Publisher, Ran, RingRecorder, Spawn, Time};

const ROUNDS: usize = 15;
const HOPS: u64 = 100_000;
const CROWD: u32 = 10_000;

bus::key! {
    /// The two ends of a flow.
    #[derive(Copy)]
    struct Flow / FlowPattern { local: SocketAddr, remote: SocketAddr }
}

#[derive(Clone, Debug)]
struct Segment {
    flow: Flow,
    left: u64,
    _payload: [u64; 2],
}

const _: () = assert!(size_of::<Segment>() == 88);

impl bus::Topic for Segment {
    type Key = Flow;
    const NAME: &'static str = "Segment";
    fn key(&self) -> &Flow {
        &self.flow
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Connected {
    flow: Flow,
}

impl bus::Topic for Connected {
    type Key = Flow;
    const NAME: &'static str = "Connected";
    fn key(&self) -> &Flow {
        &self.flow
    }
}

fn flow(number: u32) -> Flow {
    let [_, a, b, c] = number.to_be_bytes();
    Flow {
        local: SocketAddr::from(([10, a, b, c], 80)),
        remote: SocketAddr::from(([192, 168, 1, 1], 5000)),
    }
}

fn segment(flow: Flow, left: u64) -> Segment {
    Segment { flow, left, _payload: [0; 2] }
}

/// Passes what it gets on to `next` until nothing is left of it.
struct Player {
    next: Flow,
    publisher: Option<Publisher<Segment>>,
}

impl Player {
    fn spawn(number: u32, next: u32) -> Spawn<Self> {
        let player = Self { next: flow(next), publisher: None };
        Spawn::new("player", player).subscribe::<Segment>(flow(number).exactly())
    }
}

impl bus::Actor for Player {
    fn started(&mut self, ctx: &mut bus::Context<'_, Self>) {
        self.publisher = Some(ctx.publisher());
    }
}

impl bus::Handler<Segment> for Player {
    fn handle(&mut self, segment: Delivery<'_, Segment>, ctx: &mut bus::Context<'_, Self>) {
        if let (Some(publisher), 1..) = (&self.publisher, segment.left) {
            let mut segment = segment.take();
            (segment.flow, segment.left) = (self.next, segment.left - 1);
            publisher.send(ctx, segment);
        }
    }
}

/// Hears everything it subscribes to, and does nothing about it.
struct Idler;
impl bus::Actor for Idler {}
impl bus::Handler<Segment> for Idler {
    fn handle(&mut self, _segment: Delivery<'_, Segment>, _ctx: &mut bus::Context<'_, Self>) {}
}

/// States that it is connected and takes it back, as often as it is told.
struct Flapper;
impl bus::Actor for Flapper {}
impl bus::Handler<Segment> for Flapper {
    fn handle(&mut self, segment: Delivery<'_, Segment>, ctx: &mut bus::Context<'_, Self>) {
        if segment.left > 0 {
            drop(ctx.assert(Connected { flow: segment.flow }));
            let mut segment = segment.take();
            segment.left -= 1;
            ctx.send(segment);
        }
    }
}

struct Onlooker;
impl bus::Actor for Onlooker {}
impl bus::Watcher<Connected> for Onlooker {
    fn changed(&mut self, _: bus::Change<Connected>, _: &mut bus::Context<'_, Self>) {}
}

fn dataspace() -> Dataspace {
    Dataspace::new(Config { hash_seed: Some(1), ..Config::default() })
}

fn pair() -> Dataspace {
    let mut space = dataspace();
    space.spawn(Player::spawn(1, 2));
    space.spawn(Player::spawn(2, 1));
    settle(&mut space);
    space
}

fn settle(space: &mut Dataspace) {
    while space.run(Time::ZERO) == Ran::BudgetSpent {}
}

/// Lets one message hop on from player 1, and takes the time per hop.
fn rally(space: &mut Dataspace, hops: u64) -> f64 {
    space.inject(segment(flow(1), hops)).expect("an idle queue has room");
    let start = Instant::now();
    settle(space);
    nanoseconds(start.elapsed(), hops)
}

fn nanoseconds(elapsed: Duration, count: u64) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

/// A case: its name, and a round of it, in nanoseconds per unit.
type Case = (&'static str, Box<dyn FnMut() -> f64>);

fn rallies(name: &'static str, mut space: Dataspace) -> Case {
    (name, Box::new(move || rally(&mut space, HOPS)))
}

fn cases() -> Vec<Case> {
    let mut three_masks = pair();
    let elsewhere = flow(3);
    three_masks.spawn(
        Spawn::new("idler", Idler)
            .subscribe::<Segment>(FlowPattern::any().local(elsewhere.local))
            .subscribe::<Segment>(FlowPattern::any().remote(elsewhere.local)),
    );
    settle(&mut three_masks);

    let mut crowd = pair();
    for number in 0..CROWD {
        let pattern = flow(100 + number).exactly();
        crowd.spawn(Spawn::new("idler", Idler).subscribe::<Segment>(pattern));
    }
    settle(&mut crowd);

    let mut ring = pair();
    ring.set_recorder(Some(Box::new(RingRecorder::new(4096))));

    let mut rotation = dataspace();
    for number in 1..=CROWD {
        rotation.spawn(Player::spawn(number, number % CROWD + 1));
    }
    settle(&mut rotation);

    let mut fan = pair();
    for _ in 0..9 {
        fan.spawn(Spawn::new("idler", Idler).subscribe::<Segment>(flow(1).exactly()));
        fan.spawn(Spawn::new("idler", Idler).subscribe::<Segment>(flow(2).exactly()));
    }
    settle(&mut fan);

    let mut flap = dataspace();
    flap.spawn(Spawn::new("flapper", Flapper).subscribe::<Segment>(flow(1).exactly()));
    flap.spawn(Spawn::new("onlooker", Onlooker).watch::<Connected>(FlowPattern::any()));
    settle(&mut flap);

    vec![
        rallies("hop, 1 mask", pair()),
        rallies("hop, 3 masks", three_masks),
        rallies("hop, 10,000 idle subscribers", crowd),
        rallies("hop, trace ring on", ring),
        rallies("hop, 10,000 active in rotation", rotation),
        ("fan-out 10, per delivery", Box::new(move || rally(&mut fan, HOPS / 10) / 10.0)),
        rallies("assert + retract, watched (and a hop)", flap),
        ("actix: do_send ping-pong, 1 arbiter", Box::new(actix_rally)),
    ]
}

struct Pong {
    peer: Option<Addr<Pong>>,
}

impl Actor for Pong {
    type Context = Context<Self>;
}

struct Ball {
    _flow: Flow,
    left: u64,
    _payload: [u64; 2],
}

impl Message for Ball {
    type Result = ();
}

struct Peer(Addr<Pong>);

impl Message for Peer {
    type Result = ();
}

impl Handler<Peer> for Pong {
    type Result = ();
    fn handle(&mut self, peer: Peer, _ctx: &mut Context<Self>) {
        self.peer = Some(peer.0);
    }
}

impl Handler<Ball> for Pong {
    type Result = ();
    fn handle(&mut self, mut ball: Ball, _ctx: &mut Context<Self>) {
        if ball.left == 0 {
            System::current().stop();
        } else if let Some(peer) = &self.peer {
            ball.left -= 1;
            peer.do_send(ball);
        }
    }
}

/// The same between two actix actors.
fn actix_rally() -> f64 {
    let system = System::new();
    let start = system.block_on(async {
        let one = Pong { peer: None }.start();
        let two = Pong { peer: Some(one.clone()) }.start();
        one.send(Peer(two)).await.expect("the actor was just started");
        one.do_send(Ball { _flow: flow(1), left: HOPS, _payload: [0; 2] });
        Instant::now()
    });
    system.run().expect("the system was told to stop");
    nanoseconds(start.elapsed(), HOPS)
}

fn main() {
    // Cargo passes `--bench`; anything else chooses cases by a part of their names.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let mut cases = cases();
    cases.retain(|(name, _)| chosen(name));
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, round), times) in cases.iter_mut().zip(&mut times) {
            times.push(round());
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    let (hop, rival) = (medians[0], medians[medians.len() - 1]);
    println!("{:42} {:>8} {:>8} {:>8}", "", "ns", "/hop", "/actix");
    for ((name, _), median) in cases.iter().zip(medians) {
        println!("{name:42} {median:8.1} {:8.2} {:8.2}", median / hop, median / rival);
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
