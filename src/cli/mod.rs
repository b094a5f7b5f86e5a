//! The command line: what the subcommands are, how loud they are, and how they fail.

mod bench;
mod demo;
mod device;
mod drill;
mod get;
mod quantity;
mod trace;
mod transfer;
mod up;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// An actor-native network stack: TCP/IP whose every part is an actor on a routing bus.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Say more on standard error: -v of connections, -vv of segments, -vvv of libraries as well
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 100)]
    verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  netmart demo                           download 16 MiB over a link that loses 2% of its packets
  netmart demo --trace demo.trace        the same, and record every event on both buses
  netmart trace show demo.trace --limit 40
                                         read what was recorded
  netmart up --tun nm0 --address 10.7.0.2/24 --http 80=/srv
                                         serve files to programs of this machine (as root)
  netmart get --tun nm0 --address 10.7.0.2/24 http://10.7.0.1/
                                         fetch a page through a stack of our own (as root)
  netmart recv --wire quiq -o FILE       wait for somebody who sends a file over one of five wires
  netmart send --wire quiq HOST FILE     send it
  netmart bench grid                     goodput of every controller over links that lose packets

Exit status: 0 when all went well, 1 when something failed, 2 when the command line is wrong; send and recv
tell failures apart by further numbers: see their --help.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Up(up::Up),
    Get(get::Get),
    Send(Box<transfer::Send>),
    Recv(Box<transfer::Recv>),
    Trace(trace::Trace),
    Drill(drill::Drill),
    Bench(bench::Bench),
}

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let Cli { command, verbose } = Cli::parse();
    log_to_stderr(verbose);
    let result = match command {
        Command::Demo(demo) => demo.run(),
        Command::Up(up) => up.run(),
        Command::Get(get) => get.run(),
        Command::Send(send) => send.run(),
        Command::Recv(recv) => recv.run(verbose > 0),
        Command::Trace(trace) => trace.run(),
        Command::Drill(drill) => drill.run(),
        Command::Bench(bench) => bench.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // That nobody reads it changes nothing.
            let _ = writeln!(io::stderr(), "netmart: {error:#}");
            let failure = error.downcast_ref::<transfer::Failure>();
            failure.map_or(ExitCode::FAILURE, transfer::Failure::exit_code)
        }
    }
}

fn log_to_stderr(verbose: u8) {
    let (ours, theirs) = match verbose {
        0 => (LevelFilter::WARN, LevelFilter::WARN),
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        2 => (LevelFilter::TRACE, LevelFilter::WARN),
        3.. => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    // Of all crates whose name begins like this.
    let levels = Targets::new().with_target("netmart", ours).with_default(theirs);
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours);
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
}

/// Whether whoever read our output has gone, as `head` does: that is their good right.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.into_iter().any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
