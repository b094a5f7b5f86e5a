//! Octets in order that the application has not taken yet, and the window they leave.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::Instant;

/// The incoming stream up to RCV.NXT, as far as the application has not read it.
///
/// It may read what it was granted room for; the rest stays here and closes the window, so that a
/// slow consumer holds back the peer (flow control from end to end).
#[derive(Debug)]
pub(super) struct ReceiveBuffer {
    chunks: VecDeque<Bytes>,
    /// Octets in `chunks`.
    unread: usize,
    /// Octets that the application still has room for.
    credit: usize,
    /// The largest window to offer now; grows to `limit_max` while the application keeps up.
    limit: u32,
    limit_max: u32,
    /// Octets read since `tuned_at`.
    read_since: usize,
    tuned_at: Instant,
}

impl ReceiveBuffer {
    pub(super) fn new(limit: u32, limit_max: u32, now: Instant) -> Self {
        Self {
            chunks: VecDeque::new(),
            unread: 0,
            credit: 0,
            limit,
            limit_max: limit_max.max(limit),
            read_since: 0,
            tuned_at: now,
        }
    }

    /// Lowers what the window may grow to: the peer does not scale windows.
    pub(super) fn set_limit_max(&mut self, limit_max: u32) {
        self.limit_max = limit_max;
        self.limit = self.limit.min(limit_max);
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// How many octets the application has not read.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    /// Room for octets after those that wait.
    pub(super) fn space(&self) -> u32 {
        self.limit.saturating_sub(self.unread as u32)
    }

    /// Whether [`read`](Self::read) would give something.
    pub(super) fn is_readable(&self) -> bool {
        self.unread > 0 && self.credit > 0
    }

    pub(super) fn grant(&mut self, octets: usize) {
        self.credit = self.credit.saturating_add(octets);
    }

    /// Appends octets in order.
    pub(super) fn push(&mut self, data: Bytes) {
        self.unread += data.len();
        if data.len() < PINNING
            && let Some(last) = self.chunks.back_mut()
            && last.len() + data.len() <= PINNING
        {
            let taken = core::mem::take(last);
            let mut joined = taken.try_into_mut().unwrap_or_else(|shared| shared[..].into());
            joined.extend_from_slice(&data);
            *last = joined.freeze();
        } else {
            self.chunks.push_back(unpinned(data));
        }
    }

    /// The next octets, as far as they were granted.
    pub(super) fn read(&mut self) -> Option<Bytes> {
        if self.credit == 0 {
            return None;
        }
        let front = self.chunks.front_mut()?;
        let chunk = if front.len() <= self.credit {
            self.chunks.pop_front()?
        } else {
            front.split_to(self.credit)
        };
        self.count_read(chunk.len());
        Some(chunk)
    }

    /// All octets that were granted.
    pub(super) fn read_all(&mut self, chunks: &mut impl Extend<Bytes>) {
        if self.unread <= self.credit {
            chunks.extend(self.chunks.drain(..));
            self.count_read(self.unread);
        } else {
            chunks.extend(core::iter::from_fn(|| self.read()));
        }
    }

    fn count_read(&mut self, octets: usize) {
        if self.chunks.is_empty() && self.chunks.capacity() > IDLE_CHUNKS {
            self.chunks = VecDeque::new();
        }
        self.credit -= octets;
        self.unread -= octets;
        self.read_since += octets;
    }

    /// Lets the window grow if the application read much of it within a round trip: a sender in
    /// slow start doubles its window in that time, and must not be held back.
    pub(super) fn tune(&mut self, now: Instant, rtt: Duration) {
        if self.limit == self.limit_max || now.saturating_since(self.tuned_at) < rtt {
            return;
        }
        let wanted = self.read_since.saturating_mul(4);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        self.limit = self.limit.max(wanted).min(self.limit_max);
        self.tuned_at = now;
        self.read_since = 0;
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.chunks = VecDeque::new();
        self.unread = 0;
    }
}

/// The same octets, in memory of their own if they are so few that they should not hold on to the
/// large buffer of the device that they came in.
pub(super) fn unpinned(payload: Bytes) -> Bytes {
    if payload.len() < PINNING { BytesMut::from(&payload[..]).freeze() } else { payload }
}

/// Fewer octets than this are copied out of the buffer they came in.
const PINNING: usize = 512;

/// An empty queue with more room than this gives it back.
const IDLE_CHUNKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_granted_can_be_read() {
        let mut buffer = ReceiveBuffer::new(4_000, 4_000, Instant::ZERO);
        buffer.push(Bytes::from(vec![1; 1_000]));
        assert_eq!(buffer.read(), None);
        assert_eq!(buffer.space(), 3_000);
        buffer.grant(600);
        assert_eq!(buffer.read().map(|b| b.len()), Some(600));
        assert_eq!(buffer.read(), None);
        buffer.grant(1_000);
        assert_eq!(buffer.read().map(|b| b.len()), Some(400));
        assert_eq!(buffer.space(), 4_000);
    }

    #[test]
    fn reading_all_is_reading_one_by_one() {
        for credit in [0, 1, 999, 1_000, 1_001, 1_600, 5_000] {
            let [mut all, mut each] = [(); 2].map(|()| {
                let mut buffer = ReceiveBuffer::new(4_000, 4_000, Instant::ZERO);
                buffer.push(Bytes::from(vec![1; 1_000]));
                buffer.push(Bytes::from(vec![2; 600]));
                buffer.grant(credit);
                buffer
            });
            let mut chunks = Vec::new();
            all.read_all(&mut chunks);
            assert_eq!(chunks, core::iter::from_fn(|| each.read()).collect::<Vec<_>>());
            assert_eq!(format!("{all:?}"), format!("{each:?}"));
        }
    }

    #[test]
    fn a_small_payload_does_not_pin_the_buffer_it_came_in() {
        let device = Bytes::from(vec![1; 65_536]);
        let mut buffer = ReceiveBuffer::new(100_000, 100_000, Instant::ZERO);
        buffer.push(device.slice(..511));
        buffer.push(device.slice(..10));
        buffer.push(device.slice(..10));
        assert_eq!(buffer.chunks.len(), 2, "tiny pieces share a chunk");
        assert!(device.is_unique());
        buffer.push(device.slice(..512));
        assert!(!device.is_unique(), "a larger one is not copied");
    }

    #[test]
    fn the_limit_grows_only_while_the_application_keeps_up() {
        let rtt = Duration::from_millis(10);
        let mut buffer = ReceiveBuffer::new(10_000, 100_000, Instant::ZERO);
        buffer.push(Bytes::from(vec![0; 10_000]));
        buffer.tune(Instant::from_millis(10), rtt);
        assert_eq!(buffer.limit(), 10_000, "nothing was read");
        buffer.grant(10_000);
        buffer.read();
        buffer.tune(Instant::from_millis(15), rtt);
        assert_eq!(buffer.limit(), 10_000, "the round trip is not over");
        buffer.tune(Instant::from_millis(20), rtt);
        assert_eq!(buffer.limit(), 40_000);
    }
}
