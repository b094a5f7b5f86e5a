//! A listener that gives every connection an actor of its own.

use netmart::actors::address::{Direction, Listener, Local};
use netmart::actors::message::{
    Channel, ChannelPattern, Connected, ConnectionKey, ConnectionPattern,
};
use netmart::bus::{Actor, Change, Context, Handler, Spawn, Watcher};

/// Declares that connections to a port are served: that makes the stack listen there. For every connection
/// that is made it spawns a session, which from then on stands for itself; one that crashes takes no other
/// along.
pub(crate) struct Door<F> {
    session: F,
}

impl<A, F> Door<F>
where
    A: Handler<Channel>,
    F: FnMut(ConnectionKey) -> Spawn<A> + 'static,
{
    /// A door called `name` on `port` of every address. `session` makes the actor for a connection; it
    /// must come with the interests of the connection's user, or the connection is closed again.
    pub(crate) fn spawn(name: &'static str, port: u16, session: F) -> Spawn<Self> {
        let local = Local::Listener(Listener::on(port));
        let wish = ChannelPattern::any().direction(Direction::Outbound).local(local);
        Spawn::new(name, Self { session })
            .provide::<Channel>(wish)
            .watch::<Connected>(ConnectionPattern::any().local(local))
    }
}

impl<F: 'static> Actor for Door<F> {}

impl<A, F> Watcher<Connected> for Door<F>
where
    A: Handler<Channel>,
    F: FnMut(ConnectionKey) -> Spawn<A> + 'static,
{
    fn changed(&mut self, change: Change<Connected>, ctx: &mut Context<'_, Self>) {
        // The snapshot is empty: before the door there was no listener.
        if let Change::Appeared(Connected { connection, .. }) = change {
            ctx.spawn((self.session)(connection));
        }
    }
}
