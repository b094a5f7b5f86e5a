//! The provider of UDP datagrams by sockets of the operating system: `Udp` of the cast, with the kernel in
//! the place of ip.

use std::net::IpAddr;
use std::rc::Rc;

use netmart_actors::address::LocalAddress;
use netmart_actors::message::{ListenError, PortReply, UdpDatagram};
use netmart_actors::udp::demand::{self, Demand};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Interest, Spawn, TimerToken, Watcher,
};

use super::reactor::{End, Reactor};

/// The actor of UDP where there are sockets.
pub(crate) struct Provider {
    reactor: Rc<Reactor>,
    demand: Demand<End>,
}

impl Provider {
    /// A provider that opens up to `max_bound` ends at `reactor`.
    pub(crate) fn spawn(reactor: Rc<Reactor>, max_bound: usize) -> Spawn<Self> {
        let provider = Self { reactor, demand: Demand::new(max_bound) };
        demand::hears(Spawn::new("sockets", provider))
    }
}

impl demand::Provider for Provider {
    type Held = End;
    const PLACE: &'static str = "sockets";

    fn demand(&mut self) -> &mut Demand<End> {
        &mut self.demand
    }

    /// Whether the address is ours is for the kernel to say.
    fn may_have(&self, _ip: IpAddr) -> bool {
        true
    }

    fn open(&mut self, local: LocalAddress) -> Result<End, ListenError> {
        self.reactor.bind(local)
    }

    fn send(&mut self, datagram: UdpDatagram, ctx: &mut Context<'_, Self>) {
        match self.demand.held(datagram.key.local) {
            Some(end) => end.post(datagram),
            None => demand::discard("not_bound", ctx),
        }
    }
}

impl Actor for Provider {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        demand::started(ctx);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        demand::ask_next(self, ctx);
    }
}

impl Handler<UdpDatagram> for Provider {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        demand::admit(self, message.take(), ctx);
    }
}

impl Handler<PortReply> for Provider {
    fn handle(&mut self, message: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        demand::answered(self, &message, ctx);
    }
}

impl Watcher<Interest<UdpDatagram>> for Provider {
    fn changed(&mut self, change: Change<Interest<UdpDatagram>>, ctx: &mut Context<'_, Self>) {
        demand::changed(self, change, ctx);
    }
}
