//! What a listener and the actor behind it share: whether it listens, and who waits to be accepted.

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::course::Ends;
use crate::stack::StackError;
use crate::stack::touch::FaceId;

/// A connection that waits to be accepted; it has a user already, who shares a pipe `P` with the application.
pub(super) struct Waiting<P> {
    pub(super) ends: Ends,
    pub(super) pipe: Arc<P>,
    pub(super) face: FaceId,
}

/// The shared state of one listener, whose errors are `E`.
pub(super) struct Door<P, E> {
    state: Mutex<State<P, E>>,
    /// Wakes those who wait for the listener to be bound, or for a connection.
    pub(super) news: Notify,
}

struct State<P, E> {
    bound: Bound<E>,
    waiting: VecDeque<Waiting<P>>,
    acceptor: Option<Waker>,
    /// The application has gone.
    is_left: bool,
    /// A connection was taken, and the actor has not heard of it.
    is_touched: bool,
}

enum Bound<E> {
    NotYet,
    To(SocketAddr),
    /// It never was, or is no longer; the error is told once.
    Not(Option<E>),
}

impl<P, E> Default for Door<P, E> {
    fn default() -> Self {
        let state = State {
            bound: Bound::NotYet,
            waiting: VecDeque::new(),
            acceptor: None,
            is_left: false,
            is_touched: false,
        };
        Self { state: Mutex::new(state), news: Notify::new() }
    }
}

/// Asked again, a listener that is no more says that its stack is gone.
impl<P, E: From<StackError>> Door<P, E> {
    fn lock(&self) -> MutexGuard<'_, State<P, E>> {
        // Nothing in a critical section here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address, or why there is none; nothing as long as that is not known.
    pub(super) fn try_bound(&self) -> Option<Result<SocketAddr, E>> {
        match &mut self.lock().bound {
            Bound::NotYet => None,
            Bound::To(address) => Some(Ok(*address)),
            Bound::Not(error) => Some(Err(error.take().unwrap_or_else(|| StackError::Gone.into()))),
        }
    }

    /// The next connection and whether the actor should hear that it was taken, or an error when there
    /// will be none; nothing while none waits.
    pub(super) fn try_accept(&self) -> Option<(Result<Waiting<P>, E>, bool)> {
        let mut state = self.lock();
        if let Some(waiting) = state.waiting.pop_front() {
            let tell = !mem::replace(&mut state.is_touched, true);
            return Some((Ok(waiting), tell));
        }
        matches!(state.bound, Bound::Not(_)).then(|| (Err(StackError::Gone.into()), false))
    }

    /// Like [`try_accept`](Self::try_accept), but lets `cx` be woken if there is none.
    pub(super) fn poll_accept(&self, cx: &Context<'_>) -> Poll<(Result<Waiting<P>, E>, bool)> {
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

    /// Whether the application has gone.
    pub(super) fn is_left(&self) -> bool {
        self.lock().is_left
    }

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
    pub(super) fn unbound(&self, error: E) {
        let mut state = self.lock();
        if !matches!(state.bound, Bound::Not(_)) {
            state.bound = Bound::Not(Some(error));
        }
        let acceptor = state.acceptor.take();
        drop(state);
        self.wake(acceptor);
    }

    pub(super) fn came(&self, waiting: Waiting<P>) {
        let mut state = self.lock();
        state.waiting.push_back(waiting);
        let acceptor = state.acceptor.take();
        drop(state);
        self.wake(acceptor);
    }

    /// Those who will not be accepted.
    pub(super) fn take_waiting(&self) -> VecDeque<Waiting<P>> {
        mem::take(&mut self.lock().waiting)
    }

    fn wake(&self, acceptor: Option<Waker>) {
        self.news.notify_waiters();
        if let Some(acceptor) = acceptor {
            acceptor.wake();
        }
    }
}
