//! What octets are like that wires have trouble with; the tests of whole stacks use this file as well.

use bytes::Bytes;

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
