//! A figure as values: panels of lines over an axis. `canvas` draws it.

/// Panels side by side, and what their lines are called.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figure {
    /// What the lines of all panels stand for, in the order of their colours.
    pub(super) names: Vec<String>,
    /// How many panels stand beside each other.
    pub(super) columns: usize,
    /// The width and the height of a panel.
    pub(super) size: (u32, u32),
    /// The panels, row by row; some may be missing.
    pub(super) panels: Vec<Option<Panel>>,
}

/// The usual size of a panel.
pub(super) const PANEL: (u32, u32) = (420, 320);

/// Lines over one pair of axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    pub(super) caption: String,
    pub(super) across: Axis,
    pub(super) up: Axis,
    pub(super) lines: Vec<Line>,
}

/// One line: points from left to right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Its name: an index into [`Figure::names`].
    pub(super) name: usize,
    pub(super) points: Vec<Point>,
}

/// A point, and how far what it is the mean of lies apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The least and the most.
    pub(super) spread: Option<(f64, f64)>,
}

impl Point {
    /// A point without a spread.
    pub(super) fn new(x: f64, y: f64) -> Self {
        Self { x, y, spread: None }
    }
}

/// An axis: where values stand on it, and where it is labelled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) title: String,
    /// The labels, by their places.
    pub(super) ticks: Vec<(f64, String)>,
    /// The places of its two ends.
    pub(super) ends: (f64, f64),
    least: f64,
    is_log: bool,
}

impl Axis {
    /// Names one beside the other; values are their numbers, from 0 on.
    pub(super) fn of_names(title: &str, names: Vec<String>) -> Self {
        let last = names.len().saturating_sub(1) as f64;
        let ticks = names.into_iter().enumerate().map(|(n, name)| (n as f64, name)).collect();
        let ends = (-0.25, last + 0.25);
        Self { title: title.to_owned(), ticks, ends, least: f64::NEG_INFINITY, is_log: false }
    }

    /// Numbers of things, from the first to the last of them; labelled at all of them, or at some if they are many.
    pub(super) fn of_counts(title: &str, counts: &[u32]) -> Self {
        let every = counts.len().div_ceil(COUNTS_LABELLED).max(1);
        let labelled = counts.iter().step_by(every);
        let ticks = labelled.map(|count| (f64::from(*count), count.to_string())).collect();
        let (first, last) = (counts.first(), counts.last());
        let ends = first.zip(last).map_or((0.0, 1.0), |(first, last)| {
            let margin = f64::from(last - first).max(1.0) * 0.05;
            (f64::from(*first) - margin, f64::from(*last) + margin)
        });
        Self { title: title.to_owned(), ticks, ends, least: f64::NEG_INFINITY, is_log: false }
    }

    /// From 0 to a little above `most`, with a label at every round number.
    pub(super) fn linear(title: &str, most: f64, label: impl Fn(f64) -> String) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = round_step(most / 5.0);
        let count = (most * 1.05 / step).ceil() as usize;
        let ticks = (0..=count).map(|n| n as f64 * step).map(|at| (at, label(at))).collect();
        let ends = (0.0, count as f64 * step);
        Self { title: title.to_owned(), ticks, ends, least: 0.0, is_log: false }
    }

    /// Logarithmic from `least` to `most`, both above 0; what is less than `least` stands there. Labels at
    /// powers of ten, and in between if there are few of them.
    pub(super) fn log(title: &str, least: f64, most: f64, label: impl Fn(f64) -> String) -> Self {
        let (low, high) = (least.log10(), most.log10());
        let digits: &[f64] = if high - low > 2.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = low.floor() as i32..=high.ceil() as i32;
        let values = powers.flat_map(|power| digits.iter().map(move |d| d * 10f64.powi(power)));
        let is_inside = |value: &f64| (low - 1e-9..=high + 1e-9).contains(&value.log10());
        let ticks = values.filter(is_inside).map(|value| (value.log10(), label(value))).collect();
        Self { title: title.to_owned(), ticks, ends: (low, high), least, is_log: true }
    }

    /// Where a value stands.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.max(self.least);
        if self.is_log { value.log10() } else { value }
    }
}

/// The next step from `wanted` on that is 1, 2 or 5 times a power of ten.
fn round_step(wanted: f64) -> f64 {
    let power = 10f64.powf(wanted.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    let digit = digits.into_iter().find(|digit| digit * power >= wanted * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// More labels than these would run into each other.
const COUNTS_LABELLED: usize = 12;

/// A number without needless zeros.
pub(super) fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Without those that came before, in order.
pub(super) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_is_labelled_at_round_numbers_up_to_its_end() {
        let axis = Axis::linear("x", 4.7, trimmed);
        assert_eq!(labels(&axis), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(axis.ends, (0.0, 5.0));
        assert_eq!(labels(&Axis::linear("x", 0.0, trimmed)).len(), 7);
    }

    #[test]
    fn a_logarithmic_axis_is_labelled_at_powers_of_ten() {
        let axis = Axis::log("x", 0.5, 2000.0, trimmed);
        assert_eq!(labels(&axis), ["1", "10", "100", "1000"]);
        assert_eq!(labels(&Axis::log("x", 1.0, 20.0, trimmed)), ["1", "2", "5", "10", "20"]);
        assert_eq!(axis.place(100.0), 2.0);
        assert_eq!(axis.place(0.0), axis.ends.0, "less than the least stands at the end");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.11, 0.2, 3.0, 7.0].map(round_step), [0.2, 0.2, 5.0, 10.0]);
    }

    #[test]
    fn the_same_is_named_once() {
        assert_eq!(distinct([1, 2, 1, 3].into_iter()), [1, 2, 3]);
    }
}
