//! A packet in two pieces, so that a payload is never copied on its way to the device.

use core::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use super::Checksum;

/// An IP packet, or a part of one: the octets of `head`, then those of `body`.
///
/// What we send has all its headers in `head` and the application's octets in `body`; what a device
/// delivered lies in `head` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The first octets, with all headers.
    pub head: Bytes,
    /// The rest.
    pub body: Bytes,
    /// What the device has done or shall do.
    pub offload: Offload,
}

impl Packet {
    /// A packet that lies in one piece, nothing of it offloaded.
    pub fn new(bytes: Bytes) -> Self {
        Self { head: bytes, body: Bytes::new(), offload: Offload::default() }
    }

    /// How many octets it has.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Whether it has no octets at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its octets as one piece, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.head.as_ref(), self.body.as_ref()].concat()
    }

    /// Copies its octets to the start of `buffer`; tells how many, or nothing if they do not fit.
    pub fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        let (head, rest) = buffer.split_at_mut_checked(self.head.len())?;
        let body = rest.get_mut(..self.body.len())?;
        head.copy_from_slice(&self.head);
        body.copy_from_slice(&self.body);
        Some(self.len())
    }

    /// Its octets as one piece; copied only if they lie in two.
    #[inline(always)]
    pub fn into_bytes(self) -> Bytes {
        // An empty slice would keep the buffer alive all the same: an empty piece goes.
        if self.head.is_empty() && !self.body.is_empty() {
            self.body
        } else if self.body.is_empty() && !self.head.is_empty() {
            self.head
        } else {
            self.to_vec().into()
        }
    }

    /// Only the octets in `range`, without copying; what lies outside the packet is left out.
    /// The place of a partial checksum moves along.
    #[must_use]
    #[inline]
    pub fn narrow(mut self, range: Range<usize>) -> Self {
        self.keep(range);
        self
    }

    /// What [`narrow`](Self::narrow) does, in place.
    #[inline]
    pub fn keep(&mut self, range: Range<usize>) {
        if let ChecksumState::Partial { start, .. } = &mut self.offload.checksum {
            // Headers are shorter than 2^16 octets, and past the start it no longer matters.
            *start = start.saturating_sub(u16::try_from(range.start).unwrap_or(u16::MAX));
        }
        if range.start <= self.head.len() && range.end == self.len() {
            // No padding behind a header.
            self.head.advance(range.start);
        } else {
            self.cut(range);
        }
    }

    fn cut(&mut self, range: Range<usize>) {
        let len = range.end.saturating_sub(range.start);
        let from_head = range.start.min(self.head.len());
        self.head.advance(from_head);
        let from_body = (range.start - from_head).min(self.body.len());
        self.body.advance(from_body);
        self.head.truncate(len);
        self.body.truncate(len - self.head.len());
    }

    /// Does what a device would do for a [partial](ChecksumState::Partial) checksum, for links whose
    /// device does not; does nothing otherwise. Copies the head if it is shared.
    pub fn complete_checksum(&mut self) {
        let ChecksumState::Partial { start, offset } = self.offload.checksum else { return };
        self.offload.checksum = ChecksumState::Unverified;
        let start = usize::from(start);
        let field = start + usize::from(offset);
        let Some(covered) = self.head.get(start..) else { return };
        let mut sum = Checksum::new();
        sum.add(covered);
        sum.add(&self.body);
        // In UDP zero would say that there is none; elsewhere the two are the same number.
        let checksum = if sum.is_good() { 0xffff } else { sum.finish() };
        let mut head = BytesMut::from(core::mem::take(&mut self.head));
        if let Some(field) = head.get_mut(field..field + 2) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
        self.head = head.freeze();
    }
}

impl From<Bytes> for Packet {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

impl From<Vec<u8>> for Packet {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes.into())
    }
}

/// Work shared with the device, as the virtio-net header describes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// What is known of the transport's checksum.
    pub checksum: ChecksumState,
    /// Payload octets per segment, if this is a super-segment that a device splits or has joined.
    pub gso_size: Option<u16>,
}

/// What is known of the checksum of TCP, UDP or ICMP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumState {
    /// It stands in its field and nobody has looked at it: whoever parses verifies it.
    #[default]
    Unverified,
    /// The device has found it good.
    Verified,
    /// Its field holds the folded sum of the pseudo header only. The device, or the last link,
    /// sums from `start` to the end and writes the result to `start + offset`. Whoever parses
    /// trusts the octets: they never left the machine.
    Partial {
        /// The octet of the packet where the transport's header begins.
        start: u16,
        /// Where the field lies behind `start`.
        offset: u16,
    },
}
