//! Who writes down what happens to the datagrams of a listener's connections.

use std::collections::HashSet;
use std::sync::Arc;

use netmart_actors::address::{Flow, FlowPattern, Listener, Local};
use netmart_actors::message::{Established, HalfOpen, OfListenerPattern, WireLog};
use netmart_bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

use super::pipe::Pipe;
use super::{WireError, WireLogger};
use crate::net::door::Door;
use crate::stack::touch::{FaceId, OfFace, Touch};

/// Hands on the lines about a listener's connections, for as long as there is the listener or a connection of its.
pub(super) struct Scribe {
    logger: WireLogger,
    listener: Listener,
    door: Arc<Door<Pipe, WireError>>,
    half_open: HashSet<Flow>,
    established: HashSet<Flow>,
}

impl Scribe {
    pub(super) fn spawn(
        logger: WireLogger,
        listener: Listener,
        face: FaceId,
        door: Arc<Door<Pipe, WireError>>,
    ) -> Spawn<Self> {
        let (half_open, established) = (HashSet::new(), HashSet::new());
        let of = OfListenerPattern::any().listener(listener);
        Spawn::new("scribe", Self { logger, listener, door, half_open, established })
            .subscribe::<Touch>(OfFace { face }.exactly())
            .watch::<HalfOpen>(of)
            .watch::<Established>(of)
            .observe::<WireLog>(FlowPattern::any())
    }

    fn stop_if_done(&self, ctx: &mut Context<'_, Self>) {
        if self.half_open.is_empty() && self.established.is_empty() && self.door.is_left() {
            ctx.stop();
        }
    }
}

impl Actor for Scribe {}

impl Handler<WireLog> for Scribe {
    fn handle(&mut self, message: Delivery<'_, WireLog>, _ctx: &mut Context<'_, Self>) {
        if message.user == Local::Listener(self.listener) {
            self.logger.line(&message.line);
        }
    }
}

impl Handler<Touch> for Scribe {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        self.stop_if_done(ctx);
    }
}

/// Takes in which flows there are.
fn apply<F>(flows: &mut HashSet<Flow>, change: Change<F>, flow: impl Fn(&F) -> Flow) {
    match change {
        Change::Snapshot(facts) => flows.extend(facts.iter().map(flow)),
        Change::Appeared(fact) => drop(flows.insert(flow(&fact))),
        Change::Gone(fact) => drop(flows.remove(&flow(&fact))),
    }
}

impl Watcher<HalfOpen> for Scribe {
    fn changed(&mut self, change: Change<HalfOpen>, ctx: &mut Context<'_, Self>) {
        apply(&mut self.half_open, change, |fact| fact.of.flow);
        self.stop_if_done(ctx);
    }
}

impl Watcher<Established> for Scribe {
    fn changed(&mut self, change: Change<Established>, ctx: &mut Context<'_, Self>) {
        apply(&mut self.established, change, |fact| fact.of.flow);
        self.stop_if_done(ctx);
    }
}
