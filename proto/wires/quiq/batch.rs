//! What is in the next packet: streams by turns, each cut into frames.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::super::queue::Outbox;
use super::super::{Chunk, StreamInfo, WriteError};
use super::original::plan;
use super::packet::{FRAME_HEADER, Frame, HEADER, MOST, PacketKind, QuiqPacket};
use crate::Instant;

/// Streams of a batch, at most.
pub(super) const MOST_STREAMS: usize = 4096;
/// Writes that may wait for their batch to begin.
const MOST_LATER: usize = 8192;
/// Octets of a packet that passes any network uncut.
const UNCUT: usize = 1400;

/// The streams that were written, up to the end of their batch, and what was written behind that.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    streams: BTreeMap<u32, Stream>,
    /// The stream whose turn was last.
    turn: u32,
    /// No more streams will come, nor more of those there are.
    is_complete: bool,
    /// What belongs to the batches after this one.
    later: VecDeque<Chunk>,
    /// What was counted of the batch before.
    past: Vec<StreamInfo>,
    /// How its packets are made.
    shape: Shape,
}

/// How packets are made.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Octets of data in a frame.
    data: usize,
    /// Frames in a packet.
    frames: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { data: UNCUT - HEADER - FRAME_HEADER, frames: 1 }
    }
}

#[derive(Clone, Debug)]
struct Stream {
    queue: Outbox,
    ended: bool,
    /// The offset of the next frame.
    next: u32,
    /// All of it has been handed out.
    finished: bool,
    /// How it was cut has been told.
    told: bool,
    info: StreamInfo,
}

impl Batch {
    /// Packets as the original makes them: frames of a size drawn from 1000 to 1999, as many as fit.
    pub(super) fn shape_as_original(&mut self, seed: u64) {
        let size = 1000 + (seed % 1000) as usize;
        self.shape = Shape { data: size - FRAME_HEADER, frames: (MOST - HEADER) / size };
    }

    /// One frame per packet with so many octets of data, as far as a packet has room.
    pub(super) fn shape_by_chunk(&mut self, chunk: usize) {
        self.shape = Shape { data: chunk.clamp(1, MOST - HEADER - FRAME_HEADER), frames: 1 };
    }

    pub(super) fn write(&mut self, chunk: Chunk) -> Result<(), WriteError> {
        let is_border = chunk.stream == 0;
        if is_border && !(chunk.end && chunk.data.is_empty()) {
            return Err(WriteError::NoStream(0));
        }
        if self.is_complete {
            if self.later.len() >= MOST_LATER {
                return Err(WriteError::Full);
            }
            // Whether its stream has ended by then is known only then: a batch that waits is checked here.
            let batch = self.later.iter().rev().take_while(|other| other.stream != 0);
            if batch.into_iter().any(|other| other.stream == chunk.stream && other.end) {
                return Err(WriteError::NoStream(chunk.stream));
            }
            self.later.push_back(chunk);
            return Ok(());
        }
        if is_border {
            self.complete();
            return Ok(());
        }
        self.add(chunk)
    }

    fn add(&mut self, chunk: Chunk) -> Result<(), WriteError> {
        let id = chunk.stream;
        if !self.streams.contains_key(&id) && self.streams.len() >= MOST_STREAMS {
            return Err(WriteError::NoStream(id));
        }
        let stream = self.streams.entry(id).or_insert_with(|| Stream {
            queue: Outbox::new(usize::MAX),
            ended: false,
            next: 0,
            finished: false,
            told: false,
            info: StreamInfo { stream: id, ..StreamInfo::default() },
        });
        if stream.ended {
            return Err(WriteError::NoStream(id));
        }
        if !chunk.data.is_empty() {
            stream.queue.push_joined(chunk.data);
        }
        stream.ended = chunk.end;
        Ok(())
    }

    /// Nothing more will be written.
    pub(super) fn complete_last(&mut self) {
        if self.later.is_empty() {
            self.complete();
        }
    }

    /// Every stream ends here.
    fn complete(&mut self) {
        // A border without streams before it means nothing.
        self.is_complete = !self.streams.is_empty();
        for stream in self.streams.values_mut() {
            stream.ended = true;
        }
    }

    /// Whether all of it was handed out, and it is known to be all.
    pub(super) fn is_finished(&self) -> bool {
        self.is_complete && self.streams.values().all(|stream| stream.finished)
    }

    /// Whether nothing was written that has not been handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.later.is_empty()
    }

    /// Goes on to the next batch.
    pub(super) fn begin_next(&mut self) {
        self.past = self.infos();
        self.streams.clear();
        self.is_complete = false;
        self.turn = 0;
        while let Some(chunk) = self.later.pop_front() {
            if chunk.stream == 0 {
                self.complete();
                if self.is_complete {
                    return;
                }
            } else {
                // It was checked when it was written.
                let taken = self.add(chunk);
                debug_assert!(taken.is_ok(), "{taken:?}");
            }
        }
    }

    /// The next packet, with this number; nothing if there is none. A packet that is not full waits until it is, or
    /// its stream ends, unless it `may_be_small`.
    pub(super) fn next_packet(
        &mut self,
        number: u32,
        may_be_small: bool,
        now: Instant,
    ) -> Option<QuiqPacket> {
        let full = self.shape.data * self.shape.frames;
        let is_ready = |stream: &Stream| {
            // More than a packet's worth, so that the last packet is known to be the last.
            let enough = if may_be_small { 0 } else { full };
            !stream.finished && (stream.ended || stream.queue.octets() > enough)
        };
        let behind = self.streams.range(self.turn + 1..).find(|(_, stream)| is_ready(stream));
        let id = behind.or_else(|| self.streams.iter().find(|(_, stream)| is_ready(stream)))?.0;
        self.turn = *id;
        let stream = self.streams.get_mut(&self.turn)?;
        Some(stream.packet(self.turn, number, self.shape, now))
    }

    /// An empty packet of the stream whose turn it was: it adds nothing, but is acknowledged.
    pub(super) fn question(&mut self, number: u32) -> Option<QuiqPacket> {
        let stream = self.streams.get_mut(&self.turn)?;
        let frame = Frame { stream: self.turn, offset: stream.next, data: Bytes::new() };
        stream.next += 1;
        Some(QuiqPacket { kind: PacketKind::Data, number, frames: vec![frame] })
    }

    /// How a stream was cut of which all was handed out since this was last asked.
    pub(super) fn take_plan(&mut self) -> Option<String> {
        let Shape { data, frames } = self.shape;
        let stream = self.streams.values_mut().find(|stream| stream.finished && !stream.told)?;
        stream.told = true;
        Some(plan(&stream.info, frames, data + FRAME_HEADER))
    }

    /// What was counted of the streams of this batch, or of the one before it if it has none yet.
    pub(super) fn infos(&self) -> Vec<StreamInfo> {
        if self.streams.is_empty() {
            return self.past.clone();
        }
        self.streams.values().map(|stream| stream.info.clone()).collect()
    }
}

impl Stream {
    fn packet(&mut self, id: u32, number: u32, shape: Shape, now: Instant) -> QuiqPacket {
        let is_first = self.next == 0;
        let mut frames = Vec::new();
        // One frame at least: the original dies of a packet without.
        while frames.is_empty() || frames.len() < shape.frames && self.queue.octets() > 0 {
            let data = self.queue.peek_joined(shape.data);
            self.queue.consume(data.len());
            frames.push(Frame { stream: id, offset: self.next, data });
            self.next += 1;
        }
        self.finished = self.ended && self.queue.octets() == 0;
        let kind = match (is_first, self.finished) {
            (true, _) => PacketKind::First,
            (false, true) => PacketKind::Last,
            (false, false) => PacketKind::Data,
        };
        let packet = QuiqPacket { kind, number, frames };
        self.info.count(packet.frames.iter().map(|frame| frame.data.len()), HEADER, now);
        packet
    }
}

impl StreamInfo {
    /// Counts a packet with frames of these lengths.
    pub(super) fn count(
        &mut self,
        frames: impl Iterator<Item = usize>,
        header: usize,
        now: Instant,
    ) {
        self.packets += 1;
        self.wire_octets += header as u64;
        for len in frames {
            self.frames += 1;
            self.octets += len as u64;
            self.wire_octets += (FRAME_HEADER + len) as u64;
        }
        self.began.get_or_insert(now);
        self.latest = Some(now);
    }
}
