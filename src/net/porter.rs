//! The actor behind a listener: wants it to exist, and takes in those who come.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use netmart_actors::address::{Direction, Listener, Local};
use netmart_actors::message::{
    Channel, ChannelPattern, Connected, ConnectionPattern, ListenError, ListenFailed, ListenerKey,
    Listening, ListeningPattern,
};
use netmart_bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

use super::course::{Ends, Leave, Tell};
use super::door::{Door, Waiting};
use super::hold::Shared;
use crate::stack::touch::{FaceId, OfFace, Touch};
use crate::stack::{Names, StackError};

/// What kind of connections a listener takes in.
pub(super) trait Intake: 'static {
    /// What a connection's user shares with the application.
    type Pipe: Shared + 'static;
    /// What the application is told when it cannot listen.
    type Error: From<StackError> + 'static;

    /// Nobody can listen there.
    fn not_bound(reason: ListenError) -> Self::Error;

    /// Gives a connection its user. Nothing comes in before the application has accepted it.
    fn claim(
        &self,
        connected: &Connected,
        face: FaceId,
        ctx: &mut Context<'_, Porter<Self>>,
    ) -> Arc<Self::Pipe>
    where
        Self: Sized;
}

/// Wants a listener, and gives each connection to it a user, as many as may wait.
pub(super) struct Porter<I: Intake> {
    intake: I,
    /// The address as the application gave it.
    ip: IpAddr,
    door: Arc<Door<I::Pipe, I::Error>>,
    names: Arc<Names>,
    /// How many connections may wait to be accepted.
    backlog: usize,
    /// Connections that came while too many waited. Their relays do not keep them for long.
    outside: VecDeque<Connected>,
}

impl<I: Intake> Porter<I> {
    /// `backlog` connections may wait to be accepted.
    pub(super) fn spawn(
        intake: I,
        (listener, ip): (Listener, IpAddr),
        face: FaceId,
        door: Arc<Door<I::Pipe, I::Error>>,
        (names, backlog): (Arc<Names>, usize),
    ) -> Spawn<Self> {
        let local = Local::Listener(listener);
        let outside = VecDeque::new();
        Spawn::new("porter", Self { intake, ip, door, names, backlog, outside })
            .subscribe::<Touch>(OfFace { face }.exactly())
            .watch::<Listening>(ListeningPattern::any().listener(listener))
            .watch::<ListenFailed>(ListenerKey { listener }.exactly())
            .watch::<Connected>(ConnectionPattern::any().local(local))
            .provide::<Channel>(ChannelPattern::any().direction(Direction::Outbound).local(local))
    }

    /// Lets in who stands outside, as far as there is room.
    fn let_in(&mut self, waiting: usize, ctx: &mut Context<'_, Self>) {
        let room = self.backlog.saturating_sub(waiting).min(self.outside.len());
        for connected in self.outside.drain(..room) {
            let face = FaceId(self.names.fresh());
            let pipe = self.intake.claim(&connected, face, ctx);
            let (local, peer) = (connected.address.into(), connected.connection.remote.into());
            self.door.came(Waiting { ends: Ends { local, peer }, pipe, face });
        }
    }

    /// The application has gone without having accepted these.
    fn turn_away(&self, ctx: &mut Context<'_, Self>) {
        for Waiting { pipe, face, .. } in self.door.take_waiting() {
            if pipe.leave(Leave::Abort) == Tell::Actor {
                ctx.send(Touch { of: OfFace { face } });
            }
        }
    }
}

impl<I: Intake> Actor for Porter<I> {}

impl<I: Intake> Handler<Touch> for Porter<I> {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        let (is_left, waiting) = self.door.look();
        if is_left {
            self.turn_away(ctx);
            ctx.stop();
        } else {
            self.let_in(waiting, ctx);
        }
    }
}

impl<I: Intake> Watcher<Connected> for Porter<I> {
    fn changed(&mut self, change: Change<Connected>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(connections) => self.outside.extend(connections),
            Change::Appeared(connected) => self.outside.push_back(connected),
            Change::Gone(gone) => self.outside.retain(|connected| *connected != gone),
        }
        let (_, waiting) = self.door.look();
        self.let_in(waiting, ctx);
    }
}

impl<I: Intake> Watcher<Listening> for Porter<I> {
    fn changed(&mut self, change: Change<Listening>, _ctx: &mut Context<'_, Self>) {
        // If it is gone because it crashed, there will be another.
        if let Some(fact) = change.newest() {
            self.door.bound(SocketAddr::new(self.ip, fact.at.port));
        }
    }
}

impl<I: Intake> Watcher<ListenFailed> for Porter<I> {
    fn changed(&mut self, change: Change<ListenFailed>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest() {
            self.door.unbound(I::not_bound(fact.reason));
        }
    }
}

impl<I: Intake> Drop for Porter<I> {
    /// However it ends: nobody shall wait in vain.
    fn drop(&mut self) {
        self.door.unbound(StackError::Gone.into());
    }
}
