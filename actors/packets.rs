//! What the IP headers of one connection say besides its ends.

use std::rc::Rc;

use netmart_proto::wire::SourceRoute;

use crate::message::{PacketTerms, Setting, Terms};

/// The choice of a connection's user, and the source route that its peer came by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packets {
    /// Nothing as long as the headers are those of the stack.
    terms: Option<Rc<PacketTerms>>,
    /// Whether the route is that of the peer, so that a later one replaces it.
    route_learnt: bool,
}

impl Packets {
    /// As the user wanted them before there was a connection.
    pub(crate) fn on_terms(terms: Option<&Terms>) -> Self {
        let terms = terms.and_then(|terms| terms.packets.clone());
        Self { terms, route_learnt: false }
    }

    /// Takes the way back to a peer of a passive connection, unless the user has named another route
    /// (RFC 9293 section 3.9.2.1: MUST-52, MUST-53, SHLD-24).
    pub(crate) fn learn(&mut self, back: &SourceRoute) {
        let named = self.source_route().is_some() && !self.route_learnt;
        if !named {
            self.route_learnt = true;
            self.change(|terms| terms.source_route = Some(back.clone()));
        }
    }

    /// Does what a setting says, if it concerns headers; gives it back otherwise.
    pub(crate) fn set(&mut self, setting: Setting) -> Option<Setting> {
        match setting {
            Setting::TimeToLive(ttl) => self.change(|terms| terms.ttl = ttl),
            Setting::Diffserv(dscp) => self.change(|terms| terms.dscp = dscp),
            other => return Some(other),
        }
        None
    }

    /// For the message that goes to the codec.
    pub(crate) fn shared(&self) -> Option<Rc<PacketTerms>> {
        self.terms.clone()
    }

    /// How many octets of IP options each packet carries.
    pub(crate) fn options_len(&self) -> u16 {
        self.source_route().map_or(0, |route| route.options_len() as u16)
    }

    fn source_route(&self) -> Option<&SourceRoute> {
        self.terms.as_ref()?.source_route.as_ref()
    }

    fn change(&mut self, change: impl FnOnce(&mut PacketTerms)) {
        change(Rc::make_mut(self.terms.get_or_insert_default()));
    }
}
