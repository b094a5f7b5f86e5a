//! The session: one actor per connection, around the sans-IO machine of its wire.

use core::time::Duration;
use std::net::IpAddr;
use std::rc::Rc;

use netmart_bus::{
    Actor, Context, Delivery, Handle, Handler, Publisher, Spawn, Time, Timer, TimerToken,
};
use netmart_proto::Instant;
use netmart_proto::wire::icmp::IcmpErrorKind;
use netmart_proto::wires::{Action, Kind, Outcome, Role, Transmit, Wire};

use super::seat::Seat;
use super::weather::Weather;
use super::words::Words;
use super::writes::Writes;
use super::{Dial, terms_or_default};
use crate::address::{Direction, Flow, Listener, Local, LocalAddress, RemoteAddress};
use crate::census::{Census, Counted};
use crate::clock::{instant, time};
use crate::message::{
    Discard, DiscardKey, HalfOpen, OfListener, UdpError, UdpKey, UdpPattern, WireLog, WirePacket,
    WireReoffer, WireTerms,
};

/// Drives the machine of one connection: packets in and out on the network's side, a kernel-level channel
/// on the other.
///
/// What comes within one run of the dataspace is taken first and answered then: a timer that is due at once
/// drains the machine, so that acknowledgements and what is said to the user are worth their messages.
pub struct WireSession<W: Wire> {
    pub(super) kind: Kind,
    /// How the codec names this session: what its peer first wrote to, or what it dialled from.
    pub(super) key: Flow,
    /// What it is at kernel level.
    pub(super) flow: Flow,
    pub(super) machine: W,
    pub(super) origin: Origin,
    pub(super) seat: Seat,
    pub(super) words: Words,
    pub(super) writes: Writes,
    weather: Option<Box<Weather<W::Packet>>>,
    log: Log,
    packets: Option<Publisher<WirePacket<W>>>,
    /// That it is in its handshake.
    pub(super) half_open: Option<Handle>,
    wake: Option<Timer>,
    drain: Option<Timer>,
    is_drain_due: bool,
    /// A deadline that was met too late, and put off.
    excused: Option<Instant>,
    #[expect(dead_code, reason = "held as long as the connection counts")]
    counted: Counted,
}

/// Who wanted the connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// A user of ours, who calls it so.
    Dialled {
        user: Local,
        /// How long its relay waits for an end.
        patience: Duration,
    },
    /// The peer, who wrote to the end of a listener.
    Accepted { listener: Listener },
}

/// Whether each datagram is told.
enum Log {
    Off,
    On,
    /// The packet that opened the connection has not been.
    First(String),
}

/// What a session is made of that answers a packet.
pub(super) struct Opening<'a> {
    pub(super) kind: Kind,
    pub(super) flow: Flow,
    pub(super) listener: Listener,
    pub(super) via: (LocalAddress, Option<IpAddr>),
    pub(super) terms: &'a WireTerms,
    pub(super) seed: u64,
}

/// The machine wants to be woken, or the weather lets something pass.
const WAKE: TimerToken = TimerToken(0);
/// All that came at once has been taken.
const DRAIN: TimerToken = TimerToken(1);
/// No port has come.
pub(super) const SEAT: TimerToken = TimerToken(2);

/// A host that wakes a session so much too late was busy with something else, and has not read its sockets.
const OVERSLEPT: Duration = Duration::from_millis(3);
/// How long it gets to do so.
const GRACE: Duration = Duration::from_millis(1);

impl<W: Wire> WireSession<W> {
    /// A session that opens a connection, for the dialer.
    pub(super) fn dial(dial: &Dial<'_, '_>, now: Time) -> Spawn<Self> {
        let terms = terms_or_default(dial.terms.as_ref());
        let machine = W::connect(&terms.config, dial.remote.into(), dial.seed, instant(now));
        let session = Self::new(
            dial.kind,
            Flow { local: dial.from, remote: dial.remote },
            machine,
            Origin::Dialled { user: dial.user, patience: dial.patience },
            Seat::at(dial.from, dial.any_port),
            (&terms, dial.seed),
            dial.census,
        );
        Spawn::new(dial.kind.name(), session)
    }

    /// A session that answers `packet`, of which `machine` was made, for the codec.
    pub(super) fn accept(
        opening: &Opening<'_>,
        machine: W,
        packet: &W::Packet,
        census: &Rc<Census>,
    ) -> Spawn<Self> {
        let &Opening { kind, flow, listener, via, terms, seed } = opening;
        let origin = Origin::Accepted { listener };
        let seat = Seat::behind(via.0, flow.local, W::PROFILE.answers_from);
        let mut session = Self::new(kind, flow, machine, origin, seat, (terms, seed), census);
        if terms.log {
            session.log = Log::First(W::log_line(Role::Server, Action::Receive, packet));
        }
        let pattern = session.packet_pattern();
        Spawn::new(kind.name(), session).subscribe::<WirePacket<W>>(pattern)
    }

    fn new(
        kind: Kind,
        flow: Flow,
        machine: W,
        origin: Origin,
        seat: Seat,
        (terms, seed): (&WireTerms, u64),
        census: &Rc<Census>,
    ) -> Self {
        Self {
            kind,
            key: flow,
            flow,
            machine,
            origin,
            seat,
            words: Words::default(),
            writes: Writes::new(&W::PROFILE, terms.config.chunk),
            weather: Weather::on_terms(terms, seed),
            log: if terms.log { Log::On } else { Log::Off },
            packets: None,
            half_open: None,
            wake: None,
            drain: None,
            is_drain_due: false,
            excused: None,
            counted: Counted::in_census(census),
        }
    }

    /// The packets that are for this session.
    pub(super) fn packet_pattern(&self) -> UdpPattern {
        self.packet_key(Direction::Inbound).exactly()
    }

    fn packet_key(&self, direction: Direction) -> UdpKey {
        UdpKey { direction, local: self.key.local, remote: self.key.remote }
    }

    pub(super) fn discard(reason: &'static str, ctx: &mut Context<'_, Self>) {
        ctx.send(Discard { why: DiscardKey { place: W::PROFILE.name, reason }, count: 1 });
    }

    /// Lets the machine answer when all that has come at once is taken.
    pub(super) fn drain_soon(&mut self, ctx: &mut Context<'_, Self>) {
        if !self.is_drain_due {
            self.is_drain_due = true;
            ctx.reset_timer(&mut self.drain, ctx.now(), DRAIN);
        }
    }

    /// Everything the machine has to say.
    pub(super) fn drain(&mut self, ctx: &mut Context<'_, Self>) {
        self.is_drain_due = false;
        if !self.seat.is_taken() {
            return;
        }
        self.machine.handle_deadline(instant(ctx.now()));
        self.tell_events(ctx);
        self.hand_up(ctx);
        self.tell_events(ctx);
        self.hand_down(ctx);
        self.transmit(ctx);
        self.grant_credit(ctx);
        if self.is_done() {
            ctx.stop();
        } else {
            self.rearm(ctx);
        }
    }

    /// Whether nobody can expect anything any more, neither the peer nor the user.
    fn is_done(&self) -> bool {
        let is_calm = self.weather.as_ref().is_none_or(|weather| weather.is_calm());
        self.machine.is_over() && is_calm && self.has_said_all()
    }

    fn rearm(&mut self, ctx: &mut Context<'_, Self>) {
        let machine = self.machine.next_deadline().map(|(at, _)| at);
        let weather = self.weather.as_ref().and_then(|weather| weather.next_deadline());
        match machine.into_iter().chain(weather).min() {
            Some(deadline) => ctx.reset_timer(&mut self.wake, time(deadline), WAKE),
            None => self.wake = None,
        }
    }

    /// Whether the host has let the deadline pass by far. What was waited for may have come meanwhile and lie in
    /// a socket, so nothing is taken for lost before that could be read; once for each deadline.
    fn has_overslept(&mut self, now: Time) -> bool {
        let deadline = self.machine.next_deadline().map(|(at, _)| at);
        let is_late = deadline.is_some_and(|deadline| time(deadline) + OVERSLEPT < now);
        let excused = deadline.filter(|_| is_late && self.excused != deadline);
        self.excused = excused.or(self.excused);
        excused.is_some()
    }

    // -------------------------------------------------------------------------------- network

    fn transmit(&mut self, ctx: &mut Context<'_, Self>) {
        let now = instant(ctx.now());
        while let Some(transmit) = self.machine.poll_transmit(now) {
            while self.log.is_on()
                && let Some(remark) = self.machine.poll_remark()
            {
                self.tell_line(remark, ctx);
            }
            match &mut self.weather {
                None => {
                    let action = if transmit.again { Action::SendAgain } else { Action::Send };
                    self.tell_log(action, &transmit.packet, ctx);
                    self.send(transmit, ctx);
                }
                Some(weather) => {
                    let told = weather.take::<W>(transmit, now, self.log.is_on());
                    for (action, packet) in told {
                        self.tell_log(action, &packet, ctx);
                    }
                }
            }
        }
        while let Some(weather) = &mut self.weather
            && let Some(transmit) = weather.poll(now)
        {
            self.send(transmit, ctx);
        }
    }

    fn send(&mut self, transmit: Transmit<W::Packet>, ctx: &mut Context<'_, Self>) {
        let Some(packets) = self.packets.as_ref().filter(|_| self.seat.is_bound()) else { return };
        let Transmit { packet, to, again } = transmit;
        let key = self.packet_key(Direction::Outbound);
        let peer = RemoteAddress::from(to);
        packets.send(ctx, WirePacket { key, via: self.seat.via(), peer, packet, again });
    }

    pub(super) fn role(&self) -> Role {
        match self.origin {
            Origin::Dialled { .. } => Role::Client,
            Origin::Accepted { .. } => Role::Server,
        }
    }

    /// The local end as its user calls it.
    const fn user(&self) -> Local {
        match self.origin {
            Origin::Dialled { user, .. } => user,
            Origin::Accepted { listener, .. } => Local::Listener(listener),
        }
    }

    fn tell_log(&mut self, action: Action, packet: &W::Packet, ctx: &mut Context<'_, Self>) {
        if self.log.is_on() {
            let line = W::log_line(self.role(), action, packet);
            self.tell_line(line, ctx);
        }
    }

    fn tell_line(&mut self, line: String, ctx: &mut Context<'_, Self>) {
        let (of, user) = (self.flow, self.user());
        if let Log::First(first) = core::mem::replace(&mut self.log, Log::On) {
            ctx.send(WireLog { of, user, line: first });
        }
        ctx.send(WireLog { of, user, line });
    }

    /// Hands a packet to the machine. One that opens another connection takes the place of this one, if
    /// there is nothing left to tell here.
    fn take(&mut self, arrived: WirePacket<W>, ctx: &mut Context<'_, Self>) {
        let (from, now) = (arrived.peer.into(), instant(ctx.now()));
        let may_give_way = self.may_give_way();
        let copy = (may_give_way || self.log.is_on()).then(|| arrived.clone());
        let outcome = self.machine.handle_packet(arrived.packet, from, now);
        if let Some(copy) = &copy
            && self.log.is_on()
        {
            self.tell_log(Action::of(outcome), &copy.packet, ctx);
        }
        match outcome {
            Outcome::Taken => {}
            Outcome::Dropped(discard) => Self::discard(discard.name(), ctx),
            Outcome::Opens => match copy.filter(|_| may_give_way) {
                Some(copy) => {
                    ctx.send(WireReoffer(copy));
                    return ctx.stop();
                }
                None => Self::discard("still_connected", ctx),
            },
        }
        self.drain_soon(ctx);
    }
}

impl Log {
    const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

impl<W: Wire> Actor for WireSession<W> {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.packets = Some(ctx.publisher());
        self.words.open(ctx.publisher());
        if let Origin::Accepted { listener, .. } = self.origin {
            let of = OfListener { listener, flow: self.flow };
            self.half_open = Some(ctx.assert(HalfOpen { of }));
        }
        self.take_seat(ctx);
    }

    fn timeout(&mut self, token: TimerToken, ctx: &mut Context<'_, Self>) {
        match token {
            SEAT => self.seat_is_late(ctx),
            WAKE if self.has_overslept(ctx.now()) => {
                let soon = ctx.now() + GRACE;
                ctx.reset_timer(&mut self.wake, soon, WAKE);
            }
            // What has come in the same run goes first: it may be what was waited for.
            WAKE => self.drain_soon(ctx),
            _ => self.drain(ctx),
        }
    }
}

impl<W: Wire> Handler<WirePacket<W>> for WireSession<W> {
    fn handle(&mut self, message: Delivery<'_, WirePacket<W>>, ctx: &mut Context<'_, Self>) {
        self.take(message.take(), ctx);
    }
}

/// A datagram that did not arrive. Only that nobody is there means something to a wire.
impl<W: Wire> Handler<UdpError> for WireSession<W> {
    fn handle(&mut self, message: Delivery<'_, UdpError>, ctx: &mut Context<'_, Self>) {
        match message.error {
            IcmpErrorKind::Unreachable { .. } => {
                self.machine.handle_unreachable(instant(ctx.now()));
                self.drain_soon(ctx);
            }
            _ => Self::discard("icmp", ctx),
        }
    }
}
