//! The kernel as a host: a thread with a network namespace, a TUN device and one socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use tun_rs::{DeviceBuilder, SyncDevice};

use super::MTU;

/// What the host's application does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Listen, and count what the first to connect sends.
    Receive {
        /// Where.
        port: u16,
    },
    /// Send as much as possible.
    Send {
        /// To whom.
        to: SocketAddrV4,
        /// The kernel's name of the congestion controller.
        controller: String,
    },
}

/// What the kernel has counted in the namespace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) segments: u64,
    pub(super) resent: u64,
    pub(super) timeouts: u64,
}

/// A kernel of its own, as far as networks go. The namespace ends with the thread, and the device with it.
pub(super) struct Host {
    device: SyncDevice,
    shared: Arc<Shared>,
    thread: JoinHandle<anyhow::Result<Counters>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Octets that the application has got.
    octets: AtomicU64,
    /// Whether it shall end.
    is_over: AtomicBool,
}

impl Host {
    /// Makes the namespace with a device called `name`, gives it `address`, and starts the application,
    /// which waits for nothing: packets wait in the device until somebody reads them.
    pub(super) fn new(name: &'static str, address: Ipv4Addr, work: Work) -> anyhow::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (of_thread, (device_made, made), (set, ready)) =
            (Arc::clone(&shared), channel(), channel());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let device = in_new_namespace(name, address);
            let failed = device.is_err();
            // Nobody waits for it any more only if this process ends.
            let _ = device_made.send(device);
            if failed { Ok(Counters::default()) } else { of_thread.work(work, &set) }
        })?;
        let device = made.recv().context("the thread of a namespace ended")??;
        let host = Self { device, shared, thread };
        match ready.recv() {
            Ok(()) => Ok(host),
            // It has ended, and says why.
            Err(_) => Err(host.finish().err().unwrap_or_else(|| anyhow!("nothing to do"))),
        }
    }

    /// The device: what is read from it the kernel has sent.
    pub(super) fn device(&self) -> &SyncDevice {
        &self.device
    }

    /// How many octets its application has got.
    pub(super) fn octets(&self) -> u64 {
        self.shared.octets.load(Ordering::Relaxed)
    }

    /// Ends the application and the namespace.
    pub(super) fn finish(self) -> anyhow::Result<Counters> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread of a namespace panicked"))?
    }
}

impl Shared {
    fn work(&self, work: Work, ready: &Sender<()>) -> anyhow::Result<Counters> {
        match work {
            Work::Receive { port } => self.receive(port, ready)?,
            Work::Send { to, controller } => self.send(to, &controller, ready)?,
        }
        Counters::of_this_namespace()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn receive(&self, port: u16, ready: &Sender<()>) -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        // So that `accept` looks up now and then.
        setsockopt(&listener, sockopt::ReceiveTimeout, &TimeVal::new(0, 100_000))?;
        let _ = ready.send(());
        let mut stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if is_pause(&error) && !self.is_over() => {}
                Err(error) if is_pause(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        };
        stream.set_read_timeout(Some(LOOK))?;
        let mut buffer = vec![0; PIECE];
        while !self.is_over() {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(octets) => drop(self.octets.fetch_add(octets as u64, Ordering::Relaxed)),
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error).context("the kernel's receiver"),
            }
        }
        Ok(())
    }

    fn send(&self, to: SocketAddrV4, controller: &str, ready: &Sender<()>) -> anyhow::Result<()> {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::TcpCongestion, &controller.into())
            .with_context(|| format!("this kernel does not have {controller}"))?;
        let seconds = PATIENCE.as_secs().try_into().unwrap_or(i64::MAX);
        setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(seconds, 0))?;
        let _ = ready.send(());
        connect(socket.as_raw_fd(), &SockaddrIn::from(to)).context("the kernel's sender")?;
        let mut stream = TcpStream::from(socket);
        stream.set_write_timeout(Some(LOOK))?;
        let buffer = vec![0x6e; PIECE];
        while !self.is_over() {
            match stream.write(&buffer) {
                Ok(octets) => drop(self.octets.fetch_add(octets as u64, Ordering::Relaxed)),
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error).context("the kernel's sender"),
            }
        }
        Ok(())
    }
}

impl Counters {
    fn of_this_namespace() -> anyhow::Result<Self> {
        let snmp = fs::read_to_string("/proc/thread-self/net/snmp")?;
        let netstat = fs::read_to_string("/proc/thread-self/net/netstat")?;
        Ok(Self {
            segments: counter(&snmp, "Tcp:", "OutSegs") + counter(&snmp, "Tcp:", "RetransSegs"),
            resent: counter(&snmp, "Tcp:", "RetransSegs"),
            timeouts: counter(&netstat, "TcpExt:", "TCPTimeouts"),
        })
    }
}

/// A counter of two lines that begin with `group`: names in the first, numbers in the second.
fn counter(text: &str, group: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter(|line| line.starts_with(group));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let place = names.split(' ').position(|known| known == name);
    place.and_then(|place| numbers.split(' ').nth(place)?.parse().ok()).unwrap_or(0)
}

fn in_new_namespace(name: &str, address: Ipv4Addr) -> anyhow::Result<SyncDevice> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| match error {
        Errno::EPERM => anyhow!("--kernel takes root: it makes network namespaces"),
        other => anyhow!("no network namespace can be made: {other}"),
    })?;
    let device = DeviceBuilder::new()
        .name(name)
        .ipv4(address, 24, None)
        .mtu(MTU)
        .tx_queue_len(QUEUE)
        .offload(false)
        .build_sync()
        .context("no TUN device can be made")?;
    device.set_nonblocking(true)?;
    Ok(device)
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// What will never come is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an application that waits looks up.
const LOOK: Duration = Duration::from_millis(50);
/// Octets written or read at once.
const PIECE: usize = 128 << 10;
/// Packets that a device keeps for us: more than any window here, so that none is lost but by our model.
const QUEUE: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_stands_below_its_name() {
        let text = "Ip: A B\nIp: 1 2\nTcp: OutSegs RetransSegs\nTcp: 30 4\n";
        assert_eq!(counter(text, "Tcp:", "RetransSegs"), 4);
        assert_eq!(counter(text, "Tcp:", "Missing"), 0);
    }
}
