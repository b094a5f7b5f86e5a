//! A trace of a running stack, which must not wait for a disk.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use netmart_bus::{Detail, Record, Recorder};

use super::place::PlaceWriter;
use super::{BlockFile, Totals};
use crate::trace::encode::{Block, Encoder};

/// A trace file that a thread of its own writes.
///
/// Blocks of events wait in a queue for it; a block that finds the queue full is dropped, and the next
/// one of the same recorder begins with a gap that counts its events.
#[derive(Debug)]
pub struct LiveTrace {
    blocks: SyncSender<Message>,
    writer: JoinHandle<io::Result<Totals>>,
    places: AtomicU32,
    lost_at_end: Arc<AtomicU64>,
}

enum Message {
    Block(Block),
    End,
}

/// How many blocks may wait: 4 MiB of events.
const QUEUE: usize = 64;

/// A block is handed over when this much of the dataspace's time has passed since its first event.
const PATIENCE: Duration = Duration::from_secs(1);

impl LiveTrace {
    /// A new file at `path`, in place of one that is there.
    ///
    /// # Errors
    ///
    /// Those of the file system, and of starting a thread.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::to(File::create(path)?, QUEUE)
    }

    /// A trace written to `out`, with `queue` blocks waiting at most.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of starting a thread.
    pub fn to(out: impl Write + Send + 'static, queue: usize) -> io::Result<Self> {
        let file = BlockFile::begin(Box::new(out))?;
        let (blocks, waiting) = sync_channel(queue);
        let writer = thread::Builder::new()
            .name("netmart-trace".into())
            .spawn(move || write_all(file, &waiting))?;
        Ok(Self { blocks, writer, places: AtomicU32::new(0), lost_at_end: Arc::default() })
    }

    /// A recorder for the dataspace that the file shall call `place`. It learns the names of actors
    /// that are spawned from now on. What it has not handed over when it is dropped is handed over
    /// then.
    pub fn recorder(&self, place: &str) -> LiveRecorder {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        LiveRecorder {
            place: PlaceWriter::new(number, place),
            encoder: Encoder::new(),
            blocks: self.blocks.clone(),
            lost: 0,
            lost_at_end: Arc::clone(&self.lost_at_end),
        }
    }

    /// Waits until everything handed over is written, and the end mark. Drop the recorders before, or
    /// what they still have is not in the file.
    ///
    /// # Errors
    ///
    /// The first error since the beginning.
    pub fn finish(self) -> io::Result<Totals> {
        // If the thread has ended already, joining it tells why.
        let _ = self.blocks.send(Message::End);
        let written = self.writer.join().map_err(|_| io::Error::other("the writer panicked"))?;
        let mut totals = written?;
        totals.lost += self.lost_at_end.load(Ordering::Acquire);
        Ok(totals)
    }
}

fn write_all(mut file: BlockFile, waiting: &Receiver<Message>) -> io::Result<Totals> {
    while let Ok(Message::Block(block)) = waiting.recv() {
        file.write(&block)?;
    }
    file.end()
}

/// Records one dataspace for a [`LiveTrace`].
pub struct LiveRecorder {
    place: PlaceWriter,
    encoder: Encoder,
    blocks: SyncSender<Message>,
    /// Events lost since the last block that was taken.
    lost: u64,
    lost_at_end: Arc<AtomicU64>,
}

impl LiveRecorder {
    fn hand_over(&mut self) {
        let block = self.encoder.finish();
        match self.blocks.try_send(Message::Block(block)) {
            Ok(()) => {}
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                self.lose(&message);
            }
        }
    }

    fn lose(&mut self, message: &Message) {
        if let Message::Block(block) = message {
            self.lost += block.events + block.lost;
        }
    }
}

impl Recorder for LiveRecorder {
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        if self.encoder.is_empty() && self.lost > 0 {
            self.encoder.gap(std::mem::take(&mut self.lost));
        }
        self.place.write(record, detail, &mut self.encoder);
        let is_old = self.encoder.started().is_some_and(|at| record.time() >= at + PATIENCE);
        if is_old || self.encoder.is_full() {
            self.hand_over();
        }
    }
}

impl Drop for LiveRecorder {
    /// The end may wait: nothing more comes from this stack.
    fn drop(&mut self) {
        if self.lost > 0 {
            self.encoder.gap(std::mem::take(&mut self.lost));
        }
        if !self.encoder.is_empty() {
            let block = self.encoder.finish();
            if let Err(refused) = self.blocks.send(Message::Block(block)) {
                self.lose(&refused.0);
            }
        }
        self.lost_at_end.fetch_add(self.lost, Ordering::AcqRel);
    }
}

impl fmt::Debug for LiveRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LiveRecorder");
        debug.field("place", &self.place).field("lost", &self.lost).finish_non_exhaustive()
    }
}
