//! The provider of UDP datagrams by sockets of the operating system: `Udp` of the cast, with the kernel in
//! the place of ip.

use core::time::Duration;
use std::rc::Rc;

use netmart_actors::address::{Direction, LocalAddress};
use netmart_actors::message::{
    BindFailed, Bound, BoundKey, Discard, DiscardKey, ForAskerPattern, ListenError, PortInUse,
    PortKey, PortReply, PortRequest, PortsOf, UdpDatagram, UdpPattern,
};
use netmart_actors::udp::claimed_ip;
use netmart_actors::udp::ends::{Ends, Verdict};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Role, Spawn, Timer, TimerToken,
    Watcher,
};
use netmart_proto::wire::Protocol;

use super::reactor::{End, Reactor};

/// The actor of UDP where there are sockets.
pub(crate) struct Provider {
    reactor: Rc<Reactor>,
    ends: Ends<Held, Handle>,
    /// Runs while an answer of the port allocator is awaited.
    patience: Option<Timer>,
}

/// What a bound end holds: it is open, its port is claimed, and both are known.
struct Held {
    end: End,
    _facts: [Handle; 2],
}

/// How long to wait for the port allocator before it is asked again: only one that ended does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
const ASK_AGAIN: TimerToken = TimerToken(0);

impl Provider {
    /// A provider that opens up to `max_bound` ends at `reactor`.
    pub(crate) fn spawn(reactor: Rc<Reactor>, max_bound: usize) -> Spawn<Self> {
        let inbound = UdpPattern::any().direction(Direction::Inbound);
        let outbound = UdpPattern::any().direction(Direction::Outbound);
        let provider = Self { reactor, ends: Ends::new(max_bound), patience: None };
        Spawn::new("sockets", provider)
            .subscribe::<UdpDatagram>(outbound)
            .watch_interest::<UdpDatagram>(Role::Subscriber, inbound)
            .watch_interest::<UdpDatagram>(Role::Provider, outbound)
    }

    fn discard(reason: &'static str, ctx: &mut Context<'_, Self>) {
        ctx.send(Discard { why: DiscardKey { place: "sockets", reason }, count: 1 });
    }

    fn wanted(&mut self, pattern: &UdpPattern, ctx: &mut Context<'_, Self>) {
        // Who wants everything wants to look on; there is no end to bind for that.
        let Some(local) = pattern.local else { return Self::discard("wildcard_demand", ctx) };
        // Whether the address is ours is for the kernel to say.
        match self.ends.wanted(local, true) {
            Verdict::Nothing => {}
            Verdict::Ask => self.ask_next(ctx),
            Verdict::Fail(reason) => self.fail(local, reason, ctx),
        }
    }

    fn fail(&mut self, local: LocalAddress, reason: ListenError, ctx: &mut Context<'_, Self>) {
        let fact = ctx.assert(BindFailed { at: BoundKey { local }, reason });
        for _ in self.ends.failed(local, fact) {
            Self::discard("not_bound", ctx);
        }
    }

    /// Asks the port allocator for the next end in line, one at a time: its answers do not say which question
    /// they answer.
    fn ask_next(&mut self, ctx: &mut Context<'_, Self>) {
        while let Some(local) = self.ends.next_in_line() {
            if !self.ends.holds_port(local.0.port) {
                ctx.send(PortRequest {
                    of: PortsOf { protocol: Protocol::UDP },
                    asker: ctx.id(),
                    want: Some(local.0.port),
                    ip: claimed_ip(local),
                    remote: None,
                });
                self.patience = Some(ctx.set_timer(ctx.now() + PATIENCE, ASK_AGAIN));
                return;
            }
            // Among us the ends of one port are told apart by their address.
            self.bind(local, ctx);
        }
        self.patience = None;
    }

    fn bind(&mut self, local: LocalAddress, ctx: &mut Context<'_, Self>) {
        let port = PortKey { protocol: Protocol::UDP, port: local.0.port };
        // Ends here if we hold nothing with it, and the port's reservation with it.
        let claim = ctx.assert(PortInUse { port, ip: claimed_ip(local), remote: None });
        if !self.ends.is_wanted(local) {
            return self.ends.leave_line(local);
        }
        let end = match self.reactor.bind(local) {
            Ok(end) => end,
            Err(reason) => return self.fail(local, reason, ctx),
        };
        let bound = ctx.assert(Bound { at: BoundKey { local } });
        for datagram in self.ends.bound(local, Held { end, _facts: [claim, bound] }) {
            self.send(datagram, ctx);
        }
    }

    fn send(&mut self, datagram: UdpDatagram, ctx: &mut Context<'_, Self>) {
        match self.ends.held(datagram.key.local) {
            Some(held) => held.end.post(datagram),
            None => Self::discard("not_bound", ctx),
        }
    }
}

impl Actor for Provider {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe::<PortReply>(ForAskerPattern::any().asker(ctx.id())).keep();
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.ask_next(ctx);
    }
}

impl Handler<UdpDatagram> for Provider {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        match self.ends.admit(message.take()) {
            Ok(Some(datagram)) => self.send(datagram, ctx),
            Ok(None) => {}
            Err(reason) => Self::discard(reason, ctx),
        }
    }
}

impl Handler<PortReply> for Provider {
    fn handle(&mut self, message: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        let Some(local) = self.ends.next_in_line() else { return };
        match message.result {
            Ok(port) if port == local.0.port => self.bind(local, ctx),
            // The answer to a question that was asked twice.
            Ok(_) => return,
            Err(error) => self.fail(local, error.into(), ctx),
        }
        self.ask_next(ctx);
    }
}

impl Watcher<Interest<UdpDatagram>> for Provider {
    fn changed(&mut self, change: Change<Interest<UdpDatagram>>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(all) => {
                all.iter().for_each(|interest| self.wanted(&interest.pattern, ctx));
            }
            Change::Appeared(interest) => self.wanted(&interest.pattern, ctx),
            Change::Gone(Interest { pattern, .. }) => {
                if let Some(local) = pattern.local {
                    self.ends.unwanted(local);
                }
            }
        }
    }
}
