//! `netmart bench wires`: data rate and packet rate of every wire over losses.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use netmart::actors::address::Transport;
use netmart::bench::{Cell, Failure, Load, Path, WireCell};
use netmart::proto::netem::Counters;
use netmart::proto::tcp::CongestionControl;
use netmart::proto::wires::{Config, Kind};

use super::axis::{self, LossModel, Percent};
use super::export::{Record, Value};
use super::figure::{Axis, Figure, Line, PANEL, Panel, Point, distinct, trimmed};
use super::jobs;
use super::row::Spread;
use super::setting::{Effort, Link, Output};
use crate::cli::demo::bits;
use crate::cli::quantity;

/// Data rate and packet rate of every wire over losses, in virtual time
///
/// One side always has something to send, over one link to another stack in this process. Losses meet the
/// data only. The data rate is that of the octets that the receiving application got within the duration,
/// from the first packet of the handshake on; the packet rate is that of the IP packets that reached its
/// side, where each fragment of a longer datagram counts. TCP uses CUBIC. The same seed always gives the
/// same figures. Values of a list are separated by commas.
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

    /// Octets of data in a packet, at most, where a wire leaves a choice [default: what fits a packet of the
    /// network; faketcp's own 4080 would travel as three fragments]
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

/// What one wire reached at one loss, over all seeds.
struct Row {
    over: Transport,
    loss: f64,
    /// Bits per second.
    goodput: Spread,
    /// Packets per second.
    packets: Spread,
}

/// What fits a packet of the network over faketcp, with its header.
const FAKETCP_CHUNK: usize = 1400;

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
        writeln!(out, "{HEAD}")?;
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
            let packets = Spread::of(reached.iter().map(|reached| reached.packets));
            let row = Row { over, loss, goodput, packets };
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
                let packets = self.packet_rate(&outcome.wire);
                Ok(Reached { goodput: outcome.goodput(), packets, octets, again: again.into() })
            }
            Transport::Wire(wire) => {
                let load = Load::For(self.duration);
                let fitting = (wire == Kind::Faketcp).then_some(FAKETCP_CHUNK);
                let config = Config { chunk: self.chunk.or(fitting), ..Config::default() };
                let outcome = WireCell { wire, path, load, config, seed }.run()?;
                let again = outcome.sender.counters.retransmitted;
                let packets = self.packet_rate(&outcome.path);
                Ok(Reached { goodput: outcome.goodput(), packets, octets: outcome.octets, again })
            }
        }
    }

    /// Packets per second that the path has brought to the receiver, of what it carried there and back.
    fn packet_rate(&self, [there, _]: &[Counters; 2]) -> f64 {
        there.delivered as f64 / self.duration.as_secs_f64()
    }

    fn record(&self, (over, loss): (Transport, f64), seed: u64, reached: &Reached) -> Record {
        vec![
            ("wire", Value::Text(over.name().to_owned())),
            ("loss", Value::Text(Percent(loss).to_string())),
            ("link", Value::Text(self.link.label())),
            ("seconds", Value::Number(self.duration.as_secs_f64())),
            ("seed", Value::Number(seed as f64)),
            ("goodput_bps", Value::Number(reached.goodput.round())),
            ("packets_per_s", Value::Number(reached.packets)),
            ("octets", Value::Number(reached.octets as f64)),
            ("resent", Value::Number(reached.again as f64)),
        ]
    }
}

/// What one measurement came to.
struct Reached {
    /// Bits per second.
    goodput: f64,
    /// Packets per second.
    packets: f64,
    octets: u64,
    /// Packets that were sent again.
    again: u64,
}

const HEAD: &str = "\
| wire      |  lost |      goodput | least to most | packets/s | least to most |
|-----------|------:|-------------:|--------------:|----------:|--------------:|";

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread { mean, least, most } = self.goodput;
        let [mean, least, most] = [mean, least, most].map(|rate| bits(rate.round() as u64));
        let (name, loss) = (self.over.name(), Percent(self.loss).to_string());
        write!(f, "| {name:<9} | {loss:>5} | {mean:>12} | {least} to {most} |")?;
        let Spread { mean, least, most } = self.packets;
        write!(f, " {mean:>9.0} | {least:.0} to {most:.0} |")
    }
}

/// Every wire beside the others, a line for each loss: one table for each rate.
struct Summary<'a>(&'a [Row]);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.table("Goodput", |row| bits(row.goodput.mean.round() as u64), f)?;
        self.table("Packets per second", |row| format!("{:.0}", row.packets.mean), f)
    }
}

impl Summary<'_> {
    fn table(
        &self,
        title: &str,
        cell: impl Fn(&Row) -> String,
        f: &mut std::fmt::Formatter<'_>,
    ) -> std::fmt::Result {
        let wires = distinct(self.0.iter().map(|row| row.over));
        let losses = distinct(self.0.iter().map(|row| row.loss));
        let names: Vec<&str> = wires.iter().map(|over| over.name()).collect();
        writeln!(f, "\n{title}\n\n| lost | {} |", names.join(" | "))?;
        writeln!(f, "|---:|{}", "---:|".repeat(wires.len()))?;
        for loss in losses {
            write!(f, "| {} |", Percent(loss))?;
            for over in &wires {
                let found = self.0.iter().find(|row| row.over == *over && row.loss == loss);
                write!(f, " {} |", found.map(&cell).unwrap_or_default())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Two panels, data rate and packet rate; in each a line for each wire.
fn figure(wires: &[Transport], losses: &[f64], rows: &[Row], link: &str) -> Figure {
    let panel = |what: &str, title: &str, of: fn(&Row) -> Spread, label: fn(f64) -> String| {
        let line = |(name, over): (usize, &Transport)| {
            let points = rows.iter().filter(|row| row.over == *over).filter_map(|row| {
                let x = losses.iter().position(|loss| *loss == row.loss)? as f64;
                let Spread { mean, least, most } = of(row);
                Some(Point { x, y: mean, spread: Some((least, most)) })
            });
            Line { name, points: points.collect() }
        };
        let positive = || rows.iter().map(|row| of(row).mean).filter(|rate| *rate > 0.0);
        let most = positive().fold(f64::NEG_INFINITY, f64::max);
        // Nothing at all came: the axis has to end somewhere.
        let most = if most.is_finite() { most } else { 1.0 };
        let least = positive().fold(most, f64::min);
        let names = losses.iter().map(|loss| Percent(*loss).to_string()).collect();
        Panel {
            caption: format!("{what}, {link}"),
            across: Axis::of_names("lost", names),
            up: Axis::log(title, least / 2.0, most * 2.0, label),
            lines: wires.iter().enumerate().map(line).collect(),
        }
    };
    let data = panel("data rate", "goodput", |row| row.goodput, |rate| bits(rate as u64));
    let packets = panel("packet rate", "packets/s", |row| row.packets, trimmed);
    Figure {
        names: wires.iter().map(|over| over.name().to_owned()).collect(),
        columns: 2,
        size: PANEL,
        panels: vec![Some(data), Some(packets)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wires_are_told_by_name() {
        assert_eq!(wire("tcp"), Ok(Transport::Tcp));
        assert_eq!(wire(" quiq"), Ok(Transport::Wire(Kind::Quiq)));
        assert!(wire("sctp").unwrap_err().contains("tcp, faketcp"));
    }
}
