//! One application, five wires: what says which is a word in the interest that it declares.
//!
//! A poet wants a connection to a listener; a printer wants whoever connects to it. Neither knows what carries the
//! octets between them: TCP, or one of four reliable protocols in UDP datagrams. All five meet on the same bus, on
//! the same network, which loses every twentieth packet.
//!
//! Run with: `cargo run --example five_wires`

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart::Config;
use netmart::actors::address::{Listener, Transport};
use netmart::actors::end::{ChannelEnd, Heard, session};
use netmart::actors::message::{Channel, ConnectionKey};
use netmart::actors::serve::serve;
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn, Time};
use netmart::proto::netem::{self, Loss};
use netmart::sim::{Plug, Simulation, WireConfig};

const PORT: u16 = 4269;
const WINDOW: usize = 64 * 1024;

/// A few hundred lines.
fn poem() -> Bytes {
    (1..=200)
        .map(|verse| format!("{verse:3} green bottles hanging on the wall\n"))
        .collect::<String>()
        .into()
}

/// Sends a poem and waits until it has arrived.
struct Poet {
    end: ChannelEnd,
    over: Transport,
}

fn poet(number: u64, over: Transport) -> Spawn<Poet> {
    let printer = SocketAddr::from(([10, 0, 0, 2], PORT + number as u16));
    let connection = ConnectionKey::outbound(number, printer).over(over);
    session("poet", connection, WINDOW, |end| Poet { end, over })
}

impl Actor for Poet {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end.write(poem(), ctx);
        self.end.finish(ctx);
    }
}

impl Handler<Channel> for Poet {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        // Over TCP the printer's end comes long before the connection is closed on both sides.
        if let Some(Heard::End | Heard::Closed(_)) = self.end.hear(message.take().body, ctx) {
            let seconds = ctx.now().as_micros() as f64 / 1e6;
            println!("{seconds:5.2} s  {:10} the poet goes home", self.over.to_string());
            ctx.stop();
        }
    }
}

/// What was printed, and when it was complete.
type Prints = Rc<RefCell<BTreeMap<String, (Vec<u8>, Time)>>>;

/// Takes in what comes.
struct Printer {
    end: ChannelEnd,
    over: Transport,
    prints: Prints,
}

impl Actor for Printer {}

impl Handler<Channel> for Printer {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                let mut prints = self.prints.borrow_mut();
                let (text, at) = prints.entry(self.over.to_string()).or_default();
                for chunk in chunks {
                    self.end.consumed(chunk.len(), ctx);
                    text.extend(chunk);
                    *at = ctx.now();
                }
            }
            Some(Heard::End) => self.end.finish(ctx),
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

/// A listener over `over`, each of whose connections gets a printer.
fn printers(number: u64, over: Transport, prints: Prints) -> Spawn<impl Actor> {
    let listener = Listener::on(PORT + number as u16).over(over);
    serve("printers", listener, move |connection| {
        let prints = Rc::clone(&prints);
        session("printer", connection, WINDOW, |end| Printer { end, over, prints })
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut sim = Simulation::new(1);
    let near = sim.add_stack("near", Config::default());
    let far = sim.add_stack("far", Config::default());
    let weather = netem::Config {
        delay: Duration::from_millis(1),
        loss: Loss::Independent(0.05),
        ..netem::Config::default()
    };
    let [here, there] = [Plug::at(near), Plug::at(far)];
    sim.connect(
        here.address("10.0.0.1/24".parse()?),
        there.address("10.0.0.2/24".parse()?),
        WireConfig::new(weather),
    );

    let prints = Prints::default();
    for (number, over) in (1..).zip(Transport::all()) {
        sim[far].spawn(printers(number, over, Rc::clone(&prints)));
        sim[near].spawn(poet(number, over));
    }
    let stopped = sim.run_for(Duration::from_secs(300));
    assert!(stopped.is_orderly(), "the stacks keep each other busy for ever");

    let prints = prints.borrow();
    for over in Transport::all() {
        let (text, at) = prints.get(&over.to_string()).ok_or("nothing was printed")?;
        let seconds = at.as_micros() as f64 / 1e6;
        println!("{seconds:5.2} s  {:10} {} octets are printed", over.to_string(), text.len());
        assert!(*text == poem(), "{over} has lost some of it");
    }
    Ok(())
}
