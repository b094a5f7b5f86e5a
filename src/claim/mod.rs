//! Connections for actix actors: a [`Recipient`] that is told what happens, and a claim that holds it.
//!
//! [`Stack::listen`] and [`Stack::dial`] take a recipient and give back a claim; dropping the claim takes
//! the interest back. What comes in is a message: [`ListenerNews`], [`ConnectionNews`]. Flow control is a
//! message as well, for an actix mailbox takes whatever is sent to it: no more octets are on their way to a
//! recipient than its window, until it [grants](Claim::grant) those it has dealt with anew.
//!
//! ```
//! use actix::prelude::*;
//! use netmart::actors::address::Listener;
//! use netmart::claim::{Claim, ConnectionNews, Event, ListenClaim, ListenerNews};
//! use netmart::stack::Stack;
//! use std::collections::HashMap;
//!
//! /// Sends back what it receives.
//! struct Echo {
//!     stack: Stack,
//!     listening: Option<ListenClaim>,
//!     connections: HashMap<u64, Claim>,
//! }
//!
//! impl Actor for Echo {
//!     type Context = Context<Self>;
//!
//!     fn started(&mut self, ctx: &mut Self::Context) {
//!         self.listening = self.stack.listen(Listener::on(7), ctx.address().recipient()).ok();
//!     }
//! }
//!
//! impl Handler<ListenerNews> for Echo {
//!     type Result = ();
//!
//!     fn handle(&mut self, news: ListenerNews, ctx: &mut Self::Context) {
//!         if let ListenerNews::Knock(knock) = news
//!             && let Ok(claim) = self.stack.claim(&knock, ctx.address().recipient(), 64 * 1024)
//!         {
//!             self.connections.insert(claim.id(), claim);
//!         }
//!     }
//! }
//!
//! impl Handler<ConnectionNews> for Echo {
//!     type Result = ();
//!
//!     fn handle(&mut self, ConnectionNews { id, event }: ConnectionNews, _ctx: &mut Self::Context) {
//!         let Some(claim) = self.connections.get(&id) else { return };
//!         match event {
//!             Event::Data(chunks) => {
//!                 for chunk in chunks {
//!                     claim.grant(chunk.len());
//!                     // A real one would keep what finds no room until there is some.
//!                     let _ = claim.write(chunk);
//!                 }
//!             }
//!             Event::End | Event::Closed(_) => drop(self.connections.remove(&id)),
//!             // Whether it opened, has room, or meets trouble is nothing to an echo.
//!             _ => {}
//!         }
//!     }
//! }
//! # actix_rt::System::new().block_on(async {
//! # let stack = Stack::builder().start().unwrap();
//! # let echo = Echo { stack: stack.clone(), listening: None, connections: HashMap::new() }.start();
//! # let mut stream = loop {
//! #     match netmart::net::TcpStream::connect(&stack, "127.0.0.1:7").await {
//! #         Ok(stream) => break stream,
//! #         Err(_) => tokio::task::yield_now().await,
//! #     }
//! # };
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # stream.write_all(b"hello").await.unwrap();
//! # stream.shutdown().await.unwrap();
//! # let mut back = String::new();
//! # stream.read_to_string(&mut back).await.unwrap();
//! # assert_eq!(back, "hello");
//! # });
//! ```

mod clerk;
mod desk;
mod usher;

use std::net::SocketAddr;
use std::sync::Arc;

use actix::{Message, Recipient};
use bytes::Bytes;
use netmart_actors::address::Listener;
use netmart_actors::message::{Chunks, CloseReason, ConnectionKey, ListenError, Refusal, Setting};
use netmart_proto::tcp::Trouble;

use self::clerk::Clerk;
use self::desk::{Asked, Desk};
use self::usher::Usher;
use crate::stack::touch::FaceId;
use crate::stack::{Command, Stack, StackError};

/// What a listener has to say.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum ListenerNews {
    /// Connections to this port are accepted.
    Listening {
        /// The port; never 0.
        port: u16,
    },
    /// Nobody can listen there.
    Failed(ListenError),
    /// A connection is established. It waits for a few seconds to be [claimed](Stack::claim).
    Knock(Knock),
}

/// A connection that can be claimed.
#[derive(Clone, Copy, Debug)]
pub struct Knock {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
    connection: ConnectionKey,
}

/// What happens on a connection.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ConnectionNews {
    /// Which connection: its [`Claim::id`].
    pub id: u64,
    /// What happens.
    pub event: Event,
}

/// What can happen on a connection.
#[derive(Clone, Debug)]
pub enum Event {
    /// It is established.
    Opened {
        /// Our address.
        local: SocketAddr,
        /// The peer's address.
        peer: SocketAddr,
    },
    /// Octets from the peer, in order. They count against the window until they are
    /// [granted](Claim::grant) anew.
    Data(Chunks),
    /// The peer will send no more.
    End,
    /// So many octets can be written now.
    Room(usize),
    /// Urgent data ends so many octets after those told so far.
    Urgent(u32),
    /// Something is wrong, but the connection goes on.
    Trouble(Trouble),
    /// The connection could not be made.
    Refused(Refusal),
    /// The connection has ended. Without a reason, the stack has let go of it.
    Closed(Option<CloseReason>),
}

/// An interest in connections to a port; dropping it takes the interest back. Connections that were
/// claimed go on.
#[derive(Debug)]
#[must_use = "dropping it takes the interest back"]
pub struct ListenClaim {
    desk: Arc<Desk>,
    stack: Stack,
    face: FaceId,
}

/// The use of a connection; dropping it leaves: what was written is still sent, and then FIN.
#[derive(Debug)]
#[must_use = "dropping it leaves the connection"]
pub struct Claim {
    desk: Arc<Desk>,
    stack: Stack,
    face: FaceId,
}

/// There is no room for these octets; [`Event::Room`] will tell when there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for {} octets", .0.len())]
pub struct NoRoom(
    /// The octets.
    pub Bytes,
);

impl Stack {
    /// Wants connections to `listener`, and tells `recipient` of them.
    ///
    /// # Errors
    ///
    /// If the stack has been shut down.
    pub fn listen(
        &self,
        listener: Listener,
        recipient: Recipient<ListenerNews>,
    ) -> Result<ListenClaim, StackError> {
        let (face, desk) = (self.fresh_face(), Arc::new(Desk::default()));
        let inner = Arc::clone(&desk);
        self.call(move |inside| {
            inside.dataspace.spawn(Usher::spawn(listener, face, inner, recipient));
        })?;
        Ok(ListenClaim { desk, stack: self.clone(), face })
    }

    /// Claims a connection that a listener has got. At most `window` octets will be on their way to
    /// `recipient` at any time.
    ///
    /// # Errors
    ///
    /// If the stack has been shut down.
    pub fn claim(
        &self,
        knock: &Knock,
        recipient: Recipient<ConnectionNews>,
        window: usize,
    ) -> Result<Claim, StackError> {
        self.take(self.fresh_face(), knock.connection, recipient, window)
    }

    /// Opens a connection to `remote`. At most `window` octets will be on their way to `recipient` at
    /// any time.
    ///
    /// # Errors
    ///
    /// If the stack has been shut down.
    pub fn dial(
        &self,
        remote: SocketAddr,
        recipient: Recipient<ConnectionNews>,
        window: usize,
    ) -> Result<Claim, StackError> {
        let face = self.fresh_face();
        self.take(face, ConnectionKey::outbound(face.0, remote), recipient, window)
    }

    fn take(
        &self,
        face: FaceId,
        connection: ConnectionKey,
        recipient: Recipient<ConnectionNews>,
        window: usize,
    ) -> Result<Claim, StackError> {
        let desk = Arc::new(Desk::default());
        let inner = Arc::clone(&desk);
        self.call(move |inside| {
            inside.dataspace.spawn(Clerk::spawn(connection, face, inner, recipient, window));
        })?;
        Ok(Claim { desk, stack: self.clone(), face })
    }
}

impl Claim {
    /// The number that [`ConnectionNews`] of this connection bear; unique in its stack.
    pub fn id(&self) -> u64 {
        self.face.0
    }

    /// Sends octets, without copying them.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if there is none at all; what goes beyond the room there is waits in the stack.
    pub fn write(&self, octets: impl Into<Bytes>) -> Result<(), NoRoom> {
        let tell = self.desk.write(octets.into())?;
        self.tell(tell);
        Ok(())
    }

    /// How many octets can be written now.
    pub fn room(&self) -> usize {
        self.desk.room()
    }

    /// Says that no more octets will be written.
    pub fn finish(&self) {
        self.ask(|asked| asked.finish = true);
    }

    /// Gives the connection up at once, with a RST.
    pub fn abort(&self) {
        self.ask(|asked| asked.abort = true);
    }

    /// Lets so many more octets come.
    pub fn grant(&self, octets: usize) {
        self.ask(|asked| asked.granted += octets);
    }

    /// Changes how the connection behaves. Of several changes of the same setting the last counts.
    pub fn set(&self, setting: Setting) {
        self.ask(|asked| {
            asked
                .settings
                .retain(|old| std::mem::discriminant(old) != std::mem::discriminant(&setting));
            asked.settings.push(setting);
        });
    }

    fn ask(&self, wish: impl FnOnce(&mut Asked)) {
        self.tell(self.desk.ask(wish));
    }

    fn tell(&self, tell: bool) {
        if tell {
            // If the stack is gone, the recipient has been told.
            let _ = self.stack.push(Command::Touch(self.face));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ask(|asked| asked.leave = true);
    }
}

impl Drop for ListenClaim {
    fn drop(&mut self) {
        if self.desk.ask(|asked| asked.leave = true) {
            // If the stack is gone, nobody listens anyway.
            let _ = self.stack.push(Command::Touch(self.face));
        }
    }
}
