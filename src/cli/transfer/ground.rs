//! What a transfer stands on: a stack on a TUN device, or on sockets of the kernel.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result as Anyhow};
use netmart::actors::address::Transport;
use netmart::actors::message::Impair;
use netmart::link::udp::{FIRST_PEER, HERE, UdpLink, UdpLinkError, UdpPeers};
use netmart::net::{TcpListener, TcpStream, WireListener, WireLogger, WireOptions, WireStream};
use netmart::proto::wires;
use netmart::sockets::Sockets;
use netmart::stack::{Link, Stack};
use tokio::time::timeout;

use super::super::device::{self, Device, Running, Unwritable};
use super::connection::{Connection, failure};
use super::log::Log;
use super::options::Options;
use super::status::{Failure, Result, Status};

/// A stack, and what is written about it.
pub(super) struct Ground {
    running: Running,
    over: Transport,
    /// What TCP's segments are carried in, if that is UDP.
    tunnel: Option<Tunnel>,
    options: WireOptions,
    patience: Option<Duration>,
    log: Option<Log>,
}

/// Somebody who waits for connections.
pub(super) enum Door {
    /// And where it is for those outside, if that is somewhere else.
    Tcp(TcpListener, Option<SocketAddr>),
    Wire(WireListener),
}

/// Where a transfer is to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side<'a> {
    /// Here, where others connect to.
    Here(SocketAddr),
    /// At one of these.
    There(&'a [SocketAddr]),
}

/// UDP with TCP's segments in it.
struct Tunnel {
    /// The address of the socket.
    local: SocketAddr,
    /// Who is behind the addresses inside.
    peers: UdpPeers,
}

/// For how long a stack may still answer a peer that has missed our last word.
const GRACE: Duration = Duration::from_secs(5);

impl Ground {
    /// Starts the stack; datagrams or frames hold `chunk` octets, where that can be chosen.
    pub(super) fn lay(options: &Options, chunk: Option<usize>, side: Side<'_>) -> Anyhow<Self> {
        let log = options.log_format.map(|_| Log::start()).transpose()?;
        let started = match options.wire {
            Transport::Tcp if options.below.udp => {
                in_datagrams(options, side).map(|(running, tunnel)| (running, Some(tunnel)))
            }
            Transport::Tcp => on_device(options).map(|running| (running, None)),
            Transport::Wire(_) => on_sockets(options, log.as_ref()).map(|running| (running, None)),
        };
        let (running, tunnel) = started.map_err(of_trace)?;
        let wire = wire_options(options, chunk);
        let (over, patience) = (options.wire, options.timeout);
        Ok(Self { running, over, tunnel, options: wire, patience, log })
    }

    /// Opens a connection to the first of `addresses` that answers.
    pub(super) async fn dial(&self, addresses: &[SocketAddr]) -> Result<Connection> {
        let mut last = Failure::new(Status::Refused, "the host has no address");
        for &address in addresses {
            let dialled = self.dial_one(address);
            let dialled = match self.patience {
                None => dialled.await,
                Some(patience) => timeout(patience, dialled).await.unwrap_or_else(|_| {
                    let seconds = patience.as_secs_f64();
                    let text = format!("no answer for {seconds} s");
                    Err(Failure::new(Status::TimedOut, text))
                }),
            };
            match dialled {
                Ok(connection) => return Ok(connection),
                Err(failure) => last = failure.during(format_args!("no connection to {address}")),
            }
        }
        Err(last)
    }

    async fn dial_one(&self, address: SocketAddr) -> Result<Connection> {
        let stack = &self.running.stack;
        match self.over {
            Transport::Tcp => {
                let inside = match &self.tunnel {
                    Some(_) => SocketAddr::from((FIRST_PEER, address.port())),
                    None => address,
                };
                let stream = TcpStream::connect(stack, inside).await;
                Ok(self.tcp(stream.map_err(|error| Failure::tcp(&error))?))
            }
            Transport::Wire(kind) => {
                let stream = WireStream::connect(stack, kind, address, self.options.clone()).await;
                Ok(Connection::wire(stream.map_err(failure)?, self.patience))
            }
        }
    }

    /// A connection of TCP, with its ends as those outside know them.
    fn tcp(&self, stream: TcpStream) -> Connection {
        // Tokio's methods can fail, these cannot.
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        let local = stream.local_addr().unwrap_or(none);
        let peer = stream.peer_addr().unwrap_or(none);
        let ends = match &self.tunnel {
            Some(tunnel) => (tunnel.local, tunnel.peers.real(peer.ip()).unwrap_or(peer)),
            None => (local, peer),
        };
        Connection::tcp(stream, ends, self.patience)
    }

    /// Waits for connections at `address`.
    pub(super) async fn listen(&self, address: SocketAddr) -> Result<Door> {
        let stack = &self.running.stack;
        let door = match self.over {
            Transport::Tcp => {
                // Inside, the port is the same as outside.
                let (inside, outside) = match &self.tunnel {
                    Some(Tunnel { local, .. }) => {
                        (SocketAddr::from((HERE, local.port())), Some(*local))
                    }
                    None => (address, None),
                };
                let door = TcpListener::bind(stack, inside).await;
                door.map(|door| Door::Tcp(door, outside))
                    .map_err(|error| Failure::new(Status::Other, error))
            }
            Transport::Wire(kind) => {
                let door = WireListener::bind(stack, kind, address, self.options.clone()).await;
                door.map(Door::Wire).map_err(failure)
            }
        };
        door.map_err(|failure| failure.during(format_args!("could not listen at {address}")))
    }

    /// The next connection.
    pub(super) async fn accept(&self, door: &Door) -> Result<Connection> {
        match door {
            Door::Tcp(door, _) => {
                let (stream, _) = door.accept().await.map_err(|error| Failure::tcp(&error))?;
                Ok(self.tcp(stream))
            }
            Door::Wire(door) => {
                let (stream, _) = door.accept().await.map_err(failure)?;
                Ok(Connection::wire(stream, self.patience))
            }
        }
    }

    /// Lets the stack end what there is to end, and completes what is written about it.
    pub(super) async fn leave(self) -> Anyhow<()> {
        let finished = self.running.finish_within(GRACE).await;
        if let Some(log) = self.log {
            log.finish();
        }
        for line in finished.map_err(of_trace)? {
            tracing::debug!("{line}");
        }
        Ok(())
    }
}

impl Door {
    /// Where it is; the port is never 0.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Tcp(_, Some(outside)) => *outside,
            // Tokio's method can fail, this one cannot.
            Self::Tcp(door, None) => {
                door.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
            }
            Self::Wire(door) => door.local_addr(),
        }
    }
}

/// A stack on a TUN device.
fn on_device(options: &Options) -> Anyhow<Running> {
    let below = &options.below;
    let tun = below.tun.clone().context("tcp needs a device")?;
    let device = Device::plain(tun, below.address.clone(), below.host_address.clone());
    device.impaired(options.impairment.config()).recorded(options.trace.clone()).start()
}

/// A stack whose segments travel in datagrams of one UDP socket.
fn in_datagrams(options: &Options, side: Side<'_>) -> Anyhow<(Running, Tunnel)> {
    let link = match side {
        Side::Here(address) => UdpLink::at(address),
        Side::There(addresses) => UdpLink::to(*addresses.first().context("no address")?),
    };
    let link = link.map_err(|error| {
        let status = match &error {
            UdpLinkError::Unreachable { .. } => Status::Refused,
            _ => Status::Other,
        };
        Failure::new(status, error)
    })?;
    let tunnel = Tunnel { local: link.local_addr(), peers: link.peers() };
    let mut link = Link::udp(link);
    if let Some(Impair { weather, seed, .. }) = options.impairment.config() {
        link = link.impaired(weather, seed);
    }
    let (builder, trace) = device::recorded(Stack::builder(), options.trace.as_deref(), "udp")?;
    let stack = builder.link(link).start_on_own_thread();
    Ok((Running::bare(stack.context("could not open a link over UDP")?, trace), tunnel))
}

/// A trace that cannot be written is an output that cannot.
fn of_trace(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Unwritable>() {
        return Failure::new(Status::Output, format_args!("{error:#}")).into();
    }
    error
}

/// A stack on UDP sockets of the kernel.
fn on_sockets(options: &Options, log: Option<&Log>) -> Anyhow<Running> {
    let (mut builder, trace) =
        device::recorded(Stack::builder(), options.trace.as_deref(), "sockets")?;
    if let Some(scribe) = log.map(Log::scribe) {
        builder = builder.setup(|dataspace| {
            dataspace.spawn(scribe.spawn());
        });
    }
    let stack = builder.sockets(Sockets::new()).start_on_own_thread();
    Ok(Running::bare(stack.context("could not open sockets")?, trace))
}

/// How connections over the wire behave.
fn wire_options(options: &Options, chunk: Option<usize>) -> WireOptions {
    let usual = wires::Config::default();
    let config =
        wires::Config { patience: options.timeout.unwrap_or(usual.patience), chunk, ..usual };
    // That there is one makes connections keep a log; the scribe hears of all of it.
    let log = options.log_format.map(|_| WireLogger::new(|_| {}));
    WireOptions { config, impair: options.impairment.config(), log, ..WireOptions::default() }
}
