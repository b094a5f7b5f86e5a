//! What a segment means, apart from its bytes and its ports.

use core::fmt;

use bytes::Bytes;

use super::SeqNumber;
use crate::wire::Ecn;

/// A TCP segment without its ports, which belong to the flow it travels on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// SEG.SEQ: the sequence number of the first octet, or of the SYN.
    pub seq: SeqNumber,
    /// SEG.ACK: the next octet the sender expects; means something only if [`Flags::ACK`] is set.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND as it stands on the wire, not scaled.
    pub window: u16,
    /// SEG.UP; means something only if [`Flags::URG`] is set.
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// The ECN field of the IP packet that carries it (RFC 3168 section 5).
    pub ecn: Ecn,
    /// The octets it carries. More than one MSS in a super-segment that a device splits or has joined.
    pub payload: Bytes,
}

impl Segment {
    /// SEG.LEN: how much sequence space it takes, SYN and FIN included.
    pub fn sequence_len(&self) -> u32 {
        // A payload is bounded by the 16-bit length of the datagram it came in.
        self.payload.len() as u32
            + u32::from(self.flags.contains(Flags::SYN))
            + u32::from(self.flags.contains(Flags::FIN))
    }

    /// The sequence number after the last one it takes.
    pub fn sequence_end(&self) -> SeqNumber {
        self.seq + self.sequence_len()
    }
}

/// The control bits, in the order of the wire: `CWR` is bit 7, `FIN` bit 0, `AE` (RFC 9768) bit 8.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push: hand the data to the application.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number is significant.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);
    /// Accurate ECN (RFC 9768).
    pub const AE: Self = Self(0x100);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Prints the letters of packetdrill: `S`, `F.`, `P.`, `R`; `.` stands for ACK.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 9] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::AE, 'A'),
            (Flags::ACK, '.'),
        ];
        let mut letters = LETTERS.iter().filter(|(flag, _)| self.contains(*flag)).peekable();
        if letters.peek().is_none() {
            return f.write_str("-");
        }
        letters.try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({self})")
    }
}

/// The options of a segment (RFC 9293 section 3.2, RFC 7323, RFC 2018).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size, in octets.
    pub mss: Option<u16>,
    /// Window scale shift, as received; RFC 7323 caps its use at 14.
    pub window_scale: Option<u8>,
    /// SACK may be sent on this connection.
    pub sack_permitted: bool,
    /// Selective acknowledgements.
    pub sack: SackBlocks,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// Options of other kinds, each with its kind and length octet, in their order of arrival.
    pub unknown: Option<Box<[u8]>>,
}

/// TSval and TSecr (RFC 7323 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the peer's clock, echoed.
    pub echo: u32,
}

/// Up to four SACK blocks, each from its left edge up to, not including, its right edge.
///
/// Nearly every segment has none: then it takes no more than a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks(Option<Box<Blocks>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Blocks {
    blocks: [(SeqNumber, SeqNumber); SackBlocks::MAX],
    len: usize,
}

impl SackBlocks {
    /// The most blocks that fit into the 40 octets of options.
    pub const MAX: usize = 4;

    /// Adds a block; tells whether there was room.
    pub fn push(&mut self, left: SeqNumber, right: SeqNumber) -> bool {
        let Blocks { blocks, len } = &mut **self.0.get_or_insert_default();
        let Some(slot) = blocks.get_mut(*len) else {
            return false;
        };
        *slot = (left, right);
        *len += 1;
        true
    }

    /// The blocks, in the order of the wire.
    pub fn as_slice(&self) -> &[(SeqNumber, SeqNumber)] {
        self.0.as_deref().map_or(&[], |Blocks { blocks, len }| &blocks[..*len])
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
