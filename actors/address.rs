//! Who talks to whom: the ends of a channel.
//!
//! The local and the remote end of a connection are different types, so that an outbound connection to
//! a remote port 80 can never be taken for interest in a listener on the local port 80.

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use netmart_bus::key;
use netmart_proto::wire::Protocol;
use netmart_proto::wires::Kind;

/// An IP address and a port, 20 octets long where [`SocketAddr`] takes 32: every connection keeps
/// several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The IP address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The end point `port` of `ip`.
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        Self { ip, port }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port() }
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> Self {
        Self::new(address.ip, address.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An end point of this stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalAddress(pub Address);

/// An end point of somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteAddress(pub Address);

macro_rules! shown_as_address {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<SocketAddr> for $name {
            fn from(address: SocketAddr) -> Self {
                Self(address.into())
            }
        }

        impl From<$name> for SocketAddr {
            fn from(address: $name) -> Self {
                address.0.into()
            }
        }
    )*};
}

shown_as_address!(LocalAddress, RemoteAddress);

key! {
    /// The 4-tuple of a connection.
    #[derive(Copy)]
    pub struct Flow / FlowPattern {
        /// Our end.
        pub local: LocalAddress,
        /// The peer's end.
        pub remote: RemoteAddress,
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <-> {}", self.local, self.remote)
    }
}

/// Which way a message travels on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the remote end to the local one.
    Inbound,
    /// From the local end to the remote one.
    Outbound,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP over IP.
    #[default]
    Tcp,
    /// One of the reliable protocols in UDP datagrams.
    Wire(Kind),
}

impl Transport {
    /// Its name on the command line: `tcp`, or that of the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Wire(kind) => kind.name(),
        }
    }

    /// The transport of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "tcp" { Some(Self::Tcp) } else { Kind::from_name(name).map(Self::Wire) }
    }

    /// Every transport there is, TCP first.
    pub fn all() -> impl Iterator<Item = Self> {
        core::iter::once(Self::Tcp).chain(Kind::ALL.iter().copied().map(Self::Wire))
    }

    /// The protocol whose ports its connections take.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Tcp => Protocol::TCP,
            Self::Wire(_) => Protocol::UDP,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A user's wish for connections from anybody, and the local end of those connections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listener {
    /// The address to listen on; every address of the stack if there is none.
    pub ip: Option<IpAddr>,
    /// The port; 0 lets the stack choose one, which [`Listening`](crate::message::Listening) tells.
    pub port: u16,
    /// Tells apart several listeners on port 0; 0 where the port says it all.
    pub tag: u32,
    /// What carries the connections.
    pub over: Transport,
}

impl Listener {
    /// A listener on TCP port `port` of every address.
    pub const fn on(port: u16) -> Self {
        Self { ip: None, port, tag: 0, over: Transport::Tcp }
    }

    /// A listener on one address, or on every one if that is unspecified (`0.0.0.0`, `::`).
    pub fn at(address: SocketAddr) -> Self {
        let ip = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        Self { ip, port: address.port(), tag: 0, over: Transport::Tcp }
    }

    /// The same for connections over `transport`.
    #[must_use]
    pub const fn over(self, transport: Transport) -> Self {
        Self { over: transport, ..self }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("listener ")?;
        write_scheme(self.over, f)?;
        match self.ip {
            Some(ip) => write!(f, "{}", SocketAddr::new(ip, self.port))?,
            None => write!(f, "*:{}", self.port)?,
        }
        if self.tag == 0 { Ok(()) } else { write!(f, "#{}", self.tag) }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says what carries a connection where that is not TCP: `quiq://`.
fn write_scheme(transport: Transport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match transport {
        Transport::Tcp => Ok(()),
        Transport::Wire(kind) => write!(f, "{}://", kind.name()),
    }
}

/// The name a user chose for an outbound connection; unique among those of its stack that have the same
/// transport.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleId {
    /// The name itself.
    pub number: u64,
    /// What carries the connection.
    pub over: Transport,
}

impl HandleId {
    /// The handle of a connection over TCP.
    pub const fn new(number: u64) -> Self {
        Self { number, over: Transport::Tcp }
    }

    /// The same for a connection over `transport`.
    #[must_use]
    pub const fn over(self, transport: Transport) -> Self {
        Self { over: transport, ..self }
    }
}

impl fmt::Display for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handle ")?;
        write_scheme(self.over, f)?;
        self.number.fmt(f)
    }
}

impl fmt::Debug for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The local end of a channel: kernel-level (an address) or user-level (a handle or a listener).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Local {
    /// The kernel-level end over TCP: what stands in the packets.
    Address(LocalAddress),
    /// The kernel-level end over UDP. The address is unspecified where the network chooses it.
    Datagram(LocalAddress),
    /// The user-level end of an outbound connection.
    Handle(HandleId),
    /// The user-level end of the inbound connections of a listener.
    Listener(Listener),
}

impl Local {
    /// The kernel-level end `address` of a connection over `transport`.
    pub const fn kernel(transport: Transport, address: LocalAddress) -> Self {
        match transport {
            Transport::Tcp => Self::Address(address),
            Transport::Wire(_) => Self::Datagram(address),
        }
    }

    /// What carries the connections of a user-level end; nothing at kernel level, where the wire under
    /// a datagram is not told.
    pub const fn transport(&self) -> Option<Transport> {
        match self {
            Self::Handle(handle) => Some(handle.over),
            Self::Listener(listener) => Some(listener.over),
            Self::Address(_) | Self::Datagram(_) => None,
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Datagram(address) => write!(f, "udp {address}"),
            Self::Handle(handle) => handle.fmt(f),
            Self::Listener(listener) => listener.fmt(f),
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
