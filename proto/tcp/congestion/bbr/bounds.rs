//! What losses say: bounds on the rate and on what is in flight.
//!
//! The long-term bound is what a probe could put in flight before losses became too many; it holds
//! until a probe finds otherwise. The short-term bounds answer losses between probes, and are
//! forgotten at the next one.

use super::{Ack, Bbr, MAX_CWND, MIN_SEGMENTS, Mode};
use crate::tcp::congestion::Window;
use crate::tcp::delivery::Tolerance;

/// The bounds, and the signals of the present round that move them.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// `BBR.inflight_longterm`; `MAX_CWND` while unknown.
    long_term: u32,
    /// `BBR.bw_shortterm`, in octets per second; `u64::MAX` while there is none.
    rate: u64,
    /// `BBR.inflight_shortterm`; `MAX_CWND` while there is none.
    in_flight: u32,
    /// The best rate of this round.
    latest_rate: u64,
    /// The most delivered of a flight in this round.
    latest_in_flight: u32,
    /// Octets delivered and lost in this round.
    delivered: u64,
    lost: u64,
    /// Acknowledgements in this round that reported losses.
    loss_events: u32,
    /// Whether the last round-trip time showed a queue.
    queued: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            long_term: MAX_CWND,
            rate: u64::MAX,
            in_flight: MAX_CWND,
            latest_rate: 0,
            latest_in_flight: 0,
            delivered: 0,
            lost: 0,
            loss_events: 0,
            queued: false,
        }
    }
}

impl Bounds {
    pub(super) fn short_term_rate(&self) -> u64 {
        self.rate
    }

    pub(super) fn long_term(&self) -> u32 {
        self.long_term
    }

    /// The most of a flight that was delivered lately.
    pub(super) fn latest_inflight(&self) -> u32 {
        self.latest_in_flight
    }

    /// `BBRInflightWithHeadroom`: the bound, with room for others to begin.
    pub(super) fn long_term_with_headroom(&self, mss: u32) -> u32 {
        if self.long_term == MAX_CWND {
            return MAX_CWND;
        }
        let headroom = ((f64::from(self.long_term) * HEADROOM) as u32).max(mss);
        self.long_term.saturating_sub(headroom).max(MIN_SEGMENTS * mss)
    }

    pub(super) fn set_long_term(&mut self, octets: u32) {
        self.long_term = octets;
    }

    /// So many octets were in flight without too many losses.
    pub(super) fn raise_long_term(&mut self, octets: u32) {
        self.long_term = self.long_term.max(octets);
    }

    pub(super) fn grow_long_term(&mut self, octets: u32) {
        self.long_term = self.long_term.saturating_add(octets).min(MAX_CWND);
    }

    /// A probe begins: what happened between probes no longer counts.
    pub(super) fn forget_short_term(&mut self) {
        self.rate = u64::MAX;
        self.in_flight = MAX_CWND;
    }

    /// A probe is over: its losses are not those of the phase that begins.
    pub(super) fn reset_signals(&mut self) {
        self.latest_rate = 0;
        self.latest_in_flight = 0;
        self.delivered = 0;
        self.lost = 0;
        self.loss_events = 0;
    }

    /// An acknowledgement was taken in; a round may be over with it.
    pub(super) fn advance(&mut self, round_starts: bool) {
        if round_starts {
            self.reset_signals();
        }
    }

    /// `BBRAdaptLowerBoundsFromCongestion`.
    fn lower(&mut self, rate: u64, cwnd: u32) {
        if self.rate == u64::MAX {
            self.rate = rate;
        }
        if self.in_flight == MAX_CWND {
            self.in_flight = cwnd;
        }
        self.rate = self.latest_rate.max((self.rate as f64 * BETA) as u64);
        let beta = (f64::from(self.in_flight) * BETA) as u32;
        self.in_flight = self.latest_in_flight.max(beta);
    }
}

impl Bbr {
    /// Takes in what an acknowledgement tells of rate and losses, and at the end of a round with too
    /// many of them bounds the next, unless a probe is under way.
    pub(super) fn bounds_on_ack(&mut self, window: &Window, ack: &Ack) {
        let rtt = ack.rate.and_then(|sample| sample.rtt).or(ack.rtt);
        if let Some(rtt) = rtt {
            self.bounds.queued = self.sees_queue(rtt);
        }
        if let Some(sample) = ack.rate {
            if sample.is_reliable {
                self.bounds.latest_rate = self.bounds.latest_rate.max(sample.rate());
            }
            self.bounds.latest_in_flight = self.bounds.latest_in_flight.max(sample.delivered);
        }
        self.bounds.delivered += u64::from(ack.delivered);
        self.bounds.lost += u64::from(ack.lost);
        self.bounds.loss_events += u32::from(ack.lost > 0);
        let probing = matches!(self.mode, Mode::Startup | Mode::Refill | Mode::Up);
        if self.rounds.starts && !probing && self.round_loses_too_much(window.mss) {
            self.bounds.lower(self.bandwidth.get(), window.cwnd);
        }
    }

    /// Whether more was lost in this round than is tolerated.
    fn round_loses_too_much(&self, mss: u32) -> bool {
        let Bounds { delivered, lost, .. } = self.bounds;
        let tolerance = self.loss_tolerance(mss);
        let share = (delivered + lost) * u64::from(tolerance.share) / 1024;
        lost > share.max(tolerance.least.into())
    }

    /// `BBRCheckStartupHighLoss`: a round of start-up in which too much was lost, in several places.
    pub(super) fn startup_loses_too_much(&self) -> bool {
        self.rounds.starts
            && self.bounds.loss_events >= STARTUP_LOSS_EVENTS
            && self.round_loses_too_much(1)
    }

    /// How much of a flight may be lost, as long as the round-trip time is what it was last.
    pub(super) fn loss_tolerance(&self, mss: u32) -> Tolerance {
        let settings = &self.settings;
        let (permille, segments) = if self.bounds.queued {
            (settings.loss_threshold, 0)
        } else {
            (settings.clear_loss_threshold, CLEAR_SEGMENTS)
        };
        let share = (u32::from(permille.min(1000)) * 1024 / 1000) as u16;
        Tolerance { share, least: segments * mss }
    }

    /// `BBRBoundCwndForModel`.
    pub(super) fn bound_of_inflight(&self, mss: u32) -> u32 {
        let long_term = match self.mode {
            Mode::Down | Mode::Refill | Mode::Up => self.bounds.long_term,
            Mode::Cruise | Mode::ProbeRtt => self.bounds.long_term_with_headroom(mss),
            Mode::Startup | Mode::Drain => MAX_CWND,
        };
        long_term.min(self.bounds.in_flight).max(MIN_SEGMENTS * mss)
    }

    /// A router marked instead of dropping (RFC 3168): the bounds give way once a round trip.
    pub(super) fn bounds_on_mark(&mut self, window: &Window) {
        let least = (f64::from(window.cwnd) * BETA) as u32;
        self.bounds.set_long_term(least.max(MIN_SEGMENTS * window.mss));
        self.bounds.lower(self.bandwidth.get(), window.cwnd);
    }
}

/// `BBR.Beta`: what is left after too many losses.
pub(super) const BETA: f64 = 0.7;

/// `BBR.Headroom`: the part of the bound that is left to others while cruising.
const HEADROOM: f64 = 0.15;

/// `BBR.StartupFullLossCnt`: losses in so many places end the start-up.
const STARTUP_LOSS_EVENTS: u32 = 6;

/// Without a queue, so many segments are never too many: chance may lose some of a small flight.
const CLEAR_SEGMENTS: u32 = 8;
