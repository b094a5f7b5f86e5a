//! A listener: a port of its own, and a relay for each connection that is made to it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::IpAddr;

use netmart_bus::{
    Actor, Change, Context, Delivery, Demand, Handle, Handler, Interest, Role, Spawn, Watcher,
};
use netmart_proto::wire::Protocol;

use super::end::WireEndClaim;
use crate::address::{Flow, Listener, Local, RemoteAddress, Transport};
use crate::channel::is_users;
use crate::message::{
    Backlog, Channel, ChannelPattern, Established, ForAsker, InterfaceAddress, ListenError,
    ListenFailed, ListenerKey, Listening, ListeningKey, OfListenerPattern, OwnAddressPattern,
    PortInUse, PortKey, PortReply, PortRequest, PortsOf, PortsOfPattern,
};
use crate::relay::Relay;

/// The listener that an interest asks for: a user's end of a listener's channel, with anybody.
pub(super) fn wish_of(interest: &Interest<Channel>) -> Option<Demand<Listener>> {
    match (interest.pattern.local, interest.pattern.remote) {
        _ if !is_users(interest) => None,
        (Some(Local::Listener(listener)), None) => Some(Demand::Exact(listener)),
        (None, None) => Some(Demand::Wildcard),
        _ => None,
    }
}

/// What tells the connections of a listener apart: the remote end, and the address of ours that it
/// reached.
type Peer = (RemoteAddress, IpAddr);

const fn peer_of(flow: Flow) -> Peer {
    (flow.remote, flow.local.0.ip)
}

/// What a listener may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections that are established and that nobody has claimed.
    pub(super) backlog: usize,
    /// How long a relay waits for an end.
    pub(super) relay_patience: Duration,
}

/// One listener: a port, and a relay for each connection to it.
#[derive(Debug)]
pub(super) struct ListenerTask {
    pub(super) listener: Listener,
    limits: Limits,
    /// Where a wire's connections come to.
    pub(super) end: WireEndClaim,
    pub(super) port: Option<u16>,
    /// Interests that want this listener.
    wishes: u32,
    /// Subscriptions that take every connection of this listener.
    takers: u32,
    /// Connections that had a relay before this listener started: its predecessor crashed.
    inherited: BTreeSet<Peer>,
    /// Established connections that nobody has claimed.
    unclaimed: BTreeSet<Peer>,
    /// Whether the port allocator has been asked and has not answered.
    is_asking: bool,
    /// The claim to the port, which lasts as long as the listener.
    claim: Option<Handle>,
    /// `Listening` or `ListenFailed`, or nothing yet.
    state: Option<(Option<Backlog>, Handle)>,
}

impl ListenerTask {
    pub(super) fn spawn(listener: Listener, limits: Limits) -> Spawn<Self> {
        let task = Self {
            listener,
            limits,
            end: WireEndClaim::default(),
            port: None,
            wishes: 0,
            takers: 0,
            inherited: BTreeSet::new(),
            unclaimed: BTreeSet::new(),
            is_asking: false,
            claim: None,
            state: None,
        };
        let channels = || ChannelPattern::any().local(Local::Listener(listener));
        let spawn = Spawn::new("listener", task)
            // Before `Established`: whoever has a relay must be known by then.
            .watch_interest::<Channel>(Role::Provider, channels())
            .watch_interest::<Channel>(Role::Subscriber, channels())
            .watch::<Established>(OfListenerPattern::any().listener(listener))
            .watch_interest::<PortRequest>(Role::Subscriber, PortsOfPattern::any());
        match listener.ip.filter(|_| listener.over == Transport::Tcp) {
            Some(ip) => spawn.watch::<InterfaceAddress>(OwnAddressPattern::any().ip(ip)),
            None => spawn,
        }
    }

    pub(super) fn ask_for_port(&mut self, ctx: &mut Context<'_, Self>) {
        self.is_asking = true;
        let want = Some(self.listener.port).filter(|port| *port != 0);
        let of = PortsOf { protocol: self.listener.over.protocol() };
        let asker = ctx.id();
        ctx.send(PortRequest { of, asker, want, ip: self.listener.ip, remote: None });
    }

    pub(super) fn fail(&mut self, reason: ListenError, ctx: &mut Context<'_, Self>) {
        let of = ListenerKey { listener: self.listener };
        tracing::debug!(listener = %self.listener, %reason, "cannot listen");
        self.state = Some((None, ctx.assert(ListenFailed { of, reason })));
    }

    /// States whether there is room, if that has changed.
    pub(super) fn tell_backlog(&mut self, ctx: &mut Context<'_, Self>) {
        let Some(port) = self.port else { return };
        let full = self.takers == 0 && self.unclaimed.len() >= self.limits.backlog;
        let backlog = if full { Backlog::Full } else { Backlog::Open };
        if !matches!(self.state, Some((Some(told), _)) if told == backlog) {
            let at = ListeningKey { listener: self.listener, port };
            self.state = Some((Some(backlog), ctx.assert(Listening { at, backlog })));
        }
    }

    fn connected(&mut self, flow: Flow, ctx: &mut Context<'_, Self>) {
        if self.inherited.remove(&peer_of(flow)) {
            return;
        }
        let user = Local::Listener(self.listener);
        ctx.spawn(Relay::spawn(flow, user, self.limits.relay_patience));
        if self.takers == 0 {
            self.unclaimed.insert(peer_of(flow));
            self.tell_backlog(ctx);
        }
    }

    fn claimed(&mut self, interest: &Interest<Channel>, ctx: &mut Context<'_, Self>) {
        match interest.pattern.remote {
            Some(remote) => {
                let ip = interest.pattern.ip.flatten();
                let is_meant = |peer: &Peer| peer.0 == remote && ip.is_none_or(|ip| ip == peer.1);
                self.unclaimed.retain(|peer| !is_meant(peer));
            }
            None => {
                self.takers += 1;
                self.unclaimed.clear();
            }
        }
        self.tell_backlog(ctx);
    }

    fn interest_appeared(&mut self, interest: &Interest<Channel>, ctx: &mut Context<'_, Self>) {
        self.wishes += u32::from(self.is_wish(interest));
        if interest.role == Role::Subscriber && is_users(interest) {
            self.claimed(interest, ctx);
        }
    }

    fn interest_gone(&mut self, interest: &Interest<Channel>, ctx: &mut Context<'_, Self>) {
        if interest.role == Role::Subscriber && is_users(interest) {
            self.takers -= u32::from(interest.pattern.remote.is_none());
        }
        self.wishes -= u32::from(self.is_wish(interest));
        if self.wishes == 0 {
            ctx.stop();
        }
    }

    fn is_wish(&self, interest: &Interest<Channel>) -> bool {
        wish_of(interest) == Some(Demand::Exact(self.listener))
    }

    /// A relay that is there already: that of a connection whose listener crashed.
    fn inherit(&mut self, interest: &Interest<Channel>) {
        if interest.role == Role::Provider && !is_users(interest) {
            let ChannelPattern { remote, ip, .. } = interest.pattern;
            self.inherited.extend(remote.zip(ip.flatten()));
        }
    }
}

impl Actor for ListenerTask {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe::<PortReply>(ForAsker { asker: ctx.id() }.exactly()).keep();
        match self.listener {
            Listener { over: Transport::Wire(_), port: 1.., .. } => {
                self.claim_end(self.listener.port, ctx);
            }
            Listener { over: Transport::Tcp, ip: Some(_), .. } => {}
            _ => self.ask_for_port(ctx),
        }
    }
}

impl Handler<PortReply> for ListenerTask {
    fn handle(&mut self, reply: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        // What was asked twice is answered twice, and the second time the port is ours already.
        if !std::mem::take(&mut self.is_asking) {
            return;
        }
        match reply.result {
            Ok(port) if self.listener.over != Transport::Tcp => self.claim_end(port, ctx),
            Ok(port) => {
                let key = PortKey { protocol: Protocol::TCP, port };
                let fact = PortInUse { port: key, ip: self.listener.ip, remote: None };
                self.claim = Some(ctx.assert(fact));
                self.port = Some(port);
                tracing::debug!(listener = %self.listener, port, "listening");
                self.tell_backlog(ctx);
            }
            Err(error) => self.fail(error.into(), ctx),
        }
    }
}

impl Watcher<Interest<Channel>> for ListenerTask {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(interests) => {
                for interest in &interests {
                    self.inherit(interest);
                    self.interest_appeared(interest, ctx);
                }
            }
            Change::Appeared(interest) => self.interest_appeared(&interest, ctx),
            Change::Gone(interest) => self.interest_gone(&interest, ctx),
        }
    }
}

/// A new port allocator knows nothing of what its predecessor was asked.
impl Watcher<Interest<PortRequest>> for ListenerTask {
    fn changed(&mut self, change: Change<Interest<PortRequest>>, ctx: &mut Context<'_, Self>) {
        if matches!(change, Change::Appeared(_)) && self.is_asking {
            self.ask_for_port(ctx);
        }
    }
}

impl Watcher<Established> for ListenerTask {
    fn changed(&mut self, change: Change<Established>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(connections) => {
                connections.iter().for_each(|fact| self.connected(fact.of.flow, ctx));
                self.inherited.clear();
            }
            Change::Appeared(fact) => self.connected(fact.of.flow, ctx),
            Change::Gone(fact) => {
                self.unclaimed.remove(&peer_of(fact.of.flow));
                self.tell_backlog(ctx);
            }
        }
    }
}

/// Only watched by a listener on one address: it must be ours.
impl Watcher<InterfaceAddress> for ListenerTask {
    fn changed(&mut self, change: Change<InterfaceAddress>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(addresses) if addresses.is_empty() => {
                self.fail(ListenError::NotLocal, ctx);
            }
            Change::Snapshot(_) => self.ask_for_port(ctx),
            Change::Appeared(_) | Change::Gone(_) => {}
        }
    }
}
