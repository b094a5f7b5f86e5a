//! What is in flight: which parts were received, which are lost, which were sent again.

use core::time::Duration;
use std::collections::VecDeque;

use super::delivery::{Delivery, Stamp};
use crate::Instant;
use crate::wire::tcp::{SackBlocks, SeqNumber};

/// A record per segment in flight, the SACK scoreboard of RFC 6675 in their marks.
///
/// Invariant: records are in order, each begins where the one before ends, the first at SND.UNA,
/// the last ends at SND.NXT. The counts are sums over the marks.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    records: VecDeque<Sent>,
    /// Octets received beyond a hole.
    sacked: u32,
    /// Octets that are lost.
    lost: u32,
    /// Octets that are lost and were sent again since.
    resent: u32,
    /// The highest octet of any block, exclusive.
    highest_sacked: Option<SeqNumber>,
    /// Everything below was judged by [`mark_lost`](Self::mark_lost).
    judged: Option<SeqNumber>,
    /// Nothing below waits to be sent again.
    resend_from: Option<SeqNumber>,
    /// The blocks of the last acknowledgement: they are marked already.
    known: SackBlocks,
    /// What was delivered and lost, and when.
    pub(super) delivery: Delivery,
}

/// A segment in flight, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Sent {
    start: SeqNumber,
    end: SeqNumber,
    /// When it was sent, or sent again.
    at: Instant,
    mark: Mark,
    /// Whether it was ever sent again, so that its acknowledgement is ambiguous (Karn).
    again: bool,
    /// What had been delivered then.
    stamp: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    InFlight,
    Sacked,
    Lost,
    Resent,
}

impl Sent {
    fn len(&self) -> u32 {
        self.end.distance_from(self.start)
    }
}

/// What a cumulative acknowledgement took off the scoreboard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acked {
    /// When the newest acknowledged segment was sent, if it was sent only once.
    pub(super) sent_at: Option<Instant>,
    /// Whether any of it had been sent again.
    pub(super) ambiguous: bool,
    /// When any of it was last sent.
    pub(super) last_at: Instant,
}

impl Scoreboard {
    /// Octets thought to be in the network: `pipe` of RFC 6675 section 4.
    pub(super) fn pipe(&self) -> u32 {
        self.outstanding() + self.resent - self.sacked - self.lost
    }

    /// Octets between SND.UNA and SND.NXT.
    pub(super) fn outstanding(&self) -> u32 {
        match (self.records.front(), self.records.back()) {
            (Some(first), Some(last)) => last.end.distance_from(first.start),
            _ => 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Octets received beyond a hole.
    pub(super) fn sacked(&self) -> u32 {
        self.sacked
    }

    pub(super) fn has_sacked(&self) -> bool {
        self.sacked > 0
    }

    /// Octets that are thought lost and were not sent again.
    pub(super) fn awaiting_resend(&self) -> u32 {
        self.lost - self.resent
    }

    /// A new segment was sent.
    pub(super) fn push(&mut self, start: SeqNumber, end: SeqNumber, now: Instant) {
        debug_assert!(self.records.back().is_none_or(|last| last.end == start));
        let stamp = self.delivery.stamp(end.distance_from(start), self.pipe(), now);
        let mark = Mark::InFlight;
        self.records.push_back(Sent { start, end, at: now, mark, again: false, stamp });
    }

    /// The application has nothing more to send: the delivery rate is its rate for a while.
    pub(super) fn limit_by_application(&mut self) {
        if self.awaiting_resend() == 0 {
            self.delivery.limit_by_application(self.pipe());
        }
    }

    /// Everything before `una` has arrived.
    pub(super) fn acknowledge(&mut self, una: SeqNumber) -> Acked {
        let mut acked = Acked::default();
        while let Some(front) = self.records.front_mut() {
            if front.start.is_at_or_after(una) {
                break;
            }
            let whole = front.end.is_at_or_before(una);
            acked.ambiguous |= front.again;
            acked.last_at = acked.last_at.max(front.at);
            // A segment that was sacked earlier does not time this acknowledgement.
            let fresh = !front.again && front.mark != Mark::Sacked;
            acked.sent_at = (fresh && whole).then_some(front.at);
            let record = if whole { *front } else { Sent { end: una, ..*front } };
            if whole {
                self.records.pop_front();
            } else {
                front.start = una;
            }
            self.uncount(record);
            if record.mark != Mark::Sacked {
                self.delivery.deliver(record.len(), record.at, record.again, record.stamp);
            }
        }
        if self.records.is_empty() {
            self.forget_marks();
            if self.records.capacity() > IDLE_RECORDS {
                self.records = VecDeque::new();
            }
        }
        acked
    }

    /// Marks what the blocks of an acknowledgement report, and says how many octets are news.
    /// Blocks that lie elsewhere (RFC 2883, or nonsense) are ignored.
    pub(super) fn sack(&mut self, blocks: &SackBlocks) -> u32 {
        let before = self.sacked;
        let known = core::mem::take(&mut self.known);
        for &(left, right) in blocks.as_slice() {
            if !left.is_before(right) || !self.covers(left, right) {
                continue;
            }
            // Most blocks are old ones that grew on the right: skip what the last told.
            let from = known
                .as_slice()
                .iter()
                .find(|(start, end)| start.is_at_or_before(left) && end.is_after(left))
                .map_or(left, |(_, end)| *end);
            if from.is_before(right) && self.covers(from, right) {
                self.mark_sacked(from, right);
            }
            self.known.push(left, right);
            self.highest_sacked = Some(self.highest_sacked.map_or(right, |high| high.later(right)));
        }
        self.sacked - before
    }

    /// Marks as lost what lies below three segments' worth of received octets
    /// (`IsLost` of RFC 6675 section 4), and says how many octets are news.
    pub(super) fn mark_lost(&mut self, mss: u32) -> u32 {
        let threshold = (DUP_THRESH - 1) * mss;
        let (Some(high), true) = (self.highest_sacked, self.sacked > threshold) else {
            return 0;
        };
        // From the highest received octet down, until enough lie above.
        let mut above = 0;
        let mut index = self.index_of(high).min(self.records.len());
        while index > 0 && above <= threshold {
            index -= 1;
            if self.records[index].mark == Mark::Sacked {
                above += self.records[index].len();
            }
        }
        if above <= threshold {
            return 0;
        }
        self.judge_below(index)
    }

    /// Marks everything below the record at `index` that was not received and not yet judged.
    fn judge_below(&mut self, index: usize) -> u32 {
        let before = self.lost;
        let from = self.judged.map_or(0, |seq| self.index_of(seq));
        for position in from..index {
            if self.records[position].mark == Mark::InFlight {
                self.set_mark(position, Mark::Lost);
            }
        }
        if from < index {
            self.judged = Some(self.records[index].start);
        }
        self.lost - before
    }

    /// Marks the first segment as lost, if it is in flight for the first time.
    pub(super) fn mark_first_lost(&mut self, mss: u32) {
        let Some(first) = self.records.front() else { return };
        if first.mark == Mark::InFlight {
            let end = first.start + first.len().min(mss);
            self.split(0, end);
            self.set_mark(0, Mark::Lost);
        }
    }

    /// Marks all that was not received as lost: the retransmission timer expired. If the peer has
    /// not even kept its first block, it may have dropped them all (RFC 2018 section 8).
    pub(super) fn mark_all_lost(&mut self) {
        let reneged = self.records.front().is_some_and(|first| first.mark == Mark::Sacked);
        for position in 0..self.records.len() {
            if reneged || self.records[position].mark != Mark::Sacked {
                self.set_mark(position, Mark::Lost);
            }
        }
        if reneged {
            self.highest_sacked = None;
            self.known = SackBlocks::default();
        }
        self.judged = None;
        self.resend_from = None;
    }

    /// Marks as lost what was sent in segments larger than `mss`: the path cannot carry it.
    pub(super) fn mark_too_big(&mut self, mss: u32) {
        for position in 0..self.records.len() {
            let record = self.records[position];
            if record.len() > mss && matches!(record.mark, Mark::InFlight | Mark::Resent) {
                self.set_mark(position, Mark::Lost);
            }
        }
        self.resend_from = None;
    }

    /// The next lost part that was not sent again, from the left.
    pub(super) fn next_lost(&mut self) -> Option<(SeqNumber, SeqNumber)> {
        if self.awaiting_resend() == 0 {
            return None;
        }
        let from = self.resend_from.map_or(0, |seq| self.index_of(seq));
        let next = self.records.range(from..).find(|record| record.mark == Mark::Lost)?;
        let found = (next.start, next.end);
        self.resend_from = Some(found.0);
        Some(found)
    }

    /// The first part in flight, whatever its mark.
    pub(super) fn first(&self) -> Option<(SeqNumber, SeqNumber)> {
        self.records.front().map(|record| (record.start, record.end))
    }

    /// The lost part from `start` up to `end` was sent again.
    pub(super) fn resent(&mut self, start: SeqNumber, end: SeqNumber, now: Instant) {
        let index = self.index_of(start);
        self.split(index, end);
        let stamp = self.delivery.stamp(end.distance_from(start), self.pipe(), now);
        if let Some(record) = self.records.get_mut(index) {
            record.at = now;
            record.again = true;
            record.stamp = stamp;
            if record.mark == Mark::Lost {
                self.set_mark(index, Mark::Resent);
            }
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether all octets from `left` up to `right` are in flight.
    fn covers(&self, left: SeqNumber, right: SeqNumber) -> bool {
        match (self.records.front(), self.records.back()) {
            (Some(first), Some(last)) => {
                left.is_at_or_after(first.start) && right.is_at_or_before(last.end)
            }
            _ => false,
        }
    }

    fn mark_sacked(&mut self, left: SeqNumber, right: SeqNumber) {
        let mut index = self.index_of(left);
        if self.records.get(index).is_some_and(|record| record.start.is_before(left)) {
            self.split(index, left);
            index += 1;
        }
        while self.records.get(index).is_some_and(|record| record.start.is_before(right)) {
            if self.records[index].mark != Mark::Sacked {
                self.split(index, right);
                self.set_mark(index, Mark::Sacked);
            }
            index += 1;
        }
    }

    /// The first record that ends after `seq`.
    fn index_of(&self, seq: SeqNumber) -> usize {
        self.records.partition_point(|record| record.end.is_at_or_before(seq))
    }

    /// Cuts the record at `index` so that it ends at `at`, if that lies inside it.
    fn split(&mut self, index: usize, at: SeqNumber) {
        let Some(record) = self.records.get_mut(index) else { return };
        if record.start.is_before(at) && record.end.is_after(at) {
            let rest = Sent { start: at, ..*record };
            record.end = at;
            self.records.insert(index + 1, rest);
        }
    }

    fn set_mark(&mut self, index: usize, mark: Mark) {
        let record = self.records[index];
        self.uncount(record);
        let len = record.len();
        match mark {
            Mark::InFlight => {}
            Mark::Sacked => {
                self.sacked += len;
                self.delivery.deliver(len, record.at, record.again, record.stamp);
            }
            Mark::Lost => {
                self.lost += len;
                if matches!(record.mark, Mark::InFlight | Mark::Resent) {
                    self.delivery.lose(len, record.stamp);
                }
            }
            Mark::Resent => {
                self.lost += len;
                self.resent += len;
            }
        }
        self.records[index].mark = mark;
    }

    fn uncount(&mut self, record: Sent) {
        let len = record.len();
        match record.mark {
            Mark::InFlight => {}
            Mark::Sacked => self.sacked -= len,
            Mark::Lost => self.lost -= len,
            Mark::Resent => {
                self.lost -= len;
                self.resent -= len;
            }
        }
    }

    /// The counts agree with the marks, and the records touch.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let sum = |wanted: &[Mark]| -> u32 {
            let counted = self.records.iter().filter(|record| wanted.contains(&record.mark));
            counted.map(Sent::len).sum()
        };
        assert_eq!(self.sacked, sum(&[Mark::Sacked]));
        assert_eq!(self.lost, sum(&[Mark::Lost, Mark::Resent]));
        assert_eq!(self.resent, sum(&[Mark::Resent]));
        for (left, right) in self.records.iter().zip(self.records.iter().skip(1)) {
            assert_eq!(left.end, right.start);
            assert!(left.start.is_before(left.end));
        }
    }

    fn forget_marks(&mut self) {
        self.highest_sacked = None;
        self.judged = None;
        self.resend_from = None;
        self.known = SackBlocks::default();
    }
}

impl Acked {
    /// How long ago the newest segment was sent. If any was sent twice the acknowledgement had
    /// waited for that one, and the others say nothing (Karn's algorithm).
    pub(super) fn rtt(&self, now: Instant) -> Option<Duration> {
        let sent_at = self.sent_at.filter(|_| !self.ambiguous)?;
        Some(now.saturating_since(sent_at))
    }
}

/// Segments received above a hole before it is taken for a loss (RFC 5681, RFC 6675).
pub(super) const DUP_THRESH: u32 = 3;

/// An empty queue with more room than this gives it back.
const IDLE_RECORDS: usize = 16;
