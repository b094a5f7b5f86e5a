//! Whether what a stack has sent is what a script expects.

use std::fmt;

use netmart_proto::wire::IpHeader;
use netmart_proto::wire::tcp::Flags;

use super::ast::{
    Ack, EcnMark, IpInfo, Number, Packet, PacketBody, TcpOption, TcpOptions, TcpPacket,
};
use super::conversation::Conversation;
use super::rules::Rules;
use super::seen::Seen;

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was met.
    Met,
    /// What was sent is the beginning of what is expected; the rest must follow.
    Begun,
    /// It was not, for these reasons.
    Differs(Vec<Difference>),
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What: `ack`, `flags`, an option's name.
    pub field: &'static str,
    /// As the script has it.
    pub expected: String,
    /// As the stack sent it.
    pub actual: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.field, self.expected, self.actual)
    }
}

/// How the acknowledgement of a pure ACK compares with that of the pure ACK which a script expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckRelation {
    /// One of the two is not a pure ACK, or they differ in more.
    Unrelated,
    /// They acknowledge the same.
    Same,
    /// The stack acknowledges less: it has acknowledged at once what the script acknowledges later, together.
    Less,
    /// The stack acknowledges more: it has waited for more than the script does.
    More,
}

impl Conversation {
    /// Compares `expected` with the packets that the stack has sent for it so far, of which there is at least
    /// one; several only if the verdict on all but the last was [`Verdict::Begun`].
    ///
    /// Each of them has been [observed](Self::observe) before. If they match, what the script calls things is
    /// remembered.
    pub fn judge(&mut self, expected: &Packet, seen: &[Seen], rules: &Rules) -> Verdict {
        let Some((last, before)) = seen.split_last() else { return Verdict::Begun };
        let related = self.relate(last);
        let mut differences = ip_differences(&expected.ip, &related.ip);
        let verdict = match (&expected.body, &related.body) {
            (PacketBody::Tcp(wanted), PacketBody::Tcp(got)) => {
                // A SYN tells what the initial sequence number of the script is; `related` knows only the last.
                let mut got = got.clone();
                if wanted.ports.is_some() && got.ports.is_none() {
                    got.ports = Some((self.local.port(), self.remote.port()));
                }
                if wanted.flags.flags.contains(Flags::SYN) && got.flags.flags.contains(Flags::SYN) {
                    got.seq.start = wanted.seq.start.or(got.seq.start);
                }
                let taken: usize =
                    before.iter().filter_map(Seen::segment).map(|piece| piece.payload.len()).sum();
                let piece = Piece { wanted, got: &got, taken: taken as u32, rules };
                differences.extend(piece.differences());
                if piece.is_last() { Verdict::Met } else { Verdict::Begun }
            }
            (PacketBody::Icmp(wanted), PacketBody::Icmp(got)) => {
                let numbers = wanted.kind.numbers(last.ip.version());
                if numbers != got.kind.numbers(last.ip.version()) {
                    differences.push(difference("message", wanted, got));
                }
                Verdict::Met
            }
            (PacketBody::Udp(wanted), PacketBody::Udp(got)) => {
                if wanted.len != got.len {
                    differences.push(difference("length", wanted.len, got.len));
                }
                Verdict::Met
            }
            _ => {
                differences.push(difference("packet", expected, mentioned(&related, expected)));
                Verdict::Met
            }
        };
        if !differences.is_empty() {
            return Verdict::Differs(differences);
        }
        if let (PacketBody::Tcp(wanted), Some(segment)) = (&expected.body, last.segment()) {
            self.agree(wanted, segment);
        }
        verdict
    }

    /// What `seen` is, in the script's notation, with as much of its IP header as `expected` mentions.
    pub fn describe(&self, seen: &Seen, expected: Option<&Packet>) -> String {
        let related = self.relate(seen);
        match expected {
            Some(expected) => mentioned(&related, expected).to_string(),
            None => {
                let mut related = related;
                let ecn = related.ip.ecn.filter(|mark| *mark != EcnMark::NotEct);
                related.ip = IpInfo { ecn, ..IpInfo::default() };
                related.to_string()
            }
        }
    }

    /// How a pure ACK that was sent compares with the one that is expected.
    pub fn ack_relation(&self, expected: &Packet, seen: &Seen) -> AckRelation {
        let related = self.relate(seen);
        let (PacketBody::Tcp(wanted), PacketBody::Tcp(got)) = (&expected.body, &related.body)
        else {
            return AckRelation::Unrelated;
        };
        let is_pure =
            |segment: &TcpPacket| segment.flags.flags == Flags::ACK && segment.seq.len == 0;
        let same_place = wanted.seq.start.is_none() || wanted.seq.start == got.seq.start;
        let (true, true, true, Ack::Relative(wanted), Ack::Relative(got)) =
            (is_pure(wanted), is_pure(got), same_place, wanted.ack, got.ack)
        else {
            return AckRelation::Unrelated;
        };
        match got.wrapping_sub(wanted).cast_signed() {
            0 => AckRelation::Same,
            ..0 => AckRelation::Less,
            1.. => AckRelation::More,
        }
    }
}

impl Packet {
    /// Whether the script expects an acknowledgement and nothing else here.
    pub fn is_pure_ack(&self) -> bool {
        match &self.body {
            PacketBody::Tcp(segment) => segment.flags.flags == Flags::ACK && segment.seq.len == 0,
            _ => false,
        }
    }
}

impl IpInfo {
    /// All there is to say about a header.
    pub(super) fn of(ip: &IpHeader) -> Self {
        let ecn = match ip.tos & 3 {
            0 => EcnMark::NotEct,
            1 => EcnMark::Ect1,
            2 => EcnMark::Ect0,
            _ => EcnMark::Ce,
        };
        Self {
            ecn: Some(ecn),
            dscp: Some(ip.tos >> 2),
            tos: Some(ip.tos),
            ttl: Some(ip.ttl),
            flow_label: Some(ip.flow_label),
        }
    }
}

/// `related` with what `expected` says of the IP header, and with the ECN bits if there are any.
fn mentioned(related: &Packet, expected: &Packet) -> Packet {
    let mut packet = related.clone();
    let (ip, wanted) = (&mut packet.ip, &expected.ip);
    ip.ecn = ip.ecn.filter(|mark| wanted.ecn.is_some() || *mark != EcnMark::NotEct);
    ip.dscp = ip.dscp.filter(|_| wanted.dscp.is_some());
    ip.tos = ip.tos.filter(|_| wanted.tos.is_some());
    ip.ttl = ip.ttl.filter(|_| wanted.ttl.is_some());
    ip.flow_label = ip.flow_label.filter(|_| wanted.flow_label.is_some());
    packet
}

fn difference(field: &'static str, expected: impl ToString, actual: impl ToString) -> Difference {
    Difference { field, expected: expected.to_string(), actual: actual.to_string() }
}

fn ip_differences(wanted: &IpInfo, got: &IpInfo) -> Vec<Difference> {
    let mut differences = Vec::new();
    if let (Some(wanted), Some(got)) = (wanted.ecn, got.ecn) {
        let is_either = wanted == EcnMark::Ect01 && matches!(got, EcnMark::Ect0 | EcnMark::Ect1);
        if wanted != got && !is_either {
            differences.push(difference("ecn", wanted, got));
        }
    }
    let numbers = [
        ("dscp", wanted.dscp.map(u32::from), got.dscp.map(u32::from)),
        ("tos", wanted.tos.map(u32::from), got.tos.map(u32::from)),
        ("ttl", wanted.ttl.map(u32::from), got.ttl.map(u32::from)),
        ("flowlabel", wanted.flow_label, got.flow_label),
    ];
    for (field, wanted, got) in numbers {
        if let (Some(wanted), Some(got)) = (wanted, got)
            && wanted != got
        {
            differences.push(difference(field, wanted, got));
        }
    }
    differences
}

/// A segment that may be a piece of what is expected.
struct Piece<'a> {
    wanted: &'a TcpPacket,
    /// In the script's numbers.
    got: &'a TcpPacket,
    /// Octets of `wanted` that pieces before this one had.
    taken: u32,
    rules: &'a Rules,
}

impl Piece<'_> {
    /// Octets of `wanted` that are left for the pieces behind this one; negative if this has too many.
    fn left(&self) -> i64 {
        i64::from(self.wanted.seq.len) - i64::from(self.taken) - i64::from(self.got.seq.len)
    }

    fn is_last(&self) -> bool {
        self.rules.segmentation || self.left() <= 0 || self.got.seq.len == 0
    }

    fn is_whole(&self) -> bool {
        self.taken == 0 && self.left() == 0
    }

    fn differences(&self) -> Vec<Difference> {
        let Self { wanted, got, rules, .. } = self;
        let mut differences = Vec::new();
        if wanted.ports != got.ports {
            let show = |ports: Option<(u16, u16)>| match ports {
                Some((src, dst)) => format!("{src} > {dst}"),
                None => "those of the connection".to_owned(),
            };
            differences.push(difference("ports", show(wanted.ports), show(got.ports)));
        }
        if self.wanted_flags() != self.comparable(got.flags.flags) {
            differences.push(difference("flags", wanted.flags, got.flags));
        }
        if let (Some(wanted), Some(got)) = (wanted.seq.start, got.seq.start)
            && wanted.wrapping_add(self.taken) != got
        {
            differences.push(difference("seq", wanted.wrapping_add(self.taken), got));
        }
        let is_too_short = self.is_last() && self.left() > 0;
        if self.left() < 0 || is_too_short {
            let expected = u32::from(wanted.seq.len) - self.taken.min(wanted.seq.len.into());
            differences.push(difference("length", expected, got.seq.len));
        }
        match (wanted.ack, got.ack) {
            (Ack::Relative(wanted), Ack::Relative(got)) if wanted != got => {
                differences.push(difference("ack", wanted, got));
            }
            (Ack::Relative(wanted), Ack::Absent)
                if self.wanted.flags.flags.contains(Flags::ACK) =>
            {
                differences.push(difference("ack", wanted, "none"));
            }
            _ => {}
        }
        if let (true, Some(wanted), Some(got)) = (rules.windows, wanted.window, got.window)
            && wanted != got
        {
            differences.push(difference("win", wanted, got));
        }
        if wanted.urgent.unwrap_or_default() != got.urgent.unwrap_or_default() {
            let show = |urgent: Option<u16>| urgent.unwrap_or_default();
            differences.push(difference("urg", show(wanted.urgent), show(got.urgent)));
        }
        differences.extend(self.option_differences());
        differences
    }

    fn wanted_flags(&self) -> Flags {
        let mut flags = self.wanted.flags.flags;
        if !self.is_last() {
            // Only the last piece ends the data.
            flags = Flags(flags.0 & !Flags::FIN.0);
        }
        self.comparable(flags)
    }

    /// The flags that count: PSH does so only if the boundaries of the segment are those of the script.
    fn comparable(&self, flags: Flags) -> Flags {
        let is_cut = !self.rules.segmentation && !self.is_whole();
        if is_cut { Flags(flags.0 & !Flags::PSH.0) } else { flags }
    }

    fn option_differences(&self) -> Option<Difference> {
        let (TcpOptions::These(wanted), TcpOptions::These(got)) =
            (&self.wanted.options, &self.got.options)
        else {
            return None;
        };
        let is_same = if self.rules.option_order {
            wanted.len() == got.len()
                && wanted.iter().zip(got).all(|(wanted, got)| self.is_same_option(wanted, got))
        } else {
            self.is_same_set(wanted, got)
        };
        if is_same {
            return None;
        }
        let show = |options: &TcpOptions| match options {
            TcpOptions::Any => "<...>".to_owned(),
            TcpOptions::These(options) => {
                let options: Vec<_> = options.iter().map(ToString::to_string).collect();
                format!("<{}>", options.join(","))
            }
        };
        Some(difference("options", show(&self.wanted.options), show(&self.got.options)))
    }

    /// Whether the options are the same but for order and padding.
    fn is_same_set(&self, wanted: &[TcpOption], got: &[TcpOption]) -> bool {
        let is_content = |option: &&TcpOption| !matches!(option, TcpOption::Nop | TcpOption::Eol);
        let mut left: Vec<_> = got.iter().filter(is_content).collect();
        let is_all_there = wanted.iter().filter(is_content).all(|wanted| {
            let place = left.iter().position(|got| self.is_same_option(wanted, got));
            place.map(|place| left.swap_remove(place)).is_some()
        });
        is_all_there && left.is_empty()
    }

    fn is_same_option(&self, wanted: &TcpOption, got: &TcpOption) -> bool {
        use TcpOption::{FastOpen, FastOpenExperimental, Mss, Sack, Timestamps, WindowScale};
        match (wanted, got) {
            (Mss(wanted), Mss(got)) => is_same_number(wanted, got),
            (WindowScale(wanted), WindowScale(got)) => is_same_number(wanted, got),
            (Sack(wanted), Sack(got)) => is_same_number(wanted, got),
            (FastOpen(wanted), FastOpen(got)) => is_same_number(wanted, got),
            (FastOpenExperimental(wanted), FastOpenExperimental(got)) => {
                is_same_number(wanted, got)
            }
            (
                Timestamps { value: wanted_value, echo: wanted_echo },
                Timestamps { value: got_value, echo: got_echo },
            ) => {
                is_same_number(wanted_echo, got_echo)
                    && (!self.rules.timestamps || is_same_number(wanted_value, got_value))
            }
            _ => wanted == got,
        }
    }
}

fn is_same_number<T: PartialEq>(wanted: &Number<T>, got: &Number<T>) -> bool {
    match (wanted, got) {
        (Number::Any, _) | (_, Number::Any) => true,
        (
            Number::Exactly(wanted) | Number::Absolute(wanted),
            Number::Exactly(got) | Number::Absolute(got),
        ) => wanted == got,
    }
}

#[cfg(test)]
mod tests;
