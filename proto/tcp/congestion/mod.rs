//! How fast may I send.

mod bbr;
mod cubic;
mod hystart;
mod reno;
mod rounds;

use core::time::Duration;

use self::bbr::Bbr;
use self::cubic::Cubic;
use self::reno::Reno;
use super::config::{Config, CongestionControl};
use super::delivery::{RateSample, Tolerance};
use crate::Instant;

/// A congestion controller: it hears what happened and moves the [`Window`].
///
/// It never sees the connection, only facts. Every hook but the first two defaults to nothing.
pub(super) trait Controller {
    /// An acknowledgement delivered something, or found something lost. One that
    /// [`keeps its own window`](Self::keeps_window) hears of all of them; others only of what was
    /// acknowledged outside of fast recovery, without an echo, while the window was in full use.
    fn on_ack(&mut self, window: &mut Window, ack: &Ack);

    /// A repair begins, or the path reports congestion: how far the window falls, as the new
    /// `ssthresh`, in octets. Who keeps its own window may move it here, and its answer is not used.
    fn on_loss(&mut self, window: &mut Window, loss: &Loss) -> u32;

    /// The MSS is known, and the initial window set.
    fn on_start(&mut self, _window: &Window) {}

    /// The repair is over: everything in flight at its begin was acknowledged.
    fn on_recovery_end(&mut self, _window: &mut Window, _now: Instant) {}

    /// The retransmission timer expired; the window is as it was.
    fn before_timeout(&mut self, _window: &Window) {}

    /// The retransmission timer expired; `on_loss` was called before, if the data was not already
    /// known to be lost, and the window is one segment now.
    fn on_timeout(&mut self, _window: &mut Window, _now: Instant) {}

    /// The last `on_loss` was a mistake; the window is back where it was.
    fn on_undo(&mut self, _window: &mut Window, _now: Instant) {}

    /// The window was not in full use, or sending begins again after a pause for lack of data.
    fn on_idle(&mut self, _window: &mut Window, _now: Instant) {}

    /// How fast segments should leave, in octets per second; nothing to let the window decide alone.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }

    /// Whether the controller sets the window in recovery as well, from its model of the path. The
    /// others are led through it by proportional rate reduction.
    fn keeps_window(&self) -> bool {
        false
    }

    /// How much of a flight may be lost before [`Ack::too_high`] tells of it.
    fn tolerance(&self, _mss: u32) -> Tolerance {
        Tolerance::default()
    }
}

/// The congestion window and its threshold, in octets (RFC 5681 section 2).
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// `cwnd`: how much may be in flight.
    pub(super) cwnd: u32,
    /// `ssthresh`: below it slow start rules, above it congestion avoidance.
    pub(super) ssthresh: u32,
    /// The sender maximum segment size.
    pub(super) mss: u32,
}

impl Window {
    pub(super) fn is_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// Slow start with appropriate byte counting (RFC 3465), up to `ssthresh`; returns the octets
    /// that are left for congestion avoidance.
    pub(super) fn slow_start(&mut self, acked: u32) -> u32 {
        let grow = acked.min(self.ssthresh.saturating_sub(self.cwnd));
        self.cwnd = self.cwnd.saturating_add(grow).min(MAX_CWND);
        acked - grow
    }
}

/// What an acknowledgement tells a controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    /// When it came.
    pub(super) now: Instant,
    /// How many octets SND.UNA moved.
    pub(super) acked: u32,
    /// How many octets it reports for the first time, in order or selectively.
    pub(super) delivered: u32,
    /// How many octets were found lost by it.
    pub(super) lost: u32,
    /// Octets in the network before it.
    pub(super) prior_in_flight: u32,
    /// Octets in the network after it.
    pub(super) in_flight: u32,
    /// The round-trip time it measures, if it does.
    pub(super) rtt: Option<Duration>,
    /// The smoothed round-trip time.
    pub(super) srtt: Duration,
    /// The delivery rate it measures, if it does.
    pub(super) rate: Option<RateSample>,
    /// All octets delivered so far.
    pub(super) total_delivered: u64,
    /// Octets that were in flight when the losses of a flight became too many, if they just did.
    pub(super) too_high: Option<u32>,
    /// Whether it was, before or after, in fast recovery.
    pub(super) in_recovery: bool,
    /// Whether the window held back the sender before it came.
    pub(super) window_limited: bool,
    /// Whether it echoes a mark of congestion (RFC 3168).
    pub(super) ecn_echo: bool,
}

/// What begins a repair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    /// When it was found.
    pub(super) now: Instant,
    /// Octets sent and not acknowledged: `FlightSize` of RFC 5681.
    pub(super) in_flight: u32,
    /// Whether a mark tells of it (RFC 3168), and nothing is lost.
    pub(super) marked: bool,
}

/// The window with the controller that moves it.
#[derive(Clone, Debug)]
pub(super) struct Congestion {
    pub(super) window: Window,
    algorithm: Algorithm,
    /// Whether the window, and nothing else, held back the sender lately: only then it may grow
    /// (RFC 7661 section 4).
    pub(super) limited: bool,
    /// `cwnd` and `ssthresh` before the repair that is under way, or was last.
    prior: (u32, u32),
    /// The smoothed round-trip time in microseconds, if what the window allows is to be spread over it; 0
    /// otherwise, and before the first measurement.
    spread_over: u32,
    /// Whether it is to be.
    paced: bool,
    /// Most octets in flight in the round trip that is being acknowledged.
    peak: u32,
    /// Octets acknowledged since then.
    since_peak: u32,
}

#[derive(Clone, Debug)]
enum Algorithm {
    Reno(Reno),
    Cubic(Cubic),
    Bbr(Box<Bbr>),
}

impl Congestion {
    /// `seed` is for controllers that throw dice.
    pub(super) fn new(config: &Config, mss: u32, seed: u64, now: Instant) -> Self {
        let cwnd = initial_cwnd(mss, config.initial_window);
        let window = Window { cwnd, ssthresh: u32::MAX, mss };
        let algorithm = Algorithm::new(config.congestion, config, &window, seed, now);
        let prior = (window.cwnd, window.ssthresh);
        let paced = config.pacing;
        Self {
            window,
            algorithm,
            limited: false,
            prior,
            spread_over: 0,
            paced,
            peak: 0,
            since_peak: 0,
        }
    }

    /// The handshake is over: the MSS is known, and with it the initial window, in segments.
    pub(super) fn start(&mut self, mss: u32, segments: u32) {
        self.window.mss = mss;
        self.window.cwnd = initial_cwnd(mss, segments);
        let Self { window, algorithm, .. } = self;
        algorithm.controller().on_start(window);
    }

    /// Another controller takes over the window as it is.
    pub(super) fn switch(
        &mut self,
        control: CongestionControl,
        config: &Config,
        seed: u64,
        now: Instant,
    ) {
        if self.algorithm.control() != control {
            self.algorithm = Algorithm::new(control, config, &self.window, seed, now);
            // A threshold that another has learned must not hold back one that knows none.
            self.window.ssthresh = self.window.ssthresh.max(2 * self.window.mss);
        }
    }

    /// Which controller it is.
    pub(super) fn control(&self) -> CongestionControl {
        self.algorithm.control()
    }

    /// How much of a flight may be lost before the controller wants to hear of it.
    pub(super) fn tolerance(&self) -> Tolerance {
        self.algorithm.shared().tolerance(self.window.mss)
    }

    pub(super) fn cwnd(&self) -> u32 {
        self.window.cwnd
    }

    /// The path carries smaller segments than thought.
    pub(super) fn set_mss(&mut self, mss: u32) {
        self.window.mss = mss;
        self.window.cwnd = self.window.cwnd.max(mss);
    }

    /// An acknowledgement was taken in, and its losses were judged.
    pub(super) fn on_ack(&mut self, ack: &Ack) {
        if self.paced {
            self.spread_over = u32::try_from(ack.srtt.as_micros()).unwrap_or(u32::MAX);
        }
        self.follow_peak(ack);
        let Self { window, algorithm, limited, peak, .. } = self;
        let controller = algorithm.controller();
        // In slow start a window of which more than half was used is in use: it doubles within the round trip,
        // in which the last acknowledgements find little in flight (RFC 7661 section 4.3).
        let used =
            if window.is_slow_start() { peak.saturating_mul(2) > window.cwnd } else { *limited };
        if controller.keeps_window() || ack.acked > 0 && used && !ack.in_recovery && !ack.ecn_echo {
            controller.on_ack(window, ack);
        } else if !used {
            controller.on_idle(window, ack.now);
        }
    }

    /// Keeps the largest flight of the last round trip: until as much was acknowledged.
    fn follow_peak(&mut self, ack: &Ack) {
        self.since_peak = self.since_peak.saturating_add(ack.acked);
        if ack.prior_in_flight >= self.peak || self.since_peak > self.peak {
            self.peak = ack.prior_in_flight;
            self.since_peak = ack.acked;
        }
    }

    /// Loss was found and fast recovery begins (RFC 6675 section 5, step 4.2).
    pub(super) fn on_loss(&mut self, loss: &Loss) {
        self.prior = (self.window.cwnd, self.window.ssthresh);
        self.reduce(loss);
        if !self.keeps_window() {
            self.window.cwnd = self.window.ssthresh;
        }
    }

    fn reduce(&mut self, loss: &Loss) {
        let Self { window, algorithm, .. } = self;
        let ssthresh = algorithm.controller().on_loss(window, loss);
        if !self.keeps_window() {
            self.window.ssthresh = ssthresh.max(2 * self.window.mss);
        }
    }

    /// Fast recovery, or the repair after a time-out, is over.
    pub(super) fn on_recovery_end(&mut self, now: Instant) {
        let Self { window, algorithm, .. } = self;
        algorithm.controller().on_recovery_end(window, now);
    }

    /// The retransmission timer expired (RFC 5681 section 3.1); `first` is false when it is the same
    /// data again, whose loss has lowered the threshold already.
    pub(super) fn on_timeout(&mut self, loss: &Loss, first: bool) {
        let Self { window, algorithm, .. } = self;
        algorithm.controller().before_timeout(window);
        if first {
            self.prior = (self.window.cwnd, self.window.ssthresh);
            self.reduce(loss);
        }
        let Self { window, algorithm, .. } = self;
        window.cwnd = window.mss;
        algorithm.controller().on_timeout(window, loss.now);
    }

    /// Nothing was lost after all: the window is again as it was before the repair.
    // Asked for by the detection of spurious repairs (RFC 4015, RFC 5682).
    pub(super) fn on_undo(&mut self, now: Instant) {
        let Self { window, algorithm, .. } = self;
        let (cwnd, ssthresh) = self.prior;
        window.cwnd = window.cwnd.max(cwnd);
        window.ssthresh = window.ssthresh.max(ssthresh);
        algorithm.controller().on_undo(window, now);
    }

    /// Whether the controller sets the window in recovery too, so that nobody else may.
    pub(super) fn keeps_window(&self) -> bool {
        self.algorithm.shared().keeps_window()
    }

    /// Nothing was sent for `idle`, longer than a retransmission time-out: the window halves for
    /// each of them, not below the restart window (RFC 2861 section 3, RFC 5681 section 4.1).
    pub(super) fn on_idle(&mut self, idle: Duration, rto: Duration, initial: u32, now: Instant) {
        let Self { window, algorithm, .. } = self;
        algorithm.controller().on_idle(window, now);
        if algorithm.shared().keeps_window() {
            return;
        }
        let restart = window.mss.saturating_mul(initial.max(1)).min(window.cwnd);
        window.ssthresh = window.ssthresh.max(window.cwnd / 4 * 3);
        let periods = idle.as_micros() / rto.as_micros().max(1);
        let halvings = u32::try_from(periods).unwrap_or(u32::MAX).min(31);
        window.cwnd = (window.cwnd >> halvings).max(restart);
        self.limited = false;
    }

    /// How fast segments should leave, in octets per second, if there is a pace.
    pub(super) fn pacing_rate(&self) -> Option<u64> {
        self.algorithm.shared().pacing_rate().or_else(|| {
            let micros = Some(u64::from(self.spread_over)).filter(|micros| *micros > 0)?;
            let window = u64::from(self.window.cwnd);
            // Faster than the window by itself, so that the window stays what limits.
            let tenths = if self.window.is_slow_start() { 20 } else { 12 };
            Some(window * tenths * 100_000 / micros)
        })
    }
}

impl Algorithm {
    fn new(
        control: CongestionControl,
        config: &Config,
        window: &Window,
        seed: u64,
        now: Instant,
    ) -> Self {
        match control {
            CongestionControl::Reno => Self::Reno(Reno::default()),
            CongestionControl::Cubic => Self::Cubic(Cubic::default()),
            CongestionControl::Bbr => Self::Bbr(Box::new(Bbr::new(config.bbr, window, seed, now))),
        }
    }

    fn control(&self) -> CongestionControl {
        match self {
            Self::Reno(_) => CongestionControl::Reno,
            Self::Cubic(_) => CongestionControl::Cubic,
            Self::Bbr(_) => CongestionControl::Bbr,
        }
    }

    fn controller(&mut self) -> &mut dyn Controller {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
            Self::Bbr(bbr) => bbr.as_mut(),
        }
    }

    fn shared(&self) -> &dyn Controller {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
            Self::Bbr(bbr) => bbr.as_ref(),
        }
    }
}

fn initial_cwnd(mss: u32, segments: u32) -> u32 {
    mss.saturating_mul(segments.max(1)).min(MAX_CWND)
}

/// No window grows past this, so that sequence arithmetic keeps its distance from 2^31.
const MAX_CWND: u32 = 1 << 30;

#[cfg(test)]
impl Ack {
    /// A plain acknowledgement of `acked` octets.
    pub(super) fn plain(now: Instant, acked: u32, srtt: Duration) -> Self {
        Self {
            now,
            acked,
            delivered: acked,
            lost: 0,
            prior_in_flight: acked,
            in_flight: 0,
            rtt: Some(srtt),
            srtt,
            rate: None,
            total_delivered: acked.into(),
            too_high: None,
            in_recovery: false,
            window_limited: true,
            ecn_echo: false,
        }
    }
}

#[cfg(test)]
impl Loss {
    /// A loss with so much in flight.
    pub(super) fn plain(now: Instant, in_flight: u32) -> Self {
        Self { now, in_flight, marked: false }
    }
}
