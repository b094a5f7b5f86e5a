//! TCP segments in UDP datagrams: a link to stacks that no TUN device leads to.
//!
//! Each datagram is one TCP segment, header and payload, without an IP header. The link gives what comes an IP
//! header, and takes that of what leaves away: inside the stack is [`HERE`], and each UDP address that is
//! heard of gets an address of its own beside it, from [`FIRST_PEER`] on. So two peers behind one address are
//! told apart even if their TCP ports are the same, peers that run on this machine are not taken for the stack
//! itself, and a datagram from elsewhere cannot belong to a living connection, nor move it.
//!
//! | module | its one job |
//! |---|---|
//! | `peers` | which UDP address stands for which inner one; bounded |
//! | `segment` | inner IP headers on and off, checksums |
//! | `carrier` | the socket: batches out and in, errors of the network |
//!
//! The checksum of what leaves is that of TCP with a pseudo header of UDP's own addresses, so that others can
//! verify it. It is not verified here: UDP's covers the same octets, and behind a translator of addresses the
//! peer cannot know the ones we see.
//!
//! Datagrams are never fragmented (RFC 9293 section 3.7.5 wants to know the path). The link's MTU follows from
//! [`UdpLink::mtu`]; when the network, or the kernel for a device of its own, says that a datagram was too
//! long, the stack gets that as the ICMP error that TCP expects, and path MTU discovery takes it from there.
//! That nobody listens becomes an error to a handshake in the same way. ECN travels in the outer header.

mod carrier;
mod peers;
mod segment;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use netmart_actors::address::Address;
use netmart_actors::message::ListenError;
use nix::sys::socket::{getsockopt, sockopt};

pub(crate) use self::carrier::{Arrivals, Brought, Carrier, Writer};
use self::peers::Directory;
use crate::sockets::errors::not_bound;
use crate::sockets::socket::Socket;

/// The address of the stack on such a link. It is of the block for measurements (RFC 2544), which no network
/// routes.
pub const HERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The address of the first peer: of the only one, if the link was made to [reach](UdpLink::to) it.
pub const FIRST_PEER: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);

/// The prefix length of the network that [`HERE`] and all peers are in.
pub const PREFIX_LEN: u8 = 15;

/// A UDP socket that is to be a link; see [`Link::udp`](crate::stack::Link::udp).
#[derive(Debug)]
pub struct UdpLink {
    socket: Socket,
    local: SocketAddr,
    /// The one who is heard, if it is one.
    peer: Option<SocketAddr>,
    mtu: u16,
    max_peers: usize,
    directory: Arc<Directory>,
}

/// Why there is no such link.
#[derive(Debug, thiserror::Error)]
pub enum UdpLinkError {
    /// The socket could not be bound.
    #[error("UDP {address} cannot be bound: {reason}")]
    NotBound {
        /// Where to.
        address: SocketAddr,
        /// Why.
        reason: ListenError,
    },
    /// No datagram can be sent there.
    #[error("UDP {peer} cannot be reached: {source}")]
    Unreachable {
        /// Whom to.
        peer: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system refuses something else.
    #[error("no link over UDP: {0}")]
    Refused(#[from] io::Error),
}

/// Octets of an outer IP packet that any path carries, or nearly any.
const USUAL_MTU: u16 = 1500;
/// The least MTU that leaves room for a segment: what every path of IPv4 must carry (RFC 791).
const SMALLEST_MTU: u16 = 576;
/// Octets of the outer headers.
const OUTER_V4: u16 = 20 + 8;
const OUTER_V6: u16 = 40 + 8;
/// Octets of the inner IP header, which does not travel.
const INNER: u16 = 20;
/// Octets of kernel buffers: a few windows.
const BUFFER: usize = 4 << 20;
/// Peers heard of at once, if nothing else is asked for.
const MAX_PEERS: usize = 4096;

impl UdpLink {
    /// Hears everybody who sends to `address`; port 0 lets the operating system choose.
    ///
    /// # Errors
    ///
    /// If it cannot be bound.
    pub fn at(address: SocketAddr) -> Result<Self, UdpLinkError> {
        Self::open(address, None)
    }

    /// Hears `peer` alone, which is [`FIRST_PEER`] to the stack.
    ///
    /// # Errors
    ///
    /// If there is no way there.
    pub fn to(peer: SocketAddr) -> Result<Self, UdpLinkError> {
        let source = |address| {
            let probe = UdpSocket::bind(address)?;
            probe.connect(peer)?;
            // The kernel chooses the address that a route to the peer asks for.
            probe.local_addr().map(|local| SocketAddr::new(local.ip(), 0))
        };
        let any: SocketAddr = match peer.ip() {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let local = source(any).map_err(|source| UdpLinkError::Unreachable { peer, source })?;
        Self::open(local, Some(peer))
    }

    fn open(address: SocketAddr, peer: Option<SocketAddr>) -> Result<Self, UdpLinkError> {
        let socket = Socket::bind(Address::from(address), None, BUFFER)
            .map_err(|errno| UdpLinkError::NotBound { address, reason: not_bound(errno) })?;
        let inner = UdpSocket::from(socket.as_fd().try_clone_to_owned()?);
        if let Some(peer) = peer {
            inner.connect(peer).map_err(|source| UdpLinkError::Unreachable { peer, source })?;
        }
        let local = inner.local_addr()?;
        let known = peer.and_then(|_| getsockopt(&inner, sockopt::IpMtu).ok());
        let on_loopback = local.ip().to_canonical().is_loopback();
        let mtu = match known {
            Some(mtu) => u16::try_from(mtu).unwrap_or(u16::MAX),
            None if on_loopback => u16::MAX,
            None => USUAL_MTU,
        };
        let (mtu, directory) = (mtu.max(SMALLEST_MTU), Arc::default());
        Ok(Self { socket, local, peer, mtu, max_peers: MAX_PEERS, directory })
    }

    /// Sets the largest IP packet that paths to peers carry, in octets. Otherwise it is what the operating
    /// system knows of the path, or 1500.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = mtu.max(SMALLEST_MTU);
        self
    }

    /// Asks for kernel buffers of so many octets, one for what came and one for what leaves; 4 MiB if not set.
    #[must_use]
    pub fn buffer(self, octets: usize) -> Self {
        self.socket.set_buffers(octets);
        self
    }

    /// Sets how many peers are known at once; 4096 if not set, 65,000 at most. When there is one more, one that
    /// has never answered us is forgotten, or one that has been silent for minutes; else the new one is not
    /// heard.
    #[must_use]
    pub fn max_peers(mut self, peers: usize) -> Self {
        self.max_peers = peers.clamp(1, peers::MOST);
        self
    }

    /// The address of the socket.
    pub fn local_addr(&self) -> SocketAddr {
        let local = self.local;
        SocketAddr::new(local.ip().to_canonical(), local.port())
    }

    /// Tells which UDP address an inner one stands for, while the stack runs.
    pub fn peers(&self) -> UdpPeers {
        UdpPeers(Arc::clone(&self.directory))
    }

    /// The largest packet with an inner header that fits.
    fn inner_mtu(&self) -> u16 {
        let local = self.local.ip();
        let is_v4 = self.peer.map_or(local.is_ipv4(), |peer| peer.is_ipv4());
        let outer = if is_v4 { OUTER_V4 } else { OUTER_V6 };
        self.mtu - outer + INNER
    }
}

/// Tells which UDP address is behind an address of a peer inside the stack.
#[derive(Clone, Debug)]
pub struct UdpPeers(Arc<Directory>);

impl UdpPeers {
    /// Where datagrams for `inner` go, if that is the address of a peer that is known now.
    pub fn real(&self, inner: IpAddr) -> Option<SocketAddr> {
        match inner {
            IpAddr::V4(inner) => self.0.real(inner),
            IpAddr::V6(_) => None,
        }
    }
}
