//! The demand matcher: who wants something that nobody supplies, and what to start for it.
//!
//! It is set arithmetic over two projections, demand and supply, and knows nothing of actors: it is
//! fed what appears and goes, and drained of what to start and stop. Per key it is in one of these
//! states (D: demand stands, S: supply stands):
//!
//! | when | and | then |
//! |---|---|---|
//! | demand appears | no S, no task | queued to start; started when the limit allows |
//! | demand appears | S | met: nothing |
//! | demand appears | its task is stopping | started anew when that has ended |
//! | supply appears | queued, or waiting to restart | met: no longer |
//! | supply appears | starting | running; no longer counts against the limit |
//! | supply goes | D, no task | queued to start |
//! | supply goes | D, task running | nothing: the task's end decides |
//! | demand goes | queued, or waiting to restart | no longer; the past is forgotten |
//! | demand goes | starting or running | told to stop |
//! | task ends | told to stop, D again, no S | queued to start |
//! | task ends well | D | served: nothing until demand goes and comes back |
//! | task crashes | D, no S | restarted by policy: after a back-off, or given up |
//! | task crashes | D, S of another | met: nothing |
//! | task ends | no D | forgotten |
//! | wildcard demand appears | | reported and counted; nothing can be started for it |
//! | something ends that was not there | | counted, otherwise ignored: latency makes it happen |
//!
//! Demand and supply are counted per key, so that two patterns that lead to one key are one demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::time::Time;

#[cfg(test)]
mod tests;

/// What is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Demand<K> {
    /// One key: something can be started for it.
    Exact(K),
    /// An open pattern: it wants whatever there is, and names nothing to start.
    Wildcard,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// It was finished, or had been told to stop.
    Well,
    /// It panicked or failed.
    Crashed,
}

/// What to do about a task that crashed while demand for it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Nothing, until demand goes and comes back.
    Never,
    /// Start it again after a pause that doubles with each crash.
    BackOff {
        /// The pause after the first crash.
        first: Duration,
        /// The longest pause. A task that was in supply for as long is taken to be sound: its
        /// next crash counts as the first.
        most: Duration,
        /// How many restarts in a row before giving up.
        tries: u32,
    },
}

/// The policy of a [`DemandMatcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandPolicy {
    /// How many tasks may be starting, that is started and not yet in supply, at a time; the rest
    /// queue in the order in which they became due. At least one, whatever it says.
    pub start_limit: usize,
    /// What to do about crashes.
    pub restart: Restart,
}

impl Default for DemandPolicy {
    fn default() -> Self {
        Self { start_limit: usize::MAX, restart: Restart::Never }
    }
}

/// What to do, or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<K> {
    /// Start the task for this key. There is none for it at the moment.
    Start(K),
    /// Stop the task for this key: nobody demands it any more.
    Stop(K),
    /// The task for this key crashed more often than the policy allows; it is left alone until
    /// demand for it goes and comes back.
    GaveUp(K),
    /// Somebody demands by an open pattern.
    WildcardDemand,
}

/// Where the task of a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// There is none, and none is due.
    None,
    /// Due; at this position of the queue.
    Queued(u64),
    /// Started, not in supply yet.
    Starting,
    /// Started, and in supply since then.
    Running(Time),
    /// Told to stop.
    Stopping,
    /// Crashed, to be restarted then.
    Waiting(Time),
    /// Ended well, or given up: not started again for the demand that stands.
    Spent,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    demand: u32,
    supply: u32,
    task: Task,
    crashes: u32,
}

impl Entry {
    const NEW: Self = Self { demand: 0, supply: 0, task: Task::None, crashes: 0 };

    fn is_unmet(&self) -> bool {
        self.demand > 0 && self.supply == 0
    }
}

/// Numbers about a [`DemandMatcher`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DemandCounters {
    /// Tasks started.
    pub started: u64,
    /// Tasks that crashed.
    pub crashed: u64,
    /// Wildcard demands that appeared.
    pub wildcards: u64,
    /// Ends of demands, supplies and tasks that were not there.
    pub strays: u64,
}

/// Starts exactly one task per key that is demanded and not supplied; the module's source begins
/// with the table of cases.
///
/// Feed it every change, then drain [`poll`](Self::poll), and come back at
/// [`next_deadline`](Self::next_deadline).
#[derive(Clone, Debug)]
pub struct DemandMatcher<K> {
    policy: DemandPolicy,
    entries: BTreeMap<K, Entry>,
    /// Due to start, oldest first, by the position that `Queued` names.
    queue: BTreeMap<u64, K>,
    waiting: BTreeSet<(Time, K)>,
    told: VecDeque<Action<K>>,
    starting: usize,
    next_position: u64,
    wildcards: u32,
    counters: DemandCounters,
}

impl<K: Ord + Clone> DemandMatcher<K> {
    /// A matcher that knows of nothing yet.
    pub fn new(policy: DemandPolicy) -> Self {
        Self {
            policy,
            entries: BTreeMap::new(),
            queue: BTreeMap::new(),
            waiting: BTreeSet::new(),
            told: VecDeque::new(),
            starting: 0,
            next_position: 0,
            wildcards: 0,
            counters: DemandCounters::default(),
        }
    }

    /// Somebody demands.
    pub fn demand_appeared(&mut self, demand: Demand<K>) {
        let Demand::Exact(key) = demand else {
            self.wildcards += 1;
            self.counters.wildcards += 1;
            return self.told.push_back(Action::WildcardDemand);
        };
        self.entries.entry(key.clone()).or_insert(Entry::NEW).demand += 1;
        self.reconsider(key);
    }

    /// Somebody demands no more.
    pub fn demand_gone(&mut self, demand: Demand<K>) {
        let Demand::Exact(key) = demand else {
            match self.wildcards.checked_sub(1) {
                Some(left) => self.wildcards = left,
                None => self.counters.strays += 1,
            }
            return;
        };
        match self.entries.get_mut(&key) {
            Some(entry) if entry.demand > 0 => entry.demand -= 1,
            _ => return self.counters.strays += 1,
        }
        self.reconsider(key);
    }

    /// Somebody supplies, be it the task that was started or anybody else.
    pub fn supply_appeared(&mut self, key: K, now: Time) {
        let entry = self.entries.entry(key.clone()).or_insert(Entry::NEW);
        entry.supply += 1;
        if entry.task == Task::Starting {
            entry.task = Task::Running(now);
            self.starting -= 1;
        }
        self.reconsider(key);
    }

    /// Somebody supplies no more.
    pub fn supply_gone(&mut self, key: K) {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.supply > 0 => entry.supply -= 1,
            _ => return self.counters.strays += 1,
        }
        self.reconsider(key);
    }

    /// The task started for `key` has ended.
    pub fn task_ended(&mut self, key: K, how: Ended, now: Time) {
        let Some(entry) = self.entries.get_mut(&key) else { return self.counters.strays += 1 };
        let was = entry.task;
        match was {
            Task::Starting => self.starting -= 1,
            Task::Running(_) | Task::Stopping => {}
            _ => return self.counters.strays += 1,
        }
        if how == Ended::Crashed {
            self.counters.crashed += 1;
        }
        entry.task = match (was, how) {
            (Task::Stopping, _) => Task::None,
            (_, Ended::Well) => Task::Spent,
            (_, Ended::Crashed) => match pause(entry, was, self.policy.restart, now) {
                Some(pause) => Task::Waiting(now + pause),
                None => Task::Spent,
            },
        };
        match entry.task {
            Task::Waiting(until) => {
                self.waiting.insert((until, key.clone()));
            }
            Task::Spent if how == Ended::Crashed && entry.demand > 0 => {
                self.told.push_back(Action::GaveUp(key.clone()));
            }
            _ => {}
        }
        self.reconsider(key);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self, now: Time) -> Option<Action<K>> {
        while let Some((until, key)) = self.waiting.first().cloned().filter(|due| due.0 <= now) {
            self.waiting.remove(&(until, key.clone()));
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.task = Task::None;
            }
            self.reconsider(key);
        }
        if let Some(told) = self.told.pop_front() {
            return Some(told);
        }
        if self.starting >= self.policy.start_limit.max(1) {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.task = Task::Starting;
        }
        self.starting += 1;
        self.counters.started += 1;
        Some(Action::Start(key))
    }

    /// When the next back-off is over.
    pub fn next_deadline(&self) -> Option<Time> {
        self.waiting.first().map(|(until, _)| *until)
    }

    /// Whether a task for `key` is started and has not ended.
    pub fn has_task(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|entry| {
            matches!(entry.task, Task::Starting | Task::Running(_) | Task::Stopping)
        })
    }

    /// How many demand by open patterns at the moment.
    pub fn wildcard_demands(&self) -> u32 {
        self.wildcards
    }

    /// What was counted so far.
    pub fn counters(&self) -> DemandCounters {
        self.counters
    }

    /// Whether nothing is known of any key: what is left when everybody has gone.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.told.is_empty()
    }

    /// Brings the task of `key` in line with demand and supply.
    fn reconsider(&mut self, key: K) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        match entry.task {
            Task::None if entry.is_unmet() => {
                entry.task = Task::Queued(self.next_position);
                self.queue.insert(self.next_position, key);
                self.next_position += 1;
                return;
            }
            Task::Queued(position) if !entry.is_unmet() => {
                entry.task = Task::None;
                self.queue.remove(&position);
            }
            Task::Waiting(until) if !entry.is_unmet() => {
                entry.task = Task::None;
                self.waiting.remove(&(until, key.clone()));
            }
            Task::Starting | Task::Running(_) if entry.demand == 0 => {
                if entry.task == Task::Starting {
                    self.starting -= 1;
                }
                entry.task = Task::Stopping;
                self.told.push_back(Action::Stop(key.clone()));
            }
            Task::Spent if entry.demand == 0 => entry.task = Task::None,
            _ => {}
        }
        if entry.demand == 0 {
            entry.crashes = 0;
            if entry.supply == 0 && entry.task == Task::None {
                self.entries.remove(&key);
            }
        }
    }
}

/// How long to wait before a crashed task is started again, if it is.
fn pause(entry: &mut Entry, was: Task, restart: Restart, now: Time) -> Option<Duration> {
    let Restart::BackOff { first, most, tries } = restart else { return None };
    if let Task::Running(since) = was
        && now.saturating_since(since) >= most
    {
        entry.crashes = 0;
    }
    if entry.crashes >= tries {
        return None;
    }
    let doubled = first.saturating_mul(1 << entry.crashes.min(30));
    entry.crashes += 1;
    Some(doubled.min(most))
}
