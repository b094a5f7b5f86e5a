//! A wire between two links: two lanes, each with its own impairments.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use netmart_actors::link::{Device, LinkCounters};
use netmart_actors::message::LinkId;
use netmart_proto::Instant;
use netmart_proto::netem::Netem;
use netmart_proto::wire::Packet;

/// Where a link puts its packets: it always has room, for it is emptied after every run.
#[derive(Clone, Default)]
pub(super) struct Outbox(Rc<RefCell<VecDeque<Packet>>>);

impl Outbox {
    /// What was put in since the last time.
    pub(super) fn drain(&self) -> VecDeque<Packet> {
        self.0.take()
    }
}

impl Device for Outbox {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        self.0.borrow_mut().append(packets);
    }
}

/// A link at the end of a wire.
pub(super) struct Side {
    pub(super) stack: usize,
    pub(super) link: LinkId,
    pub(super) outbox: Outbox,
    pub(super) counters: Rc<LinkCounters>,
}

/// One direction of a wire.
pub(super) struct Lane {
    pub(super) from: Side,
    /// The stack and the link that packets arrive at.
    pub(super) to: (usize, LinkId),
    pub(super) netem: Netem<Packet>,
}

/// Both directions of a wire.
pub(super) struct Wire {
    pub(super) lanes: [Lane; 2],
    /// Whether packets are lost instead of sent.
    pub(super) is_cut: bool,
}

impl Wire {
    pub(super) fn between(
        one: Side,
        other: Side,
        there: Netem<Packet>,
        back: Netem<Packet>,
    ) -> Self {
        let (to_one, to_other) = ((one.stack, one.link), (other.stack, other.link));
        let there = Lane { from: one, to: to_other, netem: there };
        let back = Lane { from: other, to: to_one, netem: back };
        Self { lanes: [there, back], is_cut: false }
    }

    /// When the next packet arrives at either end.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|lane| lane.netem.next_deadline()).min()
    }
}
