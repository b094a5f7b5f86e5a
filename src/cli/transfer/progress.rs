//! How far a transfer is, on a terminal: drawn on standard error, and gone when it is over.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// A bar, or nothing where nobody looks.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

const BAR: &str = "{bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
const COUNT: &str = "{spinner} {binary_bytes} {binary_bytes_per_sec}";

impl Progress {
    /// Of so many octets, if that is known. It stays out of the way of octets on the same terminal.
    pub(super) fn new(total: Option<u64>, writes_to_stdout: bool) -> Self {
        if writes_to_stdout && io::stdout().is_terminal() {
            return Self::hidden();
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), BAR),
            None => (ProgressBar::no_length(), COUNT),
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(bar.with_style(style).with_finish(ProgressFinish::AndClear))
    }

    /// Nothing at all.
    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many octets more.
    pub(super) fn add(&self, octets: u64) {
        self.0.inc(octets);
    }
}
