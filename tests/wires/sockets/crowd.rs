//! Many connections at once to one listener over real sockets.

use std::net::Ipv4Addr;

use netmart::net::{WireListener, WireOptions, WireStream};
use netmart::proto::wires::{Chunk, Kind};

use super::{block_on, stack};
use crate::content::{assemble, noise, writes};

const CROWD: u64 = 100;

/// What client `number` sends.
fn said(number: u64) -> bytes::Bytes {
    noise(number, 2_000 + number as usize * 7).into()
}

async fn read(stream: WireStream) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.recv().await.expect("in order") {
        chunks.push(chunk);
    }
    stream.close().await.expect("in order");
    chunks
}

fn a_hundred_at_once(kind: Kind) {
    let (servers, clients) = (stack(), stack());
    block_on(async {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let options = WireOptions::default();
        let listener = WireListener::bind(&servers, kind, any, options).await.expect("a listener");
        let address = listener.local_addr();
        let dialled: Vec<_> = (0..CROWD)
            .map(|number| {
                let clients = clients.clone();
                tokio::spawn(async move {
                    let options = WireOptions::default();
                    let stream = WireStream::connect(&clients, kind, address, options).await?;
                    for chunk in writes(kind, &said(number)) {
                        stream.send(chunk).await?;
                    }
                    stream.close().await
                })
            })
            .collect();
        let mut accepted = Vec::new();
        for _ in 0..CROWD {
            let (stream, _) = listener.accept().await.expect("somebody comes");
            accepted.push(tokio::spawn(read(stream)));
        }
        let mut received = Vec::new();
        for reader in accepted {
            received.push(assemble(kind, &reader.await.expect("a reader")));
        }
        for client in dialled {
            client.await.expect("a client").expect("in order");
        }
        let mut expected: Vec<_> =
            (0..CROWD).map(|number| assemble(kind, &writes(kind, &said(number)))).collect();
        received.sort();
        expected.sort();
        assert!(received == expected, "{}: other octets", kind.name());
    });
}

#[test]
fn a_hundred_connections_of_each_wire() {
    std::thread::scope(|scope| {
        for &kind in Kind::ALL {
            scope.spawn(move || a_hundred_at_once(kind));
        }
    });
}
