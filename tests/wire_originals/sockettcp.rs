//! The face of `sockettcp`.

use std::sync::{Arc, Mutex};

use netmart::proto::wires::Reason;
use netmart::stack::Stack;
use netmart::wires::sockettcp;

use crate::{at, with_a_stack};

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
fn recv_gives_a_message_in_portions() {
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
fn messages_go_both_ways_and_each_side_closes() {
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
fn the_end_is_heard_after_the_last_message() {
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
fn calls_out_of_order_are_refused() {
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
fn segments_become_structures_and_back() {
    use sockettcp::SocketTCP;
    let segment = SocketTCP::parse_segment(&b"0|||0|||0|||98|||Mensaje|||prueba"[..]).unwrap();
    assert_eq!((segment.seq, &segment.data[..]), (98, &b"Mensaje|||prueba"[..]));
    assert_eq!(SocketTCP::create_segment(&segment), "0|||0|||0|||98|||Mensaje|||prueba");
    assert!(SocketTCP::parse_segment(&b"0|||0|||98|||x"[..]).is_err());
}

#[test]
fn debug_mode_shows_each_segment() {
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
