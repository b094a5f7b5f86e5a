//! What a careful server has got, and what goes again.

use std::collections::VecDeque;

use super::super::cwnd::Cwnd;
use super::super::rto::Rto;
use super::packet::QuiqPacket;
use crate::Instant;

/// Packets under way, at most.
const MOST_FLIGHT: usize = 512;
/// So many numbers behind an acknowledged one, a packet counts as lost.
const REORDERING: u32 = 3;

/// Packets that were sent and not acknowledged, by number, and those between them that were.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    packets: VecDeque<Sent>,
    /// The number of the first of them.
    first: u32,
    /// How many of them are not acknowledged.
    open: usize,
    /// All below have been looked at for losses.
    examined: u32,
    /// One more than the highest number that was acknowledged.
    reached: u32,
    /// The numbers to be sent again.
    redo: VecDeque<u32>,
    /// Up to here a loss is one with the one before.
    recover: u32,
    cwnd: Cwnd,
}

#[derive(Clone, Debug)]
struct Sent {
    /// Nothing when it is acknowledged.
    packet: Option<QuiqPacket>,
    at: Instant,
    times: u32,
}

/// What an acknowledgement was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acked {
    /// These octets of data.
    Octets(usize),
    /// Nothing: it was acknowledged before.
    Stale,
    /// Nothing: there was no such packet.
    Wild,
}

impl Flight {
    /// One whose first packet has this number.
    pub(super) fn new(first: u32) -> Self {
        Self {
            packets: VecDeque::new(),
            first,
            open: 0,
            examined: first,
            reached: first,
            redo: VecDeque::new(),
            recover: first,
            cwnd: Cwnd::new(MOST_FLIGHT),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Whether one more may go.
    pub(super) fn has_room(&self) -> bool {
        self.open < self.cwnd.size() && self.packets.len() < MOST_FLIGHT
    }

    /// The number of the next packet.
    pub(super) fn next_number(&self) -> u32 {
        self.first + self.packets.len() as u32
    }

    /// A packet with that number goes out.
    pub(super) fn push(&mut self, packet: QuiqPacket, now: Instant) {
        self.packets.push_back(Sent { packet: Some(packet), at: now, times: 1 });
        self.open += 1;
    }

    /// A number is used for something that is never acknowledged; nothing is under way.
    pub(super) fn skip(&mut self) {
        self.first += 1;
    }

    /// All that is under way has arrived: so many octets of data.
    pub(super) fn land(&mut self) -> usize {
        let octets = self.octets();
        self.first = self.next_number();
        self.packets.clear();
        self.open = 0;
        octets
    }

    /// A packet that is to go again.
    pub(super) fn next_again(&mut self, now: Instant) -> Option<QuiqPacket> {
        while let Some(number) = self.redo.pop_front() {
            let index = number.checked_sub(self.first).map(|index| index as usize);
            let sent = index.and_then(|index| self.packets.get_mut(index));
            if let Some(Sent { packet: Some(packet), at, times }) = sent {
                *at = now;
                *times += 1;
                return Some(packet.clone());
            }
        }
        None
    }

    /// Packet `number` has arrived.
    pub(super) fn acknowledge(&mut self, number: u32, rto: &mut Rto, now: Instant) -> Acked {
        let Some(index) = number.checked_sub(self.first) else { return Acked::Stale };
        let Some(sent) = self.packets.get_mut(index as usize) else { return Acked::Wild };
        let Some(packet) = sent.packet.take() else { return Acked::Stale };
        if sent.times == 1 {
            rto.sample(now.saturating_since(sent.at));
        }
        self.open -= 1;
        self.reached = self.reached.max(number + 1);
        self.cwnd.grow(1);
        self.examine(rto, now);
        while self.packets.front().is_some_and(|sent| sent.packet.is_none()) {
            self.packets.pop_front();
            self.first += 1;
        }
        Acked::Octets(packet.octets())
    }

    /// Finds those that others have overtaken, each once; and the first if it has been under way for too long
    /// although others come through.
    fn examine(&mut self, rto: &Rto, now: Instant) {
        self.examined = self.examined.max(self.first);
        while self.examined + REORDERING < self.reached {
            let number = self.examined;
            self.examined += 1;
            let sent = &self.packets[(number - self.first) as usize];
            if sent.packet.is_some() && sent.times == 1 {
                self.lose(number);
            }
        }
        if let Some(sent) = self.packets.front_mut()
            && sent.packet.is_some()
            && sent.times > 1
            && now.saturating_since(sent.at) > rto.current() * 2
        {
            sent.at = now;
            self.redo.push_back(self.first);
        }
    }

    fn lose(&mut self, number: u32) {
        self.redo.push_back(number);
        if number >= self.recover {
            self.recover = self.next_number();
            self.cwnd.shrink();
        }
    }

    /// Nothing was acknowledged in time: all that was sent before goes again.
    pub(super) fn time_out(&mut self, rto: &Rto, now: Instant) {
        self.cwnd.collapse();
        self.recover = self.next_number();
        self.redo.clear();
        let wait = rto.current();
        let most = self.cwnd.size();
        let late = (self.first..).zip(&self.packets).filter(|(index, sent)| {
            let is_late = now.saturating_since(sent.at) >= wait / 2 || *index == self.first;
            sent.packet.is_some() && is_late
        });
        self.redo.extend(late.map(|(number, _)| number).take(most));
    }

    /// Octets of data that were not acknowledged.
    fn octets(&self) -> usize {
        self.packets.iter().flat_map(|sent| &sent.packet).map(QuiqPacket::octets).sum()
    }
}
