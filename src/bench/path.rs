//! The path that a cell's flows share.

use std::time::Duration;

use netmart_proto::netem::{self, Loss, QueueLimit, Reordering};
use netmart_proto::tcp;

use crate::sim::WireConfig;

/// What lies between the senders and the receivers.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Bits per second each way, counting the octets of IP packets.
    pub rate: u64,
    /// How long a packet and its acknowledgement travel in all, when nothing waits.
    pub rtt: Duration,
    /// How many bandwidth-delay products may wait at the bottleneck.
    pub queue: f64,
    /// Which data packets get lost.
    pub loss: Loss,
    /// Which data packets are overtaken by others.
    pub reordering: Reordering,
    /// Whether to note which data packets were lost, so that the same ones can be lost again.
    pub record_losses: bool,
}

impl Default for Path {
    /// 100 Mbit/s, 50 ms, one bandwidth-delay product of queue, no losses and no reordering.
    fn default() -> Self {
        Self {
            rate: 100_000_000,
            rtt: Duration::from_millis(50),
            queue: 1.0,
            loss: Loss::None,
            reordering: Reordering::default(),
            record_losses: false,
        }
    }
}

impl Path {
    /// The bandwidth-delay product, in octets of IP packets.
    pub fn bdp(&self) -> usize {
        let octets = u128::from(self.rate) * self.rtt.as_micros() / 8_000_000;
        usize::try_from(octets).unwrap_or(usize::MAX)
    }

    /// What may wait at the bottleneck, in octets: never less than a few packets.
    pub fn queue_octets(&self) -> usize {
        // Saturates, which is what we want of a queue without bounds.
        ((self.bdp() as f64 * self.queue) as usize).max(QUEUE_MIN)
    }

    /// How many packets a pattern of losses should decide on: more than a bulk sender sends in `duration`.
    pub fn packets_in(&self, duration: Duration) -> usize {
        let octets = u128::from(self.rate) * duration.as_micros() / 8_000_000;
        // What is sent beyond the rate is dropped by the queue, and not for long.
        usize::try_from(octets / 750).unwrap_or(usize::MAX).min(PATTERN_MAX)
    }

    /// What the direction of the data does to packets.
    pub fn forward(&self) -> netem::Config {
        netem::Config {
            loss: self.loss.clone(),
            reordering: self.reordering,
            record_losses: self.record_losses,
            ..self.backward()
        }
    }

    /// What the direction of the acknowledgements does to packets.
    pub fn backward(&self) -> netem::Config {
        netem::Config {
            rate: Some(self.rate.max(1)),
            queue: QueueLimit::Octets(self.queue_octets()),
            delay: self.rtt / 2,
            ..netem::Config::default()
        }
    }

    /// The wire for a simulation, data from its first end to its second.
    pub fn wire(&self) -> WireConfig {
        let wire = WireConfig::default();
        WireConfig { there: self.forward(), back: self.backward(), ..wire }
    }

    /// `tcp` with buffers in which neither side is ever the limit: what fills path and queue, and again as
    /// much for a round trip in which a loss is repaired, and for one more.
    #[must_use]
    pub fn fitted(&self, tcp: tcp::Config) -> tcp::Config {
        let full = self.bdp().saturating_add(self.queue_octets());
        let octets = full.saturating_mul(3).min(BUFFER_MAX);
        tcp::Config {
            send_buffer_max: tcp.send_buffer_max.max(octets),
            receive_buffer_max: tcp.receive_buffer_max.max(octets),
            ..tcp
        }
    }
}

/// Ten packets: less would be no queue at all on short and slow paths.
const QUEUE_MIN: usize = 15_000;

/// No pattern needs to decide on more packets.
const PATTERN_MAX: usize = 100_000_000;

/// The largest window that can be said is 1 GiB (RFC 7323 section 2.3).
const BUFFER_MAX: usize = 512 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_counted_in_bandwidth_delay_products() {
        let path = Path::default();
        assert_eq!(path.bdp(), 625_000);
        assert_eq!(path.queue_octets(), 625_000);
        assert_eq!(Path { queue: 0.5, ..path.clone() }.queue_octets(), 312_500);
        assert_eq!(Path { queue: 0.0, ..path }.queue_octets(), QUEUE_MIN);
    }

    #[test]
    fn only_the_data_is_lost() {
        let path = Path { loss: Loss::Independent(0.1), ..Path::default() };
        assert_eq!(path.forward().loss, Loss::Independent(0.1));
        assert_eq!(path.backward().loss, Loss::None);
        assert_eq!(path.forward().delay + path.backward().delay, path.rtt);
    }

    #[test]
    fn buffers_never_limit_a_long_fat_path() {
        let long = Path { rate: 1_000_000_000, rtt: Duration::from_millis(200), ..Path::default() };
        let tcp = long.fitted(tcp::Config::default());
        assert!(tcp.receive_buffer_max >= 4 * long.bdp());
        let short = Path { rtt: Duration::from_millis(1), ..Path::default() };
        let default = tcp::Config::default();
        assert_eq!(short.fitted(default.clone()).receive_buffer_max, default.receive_buffer_max);
    }
}
