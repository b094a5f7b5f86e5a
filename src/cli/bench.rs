//! `netmart bench`: measurements that anybody can repeat.

mod axis;
mod export;
mod grid;
mod jobs;
mod kernel;
mod plot;
mod row;
mod table;
mod versus;

use clap::{Args, Subcommand};

/// Measure what connections reach over links that anybody can describe
#[derive(Args, Debug)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Grid(Box<grid::Grid>),
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Grid(grid) => grid.run(),
        }
    }
}
