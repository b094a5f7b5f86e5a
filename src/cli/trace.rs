//! `netmart trace`: reading what a stack recorded.

mod chain;
mod columns;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use netmart::bus::{Kind, Time};
use netmart::trace::event::{kind_named, kind_names};
use netmart::trace::filter::connection_parts;
use netmart::trace::read::ReadError;
use netmart::trace::{Event, Filter, Item, Reader};

use super::quantity;

/// Read a trace file
#[derive(Args, Debug)]
pub(super) struct Trace {
    #[command(subcommand)]
    command: TraceCommand,
}

#[derive(Debug, Subcommand)]
enum TraceCommand {
    Show(Show),
}

impl Trace {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            TraceCommand::Show(show) => show.run(),
        }
    }
}

/// Print the events of a trace, one per line, or draw them as a sequence chart
///
/// A line is: time in seconds, place, event, <cause, kind, topic, who -> to whom, {key}, summary.
/// Conditions on different things must all hold; of the same thing, any.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Show {
    /// The trace file
    file: PathBuf,

    /// Events in this place (which stack)
    #[arg(long, value_name = "PLACE")]
    place: Vec<String>,

    /// Events that this actor did or received: its name, its number, or both as in 'relay [12]'
    #[arg(long, value_name = "ACTOR")]
    actor: Vec<String>,

    /// Events of this topic, such as segments-in or channel
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,

    /// Events of this kind
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<Kind>,

    /// Events whose key has all of these: ports, addresses, '10.0.0.1:80 <-> 10.0.0.2:32768'
    #[arg(long, value_name = "PART")]
    connection: Vec<String>,

    /// No earlier than this, such as 20ms or 0.020314 (seconds)
    #[arg(long, value_name = "TIME", value_parser = quantity::moment)]
    from: Option<u64>,

    /// No later than this
    #[arg(long, value_name = "TIME", value_parser = quantity::moment)]
    to: Option<u64>,

    /// At most so many lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// The chain of causes that led to event ID, oldest first
    #[arg(long, value_name = "ID", value_parser = event_id, conflicts_with = "chart")]
    causes: Option<u64>,

    /// A message sequence chart; --actor may name its columns, as in 'codec' or 'server/codec'
    #[arg(long)]
    chart: bool,

    /// The width of the chart, in characters
    #[arg(long, value_name = "N", default_value_t = 118, requires = "chart")]
    width: usize,
}

const EXAMPLES: &str = "\
Examples:
  netmart trace show demo.trace --topic segments-out --limit 20
  netmart trace show demo.trace --place server --actor relay --from 20ms --to 90ms
  netmart trace show demo.trace --connection 10.0.0.2:80 --kind unmatched
  netmart trace show demo.trace --place server --causes 412
  netmart trace show demo.trace --chart --to 130ms --topic channel --topic segments-in";

fn kind(text: &str) -> Result<Kind, String> {
    let all = || kind_names().collect::<Vec<_>>().join(", ");
    kind_named(text).ok_or_else(|| format!("expected one of: {}", all()))
}

fn event_id(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits.parse().map_err(|_| "expected the number of an event, such as 412".to_owned())
}

impl Show {
    fn run(self) -> anyhow::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        let result = match self.causes {
            Some(id) => chain::print(&self, id, &mut out),
            None if self.chart => columns::print(&self, &mut out),
            None => self.print(&mut out),
        };
        out.flush()?;
        result
    }

    fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let filter = self.filter();
        let mut left = self.limit.unwrap_or(u64::MAX);
        self.read(|item| {
            match item {
                Item::Event(event) if !filter.selects(&event) => return Ok(true),
                Item::Event(event) if left > 0 => writeln!(out, "{event}")?,
                Item::Gap(lost) if left > 0 => writeln!(out, "--- {lost} events lost here ---")?,
                _ => return Ok(false),
            }
            left -= 1;
            Ok(true)
        })
    }

    fn filter(&self) -> Filter {
        Filter {
            places: self.place.clone(),
            actors: self.actor.clone(),
            topics: self.topic.clone(),
            kinds: self.kind.clone(),
            connection: self.connection.iter().flat_map(|text| connection_parts(text)).collect(),
            from: self.from.map(Time::from_micros),
            to: self.to.map(Time::from_micros),
        }
    }

    /// Gives every item of the file to `each`, until that has enough. What is damaged is told on
    /// standard error, and passed over.
    fn read(&self, mut each: impl FnMut(Item) -> io::Result<bool>) -> anyhow::Result<()> {
        let file = self.file.display();
        let reader = Reader::open(&self.file).with_context(|| file.to_string())?;
        let mut faults = 0u64;
        for item in reader {
            match item {
                Ok(item) => {
                    if !each(item)? {
                        return Ok(());
                    }
                }
                Err(error) => {
                    faults += 1;
                    report(&error, faults, &file);
                }
            }
        }
        match faults {
            0 => Ok(()),
            _ => bail!("{file} is not whole"),
        }
    }

    /// Every event of the file that is not damaged, to `each`, until that has enough.
    fn events(&self, mut each: impl FnMut(Event) -> io::Result<bool>) -> anyhow::Result<()> {
        self.read(|item| match item {
            Item::Event(event) => each(event),
            Item::Gap(_) => Ok(true),
        })
    }
}

/// A file of noise has as many faults as blocks; a few of them tell enough.
const FAULTS_TOLD: u64 = 10;

fn report(error: &ReadError, number: u64, file: &impl std::fmt::Display) {
    if number <= FAULTS_TOLD {
        eprintln!("netmart: {file}: {error}");
    }
}
