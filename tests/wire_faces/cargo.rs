//! What is sent over a wire, and what is made of what comes.

use std::collections::BTreeMap;

use bytes::Bytes;
use netmart::net::{WireError, WireStream};
use netmart::proto::wires::{Borders, Chunk};

use crate::stacks::greeting;

pub(crate) fn octets(len: usize) -> Bytes {
    (0..len).map(|at| (at / 7 + at / 65_521) as u8).collect()
}

/// What is sent to show that a wire keeps what it promises to keep: octets in chunks that it carries.
pub(crate) fn cargo(stream: &WireStream) -> Vec<Chunk> {
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
pub(crate) fn assembled(borders: Borders, chunks: Vec<Chunk>) -> Vec<(usize, u32, Vec<u8>)> {
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

pub(crate) async fn all(stream: &WireStream) -> Result<Vec<Chunk>, WireError> {
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.recv().await? {
        chunks.push(chunk);
    }
    Ok(chunks)
}

pub(crate) async fn send_all(stream: &WireStream, chunks: &[Chunk]) {
    for chunk in chunks {
        stream.send(chunk.clone()).await.unwrap();
    }
}
