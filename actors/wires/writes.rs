//! What was written: cut into what the wire takes, and kept until the machine takes it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use netmart_proto::Instant;
use netmart_proto::wires::{Borders, Chunk, Profile, Wire, WriteError};

use crate::borders::divide;
use crate::message::{Chunks, Pieces};

/// The writes of one session.
#[derive(Debug)]
pub(super) struct Writes {
    borders: Borders,
    /// The largest datagram, where each write is one and its size is left to us.
    datagram: usize,
    /// How the next octets divide.
    announced: Pieces,
    /// The beginning of a message that has not ended.
    partial: Vec<Bytes>,
    partial_len: usize,
    queue: VecDeque<Chunk>,
    /// What waits in the queue costs so many octets of credit.
    waiting: usize,
    /// The stream of octets of which nothing was said has not ended.
    stream_is_open: bool,
    /// Whether the machine knows that nothing follows.
    pub(super) is_closed: bool,
}

/// The stream of octets of which nothing is said.
const STREAM: u32 = 1;

/// The longest message, in octets: it is kept in one piece.
const MOST_MESSAGE: usize = 1 << 30;

impl Writes {
    /// Nothing was written. `chunk` is how large datagrams shall be, if the wire leaves a choice.
    pub(super) fn new(profile: &Profile, chunk: Option<usize>) -> Self {
        let datagram = match profile.borders {
            Borders::Datagram(most) => chunk.unwrap_or(most).clamp(1, most),
            _ => usize::MAX,
        };
        Self {
            borders: profile.borders,
            datagram,
            announced: Pieces::new(),
            partial: Vec::new(),
            partial_len: 0,
            queue: VecDeque::new(),
            waiting: 0,
            stream_is_open: false,
            is_closed: false,
        }
    }

    /// What waits, as octets of credit.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the machine has taken everything.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next octets divide like this. Whether there will be none.
    pub(super) fn announce(&mut self, pieces: Pieces) -> bool {
        self.announced = pieces;
        self.announced.iter().all(|piece| piece.octets == 0)
    }

    /// Takes octets, and tells what they cost.
    pub(super) fn take(&mut self, octets: Chunks) -> usize {
        if self.announced.is_empty() {
            return self.take_plain(octets);
        }
        let pieces = core::mem::take(&mut self.announced);
        let cost = pieces.iter().map(|piece| piece.cost() as usize).sum();
        for chunk in divide(&pieces, octets) {
            match self.borders {
                Borders::Datagram(_) | Borders::Message => self.gather(chunk),
                Borders::None if chunk.data.is_empty() => {}
                Borders::None | Borders::Stream => self.push(chunk),
            }
        }
        cost
    }

    /// A datagram or a message goes down in one piece.
    fn gather(&mut self, chunk: Chunk) {
        self.partial_len += chunk.data.len();
        if !chunk.data.is_empty() {
            self.partial.push(chunk.data);
        }
        if chunk.end {
            self.end_message();
        }
    }

    fn end_message(&mut self) {
        let partial = core::mem::take(&mut self.partial);
        self.partial_len = 0;
        self.push(Chunk::message(joined(partial)));
    }

    /// Octets of whose borders nothing was said.
    fn take_plain(&mut self, octets: Chunks) -> usize {
        let len = octets.iter().map(Bytes::len).sum();
        match self.borders {
            Borders::None => octets.into_iter().for_each(|data| self.push(Chunk::message(data))),
            Borders::Message => self.push(Chunk::message(joined(octets.into_vec()))),
            Borders::Stream => {
                self.stream_is_open = true;
                for data in octets {
                    self.push(Chunk { stream: STREAM, data, end: false });
                }
            }
            Borders::Datagram(_) => {
                let mut octets = joined(octets.into_vec());
                while !octets.is_empty() {
                    let datagram = octets.split_to(octets.len().min(self.datagram));
                    self.push(Chunk::message(datagram));
                }
            }
        }
        len
    }

    fn push(&mut self, chunk: Chunk) {
        self.waiting += cost(&chunk);
        self.queue.push_back(chunk);
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self) {
        if !self.partial.is_empty() {
            self.end_message();
        }
        if core::mem::take(&mut self.stream_is_open) {
            self.push(Chunk { stream: STREAM, data: Bytes::new(), end: true });
        }
    }

    /// Gives `machine` what it takes.
    ///
    /// # Errors
    ///
    /// When it will never take what was written.
    pub(super) fn hand_down<W: Wire>(
        &mut self,
        machine: &mut W,
        now: Instant,
    ) -> Result<(), WriteError> {
        if self.partial_len > MOST_MESSAGE {
            self.clear();
            return Err(WriteError::TooLong(MOST_MESSAGE));
        }
        while let Some(chunk) = self.queue.front() {
            match machine.write(chunk.clone(), now) {
                Ok(()) => {
                    self.waiting -= cost(chunk);
                    self.queue.pop_front();
                }
                Err(WriteError::Full) => break,
                // It has ended, which its user is told otherwise.
                Err(WriteError::Closed) => self.clear(),
                Err(error) => {
                    self.clear();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.partial.clear();
        (self.waiting, self.partial_len) = (0, 0);
    }
}

fn cost(chunk: &Chunk) -> usize {
    chunk.data.len().max(1)
}

/// All of them in one piece, copied only if there are several.
fn joined(mut slices: Vec<Bytes>) -> Bytes {
    match slices.len() {
        0 => Bytes::new(),
        1 => slices.swap_remove(0),
        _ => {
            let mut joined = BytesMut::with_capacity(slices.iter().map(Bytes::len).sum());
            slices.iter().for_each(|slice| joined.extend_from_slice(slice));
            joined.freeze()
        }
    }
}
