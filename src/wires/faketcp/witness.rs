//! Who sees the datagrams that are no packets, so that a socket can raise wrong checksums.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netmart_actors::message::{WireEndPattern, WireFault};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart_proto::wires::faketcp::HEADER;
use netmart_proto::wires::{Fault, Kind};
use tokio::sync::Notify;

use crate::net::wait::until;
use crate::stack::touch::{FaceId, OfFace, Touch};
use crate::stack::{Command, Stack, StackError};

/// Headers that wait to be raised; of more, the oldest are forgotten.
const MOST: usize = 16;

/// The wrong checksums of datagrams that came to a port. Whoever drops it wants to know of no more.
pub(super) struct Checksums {
    seen: Arc<Seen>,
    stack: Stack,
    face: FaceId,
}

#[derive(Default)]
struct Seen {
    headers: Mutex<VecDeque<[u8; HEADER]>>,
    news: Notify,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, VecDeque<[u8; HEADER]>> {
        // Nothing in a critical section here can panic half-way.
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checksums {
    /// Those that come to `port` from now on.
    pub(super) fn at(stack: &Stack, port: u16) -> Result<Self, StackError> {
        let (face, seen) = (stack.fresh_face(), Arc::<Seen>::default());
        let witness = Witness { port, seen: Arc::clone(&seen) };
        stack.call(move |inside| {
            let witness = Spawn::new("checksum witness", witness)
                .subscribe::<Touch>(OfFace { face }.exactly())
                .observe::<WireFault>(WireEndPattern::any().over(Kind::Faketcp));
            inside.dataspace.spawn(witness);
        })?;
        Ok(Self { seen, stack: stack.clone(), face })
    }

    /// The oldest that was not raised yet.
    pub(super) fn take(&self) -> Option<[u8; HEADER]> {
        self.seen.lock().pop_front()
    }

    /// Waits for it.
    pub(super) async fn next(&self) -> [u8; HEADER] {
        until(&self.seen.news, || self.take()).await
    }
}

impl Drop for Checksums {
    fn drop(&mut self) {
        // If the stack is gone, so is the witness.
        let _ = self.stack.push(Command::Touch(self.face));
    }
}

impl fmt::Debug for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksums").finish_non_exhaustive()
    }
}

/// Looks on at what comes to a port and is no packet.
struct Witness {
    port: u16,
    seen: Arc<Seen>,
}

impl Actor for Witness {}

impl Handler<WireFault> for Witness {
    fn handle(&mut self, message: Delivery<'_, WireFault>, _ctx: &mut Context<'_, Self>) {
        let is_ours = message.at.local.0.port == self.port;
        if let Some(header) = message.datagram.first_chunk::<HEADER>()
            && is_ours
            && message.fault == Fault::BadChecksum
        {
            let mut headers = self.seen.lock();
            headers.push_back(*header);
            if headers.len() > MOST {
                headers.pop_front();
            }
            drop(headers);
            self.seen.news.notify_waiters();
        }
    }
}

/// The socket has no use for it any more.
impl Handler<Touch> for Witness {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        ctx.stop();
    }
}
