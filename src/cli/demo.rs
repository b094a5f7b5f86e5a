//! `netmart demo`: two stacks in one process, an impaired wire between them, a download over it.

mod client;
mod content;
mod report;
mod scenes;
mod server;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use netmart::Config;
use netmart::actors::address::{Listener, Transport};
use netmart::actors::message::ConnectionKey;
use netmart::bus::Time;
use netmart::proto::netem::{self, Loss};
use netmart::proto::wires::{Directions, Kind, Visitor, Wire};
use netmart::sim::{Plug, Simulation, StackId, Stopped, WireConfig, WireId};
use netmart::stack::Capture;
use netmart::trace::TraceFile;
use netmart::trace::write::Both;
use sha2::{Digest, Sha256};

use super::quantity;
use client::{Task, client};
use content::Notes;
pub(super) use report::bits;
use report::{Report, Span};
use scenes::Scenes;
use server::web_server;

/// Download from a web server over an impaired link, both stacks in this process
///
/// Needs no privileges. The time is virtual: the network takes as long as it takes, and you wait only
/// for the work. The same seed makes the same packets be lost and the same events happen, and writes
/// the same trace, octet for octet.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// What carries the connection: tcp, faketcp, cs488, sockettcp or quiq; cs488 and quiq carry data to the
    /// server only, so that the client uploads
    #[arg(long, value_name = "NAME", default_value = "tcp", value_parser = transport)]
    wire: Transport,

    /// How much to transfer [default: 16MiB; where each packet waits for an answer, 1MiB over cs488 and
    /// 64KiB over sockettcp]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    size: Option<u64>,

    /// The share of packets that get lost, each way
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = quantity::percentage)]
    loss: f64,

    /// How long packets travel, each way
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = quantity::duration)]
    delay: Duration,

    /// How fast the link is, each way
    #[arg(long, value_name = "RATE", default_value = "100Mbit", value_parser = quantity::rate)]
    rate: u64,

    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Let the virtual time pass no faster than real time
    #[arg(long)]
    real_time: bool,

    /// Record every event of both buses (read it with 'netmart trace show')
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Capture the packets at both ends of the link, as pcapng
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  netmart demo
  netmart demo --size 1GiB --rate 10Gbit --delay 300us --loss 0%
  netmart demo --size 1MiB --loss 10% --seed 7 --trace demo.trace --pcap demo.pcapng
  netmart demo --wire quiq --loss 5%
  netmart demo --size 4MiB --real-time";

fn transport(text: &str) -> Result<Transport, String> {
    Transport::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Transport::all().map(Transport::name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

const PORT: u16 = 80;

/// How much virtual time passes between two looks at the progress bar.
const SLICE: Duration = Duration::from_millis(10);

/// After so much virtual time without another octet there will be none.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// How long after the last octet the server may take to learn that it was the last.
const SETTLING: Duration = Duration::from_secs(60);

/// The two stacks and what happens on them.
struct Stage {
    sim: Simulation,
    client: StackId,
    server: StackId,
    wire: WireId,
    notes: Notes,
    scenes: Scenes,
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}\n", self.headline())?;
        out.flush()?;
        let create = |path: &PathBuf| Capture::create(path).with_context(|| display(path));
        let capture = self.pcap.as_ref().map(create).transpose()?;
        let create = |path: &PathBuf| TraceFile::create(path).with_context(|| display(path));
        let trace = self.trace.as_ref().map(create).transpose()?;

        let mut stage = self.set(capture.as_ref(), trace.as_ref())?;
        let began = Instant::now();
        let played = self.play(&mut stage, began);
        let took = began.elapsed();

        // Files of a failed download are worth more than none.
        if let (Some(trace), Some(path)) = (trace, &self.trace) {
            trace.finish().with_context(|| display(path))?;
        }
        if let (Some(capture), Some(path)) = (capture, &self.pcap) {
            capture.finish().with_context(|| display(path))?;
        }
        played?;
        stage.tell(self.size(), &mut out)?;
        let network = Duration::from_micros(stage.sim.now().as_micros());
        let times = network.as_secs_f64() / took.as_secs_f64().max(1e-6);
        eprintln!("\nreal time {} for {}: {times:.1} times as fast", Span(took), Span(network));
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size.unwrap_or(match self.wire {
            Transport::Wire(Kind::Cs488) => 1 << 20,
            Transport::Wire(Kind::Sockettcp) => 64 << 10,
            _ => 16 << 20,
        })
    }

    /// The client's: where the wire carries nothing to it, it is the one that has something to send.
    fn task(&self) -> Task {
        let directions = match self.wire {
            Transport::Tcp => Directions::Both,
            Transport::Wire(kind) => kind.visit(AskDirections),
        };
        match directions {
            Directions::Both => Task::Download(self.size()),
            Directions::ToServer => Task::Upload { size: self.size(), seed: self.seed },
        }
    }

    fn headline(&self) -> String {
        let what = match self.task() {
            Task::Download(_) => "Downloading",
            Task::Upload { .. } => "Uploading",
        };
        let over = match self.wire {
            Transport::Tcp => String::new(),
            wire => format!(" over {wire}"),
        };
        format!(
            "{what} {} octets{over} at {}, {} each way, {}% of the packets lost, seed {}.",
            self.size(),
            bits(self.rate),
            Span(self.delay),
            (self.loss * 1e6).round() / 1e4,
            self.seed,
        )
    }

    fn set(&self, capture: Option<&Capture>, trace: Option<&TraceFile>) -> anyhow::Result<Stage> {
        let mut sim = Simulation::new(self.seed);
        let client = sim.add_stack("client", Config::default());
        let server = sim.add_stack("server", Config::default());
        let notes = Notes::default();
        let scenes = Scenes::new(self.wire, Rc::clone(&notes.sent));
        for (stack, place) in [(client, "client"), (server, "server")] {
            let scene = scenes.recorder(place);
            sim[stack].set_recorder(Some(match trace {
                Some(trace) => Box::new(Both(scene, trace.recorder(place))),
                None => Box::new(scene),
            }));
        }
        let plug = |stack, name, address: [u8; 4]| -> anyhow::Result<Plug> {
            let plug = Plug::at(stack).address(ipnet::IpNet::new(IpAddr::from(address), 24)?);
            Ok(match capture {
                Some(capture) => plug.tap(capture.interface(name)),
                None => plug,
            })
        };
        let near = plug(client, "client", [10, 0, 0, 1])?;
        let far = plug(server, "server", [10, 0, 0, 2])?;
        let wire = sim.connect(near, far, self.wire());

        let listener = Listener::on(PORT).over(self.wire);
        sim[server].spawn(web_server(listener, self.seed, notes.clone()));
        // The listener is there before the first SYN, even over a wire without delay.
        ensure!(
            sim.run_for(Duration::ZERO).is_orderly(),
            "the server's stack does not come to rest"
        );
        let server_address = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 2).into(), PORT);
        let connection = ConnectionKey::outbound(1, server_address).over(self.wire);
        sim[client].spawn(self::client(connection, self.task(), notes.clone()));
        Ok(Stage { sim, client, server, wire, notes, scenes })
    }

    fn wire(&self) -> WireConfig {
        let loss = if self.loss > 0.0 { Loss::Independent(self.loss) } else { Loss::None };
        let both =
            netem::Config { rate: Some(self.rate), delay: self.delay, loss, ..Default::default() };
        // A router's buffer: one bandwidth-delay product, but never just a few packets.
        WireConfig::new(both.with_queue_of((self.delay * 2).max(Duration::from_millis(10))))
    }

    /// Runs until the connection has ended on both sides.
    fn play(&self, stage: &mut Stage, began: Instant) -> anyhow::Result<()> {
        let bar = progress_bar(self.size());
        let mut last = (0, Time::ZERO);
        loop {
            let stopped = stage.sim.run_for(SLICE);
            let now = stage.sim.now();
            let received = stage.notes.received.borrow().octets;
            let (is_over, is_told) = {
                let told = stage.notes.told.borrow();
                (told.is_over, told.server.is_some())
            };
            bar.set_position(received);
            ensure!(stopped != Stopped::Stuck, "the stacks keep each other busy for ever");
            if is_over && (is_told || stage.is_failed() || now > last.1 + SETTLING) {
                break;
            }
            if received != last.0 {
                last = (received, now);
            } else if now > last.1 + PATIENCE {
                bail!("nothing has arrived for {} of virtual time", Span(PATIENCE));
            }
            if self.real_time {
                let ahead = Duration::from_micros(now.as_micros()).saturating_sub(began.elapsed());
                std::thread::sleep(ahead);
            }
        }
        Ok(())
    }
}

impl Stage {
    fn is_failed(&self) -> bool {
        self.notes.received.borrow().failure.is_some()
    }

    /// The figures and both scenes. Nothing in it depends on anything but the command line.
    fn tell(&self, size: u64, out: &mut impl Write) -> anyhow::Result<()> {
        write!(out, "{}", self.report(size)?)?;
        writeln!(out, "\nThe connection begins. An arrow is a message, a dashed one a packet.\n")?;
        write!(out, "{}", self.scenes.handshake())?;
        writeln!(out, "\nThe connection ends.\n")?;
        write!(out, "{}", self.scenes.close())?;
        out.flush()?;
        Ok(())
    }

    fn report(&self, size: u64) -> anyhow::Result<Report> {
        let (received, told) = (self.notes.received.borrow(), self.notes.told.borrow());
        if let Some(failure) = &received.failure {
            bail!("{failure}");
        }
        let sent = hex(&self.notes.sent.sha256.borrow());
        let sha256 = hex(&received.sha256);
        ensure!(sent == sha256, "SHA-256 {sha256} was received, {sent} was sent");
        Ok(Report {
            size,
            sha256,
            time: received.finished.context("the transfer has no end")?,
            wire: self.sim.wire_counters(self.wire),
            client: told.client.clone(),
            server: told.server.clone(),
            events: [self.client, self.server].map(|stack| self.sim[stack].counters().events),
        })
    }
}

struct AskDirections;

impl Visitor for AskDirections {
    type Output = Directions;

    fn visit<W: Wire>(self) -> Directions {
        W::PROFILE.directions
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

fn hex(sha256: &Sha256) -> String {
    sha256.clone().finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Drawn on standard error, only if that is a terminal, and gone when it is dropped.
fn progress_bar(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "  {bar:40} {binary_bytes} of {binary_total_bytes}, {eta} left",
    );
    ProgressBar::new(size)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_finish(ProgressFinish::AndClear)
}
