//! `netmart send`: files, or what is piped in, to whoever listens there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use netmart::proto::wires::Borders;

use super::super::up::{Signals, allow_many_files};
use super::connection::Connection;
use super::cut::Cutter;
use super::ground::{Ground, Side};
use super::options::Options;
use super::over;
use super::place::Place;
use super::progress::Progress;
use super::run;
use super::source::{Order, Sources};
use super::stats::Summary;
use super::status::{EXIT_STATUSES, Failure, Result};

/// Send files, or standard input, to a program that listens, over one of five wires
///
/// The wire finds out by itself whether it has a netmart before it or the program it comes from.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUSES}"))]
pub(in crate::cli) struct Send {
    /// To whom; without a port, to the usual one of the wire, if it has one
    #[arg(value_name = "HOST:PORT")]
    to: Place,

    /// What to send, `-` for standard input [default: standard input]. On quiq each is a stream; on sockettcp each
    /// is a message, or several if it is larger than 1 MiB; elsewhere they follow each other
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Octets per datagram on faketcp [default: 4080 on this machine, 1400 elsewhere], or per frame on quiq
    /// [default: 14000 on this machine, 1371 elsewhere]
    #[arg(long, value_name = "N")]
    chunk: Option<usize>,

    /// Send the one input on so many streams at once, each time all of it (quiq)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_STREAMS))]
    streams: Option<u32>,

    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  netmart send --wire faketcp localhost:50007 <FILE
  netmart send --wire quiq 10.0.0.1 a.txt b.txt --stats text
  netmart send --wire sockettcp localhost:8000 FILE --loss 5% --seed 1
  netmart send --wire tcp --tun nm0 --address 10.7.0.2/24 10.7.0.1:5001 FILE";

/// What a batch of quiq holds.
const MOST_STREAMS: i64 = 4096;

/// Octets of data in the largest frame of quiq: a packet of 15,000 has a header of 13, a frame one of 16.
const MOST_FRAME: usize = 15_000 - 13 - 16;

/// What arrives at an original uncut, and what passes any network in one piece.
const DATAGRAM_HERE: usize = 4080;
const DATAGRAM_ELSEWHERE: usize = 1400;

/// Octets in a frame where no network cuts the packet; elsewhere the wire knows best.
const FRAME_HERE: usize = 14_000;

impl Send {
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        self.options.check()?;
        self.check()?;
        run(self.send())
    }

    /// Refuses what makes no sense on the wire.
    fn check(&self) -> Result<()> {
        let wire = self.options.wire;
        if let Some(chunk) = self.chunk {
            let most = match over::borders(wire) {
                Borders::Datagram(most) => most,
                Borders::Stream => MOST_FRAME,
                Borders::None | Borders::Message => {
                    return Err(Failure::usage(format_args!("--chunk: {wire} leaves no choice")));
                }
            };
            if !(1..=most).contains(&chunk) {
                return Err(Failure::usage(format_args!("--chunk: on {wire} it is 1 to {most}")));
            }
        }
        if self.streams.is_some() && !over::has_streams(wire) {
            return Err(Failure::usage(format_args!("--streams: {wire} has no streams, quiq has")));
        }
        if self.streams.is_some() && self.files.len() > 1 {
            return Err(Failure::usage("--streams: with several files each is a stream already"));
        }
        if over::has_streams(wire) && self.files.len() as i64 > MOST_STREAMS {
            return Err(Failure::usage(format_args!("{wire} has at most {MOST_STREAMS} streams")));
        }
        Ok(())
    }

    async fn send(self) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        allow_many_files();
        // Whatever can be found out here need not be found out by the peer.
        let sources = Sources::open(&self.files)?;
        let addresses = self.to.addresses(self.options.wire).await?;
        let ground = Ground::lay(&self.options, self.frame(&addresses), Side::There(&addresses))?;
        let dialled = tokio::select! {
            dialled = ground.dial(&addresses) => dialled,
            signal = signals.which() => Err(Failure::signal(signal)),
        };
        let sent = match dialled {
            Ok(connection) => self.send_over(connection, sources, &mut signals).await,
            Err(failure) => Err(failure),
        };
        let left = tokio::select! {
            left = ground.leave() => left,
            signal = signals.which() => Err(Failure::signal(signal).into()),
        };
        sent?;
        left
    }

    async fn send_over(
        &self,
        mut connection: Connection,
        sources: Sources,
        signals: &mut Signals,
    ) -> Result<()> {
        let (began, (local, peer)) = (Instant::now(), connection.ends());
        let mut octets = 0;
        let sent = tokio::select! {
            sent = self.pump(&mut connection, sources, peer, &mut octets) => sent,
            signal = signals.which() => Err(Failure::signal(signal)),
        };
        let failure = sent.err().map(|failure| failure.during(format_args!("sending to {peer}")));
        if let Some(stats) = self.options.stats {
            let (over, time) = (self.options.wire, began.elapsed());
            let details = connection.details().await;
            let failure = failure.clone();
            Summary { over, role: "send", local, peer, octets, time, failure, details }.tell(stats);
        }
        match failure {
            None => Ok(()),
            Some(failure) => {
                connection.abort();
                Err(failure)
            }
        }
    }

    /// Sends all there is, and waits until it has arrived.
    async fn pump(
        &self,
        connection: &mut Connection,
        sources: Sources,
        peer: SocketAddr,
        octets: &mut u64,
    ) -> Result<()> {
        let wire = self.options.wire;
        let copies = self.streams.unwrap_or(1);
        let total = sources.len().map(|len| len * u64::from(copies));
        let progress = Progress::new(total, false);
        let mut cutter = Cutter::new(over::borders(wire), self.datagram(peer), copies);
        let order = if over::has_streams(wire) { Order::Together } else { Order::InTurn };
        let mut parts = sources.start(order);
        let mut chunks = Vec::new();
        while let Some(part) = parts.next().await? {
            cutter.take(part, &mut chunks);
            for chunk in chunks.drain(..) {
                let len = chunk.data.len() as u64;
                connection.send(chunk).await?;
                *octets += len;
                progress.add(len);
            }
        }
        connection.close().await
    }

    /// Octets in a datagram, on a wire that leaves the choice.
    fn datagram(&self, peer: SocketAddr) -> usize {
        self.chunk.unwrap_or(if is_here(&peer) { DATAGRAM_HERE } else { DATAGRAM_ELSEWHERE })
    }

    /// Octets in a frame, on a wire that has frames, if it shall not choose itself.
    fn frame(&self, peers: &[SocketAddr]) -> Option<usize> {
        let is_uncut = over::has_streams(self.options.wire) && peers.iter().all(is_here);
        self.chunk.or(is_uncut.then_some(FRAME_HERE))
    }
}

/// Whether no network lies between.
fn is_here(peer: &SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}
