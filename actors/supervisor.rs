//! The supervisor: starts the members of the cast again that crash.
//!
//! A member rebuilds what it knew from the snapshots of what it watches: routes, listeners, connections,
//! wishes and ports are facts and interests that others hold. What was under way to it is lost, as it would
//! be on a wire. Links are not members, for only the host can open their devices again; nor are
//! connections, whose state nobody else has.

use core::fmt;
use core::time::Duration;

use netmart_bus::{
    Action, Actor, ActorId, Change, Context, Dataspace, Demand, DemandMatcher, DemandPolicy, Down,
    DownPattern, Ended, Restart, Spawn, Timer, TimerToken, Watcher,
};

/// A demand matcher whose demand always stands: one task per member.
pub struct Supervisor {
    members: Vec<Member>,
    matcher: DemandMatcher<usize>,
    restart: Option<Timer>,
}

/// An actor of the cast, and how to make another.
struct Member {
    actor: ActorId,
    spawn_again: SpawnAgain,
}

type SpawnAgain = Box<dyn FnMut(&mut Context<'_, Supervisor>) -> ActorId>;

/// A member that crashes is started again at once the first time, later ones less and less eagerly.
const RESTARTS: Restart =
    Restart::BackOff { first: Duration::from_millis(1), most: Duration::from_secs(10), tries: 20 };

const RESTART: TimerToken = TimerToken(0);

impl Supervisor {
    /// Has no members yet.
    pub fn new() -> Self {
        let policy = DemandPolicy { restart: RESTARTS, ..DemandPolicy::default() };
        let (members, restart) = (Vec::new(), None);
        Self { members, matcher: DemandMatcher::new(policy), restart }
    }

    /// Spawns what `make` makes, and will do so again whenever it has crashed.
    pub fn enter<A: Actor>(
        &mut self,
        dataspace: &mut Dataspace,
        mut make: impl FnMut() -> Spawn<A> + 'static,
    ) {
        let actor = dataspace.spawn(make());
        let index = self.members.len();
        self.members.push(Member { actor, spawn_again: Box::new(move |ctx| ctx.spawn(make())) });
        self.matcher.demand_appeared(Demand::Exact(index));
    }

    /// The supervisor of those members, ready to be spawned behind them.
    pub fn spawn(self) -> Spawn<Self> {
        Spawn::new("supervisor", self).watch::<Down>(DownPattern::any())
    }

    fn act(&mut self, ctx: &mut Context<'_, Self>) {
        while let Some(action) = self.matcher.poll(ctx.now()) {
            match action {
                Action::Start(index) => {
                    if let Some(member) = self.members.get_mut(index) {
                        member.actor = (member.spawn_again)(ctx);
                        self.matcher.supply_appeared(index, ctx.now());
                    }
                }
                Action::GaveUp(index) => tracing::error!(index, "crashes again and again"),
                // Demand never goes, nor is it ever for anything.
                Action::Stop(_) | Action::WildcardDemand => {}
            }
        }
        match self.matcher.next_deadline() {
            Some(deadline) => ctx.reset_timer(&mut self.restart, deadline, RESTART),
            None => self.restart = None,
        }
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("matcher", &self.matcher).finish_non_exhaustive()
    }
}

impl Actor for Supervisor {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        // The members are there already.
        while let Some(Action::Start(index)) = self.matcher.poll(ctx.now()) {
            self.matcher.supply_appeared(index, ctx.now());
        }
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.act(ctx);
    }
}

impl Watcher<Down> for Supervisor {
    fn changed(&mut self, change: Change<Down>, ctx: &mut Context<'_, Self>) {
        let Change::Appeared(down) = change else { return };
        let crashed = self.members.iter().position(|member| member.actor == down.actor());
        if let Some(index) = crashed {
            tracing::warn!(name = %down.name, reason = %down.reason, "starting it again");
            self.matcher.supply_gone(index);
            self.matcher.task_ended(index, Ended::Crashed, ctx.now());
            self.act(ctx);
        }
    }
}
