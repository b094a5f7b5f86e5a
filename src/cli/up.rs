//! `netmart up`: a stack on a TUN device, and services on it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use netmart::actors::address::Listener;
use netmart::net::{TcpListener, TcpStream};
use netmart::stack::Stack;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::device::{Device, Running};
use crate::serve::discard::discard;
use crate::serve::herald::{Herald, Place};
use crate::serve::http::{Access, Site};
use crate::serve::tasks::Tasks;
use crate::serve::{chargen, chat, echo, udp_echo};

/// Run a stack on a TUN device, with services that programs of this machine can talk to
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Up {
    #[command(flatten)]
    device: Device,

    #[command(flatten)]
    services: Services,
}

const EXAMPLES: &str = "\
Examples (as root, or with CAP_NET_ADMIN):
  netmart up --tun nm0 --address 10.7.0.2/24 --address fd00:7::2/64 --http 80=/srv --echo 7
  ping 10.7.0.2; curl http://10.7.0.2/; nc 10.7.0.2 7
  netmart up --tun nm0 --address 10.7.0.2/24 --http 80=/tmp --writable
  curl -T file http://10.7.0.2/file

Ctrl-C or SIGTERM ends it: no further connections, those there are end in order; again: at once.";

/// What is served. Each can be given several times.
#[derive(Args, Debug)]
#[command(next_help_heading = "Services")]
struct Services {
    /// Web server for the files below DIR: GET, HEAD, ranges, listings
    #[arg(long, value_name = "PORT=DIR")]
    http: Vec<Shared>,

    /// Let the web server take files as well, by PUT
    #[arg(long, requires = "http")]
    writable: bool,

    /// TCP echo (RFC 862)
    #[arg(long, value_name = "PORT")]
    echo: Vec<NonZeroU16>,

    /// TCP discard (RFC 863); tells octets and SHA-256 of each connection when it ends
    #[arg(long, value_name = "PORT")]
    discard: Vec<NonZeroU16>,

    /// TCP character generator (RFC 864)
    #[arg(long, value_name = "PORT")]
    chargen: Vec<NonZeroU16>,

    /// Chat, for telnet or nc
    #[arg(long, value_name = "PORT")]
    chat: Vec<NonZeroU16>,

    /// UDP echo (RFC 862)
    #[arg(long, value_name = "PORT")]
    udp_echo: Vec<NonZeroU16>,
}

/// A directory and the port it is served on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shared {
    port: NonZeroU16,
    directory: PathBuf,
}

impl FromStr for Shared {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (port, directory) = text.split_once('=').ok_or("write PORT=DIR, such as 80=/srv")?;
        let port = port.parse().map_err(|error| format!("{port:?} is no port: {error}"))?;
        if directory.is_empty() {
            return Err("the directory is missing".to_owned());
        }
        Ok(Self { port, directory: directory.into() })
    }
}

/// How long connections may take to end in order once we shall end.
const GRACE: Duration = Duration::from_secs(10);

impl Up {
    pub(super) fn run(self) -> Result<()> {
        self.services.refuse_twins()?;
        let sites = self.services.open_sites()?;
        allow_many_files();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve(sites))
    }

    async fn serve(self, sites: Vec<(Shared, Site)>) -> Result<()> {
        // From here on a signal ends things in order, at whatever moment it comes.
        let mut signals = Signals::new()?;
        let about = self.device.describe();
        let running = self.device.start()?;
        let tasks = Tasks::default();
        let begun = async {
            self.services.begin(&running.stack, sites, &tasks).await?;
            announce(&about, &running, &self.services);
            tokio::select! {
                () = signals.next() => Ok(()),
                () = running.lost() => bail!("the device is gone"),
            }
        };
        let ended: Result<()> = begun.await;
        say("stopping");
        let files = async {
            // What is still busy after that is cut off by the stack.
            let _ = timeout(GRACE, tasks.stop()).await;
            running.finish().await
        };
        let files = tokio::select! {
            files = files => files?,
            () = signals.next() => bail!("stopped by a second signal"),
        };
        files.into_iter().for_each(say);
        ended
    }
}

impl Services {
    fn tcp_ports(&self) -> impl Iterator<Item = (&'static str, NonZeroU16)> {
        let on = |name: &'static str, ports: &[NonZeroU16]| {
            ports.iter().map(|port| (name, *port)).collect::<Vec<_>>()
        };
        let http = self.http.iter().map(|shared| ("http", shared.port));
        http.chain(on("echo", &self.echo))
            .chain(on("discard", &self.discard))
            .chain(on("chargen", &self.chargen))
            .chain(on("chat", &self.chat))
    }

    /// No port can be had by two.
    fn refuse_twins(&self) -> Result<()> {
        let udp = self.udp_echo.iter().map(|port| ("udp-echo", *port));
        let mut holders = BTreeMap::new();
        for (protocol, (name, port)) in
            self.tcp_ports().map(|port| ("TCP", port)).chain(udp.map(|port| ("UDP", port)))
        {
            if let Some(other) = holders.insert((protocol, port), name) {
                bail!("{protocol} port {port} is given twice: for {other} and for {name}");
            }
        }
        Ok(())
    }

    fn open_sites(&self) -> Result<Vec<(Shared, Site)>> {
        let access = if self.writable { Access::Writable } else { Access::ReadOnly };
        let open = |shared: &Shared| {
            let site = Site::open(&shared.directory, access).with_context(|| {
                format!("could not open the directory {}", shared.directory.display())
            })?;
            Ok((shared.clone(), site))
        };
        self.http.iter().map(open).collect()
    }

    /// Starts everything, and waits until it can be reached.
    async fn begin(&self, stack: &Stack, sites: Vec<(Shared, Site)>, tasks: &Tasks) -> Result<()> {
        for (Shared { port, .. }, site) in sites {
            tasks.serve(listen(stack, port).await?, move |stream, peer, stop| {
                let site = site.clone();
                async move {
                    if let Err(error) = site.serve(stream, &stop).await {
                        tracing::debug!(%peer, %error, "http");
                    }
                }
            });
        }
        for port in &self.discard {
            tasks.serve(listen(stack, *port).await?, |stream, peer, _| throw_away(stream, peer));
        }
        self.declare(stack).await
    }

    /// Spawns the services that live on the bus.
    async fn declare(&self, stack: &Stack) -> Result<()> {
        let ports = |ports: &[NonZeroU16]| ports.iter().map(|port| port.get()).collect::<Vec<_>>();
        let (echo, chargen) = (ports(&self.echo), ports(&self.chargen));
        let (chat, udp_echo) = (ports(&self.chat), ports(&self.udp_echo));
        let (answer, answered) = oneshot::channel();
        let declare = move |dataspace: &mut netmart::bus::Dataspace| {
            let tcp = echo.iter().chain(&chargen).chain(&chat);
            let tcp = tcp.map(|port| Place::Tcp(Listener::on(*port)));
            let udp = udp_echo.iter().map(|port| Place::Udp(udp_echo::local(*port)));
            dataspace.spawn(Herald::spawn(tcp.chain(udp), answer));
            for port in &echo {
                dataspace.spawn(echo::service(*port));
            }
            for port in &chargen {
                dataspace.spawn(chargen::service(*port));
            }
            for port in &chat {
                dataspace.spawn(chat::service(*port));
            }
            for port in &udp_echo {
                dataspace.spawn(udp_echo::service(*port));
            }
        };
        stack.with(declare).await?;
        match answered.await? {
            Ok(()) => Ok(()),
            Err((place, reason)) => Err(anyhow!("could not listen at {place:?}: {reason}")),
        }
    }
}

async fn listen(stack: &Stack, port: NonZeroU16) -> Result<TcpListener> {
    let listener = TcpListener::bind(stack, (Ipv6Addr::UNSPECIFIED, port.get())).await;
    listener.with_context(|| format!("could not listen on port {port}"))
}

async fn throw_away(stream: TcpStream, peer: SocketAddr) {
    let (discarded, ended) = discard(stream).await;
    match ended {
        Ok(()) => say(format_args!("discard {peer}: {discarded}")),
        Err(error) => say(format_args!("discard {peer}: {discarded}, and then {error}")),
    }
}

/// What listens where, and that it does.
fn announce(about: &str, running: &Running, services: &Services) {
    say(about);
    let plan = &running.plan;
    for (name, nets) in [("the stack has", &plan.own), ("the kernel has", &plan.host)] {
        let nets: Vec<_> = nets.iter().map(ToString::to_string).collect();
        say(format_args!("  {name:<14} {}", nets.join(", ")));
    }
    for address in plan.unreachable() {
        say(format_args!("  the kernel needs a route to {address} by this device"));
    }
    let places = |port: &NonZeroU16| {
        let places = plan.own.iter().map(|net| SocketAddr::new(net.addr(), port.get()).to_string());
        places.collect::<Vec<_>>()
    };
    for Shared { port, directory } in &services.http {
        let urls: Vec<_> = places(port).iter().map(|place| format!("http://{place}/")).collect();
        let access = if services.writable { ", writable" } else { "" };
        say(format_args!("  {:<14} {} ({}{access})", "http", urls.join(" "), directory.display()));
    }
    let named = services.tcp_ports().filter(|(name, _)| *name != "http");
    for (name, port) in named.chain(services.udp_echo.iter().map(|port| ("udp-echo", *port))) {
        say(format_args!("  {name:<14} {}", places(&port).join(" ")));
    }
    say("ready; Ctrl-C ends it");
}

/// A line on standard output. That nobody reads it is no reason to end.
fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Many connections may want a file at the same time. Where the limit cannot be raised it stays.
pub(super) fn allow_many_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(soft, hard, %error, "limit of open files");
    }
}

/// The signals that ask us to end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them over from the kernel, which would end us.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) {
        self.which().await;
    }

    /// Waits for one, and tells which it is.
    pub(super) async fn which(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        up: Up,
    }

    fn services(args: &[&str]) -> Services {
        let always = ["up", "--tun", "x", "--address", "10.7.0.2/24"];
        let command = Command::try_parse_from(always.iter().chain(args));
        command.map_err(|error| error.to_string()).expect("good arguments").up.services
    }

    #[test]
    fn a_port_is_given_once() {
        let twice = services(&["--echo", "7", "--http", "80=/tmp", "--discard", "80"]);
        let refusal = twice.refuse_twins().expect_err("80 is given twice").to_string();
        assert_eq!(refusal, "TCP port 80 is given twice: for http and for discard");
        let again = services(&["--udp-echo", "7", "--udp-echo", "7"]);
        assert!(again.refuse_twins().is_err());
        let both = services(&["--echo", "7", "--udp-echo", "7", "--echo", "8"]);
        assert!(both.refuse_twins().is_ok(), "TCP and UDP do not meet");
    }

    #[test]
    fn what_is_served_where() {
        let shared = "80=/srv/a=b".parse();
        let port = NonZeroU16::new(80).expect("not zero");
        assert_eq!(shared, Ok(Shared { port, directory: "/srv/a=b".into() }));
        for text in ["80", "80=", "=/srv", "x=/srv", "0=/srv", "65536=/srv", "-1=/srv"] {
            assert!(text.parse::<Shared>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_directory_is_named() {
        let missing = services(&["--http", "80=/no/such/place"]).open_sites();
        let told = format!("{:#}", missing.expect_err("it is missing"));
        assert!(told.starts_with("could not open the directory /no/such/place: "), "{told}");
    }
}
