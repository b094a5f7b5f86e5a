//! Links: where packets enter and leave the stack.
//!
//! | module | its subject |
//! |---|---|
//! | [`tun`] | the kernel's TUN device, plain or with the virtio-net header |
//! | [`udp`] | TCP segments in UDP datagrams |
//! | [`tap`] | a capture of what a link carries, as a pcapng file |
//!
//! A link moves packets and nothing else: it keeps no queue beyond the device's own and reads no
//! clock. Whoever drives it stamps the arrival, and counts what a full device refused.

pub(crate) mod buffer;
mod checksum;
pub mod tap;
pub mod tun;
pub mod udp;
mod uso;
mod vnet;
