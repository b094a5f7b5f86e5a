//! What a wire does not carry, and who is slow, gives up or leaves.

use std::time::Duration;

use netmart::net::{WireError, WireOptions};
use netmart::proto::wires::{Borders, Chunk, Config, Kind, WriteError};

use crate::cargo::octets;
use crate::stacks::{connected, met, on_a_paused_clock, pair};

#[test]
fn what_a_wire_does_not_carry_is_refused_and_the_connection_goes_on() {
    on_a_paused_clock(async {
        let (near, far) = pair();
        let (client, server) = connected(&near, &far, Kind::Faketcp).await;
        let Borders::Datagram(most) = client.profile().borders else { panic!("a datagram wire") };
        let too_long = client.send(Chunk::message(octets(most + 1))).await;
        assert_eq!(too_long, Err(WireError::Write(WriteError::TooLong(most))));
        client.send(Chunk::message("fits")).await.unwrap();
        assert_eq!(server.recv().await.unwrap(), Some(Chunk::message("fits")));
        client.finish();
        let closed = Err(WireError::Write(WriteError::Closed));
        assert_eq!(client.send(Chunk::message("late")).await, closed);
        client.close().await.unwrap();
        assert_eq!(client.send(Chunk::message("later")).await, closed);

        let (client, _server) = connected(&near, &far, Kind::Quiq).await;
        let no_stream = client.send(Chunk::message("no stream")).await;
        assert_eq!(no_stream, Err(WireError::Write(WriteError::NoStream(0))));
    });
}

#[test]
fn a_reader_that_is_slow_slows_the_writer() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let config = Config { receive_limit: 8192, send_limit: 8192, ..Config::default() };
            let options = WireOptions { config, window: Some(4096), ..WireOptions::default() };
            let (client, server) = met(&near, &far, kind, [options.clone(), options]).await;
            let piece = Chunk { stream: 1, data: octets(1000), end: false };
            let piece = match client.profile().borders {
                Borders::Stream => piece,
                _ => Chunk::message(piece.data),
            };
            let mut sent = 0;
            let second = Duration::from_secs(2);
            while tokio::time::timeout(second, client.send(piece.clone())).await.is_ok() {
                sent += 1;
                assert!(sent < 200, "{}: nothing holds the writer back", kind.name());
            }
            let mut octets = 0;
            while octets < sent * 1000 {
                octets += server.recv().await.unwrap().expect("more to come").data.len();
            }
            assert_eq!(octets, sent * 1000, "{}: what was taken arrives, no more", kind.name());
        });
    }
}

#[test]
fn giving_up_a_receive_or_a_send_loses_nothing() {
    on_a_paused_clock(async {
        let (near, far) = pair();
        let (client, server) = connected(&near, &far, Kind::Faketcp).await;
        for number in 0..100_u8 {
            let moment = Duration::from_micros(u64::from(number) * 37);
            assert!(tokio::time::timeout(moment, server.recv()).await.is_err());
            client.send(Chunk::message(vec![number])).await.unwrap();
            assert_eq!(server.recv().await.unwrap(), Some(Chunk::message(vec![number])));
        }
        drop(client.send(Chunk::message("never polled")));
        client.close().await.unwrap();
        assert_eq!(server.recv().await, Ok(None));
    });
}

#[test]
fn who_leaves_without_reading_is_not_taken_for_a_receiver() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let config = Config {
                data_tries: 5,
                patience: Duration::from_secs(9),
                receive_limit: 2048,
                ..Config::default()
            };
            let options = WireOptions { config, window: Some(1024), ..WireOptions::default() };
            let (client, server) = met(&near, &far, kind, [options.clone(), options]).await;
            // More than fits between the two.
            let end = client.profile().borders != Borders::Stream;
            for _ in 0..20 {
                client.send(Chunk { stream: 1, data: octets(1000), end }).await.unwrap();
            }
            server.readable().await;
            drop(server);
            let failure = client.close().await.unwrap_err();
            assert!(matches!(failure, WireError::Closed(_)), "{}: {failure:?}", kind.name());
            assert_eq!(client.close().await.unwrap_err(), failure, "asked again, it says the same");
        });
    }
}
