//! What is transferred: octets that follow from the seed, made as there is room for them, and checked where
//! they arrive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use netmart::actors::end::ChannelEnd;
use netmart::bus::{Actor, Context, Time};
use netmart::proto::{tcp, wires};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// What was sent, for whoever reports it.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) sha256: RefCell<Sha256>,
    /// Whether the last octet has been handed to the stack.
    pub(super) is_finished: Cell<bool>,
}

/// What was received, and how the transfer stands.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) octets: u64,
    pub(super) sha256: Sha256,
    /// When the last octet came.
    pub(super) finished: Option<Time>,
    /// What went wrong.
    pub(super) failure: Option<String>,
}

/// What both ends of the connection have to tell of it in the end.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) client: Option<Figures>,
    pub(super) server: Option<Figures>,
    /// The connection has ended for the client.
    pub(super) is_over: bool,
}

/// What a connection has counted.
#[derive(Clone, Debug)]
pub(super) enum Figures {
    Tcp(Box<tcp::Info>),
    Wire(Box<wires::Info>),
}

/// Everything that the applications note while they talk.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) sent: Rc<Sent>,
    pub(super) received: Rc<RefCell<Received>>,
    pub(super) told: Rc<RefCell<Told>>,
}

impl Notes {
    /// The first failure tells; those after it are its consequences.
    pub(super) fn fail(&self, failure: impl Into<String>) {
        self.received.borrow_mut().failure.get_or_insert(failure.into());
    }
}

/// The octets made at a time.
const PIECE: usize = 64 * 1024;

/// What is left to be sent.
pub(super) struct Content {
    source: Box<ChaCha8Rng>,
    left: u64,
    sent: Rc<Sent>,
}

impl Content {
    /// So many octets that follow from `seed`.
    pub(super) fn new(seed: u64, octets: u64, sent: Rc<Sent>) -> Self {
        Self { source: Box::new(ChaCha8Rng::seed_from_u64(seed)), left: octets, sent }
    }

    fn next(&mut self, most: usize) -> Bytes {
        let length = self.left.min(most as u64) as usize;
        let mut piece = vec![0; length];
        self.source.fill_bytes(&mut piece);
        self.left -= length as u64;
        piece.into()
    }

    /// Makes as much as the connection has room for: nothing waits that could still be made. Behind the last
    /// octet comes the end.
    pub(super) fn pump<A: Actor>(&mut self, end: &mut ChannelEnd, ctx: &mut Context<'_, A>) {
        while self.left > 0 && end.room() > 0 {
            let piece = self.next(end.room().min(PIECE));
            self.sent.sha256.borrow_mut().update(&piece);
            end.write(piece, ctx);
        }
        if self.left == 0 {
            self.sent.is_finished.set(true);
            end.finish(ctx);
        }
    }
}

/// Where content arrives.
pub(super) struct Intake {
    size: u64,
    received: Rc<RefCell<Received>>,
}

impl Intake {
    /// Waits for so many octets; none may be all there is.
    pub(super) fn new(size: u64, received: Rc<RefCell<Received>>, now: Time) -> Self {
        if size == 0 {
            received.borrow_mut().finished = Some(now);
        }
        Self { size, received }
    }

    pub(super) fn take_in(&self, octets: &[u8], now: Time) {
        let mut received = self.received.borrow_mut();
        received.octets += octets.len() as u64;
        received.sha256.update(octets);
        if received.octets == self.size && received.finished.is_none() {
            received.finished = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_follows_from_the_seed_however_it_is_cut() {
        let content = |left| Content::new(7, left, Rc::default());
        let whole = content(1000).next(2000);
        let mut cut = content(1000);
        // A generator hands out words of four octets.
        let parts = [cut.next(400), cut.next(400), cut.next(400)];
        assert_eq!(parts.concat(), whole);
    }
}
