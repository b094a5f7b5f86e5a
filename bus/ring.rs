//! A recorder that keeps the newest records in memory.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::trace::{Detail, Record, Recorder};

/// Keeps the newest records, without their details. A clone is another view of the same ring: give
/// one to the dataspace and read the other.
///
/// ```
/// use netmart_bus::{Config, Dataspace, RingRecorder};
/// let ring = RingRecorder::new(1024);
/// let mut space = Dataspace::new(Config::default());
/// space.set_recorder(Some(Box::new(ring.clone())));
/// assert!(ring.records().is_empty());
/// ```
#[derive(Clone)]
pub struct RingRecorder(Rc<RefCell<Ring>>);

struct Ring {
    records: Vec<Record>,
    capacity: usize,
    /// Where the oldest record is, once the ring is full.
    oldest: usize,
    overwritten: u64,
}

impl RingRecorder {
    /// A ring for the newest `capacity` records of 32 bytes, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let records = Vec::with_capacity(capacity);
        Self(Rc::new(RefCell::new(Ring { records, capacity, oldest: 0, overwritten: 0 })))
    }

    /// The records kept, oldest first.
    pub fn records(&self) -> Vec<Record> {
        let ring = self.0.borrow();
        let (newer, older) = ring.records.split_at(ring.oldest);
        [older, newer].concat()
    }

    /// How many records were overwritten by newer ones.
    pub fn overwritten(&self) -> u64 {
        self.0.borrow().overwritten
    }
}

impl Recorder for RingRecorder {
    #[inline]
    fn record(&mut self, record: &Record, _detail: &dyn Detail) {
        let mut ring = self.0.borrow_mut();
        let ring = &mut *ring;
        if ring.records.len() < ring.capacity {
            ring.records.push(*record);
            return;
        }
        ring.records[ring.oldest] = *record;
        ring.overwritten += 1;
        ring.oldest += 1;
        if ring.oldest == ring.capacity {
            ring.oldest = 0;
        }
    }
}

impl fmt::Debug for RingRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.0.borrow();
        f.debug_struct("RingRecorder")
            .field("kept", &ring.records.len())
            .field("capacity", &ring.capacity)
            .finish_non_exhaustive()
    }
}
