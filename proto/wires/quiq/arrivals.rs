//! What an original has got, as far as that can be known.
//!
//! It counts every packet that it reads or makes, and numbers its acknowledgements by that count: each packet of data
//! raises it by two, the end of a batch by one. With one packet under way at a time, the number of an
//! acknowledgement tells whether that packet came once, or not, or twice.

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything has arrived, once.
    Whole,
    /// It answers something older, or is too low for everything to have arrived.
    Low,
    /// Something has arrived twice.
    Doubled,
}

/// The count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrivals {
    /// The number that answers what is under way if all before came through; unknown before the first answer if
    /// the original may have heard several SYNs.
    wanted: Option<u32>,
    /// Questions that were asked since.
    pub(super) questions: u32,
    /// One of them was answered, but not as it should be.
    pub(super) doubtful: bool,
}

impl Arrivals {
    pub(super) fn new(heard_one_syn: bool) -> Self {
        Self { wanted: heard_one_syn.then_some(3), questions: 0, doubtful: false }
    }

    /// Judges an acknowledgement of what is under way, questions included.
    pub(super) fn judge(&mut self, number: u32) -> Verdict {
        let wanted = match self.wanted {
            Some(wanted) => wanted.saturating_add(2 * self.questions),
            // With a question under way nobody can tell which of the two it answers.
            None if self.questions > 0 => return self.doubt(),
            None => number,
        };
        if number > wanted {
            return Verdict::Doubled;
        }
        if number < wanted {
            return self.doubt();
        }
        self.wanted = wanted.checked_add(2);
        self.questions = 0;
        self.doubtful = false;
        Verdict::Whole
    }

    /// Whether an acknowledgement says that more has arrived than was sent, nothing being under way.
    pub(super) fn is_excess(&self, number: u32) -> bool {
        self.wanted.is_some_and(|wanted| number >= wanted)
    }

    fn doubt(&mut self) -> Verdict {
        self.doubtful = self.questions > 0;
        Verdict::Low
    }

    /// The end of a batch was sent.
    pub(super) fn end_batch(&mut self) {
        self.wanted = self.wanted.and_then(|wanted| wanted.checked_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_by_two_and_by_one_at_the_end_of_a_batch() {
        let mut arrivals = Arrivals::new(true);
        assert_eq!(arrivals.judge(3), Verdict::Whole);
        assert_eq!(arrivals.judge(3), Verdict::Low);
        assert_eq!(arrivals.judge(5), Verdict::Whole);
        arrivals.end_batch();
        assert_eq!(arrivals.judge(8), Verdict::Whole);
        assert_eq!(arrivals.judge(12), Verdict::Doubled);
    }

    #[test]
    fn a_question_tells_a_lost_answer_from_a_lost_packet() {
        let mut lost_answer = Arrivals::new(true);
        lost_answer.questions = 1;
        assert_eq!(lost_answer.judge(5), Verdict::Whole);
        let mut lost_packet = Arrivals::new(true);
        lost_packet.questions = 1;
        assert_eq!(lost_packet.judge(3), Verdict::Low);
        assert!(lost_packet.doubtful);
    }

    #[test]
    fn who_heard_several_syns_tells_where_it_begins() {
        let mut arrivals = Arrivals::new(false);
        assert_eq!(arrivals.judge(5), Verdict::Whole);
        assert_eq!(arrivals.judge(7), Verdict::Whole);
    }
}
