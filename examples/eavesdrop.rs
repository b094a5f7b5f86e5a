//! Looking on: an actor that hears somebody else's connection, and the segments it is made of.
//!
//! To `observe` is to get messages without taking part: it is no interest, so no listener is made for the
//! observer, no connection is kept open by it, and it has nothing to grant. Neither side notices. Only the
//! SYN is missing from what it hears: that comes with the state vector, as part of its spawn.
//!
//! Run with: `cargo run --example eavesdrop`

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{Net, WINDOW, clock};
use netmart::actors::address::{Direction, FlowPattern, Listener, Local};
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, ChannelPattern, ConnectionKey, SegmentsIn, SegmentsOut};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn, Topic};

const LISTENER: Listener = Listener::on(7);

/// Sends back what comes.
struct Echo {
    end: ChannelEnd,
}

fn echo(connection: ConnectionKey) -> Spawn<Echo> {
    session("echo", connection, WINDOW, |end| Echo { end })
}

impl Actor for Echo {}

impl Handler<Channel> for Echo {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    self.end.write(chunk, ctx);
                }
            }
            Some(Heard::End) => self.end.finish(ctx),
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

/// Writes down whatever it hears.
struct Eavesdropper {
    report: Rc<RefCell<String>>,
}

impl Eavesdropper {
    fn note<T: Topic>(&mut self, what: &str, message: &T, ctx: &Context<'_, Self>) {
        let mut line = format!("{what:14}");
        // Writing to a string cannot fail.
        let _ = message.summarize(&mut line);
        println!("{}  {line}", clock(ctx.now()));
        *self.report.borrow_mut() += &(line + "\n");
    }
}

impl Actor for Eavesdropper {}

impl Handler<Channel> for Eavesdropper {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let what = match message.key.direction {
            Direction::Inbound => "to the user",
            Direction::Outbound => "from the user",
        };
        self.note(what, &*message, ctx);
    }
}

impl Handler<SegmentsIn> for Eavesdropper {
    fn handle(&mut self, message: Delivery<'_, SegmentsIn>, ctx: &mut Context<'_, Self>) {
        self.note("segments in", &*message, ctx);
    }
}

impl Handler<SegmentsOut> for Eavesdropper {
    fn handle(&mut self, message: Delivery<'_, SegmentsOut>, ctx: &mut Context<'_, Self>) {
        self.note("segments out", &*message, ctx);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::new()?;
    let report = Rc::default();
    let eavesdropper = Eavesdropper { report: Rc::clone(&report) };
    net.serve(
        Spawn::new("eavesdropper", eavesdropper)
            .observe::<Channel>(ChannelPattern::any().local(Local::Listener(LISTENER)))
            .observe::<SegmentsIn>(FlowPattern::any())
            .observe::<SegmentsOut>(FlowPattern::any()),
    );

    // Looking on makes no listener, so the first to call is refused.
    let ann = net.dial("Ann", LISTENER.port)?;
    net.run(100);
    net.serve(serve("echo", LISTENER, echo));
    let bob = net.dial("Bob", LISTENER.port)?;
    net.type_at(&bob, "psst!\n");
    net.hang_up(&bob);

    assert_eq!([ann.screen(), bob.screen()], ["", "psst!\n"]);
    let report = report.borrow();
    for expected in ["segments out  S. ", "to the user   data 6\n", "from the user data 6\n"] {
        assert!(report.contains(expected), "nothing heard of: {expected}");
    }
    assert!(report.ends_with("to the user   closed: closed by both sides\n"));
    Ok(())
}
