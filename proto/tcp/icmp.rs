//! What the network says (RFC 9293 section 3.9.2.2, RFC 5927).

use super::{IcmpError, IcmpKind, IcmpRefusal, Reason, State, StateVector, Trouble};
use crate::Instant;

impl StateVector {
    /// Takes an ICMP error that quotes a segment of this connection.
    pub fn handle_icmp(&mut self, error: IcmpError, now: Instant) {
        let in_flight = self.snd.nxt.distance_from(self.snd.una);
        if self.state == State::Closed || !error.seq.is_in_window(self.snd.una, in_flight) {
            self.counters.icmp_ignored += 1;
            return;
        }
        let connecting = matches!(self.state, State::SynSent | State::SynReceived);
        match error.kind {
            // Silently discarded (MUST-55).
            IcmpKind::SourceQuench => {}
            IcmpKind::PacketTooBig { mss } => self.heed_too_big(mss, now),
            // On a connection that was up all count as soft, for anybody could have sent them
            // (RFC 5461 section 4, RFC 5927 section 5.2).
            kind if connecting && self.config.icmp_refusal.heeds(kind) => {
                self.close(Reason::Icmp(kind));
            }
            // Soft errors do not end anything (MUST-56); the application may know (MUST-47).
            _ => self.events.trouble = Some(Trouble::Icmp(error.kind)),
        }
    }
}

impl IcmpRefusal {
    /// Whether such an error about a SYN ends the handshake.
    fn heeds(self, kind: IcmpKind) -> bool {
        match self {
            Self::Nothing => false,
            Self::HardErrors => matches!(kind, IcmpKind::PortUnreachable | IcmpKind::Prohibited),
            Self::AllErrors => true,
        }
    }
}
