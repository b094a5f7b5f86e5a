//! The timers of a connection, as a table.

use crate::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// The end of what was sent stayed unacknowledged, and something is to be sent that makes the
    /// peer say what it has (RFC 8985 section 7).
    LossProbe,
    /// A segment has taken longer than others that were sent later, and longer than reordering
    /// explains (RFC 8985 section 6.2).
    Reorder,
    /// The oldest octet in flight was not acknowledged in time (RFC 6298 section 5).
    Retransmit,
    /// The peer's window is closed and must be probed (RFC 9293 section 3.8.6.1).
    Persist,
    /// An acknowledgement has waited long enough (RFC 9293 section 3.8.6.3).
    DelayedAck,
    /// The pace lets data leave again.
    Pacing,
    /// An idle peer is to be asked whether it is there (RFC 9293 section 3.8.4).
    KeepAlive,
    /// Data stayed unacknowledged too long for the application (RFC 9293 section 3.9.1.1).
    UserTimeout,
    /// TIME-WAIT is over, or FIN-WAIT-2 has lasted too long without an application.
    Linger,
}

impl TimerKind {
    /// Every kind; where two expire together, the earlier in this list is served first.
    pub(super) const ALL: [Self; 9] = [
        Self::LossProbe,
        Self::Reorder,
        Self::Retransmit,
        Self::Persist,
        Self::DelayedAck,
        Self::Pacing,
        Self::KeepAlive,
        Self::UserTimeout,
        Self::Linger,
    ];
}

/// A deadline for each kind; those that do not run are at the end of time.
#[derive(Clone, Debug)]
pub(super) struct Timers([Instant; TimerKind::ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, kind: TimerKind, at: Instant) {
        self.0[kind as usize] = at;
    }

    pub(super) fn stop(&mut self, kind: TimerKind) {
        self.0[kind as usize] = NEVER;
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }

    /// When a timer will expire, if it runs.
    pub(super) fn at(&self, kind: TimerKind) -> Option<Instant> {
        let at = self.0[kind as usize];
        (at != NEVER).then_some(at)
    }

    pub(super) fn is_set(&self, kind: TimerKind) -> bool {
        self.0[kind as usize] != NEVER
    }

    /// The soonest deadline, with its reason.
    pub(super) fn soonest(&self) -> Option<(Instant, TimerKind)> {
        let (mut soonest, mut reason) = (NEVER, TimerKind::Linger);
        for kind in TimerKind::ALL {
            let at = self.0[kind as usize];
            if at < soonest {
                (soonest, reason) = (at, kind);
            }
        }
        (soonest != NEVER).then_some((soonest, reason))
    }

    /// Takes one timer that has expired.
    pub(super) fn expire(&mut self, now: Instant) -> Option<TimerKind> {
        let (at, kind) = self.soonest()?;
        (at <= now).then(|| {
            self.stop(kind);
            kind
        })
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self([NEVER; TimerKind::ALL.len()])
    }
}

const NEVER: Instant = Instant::from_micros(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_timer_expires_first_and_once() {
        let mut timers = Timers::default();
        assert_eq!(timers.soonest(), None);
        timers.set(TimerKind::Linger, Instant::from_micros(5));
        timers.set(TimerKind::DelayedAck, Instant::from_micros(3));
        assert_eq!(timers.soonest(), Some((Instant::from_micros(3), TimerKind::DelayedAck)));
        assert_eq!(timers.expire(Instant::from_micros(2)), None);
        assert_eq!(timers.expire(Instant::from_micros(9)), Some(TimerKind::DelayedAck));
        assert_eq!(timers.expire(Instant::from_micros(9)), Some(TimerKind::Linger));
        assert_eq!(timers.expire(Instant::from_micros(9)), None);
    }
}
