//! The actor behind a [`Claim`](super::Claim): the user of one connection on the bus.

use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use netmart_actors::address::Local;
use netmart_actors::end::{ChannelEnd, Heard, session};
use netmart_actors::message::{Channel, Connected, ConnectionKey, Refused};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Interest, Role, Spawn, Timer, TimerToken, Watcher,
};

use super::desk::{Asked, Desk};
use super::{ConnectionNews, Event};
use crate::stack::touch::{FaceId, OfFace, Touch};

/// Carries octets between a channel and a recipient.
pub(super) struct Clerk {
    end: ChannelEnd,
    face: FaceId,
    desk: Arc<Desk>,
    recipient: Recipient<ConnectionNews>,
    /// Whether octets could be written.
    is_open: bool,
    /// Whether the recipient knows that it is over.
    is_over: bool,
    /// The claim is gone, and what it has written is on its way: how long that may take.
    leaving: Option<Timer>,
}

/// How long a connection without a claim may take to get rid of what was written.
const PATIENCE: Duration = Duration::from_secs(60);

impl Clerk {
    pub(super) fn spawn(
        connection: ConnectionKey,
        face: FaceId,
        desk: Arc<Desk>,
        recipient: Recipient<ConnectionNews>,
        window: usize,
    ) -> Spawn<Self> {
        let [inbound, _] = ChannelEnd::patterns(&connection);
        let make = |end| Self {
            end,
            face,
            desk,
            recipient,
            is_open: false,
            is_over: false,
            leaving: None,
        };
        session("clerk", connection, window, make)
            .subscribe::<Touch>(OfFace { face }.exactly())
            .watch_interest::<Channel>(Role::Provider, inbound)
            .watch::<Connected>(connection.exactly())
            .watch::<Refused>(connection.exactly())
    }

    fn tell(&self, event: Event) {
        if self.leaving.is_none() {
            self.recipient.do_send(ConnectionNews { id: self.face.0, event });
        }
    }

    /// Nothing more will happen.
    fn over(&mut self, event: Event) {
        if !self.is_over {
            self.is_over = true;
            self.desk.has_room(0);
            self.tell(event);
        }
    }

    /// Does what the holder of the claim has asked for since the last time.
    fn obey(&mut self, ctx: &mut Context<'_, Self>) {
        let end = &mut self.end;
        let Asked { written, granted, settings, finish, abort, leave } = self.desk.take();
        settings.into_iter().for_each(|setting| end.set(setting, ctx));
        written.into_iter().for_each(|octets| end.write(octets, ctx));
        end.consumed(granted, ctx);
        if finish || leave {
            end.finish(ctx);
        }
        if abort {
            end.abort(ctx);
        }
        if leave {
            self.leaving = Some(ctx.set_timer(ctx.now() + PATIENCE, TimerToken(0)));
        }
        self.leave_if_done(ctx);
    }

    fn leave_if_done(&mut self, ctx: &mut Context<'_, Self>) {
        let is_done = self.end.is_flushed() || !self.is_open || self.is_over;
        if self.leaving.is_some() && is_done {
            ctx.stop();
        }
    }
}

impl Actor for Clerk {
    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.end.abort(ctx);
        ctx.stop();
    }
}

impl Handler<Touch> for Clerk {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        self.obey(ctx);
    }
}

impl Handler<Channel> for Clerk {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => self.tell(Event::Data(chunks)),
            Some(Heard::Urgent(octets)) => self.tell(Event::Urgent(octets)),
            Some(Heard::End) => self.tell(Event::End),
            Some(Heard::Room(room)) => {
                self.is_open = true;
                let room = self.desk.has_room(room);
                if room > 0 {
                    self.tell(Event::Room(room));
                }
            }
            Some(Heard::Trouble(trouble)) => self.tell(Event::Trouble(trouble)),
            Some(Heard::Closed(reason)) => self.over(Event::Closed(Some(reason))),
            Some(Heard::Chunks(_) | Heard::Report(_)) | None => {}
        }
        self.leave_if_done(ctx);
    }
}

impl Watcher<Connected> for Clerk {
    fn changed(&mut self, change: Change<Connected>, _ctx: &mut Context<'_, Self>) {
        if let Some(Connected { connection, address }) = change.newest() {
            self.tell(Event::Opened { local: address.into(), peer: connection.remote.into() });
        }
    }
}

impl Watcher<Refused> for Clerk {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest() {
            self.over(Event::Refused(fact.reason));
            self.leave_if_done(ctx);
        }
    }
}

/// The relay: without it nothing will come any more.
impl Watcher<Interest<Channel>> for Clerk {
    fn changed(&mut self, change: Change<Interest<Channel>>, ctx: &mut Context<'_, Self>) {
        let is_lost = match change {
            Change::Snapshot(relays) => {
                relays.is_empty() && matches!(self.end.connection().local, Local::Listener(_))
            }
            Change::Appeared(_) => false,
            Change::Gone(_) => true,
        };
        if is_lost {
            self.over(Event::Closed(None));
            self.leave_if_done(ctx);
        }
    }
}

impl Drop for Clerk {
    /// Whether it stopped, panicked or went down with the stack: nobody shall wait in vain.
    fn drop(&mut self) {
        self.over(Event::Closed(None));
    }
}
