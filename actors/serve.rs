//! Servers on the bus: a listener whose every connection gets an actor of its own.

use std::borrow::Cow;

use netmart_bus::{Actor, Change, Context, Handler, Spawn, Watcher};

use crate::address::{Direction, Listener, Local};
use crate::message::{Channel, ChannelPattern, Connected, ConnectionKey, ConnectionPattern};

/// Wants a listener, and spawns a session for each connection to it; see [`serve`].
#[derive(Debug)]
pub struct Server<F> {
    make: F,
}

/// A server: while it lives there is a listener, and whoever connects gets the actor that `make` makes.
///
/// That actor must come with the interests of the connection's user, as a
/// [`session`](crate::end::session) does, or the connection ends when the relay has lost its patience.
/// Sessions outlive the server, and one that crashes takes no other along.
pub fn serve<A, F>(
    name: impl Into<Cow<'static, str>>,
    listener: Listener,
    make: F,
) -> Spawn<Server<F>>
where
    A: Handler<Channel>,
    F: FnMut(ConnectionKey) -> Spawn<A> + 'static,
{
    let local = Local::Listener(listener);
    Spawn::new(name, Server { make })
        // Not a subscription: that would make it a user of each connection.
        .provide::<Channel>(ChannelPattern::any().direction(Direction::Outbound).local(local))
        .watch::<Connected>(ConnectionPattern::any().local(local))
}

impl<F: 'static> Actor for Server<F> {}

impl<A, F> Watcher<Connected> for Server<F>
where
    A: Handler<Channel>,
    F: FnMut(ConnectionKey) -> Spawn<A> + 'static,
{
    fn changed(&mut self, change: Change<Connected>, ctx: &mut Context<'_, Self>) {
        // What the snapshot shows was there before, so it has a session.
        if let Change::Appeared(Connected { connection, .. }) = change {
            ctx.spawn((self.make)(connection));
        }
    }
}
