//! What a transfer stands on: a stack on a TUN device, or on sockets of the kernel.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result as Anyhow};
use netmart::actors::address::Transport;
use netmart::net::{TcpListener, TcpStream, WireListener, WireLogger, WireOptions, WireStream};
use netmart::proto::wires;
use netmart::sockets::Sockets;
use netmart::stack::Stack;
use tokio::time::timeout;

use super::super::device::{self, Device, Running};
use super::connection::{Connection, failure};
use super::log::Log;
use super::options::Options;
use super::status::{Failure, Result, Status};

/// A stack, and what is written about it.
pub(super) struct Ground {
    running: Running,
    over: Transport,
    options: WireOptions,
    patience: Option<Duration>,
    log: Option<Log>,
}

/// Somebody who waits for connections.
pub(super) enum Door {
    Tcp(TcpListener),
    Wire(WireListener),
}

/// For how long a stack may still answer a peer that has missed our last word.
const GRACE: Duration = Duration::from_secs(10);

impl Ground {
    /// Starts the stack; datagrams or frames hold `chunk` octets, where that can be chosen.
    pub(super) fn lay(options: &Options, chunk: Option<usize>) -> Anyhow<Self> {
        let log = options.log_format.map(|_| Log::start()).transpose()?;
        let running = match options.wire {
            Transport::Tcp => on_device(options)?,
            Transport::Wire(_) => on_sockets(options)?,
        };
        let logger = log.as_ref().map(Log::logger);
        let wire = wire_options(options, chunk, logger);
        Ok(Self { running, over: options.wire, options: wire, patience: options.timeout, log })
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
                let stream = TcpStream::connect(stack, address).await;
                let stream = stream.map_err(|error| Failure::tcp(&error))?;
                Ok(Connection::tcp(stream, self.patience))
            }
            Transport::Wire(kind) => {
                let stream = WireStream::connect(stack, kind, address, self.options.clone()).await;
                Ok(Connection::wire(stream.map_err(failure)?, self.patience))
            }
        }
    }

    /// Waits for connections at `address`.
    pub(super) async fn listen(&self, address: SocketAddr) -> Result<Door> {
        let stack = &self.running.stack;
        let door = match self.over {
            Transport::Tcp => TcpListener::bind(stack, address)
                .await
                .map(Door::Tcp)
                .map_err(|error| Failure::new(Status::Other, error)),
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
            Door::Tcp(door) => {
                let (stream, _) = door.accept().await.map_err(|error| Failure::tcp(&error))?;
                Ok(Connection::tcp(stream, self.patience))
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
        for line in finished? {
            tracing::debug!("{line}");
        }
        Ok(())
    }
}

impl Door {
    /// Where it is; the port is never 0.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            // Tokio's method can fail, this one cannot.
            Self::Tcp(door) => door.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))),
            Self::Wire(door) => door.local_addr(),
        }
    }
}

/// A stack on a TUN device.
fn on_device(options: &Options) -> Anyhow<Running> {
    let below = &options.below;
    let tun = below.tun.clone().context("tcp needs a device")?;
    let device = Device::plain(tun, below.address.clone(), below.host_address.clone());
    device.recorded(options.trace.clone()).start()
}

/// A stack on UDP sockets of the kernel.
fn on_sockets(options: &Options) -> Anyhow<Running> {
    let (builder, trace) = device::recorded(Stack::builder(), options.trace.as_deref(), "sockets")?;
    let stack = builder.sockets(Sockets::new()).start_on_own_thread();
    Ok(Running::bare(stack.context("could not open sockets")?, trace))
}

/// How connections over the wire behave.
fn wire_options(options: &Options, chunk: Option<usize>, log: Option<WireLogger>) -> WireOptions {
    let usual = wires::Config::default();
    let config =
        wires::Config { patience: options.timeout.unwrap_or(usual.patience), chunk, ..usual };
    WireOptions { config, impair: options.impairment.config(), log, ..WireOptions::default() }
}
