//! How connections end, and what comes after.

use std::time::Duration;

use netmart_actors::address::{Direction, HandleId, Local, Transport};
use netmart_actors::end::session;
use netmart_actors::message::{
    Channel, ChannelPattern, CloseReason, Closed, Connected, ConnectionPattern, Established,
    HalfOpen, OfListenerPattern, Terms,
};
use netmart_bus::{Role, Spawn};
use netmart_proto::wires::{AnswersFrom, Directions, Kind, Reason, WriteError};

use crate::apps::{
    Party, Shared, WINDOW, client, handle, listener, server, sessions, wished, writes,
};
use crate::common::apps::{Idle, pattern};
use crate::common::{CLIENT, Cable, SERVER};

#[test]
fn facts_tell_how_far_a_connection_has_gone() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        let (client, story) = client(kind, 1, writes(kind, &pattern(100), 100), None);
        let user = cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(1));
        let any = ConnectionPattern::any();
        let here = cable.client.dataspace.facts::<Connected>(&any);
        assert_eq!(here[0].connection, wished(kind, 1), "{}", kind.name());
        assert!(here[0].address.0.ip.is_unspecified(), "the network chooses");
        let there = cable.server.dataspace.facts::<Connected>(&any);
        assert_eq!(there[0].connection.remote.0.ip, CLIENT);
        assert_eq!(there[0].address.0.ip, SERVER);
        let has_own = kind.profile().answers_from == AnswersFrom::NewPort;
        assert_eq!(there[0].address.0.port != 7, has_own, "{}", kind.name());
        let established = cable.server.dataspace.facts::<Established>(&OfListenerPattern::any());
        assert_eq!(established.len(), 1);
        let half = cable.server.dataspace.facts::<HalfOpen>(&OfListenerPattern::any());
        assert!(half.is_empty());
        assert!(story.borrow().connected);
        cable.client.dataspace.stop(user);
        cable.run_for(Duration::from_secs(6));
        assert!(cable.client.dataspace.facts::<Connected>(&any).is_empty());
        assert!(cable.client.dataspace.facts::<Closed>(&any).is_empty(), "nobody is left");
        assert!(sessions(&cable.client, kind).is_empty(), "{}", kind.name());
    }
}

#[test]
fn a_dial_leaves_from_the_port_and_address_that_its_terms_name() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        server(&mut cable.server, kind, false);
        let terms = Terms { port: Some(5_000), ip: Some(CLIENT), ..Terms::of(handle(kind, 1)) };
        cable.client.dataspace.assert(terms).keep();
        cable.run_for(Duration::from_millis(1));
        cable.client.dataspace.spawn(client(kind, 1, writes(kind, &pattern(100), 100), None).0);
        cable.run_for(Duration::from_secs(1));
        let any = ConnectionPattern::any();
        let here = cable.client.dataspace.facts::<Connected>(&any);
        assert_eq!(here[0].address.to_string(), "10.0.0.1:5000", "{}", kind.name());
        let there = cable.server.dataspace.facts::<Connected>(&any);
        assert_eq!(there[0].connection.remote.to_string(), "10.0.0.1:5000");
    }
}

/// One connection after the other from the same port.
#[test]
fn a_new_connection_takes_the_place_of_one_that_has_ended() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let (_, stories) = server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        for number in 1..=3 {
            let local = Local::Handle(HandleId::new(number).over(Transport::Wire(kind)));
            let terms = Terms { port: Some(5_000), ..Terms::of(local) };
            let terms = cable.client.dataspace.assert(terms);
            let length = 1_000 * number as usize;
            let sent = writes(kind, &pattern(length), 500);
            let (client, story) = client(kind, number, sent, Some(0));
            cable.client.dataspace.spawn(client);
            let mut waited = 0;
            while story.borrow().closed.is_none() && waited < 3_000 {
                cable.run_for(Duration::from_millis(10));
                waited += 1;
            }
            assert_eq!(story.borrow().end(), "closed in order", "{} {number}", kind.name());
            // The client's port is free when its session has gone.
            while !sessions(&cable.client, kind).is_empty() && waited < 6_000 {
                cable.run_for(Duration::from_millis(10));
                waited += 1;
            }
            drop(terms);
            let stories = stories.borrow();
            assert_eq!(stories.len(), number as usize, "{}", kind.name());
            assert!(stories[number as usize - 1].borrow().octets == pattern(length));
        }
    }
}

/// The last packet of the handshake and the end may come in one batch.
#[test]
fn a_connection_that_is_over_at_once_is_heard_of_all_the_same() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let (_, stories) = server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        let (client, story) = client(kind, 1, Vec::new(), Some(0));
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(10));
        assert_eq!(story.borrow().end(), "closed in order", "{}", kind.name());
        let stories = stories.borrow();
        assert_eq!(stories.len(), 1, "{}", kind.name());
        let heard = stories[0].borrow();
        assert!(heard.connected && heard.octets.is_empty(), "{}", kind.name());
        assert_eq!(heard.end(), "closed in order", "{}", kind.name());
        assert!(sessions(&cable.server, kind).is_empty(), "{}", kind.name());
    }
}

#[test]
fn a_user_who_leaves_early_is_no_orderly_end() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let (_, stories) = server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        let (client, story) = client(kind, 1, writes(kind, &pattern(2_000), 500), None);
        let user = cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(1));
        assert!(story.borrow().connected);
        cable.client.dataspace.crash(user);
        cable.run_for(Duration::from_secs(200));
        let there = stories.borrow()[0].borrow().end();
        assert_eq!(there, "the peer has vanished", "{}", kind.name());
        assert!(sessions(&cable.client, kind).is_empty());
        assert!(sessions(&cable.server, kind).is_empty());
    }
}

/// Makes connections to the listener come, and claims none of them.
fn doorman(kind: Kind) -> Spawn<Idle> {
    let wish = ChannelPattern::any().local(Local::Listener(listener(kind)));
    Spawn::new("doorman", Idle).provide::<Channel>(wish.direction(Direction::Outbound))
}

/// Whoever claims it late hears the same as one who was there: the report as well.
#[test]
fn a_connection_that_was_over_before_it_was_claimed_is_told_in_full() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        cable.server.dataspace.spawn(doorman(kind));
        cable.run_for(Duration::from_millis(1));
        let (client, story) = client(kind, 1, Vec::new(), Some(0));
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(4));
        assert_eq!(story.borrow().end(), "closed in order", "{}", kind.name());
        let there = cable.server.dataspace.facts::<Closed>(&ConnectionPattern::any());
        let late = Shared::default();
        let shared = Shared::clone(&late);
        let party = session("late", there[0].connection, WINDOW, |end| Party {
            end: end.keeping_borders(),
            to_send: Vec::new(),
            echoes: false,
            closes_after: None,
            story: shared,
        });
        cable.server.dataspace.spawn(party);
        cable.run_for(Duration::from_secs(1));
        let late = late.borrow();
        assert!(late.connected && late.ended, "{}", kind.name());
        assert_eq!(late.end(), "closed in order", "{}", kind.name());
        let report = late.report.as_ref().expect("it comes before the last word");
        assert_eq!(report.wire, kind.name());
        assert_eq!(report.ended, Some(Reason::Normal), "{}", kind.name());
    }
}

/// Nothing ever grants credit for it, so it must not wait for any.
#[test]
fn what_is_written_the_wrong_way_is_refused_at_once() {
    for &kind in Kind::ALL {
        if kind.profile().directions == Directions::Both {
            continue;
        }
        let mut cable = Cable::new();
        let (_, stories) = server(&mut cable.server, kind, true);
        cable.run_for(Duration::from_millis(1));
        cable.client.dataspace.spawn(client(kind, 1, writes(kind, &pattern(100), 100), None).0);
        cable.run_for(Duration::from_secs(1));
        let stories = stories.borrow();
        let reason = stories[0].borrow().closed.clone();
        let is_refused = matches!(reason, Some(CloseReason::Unwritable(WriteError::WrongWay)));
        assert!(is_refused, "{}: {reason:?}", kind.name());
    }
}

#[test]
fn a_connection_that_nobody_claims_ends_when_its_relay_loses_patience() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        cable.server.dataspace.spawn(doorman(kind));
        cable.run_for(Duration::from_millis(1));
        cable.client.dataspace.spawn(client(kind, 1, writes(kind, &pattern(100), 100), None).0);
        cable.run_for(Duration::from_secs(1));
        let relays = |cable: &Cable| {
            let all = ChannelPattern::any();
            cable.server.dataspace.interests::<Channel>(Role::Subscriber, &all).len()
        };
        assert!(relays(&cable) > 0, "{}", kind.name());
        cable.run_for(Duration::from_secs(6));
        assert!(sessions(&cable.server, kind).is_empty(), "{}", kind.name());
        assert_eq!(relays(&cable), 0, "{}", kind.name());
    }
}

/// A listener may go while its connections go on, and come back while they do.
#[test]
fn connections_outlive_their_listener() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let (first, stories) = server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        let both = kind.profile().directions == Directions::Both;
        let (client, story) = client(kind, 1, writes(kind, &pattern(50_000), 1_000), Some(0));
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_millis(10));
        assert!(story.borrow().connected, "{} {both}", kind.name());
        cable.server.dataspace.stop(first);
        cable.run_for(Duration::from_millis(10));
        let (_, later) = server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(10));
        let (second, _) = crate::apps::client(kind, 2, writes(kind, &pattern(300), 100), Some(0));
        cable.client.dataspace.spawn(second);
        cable.run_for(Duration::from_secs(100));
        assert!(stories.borrow()[0].borrow().octets == pattern(50_000), "{}", kind.name());
        assert_eq!(later.borrow().len(), 1, "{}", kind.name());
        assert!(later.borrow()[0].borrow().octets == pattern(300), "{}", kind.name());
    }
}
