//! What a session knows about itself, and what it threw away.

use core::fmt;
use core::time::Duration;

use super::Reason;
use crate::Instant;

/// Whom a session has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The original program, or one that cannot be told from it.
    Original,
    /// A peer that speaks the same wire with care.
    Careful,
}

/// A snapshot of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The wire.
    pub wire: &'static str,
    /// Whom it has before it, as soon as it knows; wires that make no difference never do.
    pub mode: Option<Mode>,
    /// The name of its state.
    pub state: &'static str,
    /// How it ended, if it has.
    pub ended: Option<Reason>,
    /// The smoothed round-trip time, once one was measured.
    pub srtt: Option<Duration>,
    /// How long it waits for an answer at present.
    pub rto: Duration,
    /// What was counted.
    pub counters: Counters,
    /// Its streams in the order of their numbers, where the wire has streams.
    pub streams: Vec<StreamInfo>,
    /// The socket in words, as the original shows it, where it does.
    pub shown: Option<String>,
}

/// What was counted. Octets are those of the application unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets sent.
    pub packets_sent: u64,
    /// Those of them that had been sent before.
    pub retransmitted: u64,
    /// Packets that came and could be read.
    pub packets_received: u64,
    /// Packets with data that were sent, the first time only.
    pub data_packets_sent: u64,
    /// Packets with data that were taken.
    pub data_packets_received: u64,
    /// Octets sent, the first time only.
    pub octets_sent: u64,
    /// Octets taken.
    pub octets_received: u64,
    /// When data was first sent or taken.
    pub began: Option<Instant>,
    /// When data was last sent, acknowledged or taken.
    pub latest: Option<Instant>,
    dropped: [u64; Discard::ALL.len()],
}

impl Counters {
    /// How many packets were thrown away for this reason.
    pub fn dropped(&self, discard: Discard) -> u64 {
        self.dropped[discard as usize]
    }

    /// How many packets were thrown away for any.
    pub fn all_dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// How long data has been flowing.
    pub fn elapsed(&self) -> Duration {
        match (self.began, self.latest) {
            (Some(began), Some(latest)) => latest.saturating_since(began),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn count(&mut self, discard: Discard) {
        self.dropped[discard as usize] += 1;
    }

    pub(super) fn sent(&mut self, octets: usize, now: Instant) {
        self.data_packets_sent += 1;
        self.octets_sent += octets as u64;
        self.touch(now);
    }

    pub(super) fn received(&mut self, octets: usize, now: Instant) {
        self.data_packets_received += 1;
        self.octets_received += octets as u64;
        self.touch(now);
    }

    /// The peer has got data of ours: sending it has lasted until now.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.touch(now);
    }

    fn touch(&mut self, now: Instant) {
        self.began.get_or_insert(now);
        self.latest = Some(now);
    }
}

/// What was counted of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its number.
    pub stream: u32,
    /// Packets.
    pub packets: u64,
    /// Frames.
    pub frames: u64,
    /// Octets in UDP payloads, headers included.
    pub wire_octets: u64,
    /// Octets of the application.
    pub octets: u64,
    /// When its first packet was sent or taken.
    pub began: Option<Instant>,
    /// When its last packet was sent or taken.
    pub latest: Option<Instant>,
}

impl StreamInfo {
    /// From its first packet to its last; zero for a single packet.
    pub fn elapsed(&self) -> Duration {
        match (self.began, self.latest) {
            (Some(began), Some(latest)) => latest.saturating_since(began),
            _ => Duration::ZERO,
        }
    }
}

/// Why a packet was thrown away by a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discard {
    /// It came from somebody else.
    Stranger,
    /// It names another connection.
    OtherConnection,
    /// Its kind has no meaning in this state.
    Unexpected,
    /// What it carries was taken before.
    Duplicate,
    /// It acknowledges what is long acknowledged.
    StaleAck,
    /// It acknowledges what was never sent.
    WildAck,
    /// It comes before its turn.
    OutOfOrder,
    /// Its number is none that the peer could use.
    BadNumber,
    /// It has more or less data than was announced.
    BadLength,
    /// Too much waits to be read.
    NoRoom,
    /// The session has ended.
    Ended,
}

impl Discard {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Stranger,
        Self::OtherConnection,
        Self::Unexpected,
        Self::Duplicate,
        Self::StaleAck,
        Self::WildAck,
        Self::OutOfOrder,
        Self::BadNumber,
        Self::BadLength,
        Self::NoRoom,
        Self::Ended,
    ];

    /// A short name that stays the same, for counters: `stale_ack`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::OtherConnection => "other_connection",
            Self::Unexpected => "unexpected",
            Self::Duplicate => "duplicate",
            Self::StaleAck => "stale_ack",
            Self::WildAck => "wild_ack",
            Self::OutOfOrder => "out_of_order",
            Self::BadNumber => "bad_number",
            Self::BadLength => "bad_length",
            Self::NoRoom => "no_room",
            Self::Ended => "ended",
        }
    }
}

/// What is wrong with a datagram that is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// It is shorter than the header.
    Truncated,
    /// It is longer, or of another size, than the wire knows.
    BadSize,
    /// The checksum does not match.
    BadChecksum,
    /// A separator is missing.
    BadSeparator,
    /// Its flags are no value, or exclude each other.
    BadFlags,
    /// A number is none, or beyond what the wire can count.
    BadNumber,
    /// A length field promises more than there is, or leaves something over.
    BadLength,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Truncated,
        Self::BadSize,
        Self::BadChecksum,
        Self::BadSeparator,
        Self::BadFlags,
        Self::BadNumber,
        Self::BadLength,
    ];

    /// A short name that stays the same, for counters: `bad_checksum`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadSize => "bad_size",
            Self::BadChecksum => "bad_checksum",
            Self::BadSeparator => "bad_separator",
            Self::BadFlags => "bad_flags",
            Self::BadNumber => "bad_number",
            Self::BadLength => "bad_length",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "shorter than the header",
            Self::BadSize => "of a size the wire does not know",
            Self::BadChecksum => "wrong checksum",
            Self::BadSeparator => "a separator is missing",
            Self::BadFlags => "impossible flags",
            Self::BadNumber => "impossible number",
            Self::BadLength => "impossible length",
        })
    }
}

impl core::error::Error for Fault {}
