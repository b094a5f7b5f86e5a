//! `netmart drill`: packetdrill scripts against a stack in virtual time.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use netmart::drill::report::{Report, Verdict};
use netmart::drill::rules::Rules;
use netmart::drill::runner::Options;
use netmart::drill::suite;

/// Run packetdrill scripts against a stack, in virtual time and without privileges
///
/// A script passes if the stack sends what it expects, when it expects it, and every system call and
/// assertion agrees. What the RFCs leave open, and one kernel happens to do, is not compared unless asked
/// for.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Drill {
    /// Scripts, or folders in which every *.pkt is one
    #[arg(required = true, value_name = "SCRIPT|DIR")]
    paths: Vec<PathBuf>,

    /// Compare everything: windows, the order of options, ACK times, segment boundaries, error numbers
    #[arg(long)]
    strict: bool,

    /// Compare this as well: one of the things that --strict compares
    #[arg(long, value_name = "WHAT")]
    compare: Vec<Compare>,

    /// Write a line of JSON for each script to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// The version of IP; auto is that of each script, and IPv4 where none is named
    #[arg(long, value_name = "4|6|auto", default_value = "auto")]
    ip: Version,

    /// Run so many scripts at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,

    /// Tell of scripts that pass as well
    #[arg(long)]
    all: bool,

    /// Tell what was ignored
    #[arg(long)]
    notes: bool,
}

const EXAMPLES: &str = "\
Examples:
  netmart drill tests/scripts                      every script of a folder
  netmart drill --strict --ip 6 handshake.pkt      one, to the letter, over IPv6
  netmart drill --report result.jsonl --jobs 2 suite

The last line of the output counts: N passed, M failed, K skipped. The exit status is 0 if none failed.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Version {
    #[value(name = "4")]
    V4,
    #[value(name = "6")]
    V6,
    Auto,
}

/// What is left open unless asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compare {
    /// Windows, and sequence numbers at their edge
    Windows,
    /// The order of options, and their padding
    Options,
    /// When pure acknowledgements come
    Acks,
    /// Boundaries of segments, and PSH
    Segments,
    /// That every command means something here
    Commands,
    /// Error numbers, not only their class
    Errnos,
    /// How timestamps advance
    Timestamps,
}

impl Drill {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut scripts = Vec::new();
        for path in &self.paths {
            scripts.extend(suite::scripts(path).with_context(|| path.display().to_string())?);
        }
        let v6 = match self.ip {
            Version::V4 => Some(false),
            Version::V6 => Some(true),
            Version::Auto => None,
        };
        let options = Options { rules: self.rules(), v6 };
        let mut report = match &self.report {
            Some(path) => {
                let file =
                    std::fs::File::create(path).with_context(|| path.display().to_string())?;
                Some(BufWriter::new(file))
            }
            None => None,
        };
        let mut out = io::stdout().lock();
        let mut totals = Totals::default();
        suite::run_all(&scripts, &options, self.jobs, |result| {
            totals.count(&result.verdict);
            if let Some(report) = &mut report {
                writeln!(report, "{}", result.to_json())?;
            }
            self.show(&result, &mut out)
        })?;
        if let Some(report) = &mut report {
            report.flush()?;
        }
        let Totals { passed, failed, skipped } = totals;
        writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")?;
        out.flush()?;
        drop(out);
        if failed > 0 {
            // The last line has said so; an error on a terminal below it would only repeat it.
            if io::stderr().is_terminal() {
                std::process::exit(1);
            }
            bail!("{failed} of {} scripts failed", scripts.len());
        }
        Ok(())
    }

    fn rules(&self) -> Rules {
        let mut rules = if self.strict { Rules::STRICT } else { Rules::LENIENT };
        for what in &self.compare {
            *match what {
                Compare::Windows => &mut rules.windows,
                Compare::Options => &mut rules.option_order,
                Compare::Acks => &mut rules.ack_times,
                Compare::Segments => &mut rules.segmentation,
                Compare::Commands => &mut rules.commands,
                Compare::Errnos => &mut rules.errnos,
                Compare::Timestamps => &mut rules.timestamps,
            } = true;
        }
        rules
    }

    fn show(&self, result: &Report, out: &mut impl Write) -> io::Result<()> {
        match &result.verdict {
            Verdict::Passed if !self.all => {}
            _ => writeln!(out, "{result}")?,
        }
        if self.notes {
            for note in &result.notes {
                writeln!(out, "{}: {note}", result.path.display())?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Totals {
    fn count(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Skipped(_) => &mut self.skipped,
        } += 1;
    }
}
