//! What one turn of ip has to say, collected so that neighbours travel together.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use netmart_proto::Instant;
use netmart_proto::wire::{IpHeader, Likeness, Packet, Protocol};
use smallvec::SmallVec;

use crate::message::{Datagram, Echo, IcmpErrorIn, LinkId, OfProtocol};

/// Everything keeps its order; datagrams of one protocol that follow each other become one batch, and
/// so do packets for one link.
pub(super) struct Turn {
    /// When the packets arrived, or when the turn began.
    pub(super) at: Instant,
    /// Source, destination and protocol of the last packet that was let in: the next one mostly has
    /// the same.
    pub(super) admitted: Option<(IpAddr, IpAddr, Protocol)>,
    /// How the last TCP segment from a link looked, and its header: the next one mostly bears the same.
    known: Option<(Likeness, Rc<IpHeader>)>,
    /// How many packets began the turn: mostly they make one batch.
    batch: usize,
    said: SmallVec<[Said; 2]>,
    looped: VecDeque<Packet>,
    discards: Vec<(&'static str, u32)>,
}

/// A message in the making.
pub(super) enum Said {
    Up(OfProtocol, Vec<Datagram>),
    Down(LinkId, Vec<Packet>),
    // Rare and large: boxed, so that the others stay small.
    Echo(Box<Echo>),
    Error(Box<IcmpErrorIn>),
}

impl Turn {
    pub(super) fn new(at: Instant, batch: usize) -> Self {
        Self {
            at,
            admitted: None,
            known: None,
            batch,
            said: SmallVec::new(),
            looped: VecDeque::new(),
            discards: Vec::new(),
        }
    }

    /// A datagram goes up.
    pub(super) fn up(&mut self, datagram: Datagram) {
        let of = OfProtocol { protocol: datagram.header.protocol };
        self.batch_of(of).push(datagram);
    }

    /// The datagrams of `of` that go up together with the next one.
    #[inline]
    fn batch_of(&mut self, of: OfProtocol) -> &mut Vec<Datagram> {
        if !matches!(self.said.last(), Some(Said::Up(last, _)) if *last == of) {
            self.said.push(Said::Up(of, Vec::with_capacity(self.batch)));
        }
        match self.said.last_mut() {
            Some(Said::Up(_, datagrams)) => datagrams,
            _ => unreachable!("the last thing said is one of these, or was made so just now"),
        }
    }

    /// Remembers the header of a segment that was let in.
    pub(super) fn know(&mut self, likeness: Option<Likeness>, header: &Rc<IpHeader>) {
        self.known = likeness.map(|likeness| (likeness, Rc::clone(header)));
    }

    /// Takes up a packet that bears the header we know; gives back any other.
    #[inline]
    pub(super) fn up_if_known(&mut self, packet: Packet) -> Option<Packet> {
        let recognised = self.known.as_ref().and_then(|(likeness, header)| {
            Some((likeness.payload_of(&packet)?, Rc::clone(header)))
        });
        let Some((payload, header)) = recognised else { return Some(packet) };
        let batch = self.batch_of(OfProtocol { protocol: header.protocol });
        batch.push(Datagram { header, transport: packet });
        if let Some(datagram) = batch.last_mut() {
            // Not before it is moved: the processor is slow to move what was changed just now.
            datagram.transport.keep(payload);
        }
        None
    }

    /// Whether the last thing said was a datagram of `protocol` going up.
    pub(super) fn continues(&self, protocol: Protocol) -> bool {
        matches!(self.said.last(), Some(Said::Up(last, _)) if last.protocol == protocol)
    }

    /// A packet leaves by `link`.
    pub(super) fn down(&mut self, link: LinkId, packet: Packet) {
        match self.said.last_mut() {
            Some(Said::Down(last, packets)) if *last == link => packets.push(packet),
            _ => self.said.push(Said::Down(link, self.begun(packet))),
        }
    }

    /// Packets leave by `link`.
    pub(super) fn down_all(
        &mut self,
        link: LinkId,
        packets: impl ExactSizeIterator<Item = Packet>,
    ) {
        match self.said.last_mut() {
            Some(Said::Down(last, batch)) if *last == link => batch.extend(packets),
            _ => self.said.push(Said::Down(link, packets.collect())),
        }
    }

    fn begun<T>(&self, first: T) -> Vec<T> {
        let mut batch = Vec::with_capacity(self.batch);
        batch.push(first);
        batch
    }

    /// A packet is for ourselves.
    pub(super) fn looped(&mut self, packet: Packet) {
        self.looped.push_back(packet);
    }

    /// The next packet for ourselves.
    pub(super) fn next_looped(&mut self) -> Option<Packet> {
        self.looped.pop_front()
    }

    /// Somebody may want to know of an echo.
    pub(super) fn echo(&mut self, echo: Echo) {
        self.said.push(Said::Echo(Box::new(echo)));
    }

    /// A datagram of ours met an error.
    pub(super) fn error(&mut self, error: IcmpErrorIn) {
        self.said.push(Said::Error(Box::new(error)));
    }

    /// Something is thrown away.
    pub(super) fn discard(&mut self, reason: &'static str) {
        self.discard_many(reason, 1);
    }

    /// Several things are thrown away.
    pub(super) fn discard_many(&mut self, reason: &'static str, count: u32) {
        match self.discards.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => self.discards.push((reason, count)),
        }
    }

    /// What to say, in order, and what was thrown away.
    pub(super) fn into_parts(self) -> (SmallVec<[Said; 2]>, Vec<(&'static str, u32)>) {
        (self.said, self.discards)
    }
}
