//! What the stack must send, and what it does send.

use std::time::Duration;

use netmart_proto::wire::tcp::Flags;

use super::{Due, End, GRACE, Run, Step, since_start};
use crate::drill::ast::{
    Ack, Event, Expression, Packet, PacketBody, Position, Syscall, TcpOption, TcpOptions,
};
use crate::drill::matching::{AckRelation, Verdict};
use crate::drill::report::Mismatch;
use crate::drill::seen::Seen;
use crate::drill::world::Sent;

/// A packet that the stack has sent, and that an event of the script may claim.
#[derive(Clone, Debug)]
pub(super) struct Claimable {
    sent: Sent,
    seen: Seen,
    /// How much more it acknowledges than the packets before it.
    advance: u32,
}

impl Claimable {
    /// Whether it acknowledges something new, and does nothing else.
    fn is_plain_ack(&self) -> bool {
        let has_sack = |option: &TcpOption| matches!(option, TcpOption::Sack(_));
        self.seen
            .segment()
            .is_some_and(|segment| segment.is_pure_ack() && !segment.options.iter().any(has_sack))
    }
}

/// How long an acknowledgement may be delayed (RFC 9293 section 3.8.6.3, MUST-40).
const DELAYED: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// Learns from a call which connection is under test, and what buffer the script assumes.
    pub(super) fn learn_from(&mut self, call: &Syscall) {
        let names = |name: &str| {
            call.arguments
                .get(2)
                .and_then(Expression::as_symbol)
                .is_some_and(|symbol| symbol == name)
        };
        if call.name == "getsockopt"
            && names("SO_RCVBUF")
            && let Some(Expression::List(values)) = call.arguments.get(3)
            && let Some(octets) = values.first().and_then(Expression::as_integer)
        {
            self.conversation.assume_buffer(u32::try_from(octets).unwrap_or(u32::MAX));
        }
        if matches!(call.name.as_str(), "connect" | "sendto" | "sendmsg") {
            self.learn_dial();
        }
    }

    /// The port that a connection was dialled from shows in its SYN only.
    fn learn_dial(&mut self) {
        let syn = self.process.world.sent().iter().rev().find_map(|sent| {
            let seen = Seen::parse(sent.packet.clone()).ok()?;
            let segment = seen.segment()?;
            let is_first =
                segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
            is_first.then_some((segment.src_port, segment.dst_port))
        });
        if let Some((local, remote)) = syn {
            let (local, remote) = self.ends.dialled(local, remote);
            self.turn_to(local, remote);
        }
    }

    /// Takes in what the stack has sent. What belongs to other connections than that under test is nobody's
    /// matter, as it is for packetdrill.
    pub(super) fn collect(&mut self, at: Position) -> Step {
        while let Some(sent) = self.process.world.sent().pop_front() {
            let seen = match Seen::parse(sent.packet.clone()) {
                Ok(seen) => seen,
                Err(error) => {
                    let reason = format!("the stack has sent a packet that is none: {error}");
                    return Err(self.failed(at, reason));
                }
            };
            if !self.is_ours(&seen) {
                continue;
            }
            let advance = self.advance_of(&seen);
            self.conversation.observe(&seen);
            self.unclaimed.push_back(Claimable { sent, seen, advance });
        }
        Ok(())
    }

    /// How much more a packet acknowledges than those before it.
    fn advance_of(&mut self, seen: &Seen) -> u32 {
        let Some(segment) = seen.segment().filter(|segment| {
            segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::RST)
        }) else {
            return 0;
        };
        if segment.flags.contains(Flags::SYN) {
            // What it acknowledges is where all else begins.
            self.acked = Some(segment.ack);
            return 0;
        }
        let before = self.acked.unwrap_or(segment.ack);
        let advance = segment.ack.wrapping_sub(before).cast_signed().max(0).cast_unsigned();
        self.acked = Some(before.wrapping_add(advance));
        advance
    }

    fn is_ours(&self, seen: &Seen) -> bool {
        let (local, remote) = (self.conversation.local, self.conversation.remote);
        let same_hosts = seen.ip.src == local.ip() && seen.ip.dst == remote.ip();
        let same_ports = seen.segment().is_none_or(|segment| {
            (segment.src_port, segment.dst_port) == (local.port(), remote.port())
        });
        same_hosts && same_ports
    }

    /// The script expects a packet.
    pub(super) fn expect(&mut self, event: &Event, packet: &Packet, due: Due) -> Step {
        if self.was_acknowledged_early(packet) {
            return self.advance(event.at, due.from);
        }
        let delay = if self.may_be_delayed(packet) { DELAYED } else { Duration::ZERO };
        let limit = due.to + due.tolerance.unwrap_or_default() + delay + GRACE;
        let mut pieces: Vec<Claimable> = Vec::new();
        loop {
            self.collect(event.at)?;
            let Some(next) = self.unclaimed.pop_front() else {
                if !self.step(event.at, limit)? {
                    self.collect(event.at)?;
                    if self.unclaimed.is_empty() {
                        return Err(self.not_sent(event, packet, due, &pieces));
                    }
                }
                continue;
            };
            self.owed = self.owed.saturating_sub(1);
            let mut seen: Vec<Seen> = pieces.iter().map(|piece| piece.seen.clone()).collect();
            seen.push(next.seen.clone());
            match self.conversation.judge(packet, &seen, &self.rules) {
                Verdict::Met => {
                    self.claimed_at = Some(next.sent.at);
                    if let PacketBody::Tcp(segment) = &packet.body
                        && segment.flags.flags.contains(Flags::FIN)
                    {
                        let len = u32::from(segment.seq.len);
                        self.fin_claimed = segment.seq.start.map(|start| start.wrapping_add(len));
                    }
                    pieces.push(next);
                    let first = &pieces[0];
                    return self.check_time(event, packet, due, first);
                }
                Verdict::Begun => pieces.push(next),
                Verdict::Differs(_) if self.acknowledges_behind_fin(packet, &next) => {
                    self.claimed_at = Some(next.sent.at);
                    return self.check_time(event, packet, due, &next);
                }
                Verdict::Differs(_) if self.is_premature(packet, &next) => {
                    self.early.push(next);
                }
                Verdict::Differs(_) if self.is_overtaken(packet, due, &next) => {
                    self.unclaimed.push_front(next);
                    return Ok(());
                }
                Verdict::Differs(differences) => {
                    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
                    let reason = differences.join("; ");
                    let mismatch = self.mismatch(event, packet, &next, reason);
                    return Err(End::Failed(Box::new(mismatch)));
                }
            }
        }
    }

    /// Whether an acknowledgement may come later than the script has it.
    fn may_be_delayed(&self, packet: &Packet) -> bool {
        !self.rules.ack_times && packet.is_pure_ack()
    }

    /// Whether the acknowledgement that is expected came before, because the stack did not delay it.
    fn was_acknowledged_early(&mut self, packet: &Packet) -> bool {
        let same = |early: &Claimable| {
            self.conversation.ack_relation(packet, &early.seen) == AckRelation::Same
        };
        let Some(index) = self.early.iter().position(same) else { return false };
        self.early.drain(..=index);
        true
    }

    /// Whether `next` acknowledges from behind the FIN what the script acknowledges with the FIN once more.
    /// Whether an answer repeats a FIN that is on its way is left open by RFC 9293 section 3.10.7.4.
    fn acknowledges_behind_fin(&self, packet: &Packet, next: &Claimable) -> bool {
        let related = self.conversation.relate(&next.seen);
        let (PacketBody::Tcp(wanted), PacketBody::Tcp(got)) = (&packet.body, &related.body) else {
            return false;
        };
        let repeats = wanted.flags.flags == Flags::FIN | Flags::ACK
            && wanted.seq.len == 0
            && wanted.seq.start.is_some()
            && wanted.seq.start == self.fin_claimed;
        !self.rules.segmentation
            && repeats
            && got.flags.flags == Flags::ACK
            && got.seq.len == 0
            && got.seq.start == wanted.seq.start.map(|fin| fin.wrapping_add(1))
            && got.ack == wanted.ack
    }

    /// Whether `next` is an acknowledgement of something new that the script may have later.
    fn is_premature(&self, packet: &Packet, next: &Claimable) -> bool {
        let relation = self.conversation.ack_relation(packet, &next.seen);
        // The same number, and yet it differs: then something else is wrong.
        let is_meant = relation == AckRelation::Same;
        !self.rules.ack_times && next.advance > 0 && next.is_plain_ack() && !is_meant
    }

    /// Whether the acknowledgement that is expected travels with, or is part of, what was sent in time.
    fn is_overtaken(&self, packet: &Packet, due: Due, next: &Claimable) -> bool {
        let related = self.conversation.relate(&next.seen);
        let (PacketBody::Tcp(wanted), PacketBody::Tcp(got)) = (&packet.body, &related.body) else {
            return false;
        };
        let (Ack::Relative(wanted_ack), Ack::Relative(got_ack)) = (wanted.ack, got.ack) else {
            return false;
        };
        let has_sack = |options: &TcpOptions| match options {
            TcpOptions::These(options) => {
                options.iter().any(|option| matches!(option, TcpOption::Sack(_)))
            }
            TcpOptions::Any => false,
        };
        // It must be news, or the loss of a duplicate acknowledgement would not be seen.
        let behind = got_ack.wrapping_sub(wanted_ack);
        self.may_be_delayed(packet)
            && next.sent.at <= due.to + DELAYED
            && behind < next.advance
            && !has_sack(&wanted.options)
    }

    fn check_time(&mut self, event: &Event, packet: &Packet, due: Due, first: &Claimable) -> Step {
        let Some(tolerance) = due.tolerance else { return Ok(()) };
        let at = first.sent.at;
        let lenient = self.may_be_delayed(packet);
        let late = if lenient { DELAYED } else { Duration::ZERO };
        let too_early = at + tolerance < due.from && !(lenient && at + DELAYED >= due.from);
        if too_early || at > due.to + tolerance + late {
            let (actual, from, to) = (since_start(at), since_start(due.from), since_start(due.to));
            let wanted = if from == to {
                format!("{:.6}", from.as_secs_f64())
            } else {
                format!("{:.6} to {:.6}", from.as_secs_f64(), to.as_secs_f64())
            };
            let reason = format!(
                "sent at {:.6} instead of {wanted} (tolerance {:.6})",
                actual.as_secs_f64(),
                tolerance.as_secs_f64()
            );
            let mismatch = self.mismatch(event, packet, first, reason);
            return Err(End::Failed(Box::new(mismatch)));
        }
        if lenient && at < due.from {
            // What follows counts from when the script has it.
            return self.advance(event.at, due.from);
        }
        Ok(())
    }

    fn mismatch(
        &self,
        event: &Event,
        packet: &Packet,
        actual: &Claimable,
        reason: String,
    ) -> Mismatch {
        Mismatch {
            time: Some(since_start(actual.sent.at)),
            expected: Some(packet.to_string()),
            actual: Some(self.conversation.describe(&actual.seen, Some(packet))),
            trace: self.process.world.story().leading_to(actual.sent.cause),
            ..Mismatch::new(event.at, reason)
        }
    }

    fn not_sent(&self, event: &Event, packet: &Packet, due: Due, pieces: &[Claimable]) -> End {
        let at = since_start(due.from);
        End::Failed(Box::new(match pieces.last() {
            Some(piece) => {
                self.mismatch(event, packet, piece, "only a part of it was sent".to_owned())
            }
            None => Mismatch {
                time: Some(at),
                expected: Some(packet.to_string()),
                ..Mismatch::new(event.at, "nothing was sent")
            },
        }))
    }

    /// Nothing must be left that the stack has sent before the program began to clean up; but for
    /// acknowledgements, which may come as they like, and the rest of a burst whose beginning the script has.
    pub(super) fn nothing_is_left(&self) -> Step {
        let mut owed = self.unclaimed.iter().take(self.owed);
        let Some(left) = owed.find(|left| !self.may_be_left(left)) else { return Ok(()) };
        Err(End::Failed(Box::new(Mismatch {
            time: Some(since_start(left.sent.at)),
            reason: "sent, and not in the script".to_owned(),
            actual: Some(self.conversation.describe(&left.seen, None)),
            trace: self.process.world.story().leading_to(left.sent.cause),
            ..Mismatch::default()
        })))
    }

    fn may_be_left(&self, left: &Claimable) -> bool {
        let has_text = left.seen.segment().is_some_and(|segment| !segment.payload.is_empty());
        let ends_burst = has_text && self.claimed_at == Some(left.sent.at);
        !self.rules.ack_times && left.is_plain_ack() || !self.rules.segmentation && ends_burst
    }
}
