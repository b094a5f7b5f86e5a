//! What is sent, as the writes that suit a wire, and how it is put together again.

use std::collections::BTreeMap;

use bytes::Bytes;
use netmart::proto::wires::{Borders, Chunk, Kind};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The sizes around the edges of packets.
pub(crate) const SIZES: [usize; 8] = [0, 1, 15, 16, 17, 511, 512, 513];

/// Octets without a pattern; the same for the same seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut octets = vec![0; size];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut octets);
    octets
}

/// The writes that carry `octets` over the wire.
pub(crate) fn writes(kind: Kind, octets: &Bytes) -> Vec<Chunk> {
    let most = match kind.profile().borders {
        Borders::None => 4_096,
        Borders::Message => usize::MAX,
        Borders::Datagram(most) => most.min(1_000),
        // Two streams by turns, and an empty one.
        Borders::Stream => return streams(octets),
    };
    if octets.is_empty() {
        return vec![Chunk::message(Bytes::new())];
    }
    octets.chunks(most).map(|piece| Chunk::message(octets.slice_ref(piece))).collect()
}

fn streams(octets: &Bytes) -> Vec<Chunk> {
    let (head, tail) = (octets.slice(..octets.len() / 2), octets.slice(octets.len() / 2..));
    vec![
        Chunk { stream: 1, data: head, end: false },
        Chunk { stream: 2, data: octets.clone(), end: true },
        Chunk { stream: 3, data: Bytes::new(), end: true },
        Chunk { stream: 1, data: tail, end: true },
    ]
}

/// What a reader makes of chunks: messages in order, or streams by number, and whether each has ended.
pub(crate) fn assemble(kind: Kind, chunks: &[Chunk]) -> Vec<(u32, Vec<u8>, bool)> {
    let borders = kind.profile().borders;
    if borders == Borders::Stream {
        let mut streams: BTreeMap<u32, (Vec<u8>, bool)> = BTreeMap::new();
        // Stream 0 tells where a batch ends.
        for chunk in chunks.iter().filter(|chunk| chunk.stream > 0) {
            let (octets, end) = streams.entry(chunk.stream).or_default();
            octets.extend_from_slice(&chunk.data);
            *end |= chunk.end;
        }
        return streams.into_iter().map(|(id, (octets, end))| (id, octets, end)).collect();
    }
    if borders == Borders::None {
        let all = chunks.iter().flat_map(|chunk| chunk.data.iter().copied()).collect();
        return vec![(0, all, true)];
    }
    let mut messages: Vec<(u32, Vec<u8>, bool)> = Vec::new();
    for chunk in chunks {
        match messages.last_mut().filter(|(_, _, end)| !end) {
            Some((_, octets, end)) => {
                octets.extend_from_slice(&chunk.data);
                *end = chunk.end;
            }
            None => messages.push((0, chunk.data.to_vec(), chunk.end)),
        }
    }
    messages
}
