//! How fast may I send.

mod cubic;
mod reno;

use core::time::Duration;

use self::cubic::Cubic;
use self::reno::Reno;
use super::config::CongestionControl;
use crate::Instant;

/// A congestion controller: it hears what happened and moves the [`Window`].
///
/// It never sees the connection, only facts. Every hook but the first two defaults to nothing.
pub(super) trait Controller {
    /// Data was acknowledged outside of fast recovery, and the window was in full use.
    fn on_ack(&mut self, window: &mut Window, ack: &Ack);

    /// Data was lost while `in_flight` octets were on their way: how far the window falls, as the
    /// new `ssthresh`, in octets.
    fn on_loss(&mut self, window: &Window, in_flight: u32, now: Instant) -> u32;

    /// The retransmission timer expired; `on_loss` was called before.
    fn on_timeout(&mut self) {}

    /// Sending pauses for lack of data.
    fn on_idle(&mut self, _now: Instant) {}

    /// How fast segments should leave, in octets per second; nothing to let the window decide alone.
    fn pacing_rate(&self) -> Option<u64> {
        None
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
    /// How many octets it acknowledges that were not acknowledged before.
    pub(super) acked: u32,
    /// The smoothed round-trip time.
    pub(super) rtt: Duration,
}

/// The window with the controller that moves it.
#[derive(Clone, Debug)]
pub(super) struct Congestion {
    pub(super) window: Window,
    algorithm: Algorithm,
    /// Whether the window, and nothing else, held back the sender lately: only then it may grow
    /// (RFC 7661 section 4).
    pub(super) limited: bool,
}

#[derive(Clone, Debug)]
enum Algorithm {
    Reno(Reno),
    Cubic(Cubic),
}

impl Congestion {
    pub(super) fn new(control: CongestionControl, mss: u32, segments: u32) -> Self {
        let algorithm = match control {
            CongestionControl::Reno => Algorithm::Reno(Reno::default()),
            CongestionControl::Cubic => Algorithm::Cubic(Cubic::default()),
        };
        let cwnd = mss.saturating_mul(segments.max(1)).min(MAX_CWND);
        let window = Window { cwnd, ssthresh: u32::MAX, mss };
        Self { window, algorithm, limited: false }
    }

    /// The handshake is over: the MSS is known, and with it the initial window, in segments.
    pub(super) fn start(&mut self, mss: u32, segments: u32) {
        self.window.mss = mss;
        self.window.cwnd = mss.saturating_mul(segments.max(1)).min(MAX_CWND);
    }

    pub(super) fn cwnd(&self) -> u32 {
        self.window.cwnd
    }

    /// The path carries smaller segments than thought.
    pub(super) fn set_mss(&mut self, mss: u32) {
        self.window.mss = mss;
        self.window.cwnd = self.window.cwnd.max(mss);
    }

    /// Data was acknowledged; `in_flight` is what was in the network before.
    pub(super) fn on_ack(&mut self, ack: &Ack, in_flight: u32) {
        // In slow start a window half used is in use: it doubles within the round trip.
        let used = if self.window.is_slow_start() {
            in_flight.saturating_mul(2) >= self.window.cwnd
        } else {
            self.limited
        };
        if used {
            let Self { window, algorithm, .. } = self;
            algorithm.controller().on_ack(window, ack);
        }
    }

    /// Loss was found and fast recovery begins (RFC 6675 section 5, step 4.2).
    pub(super) fn on_loss(&mut self, in_flight: u32, now: Instant) {
        let Self { window, algorithm, .. } = self;
        window.ssthresh =
            algorithm.controller().on_loss(window, in_flight, now).max(2 * window.mss);
        window.cwnd = window.ssthresh;
    }

    /// The retransmission timer expired (RFC 5681 section 3.1); `first` is false when it is the same
    /// data again, whose loss has lowered the threshold already.
    pub(super) fn on_timeout(&mut self, in_flight: u32, now: Instant, first: bool) {
        let Self { window, algorithm, .. } = self;
        let controller = algorithm.controller();
        if first {
            window.ssthresh = controller.on_loss(window, in_flight, now).max(2 * window.mss);
        }
        controller.on_timeout();
        window.cwnd = window.mss;
    }

    /// Nothing was sent for `idle`, longer than a retransmission time-out: the window halves for
    /// each of them, not below the restart window (RFC 2861 section 3, RFC 5681 section 4.1).
    pub(super) fn on_idle(&mut self, idle: Duration, rto: Duration, initial: u32, now: Instant) {
        let Self { window, algorithm, .. } = self;
        algorithm.controller().on_idle(now);
        let restart = window.mss.saturating_mul(initial.max(1)).min(window.cwnd);
        window.ssthresh = window.ssthresh.max(window.cwnd / 4 * 3);
        let periods = idle.as_micros() / rto.as_micros().max(1);
        let halvings = u32::try_from(periods).unwrap_or(u32::MAX).min(31);
        window.cwnd = (window.cwnd >> halvings).max(restart);
        self.limited = false;
    }

    pub(super) fn pacing_rate(&self) -> Option<u64> {
        match &self.algorithm {
            Algorithm::Reno(reno) => reno.pacing_rate(),
            Algorithm::Cubic(cubic) => cubic.pacing_rate(),
        }
    }
}

impl Algorithm {
    fn controller(&mut self) -> &mut dyn Controller {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
        }
    }
}

/// No window grows past this, so that sequence arithmetic keeps its distance from 2^31.
const MAX_CWND: u32 = 1 << 30;
