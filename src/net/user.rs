//! The actor behind a connection that an application holds: its user on the bus.

use std::borrow::Cow;

use netmart_actors::end::ChannelEnd;
use netmart_actors::message::{Body, Channel, Connected, ConnectionKey, Refusal, Refused, Terms};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Role, Spawn, Watcher,
};

use super::course::{Ends, Leave, Wishes};
use crate::stack::touch::{FaceId, OfFace, Touch};

/// What the user of a connection shows of it to the application, and takes from there.
pub(super) trait Face: Sized + 'static {
    /// What the application has written, and settings that belong to it.
    type Written;

    /// How many octets may be on their way to the application at any time.
    fn window(&self) -> usize;

    /// What the application has written, and what else it asks for; from now on another touch is needed.
    fn take_asked(&self) -> (Self::Written, Wishes);

    /// Puts into the channel what was written.
    fn write(written: Self::Written, end: &mut ChannelEnd, ctx: &mut Context<'_, User<Self>>);

    /// Something has come out of the channel.
    fn hear(&self, body: Body, end: &mut ChannelEnd, ctx: &mut Context<'_, User<Self>>);

    fn established(&self, ends: Ends);

    /// The connection could not be made.
    fn refused(&self, refusal: Refusal);

    /// Nothing will come any more, and nobody says why.
    fn lost(&self);
}

/// Carries what is sent and received between a channel and an application.
pub(super) struct User<F: Face> {
    pub(super) end: ChannelEnd,
    pub(super) face: F,
    origin: Origin,
}

/// Where the connection comes from.
enum Origin {
    /// From our listener: it is established.
    Listener,
    /// From us: while it is being made, these tell how that goes.
    Dialer(Option<[Handle; 2]>),
}

impl<F: Face> User<F> {
    /// The user of a connection that shall be made, on `terms` if there are any.
    pub(super) fn dial(
        name: impl Into<Cow<'static, str>>,
        end: ChannelEnd,
        terms: Option<Terms>,
        (id, face): (FaceId, F),
    ) -> Spawn<Self> {
        let connection = *end.connection();
        let user = Spawn::new(name, Self { end, face, origin: Origin::Dialer(None) });
        // Terms come before the interest that asks for the connection.
        let user = match terms {
            Some(terms) => user.assert(terms),
            None => user,
        };
        with_interests(user, &connection, id)
    }

    /// The user of a connection that a listener has got. Nothing comes in before the application has
    /// accepted it: `end` has a window of none.
    pub(super) fn claim(
        name: impl Into<Cow<'static, str>>,
        end: ChannelEnd,
        connected: &Connected,
        (id, face): (FaceId, F),
    ) -> Spawn<Self> {
        face.established(ends(connected));
        let user = Spawn::new(name, Self { end, face, origin: Origin::Listener });
        with_interests(user, &connected.connection, id)
    }

    /// Does what the application has asked for since the last time.
    fn obey(&mut self, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        let (written, wishes) = self.face.take_asked();
        let Wishes { consumed, inquire, accepted, finish, leave } = wishes;
        if inquire {
            end.inquire(ctx);
        }
        if accepted {
            end.widen(self.face.window(), ctx);
        }
        end.consumed(consumed, ctx);
        F::write(written, end, ctx);
        if finish || leave == Some(Leave::InOrder) {
            end.finish(ctx);
        }
        if leave == Some(Leave::Abort) {
            end.abort(ctx);
        }
        if leave.is_some() {
            ctx.stop();
        }
    }

    /// It is known how dialling went.
    fn settled(&mut self) {
        self.origin = Origin::Dialer(None);
    }
}

/// Those that make an actor the user of a connection, and let it be touched.
fn with_interests<F: Face>(
    user: Spawn<User<F>>,
    connection: &ConnectionKey,
    face: FaceId,
) -> Spawn<User<F>> {
    let [inbound, outbound] = ChannelEnd::patterns(connection);
    user.subscribe::<Channel>(inbound)
        .provide::<Channel>(outbound)
        .subscribe::<Touch>(OfFace { face }.exactly())
        .watch_interest::<Channel>(Role::Provider, inbound)
}

fn ends(connected: &Connected) -> Ends {
    Ends { local: connected.address.into(), peer: connected.connection.remote.into() }
}

impl<F: Face> Actor for User<F> {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if let Origin::Dialer(watches) = &mut self.origin {
            let fact = self.end.connection().exactly();
            *watches = Some([ctx.watch::<Connected>(fact), ctx.watch::<Refused>(fact)]);
        }
    }
}

impl<F: Face> Handler<Touch> for User<F> {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        self.obey(ctx);
    }
}

impl<F: Face> Handler<Channel> for User<F> {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        self.face.hear(message.take().body, &mut self.end, ctx);
    }
}

impl<F: Face> Watcher<Connected> for User<F> {
    fn changed(&mut self, change: Change<Connected>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest() {
            self.settled();
            self.face.established(ends(&fact));
        }
    }
}

impl<F: Face> Watcher<Refused> for User<F> {
    fn changed(&mut self, change: Change<Refused>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest() {
            self.settled();
            self.face.refused(fact.reason);
        }
    }
}

/// The relay: without it nothing will come any more.
impl<F: Face> Watcher<Interest<Channel>> for User<F> {
    fn changed(&mut self, change: Change<Interest<Channel>>, _ctx: &mut Context<'_, Self>) {
        let is_lost = match change {
            Change::Snapshot(relays) => {
                relays.is_empty() && matches!(self.origin, Origin::Listener)
            }
            Change::Appeared(_) => false,
            Change::Gone(_) => true,
        };
        if is_lost {
            self.face.lost();
        }
    }
}

impl<F: Face> Drop for User<F> {
    /// Whether it stopped, panicked or went down with the stack: nobody shall wait in vain.
    fn drop(&mut self) {
        self.face.lost();
    }
}
