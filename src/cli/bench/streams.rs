//! `netmart bench streams`: the rates of `quiq` over the number of its streams.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use anyhow::ensure;
use clap::Args;
use netmart::bench::{Load, WireCell};
use netmart::proto::wires::{Config, Info, Kind, StreamInfo};

use super::axis;
use super::export::{Record, Value};
use super::figure::{Axis, Figure, Line, PANEL, Panel, Point, trimmed};
use super::row::Spread;
use super::setting::{Effort, Link, Output};
use super::{jobs, loopback};
use crate::cli::quantity;

/// Data rate and packet rate of quiq over the number of its streams, in virtual time
///
/// Each stream carries a file of the same size, over one connection between two stacks in this process.
/// Rates are those of the statistics that the receiver keeps: octets of UDP payload with all headers, and
/// packets, from the first to the last; per stream, and of all streams together. The same seed always
/// gives the same figures.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Streams {
    /// The least number of streams
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(STREAMS_MAX)))]
    from: u32,

    /// The largest number of streams
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(STREAMS_MAX)))]
    to: u32,

    /// How much each stream carries
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = quantity::size)]
    size: u64,

    /// The share of data packets that get lost
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = axis::loss)]
    loss: f64,

    /// Octets of data in a packet, at most [default: what fits a packet of the network]
    #[arg(long, value_name = "OCTETS")]
    chunk: Option<usize>,

    /// Over the loopback interface of this machine, in real time: the figures are its own
    #[arg(long, conflicts_with_all = ["loss", "rate", "rtt", "queue", "jobs"])]
    loopback: bool,

    #[command(flatten)]
    link: Link,

    #[command(flatten)]
    effort: Effort,

    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  netmart bench streams                           1 to 10 streams; draws streams.svg and streams.png
  netmart bench streams --from 1 --to 32 --size 256KiB --plot rates.png
  netmart bench streams --loss 1% --rtt 50ms --csv rates.csv --no-plot
  netmart bench streams --loopback --chunk 14000 --size 16MiB";

/// More would not say more.
const STREAMS_MAX: u32 = 1000;

/// The figures of one number of streams, over all seeds.
struct Row {
    streams: u32,
    /// Octets per second and packets per second, of all streams together.
    total: [Spread; 2],
    /// The same of each stream, over all streams of all seeds.
    each: [Spread; 2],
}

impl Streams {
    pub(super) fn run(self) -> anyhow::Result<()> {
        ensure!(self.from <= self.to, "--from {} is more than --to {}", self.from, self.to);
        let (tables, pictures) = self.output.create("streams")?;
        let seeds = self.effort.seeds();
        let mut out = io::stdout().lock();
        writeln!(out, "{HEAD}")?;
        out.flush()?;
        let counts: RangeInclusive<u32> = self.from..=self.to;
        let measure = |row: usize, seed| self.measure(self.from + row as u32, seed);
        let (mut rows, mut records) = (Vec::new(), Vec::new());
        let threads = match self.loopback {
            // Real time is not to be shared.
            true => NonZeroUsize::MIN,
            false => jobs::threads(self.effort.jobs),
        };
        jobs::run(counts.count(), &seeds, threads, measure, |number, receivers, bar| {
            let streams = self.from + number as u32;
            for (seed, receiver) in seeds.iter().zip(&receivers) {
                records.extend(self::records(streams, *seed, receiver));
            }
            let row = Row::of(streams, &receivers);
            bar.suspend(|| writeln!(out, "{row}"))?;
            rows.push(row);
            Ok(())
        })?;
        out.flush()?;
        tables.write(&records)?;
        let link = if self.loopback { "loopback".to_owned() } else { self.link.label() };
        pictures.draw(&figure(&rows, &link))
    }

    /// What the receiver of so many streams has counted.
    fn measure(&self, count: u32, seed: u64) -> anyhow::Result<Info> {
        let config = Config { chunk: self.chunk, ..Config::default() };
        if self.loopback {
            return loopback::transfer(count, self.size, &config, seed);
        }
        let mut path = self.link.path();
        path.loss = axis::LossModel::Independent.losing(self.loss, 1.0);
        let load = Load::Streams { count, octets: self.size };
        let cell = WireCell { wire: Kind::Quiq, path, load, config, seed };
        Ok(cell.run()?.receiver)
    }
}

/// What all streams of a receiver have counted together.
fn total(receiver: &Info) -> StreamInfo {
    let streams = &receiver.streams;
    StreamInfo {
        stream: 0,
        packets: streams.iter().map(|stream| stream.packets).sum(),
        frames: streams.iter().map(|stream| stream.frames).sum(),
        wire_octets: streams.iter().map(|stream| stream.wire_octets).sum(),
        octets: streams.iter().map(|stream| stream.octets).sum(),
        began: streams.iter().filter_map(|stream| stream.began).min(),
        latest: streams.iter().filter_map(|stream| stream.latest).max(),
    }
}

/// Octets and packets per second; nothing for what came at once.
fn rates(info: &StreamInfo) -> Option<[f64; 2]> {
    let seconds = info.elapsed().as_secs_f64();
    (seconds > 0.0).then(|| [info.wire_octets, info.packets].map(|count| count as f64 / seconds))
}

impl Row {
    fn of(streams: u32, receivers: &[Info]) -> Self {
        let totals: Vec<[f64; 2]> =
            receivers.iter().filter_map(|receiver| rates(&total(receiver))).collect();
        let all = receivers.iter().flat_map(|receiver| &receiver.streams);
        let each: Vec<[f64; 2]> = all.filter_map(rates).collect();
        let spreads = |of: &[[f64; 2]]| [0, 1].map(|n| Spread::of(of.iter().map(|both| both[n])));
        Self { streams, total: spreads(&totals), each: spreads(&each) }
    }
}

const HEAD: &str = "\
| streams | all: octets/s | least to most | packets/s | least to most | each: octets/s | least to most | packets/s | least to most |
|--------:|--------------:|--------------:|----------:|--------------:|---------------:|--------------:|----------:|--------------:|";

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "| {:>7} |", self.streams)?;
        for spread in self.total.iter().chain(&self.each) {
            write!(f, " {:.0} | {:.0} to {:.0} |", spread.mean, spread.least, spread.most)?;
        }
        Ok(())
    }
}

fn records(streams: u32, seed: u64, receiver: &Info) -> Vec<Record> {
    let all = total(receiver);
    let infos = std::iter::once(&all).chain(&receiver.streams);
    infos
        .map(|info| {
            let count = |count: u64| Value::Number(count as f64);
            let rates = rates(info).map_or([f64::NAN; 2], |rates| rates);
            vec![
                ("streams", count(streams.into())),
                ("seed", count(seed)),
                // 0 is all of them.
                ("stream", count(info.stream.into())),
                ("packets", count(info.packets)),
                ("frames", count(info.frames)),
                ("octets", count(info.wire_octets)),
                ("payload", count(info.octets)),
                ("seconds", Value::Number(info.elapsed().as_secs_f64())),
                ("octets_per_s", Value::Number(rates[0])),
                ("packets_per_s", Value::Number(rates[1])),
            ]
        })
        .collect()
}

/// Two panels, data rate and packet rate; in each a line for all streams and one for each.
fn figure(rows: &[Row], link: &str) -> Figure {
    let panel = |rate: usize, what: &str, unit: f64, title: &str| {
        let line = |name: usize, of: fn(&Row) -> &[Spread; 2]| {
            let points = rows.iter().map(|row| {
                let Spread { mean, least, most } = of(row)[rate];
                let spread = Some((least / unit, most / unit));
                Point { x: f64::from(row.streams), y: mean / unit, spread }
            });
            Line { name, points: points.collect() }
        };
        let lines = vec![line(0, |row| &row.total), line(1, |row| &row.each)];
        let points = lines.iter().flat_map(|line| &line.points);
        let most = points.filter_map(|point| point.spread).map(|(_, most)| most);
        let most = most.fold(0.0, f64::max);
        let counts: Vec<u32> = rows.iter().map(|row| row.streams).collect();
        Panel {
            caption: format!("{what}, {link}"),
            across: Axis::of_counts("streams", &counts),
            up: Axis::linear(title, most, trimmed),
            lines,
        }
    };
    Figure {
        names: vec![
            "all streams together".to_owned(),
            "each stream, mean, least to most".to_owned(),
        ],
        columns: 2,
        size: PANEL,
        panels: vec![
            Some(panel(0, "data rate", 1e6, "million octets/s, headers included")),
            Some(panel(1, "packet rate", 1.0, "packets/s")),
        ],
    }
}
