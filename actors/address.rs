//! Who talks to whom: the ends of a channel.
//!
//! The local and the remote end of a connection are different types, so that an outbound connection to
//! a remote port 80 can never be taken for interest in a listener on the local port 80.

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use netmart_bus::key;

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

/// A user's wish for connections from anybody, and the local end of those connections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listener {
    /// The address to listen on; every address of the stack if there is none.
    pub ip: Option<IpAddr>,
    /// The port; 0 lets the stack choose one, which [`Listening`](crate::message::Listening) tells.
    pub port: u16,
    /// Tells apart several listeners on port 0; 0 where the port says it all.
    pub tag: u32,
}

impl Listener {
    /// A listener on `port` of every address.
    pub const fn on(port: u16) -> Self {
        Self { ip: None, port, tag: 0 }
    }

    /// A listener on one address, or on every one if that is unspecified (`0.0.0.0`, `::`).
    pub fn at(address: SocketAddr) -> Self {
        let ip = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        Self { ip, port: address.port(), tag: 0 }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => write!(f, "listener {}", SocketAddr::new(ip, self.port))?,
            None => write!(f, "listener *:{}", self.port)?,
        }
        if self.tag == 0 { Ok(()) } else { write!(f, "#{}", self.tag) }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name a user chose for an outbound connection; unique among those of its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleId(pub u64);

/// The local end of a channel: kernel-level (an address) or user-level (a handle or a listener).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Local {
    /// The kernel-level end: what stands in the packets.
    Address(LocalAddress),
    /// The user-level end of an outbound connection.
    Handle(HandleId),
    /// The user-level end of the inbound connections of a listener.
    Listener(Listener),
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Handle(handle) => write!(f, "handle {}", handle.0),
            Self::Listener(listener) => listener.fmt(f),
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
