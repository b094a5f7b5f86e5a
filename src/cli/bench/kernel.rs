//! The same cells towards the kernel, in real time: netmart or the kernel sends, the kernel receives, and
//! our impairment model stands between two TUN devices, each in a network namespace of its own.

mod forwarder;
mod host;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context;
use netmart::bench::{Path, Sender};
use netmart::proto::netem::Netem;
use netmart::proto::tcp::{self, CongestionControl};

use self::forwarder::{End, Forwarder};
use self::host::{Host, Work};
use super::axis;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// A netmart stack.
    Netmart,
    /// The kernel.
    Kernel,
}

/// What a sender reached.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reached {
    /// Payload bits per second that the receiving application got.
    pub(super) goodput: f64,
    /// The share of segments that were sent again.
    pub(super) resent: f64,
    /// Segments sent again by time-out (netmart), or time-outs (the kernel).
    pub(super) timeouts: u64,
    /// By how much packets came later than they should have, for this machine was busy: the mean.
    pub(super) late: Duration,
}

/// Measures one cell. Its loss should be a pattern, so that all senders lose the same packets.
pub(super) fn measure(
    contender: Contender,
    path: &Path,
    controller: CongestionControl,
    duration: Duration,
    seed: u64,
) -> anyhow::Result<Reached> {
    let receiver = Host::new("nm-bench-b", RECEIVER, Work::Receive { port: PORT })?;
    let remote = SocketAddrV4::new(RECEIVER, PORT);
    let lanes =
        [Netem::new(path.forward(), seed), Netem::new(path.backward(), seed.wrapping_add(1))];
    let mut forwarder = Forwarder::new(lanes, duration);
    let (resent, timeouts) = match contender {
        Contender::Kernel => {
            let controller = axis::name(controller).to_owned();
            let sender = Host::new("nm-bench-a", SENDER, Work::Send { to: remote, controller })?;
            forwarder.run(&mut End::Tun(sender.device()), &receiver)?;
            let counters = sender.finish()?;
            (counters.resent as f64 / counters.segments.max(1) as f64, counters.timeouts)
        }
        Contender::Netmart => {
            let tcp = tcp::Config { congestion: controller, ..tcp::Config::default() };
            let tcp = path.fitted(tcp);
            let mut sender = Sender::new(SENDER.into(), remote.into(), MTU, tcp, duration, seed);
            forwarder.run(&mut End::Netmart(&mut sender), &receiver)?;
            let info = sender.info().context("netmart's connection was never established")?;
            let resent = info.counters.resent;
            let share = f64::from(resent.total()) / info.counters.segments_out.max(1) as f64;
            (share, resent.timeout.into())
        }
    };
    let octets = forwarder.octets_at_end();
    receiver.finish()?;
    Ok(Reached {
        goodput: octets as f64 * 8.0 / duration.as_secs_f64(),
        resent,
        timeouts,
        late: forwarder.mean_lateness(),
    })
}

/// The two ends of the path. Each stands alone in its namespace, so nobody else can have them.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const PORT: u16 = 5001;
const MTU: u16 = 1500;
