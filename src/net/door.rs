//! What a listener and the actor behind it share: whether it listens, and who waits to be accepted.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::pipe::{Ends, Pipe};
use crate::stack::touch::FaceId;

/// A connection that waits to be accepted; it has a user already.
pub(super) struct Waiting {
    pub(super) ends: Ends,
    pub(super) pipe: Arc<Pipe>,
    pub(super) face: FaceId,
}

/// The shared state of one listener.
#[derive(Default)]
pub(super) struct Door {
    state: Mutex<State>,
    /// Wakes those who wait for the listener to be bound, or for a connection.
    pub(super) news: Notify,
}

#[derive(Default)]
struct State {
    bound: Bound,
    waiting: VecDeque<Waiting>,
    acceptor: Option<Waker>,
    /// The application has gone.
    is_left: bool,
    /// A connection was taken, and the actor has not heard of it.
    is_touched: bool,
}

#[derive(Default)]
enum Bound {
    #[default]
    NotYet,
    To(SocketAddr),
    /// It never was, or is no longer; the error is told once.
    Not(Option<io::Error>),
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address, or why there is none; nothing as long as that is not known.
    pub(super) fn try_bound(&self) -> Option<io::Result<SocketAddr>> {
        match &mut self.lock().bound {
            Bound::NotYet => None,
            Bound::To(address) => Some(Ok(*address)),
            Bound::Not(error) => Some(Err(error.take().unwrap_or_else(gone))),
        }
    }

    /// The next connection and whether the actor should hear that it was taken, or an error when there
    /// will be none; nothing while none waits.
    pub(super) fn try_accept(&self) -> Option<(io::Result<Waiting>, bool)> {
        let mut state = self.lock();
        if let Some(waiting) = state.waiting.pop_front() {
            let tell = !mem::replace(&mut state.is_touched, true);
            return Some((Ok(waiting), tell));
        }
        matches!(state.bound, Bound::Not(_)).then(|| (Err(gone()), false))
    }

    /// Like [`try_accept`](Self::try_accept), but lets `cx` be woken if there is none.
    pub(super) fn poll_accept(&self, cx: &Context<'_>) -> Poll<(io::Result<Waiting>, bool)> {
        if let Some(done) = self.try_accept() {
            return Poll::Ready(done);
        }
        self.lock().acceptor = Some(cx.waker().clone());
        // One may have come before the waker was there.
        self.try_accept().map_or(Poll::Pending, Poll::Ready)
    }

    /// The application goes; whoever still waits is left to the actor.
    pub(super) fn leave(&self) {
        self.lock().is_left = true;
    }

    // The actor's side.

    /// Whether the application has gone, and how many connections wait.
    pub(super) fn look(&self) -> (bool, usize) {
        let mut state = self.lock();
        state.is_touched = false;
        (state.is_left, state.waiting.len())
    }

    pub(super) fn bound(&self, to: SocketAddr) {
        let mut state = self.lock();
        if matches!(state.bound, Bound::NotYet) {
            state.bound = Bound::To(to);
            drop(state);
            self.news.notify_waiters();
        }
    }

    /// It cannot be bound, or no longer.
    pub(super) fn unbound(&self, error: io::Error) {
        let mut state = self.lock();
        if !matches!(state.bound, Bound::Not(_)) {
            state.bound = Bound::Not(Some(error));
        }
        let acceptor = state.acceptor.take();
        drop(state);
        self.wake(acceptor);
    }

    pub(super) fn came(&self, waiting: Waiting) {
        let mut state = self.lock();
        state.waiting.push_back(waiting);
        let acceptor = state.acceptor.take();
        drop(state);
        self.wake(acceptor);
    }

    /// Those who will not be accepted.
    pub(super) fn take_waiting(&self) -> VecDeque<Waiting> {
        mem::take(&mut self.lock().waiting)
    }

    fn wake(&self, acceptor: Option<Waker>) {
        self.news.notify_waiters();
        if let Some(acceptor) = acceptor {
            acceptor.wake();
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NetworkDown, "nothing listens any more")
}
