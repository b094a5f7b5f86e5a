//! A record of which packets were lost, to lose the same ones again.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Which packets of a sequence are lost.
///
/// As text it is the lengths of runs, packets that pass first: `12 1 40 2` lets 12 pass, loses one,
/// lets 40 pass, and loses two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossPattern {
    /// Ends of runs: packets that pass before `ends[0]`, lost ones up to `ends[1]`, and so on.
    ends: Vec<usize>,
}

impl LossPattern {
    /// Whether the packet of this number, counted from 0, is lost. Behind the end nothing is.
    pub fn is_lost(&self, packet: usize) -> bool {
        let run = self.ends.partition_point(|&end| end <= packet);
        run < self.ends.len() && run % 2 == 1
    }

    /// Adds a packet at the end.
    pub fn push(&mut self, lost: bool) {
        let len = self.len();
        // The number of runs tells whether the last one is of lost packets.
        let last_is_lost = self.ends.len().is_multiple_of(2);
        match self.ends.last_mut() {
            Some(end) if last_is_lost == lost => *end += 1,
            None if lost => self.ends.extend([0, 1]),
            _ => self.ends.push(len + 1),
        }
    }

    /// How many packets it decides on.
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether it decides on none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many packets it loses.
    pub fn lost(&self) -> usize {
        self.ends.chunks_exact(2).map(|run| run[1] - run[0]).sum()
    }
}

impl FromIterator<bool> for LossPattern {
    fn from_iter<I: IntoIterator<Item = bool>>(lost: I) -> Self {
        let mut pattern = Self::default();
        lost.into_iter().for_each(|lost| pattern.push(lost));
        pattern
    }
}

impl fmt::Display for LossPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut begin = 0;
        for (run, &end) in self.ends.iter().enumerate() {
            let space = if run == 0 { "" } else { " " };
            write!(f, "{space}{}", end - begin)?;
            begin = end;
        }
        Ok(())
    }
}

/// Text that is no loss pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("run {run} of the loss pattern is not a length that fits")]
pub struct PatternError {
    /// Which run is wrong, counted from 1.
    pub run: usize,
}

impl FromStr for LossPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let mut ends = Vec::new();
        let mut end = 0usize;
        for (index, run) in text.split_ascii_whitespace().enumerate() {
            // Only the first run may be empty: it says that the first packet is lost.
            let len = run.parse().ok().filter(|&len| len > 0 || index == 0);
            let next = len.and_then(|len: usize| end.checked_add(len));
            end = next.ok_or(PatternError { run: index + 1 })?;
            ends.push(end);
        }
        if ends == [0] {
            ends.clear();
        }
        Ok(Self { ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_loses_what_was_lost() {
        for bits in 0..1u32 << 10 {
            let lost = (0..10).map(|i| bits >> i & 1 == 1);
            let pattern: LossPattern = lost.clone().collect();
            assert!(lost.eq((0..10).map(|i| pattern.is_lost(i))), "{bits:b}: {pattern:?}");
            assert_eq!(pattern.len(), 10);
            assert_eq!(pattern.lost(), bits.count_ones() as usize);
            assert!((10..20).all(|i| !pattern.is_lost(i)));
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }

    #[test]
    fn its_text_is_the_lengths_of_runs() {
        let pattern: LossPattern = "2 1\n1 2".parse().unwrap();
        let lost: Vec<bool> = (0..6).map(|i| pattern.is_lost(i)).collect();
        assert_eq!(lost, [false, false, true, false, true, true]);
        assert_eq!(pattern.to_string(), "2 1 1 2");
        assert_eq!("0 3".parse::<LossPattern>().unwrap().lost(), 3);
        assert!("".parse::<LossPattern>().unwrap().is_empty());
        assert_eq!("0".parse::<LossPattern>(), Ok(LossPattern::default()));
    }

    #[test]
    fn other_text_is_refused() {
        for (text, run) in [("x", 1), ("3 -1", 2), ("3 0 1", 2), ("5 18446744073709551615", 2)] {
            assert_eq!(text.parse::<LossPattern>(), Err(PatternError { run }), "{text}");
        }
    }
}
