//! Weather between a session and the network: packets are lost, copied, held and overtaken.

use netmart_proto::Instant;
use netmart_proto::netem::{Fate, Impaired, Netem};
use netmart_proto::wires::{Action, Codec, Mischief, Odds, Transmit, Wire};
use smallvec::SmallVec;

use crate::message::WireTerms;

/// What a session sends goes through it.
#[derive(Debug)]
pub(super) struct Weather<P: Codec> {
    /// What happens to data before it meets the rest; nothing if nothing does.
    mischief: Option<Mischief<P>>,
    netem: Netem<Letter<P>>,
}

/// What became of packets, for the log.
pub(super) type Told<P> = SmallVec<[(Action, P); 2]>;

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
        let mischief = (impair.odds != Odds::default()).then(|| Mischief::new(impair.odds, seed));
        Some(Box::new(Self { mischief, netem: Netem::new(impair.weather.clone(), seed) }))
    }

    /// Sends a packet of the wire `W` on its way, and tells what becomes of it, and of one that was held for it, if
    /// that `is_told`.
    pub(super) fn take<W: Wire<Packet = P>>(
        &mut self,
        transmit: Transmit<P>,
        now: Instant,
        is_told: bool,
    ) -> Told<P> {
        let mut told = Told::new();
        let Some(mischief) = &mut self.mischief else {
            let action = if transmit.again { Action::SendAgain } else { Action::Send };
            self.let_go(action, transmit, now, is_told, &mut told);
            return told;
        };
        mischief.handle::<W>(transmit);
        while let Some((action, transmit)) = self.mischief.as_mut().and_then(Mischief::poll) {
            if matches!(action, Action::SendLost | Action::SendDelayed) {
                told.extend(is_told.then_some((action, transmit.packet)));
            } else {
                self.let_go(action, transmit, now, is_told, &mut told);
            }
        }
        told
    }

    fn let_go(
        &mut self,
        action: Action,
        transmit: Transmit<P>,
        now: Instant,
        is_told: bool,
        told: &mut Told<P>,
    ) {
        let packet = is_told.then(|| transmit.packet.clone());
        let verdict = self.netem.handle_packet(now, Letter { transmit, is_spoilt: false });
        if let Some(packet) = packet {
            let copy =
                verdict.copy.map(|fate| (shown(fate, Action::SendDuplicate), packet.clone()));
            told.push((shown(verdict.fate, action), packet));
            told.extend(copy);
        }
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
