//! One UDP socket of the operating system: bound with the options we need, batches out and in, and what ICMP
//! said about datagrams that did not get there.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use netmart_actors::address::Address;
use netmart_proto::wire::icmp::IcmpErrorKind;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrStorage, bind,
    getsockname, recvmsg, setsockopt, socket, sockopt,
};
use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::errors;
use super::outbox::Outgoing;
use crate::link::buffer::{Pool, Slot};

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: UdpSocket,
    is_ipv6: bool,
    /// What the kernel's table of sockets calls it.
    inode: u64,
    /// The longest datagram that the kernel cuts out of a run on the way that this socket's datagrams take.
    longest_cut: Cell<usize>,
}

impl Socket {
    /// Binds a socket to `address`, whose port may have been `reserved`. The unspecified address of IPv6 takes
    /// IPv4, too; where there is no IPv6 it takes IPv4 alone. Asks for kernel buffers of `buffer` octets.
    pub(crate) fn bind(
        address: Address,
        reserved: Option<Reserved>,
        buffer: usize,
    ) -> Result<Self, Errno> {
        let fd = match reserved {
            Some(reserved) => reserved.taken_for(address)?,
            None => bound_everywhere_or_at(address)?,
        };
        let is_ipv6 = getsockname::<SockaddrStorage>(fd.as_raw_fd())?.as_sockaddr_in6().is_some();
        ask_for_buffers(&fd, buffer);
        // A kernel without it hands over one datagram at a time.
        let _ = setsockopt(&fd, sockopt::UdpGroSegment, &true);
        setsockopt(&fd, sockopt::Ipv4RecvErr, &true)?;
        if is_ipv6 {
            setsockopt(&fd, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
        }
        let inner = UdpSocket::from(fd);
        let inode = inode(&inner).unwrap_or(0);
        let longest_cut = Cell::new(usize::from(u16::MAX));
        Ok(Self { inner, is_ipv6, inode, longest_cut })
    }

    /// Whether `ip` is an address of this machine.
    pub(crate) fn is_ours(ip: IpAddr) -> Result<(), Errno> {
        bound(Address::new(ip, 0)).map(drop)
    }

    /// Asks for other kernel buffers.
    pub(crate) fn set_buffers(&self, octets: usize) {
        ask_for_buffers(&self.inner, octets);
    }

    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    /// The longest datagram that may be part of a run.
    pub(crate) fn longest_cut(&self) -> usize {
        self.longest_cut.get()
    }

    /// Whether datagrams to `ip` can leave by this socket.
    pub(crate) fn reaches(&self, ip: IpAddr) -> bool {
        self.is_ipv6 || ip.is_ipv4()
    }

    /// Sends `run`, as [`Outbox::run`](super::outbox::Outbox::run) has cut it, by one call.
    pub(crate) fn send<'a>(
        &self,
        sender: &mut Sender,
        mut run: impl ExactSizeIterator<Item = &'a Outgoing>,
    ) -> io::Result<()> {
        let Some(first) = run.next() else { return Ok(()) };
        if run.len() == 0 && first.from.is_none() {
            return self.send_one(first);
        }
        sender.joined.clear();
        for (index, next) in run.enumerate() {
            if index == 0 {
                sender.joined.extend_from_slice(&first.payload);
            }
            sender.joined.extend_from_slice(&next.payload);
        }
        let is_one = sender.joined.is_empty();
        let transmit = Transmit {
            destination: self.destination(first.to),
            ecn: None,
            contents: if is_one { &first.payload } else { &sender.joined },
            segment_size: (!is_one).then_some(first.payload.len()),
            src_ip: first.from,
        };
        let sent = sender.state.try_send(UdpSockRef::from(&self.inner), &transmit);
        match sent {
            Err(error) if !is_one && errors::is_about_cutting(&error) => {
                self.longest_cut.set(first.payload.len() - 1);
                sender.renew();
                Err(error)
            }
            sent => sent,
        }
    }

    /// The call for one datagram says nothing but where to, which the kernel is done with the sooner: who waits
    /// for each answer waits for this.
    fn send_one(&self, datagram: &Outgoing) -> io::Result<()> {
        loop {
            match self.inner.send_to(&datagram.payload, self.destination(datagram.to)) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// `address` as this socket wants it.
    pub(crate) fn destination(&self, Address { ip, port }: Address) -> SocketAddr {
        match ip {
            IpAddr::V4(ip) if self.is_ipv6 => SocketAddr::new(ip.to_ipv6_mapped().into(), port),
            ip => SocketAddr::new(ip, port),
        }
    }

    /// Hands over what one call brings, and tells whether that was all there is.
    pub(crate) fn receive(
        &self,
        receiver: &mut Receiver,
        mut each: impl FnMut(Incoming),
    ) -> io::Result<bool> {
        let Receiver { pool, slots, metas, state, offered } = receiver;
        slots.resize_with(BATCH_SIZE, || pool.take());
        let mut buffers = slots.iter_mut();
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            IoSliceMut::new(buffers.next().map(Slot::as_mut).unwrap_or_default())
        });
        let buffers = &mut buffers[..*offered];
        let filled = state.recv(UdpSockRef::from(&self.inner), buffers, metas)?;
        let is_all = filled < buffers.len();
        // One more than came the last time: who offers all for one datagram works for nothing.
        *offered = if is_all { filled + 1 } else { BATCH_SIZE };
        for (slot, meta) in slots.iter_mut().zip(metas.iter()).take(filled) {
            let from = Address::new(plain(meta.addr.ip()), meta.addr.port());
            let to = meta.dst_ip.map(plain);
            let mut octets = taken(pool, slot, meta.len);
            loop {
                // Datagrams that came as one have the length of the first; only the last may be shorter.
                let payload = octets.split_to(meta.stride.max(1).min(octets.len()));
                each(Incoming { from, to, ecn: meta.ecn, payload });
                if octets.is_empty() {
                    break;
                }
            }
        }
        Ok(is_all)
    }

    /// The next thing that ICMP said about a datagram of ours; `None` where there is nothing more.
    pub(crate) fn next_error(&self) -> io::Result<Option<NetworkError>> {
        let mut quote = [0; QUOTE];
        let mut quoted = [IoSliceMut::new(&mut quote)];
        let mut control = [0; CONTROL];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let fd = self.inner.as_raw_fd();
        let entry = match recvmsg::<SockaddrStorage>(fd, &mut quoted, Some(&mut control), flags) {
            Ok(entry) => entry,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let to = entry.address.as_ref().and_then(address);
        let mut error = NetworkError { to, at: None, kind: None, quote: Bytes::new() };
        let quoted_len = entry.bytes;
        for message in entry.cmsgs()? {
            match message {
                ControlMessageOwned::Ipv4RecvErr(said, _)
                | ControlMessageOwned::Ipv6RecvErr(said, _) => {
                    error.kind = errors::network_error(&said);
                }
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    error.at = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    error.at = Some(plain(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()));
                }
                _ => {}
            }
        }
        let quoted = quoted_len.min(QUOTE);
        error.quote = Bytes::copy_from_slice(&quote[..quoted]);
        Ok(Some(error))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// A port that was chosen for somebody, kept from all other programs until it is bound.
#[derive(Debug)]
pub(crate) struct Reserved {
    port: u16,
    /// Bound to the port on every address.
    fd: OwnedFd,
}

impl Reserved {
    /// Reserves `port`; `None` if anybody holds it on any address.
    pub(crate) fn port(port: u16) -> Option<Self> {
        let fd = bound_everywhere_or_at(Address::new(Ipv6Addr::UNSPECIFIED.into(), port)).ok()?;
        Some(Self { port, fd })
    }

    /// The port.
    pub(crate) fn number(&self) -> u16 {
        self.port
    }

    /// A descriptor bound to `address`, which has this port: at no moment could anybody else bind it.
    fn taken_for(self, address: Address) -> Result<OwnedFd, Errno> {
        if address.ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            return Ok(self.fd);
        }
        // Two sockets may share a port if both say so: ours do while one takes it over from the other.
        setsockopt(&self.fd, sockopt::ReuseAddr, &true)?;
        let fd = unbound(address.ip)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from(address)))?;
        setsockopt(&fd, sockopt::ReuseAddr, &false)?;
        Ok(fd)
    }
}

/// Octets of a datagram that an error may bring back: enough for any TCP header.
const QUOTE: usize = 64;

/// Octets of control messages that come with an entry of the error queue: two of them, addresses included.
const CONTROL: usize = 256;

/// A datagram that came.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) from: Address,
    /// The address that it was sent to.
    pub(crate) to: Option<IpAddr>,
    pub(crate) ecn: Option<EcnCodepoint>,
    pub(crate) payload: Bytes,
}

/// What became of a datagram that was sent to `to`, as far as the kernel tells.
#[derive(Debug)]
pub(crate) struct NetworkError {
    pub(crate) to: Option<Address>,
    /// The address of ours that heard of it.
    pub(crate) at: Option<IpAddr>,
    pub(crate) kind: Option<IcmpErrorKind>,
    /// The first octets of the datagram, as far as they came back.
    pub(crate) quote: Bytes,
}

/// What sending needs, shared by all sockets.
#[derive(Debug)]
pub(crate) struct Sender {
    state: UdpSocketState,
    /// The datagrams of a run, one behind the other.
    joined: BytesMut,
}

/// What receiving needs, shared by all sockets.
#[derive(Debug)]
pub(crate) struct Receiver {
    state: UdpSocketState,
    pool: Arc<Pool>,
    slots: Vec<Slot>,
    metas: [RecvMeta; BATCH_SIZE],
    /// How many buffers the next call gets, 2 at least.
    offered: usize,
}

/// Octets of a receive buffer: the most that the kernel hands over as one.
const SLOT: usize = 65_535;
/// Receive buffers kept besides those that wait to be filled: 4 MiB.
const SPARE: usize = 64;
/// Up to so many octets are copied out of the buffer they came in, lest they hold all of it.
const COPIED: usize = 8192;

/// The state of a socket that is not used for anything: making it forbids the socket to send what has to be
/// fragmented, and wires have datagrams longer than an Ethernet frame. All else it knows is about the kernel.
fn state() -> io::Result<UdpSocketState> {
    let unused = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    UdpSocketState::new(UdpSockRef::from(&unused))
}

impl Sender {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { state: state()?, joined: BytesMut::new() })
    }

    /// The most datagrams of a run.
    pub(crate) fn longest_run(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// A state gives up runs for good once one failed; that is up to each socket and length.
    fn renew(&mut self) {
        if let Ok(state) = state() {
            self.state = state;
        }
    }
}

impl Receiver {
    pub(crate) fn new() -> io::Result<Self> {
        let pool = Pool::new(SLOT, SPARE);
        let metas = [RecvMeta::default(); BATCH_SIZE];
        Ok(Self { state: state()?, pool, slots: Vec::new(), metas, offered: BATCH_SIZE })
    }
}

/// The first `len` octets of `slot`, which is empty again.
fn taken(pool: &Arc<Pool>, slot: &mut Slot, len: usize) -> Bytes {
    if len <= COPIED {
        return Bytes::copy_from_slice(&slot.as_ref()[..len]);
    }
    std::mem::replace(slot, pool.take()).into_bytes(0..len)
}

/// A descriptor that is not bound and does not block, for an address like `ip`.
fn unbound(ip: IpAddr) -> Result<OwnedFd, Errno> {
    let family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    if ip.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &!ip.is_unspecified())?;
    }
    Ok(fd)
}

fn bound(address: Address) -> Result<OwnedFd, Errno> {
    let fd = unbound(address.ip)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from(address)))?;
    Ok(fd)
}

/// Like [`bound`], with the unspecified address of IPv4 for that of IPv6 where there is no IPv6.
fn bound_everywhere_or_at(address: Address) -> Result<OwnedFd, Errno> {
    let everywhere = address.ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match bound(address) {
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if everywhere => {
            bound(Address::new(Ipv4Addr::UNSPECIFIED.into(), address.port))
        }
        bound => bound,
    }
}

/// Only who may change the network gets more than `rmem_max` and `wmem_max` say; less will do.
fn ask_for_buffers(fd: &impl AsFd, octets: usize) {
    if setsockopt(fd, sockopt::RcvBufForce, &octets).is_err() {
        let _ = setsockopt(fd, sockopt::RcvBuf, &octets);
    }
    if setsockopt(fd, sockopt::SndBufForce, &octets).is_err() {
        let _ = setsockopt(fd, sockopt::SndBuf, &octets);
    }
}

fn inode(socket: &UdpSocket) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(File::from(socket.as_fd().try_clone_to_owned()?).metadata()?.ino())
}

fn address(told: &SockaddrStorage) -> Option<Address> {
    if let Some(v4) = told.as_sockaddr_in() {
        return Some(Address::new(v4.ip().into(), v4.port()));
    }
    told.as_sockaddr_in6().map(|v6| Address::new(plain(v6.ip().into()), v6.port()))
}

/// What stands in the packet: an address of IPv4 that came by a socket of IPv6 is one of IPv4.
fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
