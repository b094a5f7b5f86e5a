//! Datagrams between two stacks by sockets of the operating system, beside tokio's sockets alone; and TCP in
//! UDP datagrams beside kernel TCP. All over the loopback interface, each end on a thread of its own.
//!
//!     cargo bench -p netmart --bench sockets -- --rounds 3 --seconds 1 [--only netmart]

#[allow(dead_code, reason = "everything here is measured in octets")]
mod harness;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use netmart::actors::address::{Direction, LocalAddress, RemoteAddress};
use netmart::actors::message::{UdpDatagram, UdpKey, UdpPattern};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart::link::udp::{FIRST_PEER, UdpLink};
use netmart::net::{TcpListener, TcpStream};
use netmart::sockets::Sockets;
use netmart::stack::{Link, Stack};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

use self::harness::{Options, Sample, Table, Unit, cpu_time};

/// What a datagram carries: Ethernet's most, faketcp's, and what quiq sends at a time.
const SIZES: [usize; 3] = [1_400, 4_080, 15_000];
/// Datagrams under way at most.
const WINDOW: u64 = 64;
/// Datagrams that one acknowledgement is about.
const EACH: u64 = 16;

/// Octets of a receive buffer.
const BUFFER: usize = 4 << 20;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let Some(options) = Options::from_args() else { return Ok(()) };
    for size in SIZES {
        let mut table = Table::new(format!("Datagrams of {size} octets"), Unit::Octets);
        for _ in 0..options.rounds {
            if options.wants("tokio") {
                table.add("tokio", with_tokio(size, options.time)?);
            }
            if options.wants("netmart") {
                table.add("netmart", with_netmart(size, options.time)?);
            }
        }
        println!("{table}");
    }
    let mut table = Table::new("A stream", Unit::Octets);
    for _ in 0..options.rounds {
        if options.wants("kernel TCP") {
            table.add("kernel TCP", kernel_stream(options.time)?);
        }
        for (name, mtu) in [("netmart, TCP in UDP", None), ("the same, MTU 1500", Some(1500))] {
            if options.wants("netmart") {
                table.add(name, netmart_stream(mtu, options.time)?);
            }
        }
    }
    println!("{table}");
    Ok(())
}

/// What `received` counts in `time`, after a while to warm up.
fn sample(received: &AtomicU64, time: Duration) -> Sample {
    thread::sleep(time / 4);
    let (start, cpu, before) = (Instant::now(), cpu_time(), received.load(Ordering::Relaxed));
    thread::sleep(time);
    let amount = received.load(Ordering::Relaxed) - before;
    Sample { amount, wall: start.elapsed(), cpu: cpu_time().saturating_sub(cpu) }
}

// ---------------------------------------------------------------------------------- datagrams

/// Sends as many datagrams as have been acknowledged.
struct Source {
    key: UdpKey,
    payload: Bytes,
}

/// Counts, and acknowledges.
struct Sink {
    received: Arc<AtomicU64>,
    count: u64,
}

impl Source {
    fn send(&self, count: u64, ctx: &mut Context<'_, Self>) {
        for _ in 0..count {
            ctx.send(UdpDatagram { key: self.key, ip: None, payload: self.payload.clone() });
        }
    }
}

impl Actor for Source {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.send(WINDOW, ctx);
    }
}

impl Handler<UdpDatagram> for Source {
    fn handle(&mut self, _message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        self.send(EACH, ctx);
    }
}

impl Actor for Sink {}

impl Handler<UdpDatagram> for Sink {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        let UdpDatagram { key, ip, payload } = message.take();
        self.received.fetch_add(payload.len() as u64, Ordering::Relaxed);
        self.count += 1;
        if self.count.is_multiple_of(EACH) {
            let key = UdpKey { direction: Direction::Outbound, ..key };
            ctx.send(UdpDatagram { key, ip, payload: Bytes::from_static(b"more") });
        }
    }
}

fn taking_part<A>(spawn: Spawn<A>, local: LocalAddress) -> Spawn<A>
where
    A: Handler<UdpDatagram>,
{
    let of = |direction| UdpPattern::any().direction(direction).local(local);
    spawn
        .subscribe::<UdpDatagram>(of(Direction::Inbound))
        .provide::<UdpDatagram>(of(Direction::Outbound))
}

fn free_end() -> Result<SocketAddr, Failure> {
    Ok(std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn with_netmart(size: usize, time: Duration) -> Result<Sample, Failure> {
    let stack = || Stack::builder().sockets(Sockets::new()).start_on_own_thread();
    let (source, sink) = (stack()?, stack()?);
    let (here, there) = (free_end()?, free_end()?);
    let received = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&received);
    let runtime = runtime()?;
    runtime.block_on(async {
        let entered = sink.with(move |space| {
            let sink = Sink { received: counter, count: 0 };
            space.spawn(taking_part(Spawn::new("sink", sink), there.into()));
        });
        entered.await?;
        // Whoever is asked next answers when the sink is bound.
        sink.with(|_| ()).await?;
        let entered = source.with(move |space| {
            let (local, remote) = (LocalAddress::from(here), RemoteAddress::from(there));
            let key = UdpKey { direction: Direction::Outbound, local, remote };
            let source = Source { key, payload: vec![7; size].into() };
            space.spawn(taking_part(Spawn::new("source", source), local));
        });
        entered.await
    })?;
    let sample = sample(&received, time);
    runtime.block_on(async { tokio::join!(source.shutdown(), sink.shutdown()) });
    Ok(sample)
}

fn with_tokio(size: usize, time: Duration) -> Result<Sample, Failure> {
    let received = Arc::<AtomicU64>::default();
    let stop = Arc::<AtomicBool>::default();
    let bind = || std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let (here, there) = (bind()?, bind()?);
    // As much as ours ask for: the default loses the longest of a window's datagrams.
    for socket in [&here, &there] {
        if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(socket, sockopt::RcvBuf, &BUFFER)?;
        }
    }
    let (source, sink) = (here.local_addr()?, there.local_addr()?);
    let (counter, until) = (Arc::clone(&received), Arc::clone(&stop));
    let receiving = thread::spawn(move || -> std::io::Result<()> {
        runtime()?.block_on(async {
            there.set_nonblocking(true)?;
            let socket = UdpSocket::from_std(there)?;
            let mut buffer = vec![0; 65_535];
            let mut count = 0;
            while !until.load(Ordering::Relaxed) {
                let next = tokio::time::timeout(STALL, socket.recv_from(&mut buffer));
                let (len, from) = next.await??;
                counter.fetch_add(len as u64, Ordering::Relaxed);
                count += 1;
                if count % EACH == 0 {
                    socket.send_to(b"more", from).await?;
                }
            }
            // Sets the sender free.
            socket.send_to(b"end", source).await.map(drop)
        })
    });
    let until = Arc::clone(&stop);
    let sending = thread::spawn(move || -> std::io::Result<()> {
        runtime()?.block_on(async {
            here.set_nonblocking(true)?;
            let socket = UdpSocket::from_std(here)?;
            let payload = vec![7; size];
            let mut allowed = WINDOW;
            while !until.load(Ordering::Relaxed) {
                for _ in 0..allowed {
                    socket.send_to(&payload, sink).await?;
                }
                tokio::time::timeout(STALL, socket.recv(&mut [0; 8])).await??;
                allowed = EACH;
            }
            socket.send_to(b"end", sink).await.map(drop)
        })
    });
    let sample = sample(&received, time);
    stop.store(true, Ordering::Relaxed);
    sending.join().map_err(|_| "the sender panicked")??;
    receiving.join().map_err(|_| "the receiver panicked")??;
    Ok(sample)
}

/// Without any progress for so long, something is broken.
const STALL: Duration = Duration::from_secs(5);

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

// ------------------------------------------------------------------------------------ streams

/// Fills `writer` from one thread and counts what `reader` brings on another.
fn stream(
    mut writer: impl AsyncWrite + Unpin + Send + 'static,
    mut reader: impl AsyncRead + Unpin,
    time: Duration,
    runtime: &Runtime,
) -> Result<Sample, Failure> {
    let stop = Arc::<AtomicBool>::default();
    let until = Arc::clone(&stop);
    let writing = runtime.spawn(async move {
        let octets = vec![7; 256 * 1024];
        while !until.load(Ordering::Relaxed) && writer.write_all(&octets).await.is_ok() {}
    });
    let received = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&received);
    let measuring = thread::spawn(move || {
        let sample = sample(&counter, time);
        stop.store(true, Ordering::Relaxed);
        sample
    });
    runtime.block_on(async {
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(len @ 1..) = reader.read(&mut buffer).await {
            received.fetch_add(len as u64, Ordering::Relaxed);
        }
        writing.await
    })?;
    measuring.join().map_err(|_| "the measurement panicked".into())
}

fn two_threads() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn kernel_stream(time: Duration) -> Result<Sample, Failure> {
    let runtime = two_threads()?;
    let (near, far) = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let near = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
        Ok::<_, std::io::Error>((near, listener.accept().await?.0))
    })?;
    stream(near, far, time, &runtime)
}

fn netmart_stream(mtu: Option<u16>, time: Duration) -> Result<Sample, Failure> {
    let with_mtu = |link: UdpLink| match mtu {
        Some(mtu) => link.mtu(mtu),
        None => link,
    };
    let start = |link| Stack::builder().link(Link::udp(with_mtu(link))).start_on_own_thread();
    let link = UdpLink::at((Ipv4Addr::LOCALHOST, 0).into())?;
    let to = link.local_addr();
    let (server, client) = (start(link)?, start(UdpLink::to(to)?)?);
    let runtime = two_threads()?;
    let (near, far) = runtime.block_on(async {
        let listener = TcpListener::bind(&server, (Ipv4Addr::UNSPECIFIED, 80)).await?;
        let near = TcpStream::connect(&client, (FIRST_PEER, 80)).await?;
        Ok::<_, std::io::Error>((near, listener.accept().await?.0))
    })?;
    let sample = stream(near, far, time, &runtime)?;
    runtime.block_on(async { tokio::join!(client.shutdown(), server.shutdown()) });
    Ok(sample)
}
