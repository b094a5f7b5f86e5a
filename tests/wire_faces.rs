//! The streams and listeners of every wire, on running stacks whose clock stands still until nobody has anything
//! to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_rt::System;
use bytes::Bytes;
use netmart::actors::message::{Impair, ListenError, PortError};
use netmart::net::{WireError, WireListener, WireLogger, WireOptions, WireStream};
use netmart::proto::netem::{self, Loss};
use netmart::proto::wires::{
    Borders, Chunk, Config, Directions, Kind, Mode, Phase, Reason, WriteError,
};
use netmart::sim::WireConfig;
use netmart::sockets::Sockets;
use netmart::stack::{Link, Stack, StackError, wire};

/// Runs `body` on an actix arbiter whose clock stands still until nobody has anything to do.
fn on_a_paused_clock<F: Future>(body: F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(body)
}

/// Two stacks, a millisecond apart.
fn pair() -> (Stack, Stack) {
    let (near, far) = wire(WireConfig::with_delay(Duration::from_millis(1)), 3);
    let stack = |end, address: &str| {
        let link = Link::wire(end).address(address.parse().unwrap());
        Stack::builder().seed(3).link(link).start().unwrap()
    };
    (stack(near, "10.0.0.1/24"), stack(far, "10.0.0.2/24"))
}

fn at(port: u16) -> SocketAddr {
    ([10, 0, 0, 2], port).into()
}

fn octets(len: usize) -> Bytes {
    (0..len).map(|at| (at / 7 + at / 65_521) as u8).collect()
}

/// The two ends of a connection from `near` to `far`; the first is that of the client.
async fn connected(near: &Stack, far: &Stack, kind: Kind) -> (WireStream, WireStream) {
    met(near, far, kind, [WireOptions::default(), WireOptions::default()]).await
}

/// The same with options for the client and for the listener.
async fn met(
    near: &Stack,
    far: &Stack,
    kind: Kind,
    [here, there]: [WireOptions; 2],
) -> (WireStream, WireStream) {
    let listener = WireListener::bind(far, kind, at(7000), there).await.unwrap();
    let connecting = async {
        let client = WireStream::connect(near, kind, at(7000), here).await.unwrap();
        greet(&client).await;
        client
    };
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    let (server, peer) = accepted.unwrap();
    assert_eq!(peer, server.peer_addr());
    hear(&server).await;
    (client, server)
}

/// Where there are streams, a client is there once it has sent something.
async fn greet(client: &WireStream) {
    if client.profile().borders == Borders::Stream {
        client.send(greeting()).await.unwrap();
    }
}

async fn hear(server: &WireStream) {
    if server.profile().borders == Borders::Stream {
        // That it ends there is known only with the end of its batch.
        let (heard, Chunk { stream, data, .. }) = (server.recv().await.unwrap(), greeting());
        assert_eq!(heard, Some(Chunk { stream, data, end: false }));
    }
}

fn greeting() -> Chunk {
    Chunk { stream: 99, data: Bytes::from_static(b"!"), end: true }
}

/// What is sent to show that a wire keeps what it promises to keep: octets in chunks that it carries.
fn cargo(stream: &WireStream) -> Vec<Chunk> {
    let message = |len| Chunk::message(octets(len));
    match stream.profile().borders {
        Borders::None => vec![message(10_000)],
        Borders::Datagram(most) => vec![message(1), message(0), message(most), message(500)],
        Borders::Message => vec![message(1), message(0), message(10_000), message(33)],
        Borders::Stream => {
            let part = |stream, len, end| Chunk { stream, data: octets(len), end };
            let border = part(0, 0, true);
            vec![
                part(1, 5000, false),
                part(2, 0, true),
                part(3, 100, false),
                part(1, 5000, true),
                part(3, 1, true),
                border.clone(),
                part(1, 7, true),
                border,
            ]
        }
    }
}

/// Chunks put together as far as the wire's borders allow: by batch and stream, or in their order.
fn assembled(borders: Borders, chunks: Vec<Chunk>) -> Vec<(usize, u32, Vec<u8>)> {
    let mut whole: BTreeMap<(usize, u32), Vec<u8>> = BTreeMap::new();
    let mut group = 0;
    for chunk in chunks {
        if borders == Borders::Stream {
            if chunk.stream == 0 {
                group += 1;
            } else if chunk.stream != greeting().stream {
                whole.entry((group, chunk.stream)).or_default().extend(&chunk.data);
            }
            continue;
        }
        whole.entry((group, 0)).or_default().extend(&chunk.data);
        group += usize::from(chunk.end && borders != Borders::None);
    }
    whole.into_iter().map(|((group, stream), octets)| (group, stream, octets)).collect()
}

async fn all(stream: &WireStream) -> Result<Vec<Chunk>, WireError> {
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.recv().await? {
        chunks.push(chunk);
    }
    Ok(chunks)
}

async fn send_all(stream: &WireStream, chunks: &[Chunk]) {
    for chunk in chunks {
        stream.send(chunk.clone()).await.unwrap();
    }
}

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

/// What was written to a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn logger(&self) -> Option<WireLogger> {
        let lines = Arc::clone(&self.0);
        Some(WireLogger::new(move |line| lines.lock().unwrap().push(line.to_owned())))
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn both_sides_write_down_each_datagram_as_the_original_does() {
    for (kind, first_sent, first_received) in [
        (Kind::Faketcp, "SEND: (FLAGS=SYN ", "RECV: (FLAGS=SYN "),
        (Kind::Cs488, "SEND 42 0 0 SYN", "RECV 42 0 0 SYN"),
        (Kind::Sockettcp, "SEND: 1|||0|||0|||", "RECV: 1|||0|||0|||"),
        (Kind::Quiq, "SEND: SYN number=1 payload=20", "RECV: SYN number=1 payload=20"),
    ] {
        on_a_paused_clock(async {
            let (near, far) = pair();
            let [of_client, of_server] = [Lines::default(), Lines::default()];
            let options = [&of_client, &of_server]
                .map(|of| WireOptions { log: of.logger(), ..Default::default() });
            let (client, server) = met(&near, &far, kind, options).await;
            let (sent, received) = tokio::join!(client.close(), all(&server));
            assert_eq!(sent.unwrap().ended, Some(Reason::Normal));
            assert!(received.is_ok(), "{received:?}");
            let [of_client, of_server] = [of_client.taken(), of_server.taken()];
            assert!(of_client[0].starts_with(first_sent), "{of_client:?}");
            assert!(of_server[0].starts_with(first_received), "{of_server:?}");
            assert!(of_client.iter().any(|line| line.starts_with("RECV")), "{of_client:?}");
            assert!(of_server.iter().any(|line| line.starts_with("SEND")), "{of_server:?}");
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
fn careful_peers_know_each_other() {
    on_a_paused_clock(async {
        let (near, far) = pair();
        let (client, _server) = connected(&near, &far, Kind::Faketcp).await;
        let info = client.info().await.unwrap();
        assert_eq!((info.wire, info.mode, info.ended), ("faketcp", Some(Mode::Careful), None));
    });
}

#[test]
fn streams_and_listeners_cross_threads() {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<WireStream>();
    shared::<WireListener>();
    shared::<WireOptions>();
    shared::<WireError>();
}
