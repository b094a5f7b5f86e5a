//! Is this segment acceptable?
//!
//! One rule of an RFC, one pure function, one table of cases.

use super::StateVector;
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber, Timestamps};

/// Whether a segment has something in the receive window (RFC 9293 section 3.10.7.4, first step).
///
/// ```text
///          RCV.NXT                 RCV.NXT + RCV.WND
///   ----------[==========================)-----------
///       no  |-----yes-----|     |---yes----|   |--no--|
/// ```
///
/// Two cases go beyond the table of the RFC: a segment that covers the whole window is as good as
/// one that overlaps it, and an empty one may sit on the right edge, for that is where a peer that
/// has filled the window acknowledges from.
pub(super) fn is_acceptable(seq: SeqNumber, len: u32, nxt: SeqNumber, wnd: u32) -> bool {
    let edge = nxt + wnd;
    match len {
        0 => seq.is_at_or_after(nxt) && seq.is_at_or_before(edge),
        _ => wnd > 0 && seq.is_before(edge) && (seq + len).is_after(nxt),
    }
}

/// What a RST asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResetVerdict {
    /// It names exactly the next octet: the peer knows the connection.
    Reset,
    /// It is in the window: the peer, or somebody who guesses.
    Challenge,
    /// It lies elsewhere.
    Ignore,
}

/// RFC 5961 section 3.2, and RFC 9293 section 3.10.7.4, second step. A RST counts even when the
/// window is closed (MUST-66).
pub(super) fn judge_reset(seq: SeqNumber, nxt: SeqNumber, wnd: u32) -> ResetVerdict {
    if seq == nxt {
        ResetVerdict::Reset
    } else if seq.is_in_window(nxt, wnd) {
        ResetVerdict::Challenge
    } else {
        ResetVerdict::Ignore
    }
}

/// What an acknowledgement number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckVerdict {
    /// It acknowledges something new.
    Advances,
    /// It says nothing new, but may have been sent by the peer.
    Old,
    /// The peer cannot have sent it lately: too old, or for what was never sent.
    Bogus,
}

/// RFC 9293 section 3.10.7.4, fifth step, with the lower bound of RFC 5961 section 5.2.
pub(super) fn judge_ack(
    ack: SeqNumber,
    una: SeqNumber,
    nxt: SeqNumber,
    max_wnd: u32,
) -> AckVerdict {
    if ack.is_after(nxt) || ack.is_before(una - max_wnd.min(MAX_WINDOW)) {
        AckVerdict::Bogus
    } else if ack.is_after(una) {
        AckVerdict::Advances
    } else {
        AckVerdict::Old
    }
}

/// Whether the window of a segment is newer than the one we know (RFC 9293 section 3.10.7.4).
pub(super) fn updates_window(
    seq: SeqNumber,
    ack: SeqNumber,
    wl1: SeqNumber,
    wl2: SeqNumber,
) -> bool {
    wl1.is_before(seq) || (wl1 == seq && wl2.is_at_or_before(ack))
}

/// Whether a timestamp is older than the last in order, so that its segment is an old duplicate
/// (PAWS, RFC 7323 section 5.3). After 24 days of silence the clock may have gone half round.
pub(super) fn is_old_timestamp(
    timestamps: Timestamps,
    recent: u32,
    recent_at: Instant,
    now: Instant,
) -> bool {
    let older = (timestamps.value.wrapping_sub(recent) as i32) < 0;
    older && now.saturating_since(recent_at) < PAWS_IDLE
}

/// Whether a SYN in TIME-WAIT may begin a new connection (RFC 6191 section 2, MAY-2): it cannot be
/// an old duplicate if its clock has moved on, or its sequence number lies beyond the last.
pub(super) fn may_supersede(syn: &Segment, nxt: SeqNumber, recent: Option<u32>) -> bool {
    if syn.flags.intersects(Flags::ACK | Flags::RST) || !syn.flags.contains(Flags::SYN) {
        return false;
    }
    match (syn.options.timestamps, recent) {
        (Some(timestamps), Some(recent)) if timestamps.value != recent => {
            (timestamps.value.wrapping_sub(recent) as i32) > 0
        }
        (None, Some(_)) | (_, None) | (Some(_), Some(_)) => syn.seq.is_after(nxt),
    }
}

/// What CLOSED answers to a segment that belongs to no connection (RFC 9293 section 3.10.7.1):
/// a RST, unless it is one itself. Options are not echoed.
pub fn reset_for(segment: &Segment) -> Option<Segment> {
    if segment.flags.contains(Flags::RST) {
        return None;
    }
    let reset = if segment.flags.contains(Flags::ACK) {
        Segment { seq: segment.ack, flags: Flags::RST, ..Segment::default() }
    } else {
        let flags = Flags::RST | Flags::ACK;
        Segment { ack: segment.sequence_end(), flags, ..Segment::default() }
    };
    Some(reset)
}

impl StateVector {
    /// How many payload octets remain of the smaller MSS when each segment carries what was agreed
    /// (RFC 9293 section 3.7.1, MUST-16).
    pub(super) fn payload_mss(&self, peer_mss: u16) -> u16 {
        let options = if self.timestamps.agreed { TIMESTAMPS_LEN } else { 0 };
        let mss = peer_mss.max(MIN_PEER_MSS).min(self.config.own_mss());
        mss.saturating_sub(options).max(1)
    }
}

/// What the timestamps option takes of each header, padding included.
const TIMESTAMPS_LEN: u16 = 12;

/// A peer that claims less gets this all the same: nobody shall make us send a packet per octet.
const MIN_PEER_MSS: u16 = 64;

/// The largest window there can be, 65535 << 14.
const MAX_WINDOW: u32 = (u16::MAX as u32) << 14;

/// The validity of TS.Recent (RFC 7323 section 5.5).
const PAWS_IDLE: core::time::Duration = core::time::Duration::from_secs(24 * 24 * 3600);
