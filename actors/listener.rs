//! The listener matcher, and the listeners it starts.
//!
//! Who subscribes to, or provides, a channel of a listener with *anybody* wants that listener to exist.
//! The matcher starts exactly one listener per such wish; the listener claims its port, states
//! [`Listening`] and gives each connection that gets established a relay.
//! When the last wish is gone the listener ends; connections that somebody has claimed go on.

mod end;
mod task;

use core::time::Duration;
use std::collections::BTreeMap;

use netmart_bus::{
    Action, Actor, ActorId, Change, Context, DemandMatcher, DemandPolicy, Down, DownPattern, Ended,
    Handle, Interest, Restart, Role, Spawn, Timer, TimerToken, Watcher,
};

use self::task::{Limits, ListenerTask, wish_of};
use crate::address::{Listener, Transport};
use crate::channel::feed_demand;
use crate::config::Config;
use crate::message::{
    Channel, ChannelPattern, ListenError, ListenFailed, ListenerKey, ListenerPattern, Listening,
    ListeningPattern, PortError,
};

/// Demand matcher of listeners.
#[derive(Debug)]
pub struct ListenerMatcher {
    limits: Limits,
    max_listeners: usize,
    matcher: DemandMatcher<Listener>,
    tasks: BTreeMap<ActorId, Listener>,
    /// Wishes beyond the limit.
    refused: BTreeMap<Listener, Handle>,
    restart: Option<Timer>,
}

/// A listener that crashes is started again at once the first time, later ones less and less eagerly.
const RESTARTS: Restart =
    Restart::BackOff { first: Duration::from_millis(1), most: Duration::from_secs(10), tries: 20 };

const RESTART: TimerToken = TimerToken(0);

/// The most listeners that wait for their port; further ones queue.
const START_LIMIT: usize = 64;

impl ListenerMatcher {
    /// The listener matcher of a stack.
    pub fn spawn(config: &Config) -> Spawn<Self> {
        let matcher = Self {
            limits: Limits { backlog: config.backlog, relay_patience: config.relay_patience },
            max_listeners: config.max_listeners,
            matcher: DemandMatcher::new(DemandPolicy {
                start_limit: START_LIMIT,
                restart: RESTARTS,
            }),
            tasks: BTreeMap::new(),
            refused: BTreeMap::new(),
            restart: None,
        };
        Spawn::new("listener matcher", matcher)
            .watch::<Listening>(ListeningPattern::any())
            .watch::<ListenFailed>(ListenerPattern::any())
            .watch::<Down>(DownPattern::any())
            .watch_interest::<Channel>(Role::Subscriber, ChannelPattern::any())
            .watch_interest::<Channel>(Role::Provider, ChannelPattern::any())
    }

    fn supplied<F>(
        &mut self,
        change: Change<F>,
        listener_of: impl Fn(&F) -> Listener,
        ctx: &mut Context<'_, Self>,
    ) {
        let now = ctx.now();
        match change {
            Change::Snapshot(facts) => {
                facts.iter().for_each(|fact| self.matcher.supply_appeared(listener_of(fact), now));
            }
            Change::Appeared(fact) => self.matcher.supply_appeared(listener_of(&fact), now),
            Change::Gone(fact) => self.matcher.supply_gone(listener_of(&fact)),
        }
        self.act(ctx);
    }

    /// Whether another listener has the very end that this one wants: two over wires would share it.
    fn is_rivalled(&self, listener: Listener) -> bool {
        let Listener { ip, port, over, .. } = listener;
        let has_end = |other: &Listener| {
            other.over != Transport::Tcp
                && *other != listener
                && (other.ip, other.port) == (ip, port)
        };
        over != Transport::Tcp && port != 0 && self.tasks.values().any(has_end)
    }

    fn act(&mut self, ctx: &mut Context<'_, Self>) {
        while let Some(action) = self.matcher.poll(ctx.now()) {
            match action {
                Action::Start(listener) if self.is_rivalled(listener) => {
                    let of = ListenerKey { listener };
                    let reason = ListenError::Port(PortError::InUse);
                    self.refused.insert(listener, ctx.assert(ListenFailed { of, reason }));
                }
                Action::Start(listener) if self.tasks.len() < self.max_listeners => {
                    let task = ctx.spawn(ListenerTask::spawn(listener, self.limits));
                    self.tasks.insert(task, listener);
                }
                Action::Start(listener) => {
                    let of = ListenerKey { listener };
                    let reason = ListenError::TooMany;
                    self.refused.insert(listener, ctx.assert(ListenFailed { of, reason }));
                }
                // The task watches its own demand and ends with it, before anything started now.
                Action::Stop(listener) => {
                    self.refused.remove(&listener);
                    self.tasks.retain(|_, served| *served != listener);
                    self.matcher.task_ended(listener, Ended::Well, ctx.now());
                }
                Action::GaveUp(listener) => tracing::warn!(%listener, "crashes again and again"),
                Action::WildcardDemand => {
                    tracing::debug!("an interest in every listener starts none")
                }
            }
        }
        match self.matcher.next_deadline() {
            Some(deadline) => ctx.reset_timer(&mut self.restart, deadline, RESTART),
            None => self.restart = None,
        }
    }
}

impl Actor for ListenerMatcher {
    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.act(ctx);
    }
}

impl Watcher<Interest<Channel>> for ListenerMatcher {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        feed_demand(&mut self.matcher, change, wish_of);
        self.act(ctx);
    }
}

impl Watcher<Listening> for ListenerMatcher {
    fn changed(&mut self, change: Change<Listening>, ctx: &mut Context<'_, Self>) {
        self.supplied(change, |fact| fact.at.listener, ctx);
    }
}

/// That nobody can listen is an answer to the wish as well: no other listener is started for it.
impl Watcher<ListenFailed> for ListenerMatcher {
    fn changed(&mut self, change: Change<ListenFailed>, ctx: &mut Context<'_, Self>) {
        self.supplied(change, |fact| fact.of.listener, ctx);
    }
}

impl Watcher<Down> for ListenerMatcher {
    fn changed(&mut self, change: Change<Down>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(down) = change
            && let Some(listener) = self.tasks.remove(&down.key.actor)
        {
            self.matcher.task_ended(listener, Ended::Crashed, ctx.now());
            self.act(ctx);
        }
    }
}
