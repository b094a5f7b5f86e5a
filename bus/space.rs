//! The inside of a dataspace: the order queue, and all that turns may reach.
//!
//! Every action goes to the tail of one queue and takes effect when it is taken from the head, so
//! the tail doubles as the buffer of the turn under way: rolling back is popping to a mark, and no
//! table changes while anybody is being called.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::actor::AnyActor;
use crate::channel::Channel;
use crate::counters::Tally;
use crate::dataspace::Config;
use crate::down::Reason;
use crate::facts::FactChannel;
use crate::id::{ActorId, EventId};
use crate::lease::Leases;
use crate::spawn::Birth;
use crate::time::Time;
use crate::timer::{Alarm, Timers};
use crate::topic::{Fact, Topic, WhenFull};
use crate::trace::{Detail, Kind, Line, Record, Recorder};
use crate::unmatched::Unmatched;

/// What an entry of the order queue stands for. The values themselves wait in typed queues beside
/// it, in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// The next message of the channel.
    Send,
    /// The next command of the channel.
    Command,
    /// The next handle in `dropped`.
    Retract,
    /// The next birth in `births`.
    Spawn,
    /// First turn of the actor.
    Start,
    /// The host wants the actor to end: no more turns from here on.
    Kill,
    /// The host wants a turn of the actor to panic.
    Crash,
    /// End of the actor. Behind it in the queue there is nothing of it.
    Stop,
    /// The next timer in `due`.
    Fire,
}

/// An entry of the order queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) id: EventId,
    pub(crate) cause: EventId,
    /// Who did it; for `Start`, `Kill`, `Crash` and `Stop`, whom it concerns.
    pub(crate) actor: ActorId,
    pub(crate) channel: u16,
    pub(crate) op: Op,
}

/// A topic's queues and tables, its type forgotten.
pub(crate) trait AnyChannel {
    fn name(&self) -> &'static str;
    /// Takes the next message from its queue and routes it.
    fn route(&self, space: &Space, id: EventId, cause: EventId, sender: ActorId);
    /// Takes the next command from its queue and lets it take effect.
    fn execute(&self, space: &Space, envelope: Envelope);
    /// Ends a lease of this channel.
    fn retract(&self, space: &Space, lease: u32, envelope: Envelope);
    /// Goes on with a fan-out that a panic broke off.
    fn resume(&self, space: &Space);
    /// Takes back the newest entry of the queue that `op` stands for; for the caller to drop.
    fn undo(&self, space: &Space, op: Op) -> Box<dyn Any>;
    /// Drops everything, when the dataspace goes.
    fn clear(&self);
}

#[derive(Default)]
struct Registry {
    by_type: HashMap<TypeId, u16, foldhash::fast::FixedState>,
    channels: Vec<(Rc<dyn AnyChannel>, Rc<dyn Any>)>,
}

/// The turn under way. Cells of their own, for they are written at every hop.
#[derive(Debug)]
struct Turn {
    /// Whose; nobody's between turns.
    actor: Cell<ActorId>,
    /// The event that it handles.
    cause: Cell<EventId>,
    /// The length of the queue when it began.
    mark: Cell<usize>,
    /// The length of the queue when the actor ended itself, if it did.
    keep: Cell<usize>,
}

pub(crate) struct Space {
    pub(crate) this: Weak<Self>,
    pub(crate) config: Config,
    pub(crate) hasher: FixedState,
    pub(crate) now: Cell<Time>,
    pub(crate) tally: Tally,
    events: Cell<u64>,
    spawned: Cell<u64>,
    turn: Turn,
    /// The channel with a fan-out under way.
    pub(crate) in_flight: Cell<Option<u16>>,
    pub(crate) order: RefCell<VecDeque<Envelope>>,
    dropped: RefCell<VecDeque<(u32, u32)>>,
    due: RefCell<VecDeque<(u32, u32)>>,
    pub(crate) births: RefCell<VecDeque<Box<dyn Birth>>>,
    pub(crate) leases: RefCell<Leases>,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) actors: RefCell<BTreeMap<ActorId, Rc<dyn AnyActor>>>,
    registry: RefCell<Registry>,
    pub(crate) host_root: u32,
    tracing: Cell<bool>,
    recorder: RefCell<Option<Box<dyn Recorder>>>,
    pub(crate) unmatched: RefCell<VecDeque<Unmatched>>,
}

impl Space {
    pub(crate) fn new(config: Config, hasher: FixedState) -> Rc<Self> {
        let mut leases = Leases::default();
        let host_root = leases.root(ActorId::HOST);
        let turn = Turn {
            actor: Cell::new(ActorId::HOST),
            cause: Cell::new(EventId::NONE),
            mark: Cell::new(0),
            keep: Cell::new(0),
        };
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            config,
            hasher,
            now: Cell::default(),
            tally: Tally::default(),
            events: Cell::default(),
            spawned: Cell::default(),
            turn,
            in_flight: Cell::default(),
            order: RefCell::default(),
            dropped: RefCell::default(),
            due: RefCell::default(),
            births: RefCell::default(),
            leases: RefCell::new(leases),
            timers: RefCell::default(),
            actors: RefCell::default(),
            registry: RefCell::default(),
            host_root,
            tracing: Cell::default(),
            recorder: RefCell::default(),
            unmatched: RefCell::default(),
        })
    }

    // Ids and the queue.

    #[inline]
    pub(crate) fn next_event(&self) -> EventId {
        let number = self.events.get() + 1;
        self.events.set(number);
        EventId::from_number(number)
    }

    pub(crate) fn next_actor(&self) -> ActorId {
        let number = self.spawned.get() + 1;
        self.spawned.set(number);
        ActorId::from_number(number)
    }

    /// Appends an action of whoever has the turn.
    #[inline]
    pub(crate) fn push(&self, op: Op, channel: u16) -> EventId {
        self.push_as(self.turn.actor.get(), self.turn.cause.get(), op, channel)
    }

    #[inline]
    pub(crate) fn push_as(&self, actor: ActorId, cause: EventId, op: Op, channel: u16) -> EventId {
        let id = self.next_event();
        self.order.borrow_mut().push_back(Envelope { id, cause, actor, channel, op });
        id
    }

    /// Puts an action before all others: part of the one being carried out.
    pub(crate) fn push_first(&self, actor: ActorId, cause: EventId, op: Op, channel: u16) {
        let id = self.next_event();
        self.order.borrow_mut().push_front(Envelope { id, cause, actor, channel, op });
    }

    /// Appends a message, unless the queue is at its limit.
    #[inline]
    pub(crate) fn send<T: Topic>(&self, channel: &Channel<T>, message: T) -> Option<EventId> {
        let mut order = self.order.borrow_mut();
        if order.len() >= self.config.queue_limit {
            drop(order);
            self.refuse::<T>(channel, &message);
            return None;
        }
        let id = self.next_event();
        let (actor, cause) = (self.turn.actor.get(), self.turn.cause.get());
        order.push_back(Envelope { id, cause, actor, channel: channel.index, op: Op::Send });
        channel.messages.borrow_mut().push_back(message);
        Some(id)
    }

    #[cold]
    fn refuse<T: Topic>(&self, channel: &Channel<T>, message: &T) {
        self.tally.dropped.add(1);
        let sender = self.turn.actor.get();
        self.record_now(Kind::Dropped, sender, channel.index, &Line::new(message));
        if T::WHEN_FULL == WhenFull::StopSender && sender != ActorId::HOST {
            self.end_current(Some(Reason::QueueFull(T::NAME)));
        }
    }

    /// Before interests, facts and spawns of an actor, which cannot be dropped one by one: they
    /// have as much room again as messages, and an actor that finds none ends.
    pub(crate) fn ensure_room(&self, topic: &'static str) {
        if self.order.borrow().len() >= self.config.queue_limit.saturating_mul(2) {
            self.end_current(Some(Reason::QueueFull(topic)));
        }
    }

    // Turns.

    #[inline]
    pub(crate) fn begin_turn(&self, actor: ActorId, cause: EventId) {
        self.turn.mark.set(self.order.borrow().len());
        self.turn.cause.set(cause);
        self.turn.actor.set(actor);
    }

    #[inline]
    pub(crate) fn end_turn(&self, live: bool) {
        let actor = self.leave_turn();
        if !live {
            self.roll_back(self.turn.keep.get(), actor);
        }
    }

    #[inline]
    fn leave_turn(&self) -> ActorId {
        self.turn.cause.set(EventId::NONE);
        self.turn.actor.replace(ActorId::HOST)
    }

    pub(crate) fn cause(&self) -> EventId {
        self.turn.cause.get()
    }

    /// Whoever has the turn ends here; what it did so far stands.
    pub(crate) fn end_current(&self, reason: Option<Reason>) {
        let actor = self.actors.borrow().get(&self.turn.actor.get()).map(Rc::clone);
        if let Some(actor) = actor.filter(|actor| actor.is_live()) {
            actor.end(reason);
            self.push(Op::Stop, 0);
            self.turn.keep.set(self.order.borrow().len());
        }
    }

    /// A panic came out of the drain loop. If a turn was under way its actor ends here.
    pub(crate) fn recover(&self, reason: String) {
        self.tally.panics.add(1);
        let cause = self.cause();
        let id = self.leave_turn();
        let actor = self.actors.borrow().get(&id).map(Rc::clone);
        let Some(actor) = actor else { return };
        self.roll_back(self.turn.mark.get(), id);
        actor.end(Some(Reason::Panicked(reason)));
        self.push_as(id, cause, Op::Stop, 0);
    }

    /// Takes back what was appended since the queue was `mark` long. Handles of other actors
    /// that were dropped meanwhile stay dropped: nobody could drop them a second time.
    fn roll_back(&self, mark: usize, actor: ActorId) {
        let mut undone: Vec<Box<dyn Any>> = Vec::new();
        let mut still_dropped = Vec::new();
        loop {
            let envelope = {
                let mut order = self.order.borrow_mut();
                if order.len() <= mark {
                    break;
                }
                order.pop_back()
            };
            let Some(envelope) = envelope else { break };
            match envelope.op {
                Op::Send | Op::Command => {
                    undone.push(self.channel(envelope.channel).undo(self, envelope.op));
                }
                Op::Retract => {
                    let lease = self.dropped.borrow_mut().pop_back();
                    still_dropped.extend(lease.map(|lease| (lease, envelope)));
                }
                Op::Spawn => {
                    let birth = self.births.borrow_mut().pop_back();
                    undone.push(Box::new(birth));
                }
                Op::Start | Op::Kill | Op::Crash | Op::Stop | Op::Fire => {}
            }
        }
        for ((lease, generation), envelope) in still_dropped.into_iter().rev() {
            let holder = self.leases.borrow().holder(lease, generation);
            if holder.is_some_and(|holder| holder != actor) {
                self.dropped.borrow_mut().push_back((lease, generation));
                self.order.borrow_mut().push_back(envelope);
            }
        }
        drop(undone);
    }

    // Handles and timers.

    /// A handle was dropped.
    pub(crate) fn retract_later(&self, lease: u32, generation: u32) {
        if self.leases.borrow().holder(lease, generation).is_some() {
            self.dropped.borrow_mut().push_back((lease, generation));
            self.push(Op::Retract, 0);
        }
    }

    pub(crate) fn next_dropped(&self) -> Option<u32> {
        let (lease, generation) = self.dropped.borrow_mut().pop_front()?;
        self.leases.borrow().holder(lease, generation).map(|_| lease)
    }

    pub(crate) fn cancel_timer(&self, slot: u32, generation: u32) {
        let cancelled = self.timers.borrow_mut().cancel(slot, generation);
        if let Some(alarm) = cancelled {
            self.record_now(Kind::TimerCancelled, alarm.actor, 0, &alarm.token);
        }
    }

    /// Queues every timer that is due; whether there was one.
    pub(crate) fn queue_due_timers(&self, now: Time) -> bool {
        let mut any = false;
        loop {
            let due = self.timers.borrow_mut().pop_due(now);
            let Some(timer) = due else { return any };
            self.due.borrow_mut().push_back(timer);
            self.push(Op::Fire, 0);
            any = true;
        }
    }

    /// The timer whose turn it is, unless it was cancelled meanwhile.
    pub(crate) fn next_due(&self) -> Option<Alarm> {
        let (slot, generation) = self.due.borrow_mut().pop_front()?;
        self.timers.borrow_mut().cancel(slot, generation)
    }

    // Channels.

    pub(crate) fn channel(&self, index: u16) -> Rc<dyn AnyChannel> {
        Rc::clone(&self.registry.borrow().channels[usize::from(index)].0)
    }

    pub(crate) fn topic_name(&self, index: u16) -> Option<&'static str> {
        self.registry.borrow().channels.get(usize::from(index)).map(|(channel, _)| channel.name())
    }

    /// The channels from `known` on, for the drain loop to learn of new ones.
    pub(crate) fn learn_channels(&self, known: &mut Vec<Rc<dyn AnyChannel>>) {
        let registry = self.registry.borrow();
        known.extend(registry.channels[known.len()..].iter().map(|(any, _)| Rc::clone(any)));
    }

    /// The channel for messages of topic `T` and interest in them.
    pub(crate) fn messages<T: Topic>(&self) -> Rc<Channel<T>> {
        self.resolve(|index| Channel::<T>::new(index, self))
    }

    /// The channel for facts of topic `F`.
    pub(crate) fn facts<F: Fact>(&self) -> Rc<FactChannel<F>> {
        self.resolve(|index| FactChannel::<F>::new(index, self))
    }

    fn resolve<C: AnyChannel + 'static>(&self, make: impl FnOnce(u16) -> C) -> Rc<C> {
        let mut registry = self.registry.borrow_mut();
        let known = registry.by_type.get(&TypeId::of::<C>()).copied();
        if let Some(index) = known {
            let any = Rc::clone(&registry.channels[usize::from(index)].1);
            return any.downcast().expect("channels are registered under their own type");
        }
        let index = u16::try_from(registry.channels.len())
            .expect("a program has fewer topics than a u16 counts, for each is a type of it");
        let channel = Rc::new(make(index));
        registry.by_type.insert(TypeId::of::<C>(), index);
        registry.channels.push((Rc::clone(&channel) as _, Rc::clone(&channel) as _));
        channel
    }

    // Trace.

    #[inline]
    pub(crate) fn is_tracing(&self) -> bool {
        self.tracing.get()
    }

    pub(crate) fn set_recorder(&self, recorder: Option<Box<dyn Recorder>>) {
        self.tracing.set(recorder.is_some());
        let former = self.recorder.replace(recorder);
        drop(former);
    }

    pub(crate) fn record(
        &self,
        kind: Kind,
        event: Envelope,
        topic: u16,
        recipients: usize,
        detail: &dyn Detail,
    ) {
        if let Some(recorder) = self.recorder.borrow_mut().as_mut() {
            let Envelope { id, cause, actor, .. } = event;
            let time = self.now.get();
            let record = Record::new(kind, id, cause, time, actor, topic, recipients);
            recorder.record(&record, detail);
        }
    }

    /// Records an event that takes effect at once, without the queue.
    pub(crate) fn record_now(&self, kind: Kind, actor: ActorId, topic: u16, detail: &dyn Detail) {
        if self.is_tracing() {
            let (id, cause, op) = (self.next_event(), self.cause(), Op::Start);
            self.record(kind, Envelope { id, cause, actor, channel: topic, op }, topic, 0, detail);
        }
    }

    /// Keeps an explanation, and forgets the oldest if there are too many.
    pub(crate) fn explain(&self, why: Unmatched) {
        let mut unmatched = self.unmatched.borrow_mut();
        unmatched.push_back(why);
        let excess = unmatched.len().saturating_sub(self.config.unmatched_limit);
        unmatched.drain(..excess);
    }
}
