//! `netmart bench wires`: goodput of every wire over losses.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use netmart::actors::address::Transport;
use netmart::bench::{Cell, Failure, Load, Path, WireCell};
use netmart::proto::tcp::CongestionControl;
use netmart::proto::wires::Config;

use super::axis::{self, LossModel, Percent};
use super::export::{Record, Value};
use super::figure::{Axis, Figure, Line, Panel, Point};
use super::jobs;
use super::row::Spread;
use super::setting::{Effort, Link, Output};
use crate::cli::demo::bits;
use crate::cli::quantity;

/// Goodput of every wire over losses, in virtual time
///
/// One side always has something to send, over one link to another stack in this process. Losses meet the
/// data only, and goodput counts the octets that the receiving application got within the duration, from
/// the first packet of the handshake on. TCP uses CUBIC. The same seed always gives the same figures.
/// Values of a list are separated by commas.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Wires {
    /// Wires: tcp, faketcp, cs488, sockettcp, quiq [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = wire)]
    wire: Vec<Transport>,

    /// Shares of data packets that get lost
    #[arg(long, value_name = "SHARE", value_delimiter = ',', default_value = "0,0.1%,1%,2%,5%,10%", value_parser = axis::loss)]
    loss: Vec<f64>,

    /// How long each measurement lasts, in virtual time
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = quantity::duration)]
    duration: Duration,

    /// Octets of data in a packet, at most, where a wire leaves a choice [default: the wire's own, 4080
    /// over faketcp]
    #[arg(long, value_name = "OCTETS")]
    chunk: Option<usize>,

    #[command(flatten)]
    link: Link,

    #[command(flatten)]
    effort: Effort,

    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  netmart bench wires                             all five, 0 to 10% lost; draws wires.svg and wires.png
  netmart bench wires --wire faketcp,quiq --rtt 100ms --plot far.png
  netmart bench wires --loss 0,1% --csv wires.csv --no-plot";

fn wire(text: &str) -> Result<Transport, String> {
    Transport::from_name(text.trim()).ok_or_else(|| {
        let names: Vec<&str> = Transport::all().map(Transport::name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// The goodput of one wire at one loss, in bits per second, over all seeds.
struct Row {
    over: Transport,
    loss: f64,
    goodput: Spread,
}

impl Wires {
    pub(super) fn run(self) -> anyhow::Result<()> {
        ensure!(!self.duration.is_zero(), "a measurement has to last for some time");
        let (tables, pictures) = self.output.create("wires")?;
        let wires =
            if self.wire.is_empty() { Transport::all().collect() } else { self.wire.clone() };
        let cells: Vec<(Transport, f64)> =
            wires.iter().flat_map(|over| self.loss.iter().map(|loss| (*over, *loss))).collect();
        let seeds = self.effort.seeds();
        let mut out = io::stdout().lock();
        writeln!(out, "| wire      |  lost |      goodput | least to most |")?;
        writeln!(out, "|-----------|------:|-------------:|--------------:|")?;
        out.flush()?;
        let (mut rows, mut records) = (Vec::new(), Vec::new());
        let measure = |row: usize, seed| self.measure(cells[row], seed);
        let threads = jobs::threads(self.effort.jobs);
        jobs::run(cells.len(), &seeds, threads, measure, |number, reached, bar| {
            let (over, loss) = cells[number];
            for (seed, reached) in seeds.iter().zip(&reached) {
                records.push(self.record((over, loss), *seed, reached));
            }
            let goodput = Spread::of(reached.iter().map(|reached| reached.goodput));
            let row = Row { over, loss, goodput };
            bar.suspend(|| writeln!(out, "{row}"))?;
            rows.push(row);
            Ok(())
        })?;
        write!(out, "{}", Summary(&rows))?;
        out.flush()?;
        tables.write(&records)?;
        pictures.draw(&figure(&wires, &self.loss, &rows, &self.link.label()))
    }

    fn measure(&self, (over, loss): (Transport, f64), seed: u64) -> Result<Reached, Failure> {
        let path = Path { loss: LossModel::Independent.losing(loss, 1.0), ..self.link.path() };
        match over {
            Transport::Tcp => {
                let cell = Cell::new(path, [CongestionControl::Cubic], self.duration, seed);
                let outcome = cell.run()?;
                let (octets, again) = outcome.flows.iter().fold((0, 0), |(octets, again), flow| {
                    (octets + flow.octets, again + flow.sender.counters.resent.total())
                });
                Ok(Reached { goodput: outcome.goodput(), octets, again: again.into() })
            }
            Transport::Wire(wire) => {
                let load = Load::For(self.duration);
                let config = Config { chunk: self.chunk, ..Config::default() };
                let outcome = WireCell { wire, path, load, config, seed }.run()?;
                let again = outcome.sender.counters.retransmitted;
                Ok(Reached { goodput: outcome.goodput(), octets: outcome.octets, again })
            }
        }
    }

    fn record(&self, (over, loss): (Transport, f64), seed: u64, reached: &Reached) -> Record {
        vec![
            ("wire", Value::Text(over.name().to_owned())),
            ("loss", Value::Text(Percent(loss).to_string())),
            ("link", Value::Text(self.link.label())),
            ("seconds", Value::Number(self.duration.as_secs_f64())),
            ("seed", Value::Number(seed as f64)),
            ("goodput_bps", Value::Number(reached.goodput.round())),
            ("octets", Value::Number(reached.octets as f64)),
            ("resent", Value::Number(reached.again as f64)),
        ]
    }
}

/// What one measurement came to.
struct Reached {
    /// Bits per second.
    goodput: f64,
    octets: u64,
    /// Packets that were sent again.
    again: u64,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread { mean, least, most } = self.goodput;
        let [mean, least, most] = [mean, least, most].map(|rate| bits(rate.round() as u64));
        let (name, loss) = (self.over.name(), Percent(self.loss).to_string());
        write!(f, "| {name:<9} | {loss:>5} | {mean:>12} | {least} to {most} |")
    }
}

/// Every wire beside the others, a line for each loss.
struct Summary<'a>(&'a [Row]);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use super::figure::distinct;
        let wires = distinct(self.0.iter().map(|row| row.over));
        let losses = distinct(self.0.iter().map(|row| row.loss));
        let names: Vec<&str> = wires.iter().map(|over| over.name()).collect();
        writeln!(f, "\nGoodput\n\n| lost | {} |", names.join(" | "))?;
        writeln!(f, "|---:|{}", "---:|".repeat(wires.len()))?;
        for loss in losses {
            write!(f, "| {} |", Percent(loss))?;
            for over in &wires {
                let found = self.0.iter().find(|row| row.over == *over && row.loss == loss);
                let goodput = found.map(|row| bits(row.goodput.mean.round() as u64));
                write!(f, " {} |", goodput.unwrap_or_default())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn figure(wires: &[Transport], losses: &[f64], rows: &[Row], link: &str) -> Figure {
    let line = |(name, over): (usize, &Transport)| {
        let points = rows.iter().filter(|row| row.over == *over).filter_map(|row| {
            let x = losses.iter().position(|loss| *loss == row.loss)? as f64;
            let Spread { mean, least, most } = row.goodput;
            Some(Point { x, y: mean, spread: Some((least, most)) })
        });
        Line { name, points: points.collect() }
    };
    let lines = wires.iter().enumerate().map(line).collect();
    let positive = || rows.iter().map(|row| row.goodput.mean).filter(|rate| *rate > 0.0);
    let least = positive().fold(f64::INFINITY, f64::min).min(1e6);
    let most = positive().fold(least, f64::max);
    let names = losses.iter().map(|loss| Percent(*loss).to_string()).collect();
    Figure {
        names: wires.iter().map(|over| over.name().to_owned()).collect(),
        columns: 1,
        size: (640, 420),
        panels: vec![Some(Panel {
            caption: link.to_owned(),
            across: Axis::of_names("lost", names),
            up: Axis::log("goodput", least / 2.0, most * 2.0, |rate| bits(rate as u64)),
            lines,
        })],
    }
}

#[cfg(test)]
mod tests {
    use netmart::proto::wires::Kind;

    use super::*;

    #[test]
    fn wires_are_told_by_name() {
        assert_eq!(wire("tcp"), Ok(Transport::Tcp));
        assert_eq!(wire(" quiq"), Ok(Transport::Wire(Kind::Quiq)));
        assert!(wire("sctp").unwrap_err().contains("tcp, faketcp"));
    }
}
