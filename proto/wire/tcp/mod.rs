//! TCP segments (RFC 9293 section 3.1).

mod fast_open;
mod header;
pub mod kind;
mod options;
mod segment;
mod seq;
mod split;

pub use fast_open::{FastOpen, FastOpenCookie};
pub use header::{PortedSegment, emit, parse};
pub use segment::{Flags, Options, SackBlocks, Segment, Timestamps};
pub use seq::SeqNumber;
pub use split::{Pieces, split};
