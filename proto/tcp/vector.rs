//! The machine itself: its variables, and the drains of its contract.

use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;

use super::challenge::Challenges;
use super::congestion::Congestion;
use super::ecn::Ecn;
use super::event::Events;
use super::fast_open::FastOpening;
use super::info::LimitClock;
use super::pacing::Pacer;
use super::path::Path;
use super::reassembly::Reassembly;
use super::receive_buffer::ReceiveBuffer;
use super::recovery::Recovery;
use super::rtt::RttEstimator;
use super::scoreboard::Scoreboard;
use super::send_buffer::SendBuffer;
use super::timer::Timers;
use super::urgent::Urgent;
use super::{Agreed, Config, Counters, Event, Info, Reason, Retransmission, State, TimerKind};
use crate::Instant;
use crate::wire::tcp::{Segment, SeqNumber};

/// One TCP connection: all that RFC 9293 calls the transmission control block, and no I/O.
///
/// Its methods are of four kinds:
///
/// - *start*: [`connect`](Self::connect), [`accept`](Self::accept);
/// - *input*: [`handle_segment`](Self::handle_segment), [`handle_deadline`](Self::handle_deadline),
///   [`handle_icmp`](Self::handle_icmp), and what the application asks: [`write`](Self::write),
///   [`grant`](Self::grant), [`read`](Self::read), [`shutdown`](Self::shutdown),
///   [`detach`](Self::detach), [`abort`](Self::abort) and the `set_` methods;
/// - *output*: [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event) and
///   [`poll_urgent`](Self::poll_urgent), drained
///   after every input until they give nothing, in any order; a whole batch of segments may be
///   handled before the drain, and is then acknowledged once (MUST-58, MUST-59);
/// - *questions*: [`next_deadline`](Self::next_deadline), [`state`](Self::state),
///   [`info`](Self::info), [`writable`](Self::writable).
///
/// `now` never goes backwards, with one exception: a segment brings the moment at which it arrived
/// at the link, which may be earlier than the last one.
///
/// After [`Event::Closed`] or [`Event::Refused`], once `poll_transmit` gives nothing more, the
/// machine can be dropped. A connection closed in order says so when all that came was read.
#[derive(Debug)]
pub struct StateVector {
    pub(super) config: Rc<Config>,
    pub(super) state: State,
    pub(super) origin: Origin,
    /// Whether an application is there to read.
    pub(super) attached: bool,
    pub(super) nodelay: bool,
    pub(super) limits: LimitClock,
    pub(super) snd: Send,
    pub(super) rcv: Receive,
    pub(super) timestamps: Timestamps,
    pub(super) sack: bool,
    pub(super) send_buffer: SendBuffer,
    pub(super) receive_buffer: ReceiveBuffer,
    pub(super) reassembly: Reassembly,
    pub(super) scoreboard: Scoreboard,
    pub(super) recovery: Recovery,
    pub(super) congestion: Congestion,
    pub(super) pacer: Pacer,
    pub(super) ecn: Ecn,
    pub(super) path: Path,
    pub(super) rtt: RttEstimator,
    pub(super) timers: Timers,
    pub(super) patience: Patience,
    pub(super) pending: Pending,
    pub(super) events: Events,
    pub(super) ended: Option<Reason>,
    pub(super) challenges: Challenges,
    /// Boxed, for hardly anybody needs it, as the next.
    pub(super) fast_open: Option<Box<FastOpening>>,
    pub(super) urgent: Option<Box<Urgent>>,
    pub(super) counters: Counters,
}

/// How a connection began; a passive one goes back to its listener when it fails (MUST-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Active,
    Passive,
}

/// The send sequence variables (RFC 9293 section 3.3.1).
#[derive(Debug)]
pub(super) struct Send {
    pub(super) iss: SeqNumber,
    pub(super) una: SeqNumber,
    pub(super) nxt: SeqNumber,
    /// SND.WND, scaled.
    pub(super) wnd: u32,
    pub(super) wl1: SeqNumber,
    pub(super) wl2: SeqNumber,
    /// The largest window the peer ever offered (RFC 9293 section 3.8.6.2.1, RFC 5961 section 5).
    pub(super) max_wnd: u32,
    /// Snd.Wind.Shift (RFC 7323 section 2.3).
    pub(super) shift: u8,
    /// The most payload of one segment: the smaller MSS without the options each segment has.
    pub(super) mss: u16,
    /// The sequence number of the first octet in the send buffer.
    pub(super) base: SeqNumber,
    /// Where the last segment smaller than `mss` ended (Minshall's form of Nagle's algorithm).
    pub(super) small_end: SeqNumber,
    /// The application writes no more; FIN follows the last octet.
    pub(super) fin: bool,
    /// When data was last sent.
    pub(super) last_sent: Instant,
}

/// The receive sequence variables (RFC 9293 section 3.3.1).
#[derive(Debug)]
pub(super) struct Receive {
    pub(super) irs: SeqNumber,
    pub(super) nxt: SeqNumber,
    /// The right edge of the window offered: RCV.NXT + RCV.WND. It never moves left (SHLD-14).
    pub(super) edge: SeqNumber,
    /// RCV.NXT as last sent.
    pub(super) acked: SeqNumber,
    /// Rcv.Wind.Shift (RFC 7323 section 2.3).
    pub(super) shift: u8,
    /// The largest segment the peer sent, as far as we know.
    pub(super) mss: u16,
    /// The peer's FIN was reached.
    pub(super) fin: bool,
    /// The parts that came twice and were not yet reported (RFC 2883), an acknowledgement each.
    pub(super) duplicates: Option<Box<Duplicates>>,
    /// Without SACK: how many more acknowledgements are owed to segments beyond a hole, one to each
    /// (RFC 5681 section 4.2).
    pub(super) repeats: u8,
}

/// Parts of the sequence space, the first to be reported first; never none.
#[derive(Debug, Default)]
pub(super) struct Duplicates(pub(super) VecDeque<(SeqNumber, SeqNumber)>);

/// The variables of RFC 7323 section 4.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    pub(super) agreed: bool,
    pub(super) offset: u32,
    /// TS.Recent.
    pub(super) recent: u32,
    /// When TS.Recent was set.
    pub(super) recent_at: Instant,
    /// TS.Recent one and two portions of time before, at least.
    earlier: [u32; 2],
    /// When the present portion began.
    portion_at: Instant,
}

impl Timestamps {
    /// Our clock: a tick per millisecond.
    pub(super) fn value(&self, now: Instant) -> u32 {
        ((now.as_micros() / 1_000) as u32).wrapping_add(self.offset)
    }

    /// The peer's SYN had this timestamp.
    pub(super) fn begin(&mut self, value: u32, now: Instant) {
        (self.recent, self.recent_at) = (value, now);
        (self.earlier, self.portion_at) = ([value; 2], now);
    }

    /// Sets TS.Recent (RFC 7323 section 4.3).
    pub(super) fn set_recent(&mut self, value: u32, now: Instant) {
        if now.saturating_since(self.portion_at) >= REORDERING_PORTION {
            self.earlier = [self.earlier[1], self.recent];
            self.portion_at = now;
        }
        self.recent = value;
        self.recent_at = now;
    }

    /// What PAWS compares with (RFC 7323 section 5.3) while something is missing: TS.Recent as it was
    /// a second or two ago. A retransmission that fills the first hole has a newer timestamp than the
    /// segments that are late for the others; it must not make them be taken for old duplicates.
    pub(super) fn least_acceptable(&self, now: Instant) -> u32 {
        let portions =
            now.saturating_since(self.portion_at).as_micros() / REORDERING_PORTION.as_micros();
        let earlier = match portions {
            0 => self.earlier[0],
            1 => self.earlier[1],
            _ => self.recent,
        };
        if self.recent.wrapping_sub(earlier) < 1 << 31 { earlier } else { self.recent }
    }

    /// How long ago we sent what the peer echoes; nothing if it cannot be one of ours.
    pub(super) fn elapsed(&self, echo: u32, now: Instant) -> Option<Duration> {
        let ticks = self.value(now).wrapping_sub(echo);
        (echo != 0 && ticks < 1 << 24).then(|| Duration::from_millis(ticks.into()))
    }
}

/// No segment is late by more than twice this and yet of use.
const REORDERING_PORTION: Duration = Duration::from_secs(1);

/// How long we have waited for an answer.
#[derive(Debug)]
pub(super) struct Patience {
    /// When the peer was last heard.
    pub(super) heard: Instant,
    /// When the first retransmission since the last progress was due, or the first SYN went out.
    pub(super) since: Option<Instant>,
    /// Retransmissions since the last progress.
    pub(super) attempts: u32,
    /// Keep-alive probes since the peer was last heard.
    pub(super) keep_alives: u32,
    /// Boxed, for most connections have none.
    pub(super) keep_alive: Option<Box<super::KeepAlive>>,
    pub(super) user_timeout: Option<Duration>,
}

/// What is to be sent at the next opportunity.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// A SYN, or SYN and ACK; the reason if it was sent before.
    pub(super) syn: Option<Option<Retransmission>>,
    pub(super) ack: AckNeed,
    pub(super) probe: Option<Probe>,
    /// A RST without ACK that answers a segment with this acknowledgement number.
    pub(super) reset_reply: Option<SeqNumber>,
    /// A RST that ends the connection.
    pub(super) reset: bool,
    /// One lost segment may be sent whatever the congestion window says.
    pub(super) resend_one: bool,
    /// A probe for the loss of the last segments.
    pub(super) tail_probe: bool,
}

/// How urgent an acknowledgement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AckNeed {
    /// All that came is acknowledged.
    #[default]
    None,
    /// It waits for data to travel with, or for its timer.
    Delayed,
    /// With the next segment, or alone if there is none.
    Now,
    /// In a segment of its own: it reports a hole, or challenges.
    Alone,
}

/// A segment that asks for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Window,
    KeepAlive,
}

impl StateVector {
    /// A machine in CLOSED; `connect` and `accept` finish it.
    pub(super) fn new(config: Rc<Config>, origin: Origin, iss: SeqNumber, now: Instant) -> Self {
        let shift = config.window_shift();
        let limit = config.initial_receive_window();
        let mss = config.own_mss().min(config.default_peer_mss.max(1));
        Self {
            state: State::Closed,
            origin,
            attached: true,
            nodelay: config.nodelay,
            limits: LimitClock::new(now),
            snd: Send {
                iss,
                una: iss,
                nxt: iss + 1,
                wnd: 0,
                wl1: SeqNumber(0),
                wl2: SeqNumber(0),
                max_wnd: 0,
                shift: 0,
                mss,
                base: iss + 1,
                small_end: iss,
                fin: false,
                last_sent: now,
            },
            rcv: Receive {
                irs: SeqNumber(0),
                nxt: SeqNumber(0),
                edge: SeqNumber(0),
                acked: SeqNumber(0),
                shift,
                mss: mss.min(config.default_peer_mss),
                fin: false,
                duplicates: None,
                repeats: 0,
            },
            timestamps: Timestamps { agreed: config.timestamps, ..Timestamps::default() },
            sack: config.sack,
            send_buffer: SendBuffer::default(),
            receive_buffer: ReceiveBuffer::new(limit, config.max_receive_window(shift), now),
            reassembly: Reassembly::default(),
            scoreboard: Scoreboard::default(),
            recovery: Recovery::new(iss),
            congestion: Congestion::new(&config, mss.into(), iss.0.into(), now),
            pacer: Pacer::default(),
            ecn: Ecn::new(iss),
            path: Path::default(),
            rtt: RttEstimator::new(&config),
            timers: Timers::default(),
            patience: Patience {
                heard: now,
                since: None,
                attempts: 0,
                keep_alives: 0,
                keep_alive: config.keep_alive.map(Box::new),
                user_timeout: config.user_timeout,
            },
            pending: Pending::default(),
            events: Events::default(),
            ended: None,
            challenges: Challenges::default(),
            fast_open: None,
            urgent: None,
            counters: Counters::default(),
            config,
        }
    }

    /// The next piece of news for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        let writable = self.writable();
        let may_end = self.is_read_out();
        self.events.pop(|| writable, may_end)
    }

    /// Whether nothing is left that an application may still read of a connection that was closed in order.
    ///
    /// Both sides may have said their last word while octets wait to be granted. How else a connection ends is
    /// told at once, so that who writes learns of it.
    fn is_read_out(&self) -> bool {
        let is_awaited = self.attached && self.ended == Some(Reason::Normal);
        !is_awaited || self.receive_buffer.unread() == 0
    }

    /// Whether the connection has ended and nothing is left to be read: when the last event was polled, and
    /// [`poll_transmit`](Self::poll_transmit) gives nothing more, the machine can be dropped.
    pub fn is_over(&self) -> bool {
        self.state == State::Closed && self.is_read_out()
    }

    /// When to call [`handle_deadline`](Self::handle_deadline), and what for.
    pub fn next_deadline(&self) -> Option<(Instant, TimerKind)> {
        self.timers.soonest()
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// A snapshot of what the connection knows about itself.
    pub fn info(&self) -> Info {
        Info {
            state: self.state,
            ended: self.ended,
            srtt: self.rtt.smoothed(),
            rttvar: self.rtt.variance(),
            min_rtt: self.rtt.least(),
            rto: self.rtt.rto(&self.config),
            cwnd: self.congestion.cwnd(),
            ssthresh: self.congestion.window.ssthresh,
            congestion: self.congestion.control(),
            pacing_rate: self.congestion.pacing_rate(),
            delivery_rate: self.scoreboard.delivery.rate(),
            delivery_rate_app_limited: self.scoreboard.delivery.rate_is_app_limited(),
            delivered: self.scoreboard.delivery.delivered(),
            lost: self.scoreboard.delivery.lost(),
            send_mss: self.snd.mss,
            send_window: self.snd.wnd,
            receive_window: self.rcv.edge.distance_from(self.rcv.nxt),
            outstanding: self.scoreboard.outstanding(),
            in_flight: self.in_flight(),
            send_buffered: self.send_buffer.len(),
            receive_buffered: self.receive_buffer.unread(),
            out_of_order: self.reassembly.len(),
            urgent_remaining: self.urgent_remaining(),
            limited_by: self.limits.by,
            limited_times: self.limits.times(),
            options: Agreed {
                timestamps: self.timestamps.agreed,
                sack: self.sack,
                ecn: self.ecn.agreed,
                window_shifts: (self.config.window_scaling && self.rcv.shift + self.snd.shift > 0)
                    .then_some((self.snd.shift, self.rcv.shift)),
            },
            counters: self.counters.clone(),
        }
    }

    /// The sequence number after the last octet written: that of the FIN.
    pub(super) fn data_end(&self) -> SeqNumber {
        self.snd.base + self.send_buffer.len() as u32
    }

    /// Whether the FIN was sent.
    pub(super) fn fin_sent(&self) -> bool {
        self.snd.fin && self.snd.nxt.is_after(self.data_end())
    }

    /// Octets thought to be in the network. Without SACK each duplicate acknowledgement tells of one
    /// segment that has left it.
    pub(super) fn in_flight(&self) -> u32 {
        let left = if self.sack { 0 } else { self.recovery.dup_acks * u32::from(self.snd.mss) };
        self.scoreboard.pipe().saturating_sub(left)
    }

    /// Asks for an acknowledgement, unless a more urgent one is asked for already.
    pub(super) fn need_ack(&mut self, need: AckNeed) {
        self.pending.ack = self.pending.ack.max(need);
    }

    /// Ends the connection: nothing is sent any more but a RST that is pending.
    pub(super) fn close(&mut self, reason: Reason) {
        if self.state == State::Closed {
            return;
        }
        let was_connected = self.state.is_synchronised() || self.is_open_early();
        self.state = State::Closed;
        self.ended = Some(reason);
        self.timers.stop_all();
        self.send_buffer.clear();
        self.scoreboard.clear();
        self.reassembly.clear();
        let reset_reply = self.pending.reset_reply;
        let reset = self.pending.reset;
        self.pending = Pending { reset_reply, reset, ..Pending::default() };
        self.events.writable = false;
        if was_connected {
            self.events.closed = Some(reason);
        } else {
            self.events.refused = Some(reason);
        }
    }

    /// Enters TIME-WAIT, or begins its time anew.
    pub(super) fn enter_time_wait(&mut self, now: Instant) {
        self.state = State::TimeWait;
        self.timers.stop_all();
        self.timers.set(TimerKind::Linger, now + self.config.msl * 2);
    }

    /// Hands back the SYN that ended TIME-WAIT.
    pub(super) fn supersede(&mut self, syn: Segment) {
        self.close(Reason::Normal);
        self.events.superseded = Some(Box::new(syn));
    }

    /// What always holds between the variables.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let snd = &self.snd;
        assert!(snd.una.is_at_or_before(snd.nxt), "SND.UNA <= SND.NXT");
        if self.state != State::Closed {
            assert!(self.rcv.nxt.is_at_or_before(self.rcv.edge), "RCV.NXT within the window");
            assert!(
                snd.nxt.is_at_or_before(self.data_end() + 1),
                "nothing sent that was not written"
            );
        }
        self.scoreboard.check_invariants();
        assert!(self.send_buffer.len() <= self.config.send_buffer_max);
        assert!(self.receive_buffer.unread() as u32 <= self.receive_buffer.limit());
        assert!(self.reassembly.len() as u32 <= self.receive_buffer.limit());
        assert!(self.congestion.cwnd() >= u32::from(snd.mss).min(self.congestion.window.mss));
    }
}
