//! Ports that cannot be bound: another is tried, but not for ever.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::address::{Direction, Listener, Local, LocalAddress};
use netmart_actors::cast::Cast;
use netmart_actors::config::Config;
use netmart_actors::message::{
    BindFailed, Bound, BoundKey, Channel, ChannelPattern, ConnectionPattern, ListenError,
    ListenFailed, ListenerPattern, Listening, ListeningPattern, PortError, Refusal, Refused, Terms,
    UdpDatagram, UdpPattern,
};
use netmart_bus::{
    Actor, Change, Config as BusConfig, Context, Dataspace, Delivery, Handle, Handler, Interest,
    Role, Spawn, Time, Watcher,
};
use netmart_proto::wires::Kind;

use crate::apps::{Shared, client, handle, listener, wished, writes};
use crate::common::apps::{Idle, pattern};

/// Stands in for the sockets of an operating system on which others hold ports.
#[derive(Default)]
struct Grudging {
    /// How many ends are still refused.
    refusals: Rc<Cell<usize>>,
    /// What was asked for, and how it went.
    ends: BTreeMap<LocalAddress, Handle>,
    asked: Rc<RefCell<Vec<u16>>>,
    /// Where datagrams left from.
    sent: Rc<RefCell<Vec<u16>>>,
}

impl Actor for Grudging {}

impl Handler<UdpDatagram> for Grudging {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, _ctx: &mut Context<'_, Self>) {
        self.sent.borrow_mut().push(message.key.local.0.port);
    }
}

impl Watcher<Interest<UdpDatagram>> for Grudging {
    fn changed(&mut self, change: Change<Interest<UdpDatagram>>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Appeared(Interest { pattern, .. }) => {
                let Some(local) = pattern.local else { return };
                self.asked.borrow_mut().push(local.0.port);
                let at = BoundKey { local };
                let fact = match self.refusals.get() {
                    0 => ctx.assert(Bound { at }),
                    left => {
                        self.refusals.set(left - 1);
                        let reason = ListenError::Port(PortError::InUse);
                        ctx.assert(BindFailed { at, reason })
                    }
                };
                self.ends.insert(local, fact);
            }
            Change::Gone(Interest { pattern, .. }) => {
                pattern.local.map(|local| self.ends.remove(&local));
            }
            Change::Snapshot(_) => {}
        }
    }
}

/// A stack on such a system.
struct Host {
    dataspace: Dataspace,
    asked: Rc<RefCell<Vec<u16>>>,
    sent: Rc<RefCell<Vec<u16>>>,
}

impl Host {
    fn refusing(times: usize) -> Self {
        let bus = BusConfig { hash_seed: Some(1), ..BusConfig::default() };
        let mut dataspace = Dataspace::new(bus);
        let refusals = Rc::new(Cell::new(times));
        let (asked, sent) = (Rc::default(), Rc::default());
        let (of_asked, of_sent) = (Rc::clone(&asked), Rc::clone(&sent));
        Cast::enter_with(&mut dataspace, &Config::default(), Rc::new(|_| true), move || {
            let (asked, sent) = (Rc::clone(&of_asked), Rc::clone(&of_sent));
            let grudging =
                Grudging { refusals: Rc::clone(&refusals), asked, sent, ..Grudging::default() };
            let outbound = || UdpPattern::any().direction(Direction::Outbound);
            Spawn::new("grudging", grudging)
                .subscribe::<UdpDatagram>(outbound())
                .watch_interest::<UdpDatagram>(Role::Provider, outbound())
        });
        Self { dataspace, asked, sent }
    }

    fn run(&mut self) {
        let _ = self.dataspace.run(Time::ZERO + Duration::from_millis(1));
    }

    fn dial(&mut self, kind: Kind) -> Shared {
        let (client, story) = client(kind, 1, writes(kind, &pattern(10), 10), Some(0));
        self.dataspace.spawn(client);
        self.run();
        story
    }
}

#[test]
fn a_dial_tries_another_port() {
    for &kind in Kind::ALL {
        let mut host = Host::refusing(3);
        host.dial(kind);
        let (asked, sent) = (host.asked.borrow(), host.sent.borrow());
        assert_eq!(asked.len(), 4, "{}", kind.name());
        assert_eq!(sent[..1], asked[3..], "{}: the SYN leaves from the last", kind.name());
    }
}

#[test]
fn a_dial_gives_up_when_no_port_can_be_bound() {
    for &kind in Kind::ALL {
        let mut host = Host::refusing(usize::MAX);
        let story = host.dial(kind);
        assert_eq!(host.asked.borrow().len(), 16, "{}", kind.name());
        assert!(host.sent.borrow().is_empty());
        assert_eq!(story.borrow().end(), "cannot bind a port: the port is in use");
        let refused = host.dataspace.facts::<Refused>(&ConnectionPattern::any());
        // Its user has left, and so has the fact.
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[test]
fn a_dial_from_a_certain_port_tries_no_other() {
    for &kind in Kind::ALL {
        let mut host = Host::refusing(1);
        let terms = Terms { port: Some(5_000), ..Terms::of(handle(kind, 1)) };
        host.dataspace.assert(terms).keep();
        let [inbound, _] = netmart_actors::end::ChannelEnd::patterns(&wished(kind, 1));
        host.dataspace.spawn(Spawn::new("idle", Idle).subscribe::<Channel>(inbound));
        host.run();
        assert_eq!(*host.asked.borrow(), [5_000]);
        let refused = host.dataspace.facts::<Refused>(&wished(kind, 1).exactly());
        assert_eq!(refused[0].reason, Refusal::Port(PortError::InUse), "{}", kind.name());
    }
}

#[test]
fn a_listener_tries_another_port_only_if_none_was_named() {
    for &kind in Kind::ALL {
        for (port, listening, asked) in [(0, 1, 4), (7, 0, 1)] {
            let mut host = Host::refusing(3);
            let local = Local::Listener(Listener { port, ..listener(kind) });
            let wish = ChannelPattern::any().direction(Direction::Outbound).local(local);
            host.dataspace.spawn(Spawn::new("wish", Idle).provide::<Channel>(wish));
            host.run();
            let facts = host.dataspace.facts::<Listening>(&ListeningPattern::any());
            assert_eq!(facts.len(), listening, "{} {port}", kind.name());
            let failed = host.dataspace.facts::<ListenFailed>(&ListenerPattern::any());
            assert_eq!(failed.len(), 1 - listening, "{} {port}", kind.name());
            assert_eq!(host.asked.borrow().len(), asked, "{} {port}", kind.name());
        }
    }
}
