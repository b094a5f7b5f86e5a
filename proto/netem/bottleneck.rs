//! The rate of the wire and the queue before it.

use std::collections::VecDeque;

use super::config::QueueLimit;
use crate::Instant;

const MICROS_PER_SECOND: u128 = 1_000_000;

/// A wire that takes its time for each packet.
///
/// When a packet leaves is known as soon as it comes, so nothing waits here but the numbers.
#[derive(Clone, Debug)]
pub(super) struct Bottleneck {
    rate: Option<u64>,
    limit: QueueLimit,
    /// When the wire last began to be busy without a pause. Times are counted in bits from here on,
    /// so that rounding to microseconds never adds up.
    busy_since: Instant,
    /// Bits taken since then.
    bits: u128,
    /// When the packets that have not left yet will have, and their octets; the first is on the wire.
    leaving: VecDeque<(Instant, usize)>,
    /// Octets of all in `leaving`.
    octets: usize,
}

impl Bottleneck {
    pub(super) fn new(rate: Option<u64>, limit: QueueLimit) -> Self {
        Self {
            rate,
            limit,
            busy_since: Instant::ZERO,
            bits: 0,
            leaving: VecDeque::new(),
            octets: 0,
        }
    }

    /// When a packet of `len` octets that comes `now` will have left, unless too much waits already.
    pub(super) fn transmit(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.rate else { return Some(now) };
        self.forget_those_that_left(now);
        if self.leaving.is_empty() {
            self.busy_since = now;
            self.bits = 0;
        } else if !self.has_room_for(len) {
            return None;
        }
        self.bits += len as u128 * 8;
        let micros = (self.bits * MICROS_PER_SECOND).div_ceil(rate.max(1).into());
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let leaves = self.busy_since + core::time::Duration::from_micros(micros);
        self.leaving.push_back((leaves, len));
        self.octets += len;
        Some(leaves)
    }

    /// Octets that wait behind the packet on the wire.
    pub(super) fn waiting(&self) -> usize {
        self.octets - self.leaving.front().map_or(0, |&(_, len)| len)
    }

    fn forget_those_that_left(&mut self, now: Instant) {
        while let Some(&(leaves, len)) = self.leaving.front()
            && leaves <= now
        {
            self.leaving.pop_front();
            self.octets -= len;
        }
    }

    /// Whether one more may wait behind the packet on the wire.
    fn has_room_for(&self, len: usize) -> bool {
        let on_wire = self.leaving.front().map_or(0, |&(_, len)| len);
        match self.limit {
            QueueLimit::Packets(limit) => self.leaving.len().saturating_sub(1) < limit,
            QueueLimit::Octets(limit) => self.octets - on_wire + len <= limit,
        }
    }
}
