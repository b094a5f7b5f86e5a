//! What an attacker knows who sees every packet of the target.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use netmart::actors::address::Direction;
use netmart::actors::link::Tap;
use netmart::proto::Instant;
use netmart::proto::wire::Packet;
use netmart::proto::wire::tcp::{Flags, SeqNumber};

use crate::common::Shared;
use crate::mutate::intact_segment;

/// The port that is left alone, so that its transfers must be exact.
pub(crate) const LEGITIMATE: u16 = 80;

/// The most connections to keep an eye on, and packets to keep.
const VIEWS: usize = 256;
const PACKETS: usize = 256;

/// A connection of the target, as its last segment shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// What the target expects next.
    pub(crate) expects: SeqNumber,
    /// What the target has sent.
    pub(crate) sent: SeqNumber,
    pub(crate) window: u16,
    /// The clock in its timestamps.
    pub(crate) clock: Option<u32>,
}

/// Connections and packets that can be aimed at and built upon.
#[derive(Default)]
pub(crate) struct Knowledge {
    pub(crate) views: BTreeMap<(SocketAddr, SocketAddr), View>,
    /// In the order in which they were first seen.
    order: VecDeque<(SocketAddr, SocketAddr)>,
    pub(crate) packets: VecDeque<Vec<u8>>,
}

impl Knowledge {
    pub(crate) fn view(&self, at: usize) -> Option<View> {
        let key = self.order.get(at.checked_rem(self.order.len())?)?;
        self.views.get(key).copied()
    }

    fn saw(&mut self, packet: &Packet) {
        let Some((src, dst, ported)) = intact_segment(packet) else { return };
        let local = SocketAddr::new(src, ported.src_port);
        let remote = SocketAddr::new(dst, ported.dst_port);
        if local.port() == LEGITIMATE {
            return;
        }
        let key = (local, remote);
        let segment = ported.segment;
        if segment.flags.contains(Flags::RST) {
            self.views.remove(&key);
            self.order.retain(|known| *known != key);
            return;
        }
        let view = View {
            local,
            remote,
            expects: segment.ack,
            sent: segment.sequence_end(),
            window: segment.window,
            clock: segment.options.timestamps.map(|timestamps| timestamps.value),
        };
        if self.views.insert(key, view).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > VIEWS
            && let Some(oldest) = self.order.pop_front()
        {
            self.views.remove(&oldest);
        }
    }

    fn keep(&mut self, packet: &Packet) {
        let is_legitimate =
            intact_segment(packet).is_some_and(|(.., ported)| ported.dst_port == LEGITIMATE);
        if !is_legitimate {
            self.packets.push_back(packet.to_vec());
            self.packets.truncate(PACKETS);
            self.packets.rotate_left(1);
        }
    }
}

/// Looks at the target's link, but not at what the attacker itself has sent.
pub(crate) struct Spy {
    pub(crate) knowledge: Shared<Knowledge>,
    /// Packets that come in while this holds are the attacker's own.
    pub(crate) blind: Shared<bool>,
}

impl Tap for Spy {
    fn captured(&mut self, direction: Direction, packet: &Packet, _at: Instant) {
        match direction {
            Direction::Outbound => self.knowledge.borrow_mut().saw(packet),
            Direction::Inbound if !*self.blind.borrow() => self.knowledge.borrow_mut().keep(packet),
            Direction::Inbound => {}
        }
    }
}
