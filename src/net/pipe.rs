//! What an application and the actor of its connection share: octets both ways, and who waits for them.
//!
//! The application's side takes and gives octets under a lock held for a copy, on any thread. What it
//! did, the actor learns by one touch for as much as there is; what the actor did wakes each waiting
//! task once.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use netmart_actors::message::Chunks;
use netmart_proto::tcp;
use tokio::sync::Notify;

use super::course::{Course, Ends, Leave, Phase, Tell, Wishes};
use super::hold::Shared;

/// The shared state of one connection.
pub(super) struct Pipe {
    state: Mutex<State>,
    /// Wakes those who wait for the stream to be readable, connected or refused.
    pub(super) reading: Notify,
    /// Wakes those who wait for it to be writable.
    pub(super) writing: Notify,
    /// How many octets of the peer's may wait in here.
    pub(super) window: usize,
}

#[derive(Default)]
struct State {
    course: Course<Box<tcp::Info>>,
    received: VecDeque<Bytes>,
    /// Octets in `received`.
    unread: usize,
    /// How many octets are to be read until the end of urgent data.
    urgent: usize,
    /// The peer's stream is over, or we do not want to hear of it.
    at_end: bool,
    /// Told to the first who reads or writes.
    error: Option<io::Error>,
    /// Octets that the actor may still take off our hands.
    room: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Octets written that the actor has not taken over.
    written: BytesMut,
    /// How many of them lie before the end of urgent data.
    urgent_written: usize,
    nodelay: bool,
    /// What is to be set anew.
    new_nodelay: Option<bool>,
    new_congestion: Option<tcp::CongestionControl>,
}

/// What the application has written, and set.
pub(super) struct Written {
    pub(super) octets: Bytes,
    /// How many of the octets lie before the end of urgent data.
    pub(super) urgent: usize,
    pub(super) nodelay: Option<bool>,
    pub(super) congestion: Option<tcp::CongestionControl>,
}

impl State {
    fn is_readable(&self) -> bool {
        self.unread > 0 || self.at_end || self.error.is_some()
    }

    fn is_writable(&self) -> bool {
        self.room > 0 || self.error.is_some() || self.course.is_write_closed()
    }

    /// Copies octets to `buffer` as far as they go, and leaves them where they are.
    fn copy_to(&self, buffer: &mut dyn FnMut(&[u8]) -> usize) -> usize {
        let mut copied = 0;
        for chunk in &self.received {
            let taken = buffer(chunk);
            copied += taken;
            if taken < chunk.len() {
                break;
            }
        }
        copied
    }

    fn consume(&mut self, mut octets: usize, window: usize) -> Tell {
        self.unread -= octets;
        self.urgent = self.urgent.saturating_sub(octets);
        let tell = self.course.consume(octets, window);
        while let Some(front) = self.received.front_mut() {
            if octets < front.len() {
                front.advance(octets);
                break;
            }
            octets -= front.len();
            self.received.pop_front();
        }
        tell
    }

    fn read(&mut self, buffer: &mut dyn FnMut(&[u8]) -> usize) -> Option<io::Result<usize>> {
        if self.unread > 0 {
            return Some(Ok(self.copy_to(buffer)));
        }
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        self.at_end.then_some(Ok(0))
    }

    fn write(&mut self, pieces: &mut dyn Iterator<Item = &[u8]>) -> Option<io::Result<usize>> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        if self.course.is_write_closed() {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut written = 0;
        let mut is_empty = true;
        for piece in pieces {
            is_empty &= piece.is_empty();
            let taken = piece.len().min(self.room);
            self.written.extend_from_slice(&piece[..taken]);
            self.room -= taken;
            written += taken;
        }
        (written > 0 || is_empty).then_some(Ok(written))
    }
}

/// The application's side.
impl Pipe {
    pub(super) fn new(window: usize) -> Self {
        Self { state: Mutex::default(), reading: Notify::new(), writing: Notify::new(), window }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section here can panic half-way but an application's buffer, which
        // leaves the state as it was.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands received octets to `buffer`, which says how many it took; nothing while there are none.
    pub(super) fn try_read(
        &self,
        buffer: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Option<(io::Result<usize>, Tell)> {
        let mut state = self.lock();
        let result = state.read(buffer)?;
        let tell = match result {
            Ok(octets) if octets > 0 => state.consume(octets, self.window),
            _ => Tell::Nobody,
        };
        Some((result, tell))
    }

    /// Like [`try_read`](Self::try_read), but lets `cx` be woken if there is nothing.
    pub(super) fn poll_read(
        &self,
        cx: &Context<'_>,
        buffer: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<(io::Result<usize>, Tell)> {
        if let Some(done) = self.try_read(buffer) {
            return Poll::Ready(done);
        }
        if self.poll_read_ready(cx).is_pending() {
            return Poll::Pending;
        }
        // It came in between.
        self.try_read(buffer).map_or(Poll::Pending, Poll::Ready)
    }

    /// Shows received octets without taking them.
    pub(super) fn peek(&self, buffer: &mut dyn FnMut(&[u8]) -> usize) -> Option<io::Result<usize>> {
        self.lock().read(buffer)
    }

    pub(super) fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_readable() {
            return Poll::Ready(());
        }
        register(&mut state.reader, cx);
        Poll::Pending
    }

    pub(super) fn is_readable(&self) -> bool {
        self.lock().is_readable()
    }

    pub(super) fn is_writable(&self) -> bool {
        self.lock().is_writable()
    }

    /// Whether the peer's stream is over, though there may be some of it left to read.
    pub(super) fn is_read_closed(&self) -> bool {
        self.lock().at_end
    }

    pub(super) fn is_write_closed(&self) -> bool {
        self.lock().course.is_write_closed()
    }

    /// Takes octets over as far as there is room; nothing while there is none.
    pub(super) fn try_write(
        &self,
        pieces: &mut dyn Iterator<Item = &[u8]>,
    ) -> Option<(io::Result<usize>, Tell)> {
        let mut state = self.lock();
        let result = state.write(pieces)?;
        let tell = match result {
            Ok(octets) if octets > 0 => state.course.touch(),
            _ => Tell::Nobody,
        };
        Some((result, tell))
    }

    /// Like [`try_write`](Self::try_write), and calls all that was written so far urgent.
    pub(super) fn try_write_urgent(&self, piece: &[u8]) -> Option<(io::Result<usize>, Tell)> {
        let mut state = self.lock();
        let result = state.write(&mut std::iter::once(piece))?;
        let mut tell = Tell::Nobody;
        if matches!(result, Ok(octets) if octets > 0) {
            state.urgent_written = state.written.len();
            tell = state.course.touch();
        }
        Some((result, tell))
    }

    pub(super) fn urgent_remaining(&self) -> usize {
        self.lock().urgent
    }

    pub(super) fn poll_write_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_writable() {
            return Poll::Ready(());
        }
        register(&mut state.writer, cx);
        Poll::Pending
    }

    /// No more octets will be written.
    pub(super) fn shut_down(&self) -> Tell {
        let mut state = self.lock();
        let Some(tell) = state.course.shut_down() else { return Tell::Nobody };
        let writer = state.writer.take();
        drop(state);
        self.wake([writer], [&self.writing]);
        tell
    }

    pub(super) fn nodelay(&self) -> bool {
        self.lock().nodelay
    }

    pub(super) fn set_nodelay(&self, nodelay: bool) -> Tell {
        let mut state = self.lock();
        state.nodelay = nodelay;
        state.new_nodelay = Some(nodelay);
        state.course.touch()
    }

    pub(super) fn set_congestion(&self, control: tcp::CongestionControl) -> Tell {
        let mut state = self.lock();
        state.new_congestion = Some(control);
        state.course.touch()
    }

    /// Asks how the connection does. The number is for [`try_info`](Self::try_info).
    pub(super) fn inquire(&self) -> (u32, Tell) {
        self.lock().course.inquire()
    }

    /// The answer to that inquiry, once it is there; an error when none will come.
    pub(super) fn try_info(&self, inquiry: u32) -> Option<io::Result<tcp::Info>> {
        let course = &self.lock().course;
        match course.answer(inquiry) {
            Some(info) => Some(Ok((**info).clone())),
            None => course.is_over().then(|| Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// The error that waits to be told, if there is one.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.lock().error.take()
    }

    /// The addresses, once the connection is established; an error when it has failed.
    pub(super) fn try_connected(&self) -> Option<io::Result<Ends>> {
        let mut state = self.lock();
        match state.course.phase() {
            Phase::Dialing => None,
            Phase::Established(ends) | Phase::Over(Some(ends)) => Some(Ok(ends)),
            Phase::Over(None) => {
                let error = state.error.take();
                Some(Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into())))
            }
        }
    }

    fn wake<const N: usize>(&self, wakers: [Option<Waker>; N], waiting: [&Notify; N]) {
        waiting.into_iter().for_each(Notify::notify_waiters);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Shared for Pipe {
    fn accepted(&self) -> Tell {
        self.lock().course.accepted()
    }

    fn leave(&self, wish: Leave) -> Tell {
        let mut state = self.lock();
        let has_unread = state.unread > 0;
        state.course.leave(wish, has_unread)
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

/// The actor's side.
impl Pipe {
    /// What the application has written, and what else it asks for; from now on another touch is needed.
    pub(super) fn take_asked(&self) -> (Written, Wishes) {
        let mut state = self.lock();
        let written = Written {
            octets: state.written.split().freeze(),
            urgent: mem::take(&mut state.urgent_written),
            nodelay: state.new_nodelay.take(),
            congestion: state.new_congestion.take(),
        };
        (written, state.course.take_wishes())
    }

    pub(super) fn established(&self, ends: Ends) {
        if self.lock().course.establish(ends) {
            self.reading.notify_waiters();
        }
    }

    pub(super) fn arrived(&self, chunks: Chunks) {
        let mut state = self.lock();
        for chunk in chunks {
            state.unread += chunk.len();
            state.received.push_back(chunk);
        }
        let reader = state.reader.take();
        drop(state);
        self.wake([reader], [&self.reading]);
    }

    /// Urgent data ends `octets` after those that have arrived.
    pub(super) fn urgent_arrived(&self, octets: u32) {
        let mut state = self.lock();
        state.urgent = state.unread + octets as usize;
        drop(state);
        self.reading.notify_waiters();
    }

    /// How the connection does.
    pub(super) fn informed(&self, info: Box<tcp::Info>) {
        self.lock().course.informed(info);
        self.reading.notify_waiters();
    }

    /// `room` octets may be written, those among them that wait in here.
    pub(super) fn has_room(&self, room: usize) {
        let mut state = self.lock();
        state.room = room.saturating_sub(state.written.len());
        let writer = if state.room > 0 { state.writer.take() } else { None };
        drop(state);
        self.wake([writer], [&self.writing]);
    }

    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.at_end = true;
        let reader = state.reader.take();
        drop(state);
        self.wake([reader], [&self.reading]);
    }

    /// The connection is over; `error` is told once.
    pub(super) fn closed(&self, error: Option<io::Error>) {
        let mut state = self.lock();
        if !state.course.end() {
            return;
        }
        // Who has heard the peer out cannot miss anything.
        state.error = error.filter(|_| !state.at_end);
        state.at_end = true;
        state.room = 0;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        self.wake(wakers, [&self.reading, &self.writing]);
    }
}
