//! What the world asks of a stack: commands from any thread, and one wake-up for as many as there are.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::oneshot;

use super::StackError;
use super::host::Inside;
use super::touch::FaceId;

/// A command to the host of a stack.
pub(crate) enum Command {
    /// The application has done something with this end: tell the actor behind it.
    Touch(FaceId),
    /// Call this between turns.
    Call(Box<dyn FnOnce(&mut Inside) + Send>),
    /// End, in order if that is done within `grace`; then say so.
    ShutDown { grace: Duration, done: Option<oneshot::Sender<()>> },
}

/// Commands on their way to the host.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<State>);

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    /// Wakes the host; taken by the first command since it last looked.
    host: Option<Waker>,
    is_closed: bool,
}

/// The most commands that wait when one more call comes. Callers mostly wait for their calls, so only who
/// does not can reach it; touches are let in, for each end has one under way at most.
const MOST: usize = 64 * 1024;

impl Mailbox {
    /// Hands a command to the host.
    ///
    /// # Errors
    ///
    /// If the host has ended, or too many commands wait.
    pub(crate) fn push(&self, command: Command) -> Result<(), StackError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(StackError::Gone);
        }
        if matches!(command, Command::Call(_)) && state.commands.len() >= MOST {
            return Err(StackError::Busy);
        }
        state.commands.push(command);
        let host = state.host.take();
        drop(state);
        if let Some(host) = host {
            host.wake();
        }
        Ok(())
    }

    /// Takes no further commands, and forgets those that wait: their callers are told.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let forgotten = std::mem::take(&mut state.commands);
        drop(state);
        drop(forgotten);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host's end: all the commands since the last time, as one item.
pub(super) struct Commands(pub(super) Arc<Mailbox>);

impl Stream for Commands {
    type Item = Vec<Command>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock();
        if state.commands.is_empty() {
            if !state.host.as_ref().is_some_and(|host| host.will_wake(cx.waker())) {
                state.host = Some(cx.waker().clone());
            }
            Poll::Pending
        } else {
            Poll::Ready(Some(std::mem::take(&mut state.commands)))
        }
    }
}
