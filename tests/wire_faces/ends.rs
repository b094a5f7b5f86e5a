//! Addresses, ports, and who is not there.

use std::time::Duration;

use netmart::actors::message::{ListenError, PortError};
use netmart::net::{WireError, WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Config, Kind, Phase, Reason};
use netmart::stack::StackError;

use crate::stacks::{at, connected, greet, on_a_paused_clock, pair};

#[test]
fn addresses_are_those_of_the_connection() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let any = ([0, 0, 0, 0], 0).into();
            let listener =
                WireListener::bind(&far, kind, any, WireOptions::default()).await.unwrap();
            let port = listener.local_addr().port();
            assert_ne!(port, 0);
            let from = Some(([0, 0, 0, 0], 4242).into());
            let options = WireOptions { from, ..WireOptions::default() };
            let connecting = async {
                let client = WireStream::connect(&near, kind, at(port), options).await.unwrap();
                greet(&client).await;
                client
            };
            let (client, accepted) = tokio::join!(connecting, listener.accept());
            let (server, peer) = accepted.unwrap();
            assert_eq!(client.peer_addr(), at(port));
            assert_eq!(client.local_addr().port(), 4242);
            assert_eq!(peer, ([10, 0, 0, 1], 4242).into());
            assert_eq!(server.peer_addr(), peer);
            assert_ne!(server.local_addr().port(), 0);
            assert_eq!((client.kind(), server.kind()), (kind, kind));
        });
    }
}

#[test]
fn a_port_is_listened_at_once_per_stack() {
    on_a_paused_clock(async {
        let (_near, far) = pair();
        let first =
            WireListener::bind(&far, Kind::Quiq, at(7000), WireOptions::default()).await.unwrap();
        let second =
            WireListener::bind(&far, Kind::Faketcp, at(7000), WireOptions::default()).await;
        let in_use = WireError::Listen(ListenError::Port(PortError::InUse));
        assert_eq!(second.unwrap_err(), in_use);
        drop(first);
        // The stack has heard of that by the time it answers.
        far.report().await.unwrap();
        let third = WireListener::bind(&far, Kind::Faketcp, at(7000), WireOptions::default());
        assert_eq!(third.await.unwrap().kind(), Kind::Faketcp);
    });
}

#[test]
fn nobody_there_is_said_within_a_bounded_time() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, _far) = pair();
            // The other stack answers that nobody listens; a host that is not there does not.
            let refused = WireStream::connect(&near, kind, at(7000), WireOptions::default())
                .await
                .unwrap_err();
            assert_eq!(refused, WireError::Refused(Reason::Unreachable), "{}", kind.name());
            let config = Config { connect_tries: 4, ..Config::default() };
            let options = WireOptions { config, ..WireOptions::default() };
            let nowhere = ([10, 0, 0, 77], 7000).into();
            let silence = WireStream::connect(&near, kind, nowhere, options).await.unwrap_err();
            let phase = Phase::Handshake;
            let timed_out = WireError::Refused(Reason::TimedOut { phase, tries: 4 });
            assert!(
                silence == timed_out || silence == WireError::Refused(Reason::Unreachable),
                "{}: {silence:?}",
                kind.name()
            );
            let no_route = ([99, 0, 0, 1], 7000).into();
            let unrouted = WireStream::connect(&near, kind, no_route, WireOptions::default()).await;
            assert_eq!(unrouted.unwrap_err(), WireError::Refused(Reason::Unreachable));
        });
    }
}

#[test]
fn a_stack_that_is_shut_down_leaves_nobody_waiting() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let other =
                WireListener::bind(&far, kind, at(7001), WireOptions::default()).await.unwrap();
            let (_client, server) = connected(&near, &far, kind).await;
            far.shutdown_within(Duration::ZERO).await;
            assert!(server.recv().await.is_err() || server.is_over(), "{}", kind.name());
            let gone = other.accept().await.unwrap_err();
            assert_eq!(gone, WireError::Stack(StackError::Gone));
            let gone = WireStream::connect(&far, kind, at(7000), WireOptions::default()).await;
            assert_eq!(gone.unwrap_err(), WireError::Stack(StackError::Gone));
        });
    }
}

#[test]
fn streams_and_listeners_cross_threads() {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<WireStream>();
    shared::<WireListener>();
    shared::<WireOptions>();
    shared::<WireError>();
}
