//! Tuple-space search: patterns found by one hash probe per set of fixed fields in use.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use smallvec::SmallVec;

use crate::id::ActorId;
use crate::key::{Key, Mask, Pattern};

/// Something that belongs to an actor and hangs on a pattern.
pub(crate) trait Entry {
    /// What entries of one pattern are ordered by, and found by when they go.
    fn rank(&self) -> (ActorId, u8);
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
    pub(crate) fn take(&mut self, rank: (ActorId, u8)) -> Option<E> {
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
    sequence: u64,
}

impl<P: Pattern, E: Entry> Router<P, E> {
    pub(crate) fn new(hasher: FixedState) -> Self {
        Self { hasher, masks: Vec::new(), nodes: Slab::new(), sequence: 0 }
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
        let Self { hasher, masks, nodes, sequence } = self;
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
        let index = nodes.insert(node) as u32;
        table.insert_unique(hash, index, |&node| {
            hash_pattern(hasher, &nodes[node as usize].pattern, mask)
        });
        index
    }

    /// Forgets a node, and its mask if it was the last of it.
    pub(crate) fn remove(&mut self, index: u32) -> Node<P, E> {
        let node = self.nodes.remove(index as usize);
        let mask = node.pattern.mask();
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

    /// Calls `found` for each pattern that overlaps `pattern`, in no particular order. Where one
    /// fixes all the other fixes it is a probe; where each fixes something the other leaves open,
    /// the patterns of that mask are walked.
    pub(crate) fn each_overlap<'a>(
        &'a self,
        pattern: &P,
        mut found: impl FnMut(u32, &'a Node<P, E>),
    ) {
        let fixed = pattern.mask();
        for table in &self.masks {
            if table.mask & !fixed == 0 {
                let hash = hash_pattern(&self.hasher, pattern, table.mask);
                let hit = table
                    .index
                    .find(hash, |&node| self.nodes[node as usize].pattern.overlaps(pattern));
                if let Some(&index) = hit {
                    found(index, &self.nodes[index as usize]);
                }
            } else {
                for &index in &table.index {
                    let node = &self.nodes[index as usize];
                    if node.pattern.overlaps(pattern) {
                        found(index, node);
                    }
                }
            }
        }
    }

    pub(crate) fn clear(&mut self) -> Slab<Node<P, E>> {
        self.masks.clear();
        std::mem::take(&mut self.nodes)
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
