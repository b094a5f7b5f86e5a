//! A segment arrives: the steps of RFC 9293 section 3.10.7.4.

use bytes::Bytes;

use super::acceptance::{
    AckVerdict, ResetVerdict, is_acceptable, is_old_timestamp, judge_ack, judge_reset,
    may_supersede, updates_window,
};
use super::reassembly::Insertion;
use super::vector::{AckNeed, Receive};
use super::{Reason, State, StateVector, TimerKind};
use crate::Instant;
use crate::wire::Ecn;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

impl StateVector {
    /// Takes a segment of this connection that arrived at `now`. Its payload may be larger than the
    /// MSS when a device has joined segments.
    pub fn handle_segment(&mut self, segment: Segment, now: Instant) {
        self.counters.segments_in += 1;
        if self.is_predicted(&segment, now) {
            return self.take_predicted(segment, now);
        }
        self.handle_unpredicted(segment, now);
    }

    /// Header prediction, as Van Jacobson devised it: whether a segment is what the receiver of a bulk
    /// transfer is sent nearly always, the next octets and no other news. The full treatment would do
    /// the same as [`take_predicted`](Self::take_predicted), only with more questions.
    pub(super) fn is_predicted(&self, segment: &Segment, now: Instant) -> bool {
        let text_fits = || {
            let room = self.rcv.edge.distance_from(self.rcv.nxt) as usize;
            !segment.payload.is_empty() && segment.payload.len() <= room
        };
        let timestamps_fit = || match segment.options.timestamps {
            Some(timestamps) if self.timestamps.agreed => {
                let (recent, recent_at) = (self.timestamps.recent, self.timestamps.recent_at);
                !is_old_timestamp(timestamps, recent, recent_at, now)
            }
            _ => !self.timestamps.agreed,
        };
        let nothing_in_flight = || self.scoreboard.is_empty() && self.recovery.dup_acks == 0;
        let windows_are_open = || self.snd.wnd > 0 && segment.window > 0;
        self.state == State::Established
            && segment.flags.0 & !Flags::PSH.0 == Flags::ACK.0
            && segment.seq == self.rcv.nxt
            && segment.ack == self.snd.una
            && segment.ecn != Ecn::Ce
            && segment.options.sack.is_empty()
            && text_fits()
            && timestamps_fit()
            && self.reassembly.is_untouched()
            && nothing_in_flight()
            && windows_are_open()
            && self.attached
    }

    /// Takes the next octets.
    fn take_predicted(&mut self, segment: Segment, now: Instant) {
        self.note_timestamp(&segment, now);
        self.patience.heard = now;
        self.patience.keep_alives = 0;
        if updates_window(segment.seq, segment.ack, self.snd.wl1, self.snd.wl2) {
            let window = u32::from(segment.window) << self.snd.shift;
            self.update_window(window, segment.seq, segment.ack);
        }
        self.take_text(segment.payload, now);
        self.schedule_ack(now);
    }

    /// Takes any segment.
    pub(super) fn handle_unpredicted(&mut self, segment: Segment, now: Instant) {
        match self.state {
            State::Closed | State::Listen => {}
            State::SynSent => self.handle_in_syn_sent(segment, now),
            _ => self.handle_synchronised(segment, now),
        }
    }

    fn handle_synchronised(&mut self, mut segment: Segment, now: Instant) {
        if segment.flags.intersects(Flags::SYN | Flags::RST)
            && !self.handle_syn_or_reset(&mut segment, now)
        {
            return;
        }
        if !self.check_timestamps(&segment, now) || !self.check_sequence(&mut segment, now) {
            return;
        }
        self.note_timestamp(&segment, now);
        if !segment.flags.contains(Flags::ACK) {
            return;
        }
        let verdict = judge_ack(segment.ack, self.snd.una, self.snd.nxt, self.snd.max_wnd);
        if self.state == State::SynReceived && !self.complete_handshake(&segment, verdict, now) {
            return;
        }
        if verdict == AckVerdict::Bogus {
            self.counters.unacceptable += 1;
            self.challenge(now);
            return;
        }
        self.patience.heard = now;
        self.patience.keep_alives = 0;
        if self.state == State::TimeWait {
            return self.answer_in_time_wait(&segment, now);
        }
        self.ecn_on_segment(&segment);
        let in_flight = self.scoreboard.outstanding();
        self.process_ack(&segment, verdict, now);
        self.ecn_on_ack(&segment, in_flight, now);
        self.handle_urgent(&segment, now);
        if self.state != State::Closed
            && (!segment.payload.is_empty() || segment.flags.contains(Flags::FIN))
        {
            self.handle_text(segment, now);
        }
    }

    /// TIME-WAIT acknowledges whatever comes (section 3.10.7.4, fifth step), but for an acknowledgement that
    /// says just what we know: that needs no answer.
    fn answer_in_time_wait(&mut self, segment: &Segment, now: Instant) {
        let says_nothing = segment.seq == self.rcv.nxt
            && segment.ack == self.snd.nxt
            && segment.sequence_len() == 0;
        if !says_nothing {
            self.challenge(now);
        }
    }

    /// The second and fourth step. Returns whether to go on.
    fn handle_syn_or_reset(&mut self, segment: &mut Segment, now: Instant) -> bool {
        if segment.flags.contains(Flags::RST) {
            self.handle_reset(segment, now);
            return false;
        }
        match self.state {
            State::SynReceived => self.handle_syn_again(segment, now),
            State::TimeWait => {
                let recent = self.timestamps.agreed.then_some(self.timestamps.recent);
                // Who still reads the old connection knows it by the same ends; the peer will ask again.
                let is_read = self.receive_buffer.unread() == 0;
                if is_read && may_supersede(segment, self.rcv.nxt, recent) {
                    self.supersede(core::mem::take(segment));
                } else {
                    self.challenge(now);
                }
                false
            }
            // RFC 5961 section 4.2: whatever its sequence number.
            _ => {
                self.challenge(now);
                false
            }
        }
    }

    fn handle_reset(&mut self, segment: &Segment, now: Instant) {
        if self.state == State::TimeWait {
            // Or an old duplicate could end TIME-WAIT early (RFC 1337 section 3).
            return;
        }
        let window = self.rcv.edge.distance_from(self.rcv.nxt);
        match judge_reset(segment.seq, self.rcv.nxt, window) {
            ResetVerdict::Reset => self.close(Reason::Reset),
            ResetVerdict::Challenge => self.challenge(now),
            ResetVerdict::Ignore => self.counters.unacceptable += 1,
        }
    }

    /// PAWS (RFC 7323 section 5.3, R1), and the timestamps that every segment must have once they
    /// are agreed (section 3.2). Returns whether to go on.
    fn check_timestamps(&mut self, segment: &Segment, now: Instant) -> bool {
        if !self.timestamps.agreed {
            return true;
        }
        let Some(timestamps) = segment.options.timestamps else {
            self.counters.bad_timestamps += 1;
            return false;
        };
        let late = !self.reassembly.is_empty() && !segment.payload.is_empty();
        let least =
            if late { self.timestamps.least_acceptable(now) } else { self.timestamps.recent };
        if is_old_timestamp(timestamps, least, self.timestamps.recent_at, now) {
            self.counters.bad_timestamps += 1;
            if segment.seq.is_before(self.rcv.nxt) {
                self.note_duplicate(segment.seq, segment.payload.len() as u32);
            }
            self.answer_unacceptable(segment, now);
            return false;
        }
        true
    }

    /// The first step. Returns whether to go on.
    fn check_sequence(&mut self, segment: &mut Segment, now: Instant) -> bool {
        let window = self.rcv.edge.distance_from(self.rcv.nxt);
        if is_acceptable(segment.seq, segment.sequence_len(), self.rcv.nxt, window) {
            return true;
        }
        self.counters.unacceptable += 1;
        if window == 0 && segment.seq == self.rcv.nxt && self.state != State::SynReceived {
            // Not its octets, but what else it says (RFC 9293 section 3.4, MUST-66).
            self.answer_unacceptable(segment, now);
            segment.payload.clear();
            segment.flags.0 &= !(Flags::FIN.0 | Flags::PSH.0);
            return true;
        }
        if !segment.payload.is_empty() && segment.seq.is_before(self.rcv.nxt) {
            self.note_duplicate(segment.seq, segment.payload.len() as u32);
        }
        if self.is_repeated_fin_with_news(segment) {
            // RFC 9293 drops it whole. But its FIN is the last number that the peer has: where the
            // acknowledgement beside it was sent alone as well, and lost, nothing else brings it until
            // we send something again. It is judged as that of any segment.
            self.answer_unacceptable(segment, now);
            segment.payload.clear();
            segment.flags.0 &= !(Flags::FIN.0 | Flags::PSH.0);
            return true;
        }
        if self.state == State::TimeWait && segment.flags.contains(Flags::FIN) {
            // The peer has not heard our last acknowledgement: it needs the full time again.
            self.enter_time_wait(now);
        }
        self.answer_unacceptable(segment, now);
        false
    }

    /// Whether it is the peer's FIN once more, and acknowledges what nothing did before.
    fn is_repeated_fin_with_news(&self, segment: &Segment) -> bool {
        self.rcv.fin
            && segment.flags.0 & !Flags::PSH.0 == Flags::FIN.0 | Flags::ACK.0
            && segment.seq + segment.sequence_len() == self.rcv.nxt
            && segment.ack.is_after(self.snd.una)
    }

    /// Says again what we expect, so that a peer whose acknowledgement was lost can go on. Empty
    /// segments are answered within a limit, or two confused ends would answer each other for ever.
    fn answer_unacceptable(&mut self, segment: &Segment, now: Instant) {
        if segment.sequence_len() > 0 {
            self.need_ack(AckNeed::Alone);
        } else {
            self.challenge(now);
        }
    }

    /// Remembers the timestamp to echo: that of the segment that our next acknowledgement is for
    /// (RFC 7323 section 4.3).
    fn note_timestamp(&mut self, segment: &Segment, now: Instant) {
        if let Some(timestamps) = segment.options.timestamps
            && self.timestamps.agreed
            && segment.seq.is_at_or_before(self.rcv.acked)
            && !is_old_timestamp(timestamps, self.timestamps.recent, self.timestamps.recent_at, now)
        {
            self.timestamps.set_recent(timestamps.value, now);
        }
    }

    /// The seventh and eighth step: octets and FIN.
    pub(super) fn handle_text(&mut self, mut segment: Segment, now: Instant) {
        if !self.state.expects_data() {
            // After the peer's FIN no octets of it can be new.
            return;
        }
        let seq = segment.seq + u32::from(segment.flags.contains(Flags::SYN));
        let mut payload = core::mem::take(&mut segment.payload);
        let sent_end = seq + payload.len() as u32;
        if !self.attached && sent_end.is_after(self.rcv.nxt) {
            // Nobody will ever read it: tell the peer that data was lost (SHLD-3), at the number it
            // waits for, which is the only one that resets it (RFC 5961 section 3).
            self.abort_with(Reason::Aborted);
            self.pending.reset = false;
            self.pending.reset_reply = Some(segment.ack);
            return;
        }
        // Trim to the window.
        let end = sent_end.earlier(self.rcv.edge);
        payload.truncate(end.0.wrapping_sub(seq.0) as usize);
        if segment.flags.contains(Flags::FIN) && sent_end.is_at_or_before(self.rcv.edge) {
            self.reassembly.set_fin(sent_end);
        }
        self.learn_mss(payload.len());
        if seq.is_after(self.rcv.nxt) {
            self.keep_out_of_order(seq, payload);
            return;
        }
        let known = self.rcv.nxt.distance_from(seq);
        if known > 0 && !payload.is_empty() {
            self.note_duplicate(seq, payload.len() as u32);
            let skip = payload.len().min(known as usize);
            bytes::Buf::advance(&mut payload, skip);
        }
        if !payload.is_empty() {
            if known == 0 && !self.reassembly.is_empty() {
                let end = self.rcv.nxt + payload.len() as u32;
                self.rcv.report(self.reassembly.overlap(self.rcv.nxt, end));
            }
            self.take_text(payload, now);
        }
        self.deliver_in_order(now);
        self.schedule_ack(now);
    }

    /// Takes octets that begin at RCV.NXT.
    fn take_text(&mut self, payload: Bytes, now: Instant) {
        self.learn_mss(payload.len());
        self.rcv.nxt += payload.len() as u32;
        self.counters.bytes_in += payload.len() as u64;
        self.receive_buffer.push(payload);
        self.events.readable |= self.receive_buffer.is_readable();
        let rtt = self.rtt.smoothed().unwrap_or(self.config.rto_initial);
        self.receive_buffer.tune(now, rtt);
    }

    /// A segment of the peer carried that much.
    fn learn_mss(&mut self, payload: usize) {
        let full = u16::try_from(payload).unwrap_or(u16::MAX).min(self.config.own_mss());
        self.rcv.mss = self.rcv.mss.max(full);
    }

    /// Takes what has waited for this octet, and the FIN when its turn has come.
    pub(super) fn deliver_in_order(&mut self, now: Instant) {
        if !self.reassembly.is_empty() {
            let buffer = &mut self.receive_buffer;
            if let Some(reached) = self.reassembly.take(self.rcv.nxt, |piece| buffer.push(piece)) {
                self.counters.bytes_in += u64::from(reached.distance_from(self.rcv.nxt));
                self.rcv.nxt = reached;
                self.events.readable |= self.receive_buffer.is_readable();
            }
            // A hole was filled, or is still there: say so at once (RFC 5681 section 4.2).
            self.need_ack(AckNeed::Now);
        }
        if !self.rcv.fin && self.reassembly.fin() == Some(self.rcv.nxt) {
            self.receive_fin(now);
        }
    }

    /// The peer's FIN was reached (eighth step).
    fn receive_fin(&mut self, now: Instant) {
        self.rcv.fin = true;
        self.rcv.nxt += 1;
        self.rcv.edge = self.rcv.edge.later(self.rcv.nxt);
        self.need_ack(AckNeed::Now);
        self.tell_peer_closed();
        match self.state {
            State::SynReceived | State::Established => self.state = State::CloseWait,
            // Our FIN is not acknowledged, or `process_ack` would have moved on.
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.enter_time_wait(now),
            _ => {}
        }
    }

    /// Reports the end of the peer's stream once all before it was read.
    pub(super) fn tell_peer_closed(&mut self) {
        if self.rcv.fin && self.receive_buffer.unread() == 0 {
            self.events.peer_closed = true;
        }
    }

    fn keep_out_of_order(&mut self, seq: SeqNumber, payload: Bytes) {
        if payload.is_empty() {
            self.need_ack(AckNeed::Alone);
            return;
        }
        if !self.sack && self.pending.ack == AckNeed::Alone {
            self.rcv.repeats = self.rcv.repeats.saturating_add(1).min(MOST_REPEATS);
        }
        self.need_ack(AckNeed::Alone);
        self.counters.out_of_order += 1;
        let limit = PIECES + self.receive_buffer.limit() as usize / OCTETS_PER_PIECE;
        let end = seq + payload.len() as u32;
        match self.reassembly.insert(seq, payload, limit) {
            Insertion::Kept { duplicate } => {
                self.counters.duplicates += u32::from(duplicate == Some((seq, end)));
                self.rcv.report(duplicate);
            }
            Insertion::Refused => self.counters.pieces_refused += 1,
        }
    }

    /// Notes what of a segment was known before, for the next acknowledgement (RFC 2883).
    fn note_duplicate(&mut self, seq: SeqNumber, len: u32) {
        let end = (seq + len).earlier(self.rcv.nxt);
        if seq.is_before(end) {
            self.counters.duplicates += u32::from(end == seq + len);
            self.rcv.report(Some((seq, end)));
            self.need_ack(AckNeed::Alone);
        }
    }

    /// Data came in order: every second full-sized segment is acknowledged at once (SHLD-19), one
    /// alone may wait for company (SHLD-18).
    fn schedule_ack(&mut self, now: Instant) {
        let waiting = self.rcv.nxt.distance_from(self.rcv.acked);
        if waiting >= 2 * u32::from(self.rcv.mss) || self.rcv.fin {
            self.need_ack(AckNeed::Now);
        } else if waiting > 0 && self.pending.ack == AckNeed::None {
            self.pending.ack = AckNeed::Delayed;
            self.timers.set(TimerKind::DelayedAck, now + self.config.delayed_ack);
        }
    }
}

impl Receive {
    /// A part came twice, and the next acknowledgement of its own says so.
    fn report(&mut self, duplicate: Option<(SeqNumber, SeqNumber)>) {
        let Some(duplicate) = duplicate else { return };
        let waiting = &mut self.duplicates.get_or_insert_default().0;
        if waiting.len() < MOST_DUPLICATES {
            waiting.push_back(duplicate);
        }
    }
}

/// Of one batch of segments so many duplicates are reported.
const MOST_DUPLICATES: usize = 32;

/// One batch of segments beyond a hole draws so many more acknowledgements without SACK; three tell
/// of a loss.
const MOST_REPEATS: u8 = 3;

/// So many pieces beyond holes may wait in any case, ...
const PIECES: usize = 64;

/// ... and one more for so many octets of window: small enough that full segments always fit.
const OCTETS_PER_PIECE: usize = 512;
