//! What an original has got, as far as that can be known.
//!
//! It counts every packet that it reads or makes, and numbers its acknowledgements by that count: each packet of data
//! raises it by two, the end of a batch by one. With one packet under way at a time, the number of an
//! acknowledgement tells whether that packet came once, or not, or twice.

use core::ops::Range;

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything has arrived, once.
    Whole,
    /// It answers something older.
    Old,
    /// Something has arrived twice, or not at all, and nobody can tell.
    Doubtful,
}

/// The count.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// The number that answers what is under way if all before came through; unknown before the first answer if
    /// the original may have heard several SYNs.
    wanted: Option<u32>,
    /// Nothing has been answered yet.
    is_first: bool,
    /// Questions that were asked since.
    pub(super) questions: u32,
    /// Answers that were taken for lost because a question was answered as if they were. If one of these still comes,
    /// perhaps something else was lost, and the question came twice.
    lost: Range<u32>,
    /// The end of a batch was sent, and nothing was answered since.
    has_open_end: bool,
}

impl Arrivals {
    pub(super) fn new(heard_one_syn: bool) -> Self {
        Self {
            wanted: heard_one_syn.then_some(3),
            is_first: true,
            questions: 0,
            lost: 0..0,
            has_open_end: false,
        }
    }

    /// Judges an acknowledgement of what is under way, questions included.
    pub(super) fn judge(&mut self, number: u32) -> Verdict {
        let asked = self.questions > 0;
        let lowest = match self.wanted {
            Some(wanted) => wanted,
            // Nobody can tell which of the two it answers.
            None if asked => return Verdict::Doubtful,
            None => number,
        };
        let wanted = lowest.saturating_add(2 * self.questions);
        // The network may have doubled the SYN, which raises the count by one.
        let is_whole = number == wanted || self.is_first && number == wanted.saturating_add(1);
        if is_whole {
            self.is_first = false;
            self.wanted = number.checked_add(2);
            self.questions = 0;
            self.lost = if asked { lowest..number } else { 0..0 };
            self.has_open_end = false;
            Verdict::Whole
        } else if number > wanted
            || asked && number >= lowest
            || self.lost.contains(&number)
            || self.misses_end(number, lowest)
        {
            Verdict::Doubtful
        } else {
            Verdict::Old
        }
    }

    /// Judges an acknowledgement of a packet behind the end of the last batch. It does not matter which of several it
    /// answers, because each counts for two and the end for one.
    pub(super) fn judge_check(&mut self, number: u32) -> Verdict {
        let Some(lowest) = self.wanted else { return Verdict::Doubtful };
        match number.checked_sub(lowest) {
            Some(more) if more % 2 == 0 && more / 2 <= self.questions => Verdict::Whole,
            None if !self.misses_end(number, lowest) => Verdict::Old,
            _ => Verdict::Doubtful,
        }
    }

    /// Whether an acknowledgement says that the end of the batch was not counted.
    fn misses_end(&self, number: u32, lowest: u32) -> bool {
        self.has_open_end && number.checked_add(1) == Some(lowest)
    }

    /// Whether it is not known that the end of the last batch arrived.
    pub(super) fn has_open_end(&self) -> bool {
        self.has_open_end
    }

    /// Whether an acknowledgement says that more has arrived than was sent, nothing being under way.
    pub(super) fn is_excess(&self, number: u32) -> bool {
        self.lost.contains(&number) || self.wanted.is_some_and(|wanted| number >= wanted)
    }

    /// The end of a batch was sent.
    pub(super) fn end_batch(&mut self) {
        self.wanted = self.wanted.and_then(|wanted| wanted.checked_add(1));
        self.has_open_end = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_by_two_and_by_one_at_the_end_of_a_batch() {
        let mut arrivals = Arrivals::new(true);
        assert_eq!(arrivals.judge(3), Verdict::Whole);
        assert_eq!(arrivals.judge(3), Verdict::Old);
        assert_eq!(arrivals.judge(5), Verdict::Whole);
        arrivals.end_batch();
        assert_eq!(arrivals.judge(8), Verdict::Whole);
        assert_eq!(arrivals.judge(12), Verdict::Doubtful);
    }

    #[test]
    fn an_end_that_is_not_counted_is_missed() {
        let mut arrivals = Arrivals::new(true);
        assert_eq!(arrivals.judge(3), Verdict::Whole);
        arrivals.end_batch();
        assert!(arrivals.has_open_end());
        let mut next_batch = arrivals.clone();
        assert_eq!(next_batch.judge(3), Verdict::Old);
        assert_eq!(next_batch.judge(5), Verdict::Doubtful);
        assert_eq!(next_batch.judge(6), Verdict::Whole);
        assert!(!next_batch.has_open_end());
        for (questions, wholes) in [(0, &[6][..]), (1, &[6, 8]), (2, &[6, 8, 10])] {
            arrivals.questions = questions;
            let verdicts = (4..12).map(|number| (number, arrivals.judge_check(number)));
            let (old, judged): (Vec<_>, Vec<_>) =
                verdicts.partition(|(_, verdict)| *verdict == Verdict::Old);
            assert_eq!(old, [(4, Verdict::Old)]);
            let whole = judged.iter().filter(|(_, verdict)| *verdict == Verdict::Whole);
            assert!(whole.map(|(number, _)| number).eq(wholes));
        }
    }

    #[test]
    fn a_question_tells_a_lost_answer_from_a_lost_packet() {
        let mut lost_answer = Arrivals::new(true);
        lost_answer.questions = 1;
        assert_eq!(lost_answer.judge(5), Verdict::Whole);
        let mut lost_packet = Arrivals::new(true);
        lost_packet.questions = 1;
        assert_eq!(lost_packet.judge(3), Verdict::Doubtful);
        // Or the packet was lost, and the question came twice: its first answer overtook nothing, or still comes.
        assert!(lost_answer.is_excess(3) && !lost_answer.is_excess(5) && lost_answer.is_excess(7));
        assert_eq!(lost_answer.judge(3), Verdict::Doubtful);
        assert_eq!(lost_answer.judge(7), Verdict::Whole);
        assert_eq!(lost_answer.judge(3), Verdict::Old);
    }

    #[test]
    fn a_doubled_syn_is_no_doubled_packet() {
        let mut arrivals = Arrivals::new(true);
        assert_eq!(arrivals.judge(4), Verdict::Whole);
        assert_eq!(arrivals.judge(6), Verdict::Whole);
        assert_eq!(arrivals.judge(9), Verdict::Doubtful);
    }

    #[test]
    fn who_heard_several_syns_tells_where_it_begins() {
        let mut arrivals = Arrivals::new(false);
        assert_eq!(arrivals.judge(5), Verdict::Whole);
        assert_eq!(arrivals.judge(7), Verdict::Whole);
    }
}
