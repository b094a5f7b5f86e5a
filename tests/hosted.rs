//! Running stacks: bad wires on a paused clock, connections to oneself, shutting down.

use std::io::ErrorKind;
use std::time::Duration;

use actix_rt::System;
use netmart::net::{TcpListener, TcpStream};
use netmart::proto::netem;
use netmart::proto::tcp::CongestionControl;
use netmart::sim::WireConfig;
use netmart::stack::{Link, Stack, StackError, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs `body` on an actix arbiter whose clock stands still until nobody has anything to do.
fn on_a_paused_clock<F: Future>(body: F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(body)
}

fn stack(end: netmart::stack::WireEnd, address: &str) -> Stack {
    let link = Link::wire(end).address(address.parse().unwrap());
    Stack::builder().seed(3).link(link).start().unwrap()
}

fn pair(config: WireConfig) -> (Stack, Stack) {
    let (near, far) = wire(config, 3);
    (stack(near, "10.0.0.1/24"), stack(far, "10.0.0.2/24"))
}

fn octets(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at / 65_521 + seed) as u8).collect()
}

#[test]
fn both_directions_at_once_survive_a_bad_wire() {
    let config = WireConfig::new(netem::Config {
        delay: Duration::from_millis(20),
        loss: netem::Loss::Independent(0.02),
        duplication: 0.01,
        reordering: netem::Reordering { probability: 0.02, extra: Duration::from_millis(10) },
        ..Default::default()
    });
    on_a_paused_clock(async {
        let (client, server) = pair(config);
        let listener = TcpListener::bind(&server, "10.0.0.2:80").await.unwrap();
        let serving = actix_rt::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            exchange(stream, octets(1_000_000, 1)).await
        });
        let stream = TcpStream::connect(&client, "10.0.0.2:80").await.unwrap();
        let received = exchange(stream, octets(700_000, 2)).await;
        assert!(received == octets(1_000_000, 1));
        assert!(serving.await.unwrap() == octets(700_000, 2));
    });
}

#[test]
fn a_stream_tells_how_it_does_and_takes_another_congestion_controller() {
    let config = WireConfig::new(netem::Config {
        rate: Some(10_000_000),
        delay: Duration::from_millis(20),
        ..Default::default()
    });
    on_a_paused_clock(async {
        let (client, server) = pair(config);
        let listener = TcpListener::bind(&server, "10.0.0.2:80").await.unwrap();
        let serving = actix_rt::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            (stream.info().await.unwrap().counters.bytes_in, received.len())
        });
        let mut stream = TcpStream::connect(&client, "10.0.0.2:80").await.unwrap();
        assert_eq!(stream.info().await.unwrap().congestion, CongestionControl::Cubic);
        stream.set_congestion(CongestionControl::Bbr).unwrap();
        stream.write_all(&octets(2_000_000, 1)).await.unwrap();
        let info = stream.info().await.unwrap();
        assert_eq!(info.congestion, CongestionControl::Bbr);
        assert!(info.pacing_rate.is_some());
        let rate = info.delivery_rate.unwrap();
        assert!((1_000_000..1_250_000).contains(&rate), "{rate} octets per second of 1 250 000");
        assert!(info.limited_times.busy() > Duration::from_secs(1), "{:?}", info.limited_times);
        assert!(info.srtt.unwrap() >= Duration::from_millis(40));
        stream.shutdown().await.unwrap();
        assert_eq!(serving.await.unwrap(), (2_000_000, 2_000_000));
    });
}

/// Sends `octets` and receives to the end at the same time.
async fn exchange(stream: TcpStream, octets: Vec<u8>) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let mut received = Vec::new();
    let writing = async {
        write.write_all(&octets).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, result) = tokio::join!(writing, read.read_to_end(&mut received));
    result.unwrap();
    received
}

#[test]
fn a_stack_connects_to_itself_by_any_of_its_addresses() {
    on_a_paused_clock(async {
        let (stack, _other) = pair(WireConfig::default());
        for address in ["127.0.0.1:0", "[::1]:0", "10.0.0.1:0"] {
            let listener = TcpListener::bind(&stack, address).await.unwrap();
            let address = listener.local_addr().unwrap();
            let connecting = TcpStream::connect(&stack, address);
            let (client, server) = tokio::join!(connecting, listener.accept());
            let (client, (server, _)) = (client.unwrap(), server.unwrap());
            let both = tokio::join!(
                exchange(client, octets(100_000, 1)),
                exchange(server, octets(100_000, 2)),
            );
            assert!(both == (octets(100_000, 2), octets(100_000, 1)));
        }
    });
}

#[test]
fn a_listener_on_every_address_is_reached_by_all_of_them() {
    on_a_paused_clock(async {
        let (stack, other) = pair(WireConfig::default());
        let listener = TcpListener::bind(&stack, "0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (from, to) in [(&stack, "127.0.0.1"), (&stack, "10.0.0.1"), (&other, "10.0.0.1")] {
            let client = TcpStream::connect(from, (to, port)).await.unwrap();
            let (server, peer) = listener.accept().await.unwrap();
            assert_eq!(client.local_addr().unwrap(), peer);
            assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
        }
    });
}

#[test]
fn nobody_answers_so_connecting_times_out() {
    on_a_paused_clock(async {
        let (client, _server) = pair(WireConfig::default());
        let error = TcpStream::connect(&client, "10.0.0.77:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let error = TcpStream::connect(&client, "192.0.2.1:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
    });
}

#[test]
fn giving_up_a_connection_attempt_leaves_nothing_behind() {
    on_a_paused_clock(async {
        let (client, _server) = pair(WireConfig::default());
        let before = client.report().await.unwrap().footprint;
        let attempt = TcpStream::connect(&client, "10.0.0.77:80");
        assert!(tokio::time::timeout(Duration::from_secs(2), attempt).await.is_err());
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(client.report().await.unwrap().footprint, before);
    });
}

#[test]
fn shutting_down_ends_connections_in_order() {
    on_a_paused_clock(async {
        let (client, server) = pair(WireConfig::with_delay(Duration::from_millis(20)));
        let listener = TcpListener::bind(&server, "10.0.0.2:80").await.unwrap();
        let connecting = TcpStream::connect(&client, "10.0.0.2:80");
        let (here, there) = tokio::join!(connecting, listener.accept());
        let (mut here, (mut there, _)) = (here.unwrap(), there.unwrap());
        there.write_all(b"last words").await.unwrap();
        let reading = actix_rt::spawn(async move {
            let mut words = String::new();
            here.read_to_string(&mut words).await.unwrap();
            words
        });
        server.shutdown().await;
        assert_eq!(reading.await.unwrap(), "last words");
        assert_eq!(listener.accept().await.unwrap_err().kind(), ErrorKind::NetworkDown);
        assert!(there.write_all(b"late").await.is_err());
        assert_eq!(server.with(|_| ()).await, Err(StackError::Gone));
        let error = TcpStream::connect(&server, "10.0.0.1:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkDown);
        server.shutdown().await;
    });
}

#[test]
fn what_does_not_end_in_time_is_cut_off() {
    on_a_paused_clock(async {
        let (client, server) = pair(WireConfig::with_delay(Duration::from_millis(20)));
        let listener = TcpListener::bind(&server, "10.0.0.2:80").await.unwrap();
        let connecting = TcpStream::connect(&client, "10.0.0.2:80");
        let (here, there) = tokio::join!(connecting, listener.accept());
        let (mut here, (_there, _)) = (here.unwrap(), there.unwrap());
        let before = tokio::time::Instant::now();
        // The peer never ends its side.
        server.shutdown_within(Duration::from_secs(3)).await;
        assert!(before.elapsed() >= Duration::from_secs(3));
        assert!(before.elapsed() < Duration::from_secs(4));
        assert_eq!(here.read(&mut [0; 8]).await.unwrap(), 0, "first the FIN");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            here.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe,
            "then the RST"
        );
    });
}

#[test]
fn the_last_handle_takes_the_stack_along() {
    on_a_paused_clock(async {
        let (client, server) = pair(WireConfig::default());
        let listener = TcpListener::bind(&server, "10.0.0.2:80").await.unwrap();
        drop(server);
        // The listener is a handle as well.
        let connecting = TcpStream::connect(&client, "10.0.0.2:80");
        let (here, there) = tokio::join!(connecting, listener.accept());
        drop((listener, there));
        let mut here = here.unwrap();
        assert_eq!(here.read(&mut [0; 8]).await.unwrap(), 0);
        drop(here);
        tokio::time::sleep(Duration::from_secs(30)).await;
        let error = TcpStream::connect(&client, "10.0.0.2:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "nobody is there to say no");
    });
}

#[test]
fn a_stack_needs_an_arbiter_or_a_thread_of_its_own() {
    assert!(Stack::builder().start().is_err());
    let stack = Stack::builder().start_on_own_thread().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert!(stack.report().await.unwrap().footprint.actors >= 5);
        stack.shutdown().await;
    });
}

#[test]
fn a_capture_holds_what_a_link_has_carried() {
    use netmart::link::tap::Tap;
    use netmart::stack::Capture;
    use pcap_file::pcapng::{Block, PcapNgReader};

    let file = tempfile::NamedTempFile::new().unwrap();
    let capture = Capture::new(Tap::new(file.reopen().unwrap()).unwrap());
    let sent = on_a_paused_clock(async {
        let (near, far) = wire(WireConfig::default(), 3);
        let link = Link::wire(near).address("10.0.0.1/24".parse().unwrap());
        let link = link.tap(capture.interface("near"));
        let client = Stack::builder().seed(3).link(link).start().unwrap();
        let server = stack(far, "10.0.0.2/24");
        let refused = TcpStream::connect(&client, "10.0.0.2:80").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let links = client.report().await.unwrap().links;
        server.shutdown().await;
        links.values().map(|link| (link.sent.packets, link.received.packets)).collect::<Vec<_>>()
    });
    assert_eq!(sent, [(1, 1)], "a SYN and a RST");
    assert_eq!(capture.finish().unwrap().written, 2);
    let mut reader = PcapNgReader::new(file.reopen().unwrap()).unwrap();
    let mut packets = 0;
    while let Some(block) = reader.next_block() {
        packets += usize::from(matches!(block.unwrap(), Block::EnhancedPacket(_)));
    }
    assert_eq!(packets, 2);
}

#[test]
fn a_recorder_set_up_beforehand_misses_nothing() {
    use netmart::bus::{Detail, Kind, Record, Recorder};

    struct Births(std::sync::mpsc::Sender<Kind>);
    impl Recorder for Births {
        fn record(&mut self, record: &Record, _detail: &dyn Detail) {
            self.0.send(record.kind()).unwrap();
        }
    }

    let (births, recorded) = std::sync::mpsc::channel();
    System::new().block_on(async {
        let setup = |space: &mut netmart::bus::Dataspace| {
            space.set_recorder(Some(Box::new(Births(births))));
        };
        let stack = Stack::builder().setup(setup).start().unwrap();
        let actors = stack.with(|space| space.actors().len()).await.unwrap();
        let spawned = recorded.try_iter().filter(|kind| *kind == Kind::Spawn).count();
        assert_eq!(spawned, actors);
        stack.shutdown().await;
    });
}

#[test]
fn giving_up_a_dialling_claim_leaves_nothing_behind() {
    use actix::{Actor, Context, Handler};
    use netmart::claim::ConnectionNews;

    struct Deaf;
    impl Actor for Deaf {
        type Context = Context<Self>;
    }
    impl Handler<ConnectionNews> for Deaf {
        type Result = ();
        fn handle(&mut self, _news: ConnectionNews, _ctx: &mut Self::Context) {}
    }

    on_a_paused_clock(async {
        let (client, _server) = pair(WireConfig::default());
        let before = client.report().await.unwrap().footprint;
        let recipient = Deaf.start().recipient();
        let claim = client.dial("10.0.0.77:80".parse().unwrap(), recipient, 1000).unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(client.report().await.unwrap().footprint.actors > before.actors);
        drop(claim);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(client.report().await.unwrap().footprint, before);
    });
}

#[test]
fn sessions_that_keep_each_other_busy_do_not_keep_others_from_their_turn() {
    use netmart::bus::{Actor, Context, Delivery, Handler, Spawn, Topic};

    #[derive(Clone, Debug)]
    struct Again(());
    impl Topic for Again {
        type Key = ();
        const NAME: &'static str = "again";
        fn key(&self) -> &() {
            &self.0
        }
    }
    struct Restless;
    impl Actor for Restless {
        fn started(&mut self, ctx: &mut Context<'_, Self>) {
            ctx.send(Again(()));
        }
    }
    impl Handler<Again> for Restless {
        fn handle(&mut self, message: Delivery<'_, Again>, ctx: &mut Context<'_, Self>) {
            ctx.send(message.take());
        }
    }

    System::new().block_on(async {
        let stack = Stack::builder().start().unwrap();
        stack
            .with(|space| {
                space.spawn(Spawn::new("restless", Restless).subscribe::<Again>(()));
            })
            .await
            .unwrap();
        let listener = TcpListener::bind(&stack, "127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connecting = TcpStream::connect(&stack, address);
        let (client, server) = tokio::join!(connecting, listener.accept());
        drop((client.unwrap(), server.unwrap()));
        stack.shutdown_within(Duration::ZERO).await;
    });
}
