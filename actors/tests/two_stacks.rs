//! Two casts and a cable: an application that only declares interest is served.

mod common;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use common::apps::{Client, EchoServer, Idle, Story, connection, pattern};
use common::{CLIENT, Cable, LINK, SERVER};
use netmart_actors::address::{Address, Direction, HandleId, Listener, Local, RemoteAddress};
use netmart_actors::end::{ChannelEnd, session};
use netmart_actors::message::{
    Body, Channel, ChannelPattern, Closed, Connected, ConnectionKey, ConnectionPattern,
    InterfaceAddress, Listening, ListeningPattern, OwnAddress, PeerClosed, Refused, Terms,
};
use netmart_bus::{Actor, Context, Delivery, Footprint, Handler, Role, Spawn};

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
    let listening =
        |cable: &Cable| cable.server.dataspace.facts::<Listening>(&ListeningPattern::any());
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
    let idle = cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
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
    let interests =
        cable.server.dataspace.interests::<Channel>(Role::Provider, &ChannelPattern::any());
    assert_eq!(interests.len(), 1, "only the server's own wish: {interests:?}");
}

#[test]
fn a_port_that_nobody_wants_refuses_at_once() {
    let mut cable = Cable::new();
    cable.run_for(Duration::from_millis(1));
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(Duration::from_millis(10));
    let refused = cable.client.dataspace.facts::<Refused>(&ConnectionPattern::any());
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reason.to_string(), "reset by the peer");
}

#[test]
fn a_peer_that_reaches_two_of_our_addresses_from_one_port_has_two_connections() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    let other = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
    let own = OwnAddress { link: LINK, ip: other };
    cable.server.dataspace.assert(InterfaceAddress { own, prefix_len: 24 }).keep();
    let stories: Vec<_> = [(1, SERVER), (2, other)]
        .into_iter()
        .map(|(handle, ip)| {
            let story = Rc::new(RefCell::new(Story::default()));
            let local = Local::Handle(HandleId::new(handle));
            let terms = Terms { port: Some(5_000), ..Terms::of(local) };
            cable.client.dataspace.assert(terms).keep();
            let remote = RemoteAddress(Address::new(ip, 7));
            let connection = ConnectionKey::outbound(handle, remote);
            let data = pattern(10_000 * handle as usize);
            cable.client.dataspace.spawn(Client::dial_to(connection, data, &story));
            story
        })
        .collect();
    cable.run_for(Duration::from_millis(3));
    let connected = cable.server.dataspace.facts::<Connected>(&ConnectionPattern::any());
    assert_eq!(connected.len(), 2);
    assert_eq!(connected[0].connection.remote, connected[1].connection.remote);
    assert_ne!(connected[0].connection, connected[1].connection);
    cable.run_for(Duration::from_secs(5));
    for (story, length) in stories.iter().zip([10_000, 20_000]) {
        assert_eq!(story.borrow().received, pattern(length));
        assert!(story.borrow().ended);
    }
}

/// Says something urgent before it is connected, and something more.
struct Hasty(ChannelEnd);

impl Actor for Hasty {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.0.write(pattern(100), ctx);
        self.0.write_urgent(pattern(10), ctx);
        self.0.write(pattern(5), ctx);
    }
}

impl Handler<Channel> for Hasty {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let _ = self.0.hear(message.take().body, ctx);
    }
}

/// Notes where urgent data ends, in octets from the start.
struct Attentive {
    heard: usize,
    ends: Rc<RefCell<Vec<usize>>>,
}

impl Actor for Attentive {}

impl Handler<Channel> for Attentive {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        match body {
            Body::Urgent(octets) => self.ends.borrow_mut().push(self.heard + octets as usize),
            Body::Data(chunks) => {
                self.heard += chunks.iter().map(|chunk| chunk.len()).sum::<usize>()
            }
            // The first word: such a user has no end that grants.
            Body::Credit(_) => {
                let key = key.connection().channel(Direction::Outbound);
                ctx.send(Channel { key, body: Body::Credit(20) });
            }
            _ => {}
        }
    }
}

#[test]
fn urgent_data_is_announced_through_all_actors_must_32() {
    let mut cable = Cable::new();
    let ends = Rc::new(RefCell::new(Vec::new()));
    let everybody = ChannelPattern::any().local(Local::Listener(Listener::on(7)));
    let server = Attentive { heard: 0, ends: Rc::clone(&ends) };
    cable.server.dataspace.spawn(
        Spawn::new("attentive", server)
            .subscribe::<Channel>(everybody.direction(Direction::Inbound))
            .provide::<Channel>(everybody.direction(Direction::Outbound)),
    );
    cable.run_for(Duration::from_millis(1));
    cable.client.dataspace.spawn(session("hasty", connection(1, 7), 65_536, Hasty));
    cable.run_for(Duration::from_secs(1));
    assert_eq!(ends.borrow().last(), Some(&110), "only 20 octets were granted");
}
