//! Our sockets behave like tokio's: each test body runs over both.

mod kinds;
#[path = "../common/loopback.rs"]
mod loopback;

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use kinds::{Kernel, Listener, Net, Netmart, Stream};
use netmart::sim::WireConfig;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Runs a test body over tokio's sockets, then over ours.
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($net:ident: &$net_type:ident) $body:block)*) => {
        $(
            $(#[$meta])*
            #[tokio::test]
            async fn $name() {
                async fn body<$net_type: Net>($net: &$net_type) $body
                body(&Kernel::new()).await;
                body(&Netmart::start(WireConfig::default())).await;
            }
        )*
    };
}

fn any_port<N: Net>(net: &N) -> SocketAddr {
    SocketAddr::new(net.server().parse().unwrap(), 0)
}

/// A connection: the client's end and the server's.
async fn pair<N: Net>(net: &N) -> (N::Stream, N::Stream) {
    let listener = net.bind(any_port(net)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(net.connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at / 65_521) as u8).collect()
}

/// Polls `future` once; it must not be done.
async fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending(), "it should have to wait");
        Poll::Ready(())
    })
    .await;
}

both! {
    async fn a_million_octets_each_way_arrive_as_they_were(net: &N) {
        let (mut client, mut server) = pair(net).await;
        let sent = octets(1_000_000);
        let echo = tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(&mut server);
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            server.shutdown().await.unwrap();
        });
        let (mut read, mut write) = tokio::io::split(&mut client);
        let mut received = Vec::new();
        let writing = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let (_, result) = tokio::join!(writing, read.read_to_end(&mut received));
        result.unwrap();
        echo.await.unwrap();
        assert!(received == sent);
    }

    async fn both_ends_agree_on_their_addresses(net: &N) {
        let (client, server) = pair(net).await;
        assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    }

    async fn a_shut_down_half_leaves_the_other_open(net: &N) {
        let (mut client, mut server) = pair(net).await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "the end stays");
    }

    async fn writing_after_shutdown_is_a_broken_pipe(net: &N) {
        let (mut client, _server) = pair(net).await;
        client.shutdown().await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    async fn dropping_the_owned_half_that_writes_ends_what_the_peer_reads(net: &N) {
        let (client, mut server) = pair(net).await;
        let (mut read, mut write) = client.into_split();
        write.write_all(b"all").await.unwrap();
        drop(write);
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "all");
        server.write_all(b"more").await.unwrap();
        drop(server);
        let mut more = String::new();
        read.read_to_string(&mut more).await.unwrap();
        assert_eq!(more, "more");
    }

    async fn halves_of_one_stream_can_be_reunited_and_others_cannot(net: &N) {
        let (client, server) = pair(net).await;
        let ((read, write), (other, another)) = (client.into_split(), server.into_split());
        let mut client = N::Stream::reunite(read, write).unwrap();
        client.write_all(b"whole").await.unwrap();
        let (read, write) = client.into_split();
        assert!(N::Stream::reunite(read, another).is_none());
        drop((write, other));
    }

    async fn nobody_listens_so_the_connection_is_refused(net: &N) {
        let listener = net.bind(any_port(net)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = net.connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    async fn a_port_in_use_cannot_be_bound_again(net: &N) {
        let listener = net.bind(any_port(net)).await.unwrap();
        let error = net.bind(listener.local_addr().unwrap()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    async fn a_port_can_be_bound_again_after_its_listener_is_gone(net: &N) {
        let listener = net.bind(any_port(net)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(net.connect(address), listener.accept());
        drop(listener);
        let again = net.bind(address).await.unwrap();
        assert_eq!(again.local_addr().unwrap(), address);
        drop((client.unwrap(), server.unwrap()));
    }

    async fn an_address_of_somebody_else_cannot_be_bound(net: &N) {
        let error = net.bind("192.0.2.1:0".parse().unwrap()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    }

    async fn leaving_with_something_unread_resets_the_peer(net: &N) {
        let (mut client, server) = pair(net).await;
        client.write_all(b"unread").await.unwrap();
        server.readable().await.unwrap();
        drop(server);
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "it is told once");
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    async fn zero_linger_resets_the_peer(net: &N) {
        let (mut client, mut server) = pair(net).await;
        client.set_zero_linger().unwrap();
        drop(client);
        let error = server.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    async fn writing_to_a_peer_that_has_gone_fails_in_the_end(net: &N) {
        let (mut client, server) = pair(net).await;
        drop(server);
        let error = loop {
            if let Err(error) = client.write_all(&[0; 1024]).await {
                break error;
            }
            // Gives the RST its chance; a write that is not answered yet is no failure.
            tokio::task::yield_now().await;
        };
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    }

    async fn what_is_peeked_at_is_still_there(net: &N) {
        let (mut client, mut server) = pair(net).await;
        client.write_all(b"look").await.unwrap();
        let mut seen = [0; 4];
        while server.peek(&mut seen).await.unwrap() < 4 {}
        assert_eq!(&seen, b"look");
        let mut read = [0; 4];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"look");
    }

    async fn trying_to_read_what_is_not_there_would_block(net: &N) {
        let (mut client, server) = pair(net).await;
        assert_eq!(server.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"now").await.unwrap();
        let mut buf = [0; 8];
        let len = loop {
            server.readable().await.unwrap();
            match server.try_read(&mut buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => break done.unwrap(),
            }
        };
        assert_eq!(&buf[..len], b"now");
    }

    async fn a_peer_that_does_not_read_holds_the_writer_back_and_nothing_is_lost(net: &N) {
        let (client, mut server) = pair(net).await;
        let chunk = octets(64 * 1024);
        let mut sent = Vec::new();
        client.writable().await.unwrap();
        // Full means full: still full after the stack has had every chance to take more.
        let mut refusals = 0;
        while refusals < 1000 {
            match client.try_write(&chunk) {
                Ok(len) => {
                    sent.extend_from_slice(&chunk[..len]);
                    refusals = 0;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    refusals += 1;
                    tokio::task::yield_now().await;
                }
            }
            assert!(sent.len() < 64 << 20, "nothing holds the writer back");
        }
        drop(client);
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert!(received == sent);
    }

    async fn a_dropped_accept_loses_no_connection(net: &N) {
        let listener = net.bind(any_port(net)).await.unwrap();
        poll_once(listener.accept()).await;
        let address = listener.local_addr().unwrap();
        let client = net.connect(address).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    async fn a_connection_is_there_before_it_is_accepted(net: &N) {
        let listener = net.bind(any_port(net)).await.unwrap();
        let mut client = net.connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(b"early").await.unwrap();
        drop(client);
        let (mut server, _) = listener.accept().await.unwrap();
        let mut early = String::new();
        server.read_to_string(&mut early).await.unwrap();
        assert_eq!(early, "early");
    }

    async fn connections_nobody_accepted_are_reset_with_their_listener(net: &N) {
        let listener = net.bind(any_port(net)).await.unwrap();
        let mut client = net.connect(listener.local_addr().unwrap()).await.unwrap();
        drop(listener);
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    async fn several_pieces_are_written_as_one(net: &N) {
        let (mut client, mut server) = pair(net).await;
        assert!(client.is_write_vectored());
        let pieces = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
        assert_eq!(client.write_vectored(&pieces).await.unwrap(), 3);
        drop(client);
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "abc");
    }

    async fn nodelay_is_off_until_it_is_set(net: &N) {
        let (client, _server) = pair(net).await;
        assert!(!client.nodelay().unwrap());
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
    }

    async fn a_hundred_connections_at_once(net: &N) {
        let listener = Arc::new(net.bind(any_port(net)).await.unwrap());
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..100_u8)
            .map(|number| {
                let connecting = net.connect(address);
                tokio::spawn(async move {
                    let mut stream = connecting.await.unwrap();
                    stream.write_all(&[number; 1000]).await.unwrap();
                    stream.shutdown().await.unwrap();
                    let mut back = Vec::new();
                    stream.read_to_end(&mut back).await.unwrap();
                    assert!(back == [number; 1000]);
                })
            })
            .collect();
        for _ in 0..100 {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
            });
        }
        for client in clients {
            client.await.unwrap();
        }
    }
}

/// The compiler checks these: what holds of tokio's types holds of ours.
#[test]
fn the_types_can_be_sent_shared_and_moved_like_tokios() {
    fn everywhere<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    everywhere::<tokio::net::TcpStream>();
    everywhere::<netmart::net::TcpStream>();
    everywhere::<tokio::net::TcpListener>();
    everywhere::<netmart::net::TcpListener>();
    everywhere::<tokio::net::UdpSocket>();
    everywhere::<netmart::net::UdpSocket>();
    everywhere::<tokio::net::tcp::OwnedReadHalf>();
    everywhere::<netmart::net::OwnedReadHalf>();
    everywhere::<tokio::net::tcp::OwnedWriteHalf>();
    everywhere::<netmart::net::OwnedWriteHalf>();
    everywhere::<netmart::stack::Stack>();

    fn sendable<T: Send>(_future: T) {}
    async fn futures(stack: netmart::stack::Stack) -> std::io::Result<()> {
        let listener = netmart::net::TcpListener::bind(&stack, "127.0.0.1:0").await?;
        let mut stream = netmart::net::TcpStream::connect(&stack, listener.local_addr()?).await?;
        let (_accepted, _peer) = listener.accept().await?;
        stream.ready(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE).await?;
        let (mut read, _write) = stream.split();
        read.peek(&mut [0; 1]).await?;
        let socket = netmart::net::UdpSocket::bind(&stack, "127.0.0.1:0").await?;
        socket.connect(socket.local_addr()?).await?;
        socket.send(b"x").await?;
        socket.recv(&mut [0; 1]).await?;
        stack.shutdown().await;
        Ok(())
    }
    sendable(async {
        let stack = netmart::stack::Stack::builder().start_on_own_thread().unwrap();
        futures(stack).await
    });
}
