//! A listener by declared interest: it is there while somebody wants it, and gone with the last one.
//!
//! Nobody calls bind, listen or close here. One actor wants connections to port 7000; the stack sees the
//! wish, claims the port and says that it is `Listening`. The actor stops, and the port is closed.
//!
//! Run with: `cargo run --example listener`

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{Net, WINDOW, clock};
use netmart::actors::address::Listener;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{
    Channel, ConnectionKey, ConnectionPattern, Listening, ListeningPattern, Refused,
};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

const LISTENER: Listener = Listener::on(7000);

/// Says a word to whoever connects, and ends the connection.
struct Greeter {
    end: ChannelEnd,
}

fn greeter(connection: ConnectionKey) -> Spawn<Greeter> {
    session("greeter", connection, WINDOW, |end| Greeter { end })
}

impl Actor for Greeter {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end.write("welcome\n", ctx);
        self.end.finish(ctx);
    }
}

impl Handler<Channel> for Greeter {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        if let Some(Heard::Closed(_)) = self.end.hear(message.take().body, ctx) {
            ctx.stop();
        }
    }
}

/// Watches what becomes of wishes: no part of the matter, only a spectator.
struct Watchman {
    notes: Rc<RefCell<Vec<&'static str>>>,
}

impl Watchman {
    fn note(&mut self, note: &'static str, subject: &dyn std::fmt::Debug, ctx: &Context<'_, Self>) {
        println!("{}  {note}: {subject:?}", clock(ctx.now()));
        self.notes.borrow_mut().push(note);
    }
}

impl Actor for Watchman {}

impl Watcher<Listening> for Watchman {
    fn changed(&mut self, change: Change<Listening>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(facts) => self.note("listening at first", &facts, ctx),
            Change::Appeared(fact) => self.note("listening", &fact.at.listener, ctx),
            Change::Gone(fact) => self.note("no longer listening", &fact.at.listener, ctx),
        }
    }
}

impl Watcher<Refused> for Watchman {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(fact) = change {
            self.note("refused", &fact.reason, ctx);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::new()?;
    let notes = Rc::default();
    let watchman = || Watchman { notes: Rc::clone(&notes) };
    net.serve(Spawn::new("watchman", watchman()).watch::<Listening>(ListeningPattern::any()));
    let there = Spawn::new("watchman", watchman()).watch::<Refused>(ConnectionPattern::any());
    net.sim[net.client].spawn(there);

    let ann = net.dial("Ann", 7000)?;
    net.run(100);

    let server = net.serve(serve("greeters", LISTENER, greeter));
    let bob = net.dial("Bob", 7000)?;
    net.run(100);
    net.sim[net.server].stop(server);
    net.run(100);

    let cat = net.dial("Cat", 7000)?;
    net.run(100);

    let expected = ["listening at first", "refused", "listening", "no longer listening", "refused"];
    assert_eq!(*notes.borrow(), expected);
    assert_eq!([ann.screen(), bob.screen(), cat.screen()], ["", "welcome\n", ""]);
    Ok(())
}
