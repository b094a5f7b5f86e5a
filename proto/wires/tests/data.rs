//! What is transferred.

use bytes::Bytes;

use super::super::{Borders, Chunk, Wire};
pub(crate) use super::content::{Content, Dice};

/// The sizes around the edges of the wires' packets.
pub(crate) const SIZES: [usize; 9] = [0, 1, 15, 16, 17, 511, 512, 513, 100_000];

/// The writes that carry `octets` over a wire in the way that suits it.
pub(crate) fn writes<W: Wire>(octets: &Bytes) -> Vec<Chunk> {
    match W::PROFILE.borders {
        Borders::None | Borders::Message => vec![Chunk::message(octets.clone())],
        Borders::Datagram(most) => {
            let chunk = most.min(700);
            let mut writes: Vec<_> =
                octets.chunks(chunk).map(|piece| Chunk::message(octets.slice_ref(piece))).collect();
            if writes.is_empty() {
                writes.push(Chunk::message(Bytes::new()));
            }
            writes
        }
        Borders::Stream => {
            // Three streams, one of them empty, written by turns.
            let (head, tail) = (octets.slice(..octets.len() / 2), octets.slice(octets.len() / 2..));
            vec![
                Chunk { stream: 1, data: head.clone(), end: false },
                Chunk { stream: 2, data: octets.clone(), end: true },
                Chunk { stream: 3, data: Bytes::new(), end: true },
                Chunk { stream: 1, data: tail, end: true },
            ]
        }
    }
}

/// Chunks put together: the messages or streams that have ended, in the order of their numbers, and what has
/// not ended.
pub(crate) fn assemble(chunks: &[Chunk]) -> Vec<(u32, Vec<u8>, bool)> {
    let mut messages: Vec<(u32, Vec<u8>, bool)> = Vec::new();
    for chunk in chunks {
        let open = messages.iter_mut().find(|(stream, _, end)| *stream == chunk.stream && !end);
        if let Some((_, octets, end)) = open {
            octets.extend_from_slice(&chunk.data);
            *end = chunk.end;
        } else {
            messages.push((chunk.stream, chunk.data.to_vec(), chunk.end));
        }
    }
    messages.sort_by_key(|(stream, ..)| *stream);
    messages
}
