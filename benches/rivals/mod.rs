//! Who is measured against whom: whatever serves kernel TCP over a link.

mod device;
mod kernel;
mod link;
#[path = "../netmart/tun.rs"]
mod netmart;
mod null_responder;
mod smoltcp_tun;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a contender does with the connection that kernel TCP opens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Reads and discards (RFC 863).
    Receive,
    /// Sends without end (RFC 864).
    Send,
    /// Sends back what it reads (RFC 862).
    Echo,
}

impl Task {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 3] = [Self::Receive, Self::Send, Self::Echo];

    /// The port of the service.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Receive => 9,
            Self::Send => 19,
            Self::Echo => 7,
        }
    }
}

/// Whether packets are what Ethernet would carry, or up to 64 KiB with partial checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Plain,
    Offload,
}

impl Framing {
    /// How it is called in a contender's name.
    fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Offload => "offload",
        }
    }
}

/// A TCP stack, or what is put in its place.
pub(crate) trait Contender: Sync {
    /// Its name in the table.
    fn name(&self) -> String;

    /// Where the kernel finds it.
    fn address(&self) -> Ipv4Addr {
        CONTENDER_ADDRESS
    }

    /// Opens its device, says [`ready`](Service::ready), and serves `service.task` on its port until
    /// [`stopped`](Service::stopped). Runs in a thread of its own; whatever else it starts has ended
    /// when it returns, and its device is gone.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from serving; it ends the bench.
    fn serve(&self, service: &Service) -> io::Result<()>;
}

/// One measurement, as the contender sees it.
pub(crate) struct Service {
    pub(crate) task: Task,
    pub(crate) ready: Sender<()>,
    pub(crate) stop: AtomicBool,
}

impl Service {
    /// Says that a connection can be opened now.
    pub(crate) fn ready(&self) {
        // The bench waits for it; if it no longer does, it says `stop` as well.
        let _ = self.ready.send(());
    }

    /// Whether it is time to end. To be asked at least every [`TICK`].
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// All contenders, the yardstick of each framing first. A new one is entered here.
pub(crate) fn contenders() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(null_responder::NullResponder(Framing::Plain)),
        Box::new(link::NullBehindLink(Framing::Plain)),
        Box::new(smoltcp_tun::Smoltcp),
        Box::new(netmart::Netmart(Framing::Plain)),
        Box::new(null_responder::NullResponder(Framing::Offload)),
        Box::new(link::NullBehindLink(Framing::Offload)),
        Box::new(netmart::Netmart(Framing::Offload)),
        Box::new(kernel::Loopback),
    ]
}

/// Waits until `source` can be read, for `timeout` and a [`TICK`] at most.
fn wait_readable(source: impl AsFd, timeout: Duration) -> io::Result<()> {
    let mut fds = [PollFd::new(source.as_fd(), PollFlags::POLLIN)];
    // Rounded up: waking too early would mean to spin until the time has come.
    let millis = timeout.min(TICK).as_micros().div_ceil(1000) as u16;
    match poll(&mut fds, PollTimeout::from(millis)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The socket address of the service.
pub(crate) fn endpoint(contender: &dyn Contender, task: Task) -> SocketAddr {
    SocketAddr::from((contender.address(), task.port()))
}

/// How long nobody waits without asking whether to stop.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// The kernel's side of each device.
pub(crate) const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The other side.
pub(crate) const CONTENDER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The name of each device, one after the other.
pub(crate) const DEVICE: &str = "nmbench";
/// The kernel's queue in front of each device, in packets: no window overflows it.
pub(crate) const QUEUE: u32 = 10_000;
/// Octets of the largest packet but for super-segments.
pub(crate) const MTU: u16 = 1500;
