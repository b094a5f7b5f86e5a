//! One topic of messages: its queues, who is interested, and who watches that interest.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::actor::{Delivery, Notice, Receive};
use crate::id::{ActorId, EventId};
use crate::key::Pattern;
use crate::lease::Hold;
use crate::news::{News, Watch};
use crate::routing::{Entry, Rank, Router};
use crate::space::{AnyChannel, Envelope, Op, Space};
use crate::topic::{Change, Interest, PatternOf, Role, Topic};
use crate::trace::{Kind, Line, PatternLine};
use crate::unmatched::{Unmatched, UnmatchedLine};

/// A subscriber or observer, as it hangs on its pattern.
pub(crate) struct Subscriber<T: Topic> {
    target: Rc<dyn Receive<T>>,
    rank: Rank,
}

impl<T: Topic> Entry for Subscriber<T> {
    fn rank(&self) -> Rank {
        self.rank
    }
}

/// What can be asked of a channel besides routing a message.
pub(crate) enum Command<T: Topic> {
    /// Subscribe or observe.
    Receive {
        pattern: PatternOf<T>,
        target: Rc<dyn Receive<T>>,
        hold: Hold,
        lease: u32,
    },
    Provide {
        pattern: PatternOf<T>,
        lease: u32,
    },
    Watch {
        role: Role,
        pattern: PatternOf<T>,
        target: Rc<dyn Notice<Interest<T>>>,
        lease: u32,
    },
    /// Deliver to this actor alone.
    First {
        message: T,
        target: Rc<dyn Receive<T>>,
    },
}

/// A message with several recipients, on its way.
struct Flight<T> {
    message: Option<T>,
    /// Actor, node, place in the node.
    targets: Vec<(ActorId, u32, u32)>,
    sender: ActorId,
    id: EventId,
}

pub(crate) struct Channel<T: Topic> {
    pub(crate) index: u16,
    /// The dataspace it belongs to.
    pub(crate) home: *const Space,
    pub(crate) messages: RefCell<VecDeque<T>>,
    pub(crate) commands: RefCell<VecDeque<Command<T>>>,
    interests: RefCell<Router<PatternOf<T>, Subscriber<T>>>,
    watches: RefCell<Router<PatternOf<T>, Watch<Interest<T>>>>,
    flight: RefCell<Flight<T>>,
    flown: Cell<usize>,
    news: News<Interest<T>>,
}

impl<T: Topic> Channel<T> {
    pub(crate) fn new(index: u16, space: &Space) -> Self {
        Self {
            index,
            home: space,
            messages: RefCell::default(),
            commands: RefCell::default(),
            interests: RefCell::new(Router::new(space.hasher.clone())),
            watches: RefCell::new(Router::new(space.hasher.clone())),
            flight: RefCell::new(Flight {
                message: None,
                targets: Vec::new(),
                sender: ActorId::HOST,
                id: EventId::NONE,
            }),
            flown: Cell::new(0),
            news: News::new(),
        }
    }

    /// The interests that overlap `pattern`, oldest pattern first.
    pub(crate) fn interests(&self, role: Role, pattern: &PatternOf<T>) -> Vec<Interest<T>> {
        let interests = self.interests.borrow();
        let mut found = Vec::new();
        interests.each_overlap(pattern, |_, node| {
            if node.holders[role as usize] > 0 {
                found.push((node.sequence, node.pattern.clone()));
            }
        });
        found.sort_by_key(|(sequence, _)| *sequence);
        found.into_iter().map(|(_, pattern)| Interest { role, pattern }).collect()
    }

    /// Routes to the only recipient, or gathers several.
    fn deliver(&self, space: &Space, envelope: Envelope, message: T) {
        let interests = self.interests.borrow();
        let mut single = None;
        let mut several = false;
        interests.each_match(message.key(), |index, node| {
            several |= single.is_some() || node.entries.len() > 1;
            if !node.entries.is_empty() {
                single = Some((index, node));
            }
        });
        match single {
            Some((_, node)) if !several => {
                let target = &*node.entries[0].target;
                if let Some(message) = self.hand_over(space, envelope, message, target) {
                    self.unmatched(space, envelope, &message);
                }
            }
            Some(_) => {
                drop(interests);
                self.fan_out(space, envelope, message);
            }
            None => self.unmatched(space, envelope, &message),
        }
    }

    /// Delivers to `target` alone; gives the message back if it has ended.
    #[inline]
    fn hand_over(
        &self,
        space: &Space,
        envelope: Envelope,
        message: T,
        target: &dyn Receive<T>,
    ) -> Option<T> {
        if space.is_tracing() && target.is_live() {
            let to = |each: &mut dyn FnMut(ActorId)| each(target.id());
            space.record(sent(envelope), envelope, self.index, 1, &Line::to(&message, &to));
        }
        let mut message = Some(message);
        let delivery = Delivery { message: &mut message, last: true, sender: envelope.actor };
        if target.receive(space, envelope.id, delivery) {
            space.tally.delivered.add(1);
            return None;
        }
        message
    }

    #[cold]
    fn unmatched(&self, space: &Space, envelope: Envelope, message: &T) {
        space.tally.unmatched.add(1);
        if space.is_tracing() {
            let why = {
                let interests = self.interests.borrow();
                let nearest = interests.nearest(message.key());
                Unmatched::new::<T>(envelope.id, message.key(), nearest)
            };
            let line = UnmatchedLine { message, why: &why };
            space.record(Kind::Unmatched, envelope, self.index, 0, &line);
            space.explain(why);
        }
    }

    fn fan_out(&self, space: &Space, envelope: Envelope, message: T) {
        let count = {
            let interests = self.interests.borrow();
            let mut flight = self.flight.borrow_mut();
            let targets = &mut flight.targets;
            targets.clear();
            interests.each_match(message.key(), |index, node| {
                for (place, entry) in node.entries.iter().enumerate() {
                    if entry.target.is_live() {
                        targets.push((entry.rank.actor(), index, place as u32));
                    }
                }
            });
            targets.sort_unstable();
            targets.dedup_by_key(|(actor, ..)| *actor);
            flight.targets.len()
        };
        if count == 0 {
            return self.unmatched(space, envelope, &message);
        }
        if space.is_tracing() {
            let to = |each: &mut dyn FnMut(ActorId)| {
                self.flight.borrow().targets.iter().for_each(|(actor, ..)| each(*actor));
            };
            space.record(sent(envelope), envelope, self.index, count, &Line::to(&message, &to));
        }
        {
            let mut flight = self.flight.borrow_mut();
            (flight.message, flight.sender, flight.id) =
                (Some(message), envelope.actor, envelope.id);
        }
        self.flown.set(0);
        space.in_flight.set(Some(self.index));
        self.fly(space);
        space.in_flight.set(None);
    }

    /// Goes on with the recipients that the message has not reached.
    fn fly(&self, space: &Space) {
        let interests = self.interests.borrow();
        let mut flight = self.flight.borrow_mut();
        let Flight { message, targets, sender, id } = &mut *flight;
        while message.is_some() {
            let next = self.flown.get();
            let Some(&(_, node, place)) = targets.get(next) else { break };
            self.flown.set(next + 1);
            let target = &interests.node(node).entries[place as usize].target;
            space.tally.delivered.add(1);
            let last = next + 1 == targets.len();
            let _taken = target.receive(space, *id, Delivery { message, last, sender: *sender });
        }
        let message = message.take();
        drop((flight, interests));
        drop(message);
    }

    fn trace_pattern(&self, space: &Space, kind: Kind, envelope: Envelope, pattern: &PatternOf<T>) {
        if space.is_tracing() {
            let line = PatternLine { topic: T::NAME, pattern, to: &|_| () };
            space.record(kind, envelope, self.index, 0, &line);
        }
    }

    /// Counts one more holder of a role; tells the watchers if it is the first.
    fn state(&self, space: &Space, envelope: Envelope, node: u32, role: Role) {
        let first = {
            let mut interests = self.interests.borrow_mut();
            let holders = &mut interests.node_mut(node).holders[role as usize];
            *holders += 1;
            *holders == 1
        };
        if first {
            let pattern = self.interests.borrow().node(node).pattern.clone();
            space.tally.appeared.add(1);
            self.tell(space, envelope, Kind::Appeared, Interest { role, pattern });
        }
    }

    fn tell(&self, space: &Space, envelope: Envelope, kind: Kind, interest: Interest<T>) {
        self.watches.borrow_mut().prepare(interest.pattern.mask());
        let watches = self.watches.borrow();
        let role = interest.role;
        let count = self.news.gather(|found| {
            watches.each_overlap(&interest.pattern, |_, node| {
                node.entries
                    .iter()
                    .filter(|watch| watch.rank == Rank::new(watch.rank.actor(), role as u8))
                    .for_each(&mut *found);
            });
        });
        let id = space.next_event();
        if space.is_tracing() {
            let to = |each: &mut dyn FnMut(ActorId)| self.news.recipients(each);
            let line = PatternLine { topic: T::NAME, pattern: &interest.pattern, to: &to };
            let news = Envelope { id, cause: envelope.id, ..envelope };
            space.record(kind, news, self.index, count, &line);
        }
        drop(watches);
        if count > 0 {
            let change = match kind {
                Kind::Gone => Change::Gone(interest),
                _ => Change::Appeared(interest),
            };
            self.news.deliver(space, self.index, id, change);
        }
    }

    fn receive(&self, space: &Space, envelope: Envelope, command: Command<T>) {
        match command {
            Command::Receive { pattern, target, hold, lease } => {
                self.trace_pattern(space, Kind::Subscribe, envelope, &pattern);
                let node = {
                    let mut interests = self.interests.borrow_mut();
                    let node = interests.intern(pattern);
                    let rank = Rank::new(target.id(), u8::from(hold == Hold::Observe));
                    interests.node_mut(node).add(Subscriber { target, rank });
                    node
                };
                space.leases.borrow_mut().activate(lease, node, hold);
                if hold == Hold::Subscribe {
                    self.state(space, envelope, node, Role::Subscriber);
                }
            }
            Command::Provide { pattern, lease } => {
                self.trace_pattern(space, Kind::Provide, envelope, &pattern);
                let node = self.interests.borrow_mut().intern(pattern);
                space.leases.borrow_mut().activate(lease, node, Hold::Provide);
                self.state(space, envelope, node, Role::Provider);
            }
            Command::Watch { role, pattern, target, lease } => {
                self.trace_pattern(space, Kind::Watch, envelope, &pattern);
                self.interests.borrow_mut().prepare(pattern.mask());
                let snapshot = self.interests(role, &pattern);
                let node = {
                    let mut watches = self.watches.borrow_mut();
                    let node = watches.intern(pattern);
                    let (target, rank) = (Rc::clone(&target), Rank::new(target.id(), role as u8));
                    watches.node_mut(node).add(Watch { target, rank });
                    node
                };
                space.leases.borrow_mut().activate(lease, watch_node(node, role), Hold::Watch);
                self.news.address(target);
                self.news.deliver(space, self.index, envelope.id, Change::Snapshot(snapshot));
            }
            Command::First { message, target } => {
                if let Some(message) = self.hand_over(space, envelope, message, &*target) {
                    self.unmatched(space, envelope, &message);
                }
            }
        }
    }
}

/// How a message that found somebody is told.
fn sent(envelope: Envelope) -> Kind {
    if envelope.actor == ActorId::HOST { Kind::Inject } else { Kind::Send }
}

/// A lease of a watch keeps the role in the top bit of the node.
fn watch_node(node: u32, role: Role) -> u32 {
    node | ((role as u32) << 31)
}

impl<T: Topic> AnyChannel for Channel<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn route(&self, space: &Space, id: EventId, cause: EventId, sender: ActorId) {
        let envelope = Envelope { id, cause, actor: sender, channel: self.index, op: Op::Send };
        let message = self.messages.borrow_mut().pop_front();
        if let Some(message) = message {
            space.tally.sent.add(1);
            self.deliver(space, envelope, message);
        }
    }

    fn execute(&self, space: &Space, envelope: Envelope) {
        let command = self.commands.borrow_mut().pop_front();
        if let Some(command) = command {
            self.receive(space, envelope, command);
        }
    }

    fn retract(&self, space: &Space, index: u32, envelope: Envelope) {
        let lease = space.leases.borrow().get(index);
        space.leases.borrow_mut().release(index);
        if lease.hold == Hold::Watch {
            let role = if lease.node >> 31 == 0 { Role::Subscriber } else { Role::Provider };
            let node = lease.node & !(1 << 31);
            let mut watches = self.watches.borrow_mut();
            let rank = Rank::new(lease.actor, role as u8);
            let taken = watches.node_mut(node).take(rank);
            let bare = watches.node(node).is_bare().then(|| watches.remove(node));
            drop(watches);
            if let Some(node) = &bare {
                self.trace_pattern(space, Kind::Unsubscribe, envelope, &node.pattern);
            }
            drop((taken, bare));
            return;
        }
        let role = match lease.hold {
            Hold::Subscribe => Some(Role::Subscriber),
            Hold::Provide => Some(Role::Provider),
            _ => None,
        };
        let mut interests = self.interests.borrow_mut();
        let node = interests.node_mut(lease.node);
        let taken = match lease.hold {
            Hold::Subscribe => node.take(Rank::new(lease.actor, 0)),
            Hold::Observe => node.take(Rank::new(lease.actor, 1)),
            _ => None,
        };
        let gone = role.filter(|&role| {
            node.holders[role as usize] -= 1;
            node.holders[role as usize] == 0
        });
        let pattern = node.pattern.clone();
        let bare = node.is_bare().then(|| interests.remove(lease.node));
        drop(interests);
        drop((taken, bare));
        self.trace_pattern(space, Kind::Unsubscribe, envelope, &pattern);
        if let Some(role) = gone {
            space.tally.gone.add(1);
            self.tell(space, envelope, Kind::Gone, Interest { role, pattern });
        }
    }

    fn resume(&self, space: &Space) {
        self.fly(space);
        self.news.resume(space);
    }

    fn undo(&self, space: &Space, op: Op) -> Box<dyn Any> {
        if op == Op::Send {
            return Box::new(self.messages.borrow_mut().pop_back());
        }
        let command = self.commands.borrow_mut().pop_back();
        match command {
            Some(
                Command::Receive { lease, .. }
                | Command::Provide { lease, .. }
                | Command::Watch { lease, .. },
            ) => space.leases.borrow_mut().release(lease),
            Some(Command::First { .. }) | None => {}
        }
        Box::new(command)
    }

    fn clear(&self) {
        let messages = self.messages.take();
        let commands = self.commands.take();
        let interests = self.interests.borrow_mut().clear();
        let watches = self.watches.borrow_mut().clear();
        self.news.clear();
        drop((messages, commands, interests, watches));
    }
}
