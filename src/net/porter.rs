//! The actor behind a [`TcpListener`](super::TcpListener): wants a listener to exist, and takes in those
//! who come.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use netmart_actors::address::{Direction, Listener, Local};
use netmart_actors::message::{
    Channel, ChannelPattern, Connected, ConnectionPattern, ListenFailed, ListenerKey, Listening,
    ListeningPattern,
};
use netmart_bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

use super::door::{Door, Waiting};
use super::error;
use super::pipe::{Ends, Leave, Pipe, Tell};
use super::user::StreamUser;
use crate::news::newest;
use crate::stack::touch::{FaceId, OfFace, Touch};
use crate::stack::{Names, Settings};

/// Wants a listener, and gives each connection to it a user, as many as may wait.
pub(super) struct Porter {
    /// The address as the application gave it.
    ip: IpAddr,
    door: Arc<Door>,
    names: Arc<Names>,
    settings: Settings,
    /// Connections that came while too many waited. Their relays do not keep them for long.
    outside: VecDeque<Connected>,
}

impl Porter {
    pub(super) fn spawn(
        listener: Listener,
        ip: IpAddr,
        face: FaceId,
        door: Arc<Door>,
        (names, settings): (Arc<Names>, Settings),
    ) -> Spawn<Self> {
        let local = Local::Listener(listener);
        Spawn::new("porter", Self { ip, door, names, settings, outside: VecDeque::new() })
            .subscribe::<Touch>(OfFace { face }.exactly())
            .watch::<Listening>(ListeningPattern::any().listener(listener))
            .watch::<ListenFailed>(ListenerKey { listener }.exactly())
            .watch::<Connected>(ConnectionPattern::any().local(local))
            .provide::<Channel>(ChannelPattern::any().direction(Direction::Outbound).local(local))
    }

    /// Lets in who stands outside, as far as there is room.
    fn let_in(&mut self, waiting: usize, ctx: &mut Context<'_, Self>) {
        let room = self.settings.backlog.saturating_sub(waiting).min(self.outside.len());
        for connected in self.outside.drain(..room) {
            let pipe = Arc::new(Pipe::new(self.settings.window));
            let face = FaceId(self.names.fresh());
            ctx.spawn(StreamUser::claim(&connected, face, Arc::clone(&pipe)));
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

impl Actor for Porter {}

impl Handler<Touch> for Porter {
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

impl Watcher<Connected> for Porter {
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

impl Watcher<Listening> for Porter {
    fn changed(&mut self, change: Change<Listening>, _ctx: &mut Context<'_, Self>) {
        // If it is gone because it crashed, there will be another.
        if let Some(fact) = newest(change) {
            self.door.bound(SocketAddr::new(self.ip, fact.at.port));
        }
    }
}

impl Watcher<ListenFailed> for Porter {
    fn changed(&mut self, change: Change<ListenFailed>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = newest(change) {
            self.door.unbound(error::not_bound(fact.reason));
        }
    }
}

impl Drop for Porter {
    /// However it ends: nobody shall wait in vain.
    fn drop(&mut self) {
        self.door
            .unbound(io::Error::new(io::ErrorKind::NetworkDown, "the stack has been shut down"));
    }
}
