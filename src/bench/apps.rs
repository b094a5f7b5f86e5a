//! The applications of a cell: one that always has something to send, one that takes all that comes.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart_actors::end::{ChannelEnd, Heard, session};
use netmart_actors::message::{Body, Channel, ConnectionKey, ConnectionPattern, Refused};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Spawn, Time, Timer, TimerToken, Watcher,
};
use netmart_proto::tcp::Info;

use super::Moment;

/// What is known of one flow so far.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Payload octets that the receiving application got.
    pub(super) received: u64,
    /// Data segments that brought the receiver nothing new, once it has told.
    pub(super) duplicates: u32,
    /// How the sender's connection did at the end.
    pub(super) sender: Option<Box<Info>>,
    /// How it did on the way.
    pub(super) moments: Vec<Moment>,
    /// Why there is nothing to tell.
    pub(super) failure: Option<String>,
}

/// When applications look at their connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// When to begin to send, and when the measurement ends.
    pub(super) begin: Time,
    pub(super) end: Time,
    /// How often to look on the way, if at all.
    pub(super) every: Option<Duration>,
}

impl Schedule {
    fn after(&self, now: Time) -> Time {
        self.every.map_or(self.end, |every| (now + every).min(self.end))
    }
}

/// Sends without end, as much as it may, octets that it has at hand.
pub(super) struct Source {
    end: ChannelEnd,
    flow: Rc<RefCell<Flow>>,
    schedule: Schedule,
    timer: Option<Timer>,
    may_send: bool,
}

/// Sends over `connection`.
pub(super) fn source(
    connection: ConnectionKey,
    schedule: Schedule,
    flow: Rc<RefCell<Flow>>,
) -> Spawn<Source> {
    let refused = ConnectionPattern::any().local(connection.local).remote(connection.remote);
    session("source", connection, SOURCE_WINDOW, |end| Source {
        end,
        flow,
        schedule,
        timer: None,
        may_send: false,
    })
    .watch::<Refused>(refused)
}

impl Source {
    fn send(&mut self, mut room: usize, ctx: &mut Context<'_, Self>) {
        while room > 0 && self.may_send {
            let portion = room.min(OCTETS.len());
            self.end.write(Bytes::from_static(&OCTETS[..portion]), ctx);
            room -= portion;
        }
    }

    fn note(&self, info: Box<Info>, now: Time) {
        let mut flow = self.flow.borrow_mut();
        if self.schedule.every.is_some() {
            let received = flow.received;
            flow.moments.push(Moment::of(now, received, &info));
        }
        if now >= self.schedule.end {
            flow.sender = Some(info);
        }
    }
}

impl Actor for Source {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        let first = self.schedule.begin.max(ctx.now());
        ctx.reset_timer(&mut self.timer, first, LOOK);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        let now = ctx.now();
        if !std::mem::replace(&mut self.may_send, true) {
            self.send(self.end.room(), ctx);
        } else {
            self.end.inquire(ctx);
        }
        if now < self.schedule.end {
            ctx.reset_timer(&mut self.timer, self.schedule.after(now), LOOK);
        }
    }
}

impl Handler<Channel> for Source {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        if let Body::Info(info) = body {
            return self.note(info, ctx.now());
        }
        match self.end.hear(body, ctx) {
            Some(Heard::Room(room)) => self.send(room, ctx),
            Some(Heard::Closed(reason)) => {
                let failure =
                    format!("a connection ended at {} us: {reason}", ctx.now().as_micros());
                self.flow.borrow_mut().failure.get_or_insert(failure);
                ctx.stop();
            }
            _ => {}
        }
    }
}

impl Watcher<Refused> for Source {
    fn changed(&mut self, change: Change<Refused>, ctx: &mut Context<'_, Self>) {
        if let Change::Appeared(refused) = change {
            let failure = format!("no connection: {}", refused.reason);
            self.flow.borrow_mut().failure.get_or_insert(failure);
            ctx.stop();
        }
    }
}

/// Takes what comes, counts it, and forgets it.
pub(super) struct Sink {
    end: ChannelEnd,
    flow: Rc<RefCell<Flow>>,
    finish: Time,
    timer: Option<Timer>,
}

/// Takes what comes over `connection`, with at most `window` octets on their way.
pub(super) fn sink(
    connection: ConnectionKey,
    window: usize,
    finish: Time,
    flow: Rc<RefCell<Flow>>,
) -> Spawn<Sink> {
    session("sink", connection, window, |end| Sink { end, flow, finish, timer: None })
}

impl Actor for Sink {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.reset_timer(&mut self.timer, self.finish, LOOK);
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.end.inquire(ctx);
    }
}

impl Handler<Channel> for Sink {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        if let Body::Info(info) = &body {
            self.flow.borrow_mut().duplicates = info.counters.duplicates;
        }
        if let Some(Heard::Data(chunks)) = self.end.hear(body, ctx) {
            let octets = chunks.iter().map(Bytes::len).sum::<usize>();
            self.end.consumed(octets, ctx);
            if ctx.now() <= self.finish {
                self.flow.borrow_mut().received += octets as u64;
            }
        }
    }
}

/// Where the sink of the flow with this number listens.
pub(super) fn port(flow: usize) -> u16 {
    // Flows are few: see `Cell::run`.
    5001 + flow as u16
}

/// The sinks' address.
pub(super) const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// Nothing ever comes to a source.
const SOURCE_WINDOW: usize = 64 << 10;

/// The only timer of either application.
const LOOK: TimerToken = TimerToken(0);

static OCTETS: [u8; 64 << 10] = [0x6e; 64 << 10];
