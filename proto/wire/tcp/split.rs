//! A super-segment cut into the segments it stands for, for links whose device does not do it.

use core::mem;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::header::{HEADER_LEN, field};
use super::{Flags, SeqNumber};
use crate::wire::{Checksum, ChecksumMode, ChecksumState, Offload, Packet, checksum};

/// Cuts a super-segment, as [`emit`](super::emit) makes it with a [partial](ChecksumMode::Partial)
/// checksum, into packets of `gso_size` payload octets.
///
/// All bear the same header but for lengths, sequence numbers and checksums; PSH and FIN go with the
/// last, CWR with the first. Payloads are shared, not copied. The heads lie together in one piece of
/// `arena`, which must be empty. `None` if the packet is nothing of that kind.
pub fn split(arena: &mut BytesMut, packet: Packet, mode: ChecksumMode) -> Option<Pieces> {
    debug_assert!(arena.is_empty(), "what stands in the arena would become part of the packets");
    let Packet { head, body, offload } = packet;
    let size = usize::from(offload.gso_size.filter(|size| *size > 0 && !body.is_empty())?);
    let ChecksumState::Partial { start: tcp_at, offset } = offload.checksum else { return None };
    let tcp_at = usize::from(tcp_at);
    if !has_headers(&head, tcp_at) || usize::from(offset) != field::CHECKSUM.start {
        return None;
    }
    let (head_len, total) = (head.len(), body.len());
    let mut template = Template::new(&head, tcp_at, total);
    arena.reserve(total.div_ceil(size) * head_len);
    for (index, piece) in body.chunks(size).enumerate() {
        let at = arena.len();
        template.set_payload_len(piece.len());
        arena.extend_from_slice(&template.head);
        template.finish(&mut arena[at..], index * size, piece, mode);
    }
    let checksum = match mode {
        ChecksumMode::Full => ChecksumState::Unverified,
        ChecksumMode::Partial => offload.checksum,
    };
    let offload = Offload { checksum, gso_size: None };
    Some(Pieces { heads: arena.split().freeze(), head_len, body, size, offload })
}

/// What [`split`] made, in order.
#[derive(Debug)]
pub struct Pieces {
    heads: Bytes,
    head_len: usize,
    body: Bytes,
    size: usize,
    offload: Offload,
}

impl Iterator for Pieces {
    type Item = Packet;

    #[inline]
    fn next(&mut self) -> Option<Packet> {
        if self.body.is_empty() {
            return None;
        }
        let offload = self.offload;
        if self.body.len() <= self.size {
            let (head, body) = (mem::take(&mut self.heads), mem::take(&mut self.body));
            return Some(Packet { head, body, offload });
        }
        let head = self.heads.split_to(self.head_len);
        Some(Packet { head, body: self.body.split_to(self.size), offload })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.body.len().div_ceil(self.size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pieces {}

/// Whether `head` consists of an IP header of `tcp_at` octets and a TCP header.
fn has_headers(head: &[u8], tcp_at: usize) -> bool {
    let ip_fits = match head.first().map(|first| first >> 4) {
        Some(4) => tcp_at >= IPV4_LEN && usize::from(head[0] & 0xf) * 4 == tcp_at,
        Some(6) => tcp_at >= IPV6_LEN,
        _ => false,
    };
    let tcp_len =
        head.get(tcp_at + field::OFFSET_FLAGS.start).map(|octet| usize::from(octet >> 4) * 4);
    ip_fits && tcp_len.is_some_and(|len| len >= HEADER_LEN && tcp_at + len == head.len())
}

/// The head of the pieces, but for what differs from each to the next.
struct Template {
    head: SmallVec<[u8; 128]>,
    tcp_at: usize,
    /// The payload of the piece it fits now.
    payload_len: usize,
    /// The payload of the super-segment.
    total: usize,
    /// Sequence number and flags of the super-segment; the template's own are zero.
    seq: SeqNumber,
    offset_flags: u16,
    /// The sum of pseudo header and TCP header.
    sum: Checksum,
}

impl Template {
    fn new(head: &[u8], tcp_at: usize, total: usize) -> Self {
        let mut template = Self {
            head: head.into(),
            tcp_at,
            payload_len: total,
            total,
            seq: SeqNumber(0),
            offset_flags: word(head, tcp_at + field::OFFSET_FLAGS.start),
            sum: Checksum::new(),
        };
        let tcp = &mut template.head[tcp_at..];
        if let Some(&[a, b, c, d]) = tcp[field::SEQ].first_chunk() {
            template.seq = SeqNumber(u32::from_be_bytes([a, b, c, d]));
        }
        put(tcp, field::SEQ.start, [0; 4]);
        put(tcp, field::OFFSET_FLAGS.start, [0; 2]);
        template.sum.add(tcp);
        template
    }

    /// Makes it fit pieces with so much payload: at most two lengths follow each other.
    fn set_payload_len(&mut self, len: usize) {
        if len == self.payload_len {
            return;
        }
        let (ip, tcp) = self.head.split_at_mut(self.tcp_at);
        // Pieces are shorter than what they are cut from, whose length IP could express.
        let (old, new) = ((tcp.len() + self.payload_len) as u16, (tcp.len() + len) as u16);
        fit_ip(ip, new);
        // In its place stands the sum of the pseudo header. One's complement: taking away is adding
        // the complement (RFC 1624).
        let mut pseudo = Checksum::new();
        pseudo.add(&tcp[field::CHECKSUM]);
        pseudo.add(&(!old).to_be_bytes());
        pseudo.add(&new.to_be_bytes());
        put(tcp, field::CHECKSUM.start, pseudo.fold().to_be_bytes());
        self.sum = Checksum::new();
        self.sum.add(tcp);
        self.payload_len = len;
    }

    /// Completes `head`, a copy of the template, for the piece that begins `offset` octets after the
    /// first.
    fn finish(&self, head: &mut [u8], offset: usize, payload: &[u8], mode: ChecksumMode) {
        let tcp = &mut head[self.tcp_at..];
        let mut offset_flags = self.offset_flags;
        if offset > 0 {
            offset_flags &= !Flags::CWR.0;
        }
        if offset + payload.len() < self.total {
            offset_flags &= !(Flags::PSH | Flags::FIN).0;
        }
        let [a, b, c, d] = (self.seq + offset as u32).0.to_be_bytes();
        let [e, f] = offset_flags.to_be_bytes();
        put(tcp, field::SEQ.start, [a, b, c, d]);
        put(tcp, field::OFFSET_FLAGS.start, [e, f]);
        if mode == ChecksumMode::Full {
            let mut sum = self.sum;
            sum.add(&[a, b, c, d, e, f]);
            sum.add(payload);
            put(tcp, field::CHECKSUM.start, sum.finish().to_be_bytes());
        }
    }
}

/// Gives an IP header the length of a datagram that carries `len` octets.
fn fit_ip(header: &mut [u8], len: u16) {
    // Both are lengths of headers: a piece has all those that the super-segment has.
    let header_len = header.len() as u16;
    if header[0] >> 4 == 4 {
        put(header, 2, (header_len + len).to_be_bytes());
        put(header, 10, [0, 0]);
        let sum = checksum(header);
        put(header, 10, sum.to_be_bytes());
    } else {
        // Extension headers count as payload.
        put(header, 4, (header_len - IPV6_LEN as u16 + len).to_be_bytes());
    }
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn put<const N: usize>(octets: &mut [u8], at: usize, value: [u8; N]) {
    octets[at..at + N].copy_from_slice(&value);
}

/// Octets of an IPv4 header without options.
const IPV4_LEN: usize = 20;

/// Octets of an IPv6 header without extensions.
const IPV6_LEN: usize = 40;
