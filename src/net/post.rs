//! What a UDP socket and the actor behind it share: datagrams both ways, and who waits for them.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::Notify;

/// A datagram and whom it is from or for.
pub(super) type Letter = (SocketAddr, Bytes);

/// The shared state of one socket.
#[derive(Default)]
pub(super) struct Post {
    state: Mutex<State>,
    /// Wakes those who wait for a datagram, or for the socket to be bound.
    pub(super) reading: Notify,
    /// Wakes those who wait for room.
    pub(super) writing: Notify,
}

#[derive(Default)]
struct State {
    bound: Bound,
    /// The only one who is heard, if the socket is connected.
    peer: Option<SocketAddr>,
    inbox: Tray,
    outbox: Tray,
    /// Told to the next who asks for anything.
    error: Option<io::Error>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    is_touched: bool,
    is_left: bool,
    /// Datagrams that came while there was no room for them.
    lost: u64,
}

#[derive(Default)]
enum Bound {
    #[default]
    NotYet,
    To(SocketAddr),
    Not,
}

/// Datagrams in their order, as many as there is room for.
#[derive(Default)]
struct Tray {
    letters: VecDeque<Letter>,
    octets: usize,
}

/// What a tray holds at most: what Linux gives a socket, about.
const MOST_OCTETS: usize = 256 * 1024;
const MOST_LETTERS: usize = 1024;

impl Tray {
    /// An empty tray takes any datagram.
    fn has_room(&self, octets: usize) -> bool {
        self.letters.is_empty()
            || self.letters.len() < MOST_LETTERS && self.octets + octets <= MOST_OCTETS
    }

    fn put(&mut self, letter: Letter) {
        self.octets += letter.1.len();
        self.letters.push_back(letter);
    }

    fn take(&mut self) -> Option<Letter> {
        let letter = self.letters.pop_front()?;
        self.octets -= letter.1.len();
        Some(letter)
    }
}

impl State {
    fn is_gone(&self) -> bool {
        matches!(self.bound, Bound::Not)
    }

    fn failure(&mut self) -> Option<io::Error> {
        self.error.take().or_else(|| self.is_gone().then(gone))
    }

    fn is_readable(&self) -> bool {
        !self.inbox.letters.is_empty() || self.error.is_some() || self.is_gone()
    }

    fn is_writable(&self) -> bool {
        self.outbox.has_room(1) || self.error.is_some() || self.is_gone()
    }
}

/// The application's side.
impl Post {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn try_bound(&self) -> Option<io::Result<SocketAddr>> {
        let mut state = self.lock();
        match state.bound {
            Bound::NotYet => None,
            Bound::To(address) => Some(Ok(address)),
            Bound::Not => Some(Err(state.failure().unwrap_or_else(gone))),
        }
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.lock().peer
    }

    /// From now on only `peer` is heard; what came from others is forgotten.
    pub(super) fn connect(&self, peer: SocketAddr) {
        let mut state = self.lock();
        state.peer = Some(peer);
        let inbox = mem::take(&mut state.inbox);
        for letter in inbox.letters {
            if letter.0 == peer {
                state.inbox.put(letter);
            }
        }
    }

    /// The next datagram; nothing while there is none.
    pub(super) fn try_receive(&self) -> Option<io::Result<Letter>> {
        let mut state = self.lock();
        state.inbox.take().map(Ok).or_else(|| state.failure().map(Err))
    }

    /// Shows the next datagram.
    pub(super) fn try_peek(&self) -> Option<io::Result<Letter>> {
        let mut state = self.lock();
        let next = state.inbox.letters.front().cloned();
        next.map(Ok).or_else(|| state.failure().map(Err))
    }

    /// Posts a datagram, and tells whether the actor must be told; nothing while there is no room.
    pub(super) fn try_send(&self, letter: &mut Option<Letter>) -> Option<io::Result<bool>> {
        let mut state = self.lock();
        if let Some(error) = state.failure() {
            return Some(Err(error));
        }
        let octets = letter.as_ref().map_or(0, |letter| letter.1.len());
        if !state.outbox.has_room(octets) {
            return None;
        }
        letter.take().into_iter().for_each(|letter| state.outbox.put(letter));
        Some(Ok(!mem::replace(&mut state.is_touched, true)))
    }

    pub(super) fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_readable() {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Lets `cx` be woken when the actor takes what is to be sent, or there will be no need to wait.
    pub(super) fn wake_when_sent(&self, cx: &Context<'_>) {
        self.lock().writer = Some(cx.waker().clone());
    }

    pub(super) fn is_readable(&self) -> bool {
        self.lock().is_readable()
    }

    pub(super) fn is_writable(&self) -> bool {
        self.lock().is_writable()
    }

    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.lock().error.take()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    pub(super) fn leave(&self) {
        self.lock().is_left = true;
    }
}

/// The actor's side.
impl Post {
    /// What shall be sent, and whether the application has gone.
    pub(super) fn collect(&self) -> (VecDeque<Letter>, bool) {
        let mut state = self.lock();
        state.is_touched = false;
        let outbox = mem::take(&mut state.outbox);
        let (is_left, writer) = (state.is_left, state.writer.take());
        drop(state);
        self.writing.notify_waiters();
        writer.into_iter().for_each(Waker::wake);
        (outbox.letters, is_left)
    }

    pub(super) fn bound(&self, to: SocketAddr) {
        self.lock().bound = Bound::To(to);
        self.reading.notify_waiters();
    }

    pub(super) fn arrived(&self, letter: Letter) {
        let mut state = self.lock();
        if state.peer.is_some_and(|peer| peer != letter.0) {
            return;
        }
        if !state.inbox.has_room(letter.1.len()) {
            state.lost += 1;
            return;
        }
        state.inbox.put(letter);
        self.wake_reader(state);
    }

    /// A datagram did not reach the peer. Who is not connected is not told, as on Linux: it could not know
    /// which one.
    pub(super) fn unreached(&self, remote: SocketAddr, error: io::Error) {
        let mut state = self.lock();
        if state.peer == Some(remote) {
            state.error = Some(error);
            self.wake_reader(state);
        }
    }

    /// The socket is not bound, or no longer.
    pub(super) fn unbound(&self, error: Option<io::Error>) {
        let mut state = self.lock();
        if state.is_gone() {
            return;
        }
        state.bound = Bound::Not;
        state.error = error;
        let writer = state.writer.take();
        self.wake_reader(state);
        self.writing.notify_waiters();
        writer.into_iter().for_each(Waker::wake);
    }

    fn wake_reader(&self, mut state: MutexGuard<'_, State>) {
        let reader = state.reader.take();
        drop(state);
        self.reading.notify_waiters();
        reader.into_iter().for_each(Waker::wake);
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NetworkDown, "the stack has been shut down")
}
