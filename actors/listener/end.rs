//! A listener over a wire: it takes part in the datagrams of its end, which binds it.
//!
//! Sessions of a listener that is gone may still sit at its end; nobody else may.

use std::net::{IpAddr, Ipv6Addr};

use netmart_bus::{Change, Context, Handle, Watcher};

use super::task::ListenerTask;
use crate::address::{Address, Direction, LocalAddress, Transport};
use crate::message::{
    BindFailed, Bound, BoundKey, ListenError, PortError, UdpDatagram, UdpPattern, WireEnd,
    WireEndKey,
};

/// How far the listener has come with its end.
#[derive(Debug, Default)]
pub(super) struct WireEndClaim {
    at: Option<LocalAddress>,
    /// Whether sessions of the same wire share it already.
    has_kin: bool,
    is_binding: bool,
    tries: u32,
    /// What binds the end, and tells that it is bound.
    holds: Vec<Handle>,
}

/// How often a port is tried that the allocator has chosen.
const TRIES: u32 = 16;

impl ListenerTask {
    /// Sees who has the end with this port, to bind it if nobody has.
    pub(super) fn claim_end(&mut self, port: u16, ctx: &mut Context<'_, Self>) {
        let Transport::Wire(over) = self.listener.over else { return };
        let ip = self.listener.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let local = LocalAddress(Address::new(ip, port));
        self.end.at = Some(local);
        self.end.has_kin = false;
        self.end.is_binding = false;
        self.end.holds = vec![
            // Kin first: whether an end that is bound is theirs must be known by then.
            ctx.watch::<WireEnd>(WireEndKey { over, local }.exactly()),
            ctx.watch::<BindFailed>(BoundKey { local }.exactly()),
            ctx.watch::<Bound>(BoundKey { local }.exactly()),
        ];
    }

    fn bind(&mut self, local: LocalAddress, ctx: &mut Context<'_, Self>) {
        let Transport::Wire(over) = self.listener.over else { return };
        self.end.is_binding = true;
        let at = WireEndKey { over, local };
        let outbound = UdpPattern::any().direction(Direction::Outbound).local(local);
        self.end.holds.push(ctx.assert(WireEnd { at, of: None }));
        self.end.holds.push(ctx.provide::<UdpDatagram>(outbound));
    }

    fn bound(&mut self, local: LocalAddress, ctx: &mut Context<'_, Self>) {
        if self.port.is_none() {
            self.port = Some(local.0.port);
            tracing::debug!(listener = %self.listener, end = %local, "listening");
            self.tell_backlog(ctx);
        }
    }

    fn end_refused(&mut self, reason: ListenError, ctx: &mut Context<'_, Self>) {
        self.end.holds.clear();
        self.end.at = None;
        self.end.tries += 1;
        let may_try = self.listener.port == 0 && matches!(reason, ListenError::Port(_));
        if may_try && self.end.tries < TRIES {
            self.ask_for_port(ctx);
        } else {
            self.fail(reason, ctx);
        }
    }
}

impl Watcher<WireEnd> for ListenerTask {
    fn changed(&mut self, change: Change<WireEnd>, _ctx: &mut Context<'_, Self>) {
        if let Change::Snapshot(facts) = change {
            self.end.has_kin = facts.iter().any(|fact| fact.of.is_none());
        }
    }
}

impl Watcher<Bound> for ListenerTask {
    fn changed(&mut self, change: Change<Bound>, ctx: &mut Context<'_, Self>) {
        let Some(local) = self.end.at else { return };
        match change {
            Change::Snapshot(facts) => {
                let is_bound = !facts.is_empty();
                if is_bound && !self.end.has_kin {
                    return self.end_refused(ListenError::Port(PortError::InUse), ctx);
                }
                self.bind(local, ctx);
                if is_bound {
                    self.bound(local, ctx);
                }
            }
            Change::Appeared(fact) if fact.at.local == local && self.end.is_binding => {
                self.bound(local, ctx);
            }
            Change::Appeared(_) | Change::Gone(_) => {}
        }
    }
}

impl Watcher<BindFailed> for ListenerTask {
    fn changed(&mut self, change: Change<BindFailed>, ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest()
            && self.end.at == Some(fact.at.local)
        {
            self.end_refused(fact.reason, ctx);
        }
    }
}
