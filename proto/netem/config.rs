//! What a link is like.

use core::time::Duration;

use super::LossPattern;

/// What a link does to packets. The default does nothing to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Bits per second, counting the octets of IP packets; unlimited if not set. At least 1.
    pub rate: Option<u64>,
    /// How much may wait behind the packet on the wire. Without a rate nothing ever waits.
    pub queue: QueueLimit,
    /// Marks what its senders allow to be marked (RFC 3168) instead of letting the queue fill: from so many
    /// waiting octets on. Never if not set.
    pub mark_above: Option<usize>,
    /// How long a packet travels when it has left the queue.
    pub delay: Duration,
    /// By how much more, at most, each packet travels; packets keep their order all the same.
    pub jitter: Duration,
    /// The largest packet that gets through, in octets; larger ones vanish, and nobody is told: a black
    /// hole (RFC 2923 section 2.1). Unlimited if not set.
    pub mtu: Option<usize>,
    /// Which packets get lost.
    pub loss: Loss,
    /// With what probability a packet is followed by a copy of itself.
    pub duplication: f64,
    /// Which packets are overtaken by others.
    pub reordering: Reordering,
    /// With what probability a bit of a packet is flipped.
    pub corruption: f64,
    /// How many packets may be under way at once, the queue among them; more are dropped and counted.
    pub in_flight_limit: usize,
    /// Whether to note which packets were lost; one octet each.
    pub record_losses: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rate: None,
            queue: QueueLimit::Packets(1000),
            mark_above: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            mtu: None,
            loss: Loss::None,
            duplication: 0.0,
            reordering: Reordering::default(),
            corruption: 0.0,
            in_flight_limit: 1 << 20,
            record_losses: false,
        }
    }
}

impl Config {
    /// The bandwidth-delay product of a round trip of `rtt` at this rate, in octets, as a limit of
    /// the queue; without a rate the queue stays as it is.
    #[must_use]
    pub fn with_queue_of(mut self, rtt: Duration) -> Self {
        if let Some(rate) = self.rate {
            let octets = u128::from(rate) * rtt.as_micros() / 8_000_000;
            self.queue = QueueLimit::Octets(usize::try_from(octets).unwrap_or(usize::MAX));
        }
        self
    }
}

/// How much may wait behind the packet on the wire; what comes on top is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// So many packets.
    Packets(usize),
    /// So many octets.
    Octets(usize),
}

/// Which packets get lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each with this probability.
    Independent(f64),
    /// In bursts: a link that is good or bad, and may change with each packet (Gilbert, Elliott).
    Burst {
        /// The probability that a good link turns bad before a packet.
        begin: f64,
        /// The probability that a bad link turns good before a packet: bad spells last `1 / end`
        /// packets on average.
        end: f64,
        /// The probability that a packet is lost while the link is good; 0 in Gilbert's model.
        loss_in_good: f64,
        /// The probability that a packet is lost while the link is bad; 1 in the simplest model.
        loss_in_bad: f64,
    },
    /// As recorded; none behind the end of the record.
    Pattern(LossPattern),
}

impl Loss {
    /// Bursts in which everything is lost, of `mean_burst` packets on average (at least 1), such that
    /// `probability` of all packets get lost (less than 1).
    pub fn bursts(probability: f64, mean_burst: f64) -> Self {
        let end = 1.0 / mean_burst;
        let begin = (end * probability / (1.0 - probability)).min(1.0);
        Self::Burst { begin, end, loss_in_good: 0.0, loss_in_bad: 1.0 }
    }
}

/// Which packets are overtaken by others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reordering {
    /// With what probability a packet is held.
    pub probability: f64,
    /// For how long it is held at most; for how long exactly is left to chance.
    pub extra: Duration,
}
