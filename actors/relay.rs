//! The relay: bridges the user-level channel of a connection to its kernel-level one.

use core::time::Duration;

use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Publisher, Role, Spawn, Timer,
    TimerToken, Watcher,
};
use netmart_proto::wires;

use crate::address::{Direction, Flow, Local};
use crate::channel::parties;
use crate::message::{
    Body, Channel, ChannelKey, CloseReason, Closed, Connected, ConnectionKey, PeerClosed, Refusal,
    Refused,
};

/// Copies between `(user end, remote)` and `(local address, remote)`; ends when either side leaves.
///
/// What the state vector says before the user has come is kept as numbers and flags, never as octets:
/// octets need the user's credit.
#[derive(Debug)]
pub struct Relay {
    flow: Flow,
    user: Local,
    patience: Duration,
    channel: Option<Publisher<Channel>>,
    /// How many interests of users match; one in all connections of the listener counts as well.
    users: u32,
    /// Whether the state vector is there, counted likewise.
    vectors: u32,
    phase: Phase,
    /// The peer's last octet has been handed on.
    has_peer_closed: bool,
    /// How a connection over a wire did, for a user who has not come yet when it is over.
    report: Option<Box<wires::Info>>,
    /// Credit from the state vector for a user who is not there yet. None at all is news, too: the
    /// connection is established, although nothing can be sent.
    credit: Option<u32>,
    /// Where urgent data ends, for a user who is not there yet: behind octets that wait for him.
    urgent: Option<u32>,
    timer: Option<Timer>,
    /// `Connected` or `Refused`, `PeerClosed`, `Closed`: as far as things have gone.
    facts: Vec<Handle>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// No word from the state vector yet.
    Waiting,
    Connected,
    Over(CloseReason),
}

/// The only timer: an end that has not come or has not left in time.
const PATIENCE: TimerToken = TimerToken(0);

impl Relay {
    /// A relay between `user` and the kernel-level channel of `flow`. It gives up when an end has not
    /// come within `patience`.
    pub fn spawn(flow: Flow, user: Local, patience: Duration) -> Spawn<Self> {
        let relay = Self {
            flow,
            user,
            patience,
            channel: None,
            users: 0,
            vectors: 0,
            phase: Phase::Waiting,
            has_peer_closed: false,
            report: None,
            credit: None,
            urgent: None,
            timer: None,
            facts: Vec::new(),
        };
        let user_side = |direction| relay.user_key(direction).exactly();
        let kernel_side = |direction| relay.kernel_key(direction).exactly();
        let (from_user, to_user) = (user_side(Direction::Outbound), user_side(Direction::Inbound));
        let (from_peer, to_peer) =
            (kernel_side(Direction::Inbound), kernel_side(Direction::Outbound));
        Spawn::new("relay", relay)
            .subscribe::<Channel>(from_user)
            .subscribe::<Channel>(from_peer)
            .provide::<Channel>(to_user)
            .provide::<Channel>(to_peer)
            .watch_interest::<Channel>(Role::Subscriber, to_user)
            .watch_interest::<Channel>(Role::Provider, from_peer)
    }

    fn user_key(&self, direction: Direction) -> ChannelKey {
        self.connection().channel(direction)
    }

    fn kernel_key(&self, direction: Direction) -> ChannelKey {
        let transport = self.user.transport().unwrap_or_default();
        ChannelKey::of_flow_over(transport, self.flow, direction)
    }

    fn connection(&self) -> ConnectionKey {
        ConnectionKey::of_flow(self.flow, self.user)
    }

    fn say(&self, key: ChannelKey, body: Body, ctx: &mut Context<'_, Self>) {
        if let Some(channel) = &self.channel {
            channel.send(ctx, Channel { key, body });
        }
    }

    fn tell_user(&mut self, body: Body, ctx: &mut Context<'_, Self>) {
        if self.users > 0 {
            self.say(self.user_key(Direction::Inbound), body, ctx);
            return;
        }
        match body {
            Body::Credit(octets) => {
                self.credit = Some(self.credit.unwrap_or(0).saturating_add(octets));
            }
            Body::Urgent(octets) => self.urgent = Some(octets),
            Body::Report(info) => self.report = Some(info),
            _ => {}
        }
    }

    fn hear_state_vector(&mut self, body: Body, ctx: &mut Context<'_, Self>) {
        match &body {
            Body::Credit(_) if self.phase == Phase::Waiting => {
                self.phase = Phase::Connected;
                let connection = self.connection();
                let address = self.flow.local;
                self.facts.push(ctx.assert(Connected { connection, address }));
            }
            Body::End => {
                self.phase = Phase::Connected;
                self.has_peer_closed = true;
                let connection = self.connection();
                self.facts.push(ctx.assert(PeerClosed { connection }));
            }
            Body::Closed(reason) => return self.over(reason.clone(), ctx),
            _ => {}
        }
        self.tell_user(body, ctx);
    }

    /// States how it ended, and waits for the user to leave.
    fn over(&mut self, reason: CloseReason, ctx: &mut Context<'_, Self>) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        let connection = self.connection();
        let fact = match self.phase {
            Phase::Waiting => {
                let reason = Refusal::from(reason.clone());
                ctx.assert(Refused { connection, reason })
            }
            _ => ctx.assert(Closed { connection, reason: reason.clone() }),
        };
        self.facts.push(fact);
        self.phase = Phase::Over(reason.clone());
        self.tell_user(Body::Closed(reason), ctx);
        self.be_patient(ctx);
    }

    fn be_patient(&mut self, ctx: &mut Context<'_, Self>) {
        self.timer = Some(ctx.set_timer(ctx.now() + self.patience, PATIENCE));
    }

    /// Tells a user who has just come what was said before.
    fn catch_up(&mut self, ctx: &mut Context<'_, Self>) {
        if let Some(credit) = self.credit.take() {
            self.tell_user(Body::Credit(credit), ctx);
        }
        if let Some(octets) = self.urgent.take() {
            self.tell_user(Body::Urgent(octets), ctx);
        }
        if self.has_peer_closed {
            self.tell_user(Body::End, ctx);
        }
        if let Some(info) = self.report.take() {
            self.tell_user(Body::Report(info), ctx);
        }
        if let Phase::Over(reason) = self.phase.clone() {
            self.tell_user(Body::Closed(reason), ctx);
        }
    }

    fn users_changed(&mut self, change: &Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        let before = self.users;
        self.users = parties(before, change);
        match (before, self.users) {
            (0, 1..) => {
                if !matches!(self.phase, Phase::Over(_)) {
                    self.timer = None;
                }
                self.catch_up(ctx);
            }
            (1.., 0) => ctx.stop(),
            _ => {}
        }
    }
}

impl Actor for Relay {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.channel = Some(ctx.publisher());
        self.be_patient(ctx);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        ctx.stop();
    }
}

impl Handler<Channel> for Relay {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        match key.direction {
            Direction::Inbound => self.hear_state_vector(body, ctx),
            Direction::Outbound => self.say(self.kernel_key(Direction::Outbound), body, ctx),
        }
    }
}

impl Watcher<Interest<Channel>> for Relay {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        // The two watches differ in their role: users subscribe, the state vector provides.
        let role = match &change {
            Change::Appeared(interest) | Change::Gone(interest) => interest.role,
            Change::Snapshot(interests) => match interests.first() {
                Some(interest) => interest.role,
                None => return,
            },
        };
        match role {
            Role::Subscriber => self.users_changed(&change, ctx),
            Role::Provider => {
                let before = self.vectors;
                self.vectors = parties(before, &change);
                if (before, self.vectors) == (1, 0) {
                    self.over(CloseReason::Crashed, ctx);
                }
            }
        }
    }
}
