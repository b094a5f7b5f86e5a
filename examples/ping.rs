//! A ping responder, and somebody who pings it.
//!
//! A stack answers pings itself unless it is told not to. Told not to, it leaves them to whoever
//! subscribes to echo requests: here to an actor of ten lines.
//!
//! Run with: `cargo run --example ping`

mod common;

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::Net;
use netmart::Config;
use netmart::actors::address::Direction;
use netmart::actors::message::{Echo, EchoKey, EchoKind, EchoPattern};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn, Time, Timer, TimerToken};

struct Responder;

impl Actor for Responder {}

impl Handler<Echo> for Responder {
    fn handle(&mut self, request: Delivery<'_, Echo>, ctx: &mut Context<'_, Self>) {
        let request = request.take();
        let key = EchoKey { direction: Direction::Outbound, kind: EchoKind::Reply, ..request.key };
        ctx.send(Echo { key, ..request });
    }
}

/// The echoes of one kind that come in.
fn inbound(kind: EchoKind) -> EchoPattern {
    EchoPattern::any().direction(Direction::Inbound).kind(kind)
}

/// Sends a request each second, and says how long its answer took.
struct Pinger {
    target: IpAddr,
    ident: u16,
    sequence: u16,
    sent_at: Time,
    answered: Rc<Cell<u16>>,
    pause: Option<Timer>,
}

const COUNT: u16 = 3;
const NEXT: TimerToken = TimerToken(0);

impl Pinger {
    fn ping(&mut self, ctx: &mut Context<'_, Self>) {
        self.sequence += 1;
        self.sent_at = ctx.now();
        let direction = Direction::Outbound;
        let local = Ipv4Addr::UNSPECIFIED.into(); // the route chooses
        ctx.send(Echo {
            key: EchoKey { direction, kind: EchoKind::Request, local, remote: self.target },
            ident: self.ident,
            sequence: self.sequence,
            payload: Bytes::from_static(&[0; 56]),
        });
    }
}

impl Actor for Pinger {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.ping(ctx);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.ping(ctx);
    }
}

impl Handler<Echo> for Pinger {
    fn handle(&mut self, reply: Delivery<'_, Echo>, ctx: &mut Context<'_, Self>) {
        if reply.ident != self.ident {
            return;
        }
        let took = ctx.now().saturating_since(self.sent_at);
        println!("reply from {}: sequence {} time {took:?}", reply.key.remote, reply.sequence);
        self.answered.set(self.answered.get() + 1);
        if self.sequence < COUNT {
            self.pause = Some(ctx.set_timer(ctx.now() + Duration::from_secs(1), NEXT));
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::with_config(Config { answer_echo: false, ..Config::default() })?;
    let target = IpAddr::from([10, 0, 0, 2]);
    let ping = |net: &mut Net, ident| {
        let answered = Rc::new(Cell::new(0));
        let pinger = Pinger {
            target,
            ident,
            sequence: 0,
            sent_at: Time::ZERO,
            answered: Rc::clone(&answered),
            pause: None,
        };
        let pinger = Spawn::new("pinger", pinger).subscribe::<Echo>(inbound(EchoKind::Reply));
        net.sim[net.client].spawn(pinger);
        net.run(5_000);
        answered.get()
    };

    println!("nobody answers:");
    assert_eq!(ping(&mut net, 1), 0);

    net.serve(Spawn::new("responder", Responder).subscribe::<Echo>(inbound(EchoKind::Request)));
    println!("the responder answers:");
    assert_eq!(ping(&mut net, 2), COUNT);
    Ok(())
}
