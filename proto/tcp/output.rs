//! What do I send next.

use bytes::Bytes;

use super::recovery::Phase;
use super::scoreboard::Part;
use super::undo::Frto;
use super::vector::{AckNeed, Probe};
use super::{LimitedBy, Retransmission, State, StateVector, TimerKind, Transmit};
use crate::Instant;
use crate::wire::Ecn;
use crate::wire::tcp::{Flags, Options, SackBlocks, Segment, SeqNumber, Timestamps};

impl StateVector {
    /// The next segment to send at `now`; nothing if there is none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(ack) = self.pending.reset_reply.take() {
            return Some(Transmit::once(Segment {
                seq: ack,
                flags: Flags::RST,
                ..Segment::default()
            }));
        }
        if core::mem::take(&mut self.pending.reset) {
            let seq = self.snd.nxt;
            return Some(Transmit::once(self.segment(seq, Flags::RST, Bytes::new(), now)));
        }
        if self.state == State::Closed {
            // The last acknowledgement of a connection that has just ended in order.
            return None;
        }
        if let Some(cause) = self.pending.syn.take() {
            return Some(self.syn(cause, now));
        }
        if self.pending.ack == AckNeed::Alone {
            return Some(self.pure_ack(now));
        }
        if self.may_transmit() {
            let data = self.probe(now).or_else(|| self.tail_probe(now));
            let data = data.or_else(|| self.resend_or_fresh(now));
            if data.is_some() {
                return data;
            }
        }
        if self.pending.probe.take() == Some(Probe::KeepAlive) {
            return Some(self.keep_alive(now));
        }
        (self.pending.ack == AckNeed::Now).then(|| self.pure_ack(now))
    }

    /// SYN, or SYN and ACK with what is left of the options after the peer's SYN.
    fn syn(&mut self, retransmission: Option<Retransmission>, now: Instant) -> Transmit {
        let answer = self.state == State::SynReceived;
        let flags = if answer { Flags::SYN } else { Flags::default() };
        let mut segment = self.segment(self.snd.iss, flags, Bytes::new(), now);
        if !answer {
            segment.flags = Flags::SYN;
            segment.ack = SeqNumber(0);
        }
        segment.flags |= self.ecn_syn_flags(answer, retransmission.is_some());
        segment.options.mss = Some(self.config.own_mss());
        segment.options.sack_permitted = self.sack;
        segment.options.sack = SackBlocks::default();
        let scales = self.config.window_scaling && !(answer && self.rcv.shift == 0);
        segment.options.window_scale = scales.then_some(self.rcv.shift);
        // The window of a SYN is never scaled (RFC 7323 section 2.2).
        segment.window = clamp_window(self.receive_buffer.space());
        self.fast_open_syn(&mut segment, retransmission.is_some());
        if let Some(cause) = retransmission {
            self.counters.resent.count(cause, 1);
        } else {
            self.patience.since.get_or_insert(now);
        }
        self.timers.set(TimerKind::Retransmit, self.next_retransmission(true, now));
        if let Some(timeout) = self.patience.user_timeout
            && !self.timers.is_set(TimerKind::UserTimeout)
        {
            self.timers.set(TimerKind::UserTimeout, now + timeout);
        }
        Transmit { segment, gso_size: None, retransmission }
    }

    fn pure_ack(&mut self, now: Instant) -> Transmit {
        let seq = self.snd.nxt;
        Transmit::once(self.segment(seq, Flags::default(), Bytes::new(), now))
    }

    /// An octet too old to be taken, to which a living peer answers (RFC 9293 section 3.8.4). It
    /// carries no data (SHLD-12).
    fn keep_alive(&mut self, now: Instant) -> Transmit {
        self.counters.keep_alives += 1;
        let seq = self.snd.nxt - 1;
        Transmit::once(self.segment(seq, Flags::default(), Bytes::new(), now))
    }

    /// A probe of a closed window: one octet, or what a window too small for others admits.
    fn probe(&mut self, now: Instant) -> Option<Transmit> {
        if self.pending.probe != Some(Probe::Window) {
            return None;
        }
        self.pending.probe = None;
        self.counters.window_probes += 1;
        let len = self.snd.wnd.clamp(1, u32::from(self.snd.mss));
        if let Some((start, end)) = self.scoreboard.first() {
            let end = end.earlier(start + len);
            self.counters.resent.count(Retransmission::WindowProbe, 1);
            self.scoreboard.in_pieces_of(self.snd.mss).resent(start, end, now);
            let segment = self.data_segment(start, end, now);
            self.timers.set(TimerKind::Retransmit, self.next_retransmission(false, now));
            let retransmission = Some(Retransmission::WindowProbe);
            return Some(Transmit { segment, gso_size: None, retransmission });
        }
        let end = (self.snd.nxt + len).earlier(self.stream_end());
        if !self.snd.nxt.is_before(end) {
            return None;
        }
        // Nagle's algorithm is not to wait for a probe.
        let small_end = self.snd.small_end;
        let mut transmit = self.send_fresh(end, now);
        // Nor is it to be taken for data (RFC 3168 section 6.1.6).
        transmit.segment.ecn = Ecn::NotEct;
        self.snd.small_end = small_end;
        Some(transmit)
    }

    /// What was lost goes first, but for the moment in which F-RTO wants to hear of new data.
    fn resend_or_fresh(&mut self, now: Instant) -> Option<Transmit> {
        if self.recovery.frto == Frto::Second {
            let fresh = self.fresh(now);
            if fresh.is_some() || self.in_flight() > 0 {
                return fresh;
            }
            // Nothing could be sent after all, so nothing would be heard.
            self.recovery.frto = Frto::Off;
        }
        self.resend(now).or_else(|| self.fresh(now))
    }

    /// Whether there is new data that may be sent now, a whole segment of it.
    pub(super) fn may_send_fresh(&self) -> bool {
        let mss = u32::from(self.snd.mss);
        let sent = self.snd.nxt.distance_from(self.snd.una);
        self.snd.nxt.is_before(self.data_end())
            && self.data_end().distance_from(self.snd.nxt) >= mss
            && self.snd.wnd >= sent + mss
    }

    /// The next lost part that the congestion window admits.
    fn resend(&mut self, now: Instant) -> Option<Transmit> {
        let waiting = self.scoreboard.awaiting_resend();
        if waiting == 0 {
            self.pending.resend_one = false;
            return None;
        }
        let room = self.congestion.cwnd().saturating_sub(self.in_flight());
        let mss = u32::from(self.segment_mss());
        if room < waiting.min(mss) && !self.pending.resend_one {
            self.limits.stop(LimitedBy::CongestionWindow, now);
            return None;
        }
        if !self.pace_admits(now) {
            return None;
        }
        self.pending.resend_one = false;
        let Part { start, end, cause } = self.scoreboard.next_lost()?;
        // Whatever the window is now, what was sent inside it may be sent again (SHLD-16, MAY-7).
        let most = self.largest(room.max(mss), mss);
        let mut end = end.earlier(start + most);
        let fin_at = self.data_end();
        if start.is_before(fin_at) {
            let octets = end.earlier(fin_at).distance_from(start) as usize;
            let offset = start.distance_from(self.snd.base) as usize;
            let slice = self.send_buffer.slice(offset, octets, mss as usize);
            if slice.len() < octets {
                end = start + slice.len() as u32;
            }
        }
        if self.snd.fin && end == fin_at && end != start && self.scoreboard.waits(end) {
            // The FIN was lost with the last octets and travels with them again.
            end += 1;
        }
        self.scoreboard.in_pieces_of(mss as u16).resent(start, end, now);
        let octets = end.distance_from(start);
        self.counters.resent.count(cause, octets.div_ceil(mss));
        self.counters.bytes_resent += u64::from(octets);
        self.pace_spend(octets);
        if self.recovery.phase == Phase::Fast {
            self.recovery.prr.sent(octets);
        }
        let stamp = self.timestamps.value(now);
        if let Some(undo) = &mut self.recovery.undo {
            undo.on_resent(octets, stamp);
        }
        let segment = self.data_segment(start, end, now);
        if start == self.snd.una || !self.timers.is_set(TimerKind::Retransmit) {
            self.timers.set(TimerKind::Retransmit, self.next_retransmission(false, now));
        }
        Some(self.transmit(segment, mss, Some(cause)))
    }

    /// New data, and the FIN after the last of it.
    fn fresh(&mut self, now: Instant) -> Option<Transmit> {
        let end = self.stream_end();
        if !self.snd.nxt.is_before(end) {
            self.limits.stop(LimitedBy::Application, now);
            self.congestion.limited = false;
            self.scoreboard.limit_by_application();
            return None;
        }
        if self.scoreboard.is_empty() {
            self.validate_window(now);
        }
        if let Some(probe) = self.probe_path(now) {
            return Some(probe);
        }
        match self.admitted(end) {
            Ok(len) => {
                if !self.pace_admits(now) {
                    self.congestion.limited = false;
                    return None;
                }
                // Whoever cuts a super-segment would say CWR in each piece.
                let alone = self.ecn.says_reduced;
                let len = if alone { len.min(self.segment_mss().into()) } else { len };
                Some(self.send_fresh(self.snd.nxt + len, now))
            }
            Err(limit) => {
                self.limits.stop(limit, now);
                self.congestion.limited = limit == LimitedBy::CongestionWindow;
                if limit != LimitedBy::CongestionWindow {
                    // Nor is it the path that holds the rate.
                    self.scoreboard.limit_by_application();
                }
                if limit != LimitedBy::CongestionWindow
                    && self.scoreboard.is_empty()
                    && !self.timers.is_set(TimerKind::Persist)
                {
                    // SHLD-29: the first probe after one RTO, later ones backed off (SHLD-30).
                    self.timers.set(TimerKind::Persist, self.next_window_probe(now));
                }
                None
            }
        }
    }

    /// How much of what is unsent, up to `end`, may go in one segment now
    /// (RFC 9293 sections 3.7.4 and 3.8.6.2.1).
    fn admitted(&mut self, end: SeqNumber) -> Result<u32, LimitedBy> {
        let mss = u32::from(self.segment_mss());
        let unsent = end.distance_from(self.snd.nxt);
        // The window may have shrunk below what is in flight (MUST-34).
        let sent = self.snd.nxt.distance_from(self.snd.una);
        let window = self.snd.wnd.saturating_sub(sent);
        if window == 0 {
            return Err(LimitedBy::ReceiveWindow);
        }
        let room = self.congestion.cwnd().saturating_sub(self.in_flight());
        if room < unsent.min(mss) {
            return Err(LimitedBy::CongestionWindow);
        }
        let len = unsent.min(window).min(room);
        if len >= mss {
            return Ok(self.largest(len, mss));
        }
        if len < unsent {
            // Only the peer's window stops us here: worth a segment if it is half of the largest.
            return if len >= self.snd.max_wnd / 2 {
                Ok(len)
            } else {
                Err(LimitedBy::ReceiveWindow)
            };
        }
        // The tail. Nagle, as Minshall amended it: one small segment may be in flight.
        let alone = self.snd.small_end.is_at_or_before(self.snd.una);
        let at_once = self.nodelay || self.snd.fin || self.is_urgent();
        if at_once || alone { Ok(len) } else { Err(LimitedBy::SmallSegment) }
    }

    /// Of `len` octets, those that fit one transmission: all, or whole segments, and more than one
    /// of them only if the device splits.
    fn largest(&self, len: u32, mss: u32) -> u32 {
        if len <= mss {
            return len;
        }
        let len = len.min(self.pace_limit());
        let gso = self.config.gso_max_size;
        // Each segment has an urgent pointer of its own.
        if gso <= usize::from(self.config.mss) || self.is_urgent() {
            return mss;
        }
        len.min(u32::try_from(gso).unwrap_or(u32::MAX)).max(mss) / mss * mss
    }

    /// Sends from SND.NXT at most up to `end`.
    pub(super) fn send_fresh(&mut self, end: SeqNumber, now: Instant) -> Transmit {
        let start = self.snd.nxt;
        let mss = u32::from(self.segment_mss());
        let mut segment = self.data_segment(start, end, now);
        self.ecn_mark_fresh(&mut segment);
        let end = segment.sequence_end();
        self.snd.nxt = end;
        self.scoreboard.in_pieces_of(mss as u16).push(start, end, now);
        self.snd.last_sent = now;
        self.pace_spend(segment.payload.len() as u32);
        self.counters.bytes_out += segment.payload.len() as u64;
        if (segment.payload.len() as u32) < mss {
            self.snd.small_end = end;
        }
        if self.snd.fin && end == self.data_end() && self.snd.wnd > end.distance_from(self.snd.una)
        {
            segment.flags |= Flags::FIN;
            self.snd.nxt += 1;
            self.scoreboard.push(end, self.snd.nxt, now);
        }
        if !self.timers.is_set(TimerKind::Retransmit) {
            self.timers.set(TimerKind::Retransmit, self.next_retransmission(false, now));
            if let Some(timeout) = self.patience.user_timeout {
                self.timers.set(TimerKind::UserTimeout, now + timeout);
            }
        }
        self.timers.stop(TimerKind::Persist);
        if self.recovery.phase == Phase::Fast {
            self.recovery.prr.sent(end.distance_from(start));
        }
        self.arm_loss_probe(now);
        self.transmit(segment, mss, None)
    }

    /// The octets from `start` up to `end`, or fewer, and the FIN if it is among them.
    pub(super) fn data_segment(
        &mut self,
        start: SeqNumber,
        end: SeqNumber,
        now: Instant,
    ) -> Segment {
        let data_end = self.data_end();
        let mss = usize::from(self.segment_mss());
        let payload = if start.is_before(data_end) {
            let len = end.earlier(data_end).distance_from(start) as usize;
            let offset = start.distance_from(self.snd.base) as usize;
            self.send_buffer.slice(offset, len, mss)
        } else {
            Bytes::new()
        };
        let reached = start + payload.len() as u32;
        let mut flags = Flags::default();
        if reached == data_end && !payload.is_empty() {
            // The last octet of the buffer (MUST-61).
            flags |= Flags::PSH;
        }
        if self.snd.fin && reached == data_end && end.is_after(data_end) {
            flags |= Flags::FIN;
        }
        self.segment(start, flags, payload, now)
    }

    /// Where the stream ends: after the FIN, if there is one.
    fn stream_end(&self) -> SeqNumber {
        self.data_end() + u32::from(self.snd.fin)
    }

    /// A segment with all that every segment says, the acknowledgement above all.
    #[inline]
    fn segment(&mut self, seq: SeqNumber, flags: Flags, payload: Bytes, now: Instant) -> Segment {
        let window = self.offer_window();
        let timestamps = self.timestamps.agreed.then(|| Timestamps {
            value: self.timestamps.value(now),
            echo: self.timestamps.recent,
        });
        let (sack, more) = self.take_sack_blocks();
        self.rcv.acked = self.rcv.nxt;
        if self.pending.ack != AckNeed::None {
            self.pending.ack = if more { AckNeed::Alone } else { AckNeed::None };
            self.timers.stop(TimerKind::DelayedAck);
        }
        self.counters.segments_out += 1;
        let (mark, urgent) = self.urgent_mark(seq);
        Segment {
            seq,
            ack: self.rcv.nxt,
            flags: flags | mark | Flags::ACK | self.ecn_echo(),
            window,
            urgent,
            options: Options { timestamps, sack, ..Options::default() },
            ecn: Ecn::NotEct,
            payload,
        }
    }

    /// Whether the next segment has SACK blocks.
    pub(super) fn reports_blocks(&self) -> bool {
        self.sack && (self.rcv.duplicates.is_some() || !self.reassembly.is_empty())
    }

    /// What to report, and whether there is more than one acknowledgement can tell: the sender is to
    /// hear all of it, however many segments came together.
    fn take_sack_blocks(&mut self) -> (SackBlocks, bool) {
        if !self.reports_blocks() {
            let more = self.rcv.repeats > 0;
            self.rcv.repeats = self.rcv.repeats.saturating_sub(1);
            return (SackBlocks::default(), more);
        }
        let blocks = self.sack_blocks();
        self.rcv.duplicates.take_if(|waiting| {
            waiting.0.pop_front();
            waiting.0.is_empty()
        });
        let more = self.reassembly.note_reported(&blocks) || self.rcv.duplicates.is_some();
        (blocks, more)
    }

    fn sack_blocks(&self) -> SackBlocks {
        let duplicate = self.rcv.duplicates.as_ref().and_then(|waiting| waiting.0.front().copied());
        self.reassembly.sack_blocks(duplicate, self.sack_room())
    }

    /// Opens the window as far as the buffer allows, in steps worth a segment
    /// (RFC 9293 section 3.8.6.2.2), and says it as the wire does.
    fn offer_window(&mut self) -> u16 {
        let offered = self.rcv.edge.distance_from(self.rcv.nxt);
        let space = self.receive_buffer.space();
        let step = (self.receive_buffer.limit() / 2).min(self.rcv.mss.into());
        if space >= offered.saturating_add(step) {
            self.rcv.edge = self.rcv.nxt + space;
        }
        clamp_window(self.rcv.edge.distance_from(self.rcv.nxt) >> self.rcv.shift)
    }

    /// Whether the window has opened so far that the peer should hear of it now.
    pub(super) fn window_update_due(&self) -> bool {
        let offered = self.rcv.edge.distance_from(self.rcv.nxt);
        let opens = self.receive_buffer.space().saturating_sub(offered);
        let (limit, mss) = (self.receive_buffer.limit(), u32::from(self.rcv.mss));
        opens >= (limit / 4).max(2 * mss) || (offered < mss && opens >= (limit / 2).min(mss))
    }

    /// The payload that fits beside the SACK blocks of the next segment.
    pub(super) fn segment_mss(&self) -> u16 {
        if !self.reports_blocks() {
            return self.snd.mss;
        }
        let octets = 4 + 8 * self.sack_blocks().as_slice().len() as u16;
        self.snd.mss.saturating_sub(octets).max(1)
    }

    /// How many SACK blocks fit into the 40 octets of options, beside timestamps or alone.
    fn sack_room(&self) -> usize {
        if self.timestamps.agreed { 3 } else { SackBlocks::MAX }
    }

    fn transmit(&mut self, segment: Segment, mss: u32, cause: Option<Retransmission>) -> Transmit {
        let gso = segment.payload.len() > mss as usize;
        if gso {
            // One of them is counted already.
            let octets = segment.payload.len() as u32;
            self.counters.segments_out += u64::from(octets.div_ceil(mss) - 1);
        }
        Transmit { gso_size: gso.then_some(mss as u16), segment, retransmission: cause }
    }

    /// After a pause longer than a time-out the window tells of another time (RFC 2861, RFC 5681
    /// section 4.1).
    fn validate_window(&mut self, now: Instant) {
        let idle = now.saturating_since(self.snd.last_sent);
        let rto = self.rtt.rto(&self.config);
        if idle > rto {
            self.congestion.on_idle(idle, rto, self.config.initial_window, now);
            self.snd.last_sent = now;
        }
    }
}

fn clamp_window(window: u32) -> u16 {
    u16::try_from(window).unwrap_or(u16::MAX)
}
