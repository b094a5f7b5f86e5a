//! The stream.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use netmart_actors::message::ConnectionKey;
use netmart_proto::tcp::{CongestionControl, Info};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::ToSocketAddrs;

use super::address::each_address;
use super::course::{Ends, Leave};
use super::end::End;
use super::octets;
use super::pipe::Pipe;
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::wait::until;
use crate::stack::Stack;

/// A TCP connection over a netmart stack, as [`tokio::net::TcpStream`] is one over the kernel's.
///
/// The methods have tokio's names and do what tokio's do. Dropping it ends the connection as closing a
/// socket does: what was written is still sent, and then FIN; but if something received was not read,
/// the peer gets a RST.
pub struct TcpStream {
    ends: Ends,
    linger: Option<Duration>,
    /// Whether dropping ends the connection: not when a half has taken it over.
    pub(super) end: End,
}

impl TcpStream {
    /// Opens a connection over `stack` to `addr`; names are resolved by the host's resolver. Of several
    /// addresses, the first that answers is taken.
    ///
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    ///
    /// As tokio's: `ConnectionRefused`, `TimedOut`, `NetworkUnreachable`, ...; `NetworkDown` if the
    /// stack has been shut down.
    pub async fn connect<A: ToSocketAddrs>(stack: &Stack, addr: A) -> io::Result<Self> {
        each_address(addr, |address| Self::connect_one(stack, address)).await
    }

    async fn connect_one(stack: &Stack, address: SocketAddr) -> io::Result<Self> {
        let face = stack.fresh_face();
        let connection = ConnectionKey::outbound(face.0, address);
        let pipe = Arc::new(Pipe::new(stack.settings().window));
        let user = Arc::clone(&pipe);
        // Who does not wait for the end of this leaves: the hold is made first.
        let end = End::new(pipe, stack.clone(), face);
        stack.call(move |inside| {
            inside.dataspace.spawn(octets::dial(connection, face, user));
        })?;
        let ends = until(&end.pipe.reading, || end.pipe.try_connected()).await?;
        Ok(Self::new(end, ends))
    }

    pub(super) fn new(end: End, ends: Ends) -> Self {
        Self { ends, linger: None, end }
    }

    /// Our address.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.ends.local)
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.ends.peer)
    }

    /// The error that waits to be told, if there is one.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.end.pipe.take_error())
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.end.pipe.nodelay())
    }

    /// Sets whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.end.tell(self.end.pipe.set_nodelay(nodelay));
        Ok(())
    }

    /// Chooses the congestion controller; it takes over the window as it is. Without this it is that of
    /// the stack's configuration.
    ///
    /// # Errors
    ///
    /// None, as for [`set_nodelay`](Self::set_nodelay).
    pub fn set_congestion(&self, control: CongestionControl) -> io::Result<()> {
        self.end.tell(self.end.pipe.set_congestion(control));
        Ok(())
    }

    /// What the connection knows about itself: what `TCP_INFO` tells of a kernel's.
    ///
    /// ```no_run
    /// # async fn example(stream: netmart::net::TcpStream) -> std::io::Result<()> {
    /// let info = stream.info().await?;
    /// println!("{:?} at {:?} octets/s", info.srtt, info.delivery_rate);
    /// println!("limited by {:?}: {:?}", info.limited_by, info.limited_times);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is over.
    pub async fn info(&self) -> io::Result<Info> {
        let (inquiry, tell) = self.end.pipe.inquire();
        self.end.tell(tell);
        until(&self.end.pipe.reading, || self.end.pipe.try_info(inquiry)).await
    }

    /// Makes dropping the stream reset the connection.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn set_zero_linger(&mut self) -> io::Result<()> {
        self.linger = Some(Duration::ZERO);
        self.end.leave = Leave::Abort;
        Ok(())
    }

    /// The time set by [`set_zero_linger`](Self::set_zero_linger), if it was called.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.linger)
    }

    /// Receives octets without taking them away; waits until there are some, or the peer's end.
    ///
    /// # Errors
    ///
    /// What ended the connection, if that is not told yet.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.end.peek(buf).await
    }

    /// Like [`peek`](Self::peek), for a task.
    ///
    /// # Errors
    ///
    /// What ended the connection, if that is not told yet.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.end.poll_peek(cx, buf)
    }

    /// Borrows the two directions, to be used by two tasks' worth of code at once.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrowed(self)
    }

    /// Takes the two directions apart, for two tasks. Dropping the half that writes shuts that
    /// direction down.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }
}

/// What a stream and its halves have in common; each names the part of it that it has.
macro_rules! delegate {
    (read, $($part:ident).+) => {
        /// Waits until there is something to read: octets, the end, or an error.
        ///
        /// # Errors
        ///
        /// None; tokio's can fail.
        pub async fn readable(&self) -> io::Result<()> {
            self.$($part).+.ready(Interest::READABLE).await.map(drop)
        }

        /// Reads what is there.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is; what ended the connection, if that is not told yet.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.$($part).+.try_read(buf)
        }

        /// Reads what is there into several buffers.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.$($part).+.try_read_vectored(bufs)
        }

        /// Reads what is there to the end of a buffer.
        ///
        /// # Errors
        ///
        /// As [`try_read`](Self::try_read).
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.$($part).+.try_read_buf(buf)
        }
    };
    (write, $($part:ident).+) => {
        /// Waits until something can be written, or will never be.
        ///
        /// # Errors
        ///
        /// None; tokio's can fail.
        pub async fn writable(&self) -> io::Result<()> {
            self.$($part).+.ready(Interest::WRITABLE).await.map(drop)
        }

        /// Writes what there is room for.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is none; `BrokenPipe` if nothing can be written any more; what ended
        /// the connection, if that is not told yet.
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.$($part).+.try_write(&[IoSlice::new(buf)])
        }

        /// Writes what there is room for, from several buffers.
        ///
        /// # Errors
        ///
        /// As [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.$($part).+.try_write(bufs)
        }
    };
    (ready, $($part:ident).+) => {
        /// Waits until the stream is ready for one of the things wanted, and tells for which.
        ///
        /// # Errors
        ///
        /// None; tokio's can fail.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$($part).+.ready(interest).await
        }
    };
}
pub(super) use delegate;

impl TcpStream {
    delegate!(ready, end);
    delegate!(read, end);
    delegate!(write, end);

    /// Like [`readable`](Self::readable), for a task.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.pipe.poll_read_ready(cx).map(Ok)
    }

    /// Like [`writable`](Self::writable), for a task.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.pipe.poll_write_ready(cx).map(Ok)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.end.poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.end.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.end.poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: as with any socket, what is written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the direction that we write: the peer reads to the end.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.shut_down();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("addr", &self.ends.local)
            .field("peer", &self.ends.peer)
            .finish_non_exhaustive()
    }
}
