//! Which packets get lost.

use super::chance::Chance;
use super::config::Loss;
use super::pattern::LossPattern;

/// A process that decides packet by packet.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    model: Loss,
    state: LinkState,
    /// How many packets have been decided on.
    decided: usize,
    recorded: Option<LossPattern>,
}

/// Whether a link of the burst model is in a bad spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkState {
    Good,
    Bad,
}

impl Losses {
    pub(super) fn new(model: Loss, record: bool) -> Self {
        let recorded = record.then(LossPattern::default);
        Self { model, state: LinkState::Good, decided: 0, recorded }
    }

    /// Whether the next packet gets lost.
    pub(super) fn next_is_lost(&mut self, chance: &mut Chance) -> bool {
        let lost = match self.model {
            Loss::None => false,
            Loss::Independent(probability) => chance.happens(probability),
            Loss::Burst { begin, end, loss_in_good, loss_in_bad } => {
                self.state = match self.state {
                    LinkState::Good if chance.happens(begin) => LinkState::Bad,
                    LinkState::Bad if chance.happens(end) => LinkState::Good,
                    state => state,
                };
                chance.happens(match self.state {
                    LinkState::Good => loss_in_good,
                    LinkState::Bad => loss_in_bad,
                })
            }
            Loss::Pattern(ref pattern) => pattern.is_lost(self.decided),
        };
        self.decided += 1;
        if let Some(recorded) = &mut self.recorded {
            recorded.push(lost);
        }
        lost
    }

    pub(super) fn recorded(&self) -> Option<&LossPattern> {
        self.recorded.as_ref()
    }
}
