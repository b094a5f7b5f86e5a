//! Congestion that routers mark instead of dropping packets (RFC 3168).
//!
//! Both sides agree on it with their SYNs. Then new data leaves as ECN-capable; a mark that reaches the
//! receiver comes back as ECE in every acknowledgement until the sender says CWR, once it has answered.

use super::congestion::Loss;
use super::recovery::Phase;
use super::vector::AckNeed;
use super::{State, StateVector};
use crate::Instant;
use crate::wire::Ecn as Codepoint;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

/// Whether explicit congestion notification is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EcnPolicy {
    /// Never.
    Off,
    /// If the peer asks for it.
    #[default]
    Accept,
    /// Ask for it, and accept it. A SYN that is not answered is sent again without (RFC 3168
    /// section 6.1.1.1), for there are boxes on the way that drop such SYNs.
    Request,
}

/// What a connection knows of marks.
#[derive(Debug)]
pub(super) struct Ecn {
    /// Both sides have agreed on it, or while a SYN of ours asks for it, that.
    pub(super) agreed: bool,
    /// A mark was received, and the sender has not said CWR since: ECE goes with every segment.
    echoes: bool,
    /// The window was reduced: the next new segment says CWR.
    pub(super) says_reduced: bool,
    /// Echoes are answered again once this is acknowledged: once per window of data.
    answered_until: SeqNumber,
}

impl Ecn {
    pub(super) fn new(iss: SeqNumber) -> Self {
        Self { agreed: false, echoes: false, says_reduced: false, answered_until: iss }
    }
}

impl StateVector {
    /// The flags by which a SYN asks for ECN, or an answer agrees to it (section 6.1.1).
    pub(super) fn ecn_syn_flags(&mut self, answer: bool, again: bool) -> Flags {
        if answer {
            return if self.ecn.agreed { Flags::ECE } else { Flags::default() };
        }
        self.ecn.agreed = self.config.ecn == EcnPolicy::Request && !again;
        if self.ecn.agreed { Flags::ECE | Flags::CWR } else { Flags::default() }
    }

    /// What the peer's SYN says about ECN.
    pub(super) fn ecn_learn(&mut self, syn: &Segment) {
        let setup = Flags(syn.flags.0 & (Flags::ECE | Flags::CWR).0);
        self.ecn.agreed = if syn.flags.contains(Flags::ACK) {
            // One that only reflects our flags does not know what they mean.
            self.ecn.agreed && setup == Flags::ECE
        } else {
            self.config.ecn != EcnPolicy::Off && setup == Flags::ECE | Flags::CWR
        };
    }

    /// Takes the marks of an acceptable segment (section 6.1.3).
    pub(super) fn ecn_on_segment(&mut self, segment: &Segment) {
        if !self.ecn.agreed {
            return;
        }
        if segment.flags.contains(Flags::CWR) {
            self.ecn.echoes = false;
        }
        if segment.ecn == Codepoint::Ce && !segment.payload.is_empty() {
            self.counters.marks += 1;
            self.ecn.echoes = true;
            self.need_ack(AckNeed::Now);
        }
    }

    /// Answers an echo as it would a lost segment, once per window of data (section 6.1.2);
    /// `in_flight` octets were not acknowledged before it.
    pub(super) fn ecn_on_ack(&mut self, segment: &Segment, in_flight: u32, now: Instant) {
        if !self.ecn.agreed || !segment.flags.contains(Flags::ECE) {
            return;
        }
        self.counters.echoed_marks += 1;
        let fresh = self.snd.una.is_at_or_after(self.ecn.answered_until);
        if fresh && self.recovery.phase == Phase::Open && in_flight > 0 {
            self.congestion.on_loss(&Loss { now, in_flight, marked: true });
            self.ecn_on_reduction();
        }
    }

    /// The window was reduced, for whatever reason: the peer shall know.
    pub(super) fn ecn_on_reduction(&mut self) {
        self.ecn.says_reduced = self.ecn.agreed;
        self.ecn.answered_until = self.snd.nxt;
    }

    /// The flag that every segment but a SYN carries while a mark is to be echoed.
    pub(super) fn ecn_echo(&self) -> Flags {
        let echoes = self.ecn.echoes && self.state != State::SynReceived;
        if echoes { Flags::ECE } else { Flags::default() }
    }

    /// Marks a segment of new data as ECN-capable; retransmissions, probes and empty segments are not
    /// (sections 6.1.4 to 6.1.6).
    pub(super) fn ecn_mark_fresh(&mut self, segment: &mut Segment) {
        if self.ecn.agreed && !segment.payload.is_empty() {
            segment.ecn = Codepoint::Ect0;
            if core::mem::take(&mut self.ecn.says_reduced) {
                segment.flags |= Flags::CWR;
            }
        }
    }
}
