//! What a bad link does to packets: an impairment model, sans-IO and seeded.
//!
//! A packet passes these stages, each of which does nothing unless configured:
//!
//! | stage | what it does |
//! |---|---|
//! | mtu | drops it if it is too large, without a word |
//! | loss | drops it, independently or in bursts, or as a recorded pattern says |
//! | duplication | lets a copy of it follow |
//! | corruption | flips one of its bits |
//! | queue | drops it if too much waits for the wire already |
//! | mark | marks it instead, from a length of the queue on, if its sender allows that |
//! | rate | holds the wire for as long as its octets take |
//! | delay | adds the link's delay, and a jitter that keeps the order |
//! | reordering | holds it longer, so that later ones overtake it |
//!
//! The contract is that of every machine here: [`Netem::handle_packet`], then [`Netem::poll`] until
//! it has nothing, then come back at [`Netem::next_deadline`]. The same packets at the same times
//! with the same seed come out the same, whatever the machine.
//!
//! ```
//! use std::time::Duration;
//! use netmart_proto::Instant;
//! use netmart_proto::netem::{Config, Netem};
//! use netmart_proto::wire::Packet;
//!
//! let config = Config { rate: Some(8_000_000), delay: Duration::from_millis(20), ..Config::default() };
//! let mut link = Netem::new(config, 1);
//! let start = Instant::ZERO;
//! link.handle_packet(start, Packet::from(vec![0x45; 1000]));
//! assert_eq!(link.poll(start), None);
//!
//! // A millisecond for its 8000 bits, and 20 to get there.
//! let arrival = link.next_deadline().unwrap();
//! assert_eq!(arrival, Instant::from_millis(21));
//! assert_eq!(link.poll(arrival).unwrap().len(), 1000);
//! ```

mod bottleneck;
mod chance;
mod config;
mod delay;
mod loss;
mod packet;
mod pattern;

#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::Instant;

use self::bottleneck::Bottleneck;
pub(crate) use self::chance::Chance;
use self::delay::DelayLine;
use self::loss::Losses;

pub use self::config::{Config, Loss, QueueLimit, Reordering};
pub use self::pattern::{LossPattern, PatternError};

/// What the model needs to know of a packet.
pub trait Impaired: Clone {
    /// How many octets it takes on the wire.
    fn wire_len(&self) -> usize;

    /// Flips one bit; `bit` is less than eight times the length.
    fn flip_bit(&mut self, bit: usize);

    /// Marks it as having met congestion, if its sender would understand that; whether it did.
    fn mark(&mut self) -> bool {
        false
    }
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Netem<P> {
    config: Config,
    chance: Chance,
    losses: Losses,
    bottleneck: Bottleneck,
    delay: DelayLine<P>,
    counters: Counters,
}

/// What has happened to packets so far. A packet may be counted in several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that were handed in.
    pub received: u64,
    /// Packets that came out, copies included.
    pub delivered: u64,
    /// Octets that came out.
    pub delivered_octets: u64,
    /// Larger than the link's MTU.
    pub too_large: u64,
    /// Lost by chance or by pattern.
    pub lost: u64,
    /// Dropped because too much waited for the wire, copies included.
    pub queue_dropped: u64,
    /// Marked because much waited for the wire, copies included.
    pub marked: u64,
    /// Dropped because too many were under way at once, copies included.
    pub delay_dropped: u64,
    /// Copies that were made.
    pub duplicated: u64,
    /// Packets, copies included, of which a bit was flipped.
    pub corrupted: u64,
    /// Packets, copies included, held longer than those after them.
    pub reordered: u64,
    /// How long packets waited for the wire and were on it, all of those that were not dropped together.
    pub waited: Duration,
}

/// What became of a packet, for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of the packet itself.
    pub fate: Fate,
    /// What became of its copy, if one was made.
    pub copy: Option<Fate>,
}

/// What became of one packet, or of one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Larger than the link's MTU.
    TooLarge,
    /// Lost by chance or by pattern.
    Lost,
    /// Dropped because too much waited for the wire.
    QueueFull,
    /// Dropped because too many were under way.
    DelayFull,
    /// It arrives.
    Arrives {
        /// When.
        at: Instant,
        /// Whether a bit was flipped.
        corrupted: bool,
        /// Whether it was held longer than those after it.
        reordered: bool,
    },
}

impl<P: Impaired> Netem<P> {
    /// A link as `config` describes it; `seed` decides all that is left to chance.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            losses: Losses::new(config.loss.clone(), config.record_losses),
            bottleneck: Bottleneck::new(config.rate, config.queue),
            delay: DelayLine::new(config.in_flight_limit),
            counters: Counters::default(),
            config,
        }
    }

    /// Sends a packet at `now`, which is not before any earlier `now`.
    pub fn handle_packet(&mut self, now: Instant, packet: P) -> Verdict {
        self.counters.received += 1;
        if self.config.mtu.is_some_and(|mtu| packet.wire_len() > mtu) {
            self.counters.too_large += 1;
            return Verdict { fate: Fate::TooLarge, copy: None };
        }
        if self.losses.next_is_lost(&mut self.chance) {
            self.counters.lost += 1;
            return Verdict { fate: Fate::Lost, copy: None };
        }
        let copy = self.chance.happens(self.config.duplication).then(|| packet.clone());
        let fate = self.carry(now, packet);
        let copy = copy.map(|copy| {
            self.counters.duplicated += 1;
            self.carry(now, copy)
        });
        Verdict { fate, copy }
    }

    /// A packet that has arrived by `now`, if there is one; ask until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<P> {
        let packet = self.delay.pop(now)?;
        self.counters.delivered += 1;
        self.counters.delivered_octets += packet.wire_len() as u64;
        Some(packet)
    }

    /// When the next packet arrives.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.delay.next_arrival()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many packets are under way.
    pub fn in_flight(&self) -> usize {
        self.delay.len()
    }

    /// What the link is like.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which packets have been lost so far, if [`Config::record_losses`] was set: give it to
    /// [`Loss::Pattern`] to have the same ones lost again.
    pub fn loss_pattern(&self) -> Option<&LossPattern> {
        self.losses.recorded()
    }

    /// Takes one packet or copy through all stages behind duplication.
    fn carry(&mut self, now: Instant, mut packet: P) -> Fate {
        let len = packet.wire_len();
        let corrupted = len > 0 && self.chance.happens(self.config.corruption);
        if corrupted {
            packet.flip_bit(self.chance.below(len as u64 * 8) as usize);
        }
        // All that is left to chance is drawn before anything depends on the queue, so that the same
        // seed does the same to the same packets at any rate.
        let jitter = self.chance.up_to(self.config.jitter);
        let reordered = self.chance.happens(self.config.reordering.probability);
        let extra = reordered.then(|| self.chance.up_to(self.config.reordering.extra));

        if self.delay.is_full() {
            self.counters.delay_dropped += 1;
            return Fate::DelayFull;
        }
        let Some(sent) = self.bottleneck.transmit(now, len) else {
            self.counters.queue_dropped += 1;
            return Fate::QueueFull;
        };
        let queues = self.config.mark_above.is_some_and(|limit| self.bottleneck.waiting() > limit);
        if queues && packet.mark() {
            self.counters.marked += 1;
        }
        let at = self.delay.push(packet, sent + self.config.delay + jitter, extra);
        self.counters.waited += sent.saturating_since(now);
        self.counters.corrupted += u64::from(corrupted);
        self.counters.reordered += u64::from(reordered);
        Fate::Arrives { at, corrupted, reordered }
    }
}
