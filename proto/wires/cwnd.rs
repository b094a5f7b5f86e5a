//! How many packets may be under way at once.

/// A window that grows as long as nothing is lost (RFC 5681), counted in packets.
#[derive(Clone, Debug)]
pub(super) struct Cwnd {
    size: usize,
    /// Up to here it doubles with each round trip.
    ssthresh: usize,
    /// Acknowledged since it last grew.
    credit: usize,
    most: usize,
}

const FIRST: usize = 16;
const LEAST: usize = 4;

impl Cwnd {
    /// One that never exceeds `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { size: FIRST.min(most), ssthresh: most, credit: 0, most }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// So many packets were acknowledged.
    pub(super) fn grow(&mut self, acknowledged: usize) {
        if self.size < self.ssthresh {
            self.size += acknowledged;
        } else {
            self.credit += acknowledged;
            if self.credit >= self.size {
                self.credit -= self.size;
                self.size += 1;
            }
        }
        self.size = self.size.min(self.most);
    }

    /// Something was lost.
    pub(super) fn shrink(&mut self) {
        self.ssthresh = (self.size / 2).max(LEAST);
        self.size = self.ssthresh;
    }

    /// Nothing came back at all.
    pub(super) fn collapse(&mut self) {
        self.shrink();
        self.size = LEAST;
    }
}
