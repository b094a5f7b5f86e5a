//! The actor behind a [`ListenClaim`](super::ListenClaim): wants a listener to exist, and tells who comes.

use std::sync::Arc;

use actix::Recipient;
use netmart_actors::address::{Direction, Listener, Local};
use netmart_actors::message::{
    Channel, ChannelPattern, Connected, ConnectionPattern, ListenFailed, ListenerKey, Listening,
    ListeningPattern,
};
use netmart_bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

use super::desk::Desk;
use super::{Knock, ListenerNews};
use crate::stack::touch::{FaceId, OfFace, Touch};

/// Tells a recipient what becomes of a listener.
///
/// What it tells is bounded: connections that nobody claims count against the listener's backlog.
pub(super) struct Usher {
    desk: Arc<Desk>,
    recipient: Recipient<ListenerNews>,
    /// The port that the recipient knows of.
    told: Option<u16>,
}

impl Usher {
    pub(super) fn spawn(
        listener: Listener,
        face: FaceId,
        desk: Arc<Desk>,
        recipient: Recipient<ListenerNews>,
    ) -> Spawn<Self> {
        let local = Local::Listener(listener);
        Spawn::new("usher", Self { desk, recipient, told: None })
            .subscribe::<Touch>(OfFace { face }.exactly())
            .watch::<Listening>(ListeningPattern::any().listener(listener))
            .watch::<ListenFailed>(ListenerKey { listener }.exactly())
            .watch::<Connected>(ConnectionPattern::any().local(local))
            .provide::<Channel>(ChannelPattern::any().direction(Direction::Outbound).local(local))
    }
}

impl Actor for Usher {}

impl Handler<Touch> for Usher {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        if self.desk.take().leave {
            ctx.stop();
        }
    }
}

impl Watcher<Listening> for Usher {
    fn changed(&mut self, change: Change<Listening>, _ctx: &mut Context<'_, Self>) {
        for fact in change.appeared() {
            let port = fact.at.port;
            // Whether there is room in the backlog is stated anew each time it changes.
            if self.told.replace(port) != Some(port) {
                self.recipient.do_send(ListenerNews::Listening { port });
            }
        }
    }
}

impl Watcher<ListenFailed> for Usher {
    fn changed(&mut self, change: Change<ListenFailed>, _ctx: &mut Context<'_, Self>) {
        for fact in change.appeared() {
            self.recipient.do_send(ListenerNews::Failed(fact.reason));
        }
    }
}

impl Watcher<Connected> for Usher {
    fn changed(&mut self, change: Change<Connected>, _ctx: &mut Context<'_, Self>) {
        for Connected { connection, address } in change.appeared() {
            let (local, peer) = (address.into(), connection.remote.into());
            self.recipient.do_send(ListenerNews::Knock(Knock { local, peer, connection }));
        }
    }
}
