//! What `bench streams` and `bench wires` have in common: a link, how often it is measured, and where the
//! figures go.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use netmart::bench::Path;

use super::axis::{self, Millis};
use super::canvas;
use super::files::{Pictures, Tables};
use crate::cli::demo::bits;
use crate::cli::quantity;

/// The link between the two stacks.
#[derive(Args, Clone, Debug)]
pub(super) struct Link {
    /// How fast the link is, each way, in bits per second
    #[arg(long, value_name = "RATE", default_value = "100M", value_parser = quantity::rate)]
    rate: u64,

    /// How long a packet and its answer travel
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = axis::rtt)]
    rtt: Duration,

    /// How much may wait before the link, in bandwidth-delay products
    #[arg(long, value_name = "BDP", default_value = "1", value_parser = axis::queue)]
    queue: f64,
}

impl Link {
    /// The path, without losses.
    pub(super) fn path(&self) -> Path {
        Path { rate: self.rate, rtt: self.rtt, queue: self.queue, ..Path::default() }
    }

    /// In words.
    pub(super) fn label(&self) -> String {
        format!("{}, {} ms", bits(self.rate), Millis(self.rtt))
    }
}

/// How often to measure.
#[derive(Args, Clone, Debug)]
pub(super) struct Effort {
    /// How many seeds everything is measured with, and figures averaged over
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_seed: u64,

    /// How many measurements run at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
}

impl Effort {
    /// All seeds, in order.
    pub(super) fn seeds(&self) -> Vec<u64> {
        (0..self.seeds).map(|n| self.first_seed.wrapping_add(n)).collect()
    }
}

/// Where the figures go, beside standard output.
#[derive(Args, Clone, Debug)]
pub(super) struct Output {
    /// Draw the figures here: as SVG or as PNG, by the end of the name; may be repeated [default: as both,
    /// in the current folder]
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_parser = canvas::file)]
    plot: Vec<PathBuf>,

    /// Draw nothing
    #[arg(long, conflicts_with = "plot")]
    no_plot: bool,

    /// Write every measurement to this file, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write every measurement to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Output {
    /// Creates all files; pictures are called `name` if nothing else is said.
    pub(super) fn create(&self, name: &str) -> anyhow::Result<(Tables, Pictures)> {
        let usual = || ["svg", "png"].map(|end| PathBuf::from(format!("{name}.{end}"))).to_vec();
        let plots = match (self.no_plot, self.plot.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => usual(),
            (false, false) => self.plot.clone(),
        };
        let tables = Tables::create(self.csv.as_deref(), self.json.as_deref())?;
        Ok((tables, Pictures::create(&plots)?))
    }
}
