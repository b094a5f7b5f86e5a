//! The actor behind a [`WireStream`](super::WireStream): the user of one connection on the bus.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use netmart_actors::address::{FlowPattern, Local, Transport};
use netmart_actors::end::{ChannelEnd, Heard};
use netmart_actors::message::{
    Channel, CloseReason, Connected, ConnectionKey, Refusal, Refused, Terms, WireLog, WireTerms,
};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handle, Handler, Interest, Role, Spawn, Watcher,
};
use netmart_proto::wires::{Chunk, Kind, Reason};

use super::pipe::{Asked, Pipe};
use super::{WireError, WireLogger, WireOptions};
use crate::net::pipe::{Ends, Leave};
use crate::news::newest;
use crate::stack::touch::{FaceId, OfFace, Touch};

/// What shall be dialled.
pub(super) struct Dial {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    pub(super) options: WireOptions,
}

/// Carries chunks between a channel and a pipe.
pub(super) struct WireUser {
    end: ChannelEnd,
    pipe: Arc<Pipe>,
    origin: Origin,
    /// Who wants the lines about its datagrams, if it was dialled.
    log: Option<WireLogger>,
}

/// Where the connection comes from.
enum Origin {
    /// From our listener: it is established.
    Listener,
    /// From us: while it is being made, these tell how that goes.
    Dialer(Option<[Handle; 2]>),
}

/// The terms of connections of `local`, from what the application wants.
pub(super) fn terms(local: Local, options: &WireOptions) -> Terms {
    let wire = WireTerms {
        config: options.config.clone(),
        impair: options.impair.clone(),
        log: options.log.is_some(),
    };
    let ip = options.from.map(|from| from.ip()).filter(|ip| !ip.is_unspecified());
    let port = options.from.map(|from| from.port()).filter(|port| *port != 0);
    Terms { ip, port, wire: Some(Rc::new(wire)), ..Terms::of(local) }
}

impl WireUser {
    /// The user of a connection that shall be made.
    pub(super) fn dial(dial: Dial, face: FaceId, pipe: Arc<Pipe>) -> Spawn<Self> {
        let Dial { kind, address, options } = dial;
        let connection = ConnectionKey::outbound(face.0, address).over(Transport::Wire(kind));
        let window = pipe.window;
        let end = ChannelEnd::of(connection, window).keeping_borders();
        let log = options.log.clone();
        let is_logged = log.is_some();
        let user = Self { end, pipe, origin: Origin::Dialer(None), log };
        // Terms come before the interest that asks for the connection.
        let user = Spawn::new("wire stream", user).assert(terms(connection.local, &options));
        let user = with_interests(user, &connection, face);
        let of_peer = FlowPattern::any().remote(connection.remote);
        if is_logged { user.observe::<WireLog>(of_peer) } else { user }
    }

    /// The user of a connection that a listener has got. Nothing comes in before the application has
    /// accepted it.
    pub(super) fn claim(connected: &Connected, face: FaceId, pipe: Arc<Pipe>) -> Spawn<Self> {
        pipe.established(ends(connected));
        let connection = connected.connection;
        let end = ChannelEnd::of(connection, 0).keeping_borders();
        let user = Self { end, pipe, origin: Origin::Listener, log: None };
        with_interests(Spawn::new("wire stream", user), &connection, face)
    }

    /// Does what the application has asked for since the last time.
    fn obey(&mut self, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        let (chunks, asked) = self.pipe.take_asked();
        let Asked { consumed, inquire, accepted, finish, leave } = asked;
        if inquire {
            end.inquire(ctx);
        }
        if accepted {
            end.widen(self.pipe.window, ctx);
        }
        end.consumed(consumed, ctx);
        end.write_chunks(chunks, ctx);
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

    fn arrived(&mut self, chunks: impl IntoIterator<Item = Chunk>, ctx: &mut Context<'_, Self>) {
        let unwanted = self.pipe.arrived(chunks);
        self.end.consumed(unwanted, ctx);
    }

    /// It is known how dialling went.
    fn settled(&mut self) {
        self.origin = Origin::Dialer(None);
    }
}

/// Those that make an actor the user of a connection, and let it be touched.
fn with_interests(
    user: Spawn<WireUser>,
    connection: &ConnectionKey,
    face: FaceId,
) -> Spawn<WireUser> {
    let [inbound, outbound] = ChannelEnd::patterns(connection);
    user.subscribe::<Channel>(inbound)
        .provide::<Channel>(outbound)
        .subscribe::<Touch>(OfFace { face }.exactly())
        .watch_interest::<Channel>(Role::Provider, inbound)
}

fn ends(connected: &Connected) -> Ends {
    Ends { local: connected.address.into(), peer: connected.connection.remote.into() }
}

/// Why an established connection is over; nothing if that is in order.
fn closed(reason: CloseReason) -> Option<WireError> {
    match reason {
        CloseReason::Wire(reason) if *reason == Reason::Normal => None,
        CloseReason::Wire(reason) => Some(WireError::Closed((*reason).clone())),
        CloseReason::Unwritable(error) => Some(error.into()),
        CloseReason::NotBound(error) => Some(error.into()),
        CloseReason::Ended(_) | CloseReason::Crashed => Some(WireError::Lost),
    }
}

fn refused(refusal: Refusal) -> WireError {
    match refusal {
        Refusal::Closed(CloseReason::Wire(reason)) => WireError::Refused((*reason).clone()),
        Refusal::Closed(CloseReason::Crashed) => WireError::Lost,
        other => WireError::NotDialled(other),
    }
}

impl Actor for WireUser {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if let Origin::Dialer(watches) = &mut self.origin {
            let fact = self.end.connection().exactly();
            *watches = Some([ctx.watch::<Connected>(fact), ctx.watch::<Refused>(fact)]);
        }
    }
}

impl Handler<Touch> for WireUser {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        self.obey(ctx);
    }
}

impl Handler<Channel> for WireUser {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Chunks(chunks)) => self.arrived(chunks, ctx),
            Some(Heard::Data(pieces)) => {
                let chunk = |data| Chunk { stream: 0, data, end: false };
                self.arrived(pieces.into_iter().map(chunk), ctx);
            }
            Some(Heard::End) => self.pipe.ended(),
            Some(Heard::Room(room)) => self.pipe.has_room(room),
            Some(Heard::Report(info)) => self.pipe.informed(*info),
            Some(Heard::Closed(reason)) => self.pipe.closed(closed(reason)),
            Some(Heard::Urgent(_) | Heard::Trouble(_)) | None => {}
        }
    }
}

impl Handler<WireLog> for WireUser {
    fn handle(&mut self, message: Delivery<'_, WireLog>, _ctx: &mut Context<'_, Self>) {
        if let Some(logger) =
            self.log.as_ref().filter(|_| message.user == self.end.connection().local)
        {
            logger.line(&message.line);
        }
    }
}

impl Watcher<Connected> for WireUser {
    fn changed(&mut self, change: Change<Connected>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = newest(change) {
            self.settled();
            self.pipe.established(ends(&fact));
        }
    }
}

impl Watcher<Refused> for WireUser {
    fn changed(&mut self, change: Change<Refused>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = newest(change) {
            self.settled();
            self.pipe.closed(Some(refused(fact.reason)));
        }
    }
}

/// The relay: without it nothing will come any more.
impl Watcher<Interest<Channel>> for WireUser {
    fn changed(&mut self, change: Change<Interest<Channel>>, _ctx: &mut Context<'_, Self>) {
        let is_lost = match change {
            Change::Snapshot(relays) => {
                relays.is_empty() && matches!(self.origin, Origin::Listener)
            }
            Change::Appeared(_) => false,
            Change::Gone(_) => true,
        };
        if is_lost {
            self.pipe.closed(Some(WireError::Lost));
        }
    }
}

impl Drop for WireUser {
    /// Whether it stopped, panicked or went down with the stack: nobody shall wait in vain.
    fn drop(&mut self) {
        self.pipe.closed(Some(WireError::Lost));
    }
}
