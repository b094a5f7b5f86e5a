//! Tells every segment as a `tracing` event, by listening to what others say.

use std::fmt;

use netmart_actors::address::FlowPattern;
use netmart_actors::message::{SegmentsIn, SegmentsOut};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn, Topic};

/// Writes a line for what codec and state vectors say to each other.
pub(super) struct Narrator;

impl Narrator {
    /// A narrator, if anybody wants to hear one: the others pay for being overheard.
    pub(super) fn wanted() -> Option<Spawn<Self>> {
        tracing::enabled!(tracing::Level::TRACE).then(|| {
            Spawn::new("narrator", Self)
                .observe::<SegmentsIn>(FlowPattern::any())
                .observe::<SegmentsOut>(FlowPattern::any())
        })
    }
}

impl Actor for Narrator {}

impl Handler<SegmentsIn> for Narrator {
    fn handle(&mut self, message: Delivery<'_, SegmentsIn>, _ctx: &mut Context<'_, Self>) {
        tracing::trace!(flow = %message.flow, "<- {}", Line(&*message));
    }
}

impl Handler<SegmentsOut> for Narrator {
    fn handle(&mut self, message: Delivery<'_, SegmentsOut>, _ctx: &mut Context<'_, Self>) {
        tracing::trace!(flow = %message.flow, "-> {}", Line(&*message));
    }
}

/// A message as traces show it.
struct Line<'a, T>(&'a T);

impl<T: Topic> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.summarize(f)
    }
}
