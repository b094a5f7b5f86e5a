//! How a provider of datagrams meets the demand for ends: it claims their ports and says what came of it. The
//! one over ip does so as well as one that holds sockets of the operating system.

use core::time::Duration;
use std::net::IpAddr;

use netmart_bus::{
    Change, Context, Handle, Handler, Interest, Role, Spawn, Timer, TimerToken, Watcher,
};
use netmart_proto::wire::Protocol;

use super::ends::{Ends, Verdict};
use crate::address::{Direction, LocalAddress};
use crate::message::{
    BindFailed, Bound, BoundKey, Discard, DiscardKey, ForAskerPattern, ListenError, PortInUse,
    PortKey, PortReply, PortRequest, PortsOf, UdpDatagram, UdpPattern,
};

/// The ends that an actor provides; each holds a `B` while it is bound.
#[derive(Debug)]
pub struct Demand<B> {
    ends: Ends<Held<B>, Handle>,
    /// Runs while an answer of the port allocator is awaited.
    patience: Option<Timer>,
}

/// What a bound end holds: its port is claimed, and both are known.
#[derive(Debug)]
struct Held<B> {
    end: B,
    _facts: [Handle; 2],
}

/// How long to wait for the port allocator before it is asked again: only one that ended does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The timer of the demand: its provider calls [`ask_next`] when it rings.
pub const ASK_AGAIN: TimerToken = TimerToken(0);

impl<B> Demand<B> {
    /// No ends, and room for `limit`.
    pub const fn new(limit: usize) -> Self {
        Self { ends: Ends::new(limit), patience: None }
    }

    /// What the end `local` holds, if it is bound.
    pub fn held(&self, local: LocalAddress) -> Option<&B> {
        self.ends.held(local).map(|held| &held.end)
    }

    /// The bound end that a datagram to `port` of `ip` is for: the one with that address before one with none. An
    /// end with the unspecified address of IPv6 takes IPv4 too, if no other does.
    pub fn reached_by(&self, ip: IpAddr, port: u16) -> Option<LocalAddress> {
        self.ends.reached_by(ip, port)
    }
}

/// An actor that provides datagrams.
pub trait Provider:
    Handler<UdpDatagram> + Handler<PortReply> + Watcher<Interest<UdpDatagram>>
{
    /// What it holds for a bound end.
    type Held;
    /// Where it counts what it discards.
    const PLACE: &'static str;

    /// The ends it provides.
    fn demand(&mut self) -> &mut Demand<Self::Held>;

    /// Whether an end may have the address `ip`.
    fn may_have(&self, ip: IpAddr) -> bool;

    /// Opens an end whose port has been claimed.
    ///
    /// # Errors
    ///
    /// Why nothing can be bound to it.
    fn open(&mut self, local: LocalAddress) -> Result<Self::Held, ListenError>;

    /// Sends a datagram of a bound end.
    fn send(&mut self, datagram: UdpDatagram, ctx: &mut Context<'_, Self>);
}

/// The interests that make an actor hear of the demand.
pub fn hears<A: Provider>(provider: Spawn<A>) -> Spawn<A> {
    let inbound = UdpPattern::any().direction(Direction::Inbound);
    let outbound = UdpPattern::any().direction(Direction::Outbound);
    provider
        .subscribe::<UdpDatagram>(outbound)
        .watch_interest::<UdpDatagram>(Role::Subscriber, inbound)
        .watch_interest::<UdpDatagram>(Role::Provider, outbound)
}

/// The provider has started.
pub fn started<A: Provider>(ctx: &mut Context<'_, A>) {
    ctx.subscribe::<PortReply>(ForAskerPattern::any().asker(ctx.id())).keep();
}

/// Somebody wants an end, or no longer.
pub fn changed<A: Provider>(
    provider: &mut A,
    change: Change<Interest<UdpDatagram>>,
    ctx: &mut Context<'_, A>,
) {
    match change {
        Change::Snapshot(all) => {
            all.iter().for_each(|interest| wanted(provider, &interest.pattern, ctx));
        }
        Change::Appeared(interest) => wanted(provider, &interest.pattern, ctx),
        Change::Gone(Interest { pattern, .. }) => {
            if let Some(local) = pattern.local {
                provider.demand().ends.unwanted(local);
            }
        }
    }
}

fn wanted<A: Provider>(provider: &mut A, pattern: &UdpPattern, ctx: &mut Context<'_, A>) {
    // Who wants everything wants to look on; there is no end to bind for that.
    let Some(local) = pattern.local else { return discard("wildcard_demand", ctx) };
    let is_possible = provider.may_have(local.0.ip);
    match provider.demand().ends.wanted(local, is_possible) {
        Verdict::Nothing => {}
        Verdict::Ask => ask_next(provider, ctx),
        Verdict::Fail(reason) => fail(provider, local, reason, ctx),
    }
}

/// Asks the port allocator for the next end in line, one at a time: its answers do not say which question
/// they answer.
pub fn ask_next<A: Provider>(provider: &mut A, ctx: &mut Context<'_, A>) {
    while let Some(local) = provider.demand().ends.next_in_line() {
        if !provider.demand().ends.holds_port(local.0.port) {
            ctx.send(PortRequest {
                of: PortsOf { protocol: Protocol::UDP },
                asker: ctx.id(),
                want: Some(local.0.port),
                ip: claimed_ip(local),
                remote: None,
            });
            provider.demand().patience = Some(ctx.set_timer(ctx.now() + PATIENCE, ASK_AGAIN));
            return;
        }
        // Within UDP the ends of one port are told apart by their address.
        bind(provider, local, ctx);
    }
    provider.demand().patience = None;
}

/// The port allocator has answered.
pub fn answered<A: Provider>(provider: &mut A, reply: &PortReply, ctx: &mut Context<'_, A>) {
    let Some(local) = provider.demand().ends.next_in_line() else { return };
    match reply.result {
        Ok(port) if port == local.0.port => bind(provider, local, ctx),
        // The answer to a question that was asked twice.
        Ok(_) => return,
        Err(error) => fail(provider, local, error.into(), ctx),
    }
    ask_next(provider, ctx);
}

fn bind<A: Provider>(provider: &mut A, local: LocalAddress, ctx: &mut Context<'_, A>) {
    let port = PortKey { protocol: Protocol::UDP, port: local.0.port };
    // Ends here if we hold nothing with it, and the port's reservation with it.
    let claim = ctx.assert(PortInUse { port, ip: claimed_ip(local), remote: None });
    let ends = &mut provider.demand().ends;
    if !ends.is_wanted(local) {
        return ends.leave_line(local);
    }
    let end = match provider.open(local) {
        Ok(end) => end,
        Err(reason) => return fail(provider, local, reason, ctx),
    };
    let bound = ctx.assert(Bound { at: BoundKey { local } });
    let held = Held { end, _facts: [claim, bound] };
    for datagram in provider.demand().ends.bound(local, held) {
        provider.send(datagram, ctx);
    }
}

fn fail<A: Provider>(
    provider: &mut A,
    local: LocalAddress,
    reason: ListenError,
    ctx: &mut Context<'_, A>,
) {
    let fact = ctx.assert(BindFailed { at: BoundKey { local }, reason });
    for _ in provider.demand().ends.failed(local, fact) {
        discard("not_bound", ctx);
    }
}

/// Somebody sends a datagram: it leaves if its end is bound, and waits as long as that is not known.
pub fn admit<A: Provider>(provider: &mut A, datagram: UdpDatagram, ctx: &mut Context<'_, A>) {
    match provider.demand().ends.admit(datagram) {
        Ok(Some(datagram)) => provider.send(datagram, ctx),
        Ok(None) => {}
        Err(reason) => discard(reason, ctx),
    }
}

/// Counts a datagram, or a wish, that comes to nothing.
pub fn discard<A: Provider>(reason: &'static str, ctx: &mut Context<'_, A>) {
    ctx.send(Discard { why: DiscardKey { place: A::PLACE, reason }, count: 1 });
}

/// The address that a port is claimed on: every one, if the end has none of its own.
fn claimed_ip(local: LocalAddress) -> Option<IpAddr> {
    Some(local.0.ip).filter(|ip| !ip.is_unspecified())
}
