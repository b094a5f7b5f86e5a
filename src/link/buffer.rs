//! Buffers for reading that come back when the last reader lets go of them.

use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Spare buffers of one size.
///
/// The one that came back last is handed out first: it is the one most likely in the cache.
#[derive(Debug)]
pub(crate) struct Pool {
    spare: Mutex<Vec<Box<[u8]>>>,
    /// Octets of a buffer.
    size: usize,
    /// How many buffers are kept while nobody uses them.
    limit: usize,
}

impl Pool {
    /// A pool of buffers of `size` octets that keeps at most `limit` spare ones.
    pub(crate) fn new(size: usize, limit: usize) -> Arc<Self> {
        Arc::new(Self { spare: Mutex::new(Vec::with_capacity(limit)), size, limit })
    }

    /// A spare buffer, or a new one. What it holds is left over from its last use.
    pub(crate) fn take(self: &Arc<Self>) -> Slot {
        let spare = self.lock().pop();
        let buffer = spare.unwrap_or_else(|| vec![0; self.size].into_boxed_slice());
        Slot { buffer, pool: Arc::clone(self) }
    }

    fn give_back(&self, buffer: Box<[u8]>) {
        let mut spare = self.lock();
        if spare.len() < self.limit {
            spare.push(buffer);
        }
    }

    /// A panic elsewhere cannot leave the list half changed, so a poisoned lock is as good.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<[u8]>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer in use. Dropping it, or the last slice made of it, returns it to its pool.
#[derive(Debug)]
pub(crate) struct Slot {
    buffer: Box<[u8]>,
    pool: Arc<Pool>,
}

impl Slot {
    /// The whole buffer, to be read into.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Hands out the octets in `range` without copying them.
    pub(crate) fn into_bytes(self, range: Range<usize>) -> Bytes {
        Bytes::from_owner(self).slice(range)
    }
}

impl AsRef<[u8]> for Slot {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.give_back(mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(pool: &Pool) -> usize {
        pool.lock().len()
    }

    #[test]
    fn a_buffer_returns_with_the_last_slice_of_it() {
        let pool = Pool::new(64, 4);
        let mut slot = pool.take();
        slot.as_mut()[10..15].copy_from_slice(b"hello");
        let whole = slot.into_bytes(10..15);
        let part = whole.slice(1..3);
        assert_eq!(&whole[..], b"hello");
        drop(whole);
        assert_eq!(spare(&pool), 0);
        assert_eq!(&part[..], b"el");
        drop(part);
        assert_eq!(spare(&pool), 1);
    }

    #[test]
    fn no_more_than_the_limit_are_kept() {
        let pool = Pool::new(64, 2);
        let slots: Vec<Slot> = (0..5).map(|_| pool.take()).collect();
        drop(slots);
        assert_eq!(spare(&pool), 2);
    }

    #[test]
    fn the_last_buffer_back_is_the_next_one_out() {
        let pool = Pool::new(64, 4);
        let (mut first, second) = (pool.take(), pool.take());
        first.as_mut()[0] = 1;
        drop(second);
        drop(first);
        assert_eq!(pool.take().as_ref()[0], 1);
    }
}
