//! What state comes next while the two sides get to know each other.

use std::rc::Rc;

use super::acceptance::AckVerdict;
use super::vector::{AckNeed, Origin};
use super::{Config, Reason, Retransmission, State, StateVector, TimerKind};
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

impl StateVector {
    /// Opens a connection actively; its SYN can be polled at once.
    pub fn connect(config: Rc<Config>, iss: SeqNumber, now: Instant) -> Self {
        let mut vector = Self::new(config, Origin::Active, iss, now);
        vector.state = State::SynSent;
        vector.pending.syn = Some(None);
        vector
    }

    /// Answers a SYN that came to a listener: the machine begins in SYN-RECEIVED
    /// (RFC 9293 section 3.10.7.2), and its SYN and ACK can be polled at once.
    ///
    /// `syn` must have SYN set and neither RST nor ACK, which the listener answers by itself. Data
    /// and FIN that came with it are kept until the handshake is complete.
    pub fn accept(config: Rc<Config>, syn: &Segment, iss: SeqNumber, now: Instant) -> Self {
        let mut vector = Self::new(config, Origin::Passive, iss, now);
        vector.state = State::SynReceived;
        vector.learn_peer(syn, now);
        vector.keep_early_data(syn.clone());
        vector.pending.syn = Some(None);
        vector
    }

    /// Sets where the timestamp clock of this connection begins (RFC 7323 section 5.4), so that it
    /// does not tell when the host was started. Call it before the first `poll_transmit`.
    pub fn set_timestamp_offset(&mut self, offset: u32) {
        self.timestamps.offset = offset;
    }

    /// SYN-SENT (RFC 9293 section 3.10.7.3).
    pub(super) fn handle_in_syn_sent(&mut self, segment: Segment, now: Instant) {
        let has_ack = segment.flags.contains(Flags::ACK);
        // First: an acknowledgement of anything but our SYN shows a connection of old.
        if has_ack && !self.acknowledges_syn(segment.ack) {
            if !segment.flags.contains(Flags::RST) {
                self.pending.reset_reply = Some(segment.ack);
            }
            self.counters.unacceptable += 1;
            return;
        }
        // Second: a RST counts only if it acknowledges the SYN.
        if segment.flags.contains(Flags::RST) {
            if has_ack {
                self.close(Reason::Reset);
            }
            return;
        }
        // Fourth: without SYN there is nothing to learn.
        if !segment.flags.contains(Flags::SYN) {
            return;
        }
        self.learn_peer(&segment, now);
        if has_ack {
            self.measure_handshake(&segment, now);
            self.fast_open_answered(&segment);
            self.snd.una = segment.ack;
            self.establish(&segment, now);
            self.need_ack(AckNeed::Now);
            self.handle_text(segment, now);
        } else {
            // Simultaneous open (section 3.5, figure 8).
            self.state = State::SynReceived;
            self.keep_early_data(segment);
            self.pending.syn = Some(None);
        }
    }

    /// Takes what a SYN tells: where the peer's sequence begins, and its options.
    fn learn_peer(&mut self, syn: &Segment, now: Instant) {
        self.rcv.irs = syn.seq;
        self.rcv.nxt = syn.seq + 1;
        self.rcv.acked = self.rcv.nxt;
        self.rcv.edge = self.rcv.nxt + self.receive_buffer.space();
        match syn.options.timestamps {
            Some(theirs) if self.timestamps.agreed => {
                self.timestamps.begin(theirs.value, now);
            }
            _ => self.timestamps.agreed = false,
        }
        self.sack &= syn.options.sack_permitted;
        self.ecn_learn(syn);
        match syn.options.window_scale {
            // A larger shift is used as 14 (RFC 7323 section 2.3).
            Some(shift) if self.config.window_scaling => {
                self.snd.shift = shift.min(super::config::MAX_WINDOW_SHIFT);
            }
            _ => self.rcv.shift = 0,
        }
        self.receive_buffer.set_limit_max(self.config.max_receive_window(self.rcv.shift));
        let peer_mss = syn.options.mss.unwrap_or(self.config.default_peer_mss);
        self.start_path(peer_mss, now);
        self.congestion.start(self.snd.mss.into(), self.config.initial_window);
        // The window of a SYN is never scaled (RFC 7323 section 2.2).
        self.update_window(syn.window.into(), syn.seq, syn.ack);
    }

    /// Keeps the data and the FIN of a SYN until the handshake is complete.
    fn keep_early_data(&mut self, syn: Segment) {
        let room = self.rcv.edge.distance_from(self.rcv.nxt) as usize;
        let mut payload = syn.payload;
        let whole = payload.len() <= room;
        payload.truncate(room);
        if syn.flags.contains(Flags::FIN) && whole {
            self.reassembly.set_fin(self.rcv.nxt + payload.len() as u32);
        }
        if !payload.is_empty() {
            self.reassembly.insert(self.rcv.nxt, payload, 1);
        }
    }

    /// SYN-RECEIVED: the fifth step of section 3.10.7.4. Returns whether to go on with the segment.
    pub(super) fn complete_handshake(
        &mut self,
        segment: &Segment,
        verdict: AckVerdict,
        now: Instant,
    ) -> bool {
        if verdict != AckVerdict::Advances {
            self.pending.reset_reply = Some(segment.ack);
            self.counters.unacceptable += 1;
            return false;
        }
        self.measure_handshake(segment, now);
        self.establish(segment, now);
        true
    }

    /// A SYN while in SYN-RECEIVED. Returns whether to go on, without the SYN.
    pub(super) fn handle_syn_again(&mut self, segment: &mut Segment, now: Instant) -> bool {
        let same = segment.seq == self.rcv.irs;
        if same && segment.flags.contains(Flags::ACK) && self.origin == Origin::Active {
            // Simultaneous open: the peer's SYN has an acknowledgement now.
            segment.flags.0 &= !Flags::SYN.0;
            segment.seq += 1;
            return true;
        }
        if same && !segment.flags.contains(Flags::ACK) {
            // Our answer was lost.
            self.pending.syn = Some(Some(Retransmission::Handshake));
        } else {
            self.challenge(now);
        }
        false
    }

    fn measure_handshake(&mut self, answer: &Segment, now: Instant) {
        if self.patience.attempts == 0 {
            if let Some(sent) = self.patience.since {
                self.rtt.measure(now.saturating_since(sent), &self.config);
            }
        } else if let Some(echo) = answer.options.timestamps.filter(|_| self.timestamps.agreed)
            && let Some(rtt) = self.timestamps.elapsed(echo.echo, now)
        {
            self.rtt.measure(rtt, &self.config);
        } else {
            self.rtt.distrust_initial();
        }
        if self.patience.attempts > 1 {
            // RFC 6928 section 2: one lost SYN may be chance, two are congestion.
            self.congestion.start(self.snd.mss.into(), 1);
        }
    }

    fn establish(&mut self, segment: &Segment, now: Instant) {
        self.state = State::Established;
        // Who was let in early has heard it.
        self.events.connected |= !self.is_open_early();
        self.events.writable = true;
        self.patience.attempts = 0;
        self.patience.since = None;
        self.patience.heard = now;
        self.pending.syn = None;
        self.timers.stop(TimerKind::Retransmit);
        self.timers.stop(TimerKind::UserTimeout);
        self.recovery.high = self.snd.iss;
        self.arm_keep_alive(now);
        if self.snd.fin {
            self.state = State::FinWait1;
        }
        if !segment.flags.contains(Flags::SYN) {
            // SYN-RECEIVED took the first window from a SYN; this one may be scaled.
            self.snd.wl1 = segment.seq - 1;
        }
        self.deliver_in_order(now);
    }
}
