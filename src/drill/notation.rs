//! Packets written as scripts write them.

use std::fmt;

use super::ast::{
    Ack, Direction, EcnMark, Encapsulation, Extent, FlagPattern, IcmpPacket, IpInfo, Number,
    Packet, PacketBody, Quoted, TcpOption, TcpOptions, TcpPacket,
};

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            Direction::Inbound => "< ",
            Direction::Outbound => "> ",
        })?;
        for header in &self.encapsulation {
            match header {
                Encapsulation::Ip { src, dst, .. } => {
                    let name = if src.is_ipv4() { "ipv4" } else { "ipv6" };
                    write!(f, "{name} {src} > {dst}: ")?;
                }
                Encapsulation::Gre => f.write_str("gre: ")?,
                Encapsulation::Mpls => f.write_str("mpls: ")?,
            }
        }
        write!(f, "{}", self.ip)?;
        match &self.body {
            PacketBody::Tcp(segment) => write!(f, "{segment}"),
            PacketBody::Udp(datagram) => {
                f.write_str("udp ")?;
                if let Some((src, dst)) = datagram.ports {
                    write!(f, "{src} > {dst} ")?;
                }
                write!(f, "({})", datagram.len)
            }
            PacketBody::Icmp(message) => write!(f, "{message}"),
        }
    }
}

/// With a blank behind it if there is anything to say.
impl fmt::Display for IpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Vec::new();
        fields.extend(self.dscp.map(|dscp| format!("dscp {dscp:#x}")));
        fields.extend(self.ecn.map(|mark| match self.dscp {
            Some(_) => format!("ecn {mark}"),
            None => mark.to_string(),
        }));
        fields.extend(self.tos.map(|tos| format!("tos {tos:#x}")));
        fields.extend(self.flow_label.map(|label| format!("flowlabel {label:#x}")));
        fields.extend(self.ttl.map(|ttl| format!("ttl {ttl}")));
        if fields.is_empty() { Ok(()) } else { write!(f, "[{}] ", fields.join(", ")) }
    }
}

impl fmt::Display for EcnMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEct => "noecn",
            Self::Ect1 => "ect1",
            Self::Ect0 => "ect0",
            Self::Ce => "ce",
            Self::Ect01 => "ect01",
        })
    }
}

impl fmt::Display for TcpPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((src, dst)) = self.ports {
            write!(f, "{src} > {dst} ")?;
        }
        write!(f, "{} {}", self.flags, self.seq)?;
        match self.ack {
            Ack::Absent => {}
            Ack::Any => f.write_str(" ack ...")?,
            Ack::Relative(ack) => write!(f, " ack {ack}")?,
        }
        if let Some(window) = self.window {
            write!(f, " win {window}")?;
        }
        if let Some(urgent) = self.urgent {
            write!(f, " urg {urgent}")?;
        }
        match &self.options {
            TcpOptions::Any => f.write_str(" <...>")?,
            TcpOptions::These(options) if options.is_empty() => {}
            TcpOptions::These(options) => {
                let options: Vec<_> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", options.join(","))?;
            }
        }
        match self.udp_encapsulation {
            Some((src, dst)) => write!(f, " / udp({src} > {dst})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FlagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.flags)
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            None => write!(f, "...({})", self.len),
            Some(start) => {
                let end = start.wrapping_add(u32::from(self.len));
                write!(f, "{start}:{end}({})", self.len)?;
                if self.is_absolute { f.write_str("!") } else { Ok(()) }
            }
        }
    }
}

impl<T: fmt::Display> fmt::Display for Number<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("..."),
            Self::Exactly(value) => write!(f, "{value}"),
            Self::Absolute(value) => write!(f, "{value}!"),
        }
    }
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nop => f.write_str("nop"),
            Self::Eol => f.write_str("eol"),
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(Number::Exactly(blocks) | Number::Absolute(blocks)) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
            Self::Sack(Number::Any) => f.write_str("sack ..."),
            Self::Timestamps { value, echo } => write!(f, "TS val {value} ecr {echo}"),
            Self::FastOpen(cookie) => write!(f, "FO{}", Cookie(cookie)),
            Self::FastOpenExperimental(cookie) => write!(f, "FOEXP{}", Cookie(cookie)),
            Self::AccEcn { kind, counters } => {
                let order = [["ee0b", "eceb", "ee1b"], ["ee1b", "eceb", "ee0b"]];
                let is_second = usize::from(*kind != 172);
                write!(f, "AccECN{is_second}")?;
                let mut named = order[is_second].iter().zip(counters);
                named.try_for_each(|(name, counter)| write!(f, " {name} {counter}"))
            }
            Self::Md5(signature) => write!(f, "md5 {}", Hex(signature)),
            Self::Other { kind, data } if data.is_empty() => write!(f, "kind {kind}"),
            Self::Other { kind, data } => write!(f, "kind {kind} {}", Hex(data)),
        }
    }
}

/// A cookie with a blank in front, nothing if there is none.
struct Cookie<'a>(&'a Number<Vec<u8>>);

impl fmt::Display for Cookie<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Number::Any => f.write_str(" ..."),
            Number::Exactly(cookie) | Number::Absolute(cookie) if cookie.is_empty() => Ok(()),
            Number::Exactly(cookie) | Number::Absolute(cookie) => write!(f, " {}", Hex(cookie)),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Display for IcmpPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icmp {}", self.kind.name)?;
        if let Some(code) = &self.kind.code {
            write!(f, " {code}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if let Some(ident) = self.ident {
            write!(f, " id {ident}")?;
        }
        match self.quoted {
            None => Ok(()),
            Some(Quoted::Tcp(extent)) => write!(f, " [{extent}]"),
            Some(Quoted::Udp(len)) => write!(f, " [udp ({len})]"),
            Some(Quoted::Raw(len)) => write!(f, " [raw ({len})]"),
        }
    }
}
