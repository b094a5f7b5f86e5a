//! When a session wants to be woken, and why.

use crate::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// Something was not answered in time.
    Repeat,
    /// An acknowledgement has waited long enough.
    Acknowledge,
    /// A pause that the peer needs is over.
    Pause,
    /// The peer is to be reminded that we are there, or asked how far it is.
    Probe,
    /// Nothing has been heard for too long.
    Patience,
    /// No late packet of the peer's needs an answer any more.
    Linger,
}

impl TimerKind {
    /// All of them, in the order in which those that expire together are looked at.
    pub const ALL: [Self; 6] =
        [Self::Repeat, Self::Acknowledge, Self::Pause, Self::Probe, Self::Patience, Self::Linger];
}

/// A moment per kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers([Option<Instant>; TimerKind::ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, kind: TimerKind, at: Instant) {
        self.0[kind as usize] = Some(at);
    }

    pub(super) fn stop(&mut self, kind: TimerKind) {
        self.0[kind as usize] = None;
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, kind: TimerKind) -> bool {
        self.0[kind as usize].is_some()
    }

    /// A timer that has expired by `now`; it is stopped.
    pub(super) fn expired(&mut self, now: Instant) -> Option<TimerKind> {
        let kind = TimerKind::ALL
            .into_iter()
            .find(|&kind| self.0[kind as usize].is_some_and(|at| at <= now))?;
        self.stop(kind);
        Some(kind)
    }

    /// The one that expires first.
    pub(super) fn soonest(&self) -> Option<(Instant, TimerKind)> {
        let set =
            TimerKind::ALL.into_iter().filter_map(|kind| Some((self.0[kind as usize]?, kind)));
        set.min_by_key(|&(at, _)| at)
    }
}
