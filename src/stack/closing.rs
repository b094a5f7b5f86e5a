//! How a stack shuts down: no further connections, those there are end in order, then what is left is
//! cut off.

use std::time::Duration;

use netmart_actors::address::{Direction, Flow, FlowPattern};
use netmart_actors::message::{
    Body, Channel, ChannelKey, SegmentsIn, TimeWait, UdpPattern, WirePacket,
};
use netmart_bus::{Dataspace, Ran, Role, Time};
use netmart_proto::wires::{Kind, Visitor, Wire};
use tokio::sync::oneshot;

use super::host::Inside;

/// A shutdown under way.
pub(super) struct Closing {
    /// When patience ends.
    limit: Time,
    /// Who waits for it.
    waiting: Vec<oneshot::Sender<()>>,
}

/// The actors that make connections: without them there will be no more.
const BEGINNERS: [&str; 3] = ["listener matcher", "listener", "dialer"];

/// The actors that stand between connections and their users: when they leave, the users have left.
const BETWEEN: &str = "relay";

impl Closing {
    /// Ends listeners and dialer, and makes every connection lose its user: it sends what was written
    /// and FIN, or RST if something was not read.
    pub(super) fn begin(inside: &mut Inside) -> Self {
        tracing::debug!("shutting down");
        stop(inside, |name| BEGINNERS.contains(&name));
        // What was written before is on its way between user and relay: first it has to get there.
        settle(inside);
        stop(inside, |name| name == BETWEEN);
        Self { limit: Time::from_micros(u64::MAX), waiting: Vec::new() }
    }

    /// Lets it last for `grace` at most, counted from now, and tells `done` when it is over.
    pub(super) fn within(
        &mut self,
        grace: Duration,
        done: Option<oneshot::Sender<()>>,
        inside: &Inside,
    ) {
        self.limit = self.limit.min(inside.clock.now() + grace);
        self.waiting.extend(done);
    }

    /// When patience ends.
    pub(super) fn limit(&self) -> Time {
        self.limit
    }

    /// Whether everything has ended; cuts off what has not when patience is over.
    pub(super) fn is_over(&self, inside: &mut Inside) -> bool {
        let now = inside.clock.now();
        if inside.dataspace.next_deadline().is_some_and(|due| due <= now) && now < self.limit {
            return false;
        }
        let left = connections(inside);
        if now < self.limit && (!left.is_empty() || has_wire_sessions(inside)) {
            return false;
        }
        if !left.is_empty() {
            tracing::debug!(connections = left.len(), "cut off");
            left.into_iter().for_each(|flow| abort(flow, inside));
            settle(inside);
        }
        true
    }
}

/// Stops the actors whose names are `wanted`.
fn stop(inside: &mut Inside, wanted: impl Fn(&str) -> bool) {
    for (actor, name) in inside.dataspace.actors() {
        if wanted(&name) {
            inside.dataspace.stop(actor);
        }
    }
}

/// Lets the dataspace do what there is to do now. Applications that keep each other busy cannot hold it
/// up for ever.
fn settle(inside: &mut Inside) {
    let now = inside.clock.now();
    let mut runs = 0..MOST_RUNS;
    while runs.next().is_some() && inside.dataspace.run(now) == Ran::BudgetSpent {}
}

/// Runs of the dataspace that one step of the shutdown may take.
const MOST_RUNS: u32 = 256;

/// The connections that are not over: TIME-WAIT needs nobody any more.
fn connections(inside: &Inside) -> Vec<Flow> {
    let space = &inside.dataspace;
    let waiting = space.facts::<TimeWait>(&FlowPattern::any());
    let vectors = space.interests::<SegmentsIn>(Role::Subscriber, &FlowPattern::any());
    let flows = vectors.into_iter().filter_map(|interest| {
        let FlowPattern { local, remote } = interest.pattern;
        Some(Flow { local: local?, remote: remote? })
    });
    let waiting: std::collections::HashSet<_> = waiting.into_iter().map(|fact| fact.flow).collect();
    flows.filter(|flow| !waiting.contains(flow)).collect()
}

/// Whether sessions of the wires in datagrams are left: such that deliver what was written, or answer a
/// peer who may have missed the last word. None of them can be cut off in a way that its peer would notice.
fn has_wire_sessions(inside: &Inside) -> bool {
    struct Sessions<'a>(&'a Dataspace);

    impl Visitor for Sessions<'_> {
        type Output = bool;

        fn visit<W: Wire>(self) -> bool {
            let takers = self.0.interests::<WirePacket<W>>(Role::Subscriber, &UdpPattern::any());
            // The codec takes from any session.
            takers.iter().any(|interest| interest.pattern.remote.is_some())
        }
    }

    Kind::ALL.iter().any(|kind| kind.visit(Sessions(&inside.dataspace)))
}

fn abort(flow: Flow, inside: &mut Inside) {
    let key = ChannelKey::of_flow(flow, Direction::Outbound);
    // If the queue is full, the peer will find out by itself.
    let _ = inside.dataspace.inject(Channel { key, body: Body::Abort });
}
