//! What a claim and the actor behind it share.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use netmart_actors::message::Setting;

use super::NoRoom;

/// The shared state of one claim.
#[derive(Debug, Default)]
pub(super) struct Desk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    asked: Asked,
    /// Octets that may be written.
    room: usize,
    is_touched: bool,
}

/// What the holder of a claim wants.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) written: Vec<Bytes>,
    /// Octets it has dealt with.
    pub(super) granted: usize,
    /// One of a kind at most.
    pub(super) settings: Vec<Setting>,
    pub(super) finish: bool,
    pub(super) abort: bool,
    pub(super) leave: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts octets on the desk; tells whether the actor must be told.
    pub(super) fn write(&self, octets: Bytes) -> Result<bool, NoRoom> {
        let mut state = self.lock();
        if state.room == 0 {
            return Err(NoRoom(octets));
        }
        state.room = state.room.saturating_sub(octets.len());
        state.asked.written.push(octets);
        Ok(!mem::replace(&mut state.is_touched, true))
    }

    pub(super) fn room(&self) -> usize {
        self.lock().room
    }

    /// Leaves a wish; tells whether the actor must be told.
    pub(super) fn ask(&self, wish: impl FnOnce(&mut Asked)) -> bool {
        let mut state = self.lock();
        wish(&mut state.asked);
        !mem::replace(&mut state.is_touched, true)
    }

    /// What was asked for; from now on another touch is needed.
    pub(super) fn take(&self) -> Asked {
        let mut state = self.lock();
        state.is_touched = false;
        mem::take(&mut state.asked)
    }

    /// So many octets may be written, those among them that lie on the desk. Tells how many are left.
    pub(super) fn has_room(&self, room: usize) -> usize {
        let mut state = self.lock();
        let waiting: usize = state.asked.written.iter().map(Bytes::len).sum();
        state.room = room.saturating_sub(waiting);
        state.room
    }
}
