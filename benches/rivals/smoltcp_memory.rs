//! Two smoltcp stacks with a queue in each direction. Packet buffers are reused; the clock advances by
//! a millisecond when nothing else happens, so that no timer is waited for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::Contender;

pub(crate) struct Smoltcp;

impl Contender for Smoltcp {
    fn name(&self) -> &'static str {
        "smoltcp 0.14"
    }

    fn bulk(&self, buffer: usize) -> Box<dyn FnMut() -> u64> {
        let mut pair = Pair::new(buffer);
        pair.open();
        Box::new(move || {
            let sender = pair.client.socket();
            if sender.can_send() {
                sender.send(|room| (room.len(), ())).expect("the connection is open");
            }
            pair.step();
            let receiver = pair.server.socket();
            if !receiver.can_recv() {
                return 0;
            }
            receiver.recv(|octets| (octets.len(), octets.len() as u64)).expect("it can receive")
        })
    }

    fn connect_and_close(&self) -> Box<dyn FnMut()> {
        let mut pair = Pair::new(4096);
        Box::new(move || {
            pair.open();
            pair.close();
        })
    }
}

struct Pair {
    now: Instant,
    client: End,
    server: End,
    next_port: u16,
}

/// One stack with one socket.
struct End {
    device: Queues,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl End {
    fn new(address: IpAddress, buffer: usize, spare: &Spare) -> Self {
        let mut device = Queues { spare: Rc::clone(spare), ..Queues::default() };
        let mut interface =
            Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(address, 24)).expect("an interface holds an address");
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(tcp::Socket::new(buffer(), buffer()));
        Self { device, interface, sockets, handle }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn poll(&mut self, now: Instant) {
        self.interface.poll(now, &mut self.device, &mut self.sockets);
    }
}

impl Pair {
    fn new(buffer: usize) -> Self {
        let spare = Spare::default();
        Self {
            now: Instant::ZERO,
            client: End::new(CLIENT, buffer, &spare),
            server: End::new(SERVER, buffer, &spare),
            next_port: FIRST_PORT,
        }
    }

    /// Lets both ends work, and exchanges what they sent. Answers whether they sent anything.
    fn step(&mut self) -> bool {
        self.client.poll(self.now);
        self.client.device.pass_to(&mut self.server.device);
        self.server.poll(self.now);
        self.server.device.pass_to(&mut self.client.device);
        let busy = !self.client.device.received.is_empty();
        if !busy {
            self.now += Duration::from_millis(1);
        }
        busy
    }

    fn open(&mut self) {
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        let port = self.next_port;
        self.server.socket().listen(80).expect("the socket is closed");
        let End { interface, sockets, handle, .. } = &mut self.client;
        let socket = sockets.get_mut::<tcp::Socket<'_>>(*handle);
        socket.connect(interface.context(), (SERVER, 80), port).expect("the socket is closed");
        while !(self.client.socket().may_send() && self.server.socket().may_send()) {
            self.step();
        }
    }

    /// Both ends send FIN; what is left of TIME-WAIT is cut short.
    fn close(&mut self) {
        self.client.socket().close();
        while self.server.socket().may_recv() {
            self.step();
        }
        self.server.socket().close();
        while self.server.socket().is_open() {
            self.step();
        }
        self.client.socket().abort();
        while self.step() {}
    }
}

/// Packets out of use, for both ends.
type Spare = Rc<RefCell<Vec<Vec<u8>>>>;

/// What a stack received and sent.
#[derive(Default)]
struct Queues {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    spare: Spare,
    /// The packet being read.
    current: Vec<u8>,
}

impl Queues {
    fn pass_to(&mut self, other: &mut Self) {
        other.received.append(&mut self.sent);
    }
}

impl phy::Device for Queues {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, ToSend<'_>)> {
        let packet = self.received.pop_front()?;
        self.spare.borrow_mut().push(mem::replace(&mut self.current, packet));
        Some((Received(&self.current), ToSend { sent: &mut self.sent, spare: &self.spare }))
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        Some(ToSend { sent: &mut self.sent, spare: &self.spare })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
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
    sent: &'a mut VecDeque<Vec<u8>>,
    spare: &'a Spare,
}

impl phy::TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut packet = self.spare.borrow_mut().pop().unwrap_or_default();
        packet.resize(len, 0);
        let result = fill(&mut packet);
        self.sent.push_back(packet);
        result
    }
}

const CLIENT: IpAddress = IpAddress::v4(10, 0, 0, 1);
const SERVER: IpAddress = IpAddress::v4(10, 0, 0, 2);
const FIRST_PORT: u16 = 49_152;
const MTU: usize = 1500;
