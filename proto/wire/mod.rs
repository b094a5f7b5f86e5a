//! Wire formats: what parses can be emitted again, and no bytes make anything here panic.

mod checksum;
mod error;
pub mod icmp;
mod ip;
mod ipv4;
mod packet;
mod protocol;
pub mod tcp;
pub mod udp;

pub use checksum::ChecksumMode;
pub use error::{EmitError, Fault, Layer, ParseError};
pub use ip::{Fragment, IpHeader, IpVersion, ParsedIp, emit_ip, parse_ip};
pub use ipv4::Ipv4Options;
pub use packet::{ChecksumState, Offload, Packet};
pub use protocol::Protocol;
