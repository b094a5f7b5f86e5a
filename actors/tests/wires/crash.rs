//! Actors that crash: the others go on, or end in order and are told.

use std::time::Duration;

use netmart_actors::message::{CloseReason, Connected, ConnectionPattern};
use netmart_proto::wires::Kind;

use crate::apps::{actor, client, server, sessions, writes};
use crate::common::Cable;
use crate::common::apps::pattern;

/// In the middle of a transfer, `crash` is done.
fn disturbed(
    kind: Kind,
    closes_after: Option<usize>,
    crash: impl Fn(&mut Cable),
) -> (Cable, [String; 2], usize) {
    let mut cable = Cable::new();
    let (_, stories) = server(&mut cable.server, kind, false);
    cable.run_for(Duration::from_millis(1));
    let (client, story) = client(kind, 1, writes(kind, &pattern(30_000), 1_000), closes_after);
    cable.client.dataspace.spawn(client);
    // The larger windows are through soon: they are met in their beginning.
    cable.run_for(Duration::from_millis(3));
    crash(&mut cable);
    cable.run_for(Duration::from_secs(200));
    let there = stories.borrow()[0].borrow().end();
    let octets = stories.borrow()[0].borrow().octets.clone();
    assert!(octets[..] == pattern(30_000)[..octets.len()], "{}: other octets", kind.name());
    let here = story.borrow().end();
    (cable, [here, there], octets.len())
}

#[test]
fn members_of_the_cast_are_replaced_under_living_connections() {
    for &kind in Kind::ALL {
        let codec = format!("{} codec", kind.name());
        for name in [&codec[..], "udp", "ip", "listener matcher", "dialer", "port allocator"] {
            let (_, ends, octets) = disturbed(kind, Some(0), |cable| {
                for station in [&mut cable.client, &mut cable.server] {
                    let member = actor(station, name);
                    station.dataspace.crash(member);
                }
            });
            let case = format!("{name} of {}", kind.name());
            assert_eq!(ends, ["closed in order", "closed in order"], "{case}");
            assert_eq!(octets, 30_000, "{case}");
        }
    }
}

#[test]
fn after_a_crash_of_the_codec_others_can_connect() {
    for &kind in Kind::ALL {
        let mut cable = Cable::new();
        let (_, stories) = server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        let codec = actor(&cable.server, &format!("{} codec", kind.name()));
        cable.server.dataspace.crash(codec);
        cable.run_for(Duration::from_millis(10));
        let (client, _) = client(kind, 1, writes(kind, &pattern(500), 500), Some(0));
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(20));
        assert!(stories.borrow()[0].borrow().octets == pattern(500), "{}", kind.name());
    }
}

#[test]
fn a_session_that_crashes_is_told_and_its_peer_finds_out() {
    for &kind in Kind::ALL {
        let (cable, [here, there], _) = disturbed(kind, None, |cable| {
            let session = sessions(&cable.client, kind)[0];
            cable.client.dataspace.crash(session);
        });
        assert_eq!(here, CloseReason::Crashed.to_string(), "{}", kind.name());
        assert_eq!(there, "the peer has vanished", "{}", kind.name());
        for station in [&cable.client, &cable.server] {
            assert!(sessions(station, kind).is_empty(), "{}", kind.name());
            assert!(station.dataspace.facts::<Connected>(&ConnectionPattern::any()).is_empty());
        }
    }
}

#[test]
fn a_relay_that_crashes_ends_its_session() {
    for &kind in Kind::ALL {
        let (cable, [_, there], _) = disturbed(kind, None, |cable| {
            let relay = actor(&cable.client, "relay");
            cable.client.dataspace.crash(relay);
        });
        assert_eq!(there, "the peer has vanished", "{}", kind.name());
        assert!(sessions(&cable.client, kind).is_empty(), "{}", kind.name());
    }
}
