//! The UDP socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::net::{ToSocketAddrs, lookup_host};

use super::address::each_address;
use super::post::{Letter, Post};
use super::postman::Postman;
use super::wait::until;
use crate::stack::touch::FaceId;
use crate::stack::{Command, Stack};

/// A UDP socket over a netmart stack, as [`tokio::net::UdpSocket`] is one over the kernel's.
///
/// Up to 256 KiB or 1024 datagrams wait to be read; what comes on top is lost and
/// [counted](Self::lost).
pub struct UdpSocket {
    address: SocketAddr,
    hold: Hold,
}

/// The application's hold on a socket; whoever drops it leaves.
struct Hold {
    post: Arc<Post>,
    stack: Stack,
    face: FaceId,
}

impl Hold {
    fn touch(&self) {
        // If the stack is gone, the post knows.
        let _ = self.stack.push(Command::Touch(self.face));
    }

    fn told(&self, result: io::Result<bool>) -> io::Result<()> {
        if result? {
            self.touch();
        }
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.post.leave();
        self.touch();
    }
}

/// Octets of the largest datagram that IPv4 carries (IPv6 carries 20 more).
const LARGEST: usize = 65_507;

fn letter(to: SocketAddr, octets: &[u8]) -> io::Result<Option<Letter>> {
    if octets.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the datagram is too long"));
    }
    Ok(Some((to, Bytes::copy_from_slice(octets))))
}

/// Copies what fits; the rest of a datagram is lost, as with any socket.
fn copy((from, octets): Letter, buf: &mut ReadBuf<'_>) -> SocketAddr {
    let taken = octets.len().min(buf.remaining());
    buf.put_slice(&octets[..taken]);
    from
}

fn copied(received: io::Result<Letter>, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let mut buf = ReadBuf::new(buf);
    let from = copy(received?, &mut buf);
    Ok((buf.filled().len(), from))
}

impl UdpSocket {
    /// Binds to `addr` of `stack`: on every address if that is unspecified, to a port of the stack's
    /// choice if it is 0.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`; `NetworkDown` if the stack has been shut down.
    pub async fn bind<A: ToSocketAddrs>(stack: &Stack, addr: A) -> io::Result<Self> {
        each_address(addr, |address| Self::bind_one(stack, address)).await
    }

    async fn bind_one(stack: &Stack, address: SocketAddr) -> io::Result<Self> {
        let face = stack.fresh_face();
        let post = Arc::new(Post::default());
        let inner = Arc::clone(&post);
        let hold = Hold { post, stack: stack.clone(), face };
        stack.call(move |inside| {
            let ends = inside.socket_ends();
            inside.dataspace.spawn(Postman::spawn(address, face, inner, ends));
        })?;
        let address = until(&hold.post.reading, || hold.post.try_bound()).await?;
        Ok(Self { address, hold })
    }

    /// Sets whom [`send`](Self::send) sends to, and hears nobody else from now on.
    ///
    /// # Errors
    ///
    /// If `addr` cannot be resolved.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let peer = lookup_host(addr).await?.find(|peer| peer.is_ipv4() == self.address.is_ipv4());
        let peer = peer.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
        })?;
        self.hold.post.connect(peer);
        Ok(())
    }

    /// The address bound to; its port is never 0.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    /// Whom the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.hold.post.peer().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// How many datagrams came while there was no room for them.
    pub fn lost(&self) -> u64 {
        self.hold.post.lost()
    }

    /// The error that waits to be told, if there is one.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.hold.post.take_error())
    }

    /// Sends a datagram to `target`; waits until there is room for it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is too long; `NetworkDown` if the stack has been shut down.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], target: A) -> io::Result<usize> {
        let Some(target) = lookup_host(target).await?.next() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no addresses to send data to",
            ));
        };
        let mut letter = letter(target, buf)?;
        let post = &self.hold.post;
        let sent = until(&post.writing, || post.try_send(&mut letter)).await;
        self.hold.told(sent).map(|()| buf.len())
    }

    /// Sends a datagram to whom the socket is connected to; waits until there is room for it.
    ///
    /// # Errors
    ///
    /// `NotConnected`; what became of an earlier datagram; as [`send_to`](Self::send_to).
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.send_to(buf, self.peer_addr()?).await
    }

    /// Sends a datagram if there is room for it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        let sent = self.hold.post.try_send(&mut letter(target, buf)?);
        self.hold.told(sent.ok_or(io::ErrorKind::WouldBlock)?).map(|()| buf.len())
    }

    /// Sends a datagram to whom the socket is connected to, if there is room for it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.try_send_to(buf, self.peer_addr()?)
    }

    /// Like [`send_to`](Self::send_to), for a task.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        // Looking, then leaving word, then looking again: room may have come in between.
        for _ in 0..2 {
            match self.try_send_to(buf, target) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.hold.post.wake_when_sent(cx);
                }
                done => return Poll::Ready(done),
            }
        }
        Poll::Pending
    }

    /// Receives a datagram and tells whom from; waits until there is one. What does not fit is lost.
    ///
    /// Dropping the future loses no datagram.
    ///
    /// # Errors
    ///
    /// What became of an earlier datagram to whom the socket is connected to; `NetworkDown` if the
    /// stack has been shut down.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let post = &self.hold.post;
        copied(until(&post.reading, || post.try_receive()).await, buf)
    }

    /// Receives a datagram from whom the socket is connected to, or from anybody if it is not.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buf).await.map(|(len, _)| len)
    }

    /// Receives a datagram if there is one.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        copied(self.hold.post.try_receive().ok_or(io::ErrorKind::WouldBlock)?, buf)
    }

    /// Receives a datagram if there is one.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as [`recv_from`](Self::recv_from).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_recv_from(buf).map(|(len, _)| len)
    }

    /// Like [`recv_from`](Self::recv_from), for a task.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        loop {
            if let Some(received) = self.hold.post.try_receive() {
                return Poll::Ready(received.map(|letter| copy(letter, buf)));
            }
            ready!(self.hold.post.poll_readable(cx));
        }
    }

    /// Receives a datagram without taking it away; waits until there is one.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let post = &self.hold.post;
        copied(until(&post.reading, || post.try_peek()).await, buf)
    }

    /// Waits until the socket is ready for one of the things wanted, and tells for which.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let post = &self.hold.post;
        loop {
            let (reading, writing) = (post.reading.notified(), post.writing.notified());
            tokio::pin!(reading, writing);
            reading.as_mut().enable();
            writing.as_mut().enable();
            let mut ready = Ready::EMPTY;
            if interest.is_readable() && post.is_readable() {
                ready |= Ready::READABLE;
            }
            if interest.is_writable() && post.is_writable() {
                ready |= Ready::WRITABLE;
            }
            if !ready.is_empty() {
                return Ok(ready);
            }
            tokio::select! {
                () = reading => {}
                () = writing => {}
            }
        }
    }

    /// Waits until there is a datagram, or an error.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until there is room for a datagram, or an error.
    ///
    /// # Errors
    ///
    /// None; tokio's can fail.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("addr", &self.address).finish_non_exhaustive()
    }
}
