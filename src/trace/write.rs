//! Recorders that write a trace file.
//!
//! A [`TraceFile`] writes within the turn that it records: a simulation waits for it, and its bytes
//! follow from the events alone. A [`LiveTrace`] hands finished blocks to a thread, and loses blocks,
//! counted, when that cannot keep up: a stack never waits for it.

mod events;
mod live;
mod place;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use netmart_bus::{Record, Recorder};

pub use events::{Both, EventRecorder};
pub use live::{LiveRecorder, LiveTrace};

use super::encode::{Block, Encoder};
use super::format::{HEADER_LEN, MAGIC, VERSION};
use place::PlaceWriter;

/// What went into a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events written.
    pub events: u64,
    /// Events lost, which gap records count.
    pub lost: u64,
    /// The length of the file, in octets.
    pub octets: u64,
}

/// A trace file that is written as its events happen, for a simulation.
///
/// The dataspaces that it records share one order of events.
pub struct TraceFile {
    shared: Rc<RefCell<Shared>>,
}

struct Shared {
    encoder: Encoder,
    file: BlockFile,
    places: u32,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

impl TraceFile {
    /// A new file at `path`, in place of one that is there.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::to(File::create(path)?)
    }

    /// A trace written to `out`, block by block.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let file = BlockFile::begin(Box::new(out))?;
        let shared = Shared { encoder: Encoder::new(), file, places: 0, error: None };
        Ok(Self { shared: Rc::new(RefCell::new(shared)) })
    }

    /// A recorder for the dataspace that the file shall call `place`. It learns the names of actors
    /// that are spawned from now on.
    pub fn recorder(&self, place: &str) -> FileRecorder {
        let mut shared = self.shared.borrow_mut();
        shared.places += 1;
        FileRecorder {
            place: PlaceWriter::new(shared.places, place),
            shared: Rc::clone(&self.shared),
        }
    }

    /// Writes what is left and the end mark. What is recorded after this is ignored.
    ///
    /// # Errors
    ///
    /// The first error since the beginning.
    pub fn finish(self) -> io::Result<Totals> {
        let mut shared = self.shared.borrow_mut();
        shared.write_block();
        match shared.error.take() {
            Some(error) => Err(error),
            None => {
                let totals = shared.file.end();
                shared.error = Some(io::ErrorKind::BrokenPipe.into());
                totals
            }
        }
    }
}

impl fmt::Debug for TraceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared.borrow();
        let mut debug = f.debug_struct("TraceFile");
        debug.field("totals", &shared.file.totals).field("error", &shared.error);
        debug.finish_non_exhaustive()
    }
}

impl Shared {
    fn write_block(&mut self) {
        if self.error.is_some() || self.encoder.is_empty() {
            return;
        }
        let block = self.encoder.finish();
        self.error = self.file.write(&block).err();
    }
}

/// Records one dataspace for a [`TraceFile`].
pub struct FileRecorder {
    place: PlaceWriter,
    shared: Rc<RefCell<Shared>>,
}

impl Recorder for FileRecorder {
    fn record(&mut self, record: &Record, detail: &dyn netmart_bus::Detail) {
        let mut shared = self.shared.borrow_mut();
        if shared.error.is_some() {
            return;
        }
        self.place.write(record, detail, &mut shared.encoder);
        if shared.encoder.is_full() {
            shared.write_block();
        }
    }
}

impl fmt::Debug for FileRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRecorder").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Writes blocks between the header and the end mark.
struct BlockFile {
    out: Box<dyn Write + Send>,
    totals: Totals,
}

impl BlockFile {
    fn begin(mut out: Box<dyn Write + Send>) -> io::Result<Self> {
        let mut header = [0; HEADER_LEN];
        header[..8].copy_from_slice(&MAGIC);
        header[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, totals: Totals { octets: HEADER_LEN as u64, ..Totals::default() } })
    }

    fn write(&mut self, block: &Block) -> io::Result<()> {
        self.out.write_all(&block.octets)?;
        self.totals.octets += block.octets.len() as u64;
        self.totals.events += block.events;
        self.totals.lost += block.lost;
        Ok(())
    }

    /// The end mark is a block of nothing.
    fn end(&mut self) -> io::Result<Totals> {
        self.write(&Encoder::new().finish())?;
        self.out.flush()?;
        Ok(self.totals)
    }
}
