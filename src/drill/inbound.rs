//! Packets that a script sends, as octets.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use netmart_proto::wire::tcp::Flags;
use netmart_proto::wire::udp::{self, Datagram};
use netmart_proto::wire::{
    Checksum, ChecksumMode, IpHeader, IpVersion, Packet as WirePacket, Protocol, emit_ip,
};

use super::ast::{
    Ack, EcnMark, IcmpPacket, IpInfo, Packet, PacketBody, Quoted, TcpOptions, TcpPacket, UdpPacket,
};
use super::conversation::Conversation;
use super::options::{self, Unwritable};

/// Why a packet of a script cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// The script needs what a drill does not have. It is to be skipped.
    #[error("needs {0}")]
    Unsupported(&'static str),
    /// The packet cannot be.
    #[error("no packet can be like that: {0}")]
    Impossible(&'static str),
}

/// Octets of a TCP header without options, and of one of ICMP (RFC 9293 section 3.1, RFC 792).
const TCP_HEADER_LEN: usize = 20;
const ICMP_HEADER_LEN: usize = 8;

/// Where the checksum lies in either.
const TCP_CHECKSUM: usize = 16;
const ICMP_CHECKSUM: usize = 2;

/// How many hops packets of the script may still go, unless it says so: none has been lost on the way.
const TTL: u8 = 255;

impl Conversation {
    /// The packet that the wire delivers, its numbers those of the connection and its checksums correct.
    pub fn inbound(&mut self, packet: &Packet) -> Result<WirePacket, InboundError> {
        if !packet.encapsulation.is_empty() {
            return Err(InboundError::Unsupported("tunnels"));
        }
        match &packet.body {
            PacketBody::Tcp(segment) => self.inbound_segment(&packet.ip, segment),
            PacketBody::Udp(datagram) => self.inbound_datagram(&packet.ip, datagram),
            PacketBody::Icmp(message) => self.inbound_message(&packet.ip, message),
        }
    }

    fn ends(&self, ports: Option<(u16, u16)>) -> (SocketAddr, SocketAddr) {
        let (mut src, mut dst) = (self.remote, self.local);
        if let Some((src_port, dst_port)) = ports {
            src.set_port(src_port);
            dst.set_port(dst_port);
        }
        (src, dst)
    }

    fn inbound_segment(
        &mut self,
        info: &IpInfo,
        segment: &TcpPacket,
    ) -> Result<WirePacket, InboundError> {
        if segment.udp_encapsulation.is_some() {
            return Err(InboundError::Unsupported("TCP in UDP"));
        }
        self.sending(segment);
        let (src, dst) = self.ends(segment.ports);
        let seq = self.inbound_seq(segment);
        let flags = segment.flags.flags;
        let is_syn = flags.contains(Flags::SYN);
        let ack = match segment.ack {
            Ack::Relative(ack) => self.inbound_ack(ack, is_syn),
            _ if flags.contains(Flags::ACK) => self.inbound_ack(0, is_syn),
            _ => 0,
        };
        let options = match &segment.options {
            TcpOptions::These(options) => self.inbound_options(options)?,
            TcpOptions::Any => return Err(InboundError::Impossible("its options are left open")),
        };
        let header_len = TCP_HEADER_LEN + options.len();
        let mut octets = BytesMut::with_capacity(header_len + usize::from(segment.seq.len));
        octets.put_u16(src.port());
        octets.put_u16(dst.port());
        octets.put_u32(seq);
        octets.put_u32(ack);
        // Options are 40 octets at most, so the header's length in words has four bits.
        octets.put_u16((header_len as u16 / 4) << 12 | flags.0);
        octets.put_u16(segment.window.unwrap_or_default());
        octets.put_u16(0);
        octets.put_u16(segment.urgent.unwrap_or_default());
        octets.extend_from_slice(&options);
        octets.put_bytes(0, segment.seq.len.into());
        let ip = header(info, src, dst, Protocol::TCP);
        let mut sum = pseudo_header(&ip, octets.len())?;
        sum.add(&octets);
        octets[TCP_CHECKSUM..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        whole(&ip, &octets)
    }

    fn inbound_options(&self, options: &[super::ast::TcpOption]) -> Result<Vec<u8>, InboundError> {
        let edge = |number| self.inbound_edge(number);
        let echo = |number| self.inbound_echo(number);
        options::write(options, edge, echo).map_err(|error| {
            InboundError::Impossible(match error {
                Unwritable::Open => "an option is left open",
                Unwritable::TooLong => "its options take more than 40 octets",
            })
        })
    }

    fn inbound_datagram(
        &self,
        info: &IpInfo,
        datagram: &UdpPacket,
    ) -> Result<WirePacket, InboundError> {
        let (src, dst) = self.ends(datagram.ports);
        let ip = header(info, src, dst, Protocol::UDP);
        let payload = Bytes::from(vec![0; datagram.len.into()]);
        let datagram = Datagram { src_port: src.port(), dst_port: dst.port(), payload };
        udp::emit(&mut BytesMut::new(), &ip, datagram, ChecksumMode::Full)
            .map_err(|_| InboundError::Impossible("it is too long"))
    }

    fn inbound_message(
        &self,
        info: &IpInfo,
        message: &IcmpPacket,
    ) -> Result<WirePacket, InboundError> {
        let (src, dst) = self.ends(None);
        let version = IpVersion::of(&dst.ip());
        let (kind, code) = message.kind.numbers(version).ok_or(match version {
            IpVersion::V4 => InboundError::Unsupported("ICMPv6 in a run with IPv4"),
            IpVersion::V6 => InboundError::Unsupported("ICMP of IPv4 in a run with IPv6"),
        })?;
        let protocol = match version {
            IpVersion::V4 => Protocol::ICMP,
            IpVersion::V6 => Protocol::ICMPV6,
        };
        let mut octets = BytesMut::zeroed(ICMP_HEADER_LEN);
        (octets[0], octets[1]) = (kind, code);
        if let Some(mtu) = message.mtu {
            octets[4..8].copy_from_slice(&mtu.to_be_bytes());
        }
        if let Some(ident) = message.ident {
            octets[4..6].copy_from_slice(&ident.to_be_bytes());
        }
        let is_echo =
            matches!((version, kind), (IpVersion::V4, 0 | 8) | (IpVersion::V6, 128 | 129));
        match message.quoted {
            Some(Quoted::Raw(len)) => octets.put_bytes(0, len.into()),
            None if is_echo => {}
            quoted => octets.extend_from_slice(&self.quote(quoted)?),
        }
        let ip = header(info, src, dst, protocol);
        let mut sum = match version {
            IpVersion::V4 => Checksum::new(),
            IpVersion::V6 => pseudo_header(&ip, octets.len())?,
        };
        sum.add(&octets);
        octets[ICMP_CHECKSUM..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        whole(&ip, &octets)
    }

    /// The beginning of a packet of ours: its IP header, whose length is that of the whole, and as much of the
    /// header behind it as has no options.
    fn quote(&self, quoted: Option<Quoted>) -> Result<BytesMut, InboundError> {
        let mut transport = BytesMut::new();
        transport.put_u16(self.local.port());
        transport.put_u16(self.remote.port());
        let (protocol, len) = match quoted {
            Some(Quoted::Udp(len)) => {
                let len = usize::from(len) + 8;
                transport.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
                transport.put_u16(0);
                (Protocol::UDP, len)
            }
            quoted => {
                let extent = match quoted {
                    Some(Quoted::Tcp(extent)) => extent,
                    _ => super::ast::Extent { start: Some(0), len: 0, is_absolute: false },
                };
                transport.put_u32(self.quoted_seq(extent));
                transport.put_u32(0);
                transport.put_u16((TCP_HEADER_LEN as u16 / 4) << 12 | Flags::ACK.0);
                transport.put_bytes(0, 6);
                (Protocol::TCP, TCP_HEADER_LEN + usize::from(extent.len))
            }
        };
        let ip = IpHeader::new(self.local.ip(), self.remote.ip(), protocol);
        let mut octets = BytesMut::new();
        emit_ip(&mut octets, &ip, len)
            .map_err(|_| InboundError::Impossible("its quote is too long"))?;
        octets.extend_from_slice(&transport);
        Ok(octets)
    }
}

fn header(info: &IpInfo, src: SocketAddr, dst: SocketAddr, protocol: Protocol) -> IpHeader {
    let ecn = info.ecn.map_or(0, |mark| match mark {
        EcnMark::NotEct => 0,
        EcnMark::Ect1 => 1,
        EcnMark::Ect0 | EcnMark::Ect01 => 2,
        EcnMark::Ce => 3,
    });
    let tos = info.tos.unwrap_or(info.dscp.unwrap_or_default() << 2) | ecn;
    IpHeader {
        tos,
        ttl: info.ttl.unwrap_or(TTL),
        flow_label: info.flow_label.unwrap_or_default(),
        ..IpHeader::new(src.ip(), dst.ip(), protocol)
    }
}

fn pseudo_header(ip: &IpHeader, len: usize) -> Result<Checksum, InboundError> {
    Checksum::pseudo(&ip.src, &ip.dst, ip.protocol, len)
        .map_err(|_| InboundError::Impossible("its addresses are of two versions"))
}

fn whole(ip: &IpHeader, transport: &[u8]) -> Result<WirePacket, InboundError> {
    let mut octets = BytesMut::with_capacity(ip.emitted_len() + transport.len());
    emit_ip(&mut octets, ip, transport.len())
        .map_err(|_| InboundError::Impossible("it is too long"))?;
    octets.extend_from_slice(transport);
    Ok(octets.freeze().into())
}
