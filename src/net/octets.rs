//! What the actor behind a [`TcpStream`](super::TcpStream) carries: octets.

use std::sync::Arc;

use netmart_actors::end::{ChannelEnd, Heard};
use netmart_actors::message::{Body, Connected, ConnectionKey, Refusal, Setting};
use netmart_bus::{Context, Spawn};

use super::course::{Ends, Wishes};
use super::error;
use super::pipe::{Pipe, Written};
use super::user::{Face, User};
use crate::stack::touch::FaceId;

const NAME: &str = "stream";

/// The user of a connection that shall be made.
pub(super) fn dial(
    connection: ConnectionKey,
    face: FaceId,
    pipe: Arc<Pipe>,
) -> Spawn<User<Arc<Pipe>>> {
    let end = ChannelEnd::of(connection, pipe.window);
    User::dial(NAME, end, None, (face, pipe))
}

/// The user of a connection that a listener has got.
pub(super) fn claim(
    connected: &Connected,
    face: FaceId,
    pipe: Arc<Pipe>,
) -> Spawn<User<Arc<Pipe>>> {
    let end = ChannelEnd::of(connected.connection, 0);
    User::claim(NAME, end, connected, (face, pipe))
}

impl Face for Arc<Pipe> {
    type Written = Written;

    fn window(&self) -> usize {
        self.window
    }

    fn take_asked(&self) -> (Written, Wishes) {
        Pipe::take_asked(self)
    }

    fn write(written: Written, end: &mut ChannelEnd, ctx: &mut Context<'_, User<Self>>) {
        let Written { mut octets, urgent, nodelay, congestion } = written;
        if let Some(nodelay) = nodelay {
            end.set(Setting::NoDelay(nodelay), ctx);
        }
        if let Some(control) = congestion {
            end.set(Setting::Congestion(control), ctx);
        }
        end.write_urgent(octets.split_to(urgent), ctx);
        end.write(octets, ctx);
    }

    fn hear(&self, body: Body, end: &mut ChannelEnd, ctx: &mut Context<'_, User<Self>>) {
        let body = match body {
            Body::Info(info) => return self.informed(info),
            body => body,
        };
        match end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => self.arrived(chunks),
            Some(Heard::Room(room)) => self.has_room(room),
            Some(Heard::End) => self.ended(),
            Some(Heard::Closed(reason)) => self.closed(error::closed(reason)),
            // As sockets without IP_RECVERR do, which hear of what ends the connection only.
            Some(Heard::Urgent(octets)) => self.urgent_arrived(octets),
            _ => {}
        }
    }

    fn established(&self, ends: Ends) {
        Pipe::established(self, ends);
    }

    fn refused(&self, refusal: Refusal) {
        self.closed(Some(error::refused(refusal)));
    }

    fn lost(&self) {
        self.closed(Some(error::lost()));
    }
}
