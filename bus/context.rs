//! What an actor can do during its turn.

use std::borrow::Cow;
use std::rc::Rc;

use crate::actor::{Actor, ActorCell, Handler, Watcher};
use crate::channel::{Channel, Command};
use crate::down::Reason;
use crate::facts::FactCommand;
use crate::handle::Handle;
use crate::id::{ActorId, EventId};
use crate::lease::Hold;
use crate::space::{Op, Space};
use crate::spawn::Spawn;
use crate::time::Time;
use crate::timer::{Alarm, Timer, TimerToken};
use crate::topic::{Fact, Interest, PatternOf, Role, Topic};
use crate::trace::Kind;

/// The dataspace, as an actor sees it during a turn.
///
/// Everything done through it (but timers, which concern nobody else) is buffered and takes effect
/// after the turn, in the order in which it was done; nothing of it does if the turn panics.
pub struct Context<'a, A> {
    pub(crate) space: &'a Space,
    pub(crate) cell: &'a ActorCell<A>,
}

/// A topic resolved once, so that sending need not look it up.
pub struct Publisher<T: Topic>(pub(crate) Rc<Channel<T>>);

impl<T: Topic> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: Topic> std::fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Publisher of {}", T::NAME)
    }
}

impl<T: Topic> Publisher<T> {
    /// Sends `message`. When the queue is at its limit, [`Topic::WHEN_FULL`] decides.
    #[inline]
    pub fn send<A: Actor>(&self, ctx: &mut Context<'_, A>, message: T) -> EventId {
        if !std::ptr::eq(self.0.home, ctx.space) {
            // A publisher that travelled here from another dataspace.
            return ctx.send(message);
        }
        ctx.space.send(&self.0, message).unwrap_or(EventId::NONE)
    }
}

impl<A: Actor> Context<'_, A> {
    /// The time, as the host gave it.
    pub fn now(&self) -> Time {
        self.space.now.get()
    }

    /// This actor.
    pub fn id(&self) -> ActorId {
        self.cell.id
    }

    /// The event being handled.
    pub fn cause(&self) -> EventId {
        self.space.cause()
    }

    /// Sends `message` to whoever is interested when its place in the order comes. When the queue
    /// is at its limit, [`Topic::WHEN_FULL`] decides, and [`EventId::NONE`] is returned.
    ///
    /// Who sends often resolves the topic once: see [`publisher`](Self::publisher).
    pub fn send<T: Topic>(&mut self, message: T) -> EventId {
        let channel = self.space.messages::<T>();
        self.space.send(&channel, message).unwrap_or(EventId::NONE)
    }

    /// The way to send messages of topic `T`.
    pub fn publisher<T: Topic>(&self) -> Publisher<T> {
        Publisher(self.space.messages::<T>())
    }

    /// Wants the messages that match `pattern`, and lets others know.
    pub fn subscribe<T: Topic>(&mut self, pattern: PatternOf<T>) -> Handle
    where
        A: Handler<T>,
    {
        self.receive::<T>(pattern, Hold::Subscribe)
    }

    /// Gets the messages that match `pattern` without taking part: no interest is stated.
    pub fn observe<T: Topic>(&mut self, pattern: PatternOf<T>) -> Handle
    where
        A: Handler<T>,
    {
        self.receive::<T>(pattern, Hold::Observe)
    }

    fn receive<T: Topic>(&mut self, pattern: PatternOf<T>, hold: Hold) -> Handle
    where
        A: Handler<T>,
    {
        let channel = self.space.messages::<T>();
        let (handle, lease) = self.lease(channel.index, T::NAME);
        let target = self.cell.rc();
        channel.commands.borrow_mut().push_back(Command::Receive { pattern, target, hold, lease });
        self.space.push(Op::Command, channel.index);
        handle
    }

    /// Lets others know that messages that match `pattern` can be had from this actor.
    pub fn provide<T: Topic>(&mut self, pattern: PatternOf<T>) -> Handle {
        let channel = self.space.messages::<T>();
        let (handle, lease) = self.lease(channel.index, T::NAME);
        channel.commands.borrow_mut().push_back(Command::Provide { pattern, lease });
        self.space.push(Op::Command, channel.index);
        handle
    }

    /// Watches the facts that match `pattern`: a snapshot, then each change. An actor with several
    /// watches gets a snapshot for each, and each change once, however many of them match.
    pub fn watch<F: Fact>(&mut self, pattern: PatternOf<F>) -> Handle
    where
        A: Watcher<F>,
    {
        let channel = self.space.facts::<F>();
        let (handle, lease) = self.lease(channel.index, F::NAME);
        let target = self.cell.rc();
        channel.commands.borrow_mut().push_back(FactCommand::Watch { pattern, target, lease });
        self.space.push(Op::Command, channel.index);
        handle
    }

    /// Watches who takes the side `role` of messages of topic `T`: every interest whose pattern
    /// overlaps `pattern`, wildcards included.
    pub fn watch_interest<T: Topic>(&mut self, role: Role, pattern: PatternOf<T>) -> Handle
    where
        A: Watcher<Interest<T>>,
    {
        let channel = self.space.messages::<T>();
        let (handle, lease) = self.lease(channel.index, T::NAME);
        let target = self.cell.rc();
        channel.commands.borrow_mut().push_back(Command::Watch { role, pattern, target, lease });
        self.space.push(Op::Command, channel.index);
        handle
    }

    /// States `fact`, until the handle is dropped or the actor ends.
    pub fn assert<F: Fact>(&mut self, fact: F) -> Handle {
        let channel = self.space.facts::<F>();
        let (handle, lease) = self.lease(channel.index, F::NAME);
        channel.commands.borrow_mut().push_back(FactCommand::Assert { fact, lease });
        self.space.push(Op::Command, channel.index);
        handle
    }

    fn lease(&self, channel: u16, topic: &'static str) -> (Handle, u32) {
        self.space.ensure_room(topic);
        let lease = self.space.leases.borrow_mut().pending(self.cell.id, self.cell.root, channel);
        (Handle::new(&self.space.this, lease), lease.0)
    }

    /// Spawns an actor with its initial interests and first messages, as one action.
    pub fn spawn<B: Actor>(&mut self, spawn: Spawn<B>) -> ActorId {
        self.space.ensure_room("an actor");
        self.space.spawn(spawn)
    }

    /// Sets a timer that calls [`Actor::timeout`] with `token` at `at`, or as soon as possible if
    /// that is past. It takes effect at once.
    pub fn set_timer(&mut self, at: Time, token: TimerToken) -> Timer {
        let alarm = self.alarm(token);
        let (slot, generation) = self.space.timers.borrow_mut().set(at, alarm);
        self.count_timer(token);
        Timer { space: self.space.this.clone(), slot, generation }
    }

    /// Sets `timer` to `at`, whether or not it was set before. Moving a timer to a later deadline
    /// costs next to nothing, so it can be done for every packet.
    pub fn reset_timer(&mut self, timer: &mut Option<Timer>, at: Time, token: TimerToken) {
        let alarm = self.alarm(token);
        if let Some(set) = timer
            && self.space.timers.borrow_mut().reset(set.slot, set.generation, at, alarm)
        {
            self.count_timer(token);
        } else {
            *timer = Some(self.set_timer(at, token));
        }
    }

    fn alarm(&self, token: TimerToken) -> Alarm {
        Alarm { actor: self.cell.id, token, cause: self.space.cause() }
    }

    fn count_timer(&self, token: TimerToken) {
        self.space.tally.timers_set.add(1);
        self.space.record_now(Kind::TimerSet, self.cell.id, 0, &token);
    }

    /// Ends this actor: what it did so far stands, what it does after this is dropped, and
    /// nothing more is delivered to it. Should the turn panic yet, nothing of it stands, and the end
    /// is a crash.
    pub fn stop(&mut self) {
        self.space.end_current(None);
    }

    /// Ends this actor like [`stop`](Self::stop), and tells it as [`Down`](crate::Down).
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.space.end_current(Some(Reason::Failed(reason.into().into_owned())));
    }
}
