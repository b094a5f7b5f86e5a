//! What came out of a cell.

use std::time::Duration;

use netmart_bus::Time;
use netmart_proto::netem::{self, LossPattern};
use netmart_proto::tcp::{CongestionControl, Info, LimitedBy};

/// What the flows of a cell reached. Nothing in it depends on the machine.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How long was measured.
    pub duration: Duration,
    /// What each flow reached, in the order of the cell.
    pub flows: Vec<FlowOutcome>,
    /// What the wire did to the data, and to the acknowledgements.
    pub wire: [netem::Counters; 2],
    /// Which data packets were lost, if the path was to note that.
    pub losses: Option<LossPattern>,
}

/// What one flow reached.
#[derive(Clone, Debug)]
pub struct FlowOutcome {
    /// What decided how fast it sent.
    pub controller: CongestionControl,
    /// Payload octets that the receiving application got.
    pub octets: u64,
    /// Payload bits per second that the receiving application got.
    pub goodput: f64,
    /// Data segments sent again that the receiver had received before. The wire makes no copies, so each
    /// was sent again in vain.
    pub spurious: u32,
    /// How the sender's connection did in the end.
    pub sender: Box<Info>,
    /// How it did on the way, if the cell was to be sampled.
    pub moments: Vec<Moment>,
}

/// How a sender did at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// When, since the beginning.
    pub at: Duration,
    /// Payload octets that the receiving application had got.
    pub received: u64,
    /// The congestion window, in octets.
    pub cwnd: u32,
    /// The slow-start threshold, in octets.
    pub ssthresh: u32,
    /// Thought to be in the network, in octets.
    pub in_flight: u32,
    /// The smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// The pacing rate in octets per second, if the sender paces.
    pub pacing_rate: Option<u64>,
    /// Segments sent again by then.
    pub resent: u32,
    /// Of these, those sent again because the timer expired.
    pub timeouts: u32,
    /// What kept it from sending more.
    pub limited_by: LimitedBy,
}

impl Outcome {
    /// Payload bits per second that all receivers got together.
    pub fn goodput(&self) -> f64 {
        self.flows.iter().map(|flow| flow.goodput).sum()
    }

    /// How evenly the flows shared what they got: see [`jain`].
    pub fn fairness(&self) -> f64 {
        jain(self.flows.iter().map(|flow| flow.goodput))
    }

    /// How long a data packet waited for the wire on average.
    pub fn queue_delay(&self) -> Duration {
        let data = &self.wire[0];
        let passed = data.received.saturating_sub(data.lost + data.queue_dropped);
        let micros = data.waited.as_micros() / u128::from(passed.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl FlowOutcome {
    /// The share of the segments sent that were sent again.
    pub fn resent_share(&self) -> f64 {
        let counters = &self.sender.counters;
        f64::from(counters.resent.total()) / (counters.segments_out.max(1) as f64)
    }

    /// The share of the segments sent that were sent again in vain.
    pub fn spurious_share(&self) -> f64 {
        f64::from(self.spurious) / (self.sender.counters.segments_out.max(1) as f64)
    }
}

impl Moment {
    pub(super) fn of(now: Time, received: u64, info: &Info) -> Self {
        Self {
            at: Duration::from_micros(now.as_micros()),
            received,
            cwnd: info.cwnd,
            ssthresh: info.ssthresh,
            in_flight: info.in_flight,
            srtt: info.srtt,
            pacing_rate: info.pacing_rate,
            resent: info.counters.resent.total(),
            timeouts: info.counters.resent.timeout,
            limited_by: info.limited_by,
        }
    }
}

/// Jain's index of how evenly something is shared: 1 if all have the same, `1 / n` if one of `n` has all.
/// Who shares nothing shares it evenly.
pub fn jain(shares: impl IntoIterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        count += 1.0;
        sum += share;
        squares += share * share;
    }
    if squares == 0.0 { 1.0 } else { sum * sum / (count * squares) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_lies_between_one_nth_and_one() {
        assert_eq!(jain([5.0, 5.0]), 1.0);
        assert_eq!(jain([5.0, 0.0]), 0.5);
        assert_eq!(jain([3.0]), 1.0);
        assert_eq!(jain([0.0, 0.0]), 1.0);
        assert!((jain([80.0, 20.0]) - 0.735).abs() < 0.001);
    }
}
