//! A UDP echo server on port 6667: an actor that subscribes to what comes in is all there is to bind.
//!
//! Run with: `cargo run --example udp_echo`

mod common;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use common::{Net, clock};
use netmart::actors::address::{Direction, LocalAddress, RemoteAddress};
use netmart::actors::message::{Bound, BoundKey, UdpDatagram, UdpKey, UdpPattern};
use netmart::bus::{Actor, Change, Context, Delivery, Handler, Spawn, Watcher};

struct Echo;

/// The end that datagrams to `address` come to.
fn end(address: &str) -> Result<LocalAddress, std::net::AddrParseError> {
    Ok(address.parse::<SocketAddr>()?.into())
}

fn inbound(local: LocalAddress) -> UdpPattern {
    UdpPattern::any().direction(Direction::Inbound).local(local)
}

impl Actor for Echo {}

impl Handler<UdpDatagram> for Echo {
    fn handle(&mut self, datagram: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        let UdpDatagram { key, ip, payload } = datagram.take();
        // From the very address that was asked, on a stack that has several.
        ctx.send(UdpDatagram {
            key: UdpKey { direction: Direction::Outbound, ..key },
            ip,
            payload,
        });
    }
}

/// Sends one datagram as soon as its end is bound, and counts what comes back.
struct Client {
    local: LocalAddress,
    server: RemoteAddress,
    answers: Rc<Cell<u32>>,
}

const QUESTION: &[u8] = b"is anybody there?";

impl Actor for Client {}

impl Watcher<Bound> for Client {
    fn changed(&mut self, change: Change<Bound>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(_) = change {
            println!("{}  {} asks {}", clock(ctx.now()), self.local, self.server);
            let direction = Direction::Outbound;
            ctx.send(UdpDatagram {
                key: UdpKey { direction, local: self.local, remote: self.server },
                ip: None,
                payload: Bytes::from_static(QUESTION),
            });
        }
    }
}

impl Handler<UdpDatagram> for Client {
    fn handle(&mut self, answer: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        let text = String::from_utf8_lossy(&answer.payload);
        println!("{}  {} answers: {text}", clock(ctx.now()), answer.key.remote);
        if answer.payload == QUESTION {
            self.answers.set(self.answers.get() + 1);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::new()?;
    let echo = Spawn::new("echo", Echo).subscribe::<UdpDatagram>(inbound(end("0.0.0.0:6667")?));
    net.serve(echo);

    let (local, server) = (end("0.0.0.0:40000")?, "10.0.0.2:6667".parse::<SocketAddr>()?.into());
    let answers = Rc::new(Cell::new(0));
    let client = Client { local, server, answers: Rc::clone(&answers) };
    let client = Spawn::new("client", client)
        .subscribe::<UdpDatagram>(inbound(local))
        .watch::<Bound>(BoundKey { local }.exactly());
    let client = net.sim[net.client].spawn(client);
    net.run(100);
    assert_eq!(answers.get(), 1);

    // With the client goes its interest, and with that its port.
    net.sim[net.client].stop(client);
    net.run(0);
    assert!(net.sim[net.client].facts::<Bound>(&BoundKey { local }.exactly()).is_empty());
    println!("{}  port {} is free again", clock(net.sim.now()), local.0.port);
    Ok(())
}
