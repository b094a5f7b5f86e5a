//! May I answer who may be guessing: challenge acknowledgements (RFC 5961).

use core::cell::Cell;
use core::hash::Hasher;
use core::time::Duration;
use std::rc::Rc;

use siphasher::sip::SipHasher24;

use super::StateVector;
use super::vector::AckNeed;
use crate::Instant;

/// The rate limit of one connection (RFC 5961 section 7).
#[derive(Debug, Default)]
pub(super) struct Challenges {
    since: Instant,
    sent: u32,
    /// That of the stack.
    shared: Option<Rc<ChallengeBudget>>,
}

impl Challenges {
    /// Whether another may be sent in this second.
    fn admit(&mut self, limit: u32, now: Instant) -> bool {
        if now.saturating_since(self.since) >= WINDOW {
            (self.since, self.sent) = (now, 0);
        }
        let admitted =
            self.sent < limit && self.shared.as_ref().is_none_or(|shared| shared.admit(now));
        self.sent += u32::from(admitted);
        admitted
    }
}

/// The rate limit that all connections of a stack share.
///
/// A limit that everybody knows tells a stranger who has used it up how much of it others needed, and
/// so whether a guess about their connection was right. This one is drawn anew each second, between
/// half and one and a half of what it is set to, from a keyed hash.
pub struct ChallengeBudget {
    hasher: SipHasher24,
    limit: u32,
    since: Cell<Instant>,
    left: Cell<u32>,
}

impl ChallengeBudget {
    /// About `limit` challenges per second, drawn under a secret key.
    pub fn new(key: [u8; 16], limit: u32) -> Self {
        let budget = Self {
            hasher: SipHasher24::new_with_key(&key),
            limit,
            since: Cell::new(Instant::ZERO),
            left: Cell::new(0),
        };
        budget.left.set(budget.draw(Instant::ZERO));
        budget
    }

    fn admit(&self, now: Instant) -> bool {
        if now.saturating_since(self.since.get()) >= WINDOW {
            self.since.set(now);
            self.left.set(self.draw(now));
        }
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    fn draw(&self, now: Instant) -> u32 {
        let mut hasher = self.hasher;
        hasher.write(&now.as_micros().to_be_bytes());
        let noise = hasher.finish() % (u64::from(self.limit) + 1);
        self.limit.div_ceil(2).saturating_add(noise as u32)
    }
}

impl core::fmt::Debug for ChallengeBudget {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // What is left stays secret.
        f.debug_struct("ChallengeBudget").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl StateVector {
    /// Shares a limit of challenges with other connections, beside that of
    /// [`Config::challenge_ack_limit`](super::Config::challenge_ack_limit), which is its own.
    pub fn set_challenge_budget(&mut self, budget: Rc<ChallengeBudget>) {
        self.challenges.shared = Some(budget);
    }

    /// Answers a doubtful segment with an acknowledgement that only the true peer can use
    /// (RFC 5961), as long as the rate limits allow.
    pub(super) fn challenge(&mut self, now: Instant) {
        if self.challenges.admit(self.config.challenge_ack_limit, now) {
            self.counters.challenges += 1;
            self.need_ack(AckNeed::Alone);
        } else {
            self.counters.challenges_withheld += 1;
        }
    }
}

/// What the limits are per.
const WINDOW: Duration = Duration::from_secs(1);
