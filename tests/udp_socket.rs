//! UDP sockets behave like tokio's, over the stack's own IP and over sockets of the operating system: each
//! test body runs over all three.

#[path = "common/loopback.rs"]
mod loopback;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use actix_rt::System;
use loopback::own_address;
use netmart::sim::WireConfig;
use netmart::sockets::Sockets;
use netmart::stack::{Link, Stack, wire};

/// Makes sockets of one kind.
macro_rules! kind {
    ($net:ident, $socket:ty, |$stack:ident, $addr:ident| $bind:expr) => {
        mod $net {
            use super::*;

            pub(super) type Socket = $socket;

            pub(super) async fn bind($stack: &Stack, $addr: &str) -> io::Result<Socket> {
                let _ = $stack;
                $bind.await
            }
        }
    };
}

kind!(kernel, tokio::net::UdpSocket, |stack, addr| tokio::net::UdpSocket::bind(addr));
kind!(ours, netmart::net::UdpSocket, |stack, addr| netmart::net::UdpSocket::bind(stack, addr));

/// Runs a test body over tokio's sockets, then over ours, at a loopback address of its own.
macro_rules! all {
    ($(async fn $name:ident($stack:ident, $here:ident) $body:block)*) => {$(
        #[tokio::test]
        async fn $name() {
            let stack = Stack::builder().seed(1).start_on_own_thread().unwrap();
            let here = format!("{}:0", own_address());
            {
                use kernel::bind;
                let ($stack, $here) = (&stack, here.as_str());
                $body
            }
            {
                use ours::bind;
                let ($stack, $here) = (&stack, here.as_str());
                $body
            }
            {
                use ours::bind;
                let sockets = Stack::builder().seed(1).sockets(Sockets::new());
                let stack = sockets.start_on_own_thread().unwrap();
                let ($stack, $here) = (&stack, here.as_str());
                $body
            }
        }
    )*};
}

all! {
    async fn a_datagram_arrives_whole_with_its_sender(stack, here) {
        let (one, other) = (
            bind(stack, here).await.unwrap(),
            bind(stack, here).await.unwrap(),
        );
        let (from, to) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        assert_ne!(from.port(), 0);
        assert_eq!(one.send_to(b"first", to).await.unwrap(), 5);
        assert_eq!(one.send_to(b"", to).await.unwrap(), 0);
        let mut buf = [0; 16];
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (5, from));
        assert_eq!(&buf[..5], b"first");
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (0, from));
    }

    async fn what_does_not_fit_the_buffer_is_lost(stack, here) {
        let one = bind(stack, here).await.unwrap();
        let to = one.local_addr().unwrap();
        one.send_to(b"longer", to).await.unwrap();
        one.send_to(b"next", to).await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(one.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf, b"long");
        assert_eq!(one.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf, b"next");
    }

    async fn a_connected_socket_hears_its_peer_alone(stack, here) {
        let (one, peer, stranger) = (
            bind(stack, here).await.unwrap(),
            bind(stack, here).await.unwrap(),
            bind(stack, here).await.unwrap(),
        );
        assert_eq!(one.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        one.connect(peer.local_addr().unwrap()).await.unwrap();
        assert_eq!(one.peer_addr().unwrap(), peer.local_addr().unwrap());
        stranger.send_to(b"noise", one.local_addr().unwrap()).await.unwrap();
        one.send(b"ask").await.unwrap();
        let mut buf = [0; 16];
        let (len, from) = peer.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..len], from), (&b"ask"[..], one.local_addr().unwrap()));
        peer.send_to(b"answer", from).await.unwrap();
        let len = one.recv(&mut buf).await.unwrap();
        assert_eq!(&buf[..len], b"answer");
    }

    async fn a_connected_socket_is_told_that_nobody_is_there(stack, here) {
        let one = bind(stack, here).await.unwrap();
        let nobody = bind(stack, here).await.unwrap().local_addr().unwrap();
        one.connect(nobody).await.unwrap();
        let error = loop {
            // The end of the other socket may be a moment in coming, and so may the answer: whatever is
            // asked for next tells.
            let told = one.send(b"hello?").await.and_then(|_| one.try_recv(&mut [0; 16]));
            match told {
                Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::task::yield_now().await,
                told => break told.unwrap_err(),
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    async fn an_end_in_use_cannot_be_bound_again(stack, here) {
        let one = bind(stack, here).await.unwrap();
        let address = one.local_addr().unwrap().to_string();
        assert_eq!(bind(stack, &address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    async fn an_address_of_somebody_else_cannot_be_bound(stack, _here) {
        let error = bind(stack, "192.0.2.1:0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    }

    async fn what_is_peeked_at_is_still_there(stack, here) {
        let one = bind(stack, here).await.unwrap();
        let to = one.local_addr().unwrap();
        one.send_to(b"look", to).await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(one.peek_from(&mut buf).await.unwrap(), (4, to));
        one.readable().await.unwrap();
        assert_eq!(one.try_recv_from(&mut buf).unwrap(), (4, to));
        assert_eq!(one.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_socket_that_is_not_read_loses_datagrams_and_counts_them() {
    // All on one thread, so that nothing arrives while it is read out.
    System::new().block_on(async {
        let (near, far) = wire(WireConfig::default(), 1);
        let stack = |end, address: &str| {
            let link = Link::wire(end).address(address.parse().unwrap());
            Stack::builder().seed(1).link(link).start().unwrap()
        };
        let (sender, receiver) = (stack(near, "10.0.0.1/24"), stack(far, "10.0.0.2/24"));
        let to: SocketAddr = "10.0.0.2:7000".parse().unwrap();
        let inbox = netmart::net::UdpSocket::bind(&receiver, to).await.unwrap();
        let outbox = netmart::net::UdpSocket::bind(&sender, "0.0.0.0:0").await.unwrap();
        while inbox.lost() == 0 {
            outbox.send_to(&[0; 1000], to).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut kept = 0;
        while inbox.try_recv(&mut [0; 1000]).is_ok() {
            kept += 1;
        }
        assert!((200..=1024).contains(&kept), "{kept}");
    });
}
