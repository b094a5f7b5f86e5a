//! The actor behind a [`UdpSocket`](super::UdpSocket): takes part in the datagrams of one end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use netmart_actors::address::{Direction, LocalAddress};
use netmart_actors::message::{
    BindFailed, Bound, BoundKey, ForAsker, ListenError, PortError, PortReply, PortRequest, PortsOf,
    UdpDatagram, UdpError, UdpKey, UdpPattern,
};
use netmart_bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};
use netmart_proto::wire::Protocol;
use netmart_proto::wire::icmp::IcmpErrorKind;

use super::error;
use super::post::Post;
use crate::stack::touch::{FaceId, OfFace, Touch};

/// The ends that sockets of a stack hold. On the bus several may take part in one end; sockets may not.
pub(crate) type SocketEnds = Rc<RefCell<BTreeSet<SocketAddr>>>;

/// Carries datagrams between the bus and a post.
pub(super) struct Postman {
    /// The end; its port is 0 until one was chosen.
    local: SocketAddr,
    post: Arc<Post>,
    ends: SocketEnds,
    /// Whether the end is entered in `ends`.
    is_entered: bool,
}

impl Postman {
    pub(super) fn spawn(
        local: SocketAddr,
        face: FaceId,
        post: Arc<Post>,
        ends: SocketEnds,
    ) -> Spawn<Self> {
        Spawn::new("postman", Self { local, post, ends, is_entered: false })
            .subscribe::<Touch>(OfFace { face }.exactly())
    }

    fn end(&self) -> LocalAddress {
        self.local.into()
    }

    fn ask_for_port(&self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe::<PortReply>(ForAsker { asker: ctx.id() }.exactly()).keep();
        let of = PortsOf { protocol: Protocol::UDP };
        let ip = Some(self.local.ip()).filter(|ip| !ip.is_unspecified());
        ctx.send(PortRequest { of, asker: ctx.id(), want: None, ip, remote: None });
    }

    fn take_part(&mut self, ctx: &mut Context<'_, Self>) {
        if !self.ends.borrow_mut().insert(self.local) {
            let in_use = ListenError::Port(PortError::InUse);
            return self.post.unbound(Some(error::not_bound(in_use)));
        }
        self.is_entered = true;
        let local = self.end();
        let of = |direction| UdpPattern::any().direction(direction).local(local);
        ctx.watch::<Bound>(BoundKey { local }.exactly()).keep();
        ctx.watch::<BindFailed>(BoundKey { local }.exactly()).keep();
        ctx.subscribe::<UdpError>(of(Direction::Inbound)).keep();
        ctx.subscribe::<UdpDatagram>(of(Direction::Inbound)).keep();
        ctx.provide::<UdpDatagram>(of(Direction::Outbound)).keep();
    }
}

impl Actor for Postman {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if self.local.port() == 0 {
            self.ask_for_port(ctx);
        } else {
            self.take_part(ctx);
        }
    }
}

impl Handler<PortReply> for Postman {
    fn handle(&mut self, message: Delivery<'_, PortReply>, ctx: &mut Context<'_, Self>) {
        match message.result {
            Ok(port) => {
                self.local.set_port(port);
                self.take_part(ctx);
            }
            Err(reason) => self.post.unbound(Some(error::not_bound(reason.into()))),
        }
    }
}

impl Handler<Touch> for Postman {
    fn handle(&mut self, _message: Delivery<'_, Touch>, ctx: &mut Context<'_, Self>) {
        let (letters, is_left) = self.post.collect();
        let local = self.end();
        for (remote, payload) in letters {
            let key = UdpKey { direction: Direction::Outbound, local, remote: remote.into() };
            ctx.send(UdpDatagram { key, ip: None, payload });
        }
        if is_left {
            ctx.stop();
        }
    }
}

impl Handler<UdpDatagram> for Postman {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, _ctx: &mut Context<'_, Self>) {
        let UdpDatagram { key, payload, .. } = message.take();
        self.post.arrived((key.remote.into(), payload));
    }
}

impl Handler<UdpError> for Postman {
    fn handle(&mut self, message: Delivery<'_, UdpError>, _ctx: &mut Context<'_, Self>) {
        let remote = message.key.remote.into();
        self.post.unreached(remote, unreachable(message.error, self.local.ip()));
    }
}

/// What Linux makes of an ICMP error.
fn unreachable(kind: IcmpErrorKind, local: IpAddr) -> io::Error {
    let port_code = if local.is_ipv4() { 3 } else { 4 };
    let kind = match kind {
        IcmpErrorKind::Unreachable { code } if code == port_code => {
            io::ErrorKind::ConnectionRefused
        }
        IcmpErrorKind::PacketTooBig { .. } => io::ErrorKind::InvalidInput,
        _ => io::ErrorKind::HostUnreachable,
    };
    kind.into()
}

impl Watcher<Bound> for Postman {
    fn changed(&mut self, change: Change<Bound>, _ctx: &mut Context<'_, Self>) {
        if change.newest().is_some() {
            self.post.bound(self.local);
        }
    }
}

impl Watcher<BindFailed> for Postman {
    fn changed(&mut self, change: Change<BindFailed>, _ctx: &mut Context<'_, Self>) {
        if let Some(fact) = change.newest() {
            self.post.unbound(Some(error::not_bound(fact.reason)));
        }
    }
}

impl Drop for Postman {
    /// However it ends: nobody shall wait in vain, and the end is free again.
    fn drop(&mut self) {
        if self.is_entered {
            self.ends.borrow_mut().remove(&self.local);
        }
        self.post.unbound(None);
    }
}
