//! How far is it urgent (RFC 9293 section 3.8.5, RFC 6093).
//!
//! Urgent data stays in the stream, where it was written. What is urgent is news of it: the pointer
//! overtakes the octets, says where they end, and passes a closed window.
//!
//! ```text
//!   read    RCV.NXT             RCV.UP: the octet following the urgent data (MUST-62)
//!    |  waits  |   under way    |
//!    |<- urgent_remaining() --->|
//! ```

use bytes::Bytes;

use super::StateVector;
use super::vector::AckNeed;
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

/// The urgent pointers of both directions.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    /// SND.UP, until all before it was acknowledged.
    send: Option<SeqNumber>,
    /// RCV.UP, until all before it was read.
    receive: Option<SeqNumber>,
    /// It has moved since the application was told.
    moved: bool,
}

impl StateVector {
    /// Queues octets like [`write`](Self::write) and tells the peer at once that all up to their end is
    /// urgent, even if its window is closed. New applications should do without (SHLD-13).
    pub fn write_urgent(&mut self, data: Bytes) -> Option<Bytes> {
        let end = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.announce_urgent(end);
        self.write(data)
    }

    /// Tells the peer at once that all up to `octets` behind what was written so far is urgent.
    pub fn announce_urgent(&mut self, octets: u32) {
        if !self.may_write() {
            return;
        }
        let up = self.data_end() + octets.min(FARTHEST);
        let urgent = self.urgent.get_or_insert_default();
        if urgent.send.is_none_or(|before| up.is_after(before)) {
            urgent.send = Some(up);
            if self.state.is_synchronised() {
                self.need_ack(AckNeed::Now);
            }
        }
    }

    /// How many octets remain to be read until all urgent data is read: 0 if there is none (MUST-33).
    pub fn urgent_remaining(&self) -> u32 {
        let Some(up) = self.urgent.as_ref().and_then(|urgent| urgent.receive) else { return 0 };
        let read = self.rcv.nxt - u32::from(self.rcv.fin) - self.receive_buffer.unread() as u32;
        if up.is_after(read) { up.distance_from(read) } else { 0 }
    }

    /// What [`urgent_remaining`](Self::urgent_remaining) says, once whenever urgent data has appeared or
    /// there is more of it (MUST-32). Ask before reading what came with the news.
    pub fn poll_urgent(&mut self) -> Option<u32> {
        let urgent = self.urgent.as_mut()?;
        let moved = core::mem::take(&mut urgent.moved);
        moved.then(|| self.urgent_remaining()).filter(|remaining| *remaining > 0)
    }

    /// Whether the peer has not acknowledged all urgent data.
    pub(super) fn is_urgent(&self) -> bool {
        let up = self.urgent.as_ref().and_then(|urgent| urgent.send);
        up.is_some_and(|up| up.is_after(self.snd.una))
    }

    /// What a segment at `seq` says of urgent data. Where its end is too far for the pointer, it says
    /// that it goes on at least so far.
    pub(super) fn urgent_mark(&mut self, seq: SeqNumber) -> (Flags, u16) {
        let is_urgent = self.is_urgent();
        let Some(urgent) = &mut self.urgent else { return Default::default() };
        if !is_urgent {
            urgent.send = None;
        }
        match urgent.send {
            Some(up) if up.is_after(seq) => {
                let pointer = u16::try_from(up.distance_from(seq)).unwrap_or(u16::MAX);
                (Flags::URG, pointer)
            }
            _ => Default::default(),
        }
    }

    /// The sixth step of RFC 9293 section 3.10.7.4.
    pub(super) fn handle_urgent(&mut self, segment: &Segment, _now: Instant) {
        if !segment.flags.contains(Flags::URG) || !self.state.expects_data() {
            return;
        }
        let up = segment.seq + u32::from(segment.urgent);
        let urgent = self.urgent.get_or_insert_default();
        if urgent.receive.is_none_or(|before| up.is_after(before)) {
            urgent.receive = Some(up);
            urgent.moved = true;
        }
        self.note_urgent_read();
    }

    /// The application has read: a pointer that it has passed must not last until sequence numbers come
    /// round again.
    pub(super) fn note_urgent_read(&mut self) {
        if self.urgent.is_none() || self.urgent_remaining() > 0 {
            return;
        }
        if let Some(urgent) = &mut self.urgent {
            urgent.receive = None;
            if urgent.send.is_none() {
                self.urgent = None;
            }
        }
    }
}

/// So far ahead an end may be announced, in octets: less than half of the circle.
const FARTHEST: u32 = 1 << 30;
