//! What is transferred.

use bytes::Bytes;

use super::super::{Borders, Chunk, Wire};

/// The sizes around the edges of the wires' packets.
pub(crate) const SIZES: [usize; 9] = [0, 1, 15, 16, 17, 511, 512, 513, 100_000];

/// What the octets are like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Text,
    Random,
    Nuls,
    TrailingNuls,
    Bars,
    Utf8,
}

impl Content {
    pub(crate) const ALL: [Self; 6] =
        [Self::Text, Self::Nuls, Self::Bars, Self::Utf8, Self::TrailingNuls, Self::Random];

    pub(crate) fn octets(self, size: usize) -> Bytes {
        let cycle = |pattern: &[u8]| pattern.iter().copied().cycle().take(size).collect::<Vec<_>>();
        let octets = match self {
            Self::Text => cycle(b"The quick brown fox jumps over the lazy dog.\r\n"),
            Self::Random => random(size),
            Self::Nuls => vec![0; size],
            Self::TrailingNuls => {
                let mut octets = random(size);
                let from = size - size.min(700.max(size / 3));
                octets[from..].fill(0);
                octets
            }
            Self::Bars => cycle(b"|||0|||1||||"),
            Self::Utf8 => cycle("zażółć gęślą jaźń, ελληνικά, 日本語, 🦀\n".as_bytes()),
        };
        Bytes::from(octets)
    }
}

fn random(size: usize) -> Vec<u8> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    (0..size).map(|_| dice.roll(256) as u8).collect()
}

/// A small generator with a long enough period; tests need no better.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }
}

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
