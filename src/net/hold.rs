//! An application's hold on a connection or a listener: whoever drops it leaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use netmart_actors::address::Listener;

use super::course::{Ends, Leave, Tell};
use super::door::{Door, Waiting};
use super::wait::until;
use crate::stack::touch::FaceId;
use crate::stack::{Command, Stack, StackError};

/// What an application shares with the actor of its connection.
pub(super) trait Shared {
    /// The application took the connection from its listener.
    fn accepted(&self) -> Tell;

    /// The application goes away.
    fn leave(&self, wish: Leave) -> Tell;
}

/// The application's hold on a connection.
pub(super) struct Hold<P: Shared> {
    pub(super) pipe: Arc<P>,
    stack: Stack,
    face: FaceId,
    /// How it leaves.
    pub(super) leave: Leave,
}

impl<P: Shared> Hold<P> {
    pub(super) const fn new(pipe: Arc<P>, stack: Stack, face: FaceId) -> Self {
        Self { pipe, stack, face, leave: Leave::InOrder }
    }

    pub(super) fn tell(&self, tell: Tell) {
        if tell == Tell::Actor {
            // If the stack is gone, the pipe knows.
            let _ = self.stack.push(Command::Touch(self.face));
        }
    }

    pub(super) fn told<T>(&self, (result, tell): (T, Tell)) -> T {
        self.tell(tell);
        result
    }
}

impl<P: Shared> Drop for Hold<P> {
    fn drop(&mut self) {
        self.tell(self.pipe.leave(self.leave));
    }
}

/// The application's hold on a listener.
pub(super) struct ListenerHold<P: Shared, E: From<StackError>> {
    pub(super) door: Arc<Door<P, E>>,
    pub(super) face: FaceId,
    stack: Stack,
}

impl<P: Shared, E: From<StackError>> ListenerHold<P, E> {
    /// The hold on a listener of `stack` that is still to be made.
    pub(super) fn new(stack: &Stack) -> Self {
        Self { door: Arc::default(), face: stack.fresh_face(), stack: stack.clone() }
    }

    /// The listener's name. Two of the same name would share their connections, so each gets a tag of its own.
    pub(super) fn listener(&self, address: SocketAddr) -> Listener {
        Listener { tag: self.face.0 as u32, ..Listener::at(address) }
    }

    /// Waits until the listener is bound, or cannot be.
    pub(super) async fn bound(&self) -> Result<SocketAddr, E> {
        until(&self.door.news, || self.door.try_bound()).await
    }

    /// The next connection; waits until there is one.
    pub(super) async fn accept(&self) -> Result<(Hold<P>, Ends), E> {
        let done = until(&self.door.news, || self.door.try_accept()).await;
        self.take_over(done)
    }

    /// Like [`accept`](Self::accept), for a task.
    pub(super) fn poll_accept(&self, cx: &Context<'_>) -> Poll<Result<(Hold<P>, Ends), E>> {
        let done = ready!(self.door.poll_accept(cx));
        Poll::Ready(self.take_over(done))
    }

    fn take_over(
        &self,
        (accepted, tell): (Result<Waiting<P>, E>, bool),
    ) -> Result<(Hold<P>, Ends), E> {
        if tell {
            self.touch();
        }
        let Waiting { ends, pipe, face } = accepted?;
        let tell = pipe.accepted();
        let hold = Hold::new(pipe, self.stack.clone(), face);
        hold.tell(tell);
        Ok((hold, ends))
    }

    fn touch(&self) {
        // If the stack is gone, the door knows.
        let _ = self.stack.push(Command::Touch(self.face));
    }
}

impl<P: Shared, E: From<StackError>> Drop for ListenerHold<P, E> {
    fn drop(&mut self) {
        self.door.leave();
        self.touch();
    }
}
