//! One row of a grid: a cell with all its seeds, and what came out of it.

use std::time::Duration;

use netmart::bench::{Cell, FlowOutcome, Outcome, Path};
use netmart::proto::netem::Loss;
use netmart::proto::tcp;

use super::axis::{Flows, LossModel, Overtaking, Percent};

/// What is measured in one row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) flows: Flows,
    /// Bits per second.
    pub(super) rate: u64,
    pub(super) rtt: Duration,
    /// Bandwidth-delay products.
    pub(super) queue: f64,
    pub(super) losses: Losses,
    pub(super) overtaking: Overtaking,
    pub(super) duration: Duration,
    /// How much later each flow begins than the one before it.
    pub(super) stagger: Duration,
    /// How often to look at the senders on the way.
    pub(super) sample: Option<Duration>,
}

/// Which packets get lost in a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Losses {
    /// None.
    None,
    /// So many, spread like this.
    Share {
        /// From 0 to 1.
        share: f64,
        model: LossModel,
        /// The mean length of a burst, in packets.
        burst: f64,
    },
    /// As recorded in a file of that name.
    Pattern { name: String, loss: Loss },
}

impl Losses {
    pub(super) fn of(share: f64, model: LossModel, burst: f64) -> Self {
        if share == 0.0 { Self::None } else { Self::Share { share, model, burst } }
    }

    pub(super) fn loss(&self) -> Loss {
        match self {
            Self::None => Loss::None,
            Self::Share { share, model, burst } => model.losing(*share, *burst),
            Self::Pattern { loss, .. } => loss.clone(),
        }
    }

    /// Whether they come in bursts.
    pub(super) fn is_bursty(&self) -> bool {
        matches!(self, Self::Share { model: LossModel::Bursty, .. })
    }

    /// How many there are, however they are spread.
    pub(super) fn share_label(&self) -> String {
        match self {
            Self::Share { share, .. } => Percent(*share).to_string(),
            other => other.label(),
        }
    }

    /// In words, short enough for a table.
    pub(super) fn label(&self) -> String {
        match self {
            Self::None => "0%".to_owned(),
            Self::Share { share, model: LossModel::Independent, .. } => Percent(*share).to_string(),
            Self::Share { share, model: LossModel::Bursty, .. } => {
                format!("{} bursty", Percent(*share))
            }
            Self::Pattern { name, .. } => name.clone(),
        }
    }
}

impl Row {
    /// The measurement with this seed.
    pub(super) fn cell(&self, seed: u64) -> Cell {
        let path = Path {
            rate: self.rate,
            rtt: self.rtt,
            queue: self.queue,
            loss: self.losses.loss(),
            reordering: self.overtaking.over(self.rtt),
            record_losses: false,
        };
        Cell {
            stagger: self.stagger,
            sample: self.sample,
            tcp: tcp::Config::default(),
            ..Cell::new(path, self.flows.0.clone(), self.duration, seed)
        }
    }
}

/// The figures of a row, over all its seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// Of all flows together, in bits per second: mean, least and most.
    pub(super) goodput: Spread,
    /// Of each flow, in bits per second.
    pub(super) flows: Vec<Spread>,
    /// Jain's index, mean over seeds.
    pub(super) fairness: f64,
    /// The share of all segments that were sent again.
    pub(super) resent: f64,
    /// The share of all segments that were sent again in vain.
    pub(super) spurious: f64,
    /// Segments sent again because the timer expired, per seed.
    pub(super) timeouts: f64,
    /// Probes of the tail, per seed.
    pub(super) probes: f64,
    /// How long packets waited for the wire, mean over seeds.
    pub(super) queue_delay: Duration,
}

/// Mean, least and most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of these values; all zero if there are none.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        if values.clone().next().is_none() {
            return Self::default();
        }
        Self {
            mean: mean(values.clone()),
            least: values.clone().fold(f64::INFINITY, f64::min),
            most: values.fold(0.0, f64::max),
        }
    }
}

impl Figures {
    /// What these outcomes, one for each seed and at least one, come to.
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let flows = outcomes.iter().map(|outcome| outcome.flows.len()).min().unwrap_or(0);
        let flow = |number: usize| outcomes.iter().map(move |outcome| &outcome.flows[number]);
        let all = || outcomes.iter().flat_map(|outcome| &outcome.flows);
        let segments =
            all().map(|flow| flow.sender.counters.segments_out).sum::<u64>().max(1) as f64;
        let share = |count: fn(&FlowOutcome) -> u32| {
            all().map(|flow| f64::from(count(flow))).sum::<f64>() / segments
        };
        let count = |count: fn(&FlowOutcome) -> u32| {
            all().map(|flow| f64::from(count(flow))).sum::<f64>() / outcomes.len().max(1) as f64
        };
        let waits = outcomes.iter().map(|outcome| outcome.queue_delay().as_secs_f64());
        Self {
            goodput: Spread::of(outcomes.iter().map(Outcome::goodput)),
            flows: (0..flows).map(|n| Spread::of(flow(n).map(|flow| flow.goodput))).collect(),
            fairness: mean(outcomes.iter().map(Outcome::fairness)),
            resent: share(|flow| flow.sender.counters.resent.total()),
            spurious: share(|flow| flow.spurious),
            timeouts: count(|flow| flow.sender.counters.resent.timeout),
            probes: count(|flow| flow.sender.counters.resent.tail),
            queue_delay: Duration::from_secs_f64(mean(waits)),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}
