//! Urgent data over a stream (RFC 9293 section 3.8.5): what sockets call out-of-band, here in its place.

use std::io;

use super::stream::TcpStream;
use super::wait::until;

/// Urgent data stays in the stream, as with `SO_OOBINLINE` (RFC 6093 advises nothing else); tokio has no
/// like of these. New applications should do without it.
impl TcpStream {
    /// Writes what there is room for, and tells the peer that all up to its end is urgent. The news
    /// overtakes what was written before, even where the peer's window is closed.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_urgent(&self, buf: &[u8]) -> io::Result<usize> {
        self.end.try_write_urgent(buf)
    }

    /// How many octets remain to be read until all urgent data is read; 0 if there is none.
    pub fn urgent_remaining(&self) -> usize {
        self.end.pipe.urgent_remaining()
    }

    /// Waits until there is urgent data to be read, though it may not have come yet, and tells how many
    /// octets remain until its end; 0 once the stream is over.
    pub async fn urgent(&self) -> usize {
        let pipe = &self.end.pipe;
        until(&pipe.reading, || {
            let remaining = pipe.urgent_remaining();
            (remaining > 0 || pipe.is_read_closed()).then_some(remaining)
        })
        .await
    }
}
