//! smoltcp over a plain TUN device, one thread, one socket, buffers of 1 MiB.
//!
//! The device reuses its two buffers (smoltcp's own allocates one per packet), and the loop answers up
//! to 64 packets before it looks at the socket.

use std::io::{self, IoSlice};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::device::Device;
use super::{CONTENDER_ADDRESS, Contender, Framing, MTU, Service, TICK, Task};

pub(crate) struct Smoltcp;

impl Contender for Smoltcp {
    fn name(&self) -> String {
        "smoltcp 0.14, plain".to_owned()
    }

    fn serve(&self, service: &Service) -> io::Result<()> {
        let mut device = TunDevice::open()?;
        let config = Config::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut device, Instant::now());
        interface.update_ip_addrs(|addresses| {
            let cidr = IpCidr::new(IpAddress::Ipv4(CONTENDER_ADDRESS), 24);
            addresses.push(cidr).expect("an interface holds more than one address");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let mut socket = socket();
        socket.listen(service.task.port()).map_err(io::Error::other)?;
        let handle = sockets.add(socket);
        service.ready();
        while !service.stopped() {
            device.budget = BATCH;
            let result = interface.poll(Instant::now(), &mut device, &mut sockets);
            serve(service.task, sockets.get_mut(handle));
            if let Some(error) = device.error.take() {
                return Err(error);
            }
            if result == PollResult::None {
                let delay = interface.poll_delay(Instant::now(), &sockets);
                let delay = delay.map_or(TICK, |delay| Duration::from_micros(delay.total_micros()));
                if !delay.is_zero() {
                    device.device.wait(delay)?;
                }
            }
        }
        Ok(())
    }
}

fn socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; SOCKET_BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}

fn serve(task: Task, socket: &mut tcp::Socket<'_>) {
    // An error means that the connection is over, and with it the measurement.
    let _ = match task {
        Task::Receive if socket.can_recv() => socket.recv(|octets| (octets.len(), ())).ok(),
        Task::Send if socket.can_send() => socket.send(|room| (room.len(), ())).ok(),
        Task::Echo if socket.can_recv() => {
            let mut octets = [0; 1024];
            let len = socket.recv_slice(&mut octets).unwrap_or(0);
            socket.send_slice(&octets[..len]).ok().map(drop)
        }
        _ => None,
    };
}

/// A TUN device as smoltcp wants it.
struct TunDevice {
    device: Device,
    received: Vec<u8>,
    to_send: Vec<u8>,
    /// Packets it still hands out before the socket has its turn.
    budget: usize,
    error: Option<io::Error>,
}

impl TunDevice {
    fn open() -> io::Result<Self> {
        let buffer = vec![0; usize::from(MTU)];
        Ok(Self {
            device: Device::open(Framing::Plain)?,
            received: buffer.clone(),
            to_send: buffer,
            budget: 0,
            error: None,
        })
    }
}

impl phy::Device for TunDevice {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, ToSend<'_>)> {
        self.budget = self.budget.checked_sub(1)?;
        let len = match self.device.read(&mut self.received) {
            Ok(len) => len?,
            Err(error) => {
                self.error = Some(error);
                return None;
            }
        };
        let to_send =
            ToSend { device: &self.device, buffer: &mut self.to_send, error: &mut self.error };
        Some((Received(&self.received[..len]), to_send))
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        Some(ToSend { device: &self.device, buffer: &mut self.to_send, error: &mut self.error })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = usize::from(MTU);
        capabilities
    }
}

struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

struct ToSend<'a> {
    device: &'a Device,
    buffer: &'a mut [u8],
    error: &'a mut Option<io::Error>,
}

impl phy::TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let packet = &mut self.buffer[..len];
        let result = fill(packet);
        if let Err(error) = self.device.write(&[IoSlice::new(packet)]) {
            *self.error = Some(error);
        }
        result
    }
}

/// Octets of each of the socket's two buffers.
const SOCKET_BUFFER: usize = 1 << 20;
/// Packets handed out in a row.
const BATCH: usize = 64;
