//! A chat, as a few facts and one message on the bus.
//!
//! Nobody keeps a list of who is there: being there *is* the fact [`Present`], which each session states
//! for itself and which is gone when the session is, however it ended. Who wants to know watches.

mod lines;
mod session;

use std::fmt::{self, Write};
use std::rc::Rc;

use bytes::Bytes;
use netmart::actors::address::{Listener, RemoteAddress};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Spawn, Topic, key};

use self::session::Session;

/// Declares a chat on `port`.
pub(crate) fn service(port: u16) -> Spawn<impl Actor> {
    serve("chat", Listener::on(port), move |connection| Session::spawn(Room { port }, connection))
}

key! {
    /// A room: the port it is on.
    #[derive(Copy)]
    struct Room / RoomPattern {
        port: u16,
    }
}

key! {
    /// A name in a room.
    struct Seat / SeatPattern {
        room: Room,
        name: Rc<str>,
    }
}

/// A fact: somebody wants this name. Facts have one order, so everybody agrees on who was first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claimed {
    seat: Seat,
    by: RemoteAddress,
}

impl Topic for Claimed {
    type Key = Seat;
    const NAME: &'static str = "chat-claimed";

    fn key(&self) -> &Seat {
        &self.seat
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "by {}", self.by)
    }
}

/// A fact: somebody of this name is in the room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Present {
    seat: Seat,
}

impl Topic for Present {
    type Key = Seat;
    const NAME: &'static str = "chat-present";

    fn key(&self) -> &Seat {
        &self.seat
    }
}

/// A line for everybody in a room.
#[derive(Clone, Debug)]
struct Says {
    room: Room,
    /// As it is shown, the end of the line included.
    line: Bytes,
    /// Octets of its sender's stream that it took.
    cost: usize,
}

impl Topic for Says {
    type Key = Room;
    const NAME: &'static str = "chat-says";

    fn key(&self) -> &Room {
        &self.room
    }

    fn summarize(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{:?}", String::from_utf8_lossy(self.line.trim_ascii_end()))
    }
}

#[cfg(test)]
mod tests;
