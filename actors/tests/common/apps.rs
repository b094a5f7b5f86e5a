//! Applications that only declare interest.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use netmart_actors::address::{Address, Direction, Listener, Local, RemoteAddress};
use netmart_actors::end::{ChannelEnd, Heard};
use netmart_actors::message::{Channel, ChannelPattern, ConnectionKey};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};

use super::SERVER;

/// Sends back whatever comes, to whoever connects: one actor for all connections.
#[derive(Default)]
pub struct EchoServer {
    ends: HashMap<ConnectionKey, ChannelEnd>,
}

impl EchoServer {
    pub fn on(port: u16) -> Spawn<Self> {
        let everybody = ChannelPattern::any().local(Local::Listener(Listener::on(port)));
        Spawn::new("echo server", Self::default())
            .subscribe::<Channel>(everybody.direction(Direction::Inbound))
            .provide::<Channel>(everybody.direction(Direction::Outbound))
    }
}

impl Actor for EchoServer {}

impl Handler<Channel> for EchoServer {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        let connection = key.connection();
        let end =
            self.ends.entry(connection).or_insert_with(|| ChannelEnd::new(connection, 65_536, ctx));
        match end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    end.consumed(chunk.len(), ctx);
                    end.write(chunk, ctx);
                }
            }
            Some(Heard::End) => end.finish(ctx),
            Some(Heard::Closed(_)) => {
                self.ends.remove(&connection);
            }
            _ => {}
        }
    }
}

/// Sends `data`, then says that it is finished; collects what comes back.
pub struct Client {
    connection: ConnectionKey,
    data: Bytes,
    end: Option<ChannelEnd>,
    story: Rc<RefCell<Story>>,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Story {
    pub received: Vec<u8>,
    pub ended: bool,
}

impl Client {
    pub fn dial(handle: u64, port: u16, data: Bytes, story: &Rc<RefCell<Story>>) -> Spawn<Self> {
        Self::dial_to(connection(handle, port), data, story)
    }

    pub fn dial_to(
        connection: ConnectionKey,
        data: Bytes,
        story: &Rc<RefCell<Story>>,
    ) -> Spawn<Self> {
        let [inbound, outbound] = ChannelEnd::patterns(&connection);
        let client = Self { connection, data, end: None, story: Rc::clone(story) };
        Spawn::new("client", client).subscribe::<Channel>(inbound).provide::<Channel>(outbound)
    }
}

/// What the client calls its connection to the server.
pub fn connection(handle: u64, port: u16) -> ConnectionKey {
    let remote = RemoteAddress(Address::new(SERVER, port));
    ConnectionKey::outbound(handle, remote)
}

impl Actor for Client {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end = Some(ChannelEnd::new(self.connection, 65_536, ctx));
    }
}

impl Handler<Channel> for Client {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let end = self.end.as_mut().expect("made at the start");
        match end.hear(message.take().body, ctx) {
            Some(Heard::Room(_)) => {
                end.write(std::mem::take(&mut self.data), ctx);
                end.finish(ctx);
            }
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    end.consumed(chunk.len(), ctx);
                    self.story.borrow_mut().received.extend_from_slice(&chunk);
                }
            }
            Some(Heard::End) => {
                self.story.borrow_mut().ended = true;
                ctx.stop();
            }
            Some(Heard::Closed(_)) => ctx.stop(),
            _ => {}
        }
    }
}

/// Octets that look alike nowhere.
pub fn pattern(length: usize) -> Bytes {
    (0..length).map(|index| (index * 31 + index / 251) as u8).collect()
}

/// Wants connections and does nothing about them.
pub struct Idle;

impl Actor for Idle {}

impl Handler<Channel> for Idle {
    fn handle(&mut self, _: Delivery<'_, Channel>, _: &mut Context<'_, Self>) {}
}

impl Idle {
    /// Wants the connection and never says a word.
    pub fn dial(connection: &ConnectionKey) -> Spawn<Self> {
        let [inbound, _] = ChannelEnd::patterns(connection);
        Spawn::new("idle", Self).subscribe::<Channel>(inbound)
    }
}
