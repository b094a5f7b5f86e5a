//! Tuple-space search: patterns found by one hash probe per set of fixed fields in use.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use smallvec::SmallVec;

use crate::group::Group;
use crate::id::ActorId;
use crate::key::{Key, Mask, Pattern};

/// Something that belongs to an actor and hangs on a pattern.
pub(crate) trait Entry {
    /// What entries of one pattern are ordered by, and found by when they go.
    fn rank(&self) -> Rank;
}

/// An actor and what it wants of a pattern, in eight bytes: there are several per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    /// `kind` is below 4.
    pub(crate) fn new(actor: ActorId, kind: u8) -> Self {
        Self(actor.number() << 2 | u64::from(kind))
    }

    pub(crate) fn actor(self) -> ActorId {
        ActorId::from_number(self.0 >> 2)
    }
}

/// One distinct pattern and what hangs on it.
#[derive(Debug)]
pub(crate) struct Node<P, E> {
    pub(crate) pattern: P,
    /// Counts up: older patterns have smaller ones.
    pub(crate) sequence: u64,
    /// Ordered by rank.
    pub(crate) entries: SmallVec<[E; 1]>,
    /// How many subscribe and provide; unused by tables of watchers.
    pub(crate) holders: [u32; 2],
}

impl<P, E: Entry> Node<P, E> {
    pub(crate) fn add(&mut self, entry: E) {
        let rank = entry.rank();
        let at = self.entries.partition_point(|other| other.rank() <= rank);
        self.entries.insert(at, entry);
    }

    /// Takes out an entry of this rank. Entries of one rank are alike.
    pub(crate) fn take(&mut self, rank: Rank) -> Option<E> {
        let at = self.entries.partition_point(|other| other.rank() < rank);
        let found = self.entries.get(at).is_some_and(|entry| entry.rank() == rank);
        found.then(|| self.entries.remove(at))
    }

    pub(crate) fn is_bare(&self) -> bool {
        self.entries.is_empty() && self.holders == [0, 0]
    }
}

/// The patterns that fix one set of fields.
#[derive(Debug)]
struct MaskTable {
    mask: Mask,
    index: HashTable<u32>,
}

/// All patterns of one kind on one topic.
#[derive(Debug)]
pub(crate) struct Router<P, E> {
    hasher: FixedState,
    masks: Vec<MaskTable>,
    nodes: Slab<Node<P, E>>,
    /// Patterns by those of their fields that somebody asked about; see `prepare`.
    groups: Vec<Group>,
    sequence: u64,
}

/// A walk over so many patterns costs less than an index over them.
const FEW: usize = 32;

impl<P: Pattern, E: Entry> Router<P, E> {
    pub(crate) fn new(hasher: FixedState) -> Self {
        Self { hasher, masks: Vec::new(), nodes: Slab::new(), groups: Vec::new(), sequence: 0 }
    }

    pub(crate) fn node(&self, index: u32) -> &Node<P, E> {
        &self.nodes[index as usize]
    }

    pub(crate) fn node_mut(&mut self, index: u32) -> &mut Node<P, E> {
        &mut self.nodes[index as usize]
    }

    /// The node of exactly this pattern, made if need be.
    pub(crate) fn intern(&mut self, pattern: P) -> u32 {
        let mask = pattern.mask();
        let hash = hash_pattern(&self.hasher, &pattern, mask);
        let Self { hasher, masks, nodes, groups, sequence } = self;
        let at = masks.iter().position(|table| table.mask == mask).unwrap_or_else(|| {
            masks.push(MaskTable { mask, index: HashTable::new() });
            masks.len() - 1
        });
        let table = &mut masks[at].index;
        if let Some(&found) = table.find(hash, |&node| nodes[node as usize].pattern == pattern) {
            return found;
        }
        *sequence += 1;
        let node = Node { pattern, sequence: *sequence, entries: SmallVec::new(), holders: [0, 0] };
        grow_gently(nodes);
        let index = nodes.insert(node) as u32;
        table.insert_unique(hash, index, |&node| {
            hash_pattern(hasher, &nodes[node as usize].pattern, mask)
        });
        for group in groups.iter_mut().filter(|group| is_part(group.mask, mask)) {
            group.insert(index, hash_pattern(hasher, &nodes[index as usize].pattern, group.mask));
        }
        index
    }

    /// Forgets a node, and its mask if it was the last of it.
    pub(crate) fn remove(&mut self, index: u32) -> Node<P, E> {
        let node = self.nodes.remove(index as usize);
        let mask = node.pattern.mask();
        for group in self.groups.iter_mut().filter(|group| is_part(group.mask, mask)) {
            group.remove(index, hash_pattern(&self.hasher, &node.pattern, group.mask));
        }
        let hash = hash_pattern(&self.hasher, &node.pattern, mask);
        if let Some(at) = self.masks.iter().position(|table| table.mask == mask) {
            let table = &mut self.masks[at].index;
            if let Ok(found) = table.find_entry(hash, |&other| other == index) {
                found.remove();
            }
            if table.is_empty() {
                self.masks.remove(at);
            }
        }
        node
    }

    /// Calls `found` for each pattern that `key` matches; their order is that of the masks.
    #[inline]
    pub(crate) fn each_match<'a>(
        &'a self,
        key: &P::Key,
        mut found: impl FnMut(u32, &'a Node<P, E>),
    ) {
        for table in &self.masks {
            let hash = hash_key(&self.hasher, key, table.mask);
            let hit =
                table.index.find(hash, |&node| self.nodes[node as usize].pattern.matches(key));
            if let Some(&index) = hit {
                found(index, &self.nodes[index as usize]);
            }
        }
    }

    /// Makes ready for [`each_overlap`](Self::each_overlap) with patterns that fix `fixed`: once
    /// there are more than a few patterns that fix all of that and more, they are indexed by it.
    pub(crate) fn prepare(&mut self, fixed: Mask) {
        let finer = self.masks.iter().filter(|table| is_part(fixed, table.mask));
        let count: usize = finer.map(|table| table.index.len()).sum();
        if count <= FEW || self.groups.iter().any(|group| group.mask == fixed) {
            return;
        }
        let mut members: Vec<(u64, u32)> = self
            .nodes
            .iter()
            .filter(|(_, node)| is_part(fixed, node.pattern.mask()))
            .map(|(index, node)| (node.sequence, index as u32))
            .collect();
        members.sort_unstable();
        let mut group = Group::new(fixed);
        for (_, index) in members {
            let pattern = &self.nodes[index as usize].pattern;
            group.insert(index, hash_pattern(&self.hasher, pattern, fixed));
        }
        self.groups.push(group);
    }

    /// Calls `found` for each pattern that overlaps `pattern`, in no particular order.
    ///
    /// Patterns that fix no more than `pattern` are found by a probe, those that fix the same and
    /// more through a group if there is one. Where each fixes something that the other leaves
    /// open, the patterns of that mask are walked.
    pub(crate) fn each_overlap<'a>(
        &'a self,
        pattern: &P,
        mut found: impl FnMut(u32, &'a Node<P, E>),
    ) {
        let fixed = pattern.mask();
        let group = self.groups.iter().find(|group| group.mask == fixed);
        let mut check = |index: u32| {
            let node = &self.nodes[index as usize];
            if node.pattern.overlaps(pattern) {
                found(index, node);
            }
        };
        for table in &self.masks {
            if table.mask & !fixed == 0 {
                let hash = hash_pattern(&self.hasher, pattern, table.mask);
                let same = |&node: &u32| self.nodes[node as usize].pattern.overlaps(pattern);
                table.index.find(hash, same).copied().into_iter().for_each(&mut check);
            } else if group.is_none() || !is_part(fixed, table.mask) {
                table.index.iter().copied().for_each(&mut check);
            }
        }
        if let Some(group) = group {
            group.walk(hash_pattern(&self.hasher, pattern, fixed)).for_each(&mut check);
        }
    }

    /// The pattern with entries that differs from `key` in the fewest fields, and those fields.
    /// Looks at no more than a thousand patterns.
    pub(crate) fn nearest(&self, key: &P::Key) -> Option<(&P, Mask)> {
        let wanted = self.nodes.iter().map(|(_, node)| node).take(1_000);
        wanted
            .filter(|node| !node.entries.is_empty())
            .map(|node| (&node.pattern, node.pattern.differing(key)))
            .min_by_key(|(_, differing)| differing.count_ones())
    }

    pub(crate) fn clear(&mut self) -> Slab<Node<P, E>> {
        self.masks.clear();
        self.groups.clear();
        std::mem::take(&mut self.nodes)
    }
}

/// Whether `part` has some, and not all, of the fields of `whole`.
fn is_part(part: Mask, whole: Mask) -> bool {
    part & !whole == 0 && part != whole
}

/// Makes room for one more by growing a quarter, where a vector would double: with ten thousand
/// connections half of a doubled table would be idle megabytes.
pub(crate) fn grow_gently<N>(nodes: &mut Slab<N>) {
    if nodes.len() == nodes.capacity() {
        nodes.reserve_exact(nodes.len() / 4 + 8);
    }
}

pub(crate) fn hash_key<K: Key>(hasher: &FixedState, key: &K, mask: Mask) -> u64 {
    let mut state = hasher.build_hasher();
    key.hash_fields(mask, &mut state);
    state.finish()
}

pub(crate) fn hash_pattern<P: Pattern>(hasher: &FixedState, pattern: &P, mask: Mask) -> u64 {
    let mut state = hasher.build_hasher();
    pattern.hash_fields(mask, &mut state);
    state.finish()
}

#[cfg(test)]
mod tests;
