//! A chat server on port 5999. There is no list of who is in the room and no loop over it.
//!
//! Each connection has a session. A session states that somebody is `Present` and watches who else is;
//! it sends what its peer types as `Says` and subscribes to what everybody says. When a connection ends,
//! or its session crashes, it is present no more: nobody has to be told by hand.
//!
//! Run with: `cargo run --example chat`

mod common;

use bytes::BytesMut;
use common::{Net, WINDOW};
use netmart::actors::address::Listener;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, ConnectionKey};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher, topic};

/// A fact: this guest is in the room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Present {
    guest: String,
}

topic!(Present, "present");

/// A message: something said in the room.
#[derive(Clone, Debug)]
struct Says {
    guest: String,
    line: String,
}

topic!(Says, "says");

struct Guest {
    name: String,
    end: ChannelEnd,
    typed: BytesMut,
}

/// Who types so many octets without ending the line is shown out.
const LONGEST: usize = 1024;

/// And who leaves so many unread.
const MOST_UNREAD: usize = 64 * 1024;

fn guest(number: u64, connection: ConnectionKey) -> Spawn<Guest> {
    let name = format!("guest {number}");
    let present = Present { guest: name.clone() };
    session("guest", connection, WINDOW, |end| Guest { name, end, typed: BytesMut::new() })
        .assert(present)
        .watch::<Present>(())
        .subscribe::<Says>(())
}

impl Guest {
    fn show(&mut self, text: String, ctx: &mut Context<'_, Self>) {
        self.end.write(text, ctx);
        if self.end.queued() > MOST_UNREAD {
            self.end.abort(ctx);
        }
    }
}

impl Actor for Guest {}

/// What comes from the peer, as octets.
impl Handler<Channel> for Guest {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.typed.extend_from_slice(&chunk);
                }
                while let Some(end) = self.typed.iter().position(|octet| *octet == b'\n') {
                    let line =
                        String::from_utf8_lossy(&self.typed.split_to(end + 1)).trim().to_owned();
                    ctx.send(Says { guest: self.name.clone(), line });
                }
                if self.typed.len() > LONGEST {
                    self.end.abort(ctx);
                }
            }
            Some(Heard::End | Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

/// What is said in the room, by this guest as well.
impl Handler<Says> for Guest {
    fn handle(&mut self, said: Delivery<'_, Says>, ctx: &mut Context<'_, Self>) {
        self.show(format!("{}: {}\n", said.guest, said.line), ctx);
    }
}

/// Who comes and goes.
impl Watcher<Present> for Guest {
    fn changed(&mut self, change: Change<Present>, ctx: &mut Context<'_, Self>) {
        let news = match change {
            Change::Snapshot(guests) => format!("in the room: {}\n", guests.len()),
            Change::Appeared(Present { guest }) => format!("{guest} comes in\n"),
            Change::Gone(Present { guest }) => format!("{guest} leaves\n"),
        };
        self.show(news, ctx);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::new()?;
    let mut numbers = 1..;
    net.serve(serve("chat", Listener::on(5999), move |connection| {
        guest(numbers.next().unwrap_or_default(), connection)
    }));

    let ann = net.dial("Ann", 5999)?;
    net.run(100);
    let bob = net.dial("Bob", 5999)?;
    net.run(100);
    net.type_at(&ann, "hello!\n");
    net.type_at(&bob, "hello yourself\n");
    net.hang_up(&bob);

    assert!(ann.screen().contains("guest 2 comes in\n"));
    assert!(ann.screen().contains("guest 2: hello yourself\n"));
    assert!(ann.screen().ends_with("guest 2 leaves\n"));
    Ok(())
}
