//! What is the next piece of each stream.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::{Discard, StreamInfo};
use super::batch::MOST_STREAMS;
use super::packet::{Frame, HEADER, PacketKind, QuiqPacket};
use crate::Instant;

/// Frames that may wait for one before them.
const MOST_EARLY: usize = 16_384;

/// The streams of a batch as they come in.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    streams: BTreeMap<u32, Stream>,
    /// Frames that wait, and their octets.
    early: usize,
    early_octets: usize,
    /// What was counted of the batch before.
    past: Vec<StreamInfo>,
}

#[derive(Clone, Debug, Default)]
struct Stream {
    /// The offset of the frame that is handed on next.
    next: u32,
    early: BTreeMap<u32, Bytes>,
    /// The offset behind the last frame, once that is known.
    end: Option<u32>,
    ended: bool,
    info: StreamInfo,
}

/// A piece for the application: the stream, its octets, and whether it ends here.
pub(super) type Piece = (u32, Bytes, bool);

impl Streams {
    /// Whether a batch has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether `packet` may be taken, given that so many octets may wait.
    pub(super) fn check(&self, packet: &QuiqPacket, limit: usize) -> Result<(), Discard> {
        if packet.frames.is_empty() {
            return Err(Discard::BadLength);
        }
        let is_early = packet.frames.iter().any(|frame| frame.offset > self.next(frame.stream));
        let is_full = self.early >= MOST_EARLY || self.early_octets >= limit;
        if is_early && is_full {
            return Err(Discard::NoRoom);
        }
        for frame in &packet.frames {
            let known = self.streams.get(&frame.stream);
            let is_behind_end =
                known.is_some_and(|stream| stream.end.is_some_and(|end| frame.offset >= end));
            let is_one_too_many = known.is_none() && self.streams.len() >= MOST_STREAMS;
            let is_number = frame.stream != 0 && frame.offset != u32::MAX;
            if !is_number || is_behind_end || is_one_too_many {
                return Err(Discard::BadNumber);
            }
        }
        Ok(())
    }

    fn next(&self, stream: u32) -> u32 {
        self.streams.get(&stream).map_or(0, |stream| stream.next)
    }

    /// Takes a packet that was checked, and hands what is next to `deliver`; tells how many octets were new, or
    /// nothing if all of it had come before.
    pub(super) fn take(
        &mut self,
        packet: &QuiqPacket,
        now: Instant,
        mut deliver: impl FnMut(Piece),
    ) -> Option<usize> {
        let mut new = None;
        for frame in &packet.frames {
            if let Some(octets) = self.take_frame(frame, &mut deliver) {
                new = Some(new.unwrap_or(0) + octets);
            }
        }
        let first = &packet.frames[0];
        let stream = self.streams.get_mut(&first.stream)?;
        if new.is_some() {
            let lens = packet.frames.iter().map(|frame| frame.data.len());
            stream.info.stream = first.stream;
            stream.info.count(lens, HEADER, now);
        }
        // Of several streams in one packet nobody could tell which of them it ends.
        let is_one = packet.frames.iter().all(|frame| frame.stream == first.stream);
        if packet.kind == PacketKind::Last && is_one {
            let last = packet.frames.iter().map(|frame| frame.offset).max();
            stream.end = last.map(|last| last + 1);
            if stream.end == Some(stream.next) && !stream.ended {
                stream.ended = true;
                deliver((first.stream, Bytes::new(), true));
            }
        }
        new
    }

    fn take_frame(&mut self, frame: &Frame, deliver: &mut impl FnMut(Piece)) -> Option<usize> {
        let stream = self.streams.entry(frame.stream).or_default();
        if frame.offset < stream.next || stream.early.contains_key(&frame.offset) {
            return None;
        }
        let len = frame.data.len();
        if frame.offset > stream.next {
            stream.early.insert(frame.offset, frame.data.clone());
            self.early += 1;
            self.early_octets += len;
            return Some(len);
        }
        let mut data = frame.data.clone();
        loop {
            stream.next += 1;
            stream.ended = stream.end == Some(stream.next);
            if !data.is_empty() || stream.ended {
                deliver((frame.stream, data, stream.ended));
            }
            match stream.early.remove(&stream.next) {
                Some(early) => {
                    self.early -= 1;
                    self.early_octets -= early.len();
                    data = early;
                }
                None => return Some(len),
            }
        }
    }

    /// The batch ends: the offsets of what is missing, a few of them, or the end of every stream.
    pub(super) fn finish(&mut self, mut deliver: impl FnMut(Piece)) -> Result<(), Vec<u64>> {
        let missing = self.streams.values().filter(|stream| {
            !stream.early.is_empty() || stream.end.is_some_and(|end| stream.next < end)
        });
        let missing: Vec<_> = missing.map(|stream| stream.next.into()).take(32).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        for (&id, stream) in &self.streams {
            if !stream.ended {
                deliver((id, Bytes::new(), true));
            }
        }
        let past = self.infos();
        *self = Self { past, ..Self::default() };
        Ok(())
    }

    /// What was counted of the streams of this batch, or of the one before it if it has none yet.
    pub(super) fn infos(&self) -> Vec<StreamInfo> {
        if self.streams.is_empty() {
            return self.past.clone();
        }
        self.streams.values().map(|stream| stream.info.clone()).collect()
    }
}
