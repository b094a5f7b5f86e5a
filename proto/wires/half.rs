//! Wires whose two sides are machines of their own: which of them a session is.

use super::{Common, Outcome, StreamInfo, TimerKind};
use crate::Instant;

/// One side of a connection; what it shares with the other is in [`Common`].
pub(super) trait Half<P> {
    /// Uses a packet of the peer's.
    fn take(&mut self, common: &mut Common<P>, packet: P, now: Instant) -> Outcome;

    /// Does what a timer of its own was set for.
    fn take_timer(&mut self, common: &mut Common<P>, timer: TimerKind, now: Instant);

    /// Sends what may be sent now. A side that only answers has nothing.
    fn produce(&mut self, common: &mut Common<P>, now: Instant) {
        let _ = (common, now);
    }

    /// What is known of its streams, on a wire that has some.
    fn streams(&self) -> Vec<StreamInfo> {
        Vec::new()
    }

    /// The name of its state, for people.
    fn state(&self) -> &'static str;
}

/// Either side.
#[derive(Clone, Debug)]
pub(super) enum Side<C, S> {
    Client(C),
    Server(S),
}

impl<C, S> Side<C, S> {
    fn half<P>(&self) -> &dyn Half<P>
    where
        C: Half<P>,
        S: Half<P>,
    {
        match self {
            Self::Client(client) => client,
            Self::Server(server) => server,
        }
    }

    fn half_mut<P>(&mut self) -> &mut dyn Half<P>
    where
        C: Half<P>,
        S: Half<P>,
    {
        match self {
            Self::Client(client) => client,
            Self::Server(server) => server,
        }
    }
}

impl<P, C: Half<P>, S: Half<P>> Half<P> for Side<C, S> {
    fn take(&mut self, common: &mut Common<P>, packet: P, now: Instant) -> Outcome {
        self.half_mut().take(common, packet, now)
    }

    fn take_timer(&mut self, common: &mut Common<P>, timer: TimerKind, now: Instant) {
        self.half_mut().take_timer(common, timer, now);
    }

    fn produce(&mut self, common: &mut Common<P>, now: Instant) {
        self.half_mut().produce(common, now);
    }

    fn streams(&self) -> Vec<StreamInfo> {
        self.half().streams()
    }

    fn state(&self) -> &'static str {
        self.half().state()
    }
}
