//! `netmart bench`: measurements that anybody can repeat.

mod axis;
mod canvas;
mod export;
mod figure;
mod files;
mod grid;
mod jobs;
mod kernel;
mod loopback;
mod plot;
mod row;
mod setting;
mod streams;
mod table;
mod versus;
mod wires;

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
    Streams(Box<streams::Streams>),
    Wires(Box<wires::Wires>),
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Grid(grid) => grid.run(),
            What::Streams(streams) => streams.run(),
            What::Wires(wires) => wires.run(),
        }
    }
}
