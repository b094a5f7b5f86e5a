//! Who holds what: one lease per interest or fact, in a list per actor.

use crate::id::ActorId;

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nothing: the slot is free.
    Free,
    /// The head of an actor's list.
    Root,
    /// Asked for; its turn in the order has not come.
    Pending,
    /// Delivers messages and states interest.
    Subscribe,
    /// Delivers messages.
    Observe,
    /// States interest.
    Provide,
    /// Delivers changes.
    Watch,
    /// States a fact.
    Assert,
}

/// A hold of an actor on a node of a channel's tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) actor: ActorId,
    generation: u32,
    /// The node held; while pending, the root of the list to join.
    pub(crate) node: u32,
    prev: u32,
    next: u32,
    pub(crate) channel: u16,
    pub(crate) hold: Hold,
}

/// All leases; each actor's form a ring through its root, oldest first, so that what an actor
/// held is retracted in the order in which it was stated.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    slots: Vec<Lease>,
    free: Vec<u32>,
    pub(crate) len: usize,
}

impl Leases {
    pub(crate) fn root(&mut self, actor: ActorId) -> u32 {
        let (index, _) = self.insert(actor, u16::MAX, u32::MAX, Hold::Root);
        let root = &mut self.slots[index as usize];
        (root.prev, root.next) = (index, index);
        self.len -= 1;
        index
    }

    /// A lease on `channel` that will join the list of `root`; index and generation.
    pub(crate) fn pending(&mut self, actor: ActorId, root: u32, channel: u16) -> (u32, u32) {
        self.insert(actor, channel, root, Hold::Pending)
    }

    fn insert(&mut self, actor: ActorId, channel: u16, node: u32, hold: Hold) -> (u32, u32) {
        self.len += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            if self.slots.len() == self.slots.capacity() {
                // A quarter at a time; see `grow_gently`.
                self.slots.reserve_exact(self.slots.len() / 4 + 8);
            }
            self.slots.push(Lease {
                actor,
                generation: 0,
                node,
                prev: 0,
                next: 0,
                channel,
                hold: Hold::Free,
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        *slot = Lease { actor, node, channel, hold, prev: index, next: index, ..*slot };
        (index, slot.generation)
    }

    /// The lease has taken effect: it holds `node` and joins its actor's list.
    pub(crate) fn activate(&mut self, index: u32, node: u32, hold: Hold) {
        let root = self.slots[index as usize].node;
        let last = self.slots[root as usize].prev;
        let lease = &mut self.slots[index as usize];
        (lease.node, lease.hold, lease.prev, lease.next) = (node, hold, last, root);
        self.slots[last as usize].next = index;
        self.slots[root as usize].prev = index;
    }

    pub(crate) fn get(&self, index: u32) -> Lease {
        self.slots[index as usize]
    }

    /// The actor of a lease, unless it is over.
    pub(crate) fn holder(&self, index: u32, generation: u32) -> Option<ActorId> {
        let lease = self.slots.get(index as usize)?;
        (lease.generation == generation && lease.hold != Hold::Free).then_some(lease.actor)
    }

    /// The oldest lease of a list.
    pub(crate) fn first(&self, root: u32) -> Option<u32> {
        let next = self.slots[root as usize].next;
        (next != root).then_some(next)
    }

    pub(crate) fn release(&mut self, index: u32) {
        let Lease { prev, next, hold, .. } = self.slots[index as usize];
        self.slots[prev as usize].next = next;
        self.slots[next as usize].prev = prev;
        let lease = &mut self.slots[index as usize];
        lease.hold = Hold::Free;
        lease.generation = lease.generation.wrapping_add(1);
        self.free.push(index);
        if hold != Hold::Root {
            self.len -= 1;
        }
    }
}
