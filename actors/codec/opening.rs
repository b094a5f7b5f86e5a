//! How a connection begins: with a SYN, or with the acknowledgement that brings a cookie back.

use std::rc::Rc;

use netmart_bus::Context;
use netmart_proto::Instant;
use netmart_proto::tcp::{self, Transmit};
use netmart_proto::wire::tcp::{Flags, Segment};
use netmart_proto::wire::{IpVersion, SourceRoute};
use smallvec::{SmallVec, smallvec};

use super::Codec;
use super::batch::Group;
use crate::address::{Flow, Listener, Local};
use crate::config::SynCookies;
use crate::doors::Knock;
use crate::message::{Arrivals, Backlog, SegmentsIn};
use crate::packets::Packets;
use crate::state_vector::{StateVector, Syn};

/// What becomes of a SYN.
pub(super) enum Entry {
    /// A state vector of this listener answers it.
    Spawn(Listener),
    /// It is answered for this listener, and forgotten.
    Cookie(Listener),
    /// It is dropped, for this reason.
    Drop(&'static str),
    /// Nobody listens there: it is refused.
    Refuse,
}

/// Whether a segment asks for a new connection: a SYN that neither answers nor resets.
pub(super) fn opens(segment: &Segment) -> bool {
    segment.flags.contains(Flags::SYN) && !segment.flags.intersects(Flags::ACK | Flags::RST)
}

impl Codec {
    /// Which listener takes a connection, and how.
    pub(super) fn knock(&self, flow: Flow) -> Entry {
        let entry = match (self.doors.knock(flow.local), self.cookies) {
            (Knock::Open(listener), SynCookies::Off | SynCookies::WhenFull) => {
                Entry::Spawn(listener)
            }
            (Knock::Open(listener) | Knock::Crowded(listener), SynCookies::Always)
            | (Knock::Crowded(listener), SynCookies::WhenFull) => Entry::Cookie(listener),
            (Knock::Crowded(_), SynCookies::Off) | (Knock::Full, _) => Entry::Drop("backlog_full"),
            (Knock::Nobody, _) => return Entry::Refuse,
        };
        if self.routes.is_invalid_remote(flow.remote.0.ip) {
            return Entry::Drop("invalid_source");
        }
        if self.flows.len() + self.census.on_wires() >= self.max_connections {
            return Entry::Drop("too_many_connections");
        }
        entry
    }

    /// Spawns a state vector for a SYN, with that SYN and what came behind it.
    pub(super) fn open(
        &mut self,
        (flow, mut segments): Group,
        back: Option<Rc<SourceRoute>>,
        listener: Listener,
        at: Instant,
        ctx: &mut Context<'_, Self>,
    ) {
        let Some(config) = self.config_of(flow, listener) else {
            return Self::discard("no_route_back", ctx);
        };
        let syn = segments.remove(0);
        let packets = self.packets_of(listener, back);
        let may_take_data = self.doors.half_open(listener) < self.fast_open_pending;
        let syn = Syn { segment: &syn, at, may_take_data };
        let mut vector = StateVector::accept(flow, listener, config, packets, &self.secrets, syn);
        if !segments.is_empty() {
            vector =
                vector.deliver(SegmentsIn { flow, arrivals: Arrivals::Segments(segments), at });
        }
        ctx.spawn(vector);
        self.flows.spawned(flow);
    }

    /// Answers a SYN and forgets it: its sender will bring back all that has to be known.
    pub(super) fn answer_with_cookie(
        &mut self,
        (flow, syn): (Flow, &Segment),
        back: Option<Rc<SourceRoute>>,
        listener: Listener,
        at: Instant,
        ctx: &mut Context<'_, Self>,
    ) {
        let Some(config) = self.config_of(flow, listener) else {
            return Self::discard("no_route_back", ctx);
        };
        let ends = self.secrets.ends(flow);
        let answer = self.secrets.cookies.answer(&config, ends, syn, at);
        Self::discard("answered_by_cookie", ctx);
        let packets = self.packets_of(listener, back).shared();
        self.encode(flow, smallvec![Transmit::once(answer)], packets.as_deref(), ctx);
    }

    /// Takes segments of no known connection if the first of them brings a cookie back; hands them
    /// back if not.
    pub(super) fn redeem(
        &mut self,
        (flow, segments): Group,
        back: Option<Rc<SourceRoute>>,
        at: Instant,
        ctx: &mut Context<'_, Self>,
    ) -> Option<SmallVec<[Segment; 1]>> {
        let Some((listener, backlog, machine)) = self.redeemed(flow, segments.first(), at) else {
            return Some(segments);
        };
        if backlog == Backlog::Full {
            // It is sent again, with data or as data.
            Self::discard("backlog_full", ctx);
        } else if self.flows.len() + self.census.on_wires() >= self.max_connections {
            Self::discard("too_many_connections", ctx);
        } else {
            let arrivals = Arrivals::Segments(segments);
            let packets = self.packets_of(listener, back);
            let vector = StateVector::resume(flow, listener, machine, packets, &self.secrets);
            ctx.spawn(vector.deliver(SegmentsIn { flow, arrivals, at }));
            self.flows.spawned(flow);
            tracing::debug!(%flow, %listener, "brought a cookie back");
        }
        None
    }

    fn redeemed(
        &mut self,
        flow: Flow,
        segment: Option<&Segment>,
        at: Instant,
    ) -> Option<(Listener, Backlog, tcp::StateVector)> {
        let segment = segment.filter(|segment| segment.flags.contains(Flags::ACK))?;
        if self.cookies == SynCookies::Off || !self.secrets.cookies.are_out(at) {
            return None;
        }
        let (listener, backlog) = self.doors.at(flow.local)?;
        if self.routes.is_invalid_remote(flow.remote.0.ip) {
            return None;
        }
        let config = self.config_of(flow, listener)?;
        let ends = self.secrets.ends(flow);
        let machine = self.secrets.cookies.redeem(&config, ends, segment, at)?;
        Some((listener, backlog, machine))
    }

    /// What IP headers of a listener's connection say: that of its terms, and the way back by which the
    /// peer has come.
    fn packets_of(&self, listener: Listener, back: Option<Rc<SourceRoute>>) -> Packets {
        let mut packets = Packets::on_terms(self.terms.of(Local::Listener(listener)));
        if let Some(back) = back {
            packets.learn(&back);
        }
        packets
    }

    /// The settings of a listener's connection; nothing if no route leads back.
    fn config_of(&mut self, flow: Flow, listener: Listener) -> Option<Rc<tcp::Config>> {
        let path = self.routes.lookup(flow.remote.0.ip)?;
        let terms = self.terms.of(Local::Listener(listener));
        let version = IpVersion::of(&flow.remote.0.ip);
        Some(self.configs.on_terms(terms, path.capabilities, version))
    }
}
