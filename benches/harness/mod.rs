//! What the comparing benches share: rounds, samples, and one table at the end.

use std::fmt;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How often and how long to measure.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Rounds; in each, every contender has its turn.
    pub(crate) rounds: usize,
    /// How long one measurement lasts.
    pub(crate) time: Duration,
    /// Only contenders whose name contains this.
    pub(crate) only: Option<String>,
}

impl Options {
    /// Reads the command line; nothing if this is not a bench run (`cargo test --all-targets` starts
    /// benches as well, to see that they start).
    ///
    /// Exits with a usage text when an argument is wrong.
    pub(crate) fn from_args() -> Option<Self> {
        let mut options = Self { rounds: 5, time: Duration::from_secs(1), only: None };
        let mut bench = false;
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => bench = true,
                "--rounds" => options.rounds = parsed(args.next()),
                "--seconds" => options.time = Duration::from_secs_f64(parsed(args.next())),
                "--only" => options.only = Some(parsed(args.next())),
                _ => usage(),
            }
        }
        options.rounds = options.rounds.max(1);
        bench.then_some(options)
    }

    /// Whether a contender of that name takes part.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

fn parsed<T: std::str::FromStr>(value: Option<String>) -> T {
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| usage())
}

fn usage() -> ! {
    eprintln!("usage: cargo bench --bench NAME -- [--rounds N] [--seconds S] [--only NAME]");
    std::process::exit(2);
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// What was done: octets, or exchanges.
    pub(crate) amount: u64,
    /// In what time.
    pub(crate) wall: Duration,
    /// With how much processor time of the whole process, the peer's work in the kernel included.
    pub(crate) cpu: Duration,
}

/// What the amount of a sample counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Octets of payload, shown as Gbit/s; more is better.
    Octets,
    /// Exchanges one after the other, shown as microseconds each; less is better.
    Exchanges,
}

impl Unit {
    fn figure(self, sample: &Sample) -> f64 {
        let seconds = sample.wall.as_secs_f64();
        match self {
            Self::Octets => sample.amount as f64 * 8.0 / seconds / 1e9,
            Self::Exchanges => seconds * 1e6 / sample.amount.max(1) as f64,
        }
    }

    /// Processor seconds per gigabyte, or microseconds per exchange.
    fn cost(self, sample: &Sample) -> f64 {
        let per = sample.cpu.as_secs_f64() / sample.amount.max(1) as f64;
        match self {
            Self::Octets => per * 1e9,
            Self::Exchanges => per * 1e6,
        }
    }

    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Octets => ("Gbit/s", "CPU s/GB"),
            Self::Exchanges => ("us", "CPU us"),
        }
    }
}

/// Processor time of this process so far, all threads, user and system.
pub(crate) fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask for its own usage");
    total(&usage)
}

fn total(usage: &Usage) -> Duration {
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// The results of one task: a row per contender.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    unit: Unit,
    rows: Vec<(String, Vec<Sample>)>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(title: impl Into<String>, unit: Unit) -> Self {
        Self { title: title.into(), unit, rows: Vec::new() }
    }

    /// Adds a sample to the contender's row; a new row stands behind the others.
    pub(crate) fn add(&mut self, contender: &str, sample: Sample) {
        match self.rows.iter_mut().find(|(name, _)| name == contender) {
            Some((_, samples)) => samples.push(sample),
            None => self.rows.push((contender.to_owned(), vec![sample])),
        }
    }
}

impl fmt::Display for Table {
    /// As Markdown. The ratio is that to the first row's median, above 1 where this row is better.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (figure, cost) = self.unit.labels();
        writeln!(f, "### {}\n", self.title)?;
        writeln!(f, "| contender | {figure}: median | min | max | ratio | {cost} | rounds |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|")?;
        let mut first = None;
        for (name, samples) in &self.rows {
            let figures = sorted(samples.iter().map(|sample| self.unit.figure(sample)));
            let costs = sorted(samples.iter().map(|sample| self.unit.cost(sample)));
            let median = middle(&figures);
            let first = *first.get_or_insert(median);
            let ratio = match self.unit {
                Unit::Octets => median / first,
                Unit::Exchanges => first / median,
            };
            writeln!(
                f,
                "| {name} | {median:.2} | {:.2} | {:.2} | {ratio:.2} | {:.2} | {} |",
                figures[0],
                figures[figures.len() - 1],
                middle(&costs),
                figures.len(),
            )?;
        }
        Ok(())
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The median of a sorted, non-empty list.
fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}
