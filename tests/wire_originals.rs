//! The faces that follow the originals: their names, their errors, and what their calls give.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_rt::System;
use bytes::Bytes;
use netmart::net::{UdpSocket, WireError, WireLogger, WireOptions};
use netmart::proto::wires::faketcp::{FaketcpPacket, Flags};
use netmart::proto::wires::quiq::{PacketKind, QuiqPacket};
use netmart::proto::wires::{Codec, Config, Phase, Reason};
use netmart::stack::Stack;
use netmart::wires::{cs488, faketcp, quiq, sockettcp};

/// Runs `body` with a stack whose clock stands still until nobody has anything to do.
fn with_a_stack<F: Future>(body: impl FnOnce(Stack) -> F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime)
        .block_on(async { body(Stack::builder().seed(1).start().unwrap()).await })
}

const HOME: &str = "127.0.0.1";

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A configuration that loses patience soon.
fn hasty() -> WireOptions {
    let config = Config {
        connect_tries: 3,
        data_tries: 3,
        patience: Duration::from_secs(5),
        ..Config::default()
    };
    WireOptions { config, ..WireOptions::default() }
}

// ------------------------------------------------------------------------------------------------------- faketcp

/// A connection: client and server.
async fn datagram_sockets(stack: &Stack) -> (faketcp::Socket, faketcp::Socket) {
    let mut server = faketcp::Socket::new(stack);
    server.bind(at(50007)).await.unwrap();
    let mut client = faketcp::Socket::new(stack);
    // The listener is there before anybody connects.
    server.listen().await.unwrap();
    let (accepted, connected) = tokio::join!(server.accept(), client.connect(at(50007)));
    connected.unwrap();
    let (accepted, peer) = accepted.unwrap();
    assert_eq!(peer.port(), client.local_addr().unwrap().port());
    (client, accepted)
}

#[test]
fn faketcp_states_are_the_originals() {
    with_a_stack(async |stack| {
        let mut server = faketcp::Socket::new(&stack);
        assert_eq!(server.state().to_string(), "CLOSED");
        server.bind(at(50007)).await.unwrap();
        server.listen().await.unwrap();
        assert_eq!((server.state().to_string(), server.state() as u8), ("LISTEN".to_owned(), 1));
        let mut client = faketcp::Socket::new(&stack);
        let (accepted, connected) = tokio::join!(server.accept(), client.connect(at(50007)));
        connected.unwrap();
        assert_eq!(client.state(), faketcp::State::Established);
        assert_eq!(accepted.unwrap().0.state() as u8, 4);
        assert_eq!(server.state(), faketcp::State::Listen, "it accepts the next one");
    });
}

#[test]
fn faketcp_who_is_not_connected_is_told_so() {
    with_a_stack(async |stack| {
        let mut socket = faketcp::Socket::new(&stack);
        assert!(matches!(socket.send("x").await, Err(faketcp::Error::NotConnected)));
        assert!(matches!(socket.recv().await, Err(faketcp::Error::NotConnected)));
        assert!(matches!(socket.sync(true).await, Err(faketcp::Error::NotConnected)));
        assert_eq!(faketcp::Error::NotConnected.to_string(), "not connected");
        socket.close().await.unwrap();

        let (mut client, mut server) = datagram_sockets(&stack).await;
        client.send("last").await.unwrap();
        let (closed, received) = tokio::join!(client.close(), server.recv());
        closed.unwrap();
        assert_eq!(received.unwrap(), "last");
        assert!(matches!(server.recv().await, Err(faketcp::Error::NotConnected)));
        assert!(matches!(server.sync(true).await, Err(faketcp::Error::NotConnected)));
        assert!(matches!(server.send("late").await, Err(faketcp::Error::NotConnected)));
        assert!(matches!(client.recv().await, Err(faketcp::Error::NotConnected)));
        assert_eq!(client.state(), faketcp::State::Closed);
    });
}

#[test]
fn faketcp_who_is_connected_is_not_connected_again() {
    with_a_stack(async |stack| {
        let (mut client, mut server) = datagram_sockets(&stack).await;
        for socket in [&mut client, &mut server] {
            use faketcp::Error::AlreadyConnected;
            assert!(matches!(socket.bind(at(1)).await, Err(AlreadyConnected)));
            assert!(matches!(socket.connect(at(1)).await, Err(AlreadyConnected)));
            assert!(matches!(socket.listen().await, Err(AlreadyConnected)));
            assert!(matches!(socket.accept().await, Err(AlreadyConnected)));
            assert_eq!(socket.sync(false).await.ok(), Some(()), "and still is connected");
        }
    });
}

#[test]
fn faketcp_datagrams_stay_apart_and_are_never_cut() {
    with_a_stack(async |stack| {
        let (client, mut server) = datagram_sockets(&stack).await;
        let long = vec![7; 4080];
        for datagram in [&b"one"[..], b"", &long, b"four"] {
            client.send(datagram).await.unwrap();
        }
        let too_long = client.send(vec![7; 4081]).await.unwrap_err();
        assert!(matches!(too_long, faketcp::Error::TooLong(4081)));
        for datagram in [&b"one"[..], b"", &long, b"four"] {
            assert_eq!(server.recv().await.unwrap(), datagram);
        }
        server.send("back").await.unwrap();
        let mut client = client;
        client.sync(true).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), "back");
    });
}

#[test]
fn faketcp_a_peer_that_never_answers_is_given_up() {
    with_a_stack(async |stack| {
        let mut socket = faketcp::Socket::with_options(&stack, hasty());
        // Somebody has the port, and says nothing.
        let _deaf = UdpSocket::bind(&stack, at(50007)).await.unwrap();
        let failure = socket.connect(at(50007)).await.unwrap_err();
        let phase = Phase::Handshake;
        let reason = Reason::TimedOut { phase, tries: 3 };
        assert!(
            matches!(&failure, faketcp::Error::Failed(WireError::Refused(r)) if *r == reason),
            "{failure:?}"
        );
        assert_eq!(failure.to_string(), "no answer to the handshake after 3 tries");
        assert_eq!(socket.state(), faketcp::State::Closed);
    });
}

#[test]
fn faketcp_a_wrong_checksum_is_raised_with_its_header_and_loses_nothing() {
    with_a_stack(async |stack| {
        let (client, mut server) = datagram_sockets(&stack).await;
        let forger = UdpSocket::bind(&stack, at(0)).await.unwrap();
        let flags = Flags::ACK.with(Flags::DATA);
        let payload = Bytes::from_static(b"forged");
        let packet = FaketcpPacket { seq: 1542, ack: 50_256, win: 16, flags, payload };
        let mut forged = packet.to_bytes().to_vec();
        forged[15] ^= 0x40;
        let header: [u8; 16] = *forged.first_chunk().unwrap();
        let port = server.local_addr().unwrap().port();
        let (raised, sent) = tokio::join!(server.recv(), forger.send_to(&forged, at(port)));
        sent.unwrap();
        let raised = raised.unwrap_err();
        assert!(matches!(raised, faketcp::Error::ChecksumError(h) if h == header), "{raised:?}");
        let hex: String = header.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(raised.to_string(), format!("checksum error in header {hex}"));
        client.send("true").await.unwrap();
        assert_eq!(server.recv().await.unwrap(), "true");
    });
}

#[test]
fn faketcp_probabilities_are_those_of_data_that_the_connecting_side_sends() {
    with_a_stack(async |stack| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let log = WireLogger::new(move |line| written.lock().unwrap().push(line.to_owned()));
        let mut server = faketcp::Socket::new(&stack);
        server.bind(at(50007)).await.unwrap();
        server.listen().await.unwrap();
        let options = WireOptions { log: Some(log), ..WireOptions::default() };
        let mut client = faketcp::Socket::with_options(&stack, options);
        client.set_probabilities(0.2, 0.2, 0.2);
        let (accepted, connected) = tokio::join!(server.accept(), client.connect(at(50007)));
        connected.unwrap();
        let mut accepted = accepted.unwrap().0;
        for number in 0..100_u8 {
            client.send([number]).await.unwrap();
        }
        for number in 0..100_u8 {
            assert_eq!(accepted.recv().await.unwrap(), [number][..]);
        }
        client.close().await.unwrap();
        let lines = lines.lock().unwrap();
        for action in ["SEND (LOST)", "SEND (DUP)", "SEND (DELAYED)"] {
            let done: Vec<_> = lines.iter().filter(|line| line.starts_with(action)).collect();
            assert!(!done.is_empty(), "nothing was {action}");
            assert!(done.iter().all(|line| line.contains("FLAGS=ACK|DATA ")), "{done:?}");
        }
    });
}

#[test]
fn faketcp_a_socket_shows_itself_in_words() {
    with_a_stack(async |stack| {
        let (client, _server) = datagram_sockets(&stack).await;
        let text = client.text().await.unwrap();
        assert!(text.starts_with("SOCKET(STATE=ESTABLISHED, SND_NXT=1, SND_UNA=1, "), "{text}");
        assert_eq!(faketcp::Socket::new(&stack).text().await.unwrap(), "SOCKET(STATE=CLOSED)");
    });
}

// --------------------------------------------------------------------------------------------------------- cs488

#[test]
fn cs488_any_octets_pass_between_client_and_server() {
    with_a_stack(async |stack| {
        let files: [Vec<u8>; 5] = [
            Vec::new(),
            b"x".to_vec(),
            vec![0; 1025],
            (0..100_000).map(|at| (at / 7) as u8).collect(),
            "K\u{e4}se|||\0\0".into(),
        ];
        let mut server = cs488::Server::bind(&stack, at(8000)).await.unwrap();
        for file in files {
            let mut client = cs488::Client::new(&stack, HOME, 8000);
            let mut copy = Vec::new();
            let (sent, received) = tokio::join!(client.send(&file[..]), server.receive(&mut copy));
            assert_eq!(copy, file);
            let (sent, received) = (sent.unwrap(), received.unwrap());
            assert_eq!((sent.bytes, received.bytes), (file.len() as u64, file.len() as u64));
            assert_eq!((client.exit_status(), server.exit_status()), (0, 0));
        }
    });
}

#[test]
fn cs488_counters_have_the_originals_units() {
    let elapsed = Duration::from_millis(2500);
    let counters = cs488::Counters { elapsed, bytes: 1_000_000 };
    assert_eq!(counters.rate(), Some(3200.0));
    assert_eq!(counters.to_string(), "2.500 s, 1000000 bytes, 3200.00 kbit/s");
    assert_eq!(cs488::Counters::default().to_string(), "0.000 s, 0 bytes");
}

#[test]
fn cs488_an_input_that_breaks_off_is_not_taken_for_a_file() {
    with_a_stack(async |stack| {
        let mut server = cs488::Server::bind_with(&stack, at(8000), hasty()).await.unwrap();
        let client = cs488::Client::new(&stack, HOME, 8000);
        // More than waits to be sent at a time, so that some of it has arrived when it breaks off.
        let mut options = hasty();
        options.config.send_limit = 1024;
        let mut client = client.with_options(options);
        let broken = BrokenOff(4);
        let mut copy = Vec::new();
        let (sent, received) = tokio::join!(client.send(broken), server.receive(&mut copy));
        assert!(matches!(sent, Err(cs488::Error::Input(_))), "{sent:?}");
        let vanished = WireError::Closed(Reason::Vanished);
        assert!(
            matches!(&received, Err(cs488::Error::Wire(error)) if *error == vanished),
            "{received:?}"
        );
        assert_eq!((client.exit_status(), server.exit_status()), (1, 1));
    });
}

/// Gives so many portions, then an error.
struct BrokenOff(u32);

impl tokio::io::AsyncRead for BrokenOff {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let portion = [b'x'; 4096];
        let Some(left) = self.0.checked_sub(1) else {
            return std::task::Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        };
        self.0 = left;
        buf.put_slice(&portion[..portion.len().min(buf.remaining())]);
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn cs488_nobody_there_gives_status_1() {
    with_a_stack(async |stack| {
        let mut client = cs488::Client::new(&stack, HOME, 8000).with_options(hasty());
        let failure = client.send(&b"file"[..]).await.unwrap_err();
        assert!(matches!(failure, cs488::Error::Wire(WireError::Refused(_))), "{failure:?}");
        assert_eq!(client.exit_status(), 1);
    });
}

// ----------------------------------------------------------------------------------------------------- sockettcp

async fn message_sockets(stack: &Stack) -> (sockettcp::SocketTCP, sockettcp::SocketTCP) {
    let mut server = sockettcp::SocketTCP::new(stack);
    server.bind(at(8000)).await.unwrap();
    let mut client = sockettcp::SocketTCP::new(stack);
    let (accepted, connected) = tokio::join!(server.accept(), client.connect(at(8000)));
    connected.unwrap();
    let (accepted, new_address) = accepted.unwrap();
    assert_eq!(accepted.local_addr(), Some(new_address));
    assert_ne!(new_address.port(), 8000);
    (client, accepted)
}

#[test]
fn sockettcp_recv_gives_a_message_in_portions() {
    with_a_stack(async |stack| {
        let (client, mut server) = message_sockets(&stack).await;
        // n, n for a message of 2n, where n is no multiple of 16; then sizes that do not divide it.
        let message: Vec<u8> = (0..46).collect();
        client.send(&message).await.unwrap();
        assert_eq!(server.recv(23).await.unwrap().unwrap(), &message[..23]);
        assert_eq!(server.recv(23).await.unwrap().unwrap(), &message[23..]);
        client.send(&message).await.unwrap();
        client.send("").await.unwrap();
        client.send("the next").await.unwrap();
        let mut portions = Vec::new();
        for _ in 0..5 {
            portions.push(server.recv(20).await.unwrap().unwrap().len());
        }
        assert_eq!(portions, [20, 20, 6, 0, 8], "no portion has octets of two messages");
        client.send("16 octets, whole").await.unwrap();
        assert_eq!(server.recv(1000).await.unwrap().unwrap(), "16 octets, whole");
    });
}

#[test]
fn sockettcp_messages_go_both_ways_and_each_side_closes() {
    with_a_stack(async |stack| {
        let (mut client, mut server) = message_sockets(&stack).await;
        client.send("question|||with bars").await.unwrap();
        assert_eq!(server.recv(100).await.unwrap().unwrap(), "question|||with bars");
        server.send("answer").await.unwrap();
        assert_eq!(client.recv(100).await.unwrap().unwrap(), "answer");
        let (one, other) = tokio::join!(server.close(), client.recv_close());
        assert_eq!(one.unwrap().ended, Some(Reason::Normal));
        assert_eq!(other.unwrap().ended, Some(Reason::Normal));
        assert!(matches!(client.send("late").await, Err(sockettcp::Error::NotConnected)));
        assert!(matches!(client.recv(1).await, Err(sockettcp::Error::NotConnected)));
        assert!(matches!(server.close().await, Err(sockettcp::Error::NotConnected)));
    });
}

#[test]
fn sockettcp_the_end_is_heard_after_the_last_message() {
    with_a_stack(async |stack| {
        let (mut client, mut server) = message_sockets(&stack).await;
        client.send("last").await.unwrap();
        let (closed, first) = tokio::join!(client.close(), server.recv(100));
        closed.unwrap();
        assert_eq!(first.unwrap().unwrap(), "last");
        assert_eq!(server.recv(100).await.unwrap(), None);
        assert_eq!(server.recv_close().await.unwrap().ended, Some(Reason::Normal));
    });
}

#[test]
fn sockettcp_calls_out_of_order_are_refused() {
    with_a_stack(async |stack| {
        let mut socket = sockettcp::SocketTCP::new(&stack);
        assert!(matches!(socket.accept().await, Err(sockettcp::Error::NotBound)));
        assert!(matches!(socket.send("x").await, Err(sockettcp::Error::NotConnected)));
        assert!(matches!(socket.recv_close().await, Err(sockettcp::Error::NotConnected)));
        let (mut client, _server) = message_sockets(&stack).await;
        assert!(matches!(client.connect(at(8000)).await, Err(sockettcp::Error::Connected)));
        assert!(matches!(client.bind(at(8001)).await, Err(sockettcp::Error::Connected)));
    });
}

#[test]
fn sockettcp_segments_become_structures_and_back() {
    use sockettcp::SocketTCP;
    let segment = SocketTCP::parse_segment(&b"0|||0|||0|||98|||Mensaje|||prueba"[..]).unwrap();
    assert_eq!((segment.seq, &segment.data[..]), (98, &b"Mensaje|||prueba"[..]));
    assert_eq!(SocketTCP::create_segment(&segment), "0|||0|||0|||98|||Mensaje|||prueba");
    assert!(SocketTCP::parse_segment(&b"0|||0|||98|||x"[..]).is_err());
}

#[test]
fn sockettcp_debug_mode_shows_each_segment() {
    with_a_stack(async |stack| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut server = sockettcp::SocketTCP::new(&stack);
        server.bind(at(8000)).await.unwrap();
        let mut client = sockettcp::SocketTCP::new(&stack);
        let shown = Arc::clone(&lines);
        client.debug_mode(move |line| shown.lock().unwrap().push(line.to_owned()));
        let (accepted, connected) = tokio::join!(server.accept(), client.connect(at(8000)));
        connected.unwrap();
        client.send("hello").await.unwrap();
        let mut accepted = accepted.unwrap().0;
        let (closed, heard) = tokio::join!(client.close(), accepted.recv_close());
        closed.unwrap();
        heard.unwrap();
        let lines = lines.lock().unwrap();
        let data = lines.iter().find(|line| line.ends_with("|||hello"));
        assert!(data.is_some_and(|line| line.starts_with("SEND: 0|||0|||0|||")), "{lines:?}");
    });
}

// ---------------------------------------------------------------------------------------------------------- quiq

#[test]
fn quiq_batches_of_files_arrive_in_their_order() {
    with_a_stack(async |stack| {
        let (mut sender, mut receiver) = (quiq::Socket::new(&stack), quiq::Socket::new(&stack));
        let big: Bytes = (0..100_000).map(|at| (at / 3) as u8).collect();
        let first = vec![big.clone(), Bytes::new(), Bytes::from_static(b"\0\0"), big];
        let second = vec![Bytes::from_static(b"second batch")];
        let sending = async {
            // Whoever comes before there is a listener is not turned away at once.
            sender.connect_to(HOME, 4269).await.unwrap();
            sender.send_files(first.clone()).await.unwrap();
            sender.send_files(second.clone()).await.unwrap();
            sender.close().await.unwrap();
        };
        let receiving = async {
            receiver.listen(HOME, 4269).await.unwrap();
            assert_eq!(receiver.receive().await.unwrap(), Some(first.clone()));
            let counted = receiver.statistics().await.unwrap();
            assert_eq!(receiver.receive().await.unwrap(), Some(second.clone()));
            assert_eq!(receiver.receive().await.unwrap(), None);
            counted
        };
        let ((), counted) = tokio::join!(sending, receiving);
        assert_eq!(counted.kind().name(), "quiq");
        let text = sender.display_statistics().await.unwrap();
        assert!(text.contains("number of streams: 1\n"), "{text}");
        assert!(text.contains("payload size: 12\n"), "{text}");
        assert!(matches!(sender.close().await, Err(quiq::Error::NotConnected)));
    });
}

#[test]
fn quiq_statistics_add_up() {
    with_a_stack(async |stack| {
        let (mut sender, mut receiver) = (quiq::Socket::new(&stack), quiq::Socket::new(&stack));
        sender.set_frame_size(1702).unwrap();
        let file = Bytes::from(vec![b'x'; 1_048_575]);
        let sending = async {
            sender.connect_to(HOME, 4269).await.unwrap();
            sender.send_files([file.clone()]).await.unwrap();
            sender.close().await.unwrap();
        };
        let receiving = async {
            receiver.listen(HOME, 4269).await.unwrap();
            assert_eq!(receiver.receive().await.unwrap().unwrap(), std::slice::from_ref(&file));
            assert_eq!(receiver.receive().await.unwrap(), None);
            receiver.statistics().await.unwrap()
        };
        let ((), counted) = tokio::join!(sending, receiving);
        let stream = &counted.info().streams[0];
        assert_eq!(stream.octets, 1_048_575);
        assert_eq!(stream.wire_octets, stream.octets + 16 * stream.frames + 13 * stream.packets);
        assert_eq!(stream.frames, 1_048_575_u64.div_ceil(1702 - 16));
    });
}

#[test]
fn quiq_errors_are_the_originals() {
    with_a_stack(async |stack| {
        let mut socket = quiq::Socket::with_options(&stack, hasty());
        for size in [0, 16, 14_988] {
            let refused = socket.set_frame_size(size).unwrap_err();
            assert!(matches!(refused, quiq::Error::ValueError(s) if s == size), "{refused:?}");
        }
        socket.set_frame_size(14_987).unwrap();
        assert!(matches!(socket.send_files(["x"]).await, Err(quiq::Error::NotConnected)));
        assert!(matches!(socket.receive().await, Err(quiq::Error::NotConnected)));
        assert!(matches!(socket.display_statistics().await, Err(quiq::Error::NotConnected)));
        let failure = socket.connect_to(HOME, 4269).await.unwrap_err();
        assert!(matches!(failure, quiq::Error::ConnectionError(_)), "{failure:?}");
        assert!(failure.to_string().starts_with("connection error: "), "{failure}");

        // An answer that is none.
        let liar = UdpSocket::bind(&stack, at(4269)).await.unwrap();
        let lying = async {
            let mut syn = [0; 64];
            let (_, from) = liar.recv_from(&mut syn).await.unwrap();
            let mut answer = QuiqPacket::bare(PacketKind::Accept, 1);
            answer.frames = vec![netmart::proto::wires::quiq::Frame {
                stream: 9,
                offset: 9,
                data: Bytes::from_static(b"?"),
            }];
            liar.send_to(&answer.to_bytes(), from).await.unwrap();
        };
        let (failure, ()) = tokio::join!(socket.connect_to(HOME, 4269), lying);
        let failure = failure.unwrap_err();
        assert!(
            matches!(
                &failure,
                quiq::Error::ConnectionError(WireError::Refused(Reason::Protocol(_)))
            ),
            "{failure:?}"
        );
    });
}
