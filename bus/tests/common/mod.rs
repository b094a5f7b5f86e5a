//! Topics, and an actor that does what it is told and notes what it hears.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use netmart_bus::{
    Actor, Change, Config, Context, Dataspace, Delivery, Down, Handle, Handler, Interest, Ran,
    Role, Spawn, Time, Timer, TimerToken, Topic, Watcher,
};

netmart_bus::key! {
    /// Where a message is said, or a fact holds.
    #[derive(Copy)]
    pub struct Spot / SpotPattern { pub x: u8, pub y: u8 }
}

netmart_bus::key! {
    /// Which probe a script is for.
    #[derive(Copy)]
    pub struct Probed / ProbedPattern { pub number: u8 }
}

/// A message. Whoever hears it with hops left says it again one place further, with one hop less.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Says {
    pub at: Spot,
    pub hops: u8,
}

impl Topic for Says {
    type Key = Spot;
    const NAME: &'static str = "Says";
    fn key(&self) -> &Spot {
        &self.at
    }
}

/// With this many hops, who hears it says something and then panics.
pub const PANIC: u8 = 99;

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lit {
    pub at: Spot,
    pub colour: u8,
}

impl Topic for Lit {
    type Key = Spot;
    const NAME: &'static str = "Lit";
    fn key(&self) -> &Spot {
        &self.at
    }
}

/// What a probe is to do in one turn.
#[derive(Clone, Debug)]
pub struct Script {
    pub to: Probed,
    pub acts: Vec<Act>,
}

impl Topic for Script {
    type Key = Probed;
    const NAME: &'static str = "Script";
    fn key(&self) -> &Probed {
        &self.to
    }
}

#[derive(Clone, Debug)]
pub enum Act {
    Say(Says),
    Subscribe(SpotPattern),
    Observe(SpotPattern),
    Provide(SpotPattern),
    Watch(SpotPattern),
    WatchInterest(Role, SpotPattern),
    Assert(Lit),
    /// Drops the handle at this place, counted among those held, if there is one.
    Release(usize),
    /// Sets a timer, in microseconds; the token says which.
    Timer(u64, u32),
    /// Drops the timer with this token.
    Cancel(u32),
    Stop,
    Fail,
    Panic,
}

/// What the probes heard, one line each, in the order in which they did.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn note(&self, number: u8, what: impl Debug) {
        self.0.borrow_mut().push(format!("{number}: {what:?}"));
    }

    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

pub struct Probe {
    pub number: u8,
    pub log: Log,
    handles: Vec<Handle>,
    timers: Vec<(u32, Timer)>,
}

impl Probe {
    pub fn new(number: u8, log: &Log) -> Self {
        Self { number, log: log.clone(), handles: Vec::new(), timers: Vec::new() }
    }

    /// A probe that can be given scripts.
    pub fn spawn(number: u8, log: &Log) -> Spawn<Self> {
        Spawn::new(format!("probe {number}"), Self::new(number, log))
            .observe::<Script>(ProbedPattern::any().number(number))
    }

    fn act(&mut self, act: Act, ctx: &mut Context<'_, Self>) {
        let handle = match act {
            Act::Say(message) => {
                ctx.send(message);
                return;
            }
            Act::Subscribe(pattern) => ctx.subscribe::<Says>(pattern),
            Act::Observe(pattern) => ctx.observe::<Says>(pattern),
            Act::Provide(pattern) => ctx.provide::<Says>(pattern),
            Act::Watch(pattern) => ctx.watch::<Lit>(pattern),
            Act::WatchInterest(role, pattern) => ctx.watch_interest::<Says>(role, pattern),
            Act::Assert(fact) => ctx.assert(fact),
            Act::Release(at) => {
                if at < self.handles.len() {
                    drop(self.handles.remove(at));
                }
                return;
            }
            Act::Timer(micros, token) => {
                let timer = ctx.set_timer(Time::from_micros(micros), TimerToken(token));
                self.timers.push((token, timer));
                return;
            }
            Act::Cancel(token) => return self.timers.retain(|(other, _)| *other != token),
            Act::Stop => return ctx.stop(),
            Act::Fail => return ctx.fail("told to"),
            Act::Panic => panic!("told to"),
        };
        self.handles.push(handle);
    }
}

impl Actor for Probe {
    fn timeout(&mut self, token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.log.note(self.number, format_args!("timer {} at {}", token.0, ctx.now().as_micros()));
    }
}

impl Handler<Script> for Probe {
    fn handle(&mut self, script: Delivery<'_, Script>, ctx: &mut Context<'_, Self>) {
        for act in script.take().acts {
            self.act(act, ctx);
        }
    }
}

/// What a probe says after hearing `heard`.
pub fn echo(heard: &Says) -> Says {
    Says { at: Spot { x: (heard.at.x + 1) % 3, ..heard.at }, hops: heard.hops - 1 }
}

impl Handler<Says> for Probe {
    fn handle(&mut self, heard: Delivery<'_, Says>, ctx: &mut Context<'_, Self>) {
        self.log.note(self.number, &*heard);
        if heard.hops > 0 {
            ctx.send(echo(&heard));
        }
        assert!(heard.hops != PANIC, "told to");
    }
}

impl Watcher<Lit> for Probe {
    fn changed(&mut self, change: Change<Lit>, _ctx: &mut Context<'_, Self>) {
        self.log.note(self.number, change);
    }
}

impl Watcher<Interest<Says>> for Probe {
    fn changed(&mut self, change: Change<Interest<Says>>, _ctx: &mut Context<'_, Self>) {
        self.log.note(self.number, change);
    }
}

impl Watcher<Down> for Probe {
    fn changed(&mut self, change: Change<Down>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(all) => self.log.note(self.number, format_args!("{} down", all.len())),
            Change::Appeared(down) => {
                self.log.note(self.number, format_args!("{} {}", down.name, down.reason));
            }
            Change::Gone(down) => {
                self.log.note(self.number, format_args!("{} forgotten", down.name));
            }
        }
    }
}

/// A dataspace with a fixed seed and the usual limits.
pub fn space() -> Dataspace {
    Dataspace::new(config())
}

pub fn config() -> Config {
    Config { hash_seed: Some(7), ..Config::default() }
}

pub fn at(x: u8, y: u8) -> Spot {
    Spot { x, y }
}

pub fn say(x: u8, y: u8, hops: u8) -> Says {
    Says { at: at(x, y), hops }
}

pub fn lit(x: u8, y: u8, colour: u8) -> Lit {
    Lit { at: at(x, y), colour }
}

/// Has a probe act, and runs until idle.
pub fn tell(space: &mut Dataspace, number: u8, acts: impl Into<Vec<Act>>) {
    let script = Script { to: Probed { number }, acts: acts.into() };
    space.inject(script).expect("the queue has room");
    idle(space);
}

/// Runs until idle, at the time it is.
pub fn idle(space: &mut Dataspace) {
    assert_eq!(space.run(Time::ZERO), Ran::Idle);
}
