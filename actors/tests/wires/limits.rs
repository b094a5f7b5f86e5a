//! What a stack does not do for everybody: limits, and who does not keep to them.

use std::time::Duration;

use netmart_actors::address::Direction;
use netmart_actors::address::{Listener, Local, Transport};
use netmart_actors::config::Config;
use netmart_actors::message::{
    Body, Channel, ChannelPattern, Connected, ConnectionPattern, ListenError, ListenFailed,
    ListenerPattern, Listening, ListeningPattern, PortError, Refusal, Refused,
};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart_proto::wires::{AnswersFrom, Borders, Directions, Kind};

use crate::apps::{WINDOW, client, discarded, listener, server, sessions, wished, writes};
use crate::common::Cable;
use crate::common::apps::{Idle, pattern};

fn moment(cable: &mut Cable) {
    cable.run_for(Duration::from_millis(10));
}

/// Wants the listener and claims no connection.
fn doorman(cable: &mut Cable, kind: Kind) {
    let local = Local::Listener(listener(kind));
    let wish = ChannelPattern::any().local(local).direction(Direction::Outbound);
    cable.server.dataspace.spawn(Spawn::new("doorman", Idle).provide::<Channel>(wish));
    moment(cable);
}

/// Dials so often, one after the other, and tells how many got through.
fn dial(cable: &mut Cable, kind: Kind, clients: u64) -> usize {
    let dialled = (0..clients).map(|handle| {
        let (client, story) = client(kind, handle, Vec::new(), None);
        cable.client.dataspace.spawn(client);
        moment(cable);
        story
    });
    let stories: Vec<_> = dialled.collect();
    stories.iter().filter(|story| story.borrow().connected).count()
}

#[test]
fn connections_beyond_the_backlog_wait_until_there_is_room() {
    for &kind in Kind::ALL {
        let config =
            Config { backlog: 3, relay_patience: Duration::from_secs(5), ..Config::default() };
        let mut cable = Cable::with(&config);
        doorman(&mut cable, kind);
        for handle in 0..8 {
            cable
                .client
                .dataspace
                .spawn(client(kind, handle, writes(kind, &pattern(100), 100), None).0);
            cable.run_for(Duration::from_millis(20));
        }
        let connected = cable.server.dataspace.facts::<Connected>(&ConnectionPattern::any()).len();
        assert_eq!(connected, 3, "{}", kind.name());
        assert!(discarded(&cable.server, kind, "backlog_full") > 0, "{}", kind.name());
        // Nobody comes for them: their relays end, and they with them.
        cable.run_for(Duration::from_secs(6));
        let later = sessions(&cable.server, kind).len();
        assert!(later <= 3, "{}: {later}", kind.name());
    }
}

#[test]
fn the_limit_of_connections_counts_those_over_wires() {
    for &kind in Kind::ALL {
        let mut cable = Cable::with(&Config { max_connections: 3, ..Config::default() });
        server(&mut cable.server, kind, false);
        moment(&mut cable);
        let connected = dial(&mut cable, kind, 5);
        let refused = cable.client.dataspace.facts::<Refused>(&ConnectionPattern::any());
        assert_eq!(refused.len(), 2, "{}", kind.name());
        assert!(refused.iter().all(|fact| fact.reason == Refusal::TooMany));
        assert_eq!(connected, 3);
        // One that ends makes room, on the side that accepts as well.
        let refused_by_tcp = crate::common::apps::connection(9, 7);
        cable.client.dataspace.spawn(Idle::dial(&refused_by_tcp));
        moment(&mut cable);
        let facts = cable.client.dataspace.facts::<Refused>(&refused_by_tcp.exactly());
        assert_eq!(facts.len(), 1, "TCP is counted with them");
    }
}

#[test]
fn a_server_without_ports_lets_nobody_in_and_says_so() {
    for &kind in Kind::ALL {
        let is_own = kind.profile().answers_from == AnswersFrom::NewPort;
        let mut cable =
            Cable::with(&Config { ephemeral_ports: 40_000..=40_001, ..Config::default() });
        server(&mut cable.server, kind, false);
        moment(&mut cable);
        let connected = dial(&mut cable, kind, 3);
        assert_eq!(connected, 2, "{}: the client has two ports", kind.name());
        let refused = cable.client.dataspace.facts::<Refused>(&wished(kind, 2).exactly());
        assert_eq!(refused[0].reason, Refusal::Port(PortError::Exhausted));
        if is_own {
            // The two of the server are taken as well.
            assert_eq!(sessions(&cable.server, kind).len(), 2);
        }
    }
}

#[test]
fn nobody_listens_where_somebody_else_does() {
    let mut cable = Cable::new();
    let of = |kind, tag| Listener { tag, ..listener(kind) };
    let wish = |listener| {
        let pattern = ChannelPattern::any().direction(Direction::Outbound);
        Spawn::new("wish", Idle).provide::<Channel>(pattern.local(Local::Listener(listener)))
    };
    let first = cable.server.dataspace.spawn(wish(of(Kind::Quiq, 0)));
    moment(&mut cable);
    // The same wire, another wire; TCP has ports of its own.
    cable.server.dataspace.spawn(wish(of(Kind::Quiq, 1)));
    let second = cable.server.dataspace.spawn(wish(of(Kind::Cs488, 0)));
    cable.server.dataspace.spawn(wish(Listener::on(7)));
    moment(&mut cable);
    let failed = cable.server.dataspace.facts::<ListenFailed>(&ListenerPattern::any());
    let in_use = ListenError::Port(PortError::InUse);
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|fact| fact.reason == in_use));
    assert_eq!(cable.server.dataspace.facts::<Listening>(&ListeningPattern::any()).len(), 2);
    // The port is free when its listener is gone, for who asks anew.
    cable.server.dataspace.stop(first);
    cable.server.dataspace.stop(second);
    moment(&mut cable);
    cable.server.dataspace.spawn(wish(of(Kind::Cs488, 0)));
    moment(&mut cable);
    let over = Transport::Wire(Kind::Cs488);
    let listening = cable.server.dataspace.facts::<Listening>(&ListeningPattern::any());
    assert!(listening.iter().any(|fact| fact.at.listener.over == over), "{listening:?}");
}

#[test]
fn a_listener_on_port_0_gets_one_and_tells_it() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let wish = ChannelPattern::any().direction(Direction::Outbound);
        for tag in [1, 2] {
            let listener = Listener { port: 0, tag, ..listener(kind) };
            let wish = wish.local(Local::Listener(listener));
            cable.server.dataspace.spawn(Spawn::new("wish", Idle).provide::<Channel>(wish));
        }
        moment(&mut cable);
        let listening = cable.server.dataspace.facts::<Listening>(&ListeningPattern::any());
        assert_eq!(listening.len(), 2, "{}", kind.name());
        assert!(listening[0].at.port >= 32_768 && listening[0].at.port != listening[1].at.port);
    }
}

/// Grants nothing.
struct Miser;

impl Actor for Miser {}

impl Handler<Channel> for Miser {
    fn handle(&mut self, message: Delivery<'_, Channel>, _ctx: &mut Context<'_, Self>) {
        let body = message.take().body;
        assert!(!matches!(body, Body::Data(_) | Body::Pieces(_)), "nothing was granted");
    }
}

#[test]
fn a_peer_whose_user_grants_nothing_is_sent_no_more_than_its_session_keeps() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let everybody = ChannelPattern::any().local(Local::Listener(listener(kind)));
        cable.server.dataspace.spawn(
            Spawn::new("miser", Miser)
                .subscribe::<Channel>(everybody.direction(Direction::Inbound))
                .provide::<Channel>(everybody.direction(Direction::Outbound)),
        );
        let limit = 20_000;
        let config = netmart_proto::wires::Config {
            receive_limit: limit,
            send_limit: 30_000,
            ..netmart_proto::wires::Config::default()
        };
        let wire = netmart_actors::message::WireTerms { config, ..Default::default() };
        crate::apps::terms(&mut cable.server, Local::Listener(listener(kind)), wire.clone());
        crate::apps::terms(&mut cable.client, crate::apps::handle(kind, 1), wire);
        moment(&mut cable);
        let sent = writes(kind, &pattern(1_000_000), 1_000);
        let (client, story) = client(kind, 1, sent, None);
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(5));
        assert!(story.borrow().connected, "{}", kind.name());
        let key = wished(kind, 1).channel(Direction::Outbound);
        cable.client.dataspace.inject(Channel { key, body: Body::Inquire }).expect("room");
        moment(&mut cable);
        let octets = story.borrow().report.as_ref().expect("a report").counters.octets_sent;
        assert!(octets < 200_000, "{}: {octets} of a million left", kind.name());
    }
}

#[test]
fn a_port_that_nobody_wants_refuses_after_a_while() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let (client, story) = client(kind, 1, Vec::new(), None);
        moment(&mut cable);
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(10));
        assert_eq!(story.borrow().end(), "nobody listens there", "{}", kind.name());
        assert!(sessions(&cable.client, kind).is_empty());
    }
}

#[test]
fn when_all_is_over_nothing_is_left() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        moment(&mut cable);
        let before = [cable.client.dataspace.footprint(), cable.server.dataspace.footprint()];
        let (server, stories) = server(&mut cable.server, kind, false);
        moment(&mut cable);
        for handle in 0..20 {
            let (client, _) = client(kind, handle, writes(kind, &pattern(5_000), 1_000), Some(0));
            cable.client.dataspace.spawn(client);
        }
        cable.run_for(Duration::from_secs(100));
        assert_eq!(stories.borrow().len(), 20, "{}", kind.name());
        assert!(stories.borrow().iter().all(|story| story.borrow().octets == pattern(5_000)));
        cable.server.dataspace.stop(server);
        cable.run_for(Duration::from_secs(600));
        let after = [cable.client.dataspace.footprint(), cable.server.dataspace.footprint()];
        let counts = |footprint: &netmart_bus::Footprint| format!("{footprint:?}");
        assert_eq!(before.each_ref().map(counts), after.each_ref().map(counts), "{}", kind.name());
    }
}

#[test]
fn a_write_that_is_too_long_ends_the_connection() {
    for &kind in Kind::ALL {
        if kind.profile().directions == Directions::ToServer {
            continue;
        }
        let mut cable = Cable::new();
        server(&mut cable.server, kind, false);
        moment(&mut cable);
        let sent = vec![netmart_proto::wires::Chunk::message(pattern(WINDOW / 2))];
        let (client, story) = client(kind, 1, sent, None);
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(30));
        let here = story.borrow().end();
        match kind.profile().borders {
            Borders::Datagram(_) => assert!(here.contains("at most 4080 octets"), "{here}"),
            _ => assert_eq!(here, "", "a message may be large"),
        }
    }
}
