//! What is in flight: which parts were received, which are lost, which were sent again.

mod lost;

use core::time::Duration;
use std::collections::VecDeque;

use super::Retransmission;
use super::delivery::{Delivery, Stamp};
use super::gain::{Delivered, Gain};
use crate::Instant;
use crate::wire::tcp::{SackBlocks, SeqNumber};

/// A record per segment in flight, the SACK scoreboard of RFC 6675 in their marks.
///
/// Invariant: records are in order, each begins where the one before ends, the first at SND.UNA,
/// the last ends at SND.NXT. The counts are sums over the marks.
///
/// What was sent once was sent in the order of the records; what was sent again is listed apart in
/// the order of sending. So the question which segments have been under way for too long never looks
/// at one that was sent too late for that, but for the first of each kind.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    records: VecDeque<Sent>,
    /// Octets received beyond a hole.
    sacked: u32,
    /// Octets that are lost.
    lost: u32,
    /// Octets that are lost and were sent again since.
    resent: u32,
    /// Nothing below is in flight for the first time.
    judged: Option<SeqNumber>,
    /// Nothing below waits to be sent again; nothing at all if there is none.
    resend_from: Option<SeqNumber>,
    /// What only losses leave behind; nothing while there are none, so that it takes little room.
    traces: Option<Box<Traces>>,
    /// What was delivered and lost, and when.
    pub(super) delivery: Delivery,
    /// The payload of the segments that are sent now.
    size: u16,
}

/// What is remembered while a loss is being repaired.
#[derive(Debug, Default)]
struct Traces {
    /// What was sent again, in the order in which it was; some of it may have been delivered, or
    /// sent once more, since.
    again: VecDeque<Again>,
    /// The blocks of the last acknowledgement: they are marked already.
    known: SackBlocks,
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
    /// If it is lost: how that was found.
    cause: Retransmission,
    /// What had been delivered then.
    stamp: Stamp,
    /// The payload of each segment that it was sent in, the last one perhaps smaller.
    size: u16,
}

/// A part that was sent again at some time.
#[derive(Clone, Copy, Debug)]
struct Again {
    start: SeqNumber,
    end: SeqNumber,
    at: Instant,
}

/// A part that is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: SeqNumber,
    pub(super) end: SeqNumber,
    /// How its loss was found.
    pub(super) cause: Retransmission,
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

    /// It has arrived.
    #[inline]
    fn delivered(&self) -> Delivered {
        Delivered {
            octets: self.len(),
            end: self.end,
            at: self.at,
            again: self.again,
            given_up: self.mark == Mark::Lost,
        }
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

    /// Octets between SND.UNA and SND.NXT that were not reported as received.
    pub(super) fn unreported(&self) -> u32 {
        self.outstanding() - self.sacked
    }

    /// Whether anything is thought lost, sent again or not.
    pub(super) fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Octets that are thought lost and were not sent again.
    pub(super) fn awaiting_resend(&self) -> u32 {
        self.lost - self.resent
    }

    /// A new segment was sent.
    pub(super) fn push(&mut self, start: SeqNumber, end: SeqNumber, now: Instant) {
        debug_assert!(self.records.back().is_none_or(|last| last.end == start));
        let stamp = self.delivery.stamp(end.distance_from(start), self.pipe(), now);
        let (mark, cause) = (Mark::InFlight, Retransmission::FastRetransmit);
        let size = self.size;
        self.records.push_back(Sent {
            start,
            end,
            at: now,
            mark,
            again: false,
            cause,
            stamp,
            size,
        });
    }

    /// What follows is sent in segments of so many octets.
    pub(super) fn in_pieces_of(&mut self, size: u16) -> &mut Self {
        self.size = size;
        self
    }

    /// The application has nothing more to send: the delivery rate is its rate for a while.
    pub(super) fn limit_by_application(&mut self) {
        if self.awaiting_resend() == 0 {
            self.delivery.limit_by_application(self.pipe());
        }
    }

    /// Everything before `una` has arrived. What is news goes to `gain`.
    pub(super) fn acknowledge(&mut self, una: SeqNumber, gain: &mut Gain) -> Acked {
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
                gain.add(&record.delivered());
            }
        }
        self.forget_before(una);
        if self.records.is_empty() {
            self.forget_marks();
            if self.records.capacity() > IDLE_RECORDS {
                self.records = VecDeque::new();
            }
        }
        acked
    }

    /// Marks what the blocks of an acknowledgement report; what is news goes to `gain`. Blocks that
    /// lie elsewhere (RFC 2883, or nonsense) are ignored.
    pub(super) fn sack(&mut self, blocks: &SackBlocks, gain: &mut Gain) {
        let known = self.forget_known();
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
                self.mark_sacked(from, right, gain);
            }
            self.traces.get_or_insert_default().known.push(left, right);
        }
    }

    /// The first part in flight, whatever its mark.
    pub(super) fn first(&self) -> Option<(SeqNumber, SeqNumber)> {
        self.records.front().map(|record| (record.start, record.end))
    }

    /// Whether the first part was reported as received: the peer has thrown away what it had, or
    /// SND.UNA would lie beyond (RFC 2018 section 8).
    pub(super) fn is_reneged(&self) -> bool {
        self.records.front().is_some_and(|first| first.mark == Mark::Sacked)
    }

    /// When the first part was last sent.
    pub(super) fn first_sent_at(&self) -> Option<Instant> {
        self.records.front().map(|record| record.at)
    }

    /// How many segments of `mss` octets are in flight, or as many as are asked about.
    pub(super) fn segments(&self, mss: u32, most: u32) -> u32 {
        let records = self.records.iter().take(most as usize);
        records.map(|record| record.len().div_ceil(mss)).sum::<u32>().min(most)
    }

    /// Octets from `start` up to `end` were sent again.
    pub(super) fn resent(&mut self, start: SeqNumber, end: SeqNumber, now: Instant) {
        let mut index = self.index_of(start);
        if self.records.get(index).is_some_and(|record| record.start.is_before(start)) {
            self.split(index, start);
            index += 1;
        }
        while self.records.get(index).is_some_and(|record| record.start.is_before(end)) {
            self.split(index, end);
            let pipe = self.pipe();
            let record = &mut self.records[index];
            record.at = now;
            record.again = true;
            record.size = self.size;
            record.stamp = self.delivery.stamp(record.len(), pipe, now);
            if record.mark == Mark::Lost {
                self.set_mark(index, Mark::Resent);
            }
            index += 1;
        }
        self.note_again(Again { start, end, at: now });
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

    fn mark_sacked(&mut self, left: SeqNumber, right: SeqNumber, gain: &mut Gain) {
        let mut index = self.index_of(left);
        if self.records.get(index).is_some_and(|record| record.start.is_before(left)) {
            self.split(index, left);
            index += 1;
        }
        while self.records.get(index).is_some_and(|record| record.start.is_before(right)) {
            if self.records[index].mark != Mark::Sacked {
                self.split(index, right);
                let record = self.records[index];
                gain.add(&record.delivered());
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
        let lowest = self.records.iter().find(|record| record.mark == Mark::Lost);
        if let Some(lowest) = lowest {
            assert!(self.resend_from.is_some_and(|from| from.is_before(lowest.end)));
        }
        let again = self.traces.as_ref().map_or(0, |traces| traces.again.len());
        assert!(again <= most_again(self.records.len()));
    }

    /// Keeps what is remembered of sequence numbers near to those in flight, so that none of it is
    /// taken for something ahead once the numbers have gone round.
    fn forget_before(&mut self, una: SeqNumber) {
        if let Some(traces) = &mut self.traces {
            while traces.again.front().is_some_and(|again| again.end.is_at_or_before(una)) {
                traces.again.pop_front();
            }
        }
        self.judged = self.judged.filter(|judged| judged.is_after(una));
        if self.awaiting_resend() == 0 {
            self.resend_from = None;
        } else {
            self.resend_from = self.resend_from.map(|from| from.later(una));
        }
        if self.sacked == 0 {
            self.forget_known();
        }
    }

    fn forget_marks(&mut self) {
        self.judged = None;
        self.resend_from = None;
        self.traces = None;
    }

    /// Forgets the blocks of the last acknowledgement, and returns them.
    fn forget_known(&mut self) -> SackBlocks {
        let traces = self.traces.as_mut();
        traces.map(|traces| core::mem::take(&mut traces.known)).unwrap_or_default()
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

/// How many parts sent again may be listed, at most.
fn most_again(records: usize) -> usize {
    2 * records + 16
}

/// An empty queue with more room than this gives it back.
const IDLE_RECORDS: usize = 16;
