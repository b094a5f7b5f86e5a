//! The state vector: one actor per connection, around the sans-IO machine of the same name.

use std::rc::Rc;

use bytes::Bytes;
use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Publisher, Role, Spawn, Time,
    Timer, TimerToken, Watcher,
};
use netmart_proto::wire::tcp::Segment;
use netmart_proto::wire::{Protocol, SourceRoute};
use netmart_proto::{Instant, tcp};
use smallvec::{SmallVec, smallvec};

use crate::address::{Direction, Flow, Listener};
use crate::channel::parties;
use crate::clock::{instant, time};
use crate::fast_open::FastOpenWish;
use crate::message::{
    Arrivals, Body, Channel, ChannelKey, Chunks, CloseReason, Established, FastOpenHint, HalfOpen,
    Listening, ListeningPattern, OfListener, OfPeer, PathDoubted, PortInUse, PortKey, Reoffer,
    SegmentsIn, SegmentsOut, Setting, TimeWait,
};
use crate::packets::Packets;
use crate::secrets::Secrets;

/// Drives one connection's machine: segments in and out on the network's side, a kernel-level channel
/// on the other.
#[derive(Debug)]
pub struct StateVector {
    flow: Flow,
    machine: tcp::StateVector,
    segments_out: Option<Publisher<SegmentsOut>>,
    channel: Option<Publisher<Channel>>,
    /// What holds as long as the connection is in its present phase.
    standing: Option<Handle>,
    /// That it is in its handshake, which the other may overlap with Fast Open.
    half_open: Option<Handle>,
    /// Whether that phase is TIME-WAIT.
    time_wait: bool,
    listener: Option<Listener>,
    timer: Option<Timer>,
    relay: Presence,
    /// While an established connection waits for its relay: how many listeners could send one.
    listeners: Option<(Handle, usize)>,
    connected: bool,
    /// That the peer has closed, and how it all ended: kept for a relay that has not come yet.
    unsaid: Vec<Body>,
    /// Octets that the relay may still send.
    credit: usize,
    /// What the IP headers shall say.
    packets: Packets,
    /// The application does not want to hear of trouble.
    hushed: bool,
}

/// A SYN that opens a connection.
pub(crate) struct Syn<'a> {
    /// The segment.
    pub(crate) segment: &'a Segment,
    /// When it arrived.
    pub(crate) at: Instant,
    /// Whether its data may be taken before the handshake is complete, if it shows a cookie.
    pub(crate) may_take_data: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Expected,
    Here,
    Left,
}

/// Octets of credit that are worth a message while the relay still has some.
const CREDIT_PORTION: usize = 32 * 1024;

/// The only timer of a state vector: its machine says why it wants to be woken.
const WAKE: TimerToken = TimerToken(0);

impl StateVector {
    /// An active opener, for the dialer, to be finished with [`dial`](Self::dial). Its SYN leaves as soon
    /// as it starts.
    pub(crate) fn connect(
        flow: Flow,
        config: &Rc<tcp::Config>,
        packets: Packets,
        secrets: &Secrets,
        now: Time,
    ) -> Self {
        let ends = secrets.ends(flow);
        let iss = secrets.isn.isn(instant(now), ends.local, ends.remote);
        let mut machine = tcp::StateVector::connect(Rc::clone(config), iss, instant(now));
        machine.set_timestamp_offset(ends.timestamp_offset);
        machine.set_challenge_budget(Rc::clone(&secrets.challenges));
        Self::new(flow, machine, packets, None)
    }

    /// Queues octets before there is a relay, for the SYN if that may carry any.
    pub(crate) fn write_first(&mut self, mut octets: Bytes) {
        octets.truncate(self.machine.writable());
        self.machine.write(octets);
    }

    /// Tries Fast Open.
    pub(crate) fn open_fast(&mut self, wish: FastOpenWish) {
        match wish {
            FastOpenWish::Show(cookie) => self.machine.set_fast_open(Some(cookie)),
            FastOpenWish::Ask => self.machine.set_fast_open(None),
            FastOpenWish::None => {}
        }
    }

    /// The active opener, ready to be spawned.
    pub(crate) fn dial(self) -> Spawn<Self> {
        let flow = self.flow;
        let port = PortKey { protocol: Protocol::TCP, port: flow.local.0.port };
        self.spawn().assert(PortInUse { port, ip: None, remote: Some(flow.remote) })
    }

    /// A passive opener, for the codec: answers a SYN, which came for `listener`.
    pub(crate) fn accept(
        flow: Flow,
        listener: Listener,
        config: Rc<tcp::Config>,
        packets: Packets,
        secrets: &Secrets,
        Syn { segment, at, may_take_data }: Syn<'_>,
    ) -> Spawn<Self> {
        let ends = secrets.ends(flow);
        let iss = secrets.isn.isn(at, ends.local, ends.remote);
        let gives_cookies = config.fast_open_server;
        let mut machine = tcp::StateVector::accept(config, segment, iss, at);
        if gives_cookies {
            let (key, peer) = (&secrets.fast_open, flow.remote.0.ip);
            machine.answer_fast_open(segment, key, peer, may_take_data, at);
        }
        machine.set_timestamp_offset(ends.timestamp_offset);
        machine.set_challenge_budget(Rc::clone(&secrets.challenges));
        Self::new(flow, machine, packets, Some(listener)).spawn()
    }

    /// A connection that is about to be established by a cookie, for the codec: `machine` has not been
    /// given the segment that brought it yet.
    pub(crate) fn resume(
        flow: Flow,
        listener: Listener,
        mut machine: tcp::StateVector,
        packets: Packets,
        secrets: &Secrets,
    ) -> Spawn<Self> {
        machine.set_challenge_budget(Rc::clone(&secrets.challenges));
        Self::new(flow, machine, packets, Some(listener)).spawn()
    }

    fn new(
        flow: Flow,
        mut machine: tcp::StateVector,
        packets: Packets,
        listener: Option<Listener>,
    ) -> Self {
        machine.set_ip_options_len(packets.options_len());
        Self {
            flow,
            machine,
            segments_out: None,
            channel: None,
            standing: None,
            half_open: None,
            time_wait: false,
            listener,
            timer: None,
            relay: Presence::Expected,
            listeners: None,
            connected: false,
            unsaid: Vec::new(),
            credit: 0,
            packets,
            hushed: false,
        }
    }

    fn spawn(self) -> Spawn<Self> {
        let (flow, inbound, outbound) =
            (self.flow, self.key(Direction::Inbound), self.key(Direction::Outbound));
        Spawn::new("state vector", self)
            .subscribe::<SegmentsIn>(flow.exactly())
            .subscribe::<Channel>(outbound.exactly())
            .provide::<Channel>(inbound.exactly())
            .watch_interest::<Channel>(Role::Provider, outbound.exactly())
    }

    fn key(&self, direction: Direction) -> ChannelKey {
        ChannelKey::of_flow(self.flow, direction)
    }

    fn say(&mut self, body: Body, ctx: &mut Context<'_, Self>) {
        if self.relay == Presence::Expected {
            self.unsaid.push(body);
        } else if let Some(channel) = &self.channel {
            channel.send(ctx, Channel { key: self.key(Direction::Inbound), body });
        }
    }

    /// At once, whether or not there is a relay: whoever inquires is there.
    fn tell_info(&self, ctx: &mut Context<'_, Self>) {
        let body = Body::Info(Box::new(self.machine.info()));
        if let Some(channel) = &self.channel {
            channel.send(ctx, Channel { key: self.key(Direction::Inbound), body });
        }
    }

    /// Everything the machine has to say after a mutation.
    fn drain(&mut self, ctx: &mut Context<'_, Self>) {
        self.hand_up(ctx);
        self.tell_events(ctx);
        if self.half_open.is_some() && self.machine.state() != tcp::State::SynReceived {
            self.half_open = None;
        }
        self.transmit(ctx);
        self.grant_credit(ctx);
        if self.machine.is_over() {
            ctx.stop();
        } else {
            self.tell_time_wait(ctx);
            self.rearm(ctx);
        }
    }

    /// From now on only the port is kept: nobody needs to wait for this connection.
    fn tell_time_wait(&mut self, ctx: &mut Context<'_, Self>) {
        if !self.time_wait && self.machine.state() == tcp::State::TimeWait {
            self.time_wait = true;
            self.standing = Some(ctx.assert(TimeWait { flow: self.flow }));
        }
    }

    fn transmit(&mut self, ctx: &mut Context<'_, Self>) {
        let now = instant(ctx.now());
        let segments: SmallVec<[tcp::Transmit; 1]> =
            std::iter::from_fn(|| self.machine.poll_transmit(now)).collect();
        if let (false, Some(out)) = (segments.is_empty(), &self.segments_out) {
            let packets = self.packets.shared();
            out.send(ctx, SegmentsOut { flow: self.flow, segments, packets });
        }
    }

    fn hand_up(&mut self, ctx: &mut Context<'_, Self>) {
        if self.relay != Presence::Here {
            return;
        }
        if let Some(octets) = self.machine.poll_urgent() {
            self.say(Body::Urgent(octets), ctx);
        }
        let mut chunks = Chunks::new();
        self.machine.read_all(&mut chunks);
        if !chunks.is_empty() {
            self.say(Body::Data(chunks), ctx);
        }
    }

    fn tell_events(&mut self, ctx: &mut Context<'_, Self>) {
        while let Some(news) = self.machine.poll_fast_open() {
            let of = OfPeer { ip: self.flow.remote.0.ip };
            ctx.send(FastOpenHint { of, news });
        }
        while let Some(event) = self.machine.poll_event() {
            match event {
                tcp::Event::Connected => self.established(ctx),
                tcp::Event::PeerClosed => self.say(Body::End, ctx),
                tcp::Event::Refused(reason) | tcp::Event::Closed(reason) => self.ended(reason, ctx),
                tcp::Event::Superseded(segment) => self.give_way(smallvec![*segment], ctx),
                tcp::Event::Trouble(trouble) => {
                    self.tell_trouble(trouble, ctx);
                }
                // What can be read and written is asked for after every mutation anyway.
                tcp::Event::Readable | tcp::Event::Writable(_) => {}
            }
        }
    }

    /// Soft errors and excessive retransmission: the user may know (MUST-47, SHLD-9, SHLD-25), and ip
    /// is told of a path that does not seem to work (MUST-20).
    fn tell_trouble(&mut self, trouble: tcp::Trouble, ctx: &mut Context<'_, Self>) {
        tracing::debug!(flow = %self.flow, %trouble, "trouble");
        if let tcp::Trouble::Retransmitting(retransmissions) = trouble {
            ctx.send(PathDoubted { flow: self.flow, retransmissions });
        }
        // Who is not there yet need not know what passes.
        if self.relay == Presence::Here && !self.hushed {
            self.say(Body::Trouble(trouble), ctx);
        }
    }

    /// Segments that came by a source route: if they are the peer's, the last one's way back is ours, as
    /// long as the user has not named another (MUST-52, MUST-53, SHLD-24).
    fn take_routed(&mut self, back: &SourceRoute, segments: SmallVec<[Segment; 1]>, at: Instant) {
        let refused = |machine: &tcp::StateVector| {
            let counters = machine.info().counters;
            counters.unacceptable + counters.bad_timestamps + counters.challenges
        };
        let before = refused(&self.machine);
        for segment in segments {
            self.machine.handle_segment(segment, at);
        }
        if refused(&self.machine) == before && self.listener.is_some() {
            self.packets.learn(back);
            self.machine.set_ip_options_len(self.packets.options_len());
        }
    }

    fn ended(&mut self, reason: tcp::Reason, ctx: &mut Context<'_, Self>) {
        tracing::debug!(flow = %self.flow, %reason, "closed");
        self.standing = None;
        self.say(Body::Closed(CloseReason::Ended(reason)), ctx);
    }

    /// A new connection between the same ports begins: the codec starts a state vector for it.
    fn give_way(&mut self, segments: SmallVec<[Segment; 1]>, ctx: &mut Context<'_, Self>) {
        ctx.send(Reoffer { flow: self.flow, segments, at: instant(ctx.now()) });
    }

    fn established(&mut self, ctx: &mut Context<'_, Self>) {
        self.connected = true;
        if let Some(listener) = self.listener {
            let of = OfListener { listener, flow: self.flow };
            self.standing = Some(ctx.assert(Established { of }));
            if self.relay == Presence::Expected {
                let listening = ListeningPattern::any().listener(listener);
                self.listeners = Some((ctx.watch::<Listening>(listening), 0));
            }
        }
        tracing::debug!(flow = %self.flow, "established");
        // The first word, even where the peer's FIN came in the same batch.
        self.grant_credit(ctx);
    }

    /// Lets the relay send what the send buffer has room for, in portions worth a message.
    fn grant_credit(&mut self, ctx: &mut Context<'_, Self>) {
        if self.relay != Presence::Here || !self.connected || !self.machine.may_write() {
            return;
        }
        let room = self.machine.writable().saturating_sub(self.credit);
        if room >= CREDIT_PORTION || room > 0 && self.credit == 0 {
            self.credit += room;
            self.say(Body::Credit(u32::try_from(room).unwrap_or(u32::MAX)), ctx);
        }
    }

    fn rearm(&mut self, ctx: &mut Context<'_, Self>) {
        match self.machine.next_deadline() {
            Some((deadline, _)) => ctx.reset_timer(&mut self.timer, time(deadline), WAKE),
            None => self.timer = None,
        }
    }

    fn set(&mut self, setting: Setting, now: Instant) {
        let Some(setting) = self.packets.set(setting) else { return };
        match setting {
            Setting::TimeToLive(_) | Setting::Diffserv(_) => {}
            Setting::TellTrouble(on) => self.hushed = !on,
            Setting::NoDelay(on) => self.machine.set_nodelay(on, now),
            Setting::KeepAlive(keep_alive) => self.machine.set_keep_alive(keep_alive, now),
            Setting::Congestion(control) => self.machine.set_congestion(control, now),
            Setting::UserTimeout(timeout) => self.machine.set_user_timeout(timeout, now),
        }
    }

    fn write(&mut self, chunks: Chunks, ctx: &mut Context<'_, Self>) {
        let octets: usize = chunks.iter().map(Bytes::len).sum();
        if octets > self.credit {
            // Who ignores credit would make the queue grow without bound.
            self.machine.abort(instant(ctx.now()));
            return;
        }
        self.credit -= octets;
        for chunk in chunks {
            self.machine.write(chunk);
        }
    }
}

impl Actor for StateVector {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.segments_out = Some(ctx.publisher());
        self.channel = Some(ctx.publisher());
        if let Some(listener) = self.listener {
            let of = OfListener { listener, flow: self.flow };
            self.half_open = Some(ctx.assert(HalfOpen { of }));
        }
        self.drain(ctx);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.machine.handle_deadline(instant(ctx.now()));
        self.drain(ctx);
    }
}

impl Handler<SegmentsIn> for StateVector {
    fn handle(&mut self, message: Delivery<'_, SegmentsIn>, ctx: &mut Context<'_, Self>) {
        let SegmentsIn { arrivals, at, .. } = message.take();
        match arrivals {
            Arrivals::Segments(segments) => {
                for segment in segments {
                    self.machine.handle_segment(segment, at);
                }
            }
            Arrivals::Routed(back, segments) => self.take_routed(&back, segments, at),
            Arrivals::Icmp(error) => self.machine.handle_icmp(error, at),
        }
        self.drain(ctx);
    }
}

impl Handler<Channel> for StateVector {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let now = instant(ctx.now());
        match message.take().body {
            Body::Data(chunks) => self.write(chunks, ctx),
            Body::Urgent(octets) => {
                self.machine.announce_urgent(octets);
                if octets > 0 && self.credit > 0 {
                    // Who has credit says the octets next: one segment for both.
                    return;
                }
            }
            Body::End => self.machine.shutdown(now),
            Body::Credit(octets) => self.machine.grant(octets as usize, now),
            Body::Abort => self.machine.abort(now),
            Body::Set(setting) => self.set(setting, now),
            Body::Inquire => self.tell_info(ctx),
            Body::Pieces(_)
            | Body::Closed(_)
            | Body::Info(_)
            | Body::Report(_)
            | Body::Trouble(_) => {}
        }
        self.drain(ctx);
    }
}

impl Watcher<Interest<Channel>> for StateVector {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        let relays = parties(u32::from(self.relay == Presence::Here), &change);
        match (self.relay, relays) {
            (Presence::Expected, 1..) => {
                self.relay = Presence::Here;
                self.listeners = None;
                self.grant_credit(ctx);
                for body in std::mem::take(&mut self.unsaid) {
                    self.say(body, ctx);
                }
            }
            (Presence::Here, 0) => {
                self.relay = Presence::Left;
                self.machine.detach(instant(ctx.now()));
            }
            _ => return,
        }
        self.drain(ctx);
    }
}

/// A connection that was established too late, with nobody left to send a relay, must not stay for ever.
impl Watcher<Listening> for StateVector {
    fn changed(&mut self, change: Change<Listening>, ctx: &mut Context<'_, Self>) {
        let Some((_, listeners)) = &mut self.listeners else { return };
        match change {
            Change::Snapshot(facts) => *listeners = facts.len(),
            Change::Appeared(_) => *listeners += 1,
            Change::Gone(_) => *listeners = listeners.saturating_sub(1),
        }
        if *listeners == 0 {
            self.listeners = None;
            self.machine.abort(instant(ctx.now()));
            self.drain(ctx);
        }
    }
}
