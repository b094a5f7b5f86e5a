//! The three blocks of a pcapng file that a capture needs (draft-ietf-opsawg-pcapng).
//!
//! A block is: type, total length, content, total length again; fields are little-endian here, and the
//! content is filled up to a multiple of four.

use netmart_proto::Instant;

use super::Direction;

/// What is told of a packet beside its octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketHeader {
    /// The number of its interface, in order of description.
    pub(super) interface: u32,
    /// When it passed.
    pub(super) at: Instant,
    /// Which way.
    pub(super) direction: Direction,
}

/// Appends a section header block: the file begins.
pub(super) fn section_header(file: &mut Vec<u8>) {
    block(file, SECTION_HEADER, |content| {
        put_u32(content, BYTE_ORDER_MAGIC);
        content.extend([1, 0, 0, 0]); // version 1.0
        content.extend([0xff; 8]); // length of the section: not told
        option(content, SHB_USERAPPL, concat!("netmart ", env!("CARGO_PKG_VERSION")).as_bytes());
        end_of_options(content);
    });
}

/// Appends an interface description block: raw IP, microseconds (the default), no limit of length.
pub(super) fn interface(file: &mut Vec<u8>, name: &str) {
    block(file, INTERFACE_DESCRIPTION, |content| {
        put_u32(content, u32::from(LINKTYPE_RAW));
        put_u32(content, 0);
        option(content, IF_NAME, name.as_bytes());
        end_of_options(content);
    });
}

/// Appends an enhanced packet block; `fill` writes the `len` octets of the packet.
pub(super) fn packet(
    file: &mut Vec<u8>,
    header: PacketHeader,
    len: usize,
    fill: impl FnOnce(&mut [u8]),
) {
    // A packet is at most two pieces of IP, far below 2^32 octets.
    let octets = len as u32;
    let micros = header.at.as_micros();
    block(file, ENHANCED_PACKET, |content| {
        put_u32(content, header.interface);
        put_u32(content, (micros >> 32) as u32);
        put_u32(content, micros as u32);
        put_u32(content, octets);
        put_u32(content, octets);
        let start = content.len();
        content.resize(start + len, 0);
        fill(&mut content[start..]);
        pad(content, len);
        option(content, EPB_FLAGS, &direction_flag(header.direction).to_le_bytes());
        end_of_options(content);
    });
}

fn direction_flag(direction: Direction) -> u32 {
    match direction {
        Direction::Inbound => 1,
        Direction::Outbound => 2,
    }
}

fn block(file: &mut Vec<u8>, kind: u32, content: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    put_u32(file, kind);
    put_u32(file, 0);
    content(file);
    let len = (file.len() - start + 4) as u32;
    file[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    put_u32(file, len);
}

/// An option of at most 65,535 octets; what is longer is cut.
fn option(content: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    content.extend(code.to_le_bytes());
    content.extend((value.len() as u16).to_le_bytes());
    content.extend_from_slice(value);
    pad(content, value.len());
}

fn end_of_options(content: &mut Vec<u8>) {
    put_u32(content, 0);
}

/// Fills up behind `len` octets.
fn pad(content: &mut Vec<u8>, len: usize) {
    content.resize(content.len() + len.wrapping_neg() % 4, 0);
}

fn put_u32(content: &mut Vec<u8>, value: u32) {
    content.extend(value.to_le_bytes());
}

/// Block types.
const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Option codes.
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const EPB_FLAGS: u16 = 2;

/// Tells a reader the order of octets in the file.
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// Packets begin with their IPv4 or IPv6 header.
const LINKTYPE_RAW: u16 = 101;
