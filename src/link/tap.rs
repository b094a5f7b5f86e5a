//! A tap: what links carry, written to a pcapng file as it passes.
//!
//! One file holds any number of links, each as an interface of its own. Packets are raw IP; a
//! super-segment is one packet; a checksum that was left to a device is completed in the copy, so that
//! a reader finds none broken. Writing fails softly: the first error is kept and reported once, and
//! every packet that is missing from the file is counted.

mod pcapng;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use netmart_proto::Instant;
use netmart_proto::wire::Packet;

use super::checksum;

/// Which way a packet passed the link, seen from the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the device to the stack.
    Inbound,
    /// From the stack to the device.
    Outbound,
}

/// A link, as the file numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceId(u32);

/// What became of the packets shown to a tap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapCounters {
    /// Packets written.
    pub written: u64,
    /// Packets left out because the file would have grown beyond its limit.
    pub over_limit: u64,
    /// Packets lost to an error: the one that met it and all that came later.
    pub failed: u64,
}

/// A capture in progress.
///
/// Whoever owns it calls [`record`](Self::record) with the stack's own time, and
/// [`finish`](Self::finish) at the end; a dropped [`BufWriter`] flushes as well, but tells no error.
#[derive(Debug)]
pub struct Tap<W: Write = BufWriter<File>> {
    writer: W,
    interfaces: u32,
    /// The packet being written; reused, and never larger than the largest block.
    block: Vec<u8>,
    /// Octets the file may still take.
    room: u64,
    error: Option<io::Error>,
    counters: TapCounters,
}

impl Tap {
    /// Starts a capture in a new file, replacing an old one of that name.
    ///
    /// # Errors
    ///
    /// When the file cannot be created or written.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::new(BufWriter::with_capacity(BUFFER, File::create(path)?))
    }
}

impl<W: Write> Tap<W> {
    /// Starts a capture in `writer`, which should be buffered.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn new(mut writer: W) -> io::Result<Self> {
        let mut block = Vec::new();
        pcapng::section_header(&mut block);
        writer.write_all(&block)?;
        Ok(Self {
            writer,
            interfaces: 0,
            block,
            room: u64::MAX,
            error: None,
            counters: TapCounters::default(),
        })
    }

    /// Lets the packets take `octets` of the file at most, block headers included.
    #[must_use]
    pub fn with_limit(self, octets: u64) -> Self {
        Self { room: octets, ..self }
    }

    /// Adds a link of that name to the file.
    pub fn add_interface(&mut self, name: &str) -> InterfaceId {
        let id = InterfaceId(self.interfaces);
        self.interfaces += 1;
        self.block.clear();
        pcapng::interface(&mut self.block, name);
        self.put();
        id
    }

    /// Writes a packet that passed `interface` at `at`. What cannot be written is counted.
    pub fn record(
        &mut self,
        interface: InterfaceId,
        direction: Direction,
        at: Instant,
        packet: &Packet,
    ) {
        self.block.clear();
        let header = pcapng::PacketHeader { interface: interface.0, at, direction };
        pcapng::packet(&mut self.block, header, packet.len(), |octets| {
            if packet.copy_to(octets).is_some() {
                // Whoever parses the packet refuses a place outside of it; here it is shown as it is.
                let _ = checksum::complete(octets, packet.offload.checksum);
            }
        });
        let Some(room) = self.room.checked_sub(self.block.len() as u64) else {
            self.counters.over_limit += 1;
            return;
        };
        if self.put() {
            self.room = room;
            self.counters.written += 1;
        } else {
            self.counters.failed += 1;
        }
    }

    /// What became of the packets so far.
    pub fn counters(&self) -> TapCounters {
        self.counters
    }

    /// Ends the capture.
    ///
    /// # Errors
    ///
    /// The first error that writing met, flushing included.
    pub fn finish(mut self) -> io::Result<TapCounters> {
        match self.error {
            Some(error) => Err(error),
            None => self.writer.flush().map(|()| self.counters),
        }
    }

    /// Writes the block, unless an earlier one could not be written; tells whether it did.
    fn put(&mut self) -> bool {
        if self.error.is_some() {
            return false;
        }
        match self.writer.write_all(&self.block) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the capture stops here");
                self.error = Some(error);
                false
            }
        }
    }
}

/// Octets gathered before the file is written to.
const BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests;
