//! What a connection can tell about itself.

use core::time::Duration;

use super::{CongestionControl, Reason, Retransmission, State};
use crate::Instant;

/// A snapshot of a connection, like `TCP_INFO` of Linux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The state.
    pub state: State,
    /// Why it ended, once it has.
    pub ended: Option<Reason>,
    /// SRTT, once measured.
    pub srtt: Option<Duration>,
    /// RTTVAR.
    pub rttvar: Duration,
    /// The least round-trip time, once measured.
    pub min_rtt: Option<Duration>,
    /// The retransmission time-out.
    pub rto: Duration,
    /// The congestion window, in octets.
    pub cwnd: u32,
    /// The slow-start threshold, in octets; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// The congestion controller.
    pub congestion: CongestionControl,
    /// How fast segments leave, in octets per second, when the controller paces them.
    pub pacing_rate: Option<u64>,
    /// How fast what was sent arrives, in octets per second, as last measured.
    pub delivery_rate: Option<u64>,
    /// Whether it was not the path that held that rate, but the application or the peer's window.
    pub delivery_rate_app_limited: bool,
    /// Octets that the peer has reported, in order or beyond a hole.
    pub delivered: u64,
    /// Octets found lost; one that is lost twice counts twice.
    pub lost: u64,
    /// The most payload of one segment, in octets.
    pub send_mss: u16,
    /// SND.WND, the window of the peer, in octets.
    pub send_window: u32,
    /// The window last offered to the peer, in octets.
    pub receive_window: u32,
    /// Sent and not acknowledged, in octets.
    pub outstanding: u32,
    /// Thought to be in the network, in octets.
    pub in_flight: u32,
    /// Written and not acknowledged, in octets.
    pub send_buffered: usize,
    /// In order and not read, in octets.
    pub receive_buffered: usize,
    /// Beyond a hole, in octets.
    pub out_of_order: usize,
    /// Octets to be read until all urgent data is read.
    pub urgent_remaining: u32,
    /// What kept the sender from sending more when it last stopped.
    pub limited_by: LimitedBy,
    /// For how long each of these has kept the sender, until it last stopped.
    pub limited_times: LimitedTimes,
    /// Whether the options were agreed on.
    pub options: Agreed,
    /// What was counted.
    pub counters: Counters,
}

/// What was agreed on in the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Timestamps (RFC 7323).
    pub timestamps: bool,
    /// Selective acknowledgements (RFC 2018).
    pub sack: bool,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: bool,
    /// The shift of the windows we receive, and of those we send, if windows are scaled.
    pub window_shifts: Option<(u8, u8)>,
}

/// What keeps a sender from sending more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitedBy {
    /// There is nothing to send.
    #[default]
    Application,
    /// The window of the peer.
    ReceiveWindow,
    /// The congestion window.
    CongestionWindow,
    /// A small segment waits for company (Nagle, silly-window avoidance).
    SmallSegment,
    /// The pace: more may leave in a moment.
    Pace,
}

/// For how long each limit has held a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitedTimes {
    /// There was nothing to send.
    pub application: Duration,
    /// The window of the peer was used up.
    pub receive_window: Duration,
    /// The congestion window was used up.
    pub congestion_window: Duration,
    /// A small segment waited for company.
    pub small_segment: Duration,
    /// The pace did not let more leave yet.
    pub pace: Duration,
}

impl LimitedTimes {
    /// How long there was something to send.
    pub fn busy(&self) -> Duration {
        self.receive_window + self.congestion_window + self.small_segment + self.pace
    }
}

/// Keeps [`LimitedTimes`].
#[derive(Clone, Debug)]
pub(super) struct LimitClock {
    pub(super) by: LimitedBy,
    since: Instant,
    /// Whole milliseconds, in the order of [`LimitedBy`]; parts are left in `since`.
    held: [u32; 5],
}

impl LimitClock {
    pub(super) fn new(now: Instant) -> Self {
        Self { by: LimitedBy::Application, since: now, held: [0; 5] }
    }

    /// The sender stops at `now` because of this.
    pub(super) fn stop(&mut self, by: LimitedBy, now: Instant) {
        let held = u32::try_from(now.saturating_since(self.since).as_millis()).unwrap_or(u32::MAX);
        let total = &mut self.held[self.by as usize];
        *total = total.saturating_add(held);
        self.since += Duration::from_millis(held.into());
        self.by = by;
    }

    pub(super) fn times(&self) -> LimitedTimes {
        let held = |by: LimitedBy| Duration::from_millis(self.held[by as usize].into());
        LimitedTimes {
            application: held(LimitedBy::Application),
            receive_window: held(LimitedBy::ReceiveWindow),
            congestion_window: held(LimitedBy::CongestionWindow),
            small_segment: held(LimitedBy::SmallSegment),
            pace: held(LimitedBy::Pace),
        }
    }
}

/// What a connection counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Octets received in order.
    pub bytes_in: u64,
    /// Octets sent for the first time.
    pub bytes_out: u64,
    /// Octets acknowledged by the peer.
    pub bytes_acked: u64,
    /// Octets sent again.
    pub bytes_resent: u64,
    /// Segments received; a super-segment counts once.
    pub segments_in: u64,
    /// Segments sent; of a super-segment all that it stands for.
    pub segments_out: u64,
    /// Retransmissions by cause.
    pub resent: Resent,
    /// Segments sent again in vain, as the peer reported (RFC 2883, RFC 3708).
    pub spurious: u32,
    /// Repairs that turned out to be needless and were taken back (RFC 3522, RFC 5682).
    pub undone: u32,
    /// How often the peer threw away what it had reported as received (RFC 2018 section 8).
    pub reneged: u32,
    /// Duplicate acknowledgements received.
    pub duplicate_acks: u32,
    /// Segments received beyond a hole.
    pub out_of_order: u32,
    /// Segments received whose octets were all known.
    pub duplicates: u32,
    /// Segments outside the window, or with an acknowledgement of what was never sent.
    pub unacceptable: u32,
    /// Segments with an old timestamp, or without one though timestamps were agreed on.
    pub bad_timestamps: u32,
    /// Challenge acknowledgements sent (RFC 5961).
    pub challenges: u32,
    /// Challenge acknowledgements that the rate limit held back.
    pub challenges_withheld: u32,
    /// Segments beyond a hole that were refused because too many pieces waited.
    pub pieces_refused: u32,
    /// Probes of a closed window.
    pub window_probes: u32,
    /// Keep-alive probes.
    pub keep_alives: u32,
    /// Probes of a larger segment size (RFC 4821).
    pub mtu_probes: u32,
    /// Of these, those that did not arrive.
    pub mtu_probes_lost: u32,
    /// How often segments were made smaller because full ones vanished.
    pub black_holes: u32,
    /// Segments received with a mark of congestion (RFC 3168).
    pub marks: u32,
    /// Acknowledgements received that echo such a mark.
    pub echoed_marks: u32,
    /// ICMP errors that quoted nothing in flight.
    pub icmp_ignored: u32,
}

/// How many segments were sent again, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// SYNs.
    pub handshake: u32,
    /// Found lost by three later segments that arrived.
    pub fast: u32,
    /// Found lost by the time it took.
    pub rack: u32,
    /// To probe for the loss of the last segments.
    pub tail: u32,
    /// Found lost by the timer.
    pub timeout: u32,
    /// Window probes that were not accepted.
    pub probe: u32,
}

impl Resent {
    pub(super) fn count(&mut self, cause: Retransmission, segments: u32) {
        *match cause {
            Retransmission::Handshake => &mut self.handshake,
            Retransmission::FastRetransmit => &mut self.fast,
            Retransmission::Rack => &mut self.rack,
            Retransmission::TailLossProbe => &mut self.tail,
            Retransmission::Timeout => &mut self.timeout,
            Retransmission::WindowProbe => &mut self.probe,
        } += segments;
    }

    /// All of them.
    pub fn total(&self) -> u32 {
        self.handshake + self.fast + self.rack + self.tail + self.timeout + self.probe
    }
}
