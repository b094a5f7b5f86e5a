//! The TUN device of Linux, plain or with the virtio-net header.
//!
//! With offload a packet of up to 64 KiB crosses the system call as one: the kernel splits what we
//! write and joins what we read, and checksums of packets that never leave the machine are not
//! computed at all. [`Packet::offload`] tells which.
//!
//! The device needs a tokio runtime to be woken by; reading and writing themselves never wait.

mod error;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ipnet::IpNet;
use netmart_proto::wire::{ChecksumState, Packet};
use nix::errno::Errno;
use nix::sys::uio;
use nix::unistd;
use tun_rs::{AsyncDevice, DeviceBuilder};

pub use self::error::TunError;
use super::buffer::{Pool, Slot};
use super::vnet::{self, HEADER_LEN, NotSendable};
use super::{checksum, uso};

/// What a device shall be like, seen from the kernel's side of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunConfig {
    /// Name of the interface, at most 15 octets.
    pub name: String,
    /// Addresses of the kernel's side. Their networks are routed through the device. The kernel makes
    /// an IPv6 address usable a moment after the device is open.
    pub host_addresses: Vec<IpNet>,
    /// The largest IP packet, in octets. IPv6 asks for at least 1280.
    pub mtu: u16,
    /// How many packets the kernel keeps for us before it drops. Keep it above the largest receive
    /// window divided by the MSS: a TCP whose window overflows the queue loses a burst per round trip.
    pub tx_queue_len: u32,
    /// Whether packets carry the virtio-net header, with super-segments and partial checksums.
    pub offload: bool,
}

impl Default for TunConfig {
    /// `netmart0` without addresses, 1500 octets, 10,000 packets, offload on.
    fn default() -> Self {
        Self {
            name: "netmart0".to_owned(),
            host_addresses: Vec::new(),
            mtu: 1500,
            tx_queue_len: 10_000,
            offload: true,
        }
    }
}

/// An open TUN device. The interface goes when it is dropped.
///
/// The driver's loop is: [`readable`](Self::readable), then [`read_batch`](Self::read_batch) until it
/// answers 0, which means there is nothing left; [`write`](Self::write) at any time. All of it takes
/// `&self`, so that one task can wait while another writes.
pub struct Tun {
    device: AsyncDevice,
    name: String,
    mtu: u16,
    framing: Framing,
    pool: Arc<Pool>,
    /// Packets up to this length are copied instead of keeping their buffer.
    copy_break: usize,
    malformed: AtomicU64,
}

/// What stands before the IP packet in each read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Plain,
    VirtioNet,
}

impl Tun {
    /// Creates the device, gives the kernel's side its addresses, MTU and queue length, and brings
    /// it up. To be called within a tokio runtime, which is the one that can wait for it.
    ///
    /// # Errors
    ///
    /// See [`TunError`]; a device created before the error is removed again.
    pub fn open(config: &TunConfig) -> Result<Self, TunError> {
        let device = create(config)?;
        configure(&device, config)?;
        let framing = if config.offload { Framing::VirtioNet } else { Framing::Plain };
        let (size, spare, copy_break) = match framing {
            Framing::Plain => (usize::from(config.mtu), PLAIN_SPARE, PLAIN_COPY_BREAK),
            Framing::VirtioNet => (HEADER_LEN + MAX_PACKET, OFFLOAD_SPARE, OFFLOAD_COPY_BREAK),
        };
        tracing::debug!(name = config.name, mtu = config.mtu, ?framing, "device is up");
        Ok(Self {
            device,
            name: config.name.clone(),
            mtu: config.mtu,
            framing,
            pool: Pool::new(size, spare),
            copy_break,
            malformed: AtomicU64::new(0),
        })
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The largest packet the device takes, in octets, super-segments excepted.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Whether it takes and delivers super-segments and partial checksums.
    pub fn offload(&self) -> bool {
        self.framing == Framing::VirtioNet
    }

    /// How many packets came with a virtio-net header that makes no sense, and were dropped.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    /// Waits until there may be something to read, or the device is gone.
    ///
    /// # Errors
    ///
    /// When the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.device.readable().await
    }

    /// Appends what the device holds, about `max` packets at most, and tells how many it were; 0 when
    /// there is nothing. Never waits.
    ///
    /// # Errors
    ///
    /// When the device is gone. Packets read before are delivered first.
    pub fn read_batch(&self, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let before = batch.len();
        let mut slot = self.pool.take();
        while batch.len() - before < max {
            match self.read(slot.as_mut()) {
                Ok(len) => slot = self.accept(slot, len, batch),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if batch.len() == before => return Err(error),
                // The next call meets it again, and has nothing else to tell.
                Err(_) => break,
            }
        }
        Ok(batch.len() - before)
    }

    /// Reads by plain system call, and through the runtime only when there is nothing: the runtime
    /// then knows that the device is not readable, and otherwise costs more than it tells.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match unistd::read(&*self.device, buffer) {
            Ok(len) => Ok(len),
            Err(Errno::EAGAIN) => self.device.try_recv(buffer),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands one packet to the kernel; its octets are not copied on the way. Never waits.
    ///
    /// A plain device cannot complete a partial checksum, so that is done here.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the kernel has no room: the packet is to be dropped and counted, as a network
    /// card does. `InvalidInput` for a super-segment on a plain device, or one that cannot be split.
    /// Otherwise what the kernel says.
    pub fn write(&self, packet: &Packet) -> io::Result<()> {
        match self.framing {
            Framing::VirtioNet => {
                let header = vnet::encode(packet).map_err(refused)?;
                self.send(&[&header, &packet.head, &packet.body])
            }
            Framing::Plain if packet.offload.gso_size.is_some() => {
                Err(refused(NotSendable::NoOffload))
            }
            Framing::Plain => match packet.offload.checksum {
                ChecksumState::Partial { .. } => {
                    let whole = checksum::completed(packet);
                    self.send(&[&whole.ok_or_else(|| refused(NotSendable::NoChecksumField))?])
                }
                _ => self.send(&[&packet.head, &packet.body]),
            },
        }
    }

    fn send<const N: usize>(&self, pieces: &[&[u8]; N]) -> io::Result<()> {
        // Not through the runtime: it would answer `WouldBlock` until it has seen the device ready
        // once, and every packet before that would be lost.
        uio::writev(&*self.device, &pieces.map(IoSlice::new))?;
        Ok(())
    }

    /// Takes over the `len` octets that were read into `slot`; returns the buffer for the next read.
    fn accept(&self, slot: Slot, len: usize, batch: &mut Vec<Packet>) -> Slot {
        let (start, received) = match self.framing {
            Framing::Plain => (0, Some(vnet::PLAIN)),
            Framing::VirtioNet => (HEADER_LEN, vnet::decode(&slot.as_ref()[..len])),
        };
        let Some(received) = received.filter(|_| len > start) else {
            self.malformed.fetch_add(1, Ordering::Relaxed);
            return slot;
        };
        let (head, slot) = if len <= self.copy_break {
            (Bytes::copy_from_slice(&slot.as_ref()[start..len]), slot)
        } else {
            (slot.into_bytes(start..len), self.pool.take())
        };
        let packet = Packet { head, body: Bytes::new(), offload: received.offload };
        match received.kind {
            vnet::Kind::Datagrams if packet.offload.gso_size.is_some() => {
                if uso::split(&packet, batch).is_none() {
                    self.malformed.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => batch.push(packet),
        }
        slot
    }
}

/// Creates the interface, without addresses and down.
fn create(config: &TunConfig) -> Result<AsyncDevice, TunError> {
    let name = &config.name;
    if name.len() > MAX_NAME {
        return Err(TunError::NameTooLong(name.clone()));
    }
    if !is_interface_name(name) {
        return Err(TunError::NameInvalid(name.clone()));
    }
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(TunError::NoRuntime);
    }
    // The kernel would let us in on another program's persistent device of that name.
    if nix::net::if_::if_nametoindex(name.as_str()).is_ok() {
        return Err(TunError::NameTaken(name.clone()));
    }
    let created =
        DeviceBuilder::new().name(name).offload(config.offload).enable(false).build_async();
    created.map_err(|error| {
        error::classify(error, |error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => TunError::NoTunDriver,
            // Somebody was faster, or the kernel keeps the name for itself.
            Errno::EBUSY | Errno::EEXIST => TunError::NameTaken(name.clone()),
            _ => TunError::Refused(error),
        })
    })
}

/// Gives the kernel's side what the configuration says, and brings the interface up.
fn configure(device: &AsyncDevice, config: &TunConfig) -> Result<(), TunError> {
    let mtu = config.mtu;
    device
        .set_mtu(mtu)
        .map_err(|error| error::classify(error, |source| TunError::MtuRefused { mtu, source }))?;
    device
        .set_tx_queue_len(config.tx_queue_len)
        .map_err(|error| error::classify(error, TunError::Refused))?;
    for &address in &config.host_addresses {
        if matches!(address, IpNet::V6(_)) && mtu < MIN_IPV6_MTU {
            return Err(TunError::MtuTooSmall { mtu, address });
        }
        // The errno of a refused address says "permission denied" for IPv6 switched off, too; by now
        // we know that we may.
        let added = match address {
            IpNet::V4(net) => device.add_address_v4(net.addr(), net.prefix_len()),
            IpNet::V6(net) => device.add_address_v6(net.addr(), net.prefix_len()),
        };
        added.map_err(|source| TunError::AddressRefused { address, source })?;
    }
    device.enabled(true).map_err(|error| error::classify(error, TunError::Refused))
}

/// Whether Linux takes `name` for an interface, and literally (`dev_valid_name`; `%` starts a pattern).
fn is_interface_name(name: &str) -> bool {
    let forbidden = |char: char| char.is_whitespace() || matches!(char, '/' | ':' | '%' | '\0');
    !name.is_empty() && name != "." && name != ".." && !name.contains(forbidden)
}

fn refused(reason: NotSendable) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

/// Octets of the longest interface name: `IFNAMSIZ` less its end.
const MAX_NAME: usize = 15;
/// RFC 8200 section 5.
const MIN_IPV6_MTU: u16 = 1280;
/// Octets of the longest IP packet.
const MAX_PACKET: usize = 65_535;
/// Packets of at most so many octets are copied out of the buffer they were read into, lest a few
/// octets that wait for their reader hold a large one: none holds more than eight times its length.
/// With offload a buffer has 64 KiB.
const OFFLOAD_COPY_BREAK: usize = 8192;
/// Without, it has the size of the MTU.
const PLAIN_COPY_BREAK: usize = 256;
/// Spare buffers kept: with offload 4 MiB in all, without 3 MiB at an MTU of 1500.
const OFFLOAD_SPARE: usize = 64;
const PLAIN_SPARE: usize = 2048;

#[cfg(test)]
mod tests;
