//! What streams and their halves do with their hold on a connection.

use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll, ready};

use tokio::io::{Interest, ReadBuf, Ready};

use super::hold::Hold;
use super::pipe::Pipe;
use super::wait::until;

/// The application's hold on a TCP connection.
pub(super) type End = Hold<Pipe>;

impl End {
    pub(super) fn poll_read(
        &self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let done = ready!(self.pipe.poll_read(cx, &mut |octets| put(buf, octets)));
        Poll::Ready(self.told(done).map(drop))
    }

    pub(super) fn poll_peek(
        &self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(result) = self.pipe.peek(&mut |octets| put(buf, octets)) {
                return Poll::Ready(result);
            }
            ready!(self.pipe.poll_read_ready(cx));
        }
    }

    pub(super) fn poll_write(
        &self,
        cx: &Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(done) = self.pipe.try_write(&mut pieces.iter().map(|piece| &**piece)) {
                return Poll::Ready(self.told(done));
            }
            ready!(self.pipe.poll_write_ready(cx));
        }
    }

    pub(super) fn shut_down(&self) {
        self.tell(self.pipe.shut_down());
    }

    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        let done = self.pipe.try_read(&mut |octets| put(&mut buf, octets));
        self.told(done.ok_or(io::ErrorKind::WouldBlock)?)
    }

    pub(super) fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut bufs = bufs.iter_mut().map(|buf| ReadBuf::new(buf)).collect::<Vec<_>>();
        let done = self.pipe.try_read(&mut |mut octets| {
            let before = octets.len();
            for buf in &mut bufs {
                octets = &octets[put(buf, octets)..];
            }
            before - octets.len()
        });
        self.told(done.ok_or(io::ErrorKind::WouldBlock)?)
    }

    pub(super) fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        let done = self.pipe.try_read(&mut |octets| {
            let taken = octets.len().min(buf.remaining_mut());
            buf.put_slice(&octets[..taken]);
            taken
        });
        self.told(done.ok_or(io::ErrorKind::WouldBlock)?)
    }

    pub(super) fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let done = self.pipe.try_write(&mut pieces.iter().map(|piece| &**piece));
        self.told(done.ok_or(io::ErrorKind::WouldBlock)?)
    }

    pub(super) fn try_write_urgent(&self, piece: &[u8]) -> io::Result<usize> {
        self.told(self.pipe.try_write_urgent(piece).ok_or(io::ErrorKind::WouldBlock)?)
    }

    /// What the stream is ready for, among what is wanted.
    fn readiness(&self, interest: Interest) -> Ready {
        let mut ready = Ready::EMPTY;
        if interest.is_readable() && self.pipe.is_readable() {
            ready |= Ready::READABLE;
            if self.pipe.is_read_closed() {
                ready |= Ready::READ_CLOSED;
            }
        }
        if interest.is_writable() && self.pipe.is_writable() {
            ready |= Ready::WRITABLE;
            if self.pipe.is_write_closed() {
                ready |= Ready::WRITE_CLOSED;
            }
        }
        ready
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        loop {
            // Listening first, then looking: what comes in between wakes us.
            let reading = self.pipe.reading.notified();
            let writing = self.pipe.writing.notified();
            tokio::pin!(reading, writing);
            reading.as_mut().enable();
            writing.as_mut().enable();
            let ready = self.readiness(interest);
            if !ready.is_empty() {
                return Ok(ready);
            }
            tokio::select! {
                () = reading, if interest.is_readable() => {}
                () = writing, if interest.is_writable() => {}
                else => return Ok(Ready::EMPTY),
            }
        }
    }

    pub(super) async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        until(&self.pipe.reading, || {
            let mut space = ReadBuf::new(&mut *buf);
            self.pipe.peek(&mut |octets| put(&mut space, octets))
        })
        .await
    }
}

/// Copies what fits.
fn put(buf: &mut ReadBuf<'_>, octets: &[u8]) -> usize {
    let taken = octets.len().min(buf.remaining());
    buf.put_slice(&octets[..taken]);
    taken
}
