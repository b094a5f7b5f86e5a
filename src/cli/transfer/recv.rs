//! `netmart recv`: waits for somebody who sends, and writes down what comes.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::up::{Signals, allow_many_files};
use super::arrival::Arrival;
use super::connection::Connection;
use super::ground::{Door, Ground, Side};
use super::options::Options;
use super::place::Place;
use super::sink::Target;
use super::status::{EXIT_STATUSES, Failure, Result, Status};
use super::{run, say};

/// Wait for a program that sends, over one of five wires, and write down what comes
///
/// The wire finds out by itself whether it has a netmart before it or the program it comes from.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUSES}"))]
pub(in crate::cli) struct Recv {
    /// Where to listen; port 0 is one that is free, which is told on standard error
    /// [default: all addresses, the wire's usual port if it has one, else a free one]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<Place>,

    /// Write to FILE, which appears when it is complete; several streams follow each other
    /// [default: standard output]
    #[arg(short, long, value_name = "FILE", conflicts_with = "dir")]
    output: Option<PathBuf>,

    /// Write to DIR/file_1.txt, DIR/file_2.txt, ...: a file for each connection, or for each stream on quiq, with
    /// the next free number; each appears when it is complete
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// End after the first connection, as `nc -l` does [default]
    #[arg(long, conflicts_with = "forever")]
    once: bool,

    /// Go on to listen: with --dir many connections at a time, otherwise one after the other. A signal ends it
    #[arg(long)]
    forever: bool,

    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  netmart recv --wire faketcp --bind localhost:50007 --once >FILE
  netmart recv --wire quiq --dir received --forever --stats text
  netmart recv --wire sockettcp -o FILE
  netmart recv --wire tcp --tun nm0 --address 10.7.0.2/24 --bind 10.7.0.2:5001 >FILE";

/// Connections that are received at the same time.
const MOST_AT_ONCE: usize = 2048;

/// How long those under way may take to clean up after a signal.
const GRACE: Duration = Duration::from_secs(3);

impl Recv {
    pub(in crate::cli) fn run(self, verbose: bool) -> anyhow::Result<()> {
        self.options.check()?;
        run(self.receive(verbose))
    }

    fn target(&self) -> Target {
        match (&self.output, &self.dir) {
            (_, Some(directory)) => Target::Directory(directory.clone()),
            (Some(path), None) if path.as_os_str() != "-" => Target::File(path.clone()),
            _ => Target::Output,
        }
    }

    async fn receive(self, verbose: bool) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        allow_many_files();
        let target = self.target();
        // Before anybody sends something for nothing.
        target.check()?;
        let wire = self.options.wire;
        let place = match &self.bind {
            Some(place) => place.clone(),
            None => Place::anywhere(wire),
        };
        let address = place.address(wire).await?;
        let ground = Ground::lay(&self.options, None, Side::Here(address))?;
        let served = match ground.listen(address).await {
            Ok(door) => {
                self.announce(&door, verbose || address.port() == 0);
                self.serve(&ground, &door, &target, &mut signals).await
            }
            Err(failure) => Err(failure),
        };
        let left = tokio::select! {
            left = ground.leave() => left,
            signal = signals.which() => Err(Failure::signal(signal).into()),
        };
        served?;
        left
    }

    /// Says where it listens, if somebody wants to know.
    fn announce(&self, door: &Door, is_asked: bool) {
        use std::io::IsTerminal;
        if is_asked || std::io::stderr().is_terminal() {
            let wire = self.options.wire;
            say(format_args!("listening on {} ({wire})", door.address()));
        }
    }

    /// Receives connections until the first is over, or for ever.
    async fn serve(
        &self,
        ground: &Ground,
        door: &Door,
        target: &Target,
        signals: &mut Signals,
    ) -> Result<()> {
        let (stop, mut arrivals) = (CancellationToken::new(), JoinSet::new());
        let is_for_one = !self.forever || target.is_for_one();
        let most = if is_for_one { 1 } else { MOST_AT_ONCE };
        let ended = loop {
            let under_way = arrivals.len();
            let accepted = async {
                if under_way >= most {
                    return pending().await;
                }
                self.accept(ground, door, under_way == 0).await
            };
            tokio::select! {
                accepted = accepted => {
                    let arrival = Arrival::new(accepted?, target, &self.options, &stop);
                    arrivals.spawn(arrival.receive());
                }
                Some(arrived) = arrivals.join_next() => {
                    let arrived = joined(arrived);
                    if !self.forever {
                        break arrived;
                    }
                    if let Err(failure) = arrived {
                        // Nothing more can be written there.
                        if failure.status == Status::Output {
                            break Err(failure);
                        }
                        say(format_args!("netmart: {failure}"));
                    }
                }
                signal = signals.which() => break Err(Failure::signal(signal)),
            }
        };
        stop.cancel();
        let cleaned_up = async {
            let mut is_whole = true;
            while let Some(arrived) = arrivals.join_next().await {
                is_whole &= joined(arrived).is_ok();
            }
            is_whole
        };
        // What hangs in a write is left to itself.
        let is_whole = tokio::time::timeout(GRACE, cleaned_up).await.unwrap_or(false);
        match ended {
            // The way to end it, if nothing was broken off.
            Err(failure) if failure.is_signal() && self.forever && is_whole => Ok(()),
            ended => ended,
        }
    }

    /// The next connection; patience is for the case that nobody is there.
    async fn accept(&self, ground: &Ground, door: &Door, is_alone: bool) -> Result<Connection> {
        let accepted = ground.accept(door);
        match self.options.timeout {
            Some(patience) if is_alone && !self.forever => {
                tokio::time::timeout(patience, accepted).await.unwrap_or_else(|_| {
                    let seconds = patience.as_secs_f64();
                    let text = format!("nobody has connected for {seconds} s");
                    Err(Failure::new(Status::TimedOut, text))
                })
            }
            _ => accepted.await,
        }
    }
}

/// What a task came to. That it panicked has been said already.
fn joined(result: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    result.unwrap_or_else(|error| Err(Failure::new(Status::Other, error)))
}
