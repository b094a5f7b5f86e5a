//! What a user wants of a connection before there is one.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use common::apps::{Client, EchoServer, Idle, connection, pattern};
use common::{CLIENT, Cable};
use netmart_actors::address::Direction;
use netmart_actors::address::{HandleId, Listener, Local};
use netmart_actors::message::{
    Body, Channel, ChannelKey, ChannelPattern, Connected, ConnectionPattern, Refusal, Refused,
    Terms,
};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart_proto::tcp;

fn cable() -> Cable {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(Duration::from_millis(1));
    cable
}

fn dial(cable: &mut Cable, terms: Terms) {
    cable.client.dataspace.assert(terms).keep();
    cable.client.dataspace.spawn(Client::dial(1, 7, pattern(10), &Rc::default()));
    cable.run_for(Duration::from_millis(20));
}

const HANDLE: Local = Local::Handle(HandleId::new(1));

#[test]
fn a_dial_leaves_from_the_address_and_port_that_its_terms_name() {
    let mut cable = cable();
    dial(&mut cable, Terms { port: Some(4711), ip: Some(CLIENT), ..Terms::of(HANDLE) });
    let connected: Vec<Connected> = cable.server.dataspace.facts(&ConnectionPattern::any());
    assert_eq!(connected.len(), 1);
    assert_eq!(connected[0].connection.remote.0.port, 4711);
}

#[test]
fn an_address_that_is_not_ours_cannot_be_dialled_from() {
    let mut cable = cable();
    let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 99));
    dial(&mut cable, Terms { ip: Some(elsewhere), ..Terms::of(HANDLE) });
    let refused: Vec<Refused> = cable.client.dataspace.facts(&connection(1, 7).exactly());
    assert_eq!(
        refused.iter().map(|fact| fact.reason.clone()).collect::<Vec<_>>(),
        [Refusal::InvalidAddress]
    );
}

/// Keeps the answers to inquiries, as somebody who looks on.
struct Census(Rc<std::cell::RefCell<Vec<tcp::Info>>>);

impl Actor for Census {}

impl Handler<Channel> for Census {
    fn handle(&mut self, message: Delivery<'_, Channel>, _: &mut Context<'_, Self>) {
        if let Body::Info(info) = message.take().body {
            self.0.borrow_mut().push(*info);
        }
    }
}

#[test]
fn settings_and_segment_size_are_those_of_the_terms_on_both_sides() {
    let mut cable = Cable::new();
    let tcp = tcp::Config { timestamps: false, ..tcp::Config::default() };
    let listener = Local::Listener(Listener::on(7));
    let terms = Terms { tcp: Some(Rc::new(tcp)), ..Terms::of(listener) };
    cable.server.dataspace.assert(terms).keep();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(Duration::from_millis(1));
    let infos = Rc::default();
    let onlooker = Spawn::new("census", Census(Rc::clone(&infos)));
    let answers = ChannelPattern::any().direction(Direction::Inbound);
    cable.client.dataspace.spawn(onlooker.observe::<Channel>(answers));
    cable.client.dataspace.assert(Terms { max_segment: Some(700), ..Terms::of(HANDLE) }).keep();
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(Duration::from_millis(20));
    let connected: Vec<Connected> = cable.client.dataspace.facts(&ConnectionPattern::any());
    let (local, remote) = (Local::Address(connected[0].address), connected[0].connection.remote);
    let key = ChannelKey { direction: Direction::Outbound, local, remote, ip: None };
    cable.client.dataspace.inject(Channel { key, body: Body::Inquire }).expect("there is room");
    cable.run_for(Duration::from_millis(1));
    let infos = infos.borrow();
    assert!(!infos.is_empty());
    assert!(infos.iter().all(|info| !info.options.timestamps && info.send_mss == 700));
}
