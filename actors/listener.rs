//! The listener matcher, and the listeners it starts.
//!
//! Who subscribes to, or provides, a channel of a listener with *anybody* wants that listener to exist.
//! The matcher starts exactly one listener per such wish; the listener claims its port, states
//! [`Listening`](crate::message::Listening) and gives each connection that gets established a relay.
//! When the last wish is gone the listener ends; connections that somebody has claimed go on.

mod task;

use std::collections::BTreeMap;

use netmart_bus::{
    Action, Actor, ActorId, Change, Context, DemandMatcher, Down, DownPattern, Handle, Interest, Policy,
    Restart, Role, Spawn, Timer, TimerToken, Watcher,
};

use self::task::{Limits, ListenerTask, wanted};
use crate::address::Listener;
use crate::config::Config;
use crate::message::{
    Channel, ChannelPattern, ListenError, ListenFailed, ListenerKey, ListenerPattern, Listening,
    ListeningPattern,
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

const RESTART: TimerToken = TimerToken(0);

/// The most listeners that wait for their port; further ones queue.
const START_LIMIT: usize = 64;

impl ListenerMatcher {
    /// The listener matcher of a stack.
    pub fn spawn(config: &Config) -> Spawn<Self> {
        let matcher = Self {
            limits: Limits { backlog: config.backlog, relay_patience: config.relay_patience },
            max_listeners: config.max_listeners,
            matcher: DemandMatcher::new(Policy { start_limit: START_LIMIT, restart: Restart::default() }),
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

    fn act(&mut self, ctx: &mut Context<'_, Self>) {
        while let Some(action) = self.matcher.poll(ctx.now()) {
            match action {
                Action::Start(listener) if self.tasks.len() < self.max_listeners => {
                    let task = ctx.spawn(ListenerTask::spawn(listener, self.limits));
                    self.tasks.insert(task, listener);
                }
                Action::Start(listener) => {
                    let of = ListenerKey { listener };
                    let reason = ListenError::TooMany;
                    self.refused.insert(listener, ctx.assert(ListenFailed { of, reason }));
                }
                // The task watches its own demand and ends with it.
                Action::Stop(listener) => {
                    self.refused.remove(&listener);
                    self.tasks.retain(|_, served| *served != listener);
                }
            }
        }
        self.restart =
            self.matcher.next_deadline().map(|deadline| ctx.set_timer(deadline, RESTART));
    }
}

impl Actor for ListenerMatcher {
    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.act(ctx);
    }
}

impl Watcher<Interest<Channel>> for ListenerMatcher {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(interests) => {
                interests.iter().filter_map(wanted).for_each(|wish| self.matcher.demand_appeared(wish));
            }
            Change::Appeared(interest) => {
                wanted(&interest).into_iter().for_each(|wish| self.matcher.demand_appeared(wish));
            }
            Change::Gone(interest) => {
                wanted(&interest).into_iter().for_each(|wish| self.matcher.demand_gone(wish));
            }
        }
        self.act(ctx);
    }
}

impl Watcher<Listening> for ListenerMatcher {
    fn changed(&mut self, change: Change<Listening>, ctx: &mut Context<'_, Self>) {
        self.supplied(change.map(|fact| fact.at.listener), ctx);
    }
}

/// That nobody can listen is an answer to the wish as well: no other listener is started for it.
impl Watcher<ListenFailed> for ListenerMatcher {
    fn changed(&mut self, change: Change<ListenFailed>, ctx: &mut Context<'_, Self>) {
        self.supplied(change.map(|fact| fact.of.listener), ctx);
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
