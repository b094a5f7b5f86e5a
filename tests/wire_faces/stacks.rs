//! Two stacks whose clock stands still, and connections between them.

use std::net::SocketAddr;
use std::time::Duration;

use actix_rt::System;
use bytes::Bytes;
use netmart::net::{WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Borders, Chunk, Kind};
use netmart::sim::WireConfig;
use netmart::stack::{Link, Stack, wire};

/// Runs `body` on an actix arbiter whose clock stands still until nobody has anything to do.
pub(crate) fn on_a_paused_clock<F: Future>(body: F) -> F::Output {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(body)
}

/// Two stacks, a millisecond apart.
pub(crate) fn pair() -> (Stack, Stack) {
    let (near, far) = wire(WireConfig::with_delay(Duration::from_millis(1)), 3);
    let stack = |end, address: &str| {
        let link = Link::wire(end).address(address.parse().unwrap());
        Stack::builder().seed(3).link(link).start().unwrap()
    };
    (stack(near, "10.0.0.1/24"), stack(far, "10.0.0.2/24"))
}

pub(crate) fn at(port: u16) -> SocketAddr {
    ([10, 0, 0, 2], port).into()
}

/// The two ends of a connection from `near` to `far`; the first is that of the client.
pub(crate) async fn connected(near: &Stack, far: &Stack, kind: Kind) -> (WireStream, WireStream) {
    met(near, far, kind, [WireOptions::default(), WireOptions::default()]).await
}

/// The same with options for the client and for the listener.
pub(crate) async fn met(
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
pub(crate) async fn greet(client: &WireStream) {
    if client.profile().borders == Borders::Stream {
        client.send(greeting()).await.unwrap();
    }
}

pub(crate) async fn hear(server: &WireStream) {
    if server.profile().borders == Borders::Stream {
        // That it ends there is known only with the end of its batch.
        let (heard, Chunk { stream, data, .. }) = (server.recv().await.unwrap(), greeting());
        assert_eq!(heard, Some(Chunk { stream, data, end: false }));
    }
}

pub(crate) fn greeting() -> Chunk {
    Chunk { stream: 99, data: Bytes::from_static(b"!"), end: true }
}
