//! A line per datagram on standard error, written where nobody waits for it.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use netmart::actors::address::FlowPattern;
use netmart::actors::message::WireLog;
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};

use super::say;

/// The thread that writes.
pub(super) struct Log {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
    writer: JoinHandle<()>,
}

/// A line, or nothing behind the last one.
type Line = Option<String>;

/// Lines that may wait to be written; more are left out, and counted.
const WAITING: usize = 16 * 1024;

impl Log {
    pub(super) fn start() -> io::Result<Self> {
        let (lines, received) = mpsc::sync_channel::<Line>(WAITING);
        let writer = thread::Builder::new().name("log".to_owned());
        // That nobody reads it is no reason to end anything.
        let writer = writer.spawn(move || drop(write(&received)))?;
        Ok(Self { lines, lost: Arc::default(), writer })
    }

    /// Who hears the lines of all connections, the first and the last as well, which come before a connection is
    /// accepted and after it is let go of.
    pub(super) fn scribe(&self) -> Scribe {
        Scribe { lines: self.lines.clone(), lost: Arc::clone(&self.lost) }
    }

    /// Waits until all is written.
    pub(super) fn finish(self) {
        // If the thread has ended, there is nobody to be told to.
        let _ = self.lines.send(None);
        // A thread that has ended in a panic has said so.
        let _ = self.writer.join();
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            say(format_args!("{lost} lines of the log are left out: they came too fast"));
        }
    }
}

/// Hands lines to the thread.
pub(super) struct Scribe {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

impl Scribe {
    pub(super) fn spawn(self) -> Spawn<Self> {
        Spawn::new("scribe", self).observe::<WireLog>(FlowPattern::any())
    }
}

impl Actor for Scribe {}

impl Handler<WireLog> for Scribe {
    fn handle(&mut self, message: Delivery<'_, WireLog>, _ctx: &mut Context<'_, Self>) {
        // The stack does not wait for whoever reads them.
        if self.lines.try_send(Some(message.take().line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(lines: &Receiver<Line>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stderr());
    while let Ok(Some(line)) = lines.recv() {
        writeln!(out, "{line}")?;
        // Together with those that wait, and then at once.
        loop {
            match lines.try_recv() {
                Ok(Some(line)) => writeln!(out, "{line}")?,
                Ok(None) => return out.flush(),
                Err(_) => break,
            }
        }
        out.flush()?;
    }
    Ok(())
}
