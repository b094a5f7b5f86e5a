//! The face of `faketcp`.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use netmart::net::{UdpSocket, WireError, WireLogger, WireOptions};
use netmart::proto::wires::faketcp::{FaketcpPacket, Flags};
use netmart::proto::wires::{Codec, Phase, Reason};
use netmart::stack::Stack;
use netmart::wires::faketcp;

use crate::{at, hasty, with_a_stack};

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
fn states_are_the_originals() {
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
fn who_is_not_connected_is_told_so() {
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
fn who_is_connected_is_not_connected_again() {
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
fn datagrams_stay_apart_and_are_never_cut() {
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
fn a_peer_that_never_answers_is_given_up() {
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
fn a_wrong_checksum_is_raised_with_its_header_and_loses_nothing() {
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
fn probabilities_are_those_of_data_that_the_connecting_side_sends() {
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
fn a_socket_shows_itself_in_words() {
    with_a_stack(async |stack| {
        let (client, _server) = datagram_sockets(&stack).await;
        let text = client.text().await.unwrap();
        assert!(text.starts_with("SOCKET(STATE=ESTABLISHED, SND_NXT=1, SND_UNA=1, "), "{text}");
        assert_eq!(faketcp::Socket::new(&stack).text().await.unwrap(), "SOCKET(STATE=CLOSED)");
    });
}
