//! Which parts of what is in flight are lost, and which of them is to be sent again next.

use core::time::Duration;

use super::{Again, Mark, Part, Scoreboard, most_again};
use crate::Instant;
use crate::tcp::Retransmission;
use crate::tcp::rack::Rack;
use crate::wire::tcp::SeqNumber;

/// What a look at the clock has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tcp) struct Judgement {
    /// Octets that were found lost.
    pub(in crate::tcp) lost: u32,
    /// When the next part will be lost, if nothing is heard of it.
    pub(in crate::tcp) next: Option<Instant>,
}

impl Judgement {
    fn wait_until(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

impl Scoreboard {
    /// Marks as lost what was sent before the newest segment that arrived, and a round trip and
    /// `window` ago or longer (RFC 8985 section 6.2, step 5).
    pub(in crate::tcp) fn judge(
        &mut self,
        rack: &Rack,
        window: Duration,
        cause: Retransmission,
        now: Instant,
    ) -> Judgement {
        let before = self.lost - self.resent;
        let mut judgement = Judgement::default();
        self.judge_sent_once(rack, window, cause, now, &mut judgement);
        self.judge_sent_again(rack, window, now, &mut judgement);
        judgement.lost = self.lost - self.resent - before;
        judgement
    }

    fn judge_sent_once(
        &mut self,
        rack: &Rack,
        window: Duration,
        cause: Retransmission,
        now: Instant,
        judgement: &mut Judgement,
    ) {
        let from = self.judged.map_or(0, |seq| self.index_of(seq));
        let mut index = from;
        while let Some(record) = self.records.get(index) {
            if record.mark == Mark::InFlight && !record.again {
                match rack.deadline(record.at, record.end, window) {
                    None => break,
                    Some(due) if due > now => {
                        judgement.wait_until(due);
                        break;
                    }
                    Some(_) => self.lose(index, cause),
                }
            }
            index += 1;
        }
        if index > from {
            self.judged = self.records.get(index).or(self.records.back()).map(|next| next.start);
        }
    }

    /// What was sent again and lost again: found by the clock alone.
    fn judge_sent_again(
        &mut self,
        rack: &Rack,
        window: Duration,
        now: Instant,
        judgement: &mut Judgement,
    ) {
        while let Some(again) = self.first_again() {
            let mut open = false;
            let mut index = self.index_of(again.start);
            while self.records.get(index).is_some_and(|r| r.start.is_before(again.end)) {
                if self.is_under_way_since(index, again.at) {
                    let record = self.records[index];
                    match rack.deadline(record.at, record.end, window) {
                        Some(due) if due <= now => self.lose(index, Retransmission::Rack),
                        due => {
                            open = true;
                            if let Some(due) = due {
                                judgement.wait_until(due);
                            }
                        }
                    }
                }
                index += 1;
            }
            if open {
                break;
            }
            if let Some(traces) = &mut self.traces {
                traces.again.pop_front();
            }
        }
    }

    /// What was sent again first.
    fn first_again(&self) -> Option<Again> {
        self.traces.as_ref()?.again.front().copied()
    }

    /// Whether the record at `index` was sent again at `at`, and nothing was heard of it since.
    fn is_under_way_since(&self, index: usize, at: Instant) -> bool {
        let record = &self.records[index];
        record.again && record.at == at && matches!(record.mark, Mark::InFlight | Mark::Resent)
    }

    /// Lists a part that was sent again.
    pub(super) fn note_again(&mut self, again: Again) {
        let most = most_again(self.records.len());
        let listed = &mut self.traces.get_or_insert_default().again;
        // Sent once more: the last entry is about the same part, and holds no longer.
        while listed.back().is_some_and(|last| {
            last.start.is_at_or_after(again.start) && last.end.is_at_or_before(again.end)
        }) {
            listed.pop_back();
        }
        listed.push_back(again);
        if listed.len() > most {
            let mut listed = core::mem::take(listed);
            listed.retain(|entry| self.is_open(entry));
            // Every record is in at most one entry that holds.
            listed.truncate(most);
            self.traces.get_or_insert_default().again = listed;
        }
    }

    fn is_open(&self, again: &Again) -> bool {
        let from = self.index_of(again.start);
        let inside = self.records.iter().skip(from);
        inside
            .take_while(|record| record.start.is_before(again.end))
            .enumerate()
            .any(|(index, _)| self.is_under_way_since(from + index, again.at))
    }

    /// Marks the first segment as lost, if it is in flight for the first time.
    pub(in crate::tcp) fn mark_first_lost(&mut self, mss: u32, cause: Retransmission) {
        let Some(first) = self.records.front() else { return };
        if first.mark == Mark::InFlight {
            let end = first.start + first.len().min(mss);
            self.split(0, end);
            self.lose(0, cause);
        }
    }

    /// The retransmission timer expired: marks as lost the first part, and all that was not received
    /// but for what was sent so lately that its acknowledgement may be under way, which is told by
    /// `overdue` (RFC 8985 section 6.3). If the peer has not even kept its first block, it may have
    /// dropped them all (RFC 2018 section 8).
    pub(in crate::tcp) fn mark_all_lost(&mut self, overdue: impl Fn(Instant) -> bool) {
        let reneged = self.is_reneged();
        for index in 0..self.records.len() {
            let record = &self.records[index];
            let lost = match record.mark {
                Mark::Sacked => reneged,
                Mark::Lost => true,
                Mark::InFlight | Mark::Resent => index == 0 || reneged || overdue(record.at),
            };
            if lost {
                self.lose(index, Retransmission::Timeout);
            }
        }
        if reneged {
            self.forget_known();
        }
        self.judged = None;
    }

    /// Marks as lost what was sent in segments larger than `mss`: the path cannot carry it.
    pub(in crate::tcp) fn mark_too_big(&mut self, mss: u32) {
        let mut index = 0;
        while let Some(record) = self.records.get(index) {
            let (end, size) = (record.end, u32::from(record.size));
            let under_way = matches!(record.mark, Mark::InFlight | Mark::Resent);
            if under_way && record.len() > mss && size > mss {
                // The last segment of several may have been small enough.
                let last = record.len() % size;
                if last <= mss {
                    self.split(index, end - last);
                }
                self.lose(index, Retransmission::FastRetransmit);
            }
            index += 1;
        }
    }

    /// Takes back what was said about losses, as far as it was not sent again (RFC 4015, RFC 5682).
    pub(in crate::tcp) fn unmark_lost(&mut self) {
        self.resend_from = None;
        for index in 0..self.records.len() {
            let record = self.records[index];
            if record.mark == Mark::Lost {
                if record.again {
                    // In no list any more by which its second loss would be found.
                    self.lower_resend_from(record.start);
                } else {
                    self.set_mark(index, Mark::InFlight);
                }
            }
        }
        self.judged = None;
    }

    /// The next lost part that was not sent again, from the left.
    pub(in crate::tcp) fn next_lost(&mut self) -> Option<Part> {
        let from = self.index_of(self.resend_from?);
        let next = self.records.range(from..).find(|record| record.mark == Mark::Lost).copied();
        self.resend_from = next.map(|next| next.start);
        next.map(|next| Part { start: next.start, end: next.end, cause: next.cause })
    }

    /// Whether the part that begins at `start` waits to be sent again.
    pub(in crate::tcp) fn waits(&self, start: SeqNumber) -> bool {
        self.records.get(self.index_of(start)).is_some_and(|record| record.mark == Mark::Lost)
    }

    /// The last `len` octets in flight, or fewer; nothing if their end was received or is lost.
    pub(in crate::tcp) fn tail(&self, len: u32) -> Option<(SeqNumber, SeqNumber)> {
        let (first, last) = (self.records.front()?, self.records.back()?);
        let len = len.min(last.end.distance_from(first.start));
        (last.mark == Mark::InFlight).then(|| (last.end - len, last.end))
    }

    fn lose(&mut self, index: usize, cause: Retransmission) {
        self.set_mark(index, Mark::Lost);
        self.records[index].cause = cause;
        self.lower_resend_from(self.records[index].start);
    }

    fn lower_resend_from(&mut self, start: SeqNumber) {
        self.resend_from = Some(self.resend_from.map_or(start, |from| from.earlier(start)));
    }
}
