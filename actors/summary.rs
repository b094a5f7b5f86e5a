//! Segments as a line of a trace.

use core::fmt::{self, Write};

use netmart_proto::tcp;
use netmart_proto::wire::tcp::{Flags, Segment};

/// Flags, sequence and acknowledgement numbers, window and SACK blocks of each, and why it is sent again.
pub(crate) fn summarize_segments<'a>(
    segments: impl Iterator<Item = (&'a Segment, Option<tcp::Retransmission>)>,
    out: &mut dyn Write,
) -> fmt::Result {
    for (index, (segment, cause)) in segments.enumerate() {
        if index > 0 {
            out.write_str("; ")?;
        }
        write!(
            out,
            "{} {}:{}({})",
            segment.flags,
            segment.seq,
            segment.sequence_end(),
            segment.payload.len()
        )?;
        if segment.flags.contains(Flags::ACK) {
            write!(out, " ack {}", segment.ack)?;
        }
        write!(out, " win {}", segment.window)?;
        for (left, right) in segment.options.sack.as_slice() {
            write!(out, " sack {left}:{right}")?;
        }
        if let Some(cause) = cause {
            write!(out, " again: {cause:?}")?;
        }
    }
    Ok(())
}
