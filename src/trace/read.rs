//! Reads a trace file, also a cut or damaged one as far as it goes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use thiserror::Error;

pub use super::decode::{Item, RecordFault};

use super::decode::Decoder;
use super::format::{BLOCK_HEADER_LEN, BLOCK_MAX, HEADER_LEN, MAGIC, VERSION};

/// Why a file, or a part of it, could not be read.
#[derive(Debug, Error)]
#[error("{fault}, at octet {offset}")]
pub struct ReadError {
    /// Where, in octets from the beginning of the file.
    pub offset: u64,
    /// What.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Fault {
    /// It does not begin as a trace file does.
    #[error("not a netmart trace")]
    NotATrace,
    /// It is of a version that this program cannot read.
    #[error("a trace of version {0}, which is unknown here")]
    Version(u16),
    /// It ends without the end mark: it is still being written, or its writer was killed.
    #[error("the file ends without its end mark")]
    NoEnd,
    /// It ends within a block. The whole records of that block have been read.
    #[error("the file is cut off: {read} of {expected} events of its last block are there")]
    Cut {
        /// Events of the block that have been read.
        read: u32,
        /// Events that the block had.
        expected: u32,
    },
    /// A block is not what was written. Reading goes on with the next one.
    #[error("a damaged block, up to {0} events lost")]
    Damaged(u32),
    /// A block claims a length that no block has. What follows cannot be found.
    #[error("a block of {0} octets, longer than any")]
    BlockTooLong(u32),
    /// A record cannot be right, though its checksum is. Reading goes on with the next block.
    #[error("{0}")]
    Record(#[source] RecordFault),
    /// There is something behind the end mark.
    #[error("something follows the end mark")]
    Trailing,
    /// The file could not be read.
    #[error("{0}")]
    Io(#[source] io::Error),
}

/// Reads the events of a trace in the order of the file.
///
/// It is an iterator. After an error it goes on with whatever can still be read, and it ends: every
/// error but the last one stands for a block passed over.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    /// Octets taken from `source`.
    offset: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    BetweenBlocks,
    InBlock(OpenBlock),
    Over,
}

#[derive(Debug)]
struct OpenBlock {
    decoder: Decoder,
    /// Where its payload begins in the file.
    begin: u64,
    /// How many events its header promises.
    events: u32,
    /// How many of them have been read.
    read: u32,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// The file ends within it.
    Cut,
}

impl Reader<BufReader<File>> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it cannot be read, is no trace, or is of another version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let file =
            File::open(path).map_err(|error| ReadError { offset: 0, fault: Fault::Io(error) })?;
        Self::new(BufReader::new(file))
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header of a trace.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it cannot be read, is no trace, or is of another version.
    pub fn new(source: R) -> Result<Self, ReadError> {
        let mut reader = Self { source, offset: 0, state: State::BetweenBlocks };
        let header = reader.fetch(HEADER_LEN)?;
        if header.len() < HEADER_LEN || !header.starts_with(&MAGIC) {
            return Err(ReadError { offset: 0, fault: Fault::NotATrace });
        }
        let version = u16::from_le_bytes([header[8], header[9]]);
        if version != VERSION {
            return Err(ReadError { offset: 8, fault: Fault::Version(version) });
        }
        Ok(reader)
    }

    /// As many octets as are there, up to `length`.
    fn fetch(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut octets = Vec::new();
        let outcome = self.source.by_ref().take(length as u64).read_to_end(&mut octets);
        self.offset += octets.len() as u64;
        match outcome {
            Ok(_) => Ok(octets),
            Err(error) => Err(self.give_up(self.offset, Fault::Io(error))),
        }
    }

    /// Nothing can be read after this.
    fn give_up(&mut self, offset: u64, fault: Fault) -> ReadError {
        self.state = State::Over;
        ReadError { offset, fault }
    }

    /// Reads the next block; `None` at the end mark.
    fn block(&mut self) -> Result<Option<OpenBlock>, ReadError> {
        let offset = self.offset;
        let header = self.fetch(BLOCK_HEADER_LEN)?;
        let Some((length, checksum, events)) = block_header(&header) else {
            return Err(self.give_up(offset, Fault::NoEnd));
        };
        if length as usize > BLOCK_MAX {
            return Err(self.give_up(offset, Fault::BlockTooLong(length)));
        }
        let begin = self.offset;
        let payload = self.fetch(length as usize)?;
        if payload.len() < length as usize {
            // Its checksum says nothing about a part: whole records are taken as they are.
            return Ok(Some(OpenBlock::new(payload, begin, events, Extent::Cut)));
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header[8..]);
        hasher.update(&payload);
        if hasher.finalize() != checksum {
            return Err(ReadError { offset, fault: Fault::Damaged(events) });
        }
        Ok((length > 0).then(|| OpenBlock::new(payload, begin, events, Extent::Whole)))
    }

    fn end(&mut self) -> Option<ReadError> {
        self.state = State::Over;
        let offset = self.offset;
        match self.fetch(1) {
            Err(error) => Some(error),
            Ok(octets) if octets.is_empty() => None,
            Ok(_) => Some(ReadError { offset, fault: Fault::Trailing }),
        }
    }
}

/// Length, checksum and number of events; `None` if the header is not whole.
fn block_header(header: &[u8]) -> Option<(u32, u32, u32)> {
    let field = |at: usize| {
        let octets = header.get(at..at + 4)?;
        octets.try_into().ok().map(u32::from_le_bytes)
    };
    Some((field(0)?, field(4)?, field(8)?))
}

impl OpenBlock {
    fn new(payload: Vec<u8>, begin: u64, events: u32, extent: Extent) -> Self {
        Self { decoder: Decoder::new(payload), begin, events, read: 0, extent }
    }

    /// The next item; `None` at the end of a block that is as it should be.
    fn next(&mut self) -> Option<Result<Item, ReadError>> {
        let fault = match (self.decoder.next(), self.extent) {
            (Ok(Some(item)), _) => {
                self.read += u32::from(matches!(item, Item::Event(_)));
                return Some(Ok(item));
            }
            (Ok(None), Extent::Whole) => return None,
            (Err(fault), Extent::Whole) => Fault::Record(fault),
            (_, Extent::Cut) => Fault::Cut { read: self.read, expected: self.events },
        };
        let offset = self.begin + self.decoder.position() as u64;
        Some(Err(ReadError { offset, fault }))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match &mut self.state {
                State::Over => return None,
                State::BetweenBlocks => match self.block() {
                    Ok(Some(block)) => self.state = State::InBlock(block),
                    Ok(None) => return self.end().map(Err),
                    Err(error) => return Some(Err(error)),
                },
                State::InBlock(block) => {
                    let item = block.next();
                    if !matches!(item, Some(Ok(_))) {
                        self.state = match block.extent {
                            Extent::Whole => State::BetweenBlocks,
                            Extent::Cut => State::Over,
                        };
                    }
                    if item.is_some() {
                        return item;
                    }
                }
            }
        }
    }
}
