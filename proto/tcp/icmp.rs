//! What the network says (RFC 9293 section 3.9.2.2, RFC 5927).

use super::{IcmpError, IcmpKind, Reason, State, StateVector, Trouble};
use crate::Instant;

impl StateVector {
    /// Takes an ICMP error that quotes a segment of this connection.
    pub fn handle_icmp(&mut self, error: IcmpError, _now: Instant) {
        let in_flight = self.snd.nxt.distance_from(self.snd.una);
        if self.state == State::Closed || !error.seq.is_in_window(self.snd.una, in_flight) {
            self.counters.icmp_ignored += 1;
            return;
        }
        let connecting = matches!(self.state, State::SynSent | State::SynReceived);
        match error.kind {
            // Silently discarded (MUST-55).
            IcmpKind::SourceQuench => {}
            IcmpKind::PacketTooBig { mss } => self.lower_mss(mss),
            // Hard errors end a handshake; on a connection that was up they count as soft, for
            // anybody could have sent them (RFC 5461 section 4, RFC 5927 section 5.2).
            IcmpKind::PortUnreachable | IcmpKind::Prohibited if connecting => {
                self.close(Reason::Icmp(error.kind));
            }
            // Soft errors do not end anything (MUST-56); the application may know (MUST-47).
            _ => self.events.trouble = Some(Trouble::Icmp(error.kind)),
        }
    }

    /// The path carries less than we thought: send again what cannot have arrived, without taking
    /// it for congestion (RFC 1191 section 6.5).
    fn lower_mss(&mut self, mss: u16) {
        let mss = self.payload_mss(mss.max(MIN_PATH_MSS));
        if mss < self.snd.mss {
            self.snd.mss = mss;
            self.congestion.set_mss(mss.into());
            self.scoreboard.mark_too_big(mss.into());
            self.pending.resend_one = true;
        }
    }
}

/// No report makes us send less than this: an MTU of 296 less 40 (RFC 1191 section 7), since
/// smaller ones are an attack more often than a path.
const MIN_PATH_MSS: u16 = 256;
