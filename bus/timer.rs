//! Timers: handles for actors, and the heap that keeps them by deadline.

use std::rc::Weak;

use slab::Slab;

use crate::id::{ActorId, EventId};
use crate::space::Space;
use crate::time::Time;

/// What an actor calls its timer; it gets the token back when the timer comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerToken(pub u32);

/// A timer that is set. Dropping it cancels it, even when it is due already but its turn has not
/// begun.
#[must_use = "dropping a timer cancels it"]
#[derive(Debug)]
pub struct Timer {
    pub(crate) space: Weak<Space>,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(space) = self.space.upgrade() {
            space.cancel_timer(self.slot, self.generation);
        }
    }
}

/// What is known of a timer that is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alarm {
    pub(crate) actor: ActorId,
    pub(crate) token: TimerToken,
    /// The event whose handling set it.
    pub(crate) cause: EventId,
}

#[derive(Debug)]
struct Slot {
    alarm: Alarm,
    generation: u32,
    /// Where in the heap, or `DUE`.
    position: u32,
    deadline: Time,
    sequence: u64,
}

/// A position for timers that have left the heap and wait in the queue for their turn.
const DUE: u32 = u32::MAX;

/// What the heap is ordered by. It may be older, hence earlier, than what the slot says: moving a
/// timer to a later deadline touches only the slot, and the heap catches up when the timer
/// reaches the top. That makes re-arming a retransmission timer for every packet cheap.
#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: Time,
    sequence: u64,
    slot: u32,
}

impl Entry {
    fn before(&self, other: &Self) -> bool {
        (self.deadline, self.sequence) < (other.deadline, other.sequence)
    }
}

/// All timers of a dataspace, ordered by deadline and then by when they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    slots: Slab<Slot>,
    heap: Vec<Entry>,
    generation: u32,
    sequence: u64,
}

impl Timers {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn set(&mut self, deadline: Time, alarm: Alarm) -> (u32, u32) {
        self.sequence += 1;
        self.generation = self.generation.wrapping_add(1);
        let (sequence, generation) = (self.sequence, self.generation);
        let position = self.heap.len() as u32;
        let slot =
            self.slots.insert(Slot { alarm, generation, position, deadline, sequence }) as u32;
        self.heap.push(Entry { deadline, sequence, slot });
        self.rise(position as usize);
        (slot, generation)
    }

    /// Moves a timer that is still in the heap; false when it is not.
    pub(crate) fn reset(&mut self, slot: u32, generation: u32, at: Time, alarm: Alarm) -> bool {
        let Some(timer) = self.slots.get_mut(slot as usize) else { return false };
        if timer.generation != generation || timer.position == DUE {
            return false;
        }
        self.sequence += 1;
        (timer.deadline, timer.sequence, timer.alarm) = (at, self.sequence, alarm);
        let position = timer.position as usize;
        if at < self.heap[position].deadline {
            self.heap[position] = Entry { deadline: at, sequence: self.sequence, slot };
            self.rise(position);
        }
        true
    }

    /// Forgets a timer, wherever it is; what it was, if it was still set.
    pub(crate) fn cancel(&mut self, slot: u32, generation: u32) -> Option<Alarm> {
        let timer = self.slots.get(slot as usize)?;
        if timer.generation != generation {
            return None;
        }
        if timer.position != DUE {
            self.remove(timer.position as usize);
        }
        Some(self.slots.remove(slot as usize).alarm)
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&mut self) -> Option<Time> {
        self.settle_top();
        self.heap.first().map(|entry| entry.deadline)
    }

    /// Takes the first timer that is due out of the heap. It stays known, and can be cancelled,
    /// until its turn comes.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<(u32, u32)> {
        self.settle_top();
        let entry = *self.heap.first().filter(|entry| entry.deadline <= now)?;
        self.remove(0);
        let timer = &mut self.slots[entry.slot as usize];
        timer.position = DUE;
        Some((entry.slot, timer.generation))
    }

    /// Brings the top of the heap up to date with its slot.
    fn settle_top(&mut self) {
        while let Some(top) = self.heap.first() {
            let timer = &self.slots[top.slot as usize];
            if timer.sequence == top.sequence {
                return;
            }
            self.heap[0] =
                Entry { deadline: timer.deadline, sequence: timer.sequence, slot: top.slot };
            self.sink(0);
        }
    }

    fn remove(&mut self, position: usize) {
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.note_position(position);
            self.rise(position);
            self.sink(position);
        }
    }

    fn rise(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if !self.heap[position].before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(position, parent);
            self.note_position(position);
            position = parent;
        }
        self.note_position(position);
    }

    fn sink(&mut self, mut position: usize) {
        loop {
            let left = 2 * position + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.heap[right].before(&self.heap[left]) {
                right
            } else {
                left
            };
            if !self.heap[child].before(&self.heap[position]) {
                break;
            }
            self.heap.swap(position, child);
            self.note_position(position);
            position = child;
        }
        self.note_position(position);
    }

    fn note_position(&mut self, position: usize) {
        let slot = self.heap[position].slot;
        self.slots[slot as usize].position = position as u32;
    }
}
