//! The seat of a session: the end that its datagrams leave from.
//!
//! A session that was accepted on a wire whose connections share the listening port sits there. Any other has
//! a port of its own, which it binds by taking part in its datagrams; where the port is not named, one that
//! cannot be bound is followed by another.

use core::time::Duration;
use std::net::IpAddr;

use netmart_bus::{Change, Context, Delivery, Handle, Handler, Timer, Watcher};
use netmart_proto::wire::Protocol;
use netmart_proto::wires::{AnswersFrom, Wire};

use super::session::{Origin, SEAT, WireSession};
use crate::address::{Address, Direction, LocalAddress};
use crate::clock::instant;
use crate::message::{
    BindFailed, Bound, BoundKey, ForAsker, ListenError, PortError, PortReply, PortRequest, PortsOf,
    UdpDatagram, UdpError, UdpPattern, WireEnd, WireEndKey, WirePacket,
};
use crate::relay::Relay;

/// Where a session sits, or how far it has come.
#[derive(Debug)]
pub(super) struct Seat {
    end: LocalAddress,
    /// The address of ours that the datagrams shall bear.
    ip: Option<IpAddr>,
    stage: Stage,
    /// Whether it shares the end with others.
    is_shared: bool,
    /// Whether another port would do as well.
    any_port: bool,
    tries: u32,
    /// What binds the end.
    holds: Vec<Handle>,
    /// What tells how that goes, as long as it is not known.
    watches: Vec<Handle>,
    patience: Option<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been done.
    New,
    /// The port allocator has been asked.
    Asking,
    /// Whether somebody has the end is not known.
    Looking,
    /// The end is being bound.
    Binding,
    Taken,
    /// There is none to be had.
    Failed,
}

/// How often a port is tried.
const TRIES: u32 = 16;

/// How long to wait for an answer that comes at once, if it comes.
const PATIENCE: Duration = Duration::from_secs(1);

impl Seat {
    /// The end to dial from.
    pub(super) const fn at(end: LocalAddress, any_port: bool) -> Self {
        Self::new(end, None, false, any_port)
    }

    /// The end to answer from, of somebody who wrote to `reached`, which `door` is bound to.
    pub(super) const fn behind(
        door: LocalAddress,
        reached: LocalAddress,
        from: AnswersFrom,
    ) -> Self {
        let Address { ip, .. } = reached.0;
        match from {
            AnswersFrom::ListeningPort => {
                let ip = if ip.is_unspecified() { None } else { Some(ip) };
                Self::new(door, ip, true, false)
            }
            AnswersFrom::NewPort => Self::new(LocalAddress(Address::new(ip, 0)), None, false, true),
        }
    }

    const fn new(end: LocalAddress, ip: Option<IpAddr>, is_shared: bool, any_port: bool) -> Self {
        Self {
            end,
            ip,
            stage: Stage::New,
            is_shared,
            any_port,
            tries: 0,
            holds: Vec::new(),
            watches: Vec::new(),
            patience: None,
        }
    }

    /// Whether it has one, or will never have.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.stage, Stage::Taken | Stage::Failed)
    }

    /// Nothing has to be waited for any more.
    fn settle(&mut self) {
        self.watches = Vec::new();
        self.holds.shrink_to_fit();
        self.patience = None;
    }

    /// Whether datagrams can leave.
    pub(super) fn is_bound(&self) -> bool {
        self.stage == Stage::Taken
    }

    /// What datagrams leave by.
    pub(super) const fn via(&self) -> (LocalAddress, Option<IpAddr>) {
        (self.end, self.ip)
    }
}

impl<W: Wire> WireSession<W> {
    /// Begins to look for a seat.
    pub(super) fn take_seat(&mut self, ctx: &mut Context<'_, Self>) {
        if self.seat.is_shared {
            return self.share(ctx);
        }
        if self.seat.end.0.port == 0 { self.ask_for_port(ctx) } else { self.look(ctx) }
    }

    /// Keeps the listener's end bound, and sits there.
    fn share(&mut self, ctx: &mut Context<'_, Self>) {
        let local = self.seat.end;
        self.hold(local, ctx);
        let at = WireEndKey { over: self.kind, local };
        self.seat.holds.push(ctx.assert(WireEnd { at, of: None }));
        let errors = inbound(local).remote(self.key.remote);
        self.seat.holds.push(ctx.subscribe::<UdpError>(errors));
        self.sit_down(ctx);
    }

    fn hold(&mut self, local: LocalAddress, ctx: &mut Context<'_, Self>) {
        let outbound = UdpPattern::any().direction(Direction::Outbound).local(local);
        self.seat.holds.push(ctx.provide::<UdpDatagram>(outbound));
    }

    fn ask_for_port(&mut self, ctx: &mut Context<'_, Self>) {
        self.seat.stage = Stage::Asking;
        let replies = ForAsker { asker: ctx.id() }.exactly();
        self.seat.watches = vec![ctx.subscribe::<PortReply>(replies)];
        let ip = Some(self.seat.end.0.ip).filter(|ip| !ip.is_unspecified());
        let of = PortsOf { protocol: Protocol::UDP };
        ctx.send(PortRequest { of, asker: ctx.id(), want: None, ip, remote: None });
        self.be_patient(ctx);
    }

    /// Sees whether somebody has the end before it is bound.
    fn look(&mut self, ctx: &mut Context<'_, Self>) {
        self.seat.stage = Stage::Looking;
        let local = self.seat.end;
        self.seat.watches = vec![
            ctx.watch::<BindFailed>(BoundKey { local }.exactly()),
            ctx.watch::<Bound>(BoundKey { local }.exactly()),
        ];
        self.be_patient(ctx);
    }

    /// Takes part in the datagrams of the end, which binds it.
    fn bind(&mut self, ctx: &mut Context<'_, Self>) {
        self.seat.stage = Stage::Binding;
        let local = self.seat.end;
        if let Origin::Dialled { .. } = self.origin {
            self.key.local = local;
            let packets = self.packet_pattern();
            self.seat.holds.push(ctx.subscribe::<WirePacket<W>>(packets));
        }
        let at = WireEndKey { over: self.kind, local };
        self.seat.holds.push(ctx.assert(WireEnd { at, of: Some(self.key) }));
        self.seat.holds.push(ctx.subscribe::<UdpError>(inbound(local)));
        self.hold(local, ctx);
    }

    fn sit_down(&mut self, ctx: &mut Context<'_, Self>) {
        self.seat.stage = Stage::Taken;
        self.seat.settle();
        if !self.seat.is_shared {
            self.flow.local = self.seat.end;
        }
        self.open_channel(ctx);
        self.drain_soon(ctx);
    }

    /// The kernel-level channel, and for who dialled the relay at its other end.
    fn open_channel(&mut self, ctx: &mut Context<'_, Self>) {
        if let Origin::Dialled { user, patience } = self.origin {
            ctx.spawn(Relay::spawn(self.flow, user, patience));
        }
        self.join_channel(ctx);
    }

    fn be_patient(&mut self, ctx: &mut Context<'_, Self>) {
        let deadline = ctx.now() + PATIENCE;
        ctx.reset_timer(&mut self.seat.patience, deadline, SEAT);
    }

    /// Whoever should have answered has not: it crashed, or cannot.
    pub(super) fn seat_is_late(&mut self, ctx: &mut Context<'_, Self>) {
        self.seat.tries += 1;
        match self.seat.stage {
            _ if self.seat.tries >= TRIES => {
                self.go_without(ListenError::Port(PortError::Exhausted), ctx);
            }
            Stage::Asking => self.ask_for_port(ctx),
            Stage::Looking | Stage::Binding => self.be_patient(ctx),
            Stage::New | Stage::Taken | Stage::Failed => {}
        }
    }

    fn seat_refused(&mut self, reason: ListenError, ctx: &mut Context<'_, Self>) {
        self.seat.tries += 1;
        let may_try = self.seat.any_port && matches!(reason, ListenError::Port(_));
        self.seat.holds.clear();
        self.seat.settle();
        if may_try && self.seat.tries < TRIES {
            self.ask_for_port(ctx);
        } else {
            self.go_without(reason, ctx);
        }
    }

    /// There is no connection without a port. Who dialled is told.
    fn go_without(&mut self, reason: ListenError, ctx: &mut Context<'_, Self>) {
        tracing::debug!(flow = %self.flow, %reason, "no port");
        Self::discard("no_port", ctx);
        self.seat.stage = Stage::Failed;
        self.seat.holds.clear();
        self.seat.settle();
        match self.origin {
            Origin::Accepted { .. } => ctx.stop(),
            Origin::Dialled { .. } => {
                self.open_channel(ctx);
                self.never_connected(reason.into(), ctx);
                self.machine.abort(instant(ctx.now()));
                self.drain_soon(ctx);
            }
        }
    }
}

/// What comes to an end.
fn inbound(local: LocalAddress) -> UdpPattern {
    UdpPattern::any().direction(Direction::Inbound).local(local)
}

impl<W: Wire> Handler<PortReply> for WireSession<W> {
    fn handle(&mut self, reply: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        // What was asked twice is answered twice.
        if self.seat.stage != Stage::Asking {
            return;
        }
        match reply.result {
            Ok(port) => {
                self.seat.end.0.port = port;
                self.look(ctx);
            }
            Err(error) => self.go_without(error.into(), ctx),
        }
    }
}

impl<W: Wire> Watcher<Bound> for WireSession<W> {
    fn changed(&mut self, change: Change<Bound>, ctx: &mut Context<'_, Self>) {
        match (self.seat.stage, change) {
            (Stage::Looking, Change::Snapshot(facts)) if facts.is_empty() => self.bind(ctx),
            (Stage::Looking, Change::Snapshot(_) | Change::Appeared(_)) => {
                self.seat_refused(ListenError::Port(PortError::InUse), ctx);
            }
            (Stage::Binding, Change::Appeared(fact)) if fact.at.local == self.seat.end => {
                self.sit_down(ctx);
            }
            _ => {}
        }
    }
}

impl<W: Wire> Watcher<BindFailed> for WireSession<W> {
    fn changed(&mut self, change: Change<BindFailed>, ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest()
            && matches!(self.seat.stage, Stage::Looking | Stage::Binding)
            && fact.at.local == self.seat.end
        {
            self.seat_refused(fact.reason, ctx);
        }
    }
}
