//! Items that agree on a set of fields, found together and in the order in which they came.

use hashbrown::HashTable;

use crate::key::Mask;

const END: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    prev: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    hash: u64,
    first: u32,
    last: u32,
}

/// An index over the items of a slab by the fields in one mask: a list per hash of those fields,
/// oldest item first. Items that merely collide share a list, so whoever walks it compares.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) mask: Mask,
    heads: HashTable<Head>,
    /// By the item's index in the slab.
    links: Vec<Link>,
}

impl Group {
    pub(crate) fn new(mask: Mask) -> Self {
        Self { mask, heads: HashTable::new(), links: Vec::new() }
    }

    /// Adds `item`, whose fields hash to `hash`, as the youngest.
    pub(crate) fn insert(&mut self, item: u32, hash: u64) {
        let at = item as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, Link { prev: END, next: END });
        }
        let Self { heads, links, .. } = self;
        let prev = match heads.find_mut(hash, |head| head.hash == hash) {
            Some(head) => std::mem::replace(&mut head.last, item),
            None => {
                let head = Head { hash, first: item, last: item };
                heads.insert_unique(hash, head, |head| head.hash);
                END
            }
        };
        links[at] = Link { prev, next: END };
        if prev != END {
            links[prev as usize].next = item;
        }
    }

    /// Takes `item` out, which was inserted under `hash`.
    pub(crate) fn remove(&mut self, item: u32, hash: u64) {
        let Self { heads, links, .. } = self;
        let Link { prev, next } = links[item as usize];
        if prev != END {
            links[prev as usize].next = next;
        }
        if next != END {
            links[next as usize].prev = prev;
        }
        if let Ok(mut found) = heads.find_entry(hash, |head| head.hash == hash) {
            let head = found.get_mut();
            if prev == END {
                head.first = next;
            }
            if next == END {
                head.last = prev;
            }
            if prev == END && next == END {
                found.remove();
            }
        }
    }

    /// The items under `hash`, oldest first.
    pub(crate) fn walk(&self, hash: u64) -> impl Iterator<Item = u32> {
        let first = self.heads.find(hash, |head| head.hash == hash).map(|head| head.first);
        std::iter::successors(first, |&item| {
            let next = self.links[item as usize].next;
            (next != END).then_some(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(group: &Group, hash: u64) -> Vec<u32> {
        group.walk(hash).collect()
    }

    #[test]
    fn items_stay_in_the_order_in_which_they_came() {
        let mut group = Group::new(0);
        for item in [3, 1, 2, 7] {
            group.insert(item, 9);
        }
        group.insert(5, 8);
        assert_eq!(items(&group, 9), [3, 1, 2, 7]);
        group.remove(1, 9);
        group.insert(1, 9);
        assert_eq!(items(&group, 9), [3, 2, 7, 1]);
        assert_eq!(items(&group, 8), [5]);
    }

    #[test]
    fn first_last_and_only_items_can_go() {
        let mut group = Group::new(0);
        for item in [0, 1, 2] {
            group.insert(item, 4);
        }
        group.remove(0, 4);
        group.remove(2, 4);
        assert_eq!(items(&group, 4), [1]);
        group.remove(1, 4);
        assert_eq!(items(&group, 4), [0; 0]);
        group.insert(2, 4);
        assert_eq!(items(&group, 4), [2]);
    }
}
