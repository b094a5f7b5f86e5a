//! The same words for two kinds of sockets: tokio's over the kernel's loopback, and ours over a wire in
//! memory between two stacks.

use std::io;
use std::net::SocketAddr;

use netmart::sim::WireConfig;
use netmart::stack::{Link, Stack, wire};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::loopback::own_address;

/// Where sockets come from.
pub(crate) trait Net: Send + Sync + 'static {
    type Stream: Stream;
    type Listener: Listener<Stream = Self::Stream>;

    /// The address of the host that listens.
    fn server(&self) -> &str;
    async fn bind(&self, addr: SocketAddr) -> io::Result<Self::Listener>;
    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
}

/// What both kinds of streams can do, by tokio's names.
pub(crate) trait Stream:
    AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug + 'static
{
    type OwnedRead: AsyncRead + Unpin + Send + 'static;
    type OwnedWrite: AsyncWrite + Unpin + Send + 'static;

    fn local_addr(&self) -> io::Result<SocketAddr>;
    fn peer_addr(&self) -> io::Result<SocketAddr>;
    fn nodelay(&self) -> io::Result<bool>;
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()>;
    fn set_zero_linger(&mut self) -> io::Result<()>;
    fn try_read(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn try_write(&self, buf: &[u8]) -> io::Result<usize>;
    fn into_split(self) -> (Self::OwnedRead, Self::OwnedWrite);
    fn reunite(read: Self::OwnedRead, write: Self::OwnedWrite) -> Option<Self>
    where
        Self: Sized;
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;
    fn peek(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

/// What both kinds of listeners can do.
pub(crate) trait Listener: Send + Sync + 'static {
    type Stream;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

macro_rules! kind {
    ($module:ident) => {
        impl Stream for $module::net::TcpStream {
            type OwnedRead = $module::net::tcp_halves::OwnedReadHalf;
            type OwnedWrite = $module::net::tcp_halves::OwnedWriteHalf;

            fn local_addr(&self) -> io::Result<SocketAddr> {
                self.local_addr()
            }
            fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.peer_addr()
            }
            fn nodelay(&self) -> io::Result<bool> {
                self.nodelay()
            }
            fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
                self.set_nodelay(nodelay)
            }
            fn set_zero_linger(&mut self) -> io::Result<()> {
                (*self).set_zero_linger()
            }
            fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.try_read(buf)
            }
            fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.try_write(buf)
            }
            fn into_split(self) -> (Self::OwnedRead, Self::OwnedWrite) {
                self.into_split()
            }
            fn reunite(read: Self::OwnedRead, write: Self::OwnedWrite) -> Option<Self> {
                read.reunite(write).ok()
            }
            async fn readable(&self) -> io::Result<()> {
                self.readable().await
            }
            async fn writable(&self) -> io::Result<()> {
                self.writable().await
            }
            async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.peek(buf).await
            }
        }

        impl Listener for $module::net::TcpListener {
            type Stream = $module::net::TcpStream;

            async fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)> {
                self.accept().await
            }
            fn local_addr(&self) -> io::Result<SocketAddr> {
                self.local_addr()
            }
        }
    };
}

/// Both crates under one shape.
mod kernel {
    pub(super) mod net {
        pub(crate) use tokio::net::tcp as tcp_halves;
        pub(crate) use tokio::net::{TcpListener, TcpStream};
    }
}
mod ours {
    pub(super) mod net {
        pub(crate) use netmart::net as tcp_halves;
        pub(crate) use netmart::net::{TcpListener, TcpStream};
    }
}

kind!(kernel);
kind!(ours);

/// The kernel's sockets, at a loopback address of their own.
pub(crate) struct Kernel {
    server: String,
}

impl Kernel {
    pub(crate) fn new() -> Self {
        Self { server: own_address().to_string() }
    }
}

impl Net for Kernel {
    type Stream = tokio::net::TcpStream;
    type Listener = tokio::net::TcpListener;

    fn server(&self) -> &str {
        &self.server
    }
    async fn bind(&self, addr: SocketAddr) -> io::Result<Self::Listener> {
        tokio::net::TcpListener::bind(addr).await
    }
    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        tokio::net::TcpStream::connect(addr)
    }
}

/// Our sockets, client and server on stacks of their own.
pub(crate) struct Netmart {
    pub(crate) client: Stack,
    pub(crate) server: Stack,
}

impl Netmart {
    pub(crate) fn start(config: WireConfig) -> Self {
        let (near, far) = wire(config, 7);
        let stack = |end, address: &str| {
            let link = Link::wire(end).address(address.parse().unwrap());
            Stack::builder().seed(7).link(link).start_on_own_thread().unwrap()
        };
        Self { client: stack(near, "10.0.0.1/24"), server: stack(far, "10.0.0.2/24") }
    }
}

impl Net for Netmart {
    type Stream = netmart::net::TcpStream;
    type Listener = netmart::net::TcpListener;

    fn server(&self) -> &str {
        "10.0.0.2"
    }
    async fn bind(&self, addr: SocketAddr) -> io::Result<Self::Listener> {
        netmart::net::TcpListener::bind(&self.server, addr).await
    }
    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let stack = self.client.clone();
        async move { netmart::net::TcpStream::connect(&stack, addr).await }
    }
}
