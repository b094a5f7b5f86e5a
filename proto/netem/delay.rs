//! Packets under way.

use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use std::collections::BinaryHeap;

use crate::Instant;

/// Packets sorted by their time of arrival; those that arrive together, by the time they came.
#[derive(Clone, Debug)]
pub(super) struct DelayLine<P> {
    packets: BinaryHeap<Reverse<Travelling<P>>>,
    limit: usize,
    /// How many packets there have been.
    count: u64,
    /// The last arrival among the packets that keep their order.
    last_arrival: Instant,
}

#[derive(Clone, Debug)]
struct Travelling<P> {
    arrival: Instant,
    number: u64,
    packet: P,
}

impl<P> DelayLine<P> {
    pub(super) fn new(limit: usize) -> Self {
        Self { packets: BinaryHeap::new(), limit, count: 0, last_arrival: Instant::ZERO }
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// Adds a packet that arrives at `arrival`, but not before one that came before it; or later by
    /// `extra`, and then others may overtake it. Tells when it arrives.
    pub(super) fn push(&mut self, packet: P, arrival: Instant, extra: Option<Duration>) -> Instant {
        let in_order = arrival.max(self.last_arrival);
        let arrival = match extra {
            Some(extra) => in_order + extra,
            None => {
                self.last_arrival = in_order;
                in_order
            }
        };
        self.packets.push(Reverse(Travelling { arrival, number: self.count, packet }));
        self.count += 1;
        arrival
    }

    /// The next packet that has arrived by `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<P> {
        self.next_arrival().filter(|&arrival| arrival <= now)?;
        self.packets.pop().map(|Reverse(travelling)| travelling.packet)
    }

    /// When the next packet arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.packets.peek().map(|Reverse(travelling)| travelling.arrival)
    }
}

impl<P> Travelling<P> {
    fn order(&self) -> (Instant, u64) {
        (self.arrival, self.number)
    }
}

impl<P> Ord for Travelling<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl<P> PartialOrd for Travelling<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> PartialEq for Travelling<P> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl<P> Eq for Travelling<P> {}
