//! What is sent arrives, with its borders.

use std::time::Duration;

use netmart_proto::wires::{Directions, Kind};

use crate::apps::{client, server, whole, writes};
use crate::common::Cable;
use crate::common::apps::pattern;

#[test]
fn what_is_declared_is_carried_by_every_wire() {
    for &kind in Kind::ALL {
        for length in [0, 1, 16, 513, 20_000] {
            let mut cable = Cable::new();
            let (_, stories) = server(&mut cable.server, kind, false);
            cable.run_for(Duration::from_millis(1));
            let (client, story) = client(kind, 1, writes(kind, &pattern(length), 5_000), Some(0));
            cable.client.dataspace.spawn(client);
            cable.run_for(Duration::from_secs(60));
            let name = kind.name();
            let there = stories.borrow();
            assert_eq!(there.len(), 1, "{name} {length}: {:?}", cable.server.cast.discards);
            let there = there[0].borrow();
            assert!(there.octets == pattern(length), "{name}: {} of {length}", there.octets.len());
            assert_eq!(there.end(), "closed in order", "{name} {length}");
            assert_eq!(story.borrow().end(), "closed in order", "{name} {length}");
            assert!(story.borrow().report.is_some() && there.report.is_some());
        }
    }
}

#[test]
fn what_is_echoed_comes_back_with_its_borders() {
    for &kind in Kind::ALL {
        if kind.profile().directions != Directions::Both {
            continue;
        }
        let mut cable = Cable::new();
        server(&mut cable.server, kind, true);
        cable.run_for(Duration::from_millis(1));
        let sent = writes(kind, &pattern(10_000), 300);
        let (client, story) = client(kind, 1, sent.clone(), Some(10_000));
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(60));
        assert!(whole(&story.borrow().chunks) == sent, "{}", kind.name());
        assert_eq!(story.borrow().end(), "closed in order");
    }
}
