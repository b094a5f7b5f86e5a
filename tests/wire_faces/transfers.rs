//! What is sent arrives, and the connection closes in order.

use bytes::Bytes;
use netmart::actors::message::Impair;
use netmart::net::{WireError, WireListener, WireOptions, WireStream};
use netmart::proto::netem::{self, Loss};
use netmart::proto::wires::{Borders, Chunk, Config, Directions, Kind, Reason, WriteError};
use netmart::sockets::Sockets;
use netmart::stack::Stack;

use crate::cargo::{all, assembled, cargo, octets, send_all};
use crate::stacks::{connected, met, on_a_paused_clock, pair};

#[test]
fn every_wire_carries_its_cargo_and_closes_in_order() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let (client, server) = connected(&near, &far, kind).await;
            let cargo = cargo(&client);
            let borders = client.profile().borders;
            let sending = async {
                send_all(&client, &cargo).await;
                client.close().await.unwrap()
            };
            let (sent, received) = tokio::join!(sending, all(&server));
            let received = received.unwrap();
            assert_eq!(
                assembled(borders, received),
                assembled(borders, cargo.clone()),
                "{}",
                kind.name()
            );
            let taken = server.close().await.unwrap();
            assert_eq!((sent.wire, sent.ended), (kind.name(), Some(Reason::Normal)));
            let (there, here) = (sent.counters.octets_sent, taken.counters.octets_received);
            assert!(there > 0 && there == here, "{}: {there} {here}", kind.name());
            assert!(server.is_over());
            assert_eq!(server.recv().await, Ok(None));
            assert_eq!(server.info().await.unwrap(), taken, "the last word stands");
        });
    }
}

/// The same between two stacks on sockets of the operating system, and in its time.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_the_operating_system_carry_it_as_well() {
    let stack = || Stack::builder().sockets(Sockets::new()).start_on_own_thread().unwrap();
    let (near, far) = (stack(), stack());
    for &kind in Kind::ALL {
        let any = ([127, 0, 0, 1], 0).into();
        let options = WireOptions::default;
        let listener = WireListener::bind(&far, kind, any, options()).await.unwrap();
        let (near, address) = (near.clone(), listener.local_addr());
        let sending = tokio::spawn(async move {
            let client = WireStream::connect(&near, kind, address, options()).await.unwrap();
            send_all(&client, &cargo(&client)).await;
            client.close().await.unwrap()
        });
        let (server, _) = listener.accept().await.unwrap();
        let received = all(&server).await.unwrap();
        let borders = server.profile().borders;
        assert_eq!(assembled(borders, received), assembled(borders, cargo(&server)));
        assert_eq!(sending.await.unwrap().ended, Some(Reason::Normal), "{}", kind.name());
        assert_eq!(server.close().await.unwrap().ended, Some(Reason::Normal), "{}", kind.name());
    }
}

#[test]
fn what_goes_both_ways_does() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let (client, server) = connected(&near, &far, kind).await;
            let answer = Chunk::message("answer");
            if client.profile().directions == Directions::ToServer {
                let wrong = Err(WireError::Write(WriteError::WrongWay));
                assert_eq!(server.send(answer).await, wrong, "{}", kind.name());
                return;
            }
            client.send(Chunk::message("question")).await.unwrap();
            assert_eq!(server.recv().await.unwrap(), Some(Chunk::message("question")));
            server.send(answer.clone()).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(answer));
            let (one, other) = tokio::join!(server.close(), client.closed());
            assert_eq!((one.unwrap().ended, other.unwrap().ended), two(Reason::Normal));
        });
    }
}

fn two(reason: Reason) -> (Option<Reason>, Option<Reason>) {
    (Some(reason.clone()), Some(reason))
}

#[test]
fn a_message_larger_than_every_buffer_passes() {
    on_a_paused_clock(async {
        let (near, far) = pair();
        let config = Config { receive_limit: 2048, send_limit: 2048, ..Config::default() };
        let options = WireOptions { config, window: Some(1024), ..WireOptions::default() };
        let (client, server) = met(&near, &far, Kind::Sockettcp, [options.clone(), options]).await;
        let message = octets(20_000);
        let sending = async {
            client.send(Chunk::message(message.clone())).await.unwrap();
            client.close().await.unwrap()
        };
        let (_, received) = tokio::join!(sending, all(&server));
        let received = assembled(Borders::Message, received.unwrap());
        assert_eq!(received, [(0, 0, message.to_vec())]);
    });
}

#[test]
fn many_small_chunks_at_once_all_arrive() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let (client, server) = connected(&near, &far, kind).await;
            let chunk = |number: u16| {
                let data = Bytes::from(vec![number as u8]);
                let is_stream = client.profile().borders == Borders::Stream;
                Chunk { stream: u32::from(is_stream), data, end: !is_stream }
            };
            let sending = async {
                for number in 0..3000 {
                    client.send(chunk(number)).await.unwrap();
                }
                client.close().await.unwrap();
            };
            let ((), received) = tokio::join!(sending, all(&server));
            let octets: Vec<u8> =
                received.unwrap().into_iter().flat_map(|chunk| chunk.data).collect();
            let sent: Vec<u8> = (0..3000_u16).map(|number| number as u8).collect();
            assert!(octets == sent, "{}: {} octets", kind.name(), octets.len());
        });
    }
}

#[test]
fn dropping_a_stream_still_delivers_what_was_sent() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let (client, server) = connected(&near, &far, kind).await;
            let borders = client.profile().borders;
            let cargo = cargo(&client);
            send_all(&client, &cargo).await;
            drop(client);
            let received = all(&server).await.unwrap();
            assert_eq!(assembled(borders, received), assembled(borders, cargo), "{}", kind.name());
        });
    }
}

#[test]
fn bad_weather_on_the_way_out_is_survived() {
    for &kind in Kind::ALL {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let weather =
                netem::Config { loss: Loss::Independent(0.1), ..netem::Config::default() };
            let impair = Some(Impair { weather, seed: 5, ..Impair::default() });
            let options = WireOptions { impair, ..WireOptions::default() };
            let (client, server) = met(&near, &far, kind, [options.clone(), options]).await;
            let borders = client.profile().borders;
            let cargo = cargo(&client);
            let sending = async {
                send_all(&client, &cargo).await;
                client.close().await.unwrap()
            };
            let (sent, received) = tokio::join!(sending, all(&server));
            assert_eq!(assembled(borders, received.unwrap()), assembled(borders, cargo));
            assert!(sent.counters.retransmitted > 0, "{}: nothing was lost", kind.name());
        });
    }
}
