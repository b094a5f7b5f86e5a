//! The applications of a cell: one that sends, one that takes all that comes.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use netmart_actors::end::{ChannelEnd, Heard, session};
use netmart_actors::message::{Channel, CloseReason, ConnectionKey, ConnectionPattern, Refused};
use netmart_bus::{
    Actor, Change, Context, Delivery, Handler, Spawn, Time, Timer, TimerToken, Watcher,
};
use netmart_proto::wires::{Chunk, Info};

use super::Load;

/// What is known of the connection so far.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Octets that the receiving application got.
    pub(super) received: u64,
    /// When the last of them came.
    pub(super) latest: Time,
    /// What the sender counted, and what the receiver did.
    pub(super) infos: [Option<Box<Info>>; 2],
    /// Why there is nothing to tell.
    pub(super) failure: Option<String>,
    /// Whether the connection has ended for the sender, and for the receiver.
    has_ended: [bool; 2],
}

impl Flow {
    /// Whether there is nothing more to come.
    pub(super) fn is_over(&self) -> bool {
        self.failure.is_some() || self.has_ended == [true; 2]
    }

    fn closed(&mut self, side: Side, reason: &CloseReason) {
        self.has_ended[side as usize] = true;
        if !reason.is_normal() {
            self.failure.get_or_insert(format!("it ended: {reason}"));
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Sender,
    Receiver,
}

/// Sends, as much as it may, octets that it has at hand.
pub(super) struct Source {
    end: ChannelEnd,
    flow: Rc<RefCell<Flow>>,
    finish: Option<Time>,
    timer: Option<Timer>,
    /// Octets left of each stream; nothing if there is no end to them.
    left: Option<Vec<u64>>,
    turn: usize,
}

/// Sends `load` over `connection`, and tells at `finish` what its session has counted.
pub(super) fn source(
    connection: ConnectionKey,
    load: Load,
    finish: Option<Time>,
    flow: Rc<RefCell<Flow>>,
) -> Spawn<Source> {
    let refused = ConnectionPattern::any().local(connection.local).remote(connection.remote);
    let left = match load {
        Load::For(_) => None,
        Load::Streams { count, octets } => Some(vec![octets; count as usize]),
    };
    session("source", connection, SOURCE_WINDOW, |end| Source {
        end,
        flow,
        finish,
        timer: None,
        left,
        turn: 0,
    })
    .watch::<Refused>(refused)
}

impl Source {
    fn send(&mut self, ctx: &mut Context<'_, Self>) {
        let Some(left) = &mut self.left else {
            while self.end.room() > 0 {
                let portion = self.end.room().min(OCTETS.len());
                self.end.write(Bytes::from_static(&OCTETS[..portion]), ctx);
            }
            return;
        };
        while self.end.room() > 0 {
            // The next that has something left, so that all flow side by side.
            let streams = (self.turn..left.len()).chain(0..self.turn.min(left.len()));
            let Some(number) = streams.into_iter().find(|number| left[*number] > 0) else {
                return self.end.finish(ctx);
            };
            let portion = left[number].min(TURN).min(self.end.room() as u64);
            left[number] -= portion;
            let data = Bytes::from_static(&OCTETS[..portion as usize]);
            let end = left[number] == 0;
            self.end.write_chunk(Chunk { stream: number as u32 + 1, data, end }, ctx);
            self.turn = number + 1;
        }
    }
}

impl Actor for Source {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if let Some(finish) = self.finish {
            ctx.reset_timer(&mut self.timer, finish, LOOK);
        }
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.end.inquire(ctx);
    }
}

impl Handler<Channel> for Source {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Room(_)) => self.send(ctx),
            Some(Heard::Report(info)) => {
                self.flow.borrow_mut().infos[Side::Sender as usize] = Some(info);
            }
            Some(Heard::Closed(reason)) => {
                self.flow.borrow_mut().closed(Side::Sender, &reason);
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
    finish: Option<Time>,
    timer: Option<Timer>,
}

/// Takes what comes over `connection`, and tells at `finish` what its session has counted.
pub(super) fn sink(
    connection: ConnectionKey,
    finish: Option<Time>,
    flow: Rc<RefCell<Flow>>,
) -> Spawn<Sink> {
    session("sink", connection, SINK_WINDOW, |end| Sink { end, flow, finish, timer: None })
}

impl Actor for Sink {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        if let Some(finish) = self.finish {
            ctx.reset_timer(&mut self.timer, finish, LOOK);
        }
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.end.inquire(ctx);
    }
}

impl Handler<Channel> for Sink {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        match self.end.hear(message.take().body, ctx) {
            Some(Heard::Data(chunks)) => {
                let octets = chunks.iter().map(Bytes::len).sum::<usize>();
                self.end.consumed(octets, ctx);
                if self.finish.is_none_or(|finish| ctx.now() <= finish) {
                    let mut flow = self.flow.borrow_mut();
                    flow.received += octets as u64;
                    flow.latest = ctx.now();
                }
            }
            Some(Heard::End) => self.end.finish(ctx),
            Some(Heard::Report(info)) => {
                self.flow.borrow_mut().infos[Side::Receiver as usize] = Some(info);
            }
            Some(Heard::Closed(reason)) => {
                self.flow.borrow_mut().closed(Side::Receiver, &reason);
                ctx.stop();
            }
            _ => {}
        }
    }
}

/// Nothing ever comes to a source.
const SOURCE_WINDOW: usize = 64 << 10;

/// Octets on their way to a sink: it takes them at once.
const SINK_WINDOW: usize = 4 << 20;

/// Octets of one stream before it is the next one's turn.
const TURN: u64 = 16 << 10;

/// The only timer of either application.
const LOOK: TimerToken = TimerToken(0);

static OCTETS: [u8; 64 << 10] = [0x6e; 64 << 10];
