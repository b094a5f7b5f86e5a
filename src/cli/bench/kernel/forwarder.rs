//! Packets from one end to the other through the impairment model, as real time passes.

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use netmart::bench::Sender;
use netmart::bus::Time;
use netmart::proto;
use netmart::proto::netem::Netem;
use netmart::proto::wire::Packet;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::sys::uio;
use nix::unistd;
use tun_rs::SyncDevice;

use super::host::Host;

/// The end that sends.
pub(super) enum End<'a> {
    /// The kernel behind a device.
    Tun(&'a SyncDevice),
    /// A stack of ours.
    Netmart(&'a mut Sender),
}

/// Both directions of the path.
pub(super) struct Forwarder {
    there: Netem<Packet>,
    back: Netem<Packet>,
    duration: Duration,
    octets_at_end: u64,
    late: Lateness,
}

/// By how much packets were handed on later than the model said.
#[derive(Clone, Copy, Debug, Default)]
struct Lateness {
    sum: Duration,
    packets: u32,
}

impl Forwarder {
    pub(super) fn new([there, back]: [Netem<Packet>; 2], duration: Duration) -> Self {
        Self { there, back, duration, octets_at_end: 0, late: Lateness::default() }
    }

    /// Octets that the receiver's application had when time was up.
    pub(super) fn octets_at_end(&self) -> u64 {
        self.octets_at_end
    }

    pub(super) fn mean_lateness(&self) -> Duration {
        self.late.sum / self.late.packets.max(1)
    }

    /// Forwards until time is up.
    pub(super) fn run(&mut self, from: &mut End<'_>, to: &Host) -> anyhow::Result<()> {
        let epoch = Instant::now();
        let elapsed = || proto::Instant::from_micros(epoch.elapsed().as_micros() as u64);
        let end = proto::Instant::ZERO + self.duration;
        let mut buffer = vec![0; BUFFER];
        loop {
            let now = elapsed();
            if now >= end {
                break;
            }
            let Self { there, back, late, .. } = self;
            read(to.device(), &mut buffer, |packet| pass(back, now, packet))?;
            let mut arrived = Vec::new();
            while let Some(packet) = poll(back, now, late) {
                arrived.push(packet);
            }
            match from {
                End::Tun(device) => {
                    arrived.iter().try_for_each(|packet| write(device, packet))?;
                    read(device, &mut buffer, |packet| pass(there, now, packet))?;
                }
                End::Netmart(sender) => {
                    let time = Time::from_micros(now.as_micros());
                    let send = |packet| pass(there, now, packet);
                    let stepped = sender.step(time, arrived, send);
                    stepped.map_err(|failure| anyhow!("netmart's sender: {failure}"))?;
                }
            }
            while let Some(packet) = poll(there, now, late) {
                write(to.device(), &packet)?;
            }
            let of_stack = match from {
                End::Tun(_) => None,
                End::Netmart(sender) => sender.next_deadline(),
            };
            let of_stack = of_stack.map(|time| proto::Instant::from_micros(time.as_micros()));
            let due = [there.next_deadline(), back.next_deadline(), of_stack, Some(end)];
            let due = due.into_iter().flatten().min().unwrap_or(end);
            wait(from, to, due.saturating_since(elapsed()))?;
        }
        self.octets_at_end = to.octets();
        if let End::Netmart(sender) = from {
            // Its last word: how it did.
            let time = Time::ZERO + self.duration;
            sender.step(time, Vec::new(), drop).map_err(|failure| anyhow!("{failure}"))?;
        }
        Ok(())
    }
}

/// Hands a packet to the model, which counts what it does with it.
fn pass(lane: &mut Netem<Packet>, now: proto::Instant, packet: Packet) {
    let _ = lane.handle_packet(now, packet);
}

/// What has arrived by `now`, and notes by how much we are late.
fn poll(lane: &mut Netem<Packet>, now: proto::Instant, late: &mut Lateness) -> Option<Packet> {
    let due = lane.next_deadline()?;
    let packet = lane.poll(now)?;
    late.sum += now.saturating_since(due);
    late.packets = late.packets.saturating_add(1);
    Some(packet)
}

/// Waits until a device can be read, but no longer than `patience`.
fn wait(from: &End<'_>, to: &Host, patience: Duration) -> anyhow::Result<()> {
    if patience.is_zero() {
        return Ok(());
    }
    let readable = |device| PollFd::new(device, PollFlags::POLLIN);
    let mut ends = vec![readable(to.device().as_fd())];
    if let End::Tun(device) = from {
        ends.push(readable(device.as_fd()));
    }
    match ppoll(&mut ends, Some(TimeSpec::from_duration(patience)), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error).context("waiting for TUN devices"),
    }
    Ok(())
}

/// Everything the device holds that is TCP over IPv4; whatever else the kernel sends unasked would only
/// take its turn in the pattern of losses.
fn read(
    device: &SyncDevice,
    buffer: &mut [u8],
    mut hand_on: impl FnMut(Packet),
) -> anyhow::Result<()> {
    const TCP: u8 = 6;
    loop {
        match unistd::read(device, buffer) {
            Ok(len) => {
                let octets = &buffer[..len];
                if len >= 20 && octets[0] >> 4 == 4 && octets[9] == TCP {
                    hand_on(Packet::from(octets.to_vec()));
                }
            }
            Err(Errno::EAGAIN) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("reading from a TUN device"),
        }
    }
}

fn write(device: &SyncDevice, packet: &Packet) -> anyhow::Result<()> {
    match uio::writev(device, &[IoSlice::new(&packet.head), IoSlice::new(&packet.body)]) {
        // The kernel has no room: it drops, as a network card does.
        Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
        Err(error) => Err(error).context("writing to a TUN device"),
    }
}

/// Octets of the largest packet there is.
const BUFFER: usize = 65_535;
