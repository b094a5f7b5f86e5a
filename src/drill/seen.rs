//! A packet that a stack has sent, read for comparison with what a script expects.

use bytes::Bytes;
use netmart_proto::wire::tcp::Flags;
use netmart_proto::wire::{
    IpHeader, IpVersion, Packet, ParseError, Protocol, icmp, parse_ip, tcp, udp,
};

use super::ast::TcpOption;
use super::options;

/// A packet, its checksums found good.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its IP header.
    pub ip: IpHeader,
    /// What it carries.
    pub body: SeenBody,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq)]
pub enum SeenBody {
    /// A TCP segment.
    Tcp(SeenSegment),
    /// A datagram of UDP.
    Udp {
        /// From this port.
        src_port: u16,
        /// To this port.
        dst_port: u16,
        /// Payload octets.
        len: usize,
    },
    /// A message of ICMP.
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// What is behind the checksum.
        rest: Bytes,
    },
    /// Something else, of this protocol.
    Other(Protocol),
}

/// A TCP segment with the numbers of the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenSegment {
    /// From this port.
    pub src_port: u16,
    /// To this port.
    pub dst_port: u16,
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK.
    pub ack: u32,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND, not scaled.
    pub window: u16,
    /// SEG.UP.
    pub urgent: u16,
    /// The options in their order, padding included; their numbers are those of the wire.
    pub options: Vec<TcpOption>,
    /// What it carries.
    pub payload: Bytes,
}

impl Seen {
    /// Reads `packet`. Checksums that were left to the device are completed first.
    pub fn parse(mut packet: Packet) -> Result<Self, ParseError> {
        packet.complete_checksum();
        let packet = Packet::new(packet.into_bytes());
        let parsed = parse_ip(&packet)?;
        let ip = parsed.header;
        let transport = packet.narrow(parsed.payload);
        let octets = transport.head.clone();
        let body = match (ip.protocol, ip.version()) {
            (Protocol::TCP, _) => {
                let segment = tcp::parse(&ip, transport)?;
                SeenBody::Tcp(SeenSegment::of(segment, &octets))
            }
            (Protocol::UDP, _) => {
                let datagram = udp::parse(&ip, transport)?;
                let len = datagram.payload.len();
                SeenBody::Udp { src_port: datagram.src_port, dst_port: datagram.dst_port, len }
            }
            (Protocol::ICMP, IpVersion::V4) | (Protocol::ICMPV6, IpVersion::V6) => {
                icmp::parse(&ip, transport)?;
                // A message that was parsed has type, code and checksum.
                let (kind, code) = (octets[0], octets[1]);
                SeenBody::Icmp { kind, code, rest: octets.slice(4..) }
            }
            (protocol, _) => SeenBody::Other(protocol),
        };
        Ok(Self { ip, body })
    }

    /// The segment, if it is one.
    pub fn segment(&self) -> Option<&SeenSegment> {
        match &self.body {
            SeenBody::Tcp(segment) => Some(segment),
            _ => None,
        }
    }
}

impl SeenSegment {
    fn of(ported: tcp::PortedSegment, octets: &Bytes) -> Self {
        let tcp::PortedSegment { src_port, dst_port, segment } = ported;
        let header_len = octets.len() - segment.payload.len();
        Self {
            src_port,
            dst_port,
            seq: segment.seq.0,
            ack: segment.ack.0,
            flags: segment.flags,
            window: segment.window,
            urgent: segment.urgent,
            options: options::read(&octets[FIXED_HEADER_LEN.min(header_len)..header_len]),
            payload: segment.payload,
        }
    }

    /// Whether it is an acknowledgement and nothing else.
    pub fn is_pure_ack(&self) -> bool {
        self.payload.is_empty()
            && self.flags.contains(Flags::ACK)
            && !self.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
    }

    /// How much sequence space it takes, SYN and FIN included.
    pub fn sequence_len(&self) -> u32 {
        let control = [Flags::SYN, Flags::FIN].into_iter();
        let control = control.filter(|flag| self.flags.contains(*flag)).count();
        // A payload is bounded by the 16-bit length of its packet.
        (self.payload.len() + control) as u32
    }
}

/// Octets in front of the options (RFC 9293 section 3.1).
const FIXED_HEADER_LEN: usize = 20;
