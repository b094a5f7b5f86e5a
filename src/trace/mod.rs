//! Files of everything that happened on a bus, and how to read them.
//!
//! | module | its subject |
//! |---|---|
//! | [`event`] | one event, with names instead of numbers |
//! | [`mod@write`] | recorders: one that a simulation waits for, one that never makes a stack wait |
//! | [`read`] | reads a file, also a cut or damaged one as far as it goes |
//! | [`filter`] | which events to look at |
//! | [`chart`] | who said what to whom, as a message sequence chart |
//!
//! `docs/TRACE.md` describes the format.
//!
//! ```
//! use netmart::Config;
//! use netmart::sim::Simulation;
//! use netmart::trace::TraceFile;
//! use std::time::Duration;
//!
//! let mut sim = Simulation::new(7);
//! let stack = sim.add_stack("stack", Config::default());
//! let trace = TraceFile::to(std::io::sink())?;
//! sim[stack].set_recorder(Some(Box::new(trace.recorder("stack"))));
//! let _stopped = sim.run_for(Duration::from_secs(1));
//! let totals = trace.finish()?;
//! assert!(totals.events > 0);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod chart;
mod decode;
mod encode;
pub mod event;
pub mod filter;
mod format;
pub mod read;
#[cfg(test)]
mod tests;
pub mod write;

pub use chart::{Chart, Column};
pub use event::{Event, Party};
pub use filter::Filter;
pub use read::{Item, Reader};
pub use write::{LiveTrace, TraceFile};
