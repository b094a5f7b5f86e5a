//! One topic of facts: who states them, which hold, and who watches.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;

use crate::actor::Notice;
use crate::group::Group;
use crate::id::{ActorId, EventId};
use crate::key::{Mask, Pattern};
use crate::lease::Hold;
use crate::news::{News, Watch};
use crate::routing::{Rank, Router, grow_gently, hash_key, hash_pattern};
use crate::space::{AnyChannel, Envelope, Op, Space};
use crate::topic::{Change, Fact, PatternOf};
use crate::trace::{Kind, Line, PatternLine};

/// What can be asked of a channel of facts.
pub(crate) enum FactCommand<F: Fact> {
    Assert { fact: F, lease: u32 },
    Watch { pattern: PatternOf<F>, target: Rc<dyn Notice<F>>, lease: u32 },
}

struct Node<F> {
    fact: F,
    count: u32,
    sequence: u64,
}

/// The facts that hold.
struct Bag<F> {
    hasher: FixedState,
    nodes: Slab<Node<F>>,
    index: HashTable<u32>,
    /// One per mask that was ever watched, so that a snapshot is not a walk over all facts.
    groups: Vec<Group>,
    sequence: u64,
}

impl<F: Fact> Bag<F> {
    fn hash(&self, fact: &F) -> u64 {
        self.hasher.hash_one(fact)
    }

    /// Counts one more statement of a fact: its node, and whether it is the first.
    fn add(&mut self, fact: F) -> (u32, bool) {
        let hash = self.hash(&fact);
        let Self { nodes, index, hasher, groups, sequence } = self;
        if let Some(&node) = index.find(hash, |&node| nodes[node as usize].fact == fact) {
            nodes[node as usize].count += 1;
            return (node, false);
        }
        *sequence += 1;
        grow_gently(nodes);
        let node = nodes.insert(Node { fact, count: 1, sequence: *sequence }) as u32;
        index.insert_unique(hash, node, |&node| hasher.hash_one(&nodes[node as usize].fact));
        for group in groups {
            let key = nodes[node as usize].fact.key();
            group.insert(node, hash_key(hasher, key, group.mask));
        }
        (node, true)
    }

    /// Counts one statement less: the fact, if it was the last.
    fn remove(&mut self, node: u32) -> Option<F> {
        let entry = &mut self.nodes[node as usize];
        entry.count -= 1;
        if entry.count > 0 {
            return None;
        }
        let fact = self.nodes.remove(node as usize).fact;
        let hash = self.hash(&fact);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == node) {
            found.remove();
        }
        for group in &mut self.groups {
            group.remove(node, hash_key(&self.hasher, fact.key(), group.mask));
        }
        Some(fact)
    }

    /// Indexes the facts by the fields in `mask`, if they are not.
    fn prepare(&mut self, mask: Mask) {
        if self.groups.iter().any(|group| group.mask == mask) {
            return;
        }
        let mut group = Group::new(mask);
        for (index, node) in self.by_age() {
            group.insert(index, hash_key(&self.hasher, node.fact.key(), mask));
        }
        self.groups.push(group);
    }

    fn by_age(&self) -> Vec<(u32, &Node<F>)> {
        let mut nodes: Vec<_> = self.nodes.iter().map(|(at, node)| (at as u32, node)).collect();
        nodes.sort_unstable_by_key(|(_, node)| node.sequence);
        nodes
    }

    /// The facts that match, oldest first.
    fn matching(&self, pattern: &PatternOf<F>) -> Vec<F> {
        let mask = pattern.mask();
        let matching = |node: &&Node<F>| pattern.matches(node.fact.key());
        match self.groups.iter().find(|group| group.mask == mask) {
            Some(group) => {
                let members = group.walk(hash_pattern(&self.hasher, pattern, mask));
                let nodes = members.map(|index| &self.nodes[index as usize]);
                nodes.filter(matching).map(|node| node.fact.clone()).collect()
            }
            None => {
                let nodes = self.by_age().into_iter().map(|(_, node)| node);
                nodes.filter(matching).map(|node| node.fact.clone()).collect()
            }
        }
    }
}

pub(crate) struct FactChannel<F: Fact> {
    pub(crate) index: u16,
    pub(crate) commands: RefCell<VecDeque<FactCommand<F>>>,
    bag: RefCell<Bag<F>>,
    watches: RefCell<Router<PatternOf<F>, Watch<F>>>,
    news: News<F>,
}

impl<F: Fact> FactChannel<F> {
    pub(crate) fn new(index: u16, space: &Space) -> Self {
        let hasher = space.hasher.clone();
        Self {
            index,
            commands: RefCell::default(),
            bag: RefCell::new(Bag {
                hasher,
                nodes: Slab::new(),
                index: HashTable::new(),
                groups: Vec::new(),
                sequence: 0,
            }),
            watches: RefCell::new(Router::new(space.hasher.clone())),
            news: News::new(),
        }
    }

    /// The facts that match, oldest first.
    pub(crate) fn matching(&self, pattern: &PatternOf<F>) -> Vec<F> {
        self.bag.borrow().matching(pattern)
    }

    fn assert(&self, space: &Space, envelope: Envelope, fact: F, lease: u32) {
        self.trace(space, Kind::Assert, envelope, &fact);
        let (node, first) = self.bag.borrow_mut().add(fact);
        space.leases.borrow_mut().activate(lease, node, Hold::Assert);
        if first {
            space.tally.appeared.add(1);
            let fact = self.bag.borrow().nodes[node as usize].fact.clone();
            self.tell(space, envelope, Kind::Appeared, fact);
        }
    }

    fn tell(&self, space: &Space, envelope: Envelope, kind: Kind, fact: F) {
        let watches = self.watches.borrow();
        let count = self.news.gather(|found| {
            watches.each_match(fact.key(), |_, node| node.entries.iter().for_each(&mut *found));
        });
        drop(watches);
        let id = space.next_event();
        let news = Envelope { id, cause: envelope.id, ..envelope };
        if space.is_tracing() {
            let to = |each: &mut dyn FnMut(ActorId)| self.news.recipients(each);
            space.record(kind, news, self.index, count, &Line::to(&fact, &to));
        }
        if count > 0 {
            let change = match kind {
                Kind::Gone => Change::Gone(fact),
                _ => Change::Appeared(fact),
            };
            self.news.deliver(space, self.index, id, change);
        }
    }

    fn watch(
        &self,
        space: &Space,
        envelope: Envelope,
        pattern: PatternOf<F>,
        target: Rc<dyn Notice<F>>,
        lease: u32,
    ) {
        self.trace_pattern(space, Kind::Watch, envelope, &pattern);
        self.bag.borrow_mut().prepare(pattern.mask());
        let snapshot = self.matching(&pattern);
        let node = {
            let mut watches = self.watches.borrow_mut();
            let node = watches.intern(pattern);
            let (target, actor) = (Rc::clone(&target), target.id());
            watches.node_mut(node).add(Watch { target, rank: Rank::new(actor, 0) });
            node
        };
        space.leases.borrow_mut().activate(lease, node, Hold::Watch);
        self.news.address(target);
        self.news.deliver(space, self.index, envelope.id, Change::Snapshot(snapshot));
    }

    fn unwatch(&self, space: &Space, envelope: Envelope, actor: ActorId, node: u32) {
        if space.is_tracing() {
            let pattern = self.watches.borrow().node(node).pattern.clone();
            self.trace_pattern(space, Kind::Unsubscribe, envelope, &pattern);
        }
        let mut watches = self.watches.borrow_mut();
        let taken = watches.node_mut(node).take(Rank::new(actor, 0));
        let bare = watches.node(node).is_bare().then(|| watches.remove(node));
        drop(watches);
        drop((taken, bare));
    }

    fn trace_pattern(&self, space: &Space, kind: Kind, envelope: Envelope, pattern: &PatternOf<F>) {
        if space.is_tracing() {
            let line = PatternLine { topic: F::NAME, pattern, to: &|_| () };
            space.record(kind, envelope, self.index, 0, &line);
        }
    }

    fn trace(&self, space: &Space, kind: Kind, envelope: Envelope, fact: &F) {
        if space.is_tracing() {
            space.record(kind, envelope, self.index, 0, &Line::new(fact));
        }
    }
}

impl<F: Fact + Hash> AnyChannel for FactChannel<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn route(&self, _space: &Space, _id: EventId, _cause: EventId, _sender: ActorId) {}

    fn execute(&self, space: &Space, envelope: Envelope) {
        let command = self.commands.borrow_mut().pop_front();
        match command {
            Some(FactCommand::Assert { fact, lease }) => self.assert(space, envelope, fact, lease),
            Some(FactCommand::Watch { pattern, target, lease }) => {
                self.watch(space, envelope, pattern, target, lease);
            }
            None => {}
        }
    }

    fn retract(&self, space: &Space, index: u32, envelope: Envelope) {
        let lease = space.leases.borrow().get(index);
        space.leases.borrow_mut().release(index);
        if lease.hold == Hold::Watch {
            return self.unwatch(space, envelope, lease.actor, lease.node);
        }
        if space.is_tracing() {
            let fact = self.bag.borrow().nodes[lease.node as usize].fact.clone();
            self.trace(space, Kind::Retract, envelope, &fact);
        }
        let gone = self.bag.borrow_mut().remove(lease.node);
        if let Some(fact) = gone {
            space.tally.gone.add(1);
            self.tell(space, envelope, Kind::Gone, fact);
        }
    }

    fn resume(&self, space: &Space) {
        self.news.resume(space);
    }

    fn undo(&self, space: &Space, _op: Op) -> Box<dyn Any> {
        let command = self.commands.borrow_mut().pop_back();
        if let Some(FactCommand::Assert { lease, .. } | FactCommand::Watch { lease, .. }) = &command
        {
            space.leases.borrow_mut().release(*lease);
        }
        Box::new(command)
    }

    fn clear(&self) {
        let commands = self.commands.take();
        let nodes = std::mem::take(&mut self.bag.borrow_mut().nodes);
        let watches = self.watches.borrow_mut().clear();
        self.news.clear();
        drop((commands, nodes, watches));
    }
}
