//! What waits to be read, and what waits to be sent.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Chunk;

/// Pieces smaller than this are joined.
const SMALL: usize = 1024;
/// Chunks that may wait, however small they are.
const MOST_CHUNKS: usize = 8192;

/// What has come and was not read.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    whole: VecDeque<Chunk>,
    /// Small pieces of one message or stream, behind all that is whole.
    joined: BytesMut,
    stream: u32,
    octets: usize,
    limit: usize,
}

impl Inbox {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            whole: VecDeque::new(),
            joined: BytesMut::new(),
            stream: 0,
            octets: 0,
            limit: limit.max(1),
        }
    }

    /// Whether something more may be pushed. A single push may go beyond the limit.
    pub(super) fn has_room(&self) -> bool {
        self.octets < self.limit && self.whole.len() < MOST_CHUNKS
    }

    /// How many chunks wait.
    pub(super) fn chunks(&self) -> usize {
        self.whole.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.joined.is_empty()
    }

    pub(super) fn push(&mut self, stream: u32, data: Bytes, end: bool) {
        self.octets += data.len();
        if stream != self.stream {
            self.flush(false);
            self.stream = stream;
        }
        if data.len() < SMALL && !(end && self.joined.is_empty()) {
            self.joined.extend_from_slice(&data);
            if end {
                self.flush(true);
            }
        } else {
            self.flush(false);
            self.whole.push_back(Chunk { stream, data, end });
        }
    }

    pub(super) fn pop(&mut self) -> Option<Chunk> {
        if self.whole.is_empty() {
            self.flush(false);
        }
        let chunk = self.whole.pop_front()?;
        self.octets -= chunk.data.len();
        Some(chunk)
    }

    fn flush(&mut self, end: bool) {
        if end || !self.joined.is_empty() {
            let data = self.joined.split().freeze();
            self.whole.push_back(Chunk { stream: self.stream, data, end });
        }
    }
}

/// What was written and has not been sent.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    writes: VecDeque<Bytes>,
    octets: usize,
    limit: usize,
}

impl Outbox {
    pub(super) fn new(limit: usize) -> Self {
        Self { writes: VecDeque::new(), octets: 0, limit: limit.max(1) }
    }

    pub(super) fn push(&mut self, data: Bytes) {
        self.octets += data.len();
        self.writes.push_back(data);
    }

    /// The same where borders do not matter: small writes are joined, so that many of them take no more room than
    /// their octets.
    pub(super) fn push_joined(&mut self, data: Bytes) {
        self.octets += data.len();
        match self.writes.back_mut() {
            Some(last) if last.len() + data.len() <= SMALL => {
                *last = [&last[..], &data[..]].concat().into();
            }
            _ => self.writes.push_back(data),
        }
    }

    /// Counts octets that wait elsewhere.
    pub(super) fn charge(&mut self, octets: usize) {
        self.octets += octets;
    }

    /// They wait no longer.
    pub(super) fn refund(&mut self, octets: usize) {
        self.octets = self.octets.saturating_sub(octets);
    }

    /// Octets that fit in.
    pub(super) fn room(&self) -> usize {
        if self.writes.len() < MOST_CHUNKS { self.limit.saturating_sub(self.octets) } else { 0 }
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// How many writes wait.
    pub(super) fn writes(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The next write.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let data = self.writes.pop_front()?;
        self.octets -= data.len();
        Some(data)
    }

    /// The next octets in one piece, at most `most`, whatever the borders between the writes.
    pub(super) fn peek_joined(&mut self, most: usize) -> Bytes {
        while self.writes.front().is_some_and(Bytes::is_empty) {
            self.writes.pop_front();
        }
        match self.writes.front() {
            None => Bytes::new(),
            Some(first) if first.len() >= most => first.slice(..most),
            Some(_) => {
                let mut joined = BytesMut::with_capacity(most.min(self.octets));
                for write in &self.writes {
                    let room = most - joined.len();
                    joined.extend_from_slice(&write[..write.len().min(room)]);
                }
                joined.freeze()
            }
        }
    }

    /// Takes octets that were peeked at.
    pub(super) fn consume(&mut self, mut count: usize) {
        self.octets -= count;
        while let Some(first) = self.writes.front_mut() {
            if first.len() > count {
                bytes::Buf::advance(first, count);
                return;
            }
            count -= first.len();
            self.writes.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.writes.clear();
        self.octets = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_joined_up_to_the_end_of_their_message() {
        let mut inbox = Inbox::new(100);
        for (piece, end) in [("a", false), ("bc", false), ("d", true), ("", true), ("e", false)] {
            inbox.push(0, Bytes::from_static(piece.as_bytes()), end);
        }
        let read: Vec<_> = core::iter::from_fn(|| inbox.pop()).map(|c| (c.data, c.end)).collect();
        let expected = [("abcd", true), ("", true), ("e", false)];
        assert_eq!(read, expected.map(|(data, end)| (Bytes::from_static(data.as_bytes()), end)));
        assert!(inbox.is_empty() && inbox.octets == 0);
    }

    #[test]
    fn streams_are_kept_apart_and_large_pieces_are_not_copied() {
        let mut inbox = Inbox::new(10_000);
        let large = Bytes::from(vec![7; 2000]);
        inbox.push(1, Bytes::from_static(b"x"), false);
        inbox.push(2, large.clone(), false);
        inbox.push(1, Bytes::from_static(b"y"), true);
        let read: Vec<_> = core::iter::from_fn(|| inbox.pop()).collect();
        assert_eq!(read.iter().map(|chunk| chunk.stream).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(read[1].data.as_ptr(), large.as_ptr());
    }

    #[test]
    fn octets_are_taken_across_writes() {
        let mut outbox = Outbox::new(10);
        for write in ["abc", "", "defg", "h"] {
            outbox.push(Bytes::from_static(write.as_bytes()));
        }
        assert_eq!(outbox.room(), 2);
        assert_eq!(outbox.peek_joined(5), "abcde");
        outbox.consume(5);
        assert_eq!(outbox.peek_joined(2), "fg");
        outbox.consume(2);
        assert_eq!(outbox.peek_joined(9), "h");
        outbox.consume(1);
        assert!(outbox.is_empty() && outbox.octets() == 0);
        assert_eq!(outbox.peek_joined(9), "");
        for _ in 0..4_000 {
            outbox.push_joined(Bytes::from_static(b"x"));
        }
        assert_eq!((outbox.writes(), outbox.octets()), (4, 4_000));
    }
}
