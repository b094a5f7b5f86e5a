//! Weather between a session and the network: packets are lost, copied, held and overtaken.

use netmart_proto::Instant;
use netmart_proto::netem::{Fate, Impaired, Netem};
use netmart_proto::wires::{Action, Codec, Transmit};
use smallvec::SmallVec;

use crate::message::WireTerms;

/// What a session sends goes through it.
#[derive(Debug)]
pub(super) struct Weather<P: Codec> {
    netem: Netem<Letter<P>>,
}

/// A packet under way.
#[derive(Clone, Debug)]
struct Letter<P> {
    transmit: Transmit<P>,
    /// A bit of it was flipped: the checksum of UDP does not let it through.
    is_spoilt: bool,
}

impl<P: Codec> Impaired for Letter<P> {
    fn wire_len(&self) -> usize {
        self.transmit.packet.to_bytes().len()
    }

    fn flip_bit(&mut self, _bit: usize) {
        self.is_spoilt = true;
    }
}

/// Sets the numbers of the weather apart from those of the session.
const WEATHER: u64 = 0x7765_6174_6865_7221;

impl<P: Codec> Weather<P> {
    /// As the terms want it; nothing if they want none. `seed` differs from session to session.
    pub(super) fn on_terms(terms: &WireTerms, seed: u64) -> Option<Box<Self>> {
        let impair = terms.impair.as_ref()?;
        let seed = seed ^ impair.seed ^ WEATHER;
        Some(Box::new(Self { netem: Netem::new(impair.weather.clone(), seed) }))
    }

    /// Sends a packet on its way, and tells what becomes of it, for the log.
    pub(super) fn take(&mut self, transmit: Transmit<P>, now: Instant) -> SmallVec<[Action; 2]> {
        let action = if transmit.again { Action::SendAgain } else { Action::Send };
        let verdict = self.netem.handle_packet(now, Letter { transmit, is_spoilt: false });
        let mut actions = SmallVec::new();
        actions.push(shown(verdict.fate, action));
        if let Some(fate) = verdict.copy {
            actions.push(shown(fate, Action::SendDuplicate));
        }
        actions
    }

    /// The next packet that is through.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Transmit<P>> {
        loop {
            let letter = self.netem.poll(now)?;
            if !letter.is_spoilt {
                return Some(letter.transmit);
            }
        }
    }

    /// When the next one is.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.netem.next_deadline()
    }

    /// Whether nothing is under way.
    pub(super) fn is_calm(&self) -> bool {
        self.netem.in_flight() == 0
    }
}

/// How the log calls what becomes of a packet that would be `sent`.
const fn shown(fate: Fate, sent: Action) -> Action {
    match fate {
        Fate::Arrives { corrupted: false, reordered: true, .. } => Action::SendDelayed,
        Fate::Arrives { corrupted: false, .. } => sent,
        _ => Action::SendLost,
    }
}
