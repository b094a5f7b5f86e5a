//! What the actor behind a [`WireStream`](super::WireStream) carries: chunks, over one of the wires.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use netmart_actors::address::{FlowPattern, Local, Transport};
use netmart_actors::end::{ChannelEnd, Heard};
use netmart_actors::message::{
    Body, CloseReason, Connected, ConnectionKey, Refusal, Terms, WireLog, WireTerms,
};
use netmart_bus::{Context, Delivery, Handler, Spawn};
use netmart_proto::wires::{Chunk, Kind, Reason};

use super::pipe::Pipe;
use super::{WireError, WireLogger, WireOptions};
use crate::net::course::{Ends, Wishes};
use crate::net::user::{Face, User};
use crate::stack::touch::FaceId;

const NAME: &str = "wire stream";

/// What shall be dialled.
pub(super) struct Dial {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    pub(super) options: WireOptions,
}

/// Carries chunks.
pub(super) struct Carrier {
    pipe: Arc<Pipe>,
    /// Who wants the lines about its datagrams, if it was dialled.
    log: Option<WireLogger>,
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

/// The user of a connection that shall be made.
pub(super) fn dial(dial: Dial, face: FaceId, pipe: Arc<Pipe>) -> Spawn<User<Carrier>> {
    let Dial { kind, address, options } = dial;
    let connection = ConnectionKey::outbound(face.0, address).over(Transport::Wire(kind));
    let end = ChannelEnd::of(connection, pipe.window).keeping_borders();
    let terms = terms(connection.local, &options);
    let is_logged = options.log.is_some();
    let carrier = Carrier { pipe, log: options.log };
    let user = User::dial(NAME, end, Some(terms), (face, carrier));
    let of_peer = FlowPattern::any().remote(connection.remote);
    if is_logged { user.observe::<WireLog>(of_peer) } else { user }
}

/// The user of a connection that a listener has got.
pub(super) fn claim(connected: &Connected, face: FaceId, pipe: Arc<Pipe>) -> Spawn<User<Carrier>> {
    let end = ChannelEnd::of(connected.connection, 0).keeping_borders();
    User::claim(NAME, end, connected, (face, Carrier { pipe, log: None }))
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

impl Carrier {
    fn arrived(
        &self,
        chunks: impl IntoIterator<Item = Chunk>,
        end: &mut ChannelEnd,
        ctx: &mut Context<'_, User<Self>>,
    ) {
        let unwanted = self.pipe.arrived(chunks);
        end.consumed(unwanted, ctx);
    }
}

impl Face for Carrier {
    type Written = Vec<Chunk>;

    fn window(&self) -> usize {
        self.pipe.window
    }

    fn take_asked(&self) -> (Vec<Chunk>, Wishes) {
        self.pipe.take_asked()
    }

    fn write(chunks: Vec<Chunk>, end: &mut ChannelEnd, ctx: &mut Context<'_, User<Self>>) {
        end.write_chunks(chunks, ctx);
    }

    fn hear(&self, body: Body, end: &mut ChannelEnd, ctx: &mut Context<'_, User<Self>>) {
        match end.hear(body, ctx) {
            Some(Heard::Chunks(chunks)) => self.arrived(chunks, end, ctx),
            Some(Heard::Data(pieces)) => {
                let chunk = |data| Chunk { stream: 0, data, end: false };
                self.arrived(pieces.into_iter().map(chunk), end, ctx);
            }
            Some(Heard::End) => self.pipe.ended(),
            Some(Heard::Room(room)) => self.pipe.has_room(room),
            Some(Heard::Report(info)) => self.pipe.informed(*info),
            Some(Heard::Closed(reason)) => self.pipe.closed(closed(reason)),
            Some(Heard::Urgent(_) | Heard::Trouble(_)) | None => {}
        }
    }

    fn established(&self, ends: Ends) {
        self.pipe.established(ends);
    }

    fn refused(&self, refusal: Refusal) {
        self.pipe.closed(Some(refused(refusal)));
    }

    fn lost(&self) {
        self.pipe.closed(Some(WireError::Lost));
    }
}

impl Handler<WireLog> for User<Carrier> {
    fn handle(&mut self, message: Delivery<'_, WireLog>, _ctx: &mut Context<'_, Self>) {
        if let Some(logger) =
            self.face.log.as_ref().filter(|_| message.user == self.end.connection().local)
        {
            logger.line(&message.line);
        }
    }
}
