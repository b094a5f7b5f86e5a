//! What tells when sockets are ready: an epoll of our own, which the runtime watches as one descriptor.
//!
//! The runtime's own sockets would do, were it not for errors: one that has met an ICMP error counts as closed
//! for writing from then on, and who waits for room would never wait again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// Watches descriptors for as long as they are ready, not for changes only.
pub(crate) struct Watch(AsyncFd<Owned>);

/// The epoll, as the runtime sees it.
struct Owned(Epoll);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

/// Descriptors that epoll tells of at a time.
const EVENTS: usize = 64;

impl Watch {
    /// Watches nothing yet. To be called within the tokio runtime that shall wait.
    ///
    /// The runtime's newer constructor is unsafe, for a type could close its descriptor or show another one.
    /// `Owned` has an epoll that nobody else sees, and keeps it until it is dropped.
    #[expect(deprecated, reason = "this crate has no unsafe code")]
    pub(crate) fn new() -> io::Result<Self> {
        let owned = Owned(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        AsyncFd::with_interest(owned, Interest::READABLE).map(Self)
    }

    fn epoll(&self) -> &Epoll {
        &self.0.get_ref().0
    }

    /// Watches `fd` for arrivals and errors, under this name.
    pub(crate) fn add(&self, fd: impl AsFd, name: u64) -> Result<(), Errno> {
        self.epoll().add(fd, EpollEvent::new(EpollFlags::EPOLLIN, name))
    }

    /// Watches `fd` for room as well, or no longer.
    pub(crate) fn for_room(&self, fd: impl AsFd, name: u64, wanted: bool) {
        let room = if wanted { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
        let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, name);
        if let Err(error) = self.epoll().modify(fd, &mut event) {
            tracing::warn!(%error, "a socket cannot be watched");
        }
    }

    /// Watches `fd` no more.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        // Nothing is to be done about a descriptor that epoll does not know.
        let _ = self.epoll().delete(fd);
    }

    /// Appends what is ready to `events`; pending while nothing is.
    pub(crate) fn poll(
        &self,
        cx: &mut Context<'_>,
        events: &mut VecDeque<EpollEvent>,
    ) -> Poll<io::Result<Told<'_>>> {
        loop {
            let mut told = ready!(self.poll_woken(cx))?;
            match told.look(self, events) {
                Ok(0) => told.guard.clear_ready(),
                Ok(_) => return Poll::Ready(Ok(told)),
                Err(Errno::EINTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Pending until something may be ready: for who knows where to look.
    pub(crate) fn poll_woken(&self, cx: &mut Context<'_>) -> Poll<io::Result<Told<'_>>> {
        let guard = ready!(self.0.poll_read_ready(cx))?;
        Poll::Ready(Ok(Told { guard, is_all: true }))
    }
}

/// What was ready when it was looked at.
pub(crate) struct Told<'a> {
    guard: AsyncFdReadyGuard<'a, Owned>,
    /// Whether there was nothing more.
    is_all: bool,
}

impl Told<'_> {
    fn look(&mut self, watch: &Watch, events: &mut VecDeque<EpollEvent>) -> Result<usize, Errno> {
        let mut told = [EpollEvent::empty(); EVENTS];
        let count = watch.epoll().wait(&mut told, EpollTimeout::ZERO)?;
        events.extend(&told[..count]);
        self.is_all = count < EVENTS;
        Ok(count)
    }

    /// All that was ready has been read to its end. What came since then wakes again, so that epoll need not be
    /// asked once more only to say that there is nothing.
    pub(crate) fn dealt_with(mut self) {
        if self.is_all {
            self.guard.clear_ready();
        }
    }
}
