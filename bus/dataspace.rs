//! The dataspace: the value that a host steps.

use std::any::Any;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use foldhash::fast::FixedState;

use crate::actor::{Actor, AnyActor};
use crate::counters::{Counters, Footprint};
use crate::down::{Down, DownKey, Reason};
use crate::facts::FactCommand;
use crate::handle::Handle;
use crate::id::{ActorId, EventId};
use crate::space::{AnyChannel, Envelope, Op, Space};
use crate::spawn::Spawn;
use crate::time::Time;
use crate::topic::{Fact, Interest, PatternOf, Role, Topic};
use crate::trace::{Kind, Line, Recorder};
use crate::unmatched::Unmatched;

/// The limits of a dataspace.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many events may wait in the queue before messages are refused.
    pub queue_limit: usize,
    /// How many events one [`run`](Dataspace::run) takes from the queue at most.
    pub run_budget: u64,
    /// How many [`Down`] facts are kept; older ones are retracted.
    pub down_limit: usize,
    /// How many explanations of unmatched messages are kept.
    pub unmatched_limit: usize,
    /// What hash tables are keyed with: fixed in a simulation, drawn at random if `None`. It never
    /// shows in the order of anything, but a peer who knows it can make tables slow.
    pub hash_seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_limit: 65_536,
            run_budget: 65_536,
            down_limit: 256,
            unmatched_limit: 64,
            hash_seed: None,
        }
    }
}

/// How a [`run`](Dataspace::run) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ran {
    /// There is nothing to do before the next deadline.
    Idle,
    /// The budget is spent; there is more to do. Run again, after others had their turn.
    BudgetSpent,
}

/// A message was not taken because the queue is at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue of the dataspace is at its limit")
    }
}

impl std::error::Error for QueueFull {}

/// A routing bus together with the actors on it, as one value that is stepped.
///
/// It owns no thread and no clock: [`inject`](Self::inject) what came in, [`run`](Self::run) until
/// idle, come back at the [`next_deadline`](Self::next_deadline).
pub struct Dataspace {
    space: Rc<Space>,
    /// The drain loop's own list, so that finding a channel costs no borrow.
    channels: Vec<Rc<dyn AnyChannel>>,
    /// The leases of the `Down` facts, oldest first.
    downs: VecDeque<Handle>,
}

impl Dataspace {
    /// An empty dataspace.
    pub fn new(config: Config) -> Self {
        let seed = config
            .hash_seed
            .unwrap_or_else(|| std::collections::hash_map::RandomState::new().hash_one(0));
        let space = Space::new(config, FixedState::with_seed(seed));
        Self { space, channels: Vec::new(), downs: VecDeque::new() }
    }

    /// Spawns an actor; it takes its place in the queue.
    pub fn spawn<A: Actor>(&mut self, spawn: Spawn<A>) -> ActorId {
        self.space.spawn(spawn)
    }

    /// Ends an actor quietly; it takes its place in the queue. Nothing happens if it has ended.
    pub fn stop(&mut self, actor: ActorId) {
        self.space.push_as(actor, EventId::NONE, Op::Kill, 0);
    }

    /// Makes a turn of an actor panic, to see what becomes of the others; it takes its place in the
    /// queue. Nothing happens if the actor has ended.
    pub fn crash(&mut self, actor: ActorId) {
        self.space.push_as(actor, EventId::NONE, Op::Crash, 0);
    }

    /// Sends `message` as the host.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] if the queue is at its limit.
    pub fn inject<T: Topic>(&mut self, message: T) -> Result<EventId, QueueFull> {
        let channel = self.space.messages::<T>();
        self.space.send(&channel, message).ok_or(QueueFull)
    }

    /// States `fact` on the host's behalf, until the handle is dropped.
    pub fn assert<F: Fact>(&mut self, fact: F) -> Handle {
        let channel = self.space.facts::<F>();
        let lease = self.space.leases.borrow_mut().pending(
            ActorId::HOST,
            self.space.host_root,
            channel.index,
        );
        channel.commands.borrow_mut().push_back(FactCommand::Assert { fact, lease: lease.0 });
        self.space.push(Op::Command, channel.index);
        Handle::new(&self.space.this, lease)
    }

    /// Sets the time to `now` and works until nothing is left to do or the budget is spent.
    ///
    /// Time does not run backwards: an earlier `now` than before counts as that one.
    pub fn run(&mut self, now: Time) -> Ran {
        let now = now.max(self.space.now.get());
        self.space.now.set(now);
        let limit = self.spent() + self.space.config.run_budget;
        loop {
            // Around the whole loop: a catch per turn would cost as much as a delivery.
            match catch_unwind(AssertUnwindSafe(|| self.drain(now, limit))) {
                Ok(ran) => return ran,
                Err(payload) => self.space.recover(panic_message(payload)),
            }
        }
    }

    fn spent(&self) -> u64 {
        let tally = &self.space.tally;
        tally.events.get() + tally.delivered.get() + tally.noticed.get()
    }

    fn drain(&mut self, now: Time, limit: u64) -> Ran {
        if let Some(channel) = self.space.in_flight.get() {
            self.space.channel(channel).resume(&self.space);
            self.space.in_flight.set(None);
        }
        self.space.queue_due_timers(now);
        loop {
            if self.spent() >= limit {
                return Ran::BudgetSpent;
            }
            // Read field by field: a copy of an entry written a moment ago would wait for the
            // processor to collect it from its parts.
            let mut order = self.space.order.borrow_mut();
            let next = order.front().map(|e| (e.op, e.channel, e.id, e.cause, e.actor));
            if next.is_some() {
                order.pop_front();
            }
            drop(order);
            match next {
                Some((Op::Send, channel, id, cause, actor)) => {
                    self.space.tally.events.add(1);
                    let channel = self.known(channel);
                    self.channels[channel].route(&self.space, id, cause, actor);
                }
                Some((op, channel, id, cause, actor)) => {
                    self.space.tally.events.add(1);
                    self.step(Envelope { id, cause, actor, channel, op });
                }
                None if self.space.queue_due_timers(now) => {}
                None => return Ran::Idle,
            }
        }
    }

    /// Lets anything but a message take effect.
    fn step(&mut self, envelope: Envelope) {
        match envelope.op {
            Op::Command => {
                let channel = self.known(envelope.channel);
                self.channels[channel].execute(&self.space, envelope);
            }
            Op::Retract => {
                if let Some(lease) = self.space.next_dropped() {
                    self.retract(lease, envelope);
                }
            }
            Op::Spawn => self.give_birth(envelope),
            Op::Start => {
                if let Some(actor) = self.actor(envelope.actor) {
                    actor.start(&self.space, envelope.cause);
                }
            }
            // The drain loop routes messages itself.
            Op::Send => {}
            Op::Kill => {
                if let Some(actor) = self.actor(envelope.actor).filter(|actor| actor.is_live()) {
                    actor.end(None);
                    // Not before what it has committed already.
                    self.space.order.borrow_mut().push_back(Envelope { op: Op::Stop, ..envelope });
                }
            }
            Op::Crash => {
                if let Some(actor) = self.actor(envelope.actor) {
                    actor.crash(&self.space, envelope.cause);
                }
            }
            Op::Stop => self.stop_step(envelope),
            Op::Fire => self.fire(envelope),
        }
    }

    fn known(&mut self, channel: u16) -> usize {
        let index = usize::from(channel);
        if index >= self.channels.len() {
            self.space.learn_channels(&mut self.channels);
        }
        index
    }

    fn actor(&self, id: ActorId) -> Option<Rc<dyn AnyActor>> {
        self.space.actors.borrow().get(&id).map(Rc::clone)
    }

    fn retract(&mut self, lease: u32, envelope: Envelope) {
        let channel = self.space.leases.borrow().get(lease).channel;
        let channel = self.known(channel);
        self.channels[channel].retract(&self.space, lease, envelope);
    }

    fn give_birth(&mut self, envelope: Envelope) {
        let birth = self.space.births.borrow_mut().pop_front();
        let Some(birth) = birth else { return };
        let actor = birth.deliver(&self.space, envelope);
        self.space.tally.spawned.add(1);
        self.trace_actor(Kind::Spawn, envelope, &*actor);
        self.space.actors.borrow_mut().insert(actor.id(), actor);
    }

    /// Retracts one thing that the actor holds, and comes back until there is none; then buries
    /// the actor. One at a time, so that a watcher's panic on the way loses nothing.
    fn stop_step(&mut self, envelope: Envelope) {
        let Some(actor) = self.actor(envelope.actor) else { return };
        let oldest = self.space.leases.borrow().first(actor.root());
        if let Some(lease) = oldest {
            self.space.order.borrow_mut().push_front(envelope);
            return self.retract(
                lease,
                Envelope { id: self.space.next_event(), cause: envelope.id, ..envelope },
            );
        }
        self.space.actors.borrow_mut().remove(&envelope.actor);
        self.space.leases.borrow_mut().release(actor.root());
        self.space.tally.ended.add(1);
        self.trace_actor(Kind::Stop, envelope, &*actor);
        let buried = catch_unwind(AssertUnwindSafe(|| actor.bury()));
        let mut reason = actor.take_reason();
        if let Err(payload) = buried {
            self.space.tally.panics.add(1);
            reason = reason.or(Some(Reason::Panicked(panic_message(payload))));
        }
        if let Some(reason) = reason {
            self.tell_down(envelope, &*actor, reason);
        }
    }

    fn tell_down(&mut self, envelope: Envelope, actor: &dyn AnyActor, reason: Reason) {
        let key = DownKey { actor: actor.id() };
        let down = Down { key, name: actor.name().clone(), reason };
        if self.space.is_tracing() {
            let id = self.space.next_event();
            let event = Envelope { id, cause: envelope.id, actor: actor.id(), ..envelope };
            self.space.record(Kind::Down, event, 0, 0, &Line::new(&down));
        }
        while self.downs.len() >= self.space.config.down_limit {
            if self.downs.pop_front().is_none() {
                return;
            }
        }
        let handle = self.assert(down);
        self.downs.push_back(handle);
    }

    fn fire(&mut self, envelope: Envelope) {
        let Some(alarm) = self.space.next_due() else { return };
        let Some(actor) = self.actor(alarm.actor).filter(|actor| actor.is_live()) else { return };
        self.space.tally.timers_fired.add(1);
        if self.space.is_tracing() {
            let event = Envelope { cause: alarm.cause, actor: alarm.actor, ..envelope };
            self.space.record(Kind::TimerFired, event, 0, 1, &alarm.token);
        }
        actor.fire(&self.space, envelope.id, alarm.token);
    }

    fn trace_actor(&self, kind: Kind, envelope: Envelope, actor: &dyn AnyActor) {
        if self.space.is_tracing() {
            let event = Envelope { actor: actor.id(), ..envelope };
            self.space.record(kind, event, 0, 0, &&**actor.name());
        }
    }

    /// When the next timer comes due; no later than the present while there is work in the queue.
    pub fn next_deadline(&self) -> Option<Time> {
        if self.space.order.borrow().is_empty() {
            self.space.timers.borrow_mut().next_deadline()
        } else {
            Some(self.space.now.get())
        }
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.space.tally.counters()
    }

    /// What is held at the moment.
    pub fn footprint(&self) -> Footprint {
        Footprint {
            actors: self.space.actors.borrow().len(),
            leases: self.space.leases.borrow().len,
            timers: self.space.timers.borrow().len(),
            queued: self.space.order.borrow().len(),
        }
    }

    /// The facts that hold and match, oldest first.
    pub fn facts<F: Fact>(&self, pattern: &PatternOf<F>) -> Vec<F> {
        self.space.facts::<F>().matching(pattern)
    }

    /// The interests that overlap `pattern`, oldest pattern first.
    pub fn interests<T: Topic>(&self, role: Role, pattern: &PatternOf<T>) -> Vec<Interest<T>> {
        self.space.messages::<T>().interests(role, pattern)
    }

    /// The actors alive and their names, oldest first.
    pub fn actors(&self) -> Vec<(ActorId, Cow<'static, str>)> {
        let actors = self.space.actors.borrow();
        actors.values().map(|actor| (actor.id(), actor.name().clone())).collect()
    }

    /// The names of the topics in use; a [`Record`](crate::Record) counts them from 0.
    pub fn topics(&self) -> Vec<&'static str> {
        (0..).map_while(|index| self.space.topic_name(index)).collect()
    }

    /// Why the last unmatched messages were, oldest first. Kept while there is a recorder.
    pub fn unmatched(&self) -> Vec<Unmatched> {
        self.space.unmatched.borrow().iter().cloned().collect()
    }

    /// Sets or removes the recorder of events.
    pub fn set_recorder(&mut self, recorder: Option<Box<dyn Recorder>>) {
        self.space.set_recorder(recorder);
    }
}

impl Drop for Dataspace {
    /// Drops actors, tables and queues, which refer to each other.
    fn drop(&mut self) {
        let actors = self.space.actors.take();
        for actor in actors.values() {
            // Nobody is left to tell of a panic.
            let _ = catch_unwind(AssertUnwindSafe(|| actor.bury()));
        }
        self.space.learn_channels(&mut self.channels);
        for channel in &self.channels {
            let _ = catch_unwind(AssertUnwindSafe(|| channel.clear()));
        }
        let births = self.space.births.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(births)));
    }
}

impl fmt::Debug for Dataspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataspace")
            .field("now", &self.space.now.get())
            .field("footprint", &self.footprint())
            .finish_non_exhaustive()
    }
}

/// What a panic said, if it said it in words.
fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&str>() {
        Some(message) => (*message).to_owned(),
        None => payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "no message".into()),
    };
    // The payload's own `Drop` is somebody else's code as well.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    message
}
