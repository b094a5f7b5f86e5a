//! Wire formats: what parses can be emitted again, and no bytes make anything here panic.
//!
//! A packet goes through two parsers: [`parse_ip`], and that of its transport ([`tcp`], [`udp`],
//! [`icmp`]), which is given the packet narrowed to its payload. The way back is one step: each
//! transport's `emit` writes the IP header and its own into an arena and leaves the payload where it
//! is.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use netmart_proto::wire::udp::{self, Datagram};
//! use netmart_proto::wire::{ChecksumMode, IpHeader, Protocol, parse_ip};
//!
//! let ip = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::UDP);
//! let datagram = Datagram { src_port: 4711, dst_port: 7, payload: Bytes::from_static(b"hello") };
//!
//! let mut arena = BytesMut::with_capacity(4096);
//! let packet = udp::emit(&mut arena, &ip, datagram.clone(), ChecksumMode::Full)?;
//! assert_eq!(packet.len(), 20 + 8 + 5);
//!
//! let parsed = parse_ip(&packet)?;
//! assert_eq!(parsed.header, ip);
//! assert_eq!(udp::parse(&parsed.header, packet.narrow(parsed.payload))?, datagram);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checksum;
mod emit;
mod error;
pub mod icmp;
mod ip;
mod ipv4;
mod ipv6;
mod packet;
mod protocol;
mod recognise;
mod source_route;
pub mod tcp;
pub mod udp;

pub use checksum::{Checksum, ChecksumMode, checksum};
pub use error::{EmitError, Fault, Layer, ParseError};
pub use ip::{Dscp, Ecn, Fragment, IpHeader, IpVersion, ParsedIp, emit_ip, parse_ip};
pub use ipv4::{Ipv4Option, Ipv4Options, Route};
pub use packet::{ChecksumState, Offload, Packet};
pub use protocol::Protocol;
pub use recognise::Likeness;
pub use source_route::SourceRoute;
