//! The actor behind a [`TcpStream`](super::TcpStream): the user of one connection on the bus.

use std::sync::Arc;

use netmart_actors::end::{ChannelEnd, Heard, session};
use netmart_actors::message::{Body, Channel, Connected, ConnectionKey, Refused, Setting};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Role, Spawn, Watcher,
};

use super::error;
use super::pipe::{Asked, Ends, Leave, Pipe};
use crate::news::newest;
use crate::stack::touch::{FaceId, OfFace, Touch};

/// Carries octets between a channel and a pipe.
pub(super) struct StreamUser {
    end: ChannelEnd,
    pipe: Arc<Pipe>,
    origin: Origin,
}

/// Where the connection comes from.
enum Origin {
    /// From our listener: it is established.
    Listener,
    /// From us: while it is being made, these tell how that goes.
    Dialer(Option<[Handle; 2]>),
}

impl StreamUser {
    /// The user of a connection that shall be made.
    pub(super) fn dial(connection: ConnectionKey, face: FaceId, pipe: Arc<Pipe>) -> Spawn<Self> {
        let window = pipe.window;
        Self::spawn(connection, face, window, pipe, Origin::Dialer(None))
    }

    /// The user of a connection that a listener has got. Nothing comes in before the application has
    /// accepted it.
    pub(super) fn claim(connected: &Connected, face: FaceId, pipe: Arc<Pipe>) -> Spawn<Self> {
        pipe.established(ends(connected));
        Self::spawn(connected.connection, face, 0, pipe, Origin::Listener)
    }

    fn spawn(
        connection: ConnectionKey,
        face: FaceId,
        window: usize,
        pipe: Arc<Pipe>,
        origin: Origin,
    ) -> Spawn<Self> {
        let [inbound, _] = ChannelEnd::patterns(&connection);
        session("stream", connection, window, |end| Self { end, pipe, origin })
            .subscribe::<Touch>(OfFace { face }.exactly())
            .watch_interest::<Channel>(Role::Provider, inbound)
    }

    /// Does what the application has asked for since the last time.
    fn obey(&mut self, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        let (mut octets, asked) = self.pipe.take_asked();
        let Asked { consumed, nodelay, congestion, inquire, accepted, urgent, finish, leave } =
            asked;
        if let Some(nodelay) = nodelay {
            end.set(Setting::NoDelay(nodelay), ctx);
        }
        if let Some(control) = congestion {
            end.set(Setting::Congestion(control), ctx);
        }
        if inquire {
            end.inquire(ctx);
        }
        if accepted {
            end.widen(self.pipe.window, ctx);
        }
        end.consumed(consumed, ctx);
        end.write_urgent(octets.split_to(urgent), ctx);
        end.write(octets, ctx);
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

fn ends(connected: &Connected) -> Ends {
    Ends { local: connected.address.into(), peer: connected.connection.remote.into() }
}

impl Actor for StreamUser {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if let Origin::Dialer(watches) = &mut self.origin {
            let fact = self.end.connection().exactly();
            *watches = Some([ctx.watch::<Connected>(fact), ctx.watch::<Refused>(fact)]);
        }
    }
}

impl Handler<Touch> for StreamUser {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        self.obey(ctx);
    }
}

impl Handler<Channel> for StreamUser {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = match message.take().body {
            Body::Info(info) => return self.pipe.informed(info),
            body => body,
        };
        match self.end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => self.pipe.arrived(chunks),
            Some(Heard::Room(room)) => self.pipe.has_room(room),
            Some(Heard::End) => self.pipe.ended(),
            Some(Heard::Closed(reason)) => self.pipe.closed(error::closed(reason)),
            // As sockets without IP_RECVERR do, which hear of what ends the connection only.
            Some(Heard::Urgent(octets)) => self.pipe.urgent_arrived(octets),
            _ => {}
        }
    }
}

impl Watcher<Connected> for StreamUser {
    fn changed(&mut self, change: Change<Connected>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = newest(change) {
            self.settled();
            self.pipe.established(ends(&fact));
        }
    }
}

impl Watcher<Refused> for StreamUser {
    fn changed(&mut self, change: Change<Refused>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = newest(change) {
            self.settled();
            self.pipe.closed(Some(error::refused(fact.reason)));
        }
    }
}

/// The relay: without it nothing will come any more.
impl Watcher<Interest<Channel>> for StreamUser {
    fn changed(&mut self, change: Change<Interest<Channel>>, _ctx: &mut Context<'_, Self>) {
        let is_lost = match change {
            Change::Snapshot(relays) => {
                relays.is_empty() && matches!(self.origin, Origin::Listener)
            }
            Change::Appeared(_) => false,
            Change::Gone(_) => true,
        };
        if is_lost {
            self.pipe.closed(Some(error::lost()));
        }
    }
}

impl Drop for StreamUser {
    /// Whether it stopped, panicked or went down with the stack: nobody shall wait in vain.
    fn drop(&mut self) {
        self.pipe.closed(Some(error::lost()));
    }
}
