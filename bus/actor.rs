//! What an actor is, and the cell that holds one while it lives.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;
use std::rc::{Rc, Weak};

use crate::context::Context;
use crate::down::Reason;
use crate::id::{ActorId, EventId};
use crate::space::Space;
use crate::timer::TimerToken;
use crate::topic::{Change, Fact, Interest, Topic};

/// Something that lives on a dataspace and is called when there is news for it.
///
/// Each call is a *turn*: it has the actor to itself, and what it does through the
/// [`Context`] takes effect, all of it or nothing, after it returns.
#[allow(unused_variables)]
pub trait Actor: Sized + 'static {
    /// The first turn, before any message and before the first snapshots.
    fn started(&mut self, ctx: &mut Context<'_, Self>) {}

    /// A timer set with [`Context::set_timer`] has come due.
    fn timeout(&mut self, token: TimerToken, ctx: &mut Context<'_, Self>) {}
}

/// An actor that takes messages of topic `T`.
pub trait Handler<T: Topic>: Actor {
    /// A message that one of this actor's patterns matched.
    fn handle(&mut self, message: Delivery<'_, T>, ctx: &mut Context<'_, Self>);
}

/// What can be watched: every [`Fact`], and [`Interest`] in every topic.
pub trait Watchable: Clone + fmt::Debug + 'static {}

impl<F: Fact> Watchable for F {}
impl<T: Topic> Watchable for Interest<T> {}

/// An actor that watches facts of type `F`, or interest if `F` is [`Interest`].
pub trait Watcher<F: Watchable>: Actor {
    /// The snapshot of a watch, or a change after it.
    fn changed(&mut self, change: Change<F>, ctx: &mut Context<'_, Self>);
}

/// A message on its way into a handler.
///
/// Read it in place, or [`take`](Self::take) it.
pub struct Delivery<'a, T: Clone> {
    pub(crate) message: &'a mut Option<T>,
    pub(crate) last: bool,
    pub(crate) sender: ActorId,
}

impl<T: Clone> Delivery<'_, T> {
    /// The message itself: moved for the last recipient, cloned before that.
    pub fn take(self) -> T {
        let taken = if self.last { self.message.take() } else { self.message.clone() };
        taken.expect("a delivery holds its message until it is taken, and taking consumes it")
    }

    /// Who sent it; [`ActorId::HOST`] if it was injected.
    pub fn sender(&self) -> ActorId {
        self.sender
    }
}

impl<T: Clone> Deref for Delivery<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.message.as_ref().expect("a delivery holds its message until it is taken")
    }
}

impl<T: Clone + fmt::Debug> fmt::Debug for Delivery<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The home of one actor: its state between turns and what the bus knows of it.
pub(crate) struct ActorCell<A> {
    pub(crate) id: ActorId,
    /// The lease that heads the list of all that the actor holds.
    pub(crate) root: u32,
    pub(crate) live: Cell<bool>,
    ending: RefCell<Option<Box<Reason>>>,
    name: Cow<'static, str>,
    state: RefCell<Option<A>>,
    this: Weak<Self>,
}

/// An actor, its type forgotten.
pub(crate) trait AnyActor {
    fn id(&self) -> ActorId;
    fn name(&self) -> &Cow<'static, str>;
    fn root(&self) -> u32;
    fn is_live(&self) -> bool;
    /// Bars further turns; a reason makes it a crash.
    fn end(&self, reason: Option<Reason>);
    fn take_reason(&self) -> Option<Reason>;
    fn start(&self, space: &Space, cause: EventId);
    fn fire(&self, space: &Space, cause: EventId, token: TimerToken);
    /// Runs a turn that panics.
    fn crash(&self, space: &Space, cause: EventId);
    /// Drops the actor's state. May panic, as its `Drop` may.
    fn bury(&self);
}

/// The way of messages of topic `T` into an actor.
pub(crate) trait Receive<T: Clone> {
    fn id(&self) -> ActorId;
    fn is_live(&self) -> bool;
    /// Whether the actor was there to take it.
    fn receive(&self, space: &Space, cause: EventId, message: Delivery<'_, T>) -> bool;
}

/// The way of changes of `F` into an actor.
pub(crate) trait Notice<F> {
    fn id(&self) -> ActorId;
    fn is_live(&self) -> bool;
    fn notice(&self, space: &Space, cause: EventId, change: Change<F>);
}

impl<A: Actor> ActorCell<A> {
    pub(crate) fn new(
        id: ActorId,
        root: u32,
        name: Cow<'static, str>,
        state: A,
        this: Weak<Self>,
    ) -> Self {
        Self {
            id,
            root,
            live: Cell::new(true),
            ending: RefCell::new(None),
            name,
            state: RefCell::new(Some(state)),
            this,
        }
    }

    pub(crate) fn rc(&self) -> Rc<Self> {
        self.this.upgrade().expect("a cell is called through an Rc of it")
    }

    /// Runs one turn, unless the actor has ended. A panic in it leaves the turn open in `space`, which is how the drain loop
    /// knows whose it was.
    #[inline]
    fn turn(
        &self,
        space: &Space,
        cause: EventId,
        body: impl FnOnce(&mut A, &mut Context<'_, A>),
    ) -> bool {
        if !self.live.get() {
            return false;
        }
        let mut state = self.state.borrow_mut();
        let Some(actor) = state.as_mut() else { return false };
        space.begin_turn(self.id, cause);
        body(actor, &mut Context { space, cell: self });
        space.end_turn(self.live.get());
        true
    }
}

impl<A: Actor> AnyActor for ActorCell<A> {
    fn id(&self) -> ActorId {
        self.id
    }

    fn name(&self) -> &Cow<'static, str> {
        &self.name
    }

    fn root(&self) -> u32 {
        self.root
    }

    fn is_live(&self) -> bool {
        self.live.get()
    }

    fn end(&self, reason: Option<Reason>) {
        self.live.set(false);
        if let Some(reason) = reason {
            *self.ending.borrow_mut() = Some(Box::new(reason));
        }
    }

    fn take_reason(&self) -> Option<Reason> {
        self.ending.borrow_mut().take().map(|reason| *reason)
    }

    fn start(&self, space: &Space, cause: EventId) {
        self.turn(space, cause, |actor, ctx| actor.started(ctx));
    }

    fn fire(&self, space: &Space, cause: EventId, token: TimerToken) {
        self.turn(space, cause, |actor, ctx| actor.timeout(token, ctx));
    }

    fn crash(&self, space: &Space, cause: EventId) {
        self.turn(space, cause, |_, _| panic!("crashed on the host's demand"));
    }

    fn bury(&self) {
        let state = self.state.borrow_mut().take();
        drop(state);
    }
}

impl<A: Handler<T>, T: Topic> Receive<T> for ActorCell<A> {
    fn id(&self) -> ActorId {
        self.id
    }

    fn is_live(&self) -> bool {
        self.live.get()
    }

    fn receive(&self, space: &Space, cause: EventId, message: Delivery<'_, T>) -> bool {
        self.turn(space, cause, |actor, ctx| actor.handle(message, ctx))
    }
}

impl<A: Watcher<F>, F: Watchable> Notice<F> for ActorCell<A> {
    fn id(&self) -> ActorId {
        self.id
    }

    fn is_live(&self) -> bool {
        self.live.get()
    }

    fn notice(&self, space: &Space, cause: EventId, change: Change<F>) {
        self.turn(space, cause, |actor, ctx| actor.changed(change, ctx));
    }
}
