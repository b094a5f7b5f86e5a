//! Octets that were written and are not yet acknowledged.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The outgoing stream from SND.UNA on, in the chunks the application wrote.
///
/// ```text
///      base            offset + len          end
///       |  acknowledged  |   to be sent       |
///  -----+================+====================+----
///       front chunk                 last chunk
/// ```
///
/// Positions are offsets in the stream of all octets ever written, so that they never wrap.
/// Invariant: chunks are not empty, each begins where the one before ends, the first at `base`.
#[derive(Debug, Default)]
pub(super) struct SendBuffer {
    chunks: VecDeque<Chunk>,
    base: u64,
    end: u64,
    /// The chunk that was sliced last: the next slice most likely comes from it or its successor.
    hint: usize,
}

#[derive(Debug)]
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl SendBuffer {
    /// How many octets wait to be sent or acknowledged.
    pub(super) fn len(&self) -> usize {
        (self.end - self.base) as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end == self.base
    }

    /// Appends octets. Small ones join the last chunk, so that many tiny writes cost little more
    /// than their octets.
    pub(super) fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        let start = self.end;
        self.end += data.len() as u64;
        match self.chunks.back_mut() {
            Some(last) if last.bytes.len() + data.len() <= COALESCE => {
                let mut joined = match core::mem::take(&mut last.bytes).try_into_mut() {
                    Ok(own) => own,
                    Err(shared) => {
                        let mut own = BytesMut::with_capacity(COALESCE);
                        own.extend_from_slice(&shared);
                        own
                    }
                };
                joined.extend_from_slice(&data);
                last.bytes = joined.freeze();
            }
            _ => self.chunks.push_back(Chunk { start, bytes: data }),
        }
    }

    /// Forgets the first `octets`: they were acknowledged.
    pub(super) fn release(&mut self, octets: usize) {
        debug_assert!(octets <= self.len());
        self.base = (self.base + octets as u64).min(self.end);
        while let Some(front) = self.chunks.front_mut() {
            if front.end() > self.base {
                let skip = self.base.saturating_sub(front.start) as usize;
                bytes::Buf::advance(&mut front.bytes, skip);
                front.start = front.start.max(self.base);
                return;
            }
            self.chunks.pop_front();
            self.hint = self.hint.saturating_sub(1);
        }
        if self.chunks.capacity() > IDLE_CHUNKS {
            self.chunks = VecDeque::new();
        }
    }

    /// At least one octet and at most `len`, beginning `offset` octets after the first
    /// unacknowledged one; nothing if there is none.
    ///
    /// Within a chunk this is a slice without copy. A segment of `mss` octets that straddles chunks
    /// is put together by copying; a longer run ends at the last multiple of `mss` in its chunk.
    pub(super) fn slice(&mut self, offset: usize, len: usize, mss: usize) -> Bytes {
        let from = self.base + offset as u64;
        let len = len.min(self.end.saturating_sub(from) as usize);
        if len == 0 {
            return Bytes::new();
        }
        self.hint = self.find(from);
        let chunk = &self.chunks[self.hint];
        let skip = (from - chunk.start) as usize;
        let run = chunk.bytes.len() - skip;
        if run >= len {
            return chunk.bytes.slice(skip..skip + len);
        }
        if run >= mss {
            return chunk.bytes.slice(skip..skip + run / mss * mss);
        }
        self.copy(skip, len.min(mss))
    }

    /// Copies octets from several chunks, the first being the hinted one.
    fn copy(&self, mut skip: usize, len: usize) -> Bytes {
        let mut joined = BytesMut::with_capacity(len);
        for chunk in self.chunks.range(self.hint..) {
            let rest = &chunk.bytes[skip..];
            let wanted = rest.len().min(len - joined.len());
            joined.extend_from_slice(&rest[..wanted]);
            if joined.len() == len {
                break;
            }
            skip = 0;
        }
        joined.freeze()
    }

    /// The chunk that holds the octet at this position, which must be one that is buffered.
    fn find(&self, position: u64) -> usize {
        let holds = |index: usize| {
            self.chunks.get(index).is_some_and(|c| c.start <= position && position < c.end())
        };
        if holds(self.hint) {
            self.hint
        } else if holds(self.hint + 1) {
            self.hint + 1
        } else {
            self.chunks.partition_point(|chunk| chunk.end() <= position)
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        *self = Self { base: self.end, end: self.end, ..Self::default() };
    }
}

/// Writes are joined into chunks of at most this many octets.
const COALESCE: usize = 2048;

/// An empty queue with more room than this gives it back.
const IDLE_CHUNKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
    }

    #[test]
    fn a_slice_within_a_chunk_is_not_copied() {
        let mut buffer = SendBuffer::default();
        let written = Bytes::from(pattern(10_000));
        buffer.push(written.clone());
        let slice = buffer.slice(3_000, 1_000, 1_000);
        assert_eq!(slice.as_ptr(), written[3_000..].as_ptr());
        assert_eq!(slice.len(), 1_000);
    }

    #[test]
    fn a_segment_across_chunks_is_full_and_a_run_ends_at_whole_segments() {
        let all = pattern(9_000);
        let mut buffer = SendBuffer::default();
        for part in all.chunks(4_500) {
            buffer.push(Bytes::copy_from_slice(part));
        }
        assert_eq!(buffer.slice(0, 9_000, 1_000), all[..4_000]);
        assert_eq!(buffer.slice(4_000, 5_000, 1_000), all[4_000..5_000]);
        assert_eq!(buffer.slice(5_000, 4_000, 1_000), all[5_000..]);
        assert_eq!(buffer.slice(9_000, 1, 1_000), Bytes::new());
    }

    #[test]
    fn a_thousand_tiny_writes_share_a_chunk() {
        let mut buffer = SendBuffer::default();
        for octet in pattern(1_000) {
            buffer.push(Bytes::copy_from_slice(&[octet]));
        }
        assert_eq!(buffer.chunks.len(), 1);
        assert_eq!(buffer.slice(0, 1_000, 1_000), pattern(1_000));
    }

    #[test]
    fn any_interleaving_reads_like_one_flat_array() {
        let all = pattern(50_000);
        let mut buffer = SendBuffer::default();
        let (mut written, mut acked, mut step) = (0, 0, 1usize);
        while acked < all.len() {
            step = step * 31 % 6_007;
            let more = step.min(all.len() - written);
            buffer.push(Bytes::copy_from_slice(&all[written..written + more]));
            written += more;
            let offset = step % (buffer.len() + 1);
            let slice = buffer.slice(offset, 1_460, 1_460);
            assert_eq!(slice, all[acked + offset..][..slice.len()]);
            let release = (step / 2 + 1).min(buffer.len());
            buffer.release(release);
            acked += release;
            assert_eq!(buffer.len(), written - acked);
        }
        assert!(buffer.is_empty());
    }
}
