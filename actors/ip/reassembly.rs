//! Puts the fragments of datagrams together (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! A sans-IO machine: [`Reassembly::handle_fragment`] and [`Reassembly::handle_deadline`] take input and
//! the time, [`Reassembly::poll_abandoned`] is drained after each, [`Reassembly::next_deadline`] says when
//! to come back. It holds no more than its [`Limits`] allow, whatever arrives.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use netmart_proto::Instant;
use netmart_proto::wire::{Fragment, IpHeader, IpVersion, Packet, Protocol, emit_ip};

/// How much of what is incomplete is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Datagrams at once; one more, and the one that has waited longest is abandoned.
    pub datagrams: usize,
    /// Octets at once, [`FRAGMENT_COST`] for each fragment included; likewise.
    pub octets: usize,
    /// Fragments of one datagram; one more, and the datagram is refused.
    pub fragments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { datagrams: 1024, octets: 4 << 20, fragments: 256 }
    }
}

/// What a fragment is counted for besides its octets, so that many tiny ones are not cheap.
pub const FRAGMENT_COST: usize = 128;

/// How long after its first fragment an IPv4 datagram is abandoned. RFC 791 proposes 15 seconds to
/// begin with, RFC 1122 section 3.3.2 wants 60 to 120; this is what hosts have settled on.
const PATIENCE_V4: Duration = Duration::from_secs(30);

/// The same for IPv6 (RFC 8200 section 4.5).
const PATIENCE_V6: Duration = Duration::from_secs(60);

/// Fragments of one datagram have this in common. IPv6 leaves the protocol out: only the first fragment's
/// counts (RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    ident: u32,
    protocol: Option<Protocol>,
}

impl Key {
    fn of(header: &IpHeader) -> Self {
        let protocol = (header.version() == IpVersion::V4).then_some(header.protocol);
        Self { src: header.src, dst: header.dst, ident: header.ident, protocol }
    }
}

/// A datagram that will not become whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Why.
    pub reason: Abandonment,
    /// How many fragments of it were thrown away.
    pub fragments: u32,
    /// Its first fragment as a packet, if it came: what an ICMP error would quote.
    pub first: Option<Packet>,
}

/// Why a datagram will not become whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandonment {
    /// The rest did not come in time.
    TimedOut,
    /// It had to make room for others.
    Evicted,
}

impl Abandonment {
    /// A short name that stays the same, for counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimedOut => "reassembly_timed_out",
            Self::Evicted => "reassembly_evicted",
        }
    }
}

/// Why a fragment, and mostly its datagram with it, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It carries nothing.
    Empty,
    /// It has come before. The datagram goes on.
    Duplicate,
    /// It overlaps another one. The datagram and all that still comes of it is refused (RFC 5722, and
    /// for IPv4 likewise: who overlaps fragments wants others to see something else than we do).
    Overlap,
    /// It does not agree with another one on where the datagram ends. Likewise.
    Inconsistent,
    /// The datagram comes in more pieces than we are willing to keep. Likewise.
    TooMany,
    /// The whole would be longer than a datagram can be.
    TooLong,
    /// Some fragments met congestion while others claim not to know ECN (RFC 3168 section 5.3).
    MixedEcn,
}

impl Refusal {
    /// A short name that stays the same, for counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "fragment_empty",
            Self::Duplicate => "fragment_duplicate",
            Self::Overlap => "fragment_overlap",
            Self::Inconsistent => "fragment_inconsistent",
            Self::TooMany => "fragment_too_many",
            Self::TooLong => "fragment_too_long",
            Self::MixedEcn => "fragment_mixed_ecn",
        }
    }
}

/// The datagrams of which something is missing.
#[derive(Debug, Default)]
pub struct Reassembly {
    limits: Limits,
    partials: BTreeMap<Key, Partial>,
    /// The same, in the order in which they are abandoned.
    expiry: BTreeSet<(Instant, Key)>,
    octets: usize,
    abandoned: VecDeque<Abandoned>,
}

impl Reassembly {
    /// Nothing is missing yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes in a fragment: `header.fragment` says which, `payload` is what follows the header. The
    /// answer is the whole datagram with its header, in one piece, once nothing is missing.
    ///
    /// # Errors
    ///
    /// The fragment was thrown away; `Refusal` says why, and whether its datagram with it.
    pub fn handle_fragment(
        &mut self,
        header: IpHeader,
        payload: Packet,
        now: Instant,
    ) -> Result<Option<Packet>, Refusal> {
        let fragment = header.fragment.unwrap_or_default();
        if payload.is_empty() {
            return Err(Refusal::Empty);
        }
        if usize::from(fragment.offset) + payload.len() > usize::from(u16::MAX) {
            return Err(Refusal::TooLong);
        }
        let key = Key::of(&header);
        self.make_room(&key, payload.len() + 2 * FRAGMENT_COST);
        let partial = self.partials.entry(key).or_insert_with(|| {
            let deadline = now + patience(header.version());
            self.expiry.insert((deadline, key));
            self.octets += FRAGMENT_COST;
            Partial::new(deadline)
        });
        let before = partial.cost();
        let taken = partial.take(header, fragment, payload, self.limits.fragments);
        self.octets = self.octets - before + partial.cost();
        taken?;
        if !partial.is_complete() {
            return Ok(None);
        }
        match self.remove(&key) {
            Some(whole) => whole.assemble().map(Some),
            None => Ok(None),
        }
    }

    /// Abandons the datagrams whose time has come.
    pub fn handle_deadline(&mut self, now: Instant) {
        while let Some((deadline, key)) = self.expiry.first().copied() {
            if deadline > now {
                return;
            }
            self.abandon(&key, Abandonment::TimedOut);
        }
    }

    /// The next datagram that was abandoned.
    pub fn poll_abandoned(&mut self) -> Option<Abandoned> {
        self.abandoned.pop_front()
    }

    /// When to call [`handle_deadline`](Self::handle_deadline).
    pub fn next_deadline(&self) -> Option<Instant> {
        self.expiry.first().map(|(deadline, _)| *deadline)
    }

    /// Abandons the oldest until one more fragment of `key` fits.
    fn make_room(&mut self, key: &Key, cost: usize) {
        loop {
            let is_new = !self.partials.contains_key(key);
            let fits = self.octets + cost <= self.limits.octets
                && (!is_new || self.partials.len() < self.limits.datagrams);
            let Some((_, oldest)) = self.expiry.first().copied() else { return };
            if fits {
                return;
            }
            self.abandon(&oldest, Abandonment::Evicted);
        }
    }

    fn abandon(&mut self, key: &Key, reason: Abandonment) {
        if let Some(partial) = self.remove(key) {
            let (fragments, first) = (partial.count, partial.quote());
            self.abandoned.push_back(Abandoned { reason, fragments, first });
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Partial> {
        let partial = self.partials.remove(key)?;
        self.expiry.remove(&(partial.deadline, *key));
        self.octets -= partial.cost();
        Some(partial)
    }
}

const fn patience(version: IpVersion) -> Duration {
    match version {
        IpVersion::V4 => PATIENCE_V4,
        IpVersion::V6 => PATIENCE_V6,
    }
}

/// What has come of one datagram.
#[derive(Debug)]
struct Partial {
    deadline: Instant,
    /// The header of the fragment with offset 0, if that came.
    first: Option<IpHeader>,
    /// Sorted by offset; none overlaps another, none reaches past the end.
    pieces: Vec<Piece>,
    /// Octets in the pieces.
    len: usize,
    /// The length of the whole, once the last fragment came.
    end: Option<usize>,
    /// Why all that comes is thrown away until the deadline.
    refused: Option<Refusal>,
    /// The ECN fields seen, one bit for each of the four values.
    ecn: u8,
    /// Fragments kept and not yet reported as thrown away.
    count: u32,
}

#[derive(Debug)]
struct Piece {
    offset: usize,
    octets: Bytes,
}

impl Piece {
    fn end(&self) -> usize {
        self.offset + self.octets.len()
    }
}

impl Partial {
    const fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            first: None,
            pieces: Vec::new(),
            len: 0,
            end: None,
            refused: None,
            ecn: 0,
            count: 0,
        }
    }

    /// What it counts for.
    fn cost(&self) -> usize {
        // Its own entry counts as a fragment, so that refused ones are not free.
        self.len + (self.pieces.len() + 1) * FRAGMENT_COST
    }

    fn take(
        &mut self,
        header: IpHeader,
        fragment: Fragment,
        payload: Packet,
        limit: usize,
    ) -> Result<(), Refusal> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        // Copied, so that a small fragment does not keep a large buffer of the device.
        let octets = Bytes::from(payload.to_vec());
        let piece = Piece { offset: usize::from(fragment.offset), octets };
        let place = match self.place(&piece, fragment.more, limit) {
            Ok(place) => place,
            Err(Refusal::Duplicate) => return Err(Refusal::Duplicate),
            Err(refusal) => {
                self.refuse(refusal);
                return Err(refusal);
            }
        };
        if !fragment.more {
            self.end = Some(piece.end());
        }
        self.ecn |= 1 << (header.tos & ECN_MASK);
        self.len += piece.octets.len();
        self.count += 1;
        self.pieces.insert(place, piece);
        if fragment.offset == 0 {
            self.first = Some(header);
        }
        Ok(())
    }

    /// Where among the others the piece belongs, if it agrees with all of them.
    fn place(&self, piece: &Piece, more: bool, limit: usize) -> Result<usize, Refusal> {
        let place = self.pieces.partition_point(|other| other.offset < piece.offset);
        let next = self.pieces.get(place);
        if next.is_some_and(|n| n.offset == piece.offset && n.octets == piece.octets) {
            let is_last = self.end == Some(piece.end());
            return Err(if is_last == more { Refusal::Inconsistent } else { Refusal::Duplicate });
        }
        let previous = place.checked_sub(1).and_then(|index| self.pieces.get(index));
        if previous.is_some_and(|previous| previous.end() > piece.offset)
            || next.is_some_and(|next| piece.end() > next.offset)
        {
            return Err(Refusal::Overlap);
        }
        let agrees = match self.end {
            Some(end) if more => piece.end() < end,
            Some(end) => piece.end() == end,
            None if more => true,
            None => next.is_none(),
        };
        if !agrees {
            return Err(Refusal::Inconsistent);
        }
        if self.pieces.len() >= limit {
            return Err(Refusal::TooMany);
        }
        Ok(place)
    }

    /// Forgets everything but that it is refused.
    fn refuse(&mut self, refusal: Refusal) {
        self.refused = Some(refusal);
        self.pieces = Vec::new();
        self.len = 0;
        self.first = None;
    }

    fn is_complete(&self) -> bool {
        self.end == Some(self.len)
    }

    /// The whole datagram: the header of its first fragment, and all octets.
    fn assemble(self) -> Result<Packet, Refusal> {
        // Complete without a first fragment is impossible: the pieces cover everything from 0.
        let mut header = self.first.ok_or(Refusal::Inconsistent)?;
        header.fragment = None;
        header.tos = (header.tos & !ECN_MASK) | merge_ecn(self.ecn)?;
        let mut packet = BytesMut::with_capacity(header.emitted_len() + self.len);
        emit_ip(&mut packet, &header, self.len).map_err(|_| Refusal::TooLong)?;
        for piece in &self.pieces {
            packet.extend_from_slice(&piece.octets);
        }
        Ok(Packet::new(packet.freeze()))
    }

    /// The first fragment as a packet.
    fn quote(self) -> Option<Packet> {
        let header = self.first?;
        let piece = self.pieces.into_iter().next()?;
        let mut head = BytesMut::new();
        emit_ip(&mut head, &header, piece.octets.len()).ok()?;
        Some(Packet { head: head.freeze(), body: piece.octets, ..Packet::default() })
    }
}

/// The ECN field of the whole (RFC 3168 section 5.3): congestion anywhere is congestion, but fragments that
/// are not ECN-capable cannot have met it beside ones that have.
const fn merge_ecn(seen: u8) -> Result<u8, Refusal> {
    const NOT_ECT: u8 = 1 << 0b00;
    const ECT_1: u8 = 1 << 0b01;
    const ECT_0: u8 = 1 << 0b10;
    const CE: u8 = 1 << 0b11;
    if seen & CE != 0 {
        return if seen & NOT_ECT != 0 { Err(Refusal::MixedEcn) } else { Ok(0b11) };
    }
    if seen & NOT_ECT != 0 {
        return Ok(0b00);
    }
    Ok(if seen & ECT_1 != 0 && seen & ECT_0 == 0 { 0b01 } else { 0b10 })
}

/// The ECN field within the octet that holds DSCP too (RFC 3168 section 5).
const ECN_MASK: u8 = 0b11;

#[cfg(test)]
mod tests;
