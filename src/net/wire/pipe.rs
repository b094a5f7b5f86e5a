//! What an application and the actor of its connection share: chunks both ways, and who waits for them.
//!
//! As with [the pipe of TCP](crate::net::pipe), the application takes and gives under a short lock on any
//! thread, one touch tells the actor of as much as there is, and what the actor did wakes each waiting task once.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netmart_proto::wires::{Chunk, Info, WriteError};
use tokio::sync::Notify;

use super::WireError;
use crate::net::course::{Course, Ends, Leave, Phase, Tell, Wishes};
use crate::net::hold::Shared;

/// Chunks written that may wait for the actor, however small they are.
const MOST_WRITTEN: usize = 1024;

/// The shared state of one connection.
pub(super) struct Pipe {
    state: Mutex<State>,
    /// Wakes those who wait to read, for the handshake, for the end or for an answer.
    pub(super) reading: Notify,
    /// Wakes those who wait to write.
    pub(super) writing: Notify,
    /// How many octets of the peer's may wait in here.
    pub(super) window: usize,
}

#[derive(Default)]
struct State {
    course: Course<Info>,
    received: VecDeque<Chunk>,
    /// What `received` has cost of credit.
    unread: usize,
    /// The peer has closed in order, or we do not want to hear of it.
    at_end: bool,
    /// Why the connection is over, if not in order.
    failure: Option<WireError>,
    /// Octets that the actor may still take off our hands.
    room: usize,
    /// Chunks written that the actor has not taken over.
    written: Vec<Chunk>,
    /// The application reads no more.
    is_deaf: bool,
}

/// What a chunk costs of the credit that lets it come or go.
fn cost(chunk: &Chunk) -> usize {
    chunk.data.len().max(1)
}

impl State {
    /// Credit has been used up.
    fn consume(&mut self, credit: usize, window: usize) -> Tell {
        self.unread -= credit;
        self.course.consume(credit, window)
    }

    fn write(&mut self, chunk: &mut Option<Chunk>) -> Option<Result<(), WireError>> {
        if let Some(failure) = &self.failure {
            return Some(Err(failure.clone()));
        }
        if self.course.is_write_closed() {
            return Some(Err(WireError::Write(WriteError::Closed)));
        }
        if self.room == 0 || self.written.len() >= MOST_WRITTEN {
            return None;
        }
        let chunk = chunk.take()?;
        self.room = self.room.saturating_sub(cost(&chunk));
        self.written.push(chunk);
        Some(Ok(()))
    }
}

/// The application's side.
impl Pipe {
    pub(super) fn new(window: usize) -> Self {
        Self { state: Mutex::default(), reading: Notify::new(), writing: Notify::new(), window }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses, once the connection is established; an error when it has failed.
    pub(super) fn try_connected(&self) -> Option<Result<Ends, WireError>> {
        let state = self.lock();
        match state.course.phase() {
            Phase::Dialing => None,
            Phase::Established(ends) | Phase::Over(Some(ends)) => Some(Ok(ends)),
            Phase::Over(None) => Some(Err(state.failure.clone().unwrap_or(WireError::Lost))),
        }
    }

    /// The next chunk, or nothing at the end; waits to be asked again while there is neither.
    pub(super) fn try_read(&self) -> Option<(Result<Option<Chunk>, WireError>, Tell)> {
        let mut state = self.lock();
        if let Some(chunk) = state.received.pop_front() {
            let tell = state.consume(cost(&chunk), self.window);
            return Some((Ok(Some(chunk)), tell));
        }
        let result = match &state.failure {
            _ if state.at_end || state.is_deaf => Ok(None),
            Some(failure) => Err(failure.clone()),
            None if state.course.is_over() => Ok(None),
            None => return None,
        };
        Some((result, Tell::Nobody))
    }

    /// Whether [`try_read`](Self::try_read) would give something; waits to be asked again while it would not.
    pub(super) fn try_readable(&self) -> Option<()> {
        let state = self.lock();
        let is_readable =
            !state.received.is_empty() || state.at_end || state.is_deaf || state.course.is_over();
        is_readable.then_some(())
    }

    /// Takes a chunk over; nothing while there is no room.
    pub(super) fn try_write(
        &self,
        chunk: &mut Option<Chunk>,
    ) -> Option<(Result<(), WireError>, Tell)> {
        let mut state = self.lock();
        let result = state.write(chunk)?;
        let tell = if result.is_ok() { state.course.touch() } else { Tell::Nobody };
        Some((result, tell))
    }

    /// No more will be written.
    pub(super) fn shut_down(&self) -> Tell {
        let mut state = self.lock();
        let Some(tell) = state.course.shut_down() else { return Tell::Nobody };
        drop(state);
        self.writing.notify_waiters();
        tell
    }

    /// No more will be read: what has come and what still comes is thrown away.
    pub(super) fn deafen(&self) -> Tell {
        let mut state = self.lock();
        state.is_deaf = true;
        state.received.clear();
        let unread = state.unread;
        let tell = state.consume(unread, self.window);
        drop(state);
        self.reading.notify_waiters();
        tell
    }

    /// How the connection has ended, once it has.
    pub(super) fn try_closed(&self) -> Option<Result<Info, WireError>> {
        let state = self.lock();
        if !state.course.is_over() {
            return None;
        }
        let info = state.course.last_answer().cloned();
        Some(state.failure.clone().map_or_else(|| info.ok_or(WireError::Lost), Err))
    }

    /// Asks how the connection does. The number is for [`try_info`](Self::try_info).
    pub(super) fn inquire(&self) -> (u32, Tell) {
        self.lock().course.inquire()
    }

    /// The answer to that inquiry, or the last word of a connection that is over.
    pub(super) fn try_info(&self, inquiry: u32) -> Option<Result<Info, WireError>> {
        let state = self.lock();
        let course = &state.course;
        if !course.is_over() {
            return course.answer(inquiry).cloned().map(Ok);
        }
        let failure = || state.failure.clone().unwrap_or(WireError::Lost);
        Some(course.last_answer().cloned().ok_or_else(failure))
    }
}

impl Shared for Pipe {
    fn accepted(&self) -> Tell {
        self.lock().course.accepted()
    }

    fn leave(&self, wish: Leave) -> Tell {
        let mut state = self.lock();
        let has_unread = !state.received.is_empty();
        state.course.leave(wish, has_unread)
    }
}

/// The actor's side.
impl Pipe {
    /// What the application has written, and what else it asks for; from now on another touch is needed.
    pub(super) fn take_asked(&self) -> (Vec<Chunk>, Wishes) {
        let mut state = self.lock();
        let (written, wishes) = (mem::take(&mut state.written), state.course.take_wishes());
        drop(state);
        if written.len() >= MOST_WRITTEN {
            // Their number kept somebody waiting, not their octets: no credit will tell.
            self.writing.notify_waiters();
        }
        (written, wishes)
    }

    pub(super) fn established(&self, ends: Ends) {
        if self.lock().course.establish(ends) {
            self.reading.notify_waiters();
        }
    }

    /// Chunks have come. Gives back the credit of those that nobody wants.
    pub(super) fn arrived(&self, chunks: impl IntoIterator<Item = Chunk>) -> usize {
        let mut state = self.lock();
        if state.is_deaf {
            return chunks.into_iter().map(|chunk| cost(&chunk)).sum();
        }
        for chunk in chunks {
            state.unread += cost(&chunk);
            state.received.push_back(chunk);
        }
        drop(state);
        self.reading.notify_waiters();
        0
    }

    /// How the connection does.
    pub(super) fn informed(&self, info: Info) {
        self.lock().course.informed(info);
        self.reading.notify_waiters();
    }

    /// `room` octets may be written, those among them that wait in here.
    pub(super) fn has_room(&self, room: usize) {
        let mut state = self.lock();
        let waiting = state.written.iter().map(cost).sum();
        state.room = room.saturating_sub(waiting);
        let has_room = state.room > 0;
        drop(state);
        if has_room {
            self.writing.notify_waiters();
        }
    }

    /// The peer has closed in order.
    pub(super) fn ended(&self) {
        self.lock().at_end = true;
        self.reading.notify_waiters();
    }

    /// The connection is over.
    pub(super) fn closed(&self, failure: Option<WireError>) {
        let mut state = self.lock();
        if !state.course.end() {
            return;
        }
        state.failure = failure;
        state.room = 0;
        drop(state);
        self.reading.notify_waiters();
        self.writing.notify_waiters();
    }
}
