//! The listener.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use netmart_actors::address::{Local, Transport};
use netmart_actors::message::{Connected, ListenError};
use netmart_bus::Context;
use netmart_proto::wires::{Kind, Role};

use super::log::Scribe;
use super::pipe::Pipe;
use super::stream::WireStream;
use super::user::{self, terms};
use super::{WireError, WireOptions};
use crate::net::hold::ListenerHold;
use crate::net::porter::{Intake, Porter};
use crate::stack::Stack;
use crate::stack::touch::FaceId;

/// A listener for connections over one of the wires.
///
/// Behind it stands an interest in connections to a port; dropping it takes that back, and gives up connections
/// that nobody has accepted.
pub struct WireListener {
    kind: Kind,
    address: SocketAddr,
    hold: ListenerHold<Pipe, WireError>,
}

/// Takes in connections over a wire.
struct Wires {
    /// Octets that may be on their way to a connection's user.
    window: usize,
}

impl Intake for Wires {
    type Pipe = Pipe;
    type Error = WireError;

    fn not_bound(reason: ListenError) -> WireError {
        reason.into()
    }

    fn claim(
        &self,
        connected: &Connected,
        face: FaceId,
        ctx: &mut Context<'_, Porter<Self>>,
    ) -> Arc<Pipe> {
        let pipe = Arc::new(Pipe::new(self.window));
        ctx.spawn(user::claim(connected, face, Arc::clone(&pipe)));
        pipe
    }
}

impl WireListener {
    /// Listens for connections over the wire `kind` at `address` of `stack`: on every address if that is
    /// unspecified, on a port of the stack's choice if it is 0.
    ///
    /// Dropping the future gives it up.
    ///
    /// # Errors
    ///
    /// [`Listen`](WireError::Listen) if the port or the address cannot be had, [`Stack`](WireError::Stack).
    pub async fn bind(
        stack: &Stack,
        kind: Kind,
        address: SocketAddr,
        options: WireOptions,
    ) -> Result<Self, WireError> {
        let hold = ListenerHold::new(stack);
        let (face, inner) = (hold.face, Arc::clone(&hold.door));
        let listener = hold.listener(address).over(Transport::Wire(kind));
        let settings = stack.settings();
        let given = (stack.names(), settings.backlog);
        let intake = Wires { window: options.window.unwrap_or(settings.window) };
        stack.call(move |inside| {
            if let Some(logger) = options.log.clone() {
                let scribe = Scribe::spawn(logger, listener, face, Arc::clone(&inner));
                inside.dataspace.spawn(scribe);
            }
            // Terms come before the interest that asks for the listener, and end with it.
            let terms = terms(Local::Listener(listener), &options);
            let at = (listener, address.ip());
            let porter = Porter::spawn(intake, at, face, inner, given);
            inside.dataspace.spawn(porter.assert(terms));
        })?;
        let address = hold.bound().await?;
        Ok(Self { kind, address, hold })
    }

    /// The next connection and its peer's address; waits until there is one. On `quiq` a connection is there
    /// when the client has sent something over it, or closed it.
    ///
    /// Dropping the future loses no connection.
    ///
    /// # Errors
    ///
    /// [`Stack`](WireError::Stack) when the stack has been shut down.
    pub async fn accept(&self) -> Result<(WireStream, SocketAddr), WireError> {
        let (hold, ends) = self.hold.accept().await?;
        Ok((WireStream::new(self.kind, Role::Server, ends, hold), ends.peer))
    }

    /// The address bound to; its port is never 0.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The wire.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Debug for WireListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireListener")
            .field("wire", &self.kind.name())
            .field("addr", &self.address)
            .finish_non_exhaustive()
    }
}
