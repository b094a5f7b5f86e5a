//! Two casts and a cable: an application that only declares interest is served.

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::{CLIENT, Cable, SERVER};
use netmart_actors::address::{Address, Direction, HandleId, Listener, Local, RemoteAddress};
use netmart_actors::end::{ChannelEnd, Heard};
use netmart_actors::message::{
    Channel, ChannelPattern, Closed, Connected, ConnectionKey, ConnectionPattern, Listening,
    ListeningPattern, PeerClosed, Refused,
};
use netmart_bus::{Actor, Context, Delivery, Footprint, Handler, Role, Spawn};

/// Sends back whatever comes, to whoever connects: one actor for all connections.
#[derive(Default)]
struct EchoServer {
    ends: BTreeMap<RemoteAddress, ChannelEnd>,
}

impl EchoServer {
    fn on(port: u16) -> Spawn<Self> {
        let everybody = ChannelPattern::any().local(Local::Listener(Listener::on(port)));
        Spawn::new("echo server", Self::default())
            .subscribe::<Channel>(everybody.clone().direction(Direction::Inbound))
            .provide::<Channel>(everybody.direction(Direction::Outbound))
    }
}

impl Actor for EchoServer {}

impl Handler<Channel> for EchoServer {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        let connection = ConnectionKey { local: key.local, remote: key.remote };
        let end = self
            .ends
            .entry(key.remote)
            .or_insert_with(|| ChannelEnd::new(connection, 65_536, ctx));
        match end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => {
                for chunk in chunks {
                    end.consumed(chunk.len(), ctx);
                    end.write(chunk, ctx);
                }
            }
            Some(Heard::End) => end.finish(ctx),
            Some(Heard::Closed(_)) => {
                self.ends.remove(&key.remote);
            }
            Some(Heard::Room(_)) | None => {}
        }
    }
}

/// Sends `data`, then says that it is finished; collects what comes back.
struct Client {
    connection: ConnectionKey,
    data: Bytes,
    end: Option<ChannelEnd>,
    story: Rc<RefCell<Story>>,
}

#[derive(Debug, Default)]
struct Story {
    received: Vec<u8>,
    ended: bool,
}

impl Client {
    fn dial(handle: u64, port: u16, data: Bytes, story: &Rc<RefCell<Story>>) -> Spawn<Self> {
        let connection = connection(handle, port);
        let [inbound, outbound] = ChannelEnd::patterns(&connection);
        let client = Self { connection, data, end: None, story: Rc::clone(story) };
        Spawn::new("client", client).subscribe::<Channel>(inbound).provide::<Channel>(outbound)
    }
}

fn connection(handle: u64, port: u16) -> ConnectionKey {
    let remote = RemoteAddress(Address::new(SERVER, port));
    ConnectionKey { local: Local::Handle(HandleId(handle)), remote }
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
            None => {}
        }
    }
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|index| (index * 31 + index / 251) as u8).collect()
}

#[test]
fn what_is_declared_is_served_and_echoed_to_the_last_octet() {
    for length in [0, 1, 1_460, 1_000_000] {
        let mut cable = Cable::new();
        cable.server.dataspace.spawn(EchoServer::on(7));
        cable.run_for(Duration::from_millis(1));
        let story = Rc::default();
        cable.client.dataspace.spawn(Client::dial(1, 7, pattern(length), &story));
        cable.run_for(Duration::from_secs(20));
        let story = story.borrow();
        assert!(story.received == pattern(length), "{} of {length}", story.received.len());
        assert!(story.ended, "the end of the stream was told");
    }
}

#[test]
fn when_all_is_over_nothing_is_left() {
    let mut cable = Cable::new();
    cable.run_for(Duration::from_millis(1));
    let before = [cable.client.dataspace.footprint(), cable.server.dataspace.footprint()];
    let server = cable.server.dataspace.spawn(EchoServer::on(7));
    let stories: Vec<_> = (0..20).map(|_| Rc::default()).collect();
    cable.run_for(Duration::from_millis(1));
    for (handle, story) in stories.iter().enumerate() {
        cable.client.dataspace.spawn(Client::dial(handle as u64, 7, pattern(5_000), story));
    }
    cable.run_for(Duration::from_secs(10));
    assert!(stories.iter().all(|story| story.borrow().received == pattern(5_000)));
    cable.server.dataspace.stop(server);
    cable.run_for(Duration::from_secs(600));
    let after = [cable.client.dataspace.footprint(), cable.server.dataspace.footprint()];
    let counts = |footprint: &Footprint| format!("{footprint:?}");
    assert_eq!(before.each_ref().map(counts), after.each_ref().map(counts));
}

#[test]
fn a_listener_exists_as_long_as_somebody_wants_it() {
    let mut cable = Cable::new();
    let listening = |cable: &Cable| cable.server.dataspace.facts::<Listening>(&ListeningPattern::any());
    cable.run_for(Duration::from_millis(1));
    assert!(listening(&cable).is_empty());
    let server = cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(Duration::from_millis(1));
    assert_eq!(listening(&cable)[0].at.port, 7);
    cable.server.dataspace.stop(server);
    cable.run_for(Duration::from_millis(1));
    assert!(listening(&cable).is_empty());
}

#[test]
fn facts_tell_how_far_a_connection_has_gone() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    let inbound = ChannelEnd::patterns(&connection(1, 7))[0].clone();
    struct Idle;
    impl Actor for Idle {}
    impl Handler<Channel> for Idle {
        fn handle(&mut self, _: Delivery<'_, Channel>, _: &mut Context<'_, Self>) {}
    }
    let idle = cable.client.dataspace.spawn(Spawn::new("idle", Idle).subscribe::<Channel>(inbound));
    cable.run_for(Duration::from_secs(1));
    let here = &cable.client.dataspace;
    let any = ConnectionPattern::any();
    let connected = here.facts::<Connected>(&any);
    assert_eq!(connected.len(), 1);
    assert_eq!(connected[0].address.0.ip, CLIENT);
    assert!(here.facts::<PeerClosed>(&any).is_empty());
    cable.client.dataspace.stop(idle);
    // Longer than the relays' patience.
    cable.run_for(Duration::from_secs(6));
    assert!(cable.client.dataspace.facts::<Connected>(&any).is_empty());
    assert!(cable.client.dataspace.facts::<Closed>(&any).is_empty(), "nobody is left to be told");
    let interests = cable.server.dataspace.interests::<Channel>(Role::Provider, &ChannelPattern::any());
    assert_eq!(interests.len(), 1, "only the server's own wish: {interests:?}");
}

#[test]
fn a_port_that_nobody_wants_refuses_at_once() {
    let mut cable = Cable::new();
    cable.run_for(Duration::from_millis(1));
    let [inbound, _] = ChannelEnd::patterns(&connection(1, 7));
    struct Idle;
    impl Actor for Idle {}
    impl Handler<Channel> for Idle {
        fn handle(&mut self, _: Delivery<'_, Channel>, _: &mut Context<'_, Self>) {}
    }
    cable.client.dataspace.spawn(Spawn::new("idle", Idle).subscribe::<Channel>(inbound));
    cable.run_for(Duration::from_millis(10));
    let refused = cable.client.dataspace.facts::<Refused>(&ConnectionPattern::any());
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reason.to_string(), "reset by the peer");
}
