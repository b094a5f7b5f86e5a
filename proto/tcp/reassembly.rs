//! Segments that came before their predecessors.

use std::collections::VecDeque;

use bytes::Bytes;

use super::receive_buffer::unpinned;
use crate::wire::tcp::{SackBlocks, SeqNumber};

/// Octets beyond a hole, as runs without holes.
///
/// ```text
///   RCV.NXT        run            run                 right edge of the window
///      |   hole   #####   hole   ########                  |
/// ```
///
/// Invariant: the runs are in order, none is empty, between two of them is at least one octet.
/// A FIN takes the sequence number after the last octet and is remembered apart.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// Nothing as long as everything comes in its turn, as it mostly does: so it takes little room.
    kept: Option<Box<Kept>>,
}

/// What came before its turn.
#[derive(Debug, Default)]
struct Kept {
    runs: VecDeque<Run>,
    /// How many pieces all runs hold, which bounds the memory spent beside the octets.
    pieces: usize,
    /// An octet of each run that grew lately, the latest first (RFC 2018 section 4).
    recent: [Option<SeqNumber>; SackBlocks::MAX],
    /// An octet of each run that grew since it was last reported, the latest last.
    unreported: Vec<SeqNumber>,
    /// The sequence number of the FIN, if it came already.
    fin: Option<SeqNumber>,
}

#[derive(Debug)]
struct Run {
    start: SeqNumber,
    end: SeqNumber,
    pieces: VecDeque<Bytes>,
}

/// What became of octets beyond a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insertion {
    /// They are kept; `duplicate` is the first part that was there before, if any (RFC 2883).
    Kept { duplicate: Option<(SeqNumber, SeqNumber)> },
    /// There are too many pieces; the peer will send them again.
    Refused,
}

impl Reassembly {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.runs.is_empty())
    }

    /// Whether nothing came before its turn, not even the FIN.
    pub(super) fn is_untouched(&self) -> bool {
        self.kept.is_none()
    }

    /// Remembers that the stream ends here.
    pub(super) fn set_fin(&mut self, at: SeqNumber) {
        self.kept.get_or_insert_default().fin = Some(at);
    }

    /// Where the stream ends, if that is known.
    pub(super) fn fin(&self) -> Option<SeqNumber> {
        self.kept.as_ref()?.fin
    }

    /// Keeps the parts of `payload` that are new, up to `limit` pieces in all.
    pub(super) fn insert(&mut self, seq: SeqNumber, payload: Bytes, limit: usize) -> Insertion {
        let insertion = self.kept.get_or_insert_default().insert(seq, payload, limit);
        self.forget_if_empty();
        insertion
    }

    /// What of the octets from `start` up to `end` is here already: the first part of it.
    pub(super) fn overlap(
        &self,
        start: SeqNumber,
        end: SeqNumber,
    ) -> Option<(SeqNumber, SeqNumber)> {
        self.kept.as_ref()?.overlap(start, end)
    }

    /// Takes the run that `nxt` has reached, without what lies before `nxt`; runs wholly before it
    /// are dropped. Gives its octets to `deliver` and returns where it ends.
    pub(super) fn take(&mut self, nxt: SeqNumber, deliver: impl FnMut(Bytes)) -> Option<SeqNumber> {
        let reached = self.kept.as_mut()?.take(nxt, deliver);
        self.forget_if_empty();
        reached
    }

    /// The blocks to report, the most recently changed first, after `duplicate` if there is one. Where
    /// more runs have changed since the last report than fit, the first of these: the others are for
    /// another one.
    pub(super) fn sack_blocks(
        &self,
        duplicate: Option<(SeqNumber, SeqNumber)>,
        room: usize,
    ) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        if let Some((left, right)) = duplicate {
            blocks.push(left, right);
        }
        if let Some(kept) = &self.kept {
            kept.report(&mut blocks, room);
        }
        blocks
    }

    /// These blocks were sent. Returns whether others have changed and were not among them.
    pub(super) fn note_reported(&mut self, blocks: &SackBlocks) -> bool {
        self.kept.as_mut().is_some_and(|kept| kept.note_reported(blocks))
    }

    /// How many octets are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.len())
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.kept = None;
    }

    fn forget_if_empty(&mut self) {
        self.kept.take_if(|kept| kept.runs.is_empty() && kept.fin.is_none());
    }
}

impl Kept {
    fn insert(&mut self, seq: SeqNumber, payload: Bytes, limit: usize) -> Insertion {
        let (start, end) = (seq, seq + payload.len() as u32);
        // The runs that this one overlaps or touches: they become one.
        let first = self.runs.partition_point(|run| run.end.is_before(start));
        let last = self.runs.partition_point(|run| run.start.is_at_or_before(end));
        if self.pieces + (last - first) + 1 > limit || first >= MAX_RUNS {
            return Insertion::Refused;
        }
        let duplicate = self
            .runs
            .range(first..last)
            .map(|run| (run.start.later(start), run.end.earlier(end)))
            .find(|(left, right)| left.is_before(*right));
        if first == last {
            let pieces = VecDeque::from([unpinned(payload)]);
            self.runs.insert(first, Run { start, end, pieces });
            self.pieces += 1;
            if self.runs.len() > MAX_RUNS {
                // What comes first is of use first.
                self.pieces -= self.runs.pop_back().map_or(0, |run| run.pieces.len());
            }
        } else {
            self.join(first, last, seq, payload);
        }
        self.note_recent(start);
        Insertion::Kept { duplicate }
    }

    fn overlap(&self, start: SeqNumber, end: SeqNumber) -> Option<(SeqNumber, SeqNumber)> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end.is_at_or_before(start)))?;
        let (left, right) = (run.start.later(start), run.end.earlier(end));
        left.is_before(right).then_some((left, right))
    }

    /// Makes one run of those from `first` up to `last` and of what `payload` adds to them.
    fn join(&mut self, first: usize, last: usize, seq: SeqNumber, payload: Bytes) {
        let end = seq + payload.len() as u32;
        let part = |left: SeqNumber, right: SeqNumber| {
            let (from, to) = (left.distance_from(seq), right.distance_from(seq));
            unpinned(payload.slice(from as usize..to as usize))
        };
        let rest: Vec<Run> = self.runs.drain(first + 1..last).collect();
        let run = &mut self.runs[first];
        if seq.is_before(run.start) {
            run.pieces.push_front(part(seq, run.start));
            self.pieces += 1;
            run.start = seq;
        }
        for mut next in rest {
            if run.end.is_before(next.start) {
                run.pieces.push_back(part(run.end, next.start));
                self.pieces += 1;
            }
            run.pieces.append(&mut next.pieces);
            run.end = next.end;
        }
        if run.end.is_before(end) {
            run.pieces.push_back(part(run.end, end));
            self.pieces += 1;
            run.end = end;
        }
    }

    fn take(&mut self, nxt: SeqNumber, mut deliver: impl FnMut(Bytes)) -> Option<SeqNumber> {
        let mut reached = None;
        while self.runs.front().is_some_and(|run| run.start.is_at_or_before(nxt)) {
            let Some(run) = self.runs.pop_front() else { break };
            self.pieces -= run.pieces.len();
            if run.end.is_after(nxt) {
                let mut known = nxt.distance_from(run.start) as usize;
                for mut piece in run.pieces {
                    let skip = known.min(piece.len());
                    known -= skip;
                    bytes::Buf::advance(&mut piece, skip);
                    if !piece.is_empty() {
                        deliver(piece);
                    }
                }
                reached = Some(run.end);
                break;
            }
        }
        if self.runs.is_empty() {
            self.recent = Default::default();
            self.runs = VecDeque::new();
            self.unreported = Vec::new();
        }
        reached
    }

    /// Adds what is to be reported to `blocks`.
    fn report(&self, blocks: &mut SackBlocks, room: usize) {
        let reported = blocks.as_slice().len();
        let overdue = self.overdue(room - reported);
        // Mostly the unreported are the most recent as well; not when there were too many to note all.
        let unreported = self.unreported.iter().rev();
        for inside in overdue.iter().rev().chain(unreported).chain(self.recent.iter().flatten()) {
            if blocks.as_slice().len() >= room {
                break;
            }
            if let Some(run) = self.run_with(*inside) {
                let block = (run.start, run.end);
                if !blocks.as_slice()[reported..].contains(&block) {
                    blocks.push(block.0, block.1);
                }
            }
        }
    }

    fn note_reported(&mut self, blocks: &SackBlocks) -> bool {
        let mut unreported = core::mem::take(&mut self.unreported);
        unreported.retain(|inside| {
            let reported = |&(left, right): &(SeqNumber, SeqNumber)| {
                left.is_at_or_before(*inside) && right.is_after(*inside)
            };
            !blocks.as_slice().iter().any(reported) && self.run_with(*inside).is_some()
        });
        self.unreported = unreported;
        !self.unreported.is_empty()
    }

    /// If more runs than `room` are unreported: the `room` that have waited longest, an octet of each.
    fn overdue(&self, room: usize) -> Vec<SeqNumber> {
        let mut runs: Vec<(SeqNumber, SeqNumber)> = Vec::new();
        if self.unreported.len() > room {
            for inside in &self.unreported {
                if let Some(run) = self.run_with(*inside)
                    && !runs.iter().any(|(start, _)| *start == run.start)
                {
                    runs.push((run.start, *inside));
                }
            }
        }
        if runs.len() <= room {
            return Vec::new();
        }
        runs.into_iter().take(room).map(|(_, inside)| inside).collect()
    }

    fn len(&self) -> usize {
        self.runs.iter().map(|run| run.end.distance_from(run.start) as usize).sum()
    }

    fn run_with(&self, seq: SeqNumber) -> Option<&Run> {
        let index = self.runs.partition_point(|run| run.end.is_at_or_before(seq));
        self.runs.get(index).filter(|run| run.start.is_at_or_before(seq))
    }

    /// Puts the run that holds `seq` at the head of the recent ones.
    fn note_recent(&mut self, seq: SeqNumber) {
        let Some((start, end)) = self.run_with(seq).map(|run| (run.start, run.end)) else {
            return;
        };
        let same_run = |other: &Option<SeqNumber>| {
            other.is_none_or(|other| other.is_in_window(start, end.distance_from(start)))
        };
        let last = self.recent.len() - 1;
        let from = self.recent.iter().position(same_run).unwrap_or(last);
        self.recent[..=from].rotate_right(1);
        self.recent[0] = Some(seq);
        let last = self.unreported.last();
        let known = last.is_some_and(|last| last.is_in_window(start, end.distance_from(start)));
        if !known && self.unreported.len() < MAX_UNREPORTED {
            self.unreported.push(seq);
        }
    }
}

/// A batch of segments that changes more runs than this is not told in full.
const MAX_UNREPORTED: usize = 64;

/// More holes than this are not worth remembering; the rest is sent again. Where a slow start overshoots,
/// every other segment of a window is lost: this is enough for 48 MiB of such a window.
const MAX_RUNS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    /// What every acknowledgement reports in turn, until it says that there is no more.
    fn reports(reassembly: &mut Reassembly, room: usize) -> Vec<SackBlocks> {
        let mut reports = Vec::new();
        loop {
            let blocks = reassembly.sack_blocks(None, room);
            let more = reassembly.note_reported(&blocks);
            reports.push(blocks);
            assert!(reports.len() < 100, "no end of reports: {:?}", reassembly.kept);
            if !more {
                return reports;
            }
        }
    }

    #[test]
    fn a_batch_too_large_to_note_comes_to_the_end_of_its_reports() {
        let mut reassembly = Reassembly::default();
        let insert = |reassembly: &mut Reassembly, at: u32| {
            reassembly.insert(SeqNumber(at), Bytes::from_static(&[1]), usize::MAX);
        };
        // Four runs that grow in turn, until no more can be noted; then three others.
        for octet in 0..MAX_UNREPORTED as u32 / 4 {
            for run in 0..4 {
                insert(&mut reassembly, 1_000 * (run + 1) + octet);
            }
        }
        for run in 4..7 {
            insert(&mut reassembly, 1_000 * (run + 1));
        }
        let reports = reports(&mut reassembly, 3);
        assert_eq!(reports.len(), 2, "{reports:?}");
    }

    #[test]
    fn of_too_many_holes_the_first_are_remembered_and_the_rest_leaves_nothing_behind() {
        let mut reassembly = Reassembly::default();
        let octet = || Bytes::from_static(&[1]);
        let at = |run: u32| SeqNumber(2 * run + 1);
        for run in (0..MAX_RUNS as u32 + 10).rev() {
            let kept = reassembly.insert(at(run), octet(), usize::MAX);
            assert_eq!(kept, Insertion::Kept { duplicate: None });
        }
        assert_eq!(reassembly.len(), MAX_RUNS);
        assert_eq!(reassembly.kept.as_ref().map(|kept| kept.pieces), Some(MAX_RUNS));
        let beyond = reassembly.insert(at(MAX_RUNS as u32), octet(), usize::MAX);
        assert_eq!(beyond, Insertion::Refused);
        for run in 0..MAX_RUNS as u32 {
            let mut octets = 0;
            let end = reassembly.take(at(run), |piece| octets += piece.len());
            assert_eq!((end, octets), (Some(at(run) + 1), 1));
        }
        assert!(reassembly.is_untouched());
    }
}
