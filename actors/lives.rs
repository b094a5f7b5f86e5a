//! What a codec knows of the sessions it hands packets to.

use hashbrown::HashMap;
use netmart_bus::{Change, Interest, PatternOf, Topic};

use crate::address::Flow;

/// The sessions that live, by the flow they take packets of.
pub(crate) struct Lives(HashMap<Flow, Life, foldhash::fast::FixedState>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Spawned, but its interest has not been seen. An interest that disappears now is that of a
    /// predecessor.
    Spawned,
    /// Its interest has been seen.
    Live,
}

impl Lives {
    /// None; `seed` decides in what order they lie.
    pub(crate) fn new(seed: u64) -> Self {
        Self(HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has(&self, flow: Flow) -> bool {
        self.0.contains_key(&flow)
    }

    /// A session for `flow` has been spawned.
    pub(crate) fn spawned(&mut self, flow: Flow) {
        self.0.insert(flow, Life::Spawned);
    }

    /// A packet came back: nobody took it.
    pub(crate) fn ended(&mut self, flow: Flow) {
        self.0.remove(&flow);
    }

    /// Takes in who takes packets, of the flow that `flow_of` reads from the pattern.
    pub(crate) fn apply<T: Topic>(
        &mut self,
        change: Change<Interest<T>>,
        flow_of: impl Fn(&PatternOf<T>) -> Option<Flow>,
    ) {
        match change {
            Change::Snapshot(interests) => {
                let flows = interests.iter().filter_map(|interest| flow_of(&interest.pattern));
                self.0.extend(flows.map(|flow| (flow, Life::Live)));
            }
            Change::Appeared(Interest { pattern, .. }) => {
                self.0.extend(flow_of(&pattern).map(|flow| (flow, Life::Live)));
            }
            Change::Gone(Interest { pattern, .. }) => {
                if let Some(flow) = flow_of(&pattern)
                    && self.0.get(&flow) == Some(&Life::Live)
                {
                    self.0.remove(&flow);
                }
            }
        }
    }
}
