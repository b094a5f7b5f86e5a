//! A network that is bad on purpose, in the manner of the `faketcp` original's options.

use std::collections::VecDeque;

use super::{Action, Transmit, Wire};
use crate::netem::Chance;

/// Probabilities between 0 and 1, with which packets that carry data are delayed, doubled and lost as they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Odds {
    /// That one is lost.
    pub loss: f64,
    /// That one is followed by a copy.
    pub dup: f64,
    /// That one is held until the next that really goes out; one at a time.
    pub delay: f64,
}

/// Delays, doubles and loses packets that carry data, drawing one chance after the other in this order. Nothing
/// happens to other packets.
#[derive(Clone, Debug)]
pub struct Mischief<P> {
    odds: Odds,
    chance: Chance,
    /// Held until the next data that really goes out.
    held: Option<Transmit<P>>,
    out: VecDeque<(Action, Transmit<P>)>,
}

impl<P: Clone> Mischief<P> {
    /// `seed` decides all that is left to chance.
    pub fn new(odds: Odds, seed: u64) -> Self {
        Self { odds, chance: Chance::new(seed), held: None, out: VecDeque::new() }
    }

    /// Takes a packet that a session sends; what becomes of it comes out of [`poll`](Self::poll).
    pub fn handle<W: Wire<Packet = P>>(&mut self, transmit: Transmit<P>) {
        let send = if transmit.again { Action::SendAgain } else { Action::Send };
        if !W::carries_data(&transmit.packet) {
            self.out.push_back((send, transmit));
            return;
        }
        let delayed = self.chance.happens(self.odds.delay) && self.held.is_none();
        let doubled = self.chance.happens(self.odds.dup);
        let lost = self.chance.happens(self.odds.loss);
        if delayed {
            self.out.push_back((Action::SendDelayed, transmit.clone()));
            self.held = Some(transmit);
            return;
        }
        if lost {
            self.out.push_back((Action::SendLost, transmit));
            return;
        }
        let copy = doubled.then(|| transmit.clone());
        self.out.push_back((send, transmit));
        self.out.extend(copy.map(|copy| (Action::SendDuplicate, copy)));
        self.out.extend(self.held.take().map(|held| (Action::Send, held)));
    }

    /// What happens next: a packet is sent, unless the action says that it is delayed or lost.
    pub fn poll(&mut self) -> Option<(Action, Transmit<P>)> {
        self.out.pop_front()
    }
}
