//! Packets as a script writes them.

use std::net::IpAddr;

use netmart_proto::wire::tcp::Flags;

/// A packet that comes in, or that must go out.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Which of the two.
    pub direction: Direction,
    /// What is around it, from the outside in. Empty for all that has no tunnel.
    pub encapsulation: Vec<Encapsulation>,
    /// What is said of its IP header.
    pub ip: IpInfo,
    /// What it carries.
    pub body: PacketBody,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `<`: the wire delivers it to the stack.
    Inbound,
    /// `>`: the stack must send it.
    Outbound,
}

/// A header around the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// `ipv4 192.0.2.1 > 192.0.2.2:`, or the same with `ipv6`.
    Ip {
        /// Where the tunnel begins.
        src: IpAddr,
        /// Where it ends.
        dst: IpAddr,
        /// What is said of this header.
        info: IpInfo,
    },
    /// `gre …:`.
    Gre,
    /// `mpls …:`.
    Mpls,
}

/// What is said of an IP header, all of it optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpInfo {
    /// `[ect0]`, `[ce]`, `[noecn]`, …: the two ECN bits.
    pub ecn: Option<EcnMark>,
    /// `[dscp ef]`: the upper six bits of the octet, as a number.
    pub dscp: Option<u8>,
    /// `(tos 0x2)`, `[class 0x2]`: the whole octet.
    pub tos: Option<u8>,
    /// `[ttl 255]`, `[hlim 255]`: time to live, or hop limit.
    pub ttl: Option<u8>,
    /// `[flowlabel 0x12345]`.
    pub flow_label: Option<u32>,
}

/// The two ECN bits (RFC 3168 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EcnMark {
    /// `noecn`: 00.
    NotEct,
    /// `ect1`: 01.
    Ect1,
    /// `ect0`: 10.
    Ect0,
    /// `ce`: 11.
    Ce,
    /// `ect01`: either ECT(0) or ECT(1). Outbound packets only.
    Ect01,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq)]
pub enum PacketBody {
    /// A TCP segment.
    Tcp(TcpPacket),
    /// `udp (1000)`.
    Udp(UdpPacket),
    /// `icmp unreachable port_unreachable`.
    Icmp(IcmpPacket),
}

/// A TCP segment, its numbers relative to the initial sequence numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpPacket {
    /// `8081 > 8080`: ports other than those of the script's connection.
    pub ports: Option<(u16, u16)>,
    /// The control bits.
    pub flags: FlagPattern,
    /// `1:1001(1000)`.
    pub seq: Extent,
    /// `ack 1`. [`Ack::Absent`] if it does not stand there.
    pub ack: Ack,
    /// `win 32767`. An inbound packet that has none has window 0; an outbound one, any.
    pub window: Option<u16>,
    /// `urg 1`: the urgent pointer. An inbound packet that has none has 0, and an outbound one must.
    pub urgent: Option<u16>,
    /// `<mss 1460,sackOK>`.
    pub options: TcpOptions,
    /// `/udp(9899 > 9899)`: carried in a datagram with these ports (RFC 6951).
    pub udp_encapsulation: Option<(u16, u16)>,
}

/// Control bits: `S.`, `P.`, `SEW`, `.5`, `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagPattern {
    /// The bits. With [`ace`](Self::ace), those of ACE are included in them.
    pub flags: Flags,
    /// `.5`: the counter of accurate ECN (RFC 9768 section 3.2.2), 0 to 7, in AE, CWR and ECE.
    pub ace: Option<u8>,
}

/// The sequence numbers that a segment takes: `1:1001(1000)`, or `...(1000)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first. Nothing stands for `...`: any number.
    pub start: Option<u32>,
    /// How many octets the segment carries. SYN and FIN do not count.
    pub len: u16,
    /// `1234:1234(0)!`: the number is the one on the wire, not relative.
    pub is_absolute: bool,
}

impl Extent {
    /// The number after the last octet, SYN and FIN not counted.
    pub fn end(self) -> Option<u32> {
        self.start.map(|start| start.wrapping_add(u32::from(self.len)))
    }
}

/// The acknowledgement number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Nothing is said: 0 for an inbound packet, and not compared if the flag is not set.
    Absent,
    /// `ack ...`: any.
    Any,
    /// `ack 1`, relative.
    Relative(u32),
}

/// The options of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOptions {
    /// `<...>`: any. Outbound packets only.
    Any,
    /// These, in this order. Empty if nothing is said.
    These(Vec<TcpOption>),
}

/// A number that may be left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number<T> {
    /// `...`: any. Outbound packets only.
    Any,
    /// This one.
    Exactly(T),
    /// `100!`: this one on the wire. Timestamps only; all others mean that anyway.
    Absolute(T),
}

/// One option of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// `nop`.
    Nop,
    /// `eol`.
    Eol,
    /// `mss 1460`.
    Mss(Number<u16>),
    /// `wscale 7`.
    WindowScale(Number<u8>),
    /// `sackOK`.
    SackPermitted,
    /// `sack 1001:2001 3001:4001`: from the left edge to the right one, relative. `sack ...` has any.
    Sack(Number<Vec<(u32, u32)>>),
    /// `TS val 100 ecr 0`: clocks of both sides, as the script counts them.
    Timestamps {
        /// TSval.
        value: Number<u32>,
        /// TSecr.
        echo: Number<u32>,
    },
    /// `FO 0123456789abcdef`: a cookie of TCP Fast Open (RFC 7413), empty if it is asked for. `FO ...` has any.
    FastOpen(Number<Vec<u8>>),
    /// `FOEXP …`: the same in the experimental option 254 (RFC 7413 appendix A).
    FastOpenExperimental(Number<Vec<u8>>),
    /// `AccECN1 ee1b 1 eceb 0 ee0b 1`: counters of accurate ECN (RFC 9768 section 3.2.3).
    AccEcn {
        /// 172 for `AccECN0`, which has `ee0b` first, 174 for `AccECN1`, which has `ee1b` first.
        kind: u8,
        /// Three counters of 24 bits each, fewer if the option is cut short.
        counters: Vec<u32>,
    },
    /// `md5 …`: a signature (RFC 2385).
    Md5(Vec<u8>),
    /// Any other: its kind, and what follows the length octet.
    Other {
        /// The kind.
        kind: u8,
        /// The data.
        data: Vec<u8>,
    },
}

/// A datagram of UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpPacket {
    /// Ports other than those of the script's socket.
    pub ports: Option<(u16, u16)>,
    /// Payload octets.
    pub len: u16,
}

/// A message of ICMP, of the version that the run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpPacket {
    /// What it says.
    pub kind: IcmpKind,
    /// `mtu 1400`: the next-hop MTU, in octets.
    pub mtu: Option<u32>,
    /// `id 5`: the identifier of an echo.
    pub ident: Option<u16>,
    /// `[1:1461(1460)]`: the packet that the error is about. Without one, that of sequence number 0.
    pub quoted: Option<Quoted>,
}

/// Type and code, by the names they have in the script. What numbers they are depends on the version of IP:
/// [`IcmpKind::numbers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpKind {
    /// `unreachable`, `echo_request`, or `type_3`.
    pub name: String,
    /// `port_unreachable`, or `code_3`. Without one, 0.
    pub code: Option<String>,
}

/// What an ICMP error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoted {
    /// A segment of ours.
    Tcp(Extent),
    /// `udp (100)`: a datagram of ours, with so many octets.
    Udp(u16),
    /// `raw (100)`.
    Raw(u16),
}
