//! An actor together with what it is spawned with.

use std::borrow::Cow;
use std::rc::Rc;

use crate::actor::{Actor, ActorCell, AnyActor, Handler, Watcher};
use crate::channel::Command;
use crate::facts::FactCommand;
use crate::id::{ActorId, EventId};
use crate::lease::Hold;
use crate::space::{Envelope, Op, Space};
use crate::topic::{Fact, Interest, PatternOf, Role, Topic};

/// Puts one part of a spawn before all else in the queue.
type Part<A> = Box<dyn FnOnce(&Space, &Rc<ActorCell<A>>, Parent)>;

/// Who spawned, and which event it was.
#[derive(Clone, Copy)]
struct Parent {
    actor: ActorId,
    spawn: EventId,
}

/// An actor to spawn, with its initial interests and first messages.
///
/// All of it takes effect as one action: [`Actor::started`] runs first, then the interests and
/// facts take effect, then the first messages are delivered to this actor alone, and only then
/// does anything else happen. Initial interests last as long as the actor.
#[must_use = "it is spawned by `Context::spawn` or `Dataspace::spawn`"]
pub struct Spawn<A> {
    name: Cow<'static, str>,
    /// Boxed, for a spawn is moved with each thing that is added to it.
    actor: Box<A>,
    interests: Vec<Part<A>>,
    messages: Vec<Part<A>>,
}

impl<A: Actor> Spawn<A> {
    /// `actor`, to be called `name` in traces; names need not be unique.
    pub fn new(name: impl Into<Cow<'static, str>>, actor: A) -> Self {
        Self {
            name: name.into(),
            actor: Box::new(actor),
            interests: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// As [`Context::subscribe`](crate::Context::subscribe).
    pub fn subscribe<T: Topic>(self, pattern: PatternOf<T>) -> Self
    where
        A: Handler<T>,
    {
        self.receive::<T>(pattern, Hold::Subscribe)
    }

    /// As [`Context::observe`](crate::Context::observe).
    pub fn observe<T: Topic>(self, pattern: PatternOf<T>) -> Self
    where
        A: Handler<T>,
    {
        self.receive::<T>(pattern, Hold::Observe)
    }

    fn receive<T: Topic>(self, pattern: PatternOf<T>, hold: Hold) -> Self
    where
        A: Handler<T>,
    {
        self.interest(move |space, cell, parent| {
            let channel = space.messages::<T>();
            let lease = lease(space, cell, channel.index);
            let target = Rc::clone(cell) as _;
            let command = Command::Receive { pattern, target, hold, lease };
            channel.commands.borrow_mut().push_front(command);
            space.push_first(cell.id, parent.spawn, Op::Command, channel.index);
        })
    }

    /// As [`Context::provide`](crate::Context::provide).
    pub fn provide<T: Topic>(self, pattern: PatternOf<T>) -> Self {
        self.interest(move |space, cell, parent| {
            let channel = space.messages::<T>();
            let lease = lease(space, cell, channel.index);
            channel.commands.borrow_mut().push_front(Command::Provide { pattern, lease });
            space.push_first(cell.id, parent.spawn, Op::Command, channel.index);
        })
    }

    /// As [`Context::watch`](crate::Context::watch).
    pub fn watch<F: Fact>(self, pattern: PatternOf<F>) -> Self
    where
        A: Watcher<F>,
    {
        self.interest(move |space, cell, parent| {
            let channel = space.facts::<F>();
            let lease = lease(space, cell, channel.index);
            let target = Rc::clone(cell) as _;
            let command = FactCommand::Watch { pattern, target, lease };
            channel.commands.borrow_mut().push_front(command);
            space.push_first(cell.id, parent.spawn, Op::Command, channel.index);
        })
    }

    /// As [`Context::watch_interest`](crate::Context::watch_interest).
    pub fn watch_interest<T: Topic>(self, role: Role, pattern: PatternOf<T>) -> Self
    where
        A: Watcher<Interest<T>>,
    {
        self.interest(move |space, cell, parent| {
            let channel = space.messages::<T>();
            let lease = lease(space, cell, channel.index);
            let target = Rc::clone(cell) as _;
            let command = Command::Watch { role, pattern, target, lease };
            channel.commands.borrow_mut().push_front(command);
            space.push_first(cell.id, parent.spawn, Op::Command, channel.index);
        })
    }

    /// As [`Context::assert`](crate::Context::assert).
    pub fn assert<F: Fact>(self, fact: F) -> Self {
        self.interest(move |space, cell, parent| {
            let channel = space.facts::<F>();
            let lease = lease(space, cell, channel.index);
            channel.commands.borrow_mut().push_front(FactCommand::Assert { fact, lease });
            space.push_first(cell.id, parent.spawn, Op::Command, channel.index);
        })
    }

    /// Delivers `message` to this actor alone, before anything that comes later in the order.
    pub fn deliver<T: Topic>(mut self, message: T) -> Self
    where
        A: Handler<T>,
    {
        self.messages.push(Box::new(move |space, cell, parent| {
            let channel = space.messages::<T>();
            let target = Rc::clone(cell) as _;
            channel.commands.borrow_mut().push_front(Command::First { message, target });
            space.push_first(parent.actor, parent.spawn, Op::Command, channel.index);
        }));
        self
    }

    fn interest(mut self, part: impl FnOnce(&Space, &Rc<ActorCell<A>>, Parent) + 'static) -> Self {
        self.interests.push(Box::new(part));
        self
    }
}

fn lease<A>(space: &Space, cell: &ActorCell<A>, channel: u16) -> u32 {
    space.leases.borrow_mut().pending(cell.id, cell.root, channel).0
}

/// An actor that waits in the queue to be spawned.
pub(crate) trait Birth {
    /// Gives it a home, and queues its first turn and all it came with before everything else.
    fn deliver(self: Box<Self>, space: &Space, envelope: Envelope) -> Rc<dyn AnyActor>;
}

/// A spawn with its id.
struct Unborn<A> {
    id: ActorId,
    spawn: Spawn<A>,
}

impl<A: Actor> Birth for Unborn<A> {
    fn deliver(self: Box<Self>, space: &Space, envelope: Envelope) -> Rc<dyn AnyActor> {
        let Self { id, spawn } = *self;
        let Spawn { name, actor, interests, messages } = spawn;
        let root = space.leases.borrow_mut().root(id);
        let cell = Rc::new_cyclic(|this| ActorCell::new(id, root, name, *actor, this.clone()));
        let parent = Parent { actor: envelope.actor, spawn: envelope.id };
        // Each goes before all the others, so the last comes first.
        for part in messages.into_iter().rev().chain(interests.into_iter().rev()) {
            part(space, &cell, parent);
        }
        space.push_first(id, envelope.id, Op::Start, 0);
        cell
    }
}

impl Space {
    pub(crate) fn spawn<A: Actor>(&self, spawn: Spawn<A>) -> ActorId {
        let id = self.next_actor();
        self.births.borrow_mut().push_back(Box::new(Unborn { id, spawn }));
        self.push(Op::Spawn, 0);
        id
    }
}
