//! A web server with a hit counter on port 80.
//!
//! The counter is an actor of its own. A session asks it with `Visit` and gets its `Count`; neither knows
//! where the other is, and a session that crashes takes no counter along.
//!
//! Run with: `cargo run --example web`

mod common;

use common::{Net, WINDOW};
use netmart::actors::address::Listener;
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, ConnectionKey};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, ActorId, Context, Delivery, Handler, Spawn, key, topic};

/// A session wants to know its number: session to counter.
#[derive(Clone, Debug)]
struct Visit {
    by: ActorId,
}

topic!(Visit, "visit");

key! {
    /// The session that an answer is for.
    struct ForVisitor / ForVisitorPattern { visitor: ActorId }
}

/// How many visits there have been: counter to session.
#[derive(Clone, Debug)]
struct Count {
    to: ForVisitor,
    visits: u64,
}

topic!(Count, "count", to: ForVisitor);

#[derive(Default)]
struct Counter {
    visits: u64,
}

impl Actor for Counter {}

impl Handler<Visit> for Counter {
    fn handle(&mut self, visit: Delivery<'_, Visit>, ctx: &mut Context<'_, Self>) {
        self.visits += 1;
        ctx.send(Count { to: ForVisitor { visitor: visit.by }, visits: self.visits });
    }
}

struct Visitor {
    end: ChannelEnd,
    request: Vec<u8>,
}

/// A request may not be longer than this.
const LONGEST: usize = 8 * 1024;

fn visitor(connection: ConnectionKey) -> Spawn<Visitor> {
    session("visitor", connection, WINDOW, |end| Visitor { end, request: Vec::new() })
}

impl Actor for Visitor {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe::<Count>(ForVisitor { visitor: ctx.id() }.exactly()).keep();
    }
}

impl Handler<Channel> for Visitor {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.request.extend_from_slice(&chunk);
                }
                if self.request.ends_with(b"\r\n\r\n") {
                    ctx.send(Visit { by: ctx.id() });
                } else if self.request.len() > LONGEST {
                    self.end.abort(ctx);
                }
            }
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

impl Handler<Count> for Visitor {
    fn handle(&mut self, count: Delivery<'_, Count>, ctx: &mut Context<'_, Self>) {
        let page = format!("You are visitor number {}.\n", count.visits);
        let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
        self.end.write(head + &page, ctx);
        self.end.finish(ctx);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::new()?;
    net.serve(Spawn::new("counter", Counter::default()).subscribe::<Visit>(()));
    net.serve(serve("web", Listener::on(80), visitor));

    for (number, name) in ["Ann", "Bob", "Cat"].into_iter().enumerate() {
        let browser = net.dial(name, 80)?;
        net.type_at(&browser, "GET / HTTP/1.0\r\n\r\n");
        let expected = format!("You are visitor number {}.\n", number + 1);
        assert!(browser.screen().ends_with(&expected));
    }
    Ok(())
}
