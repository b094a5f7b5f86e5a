//! What the original shows its user: errors, the datagram and the socket in words.

use core::fmt::{self, Write as _};

use bytes::Bytes;
use thiserror::Error;

use super::super::{Action, Reason, WriteError};
use super::packet::{FaketcpPacket, Flags, HEADER};
use super::sender::Cause;
use super::session::Session;

/// The original's errors, and what it had none for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocketError {
    /// The socket is not established, or is not any more: also how the end of the data looks.
    #[error("not connected")]
    NotConnected,
    /// The socket is established, and cannot be bound, connected or listened on.
    #[error("already connected")]
    AlreadyConnected,
    /// A header whose checksum is wrong. The original ends with it; here it is counted, and can be shown.
    #[error("checksum error in header {}", hex(.0))]
    ChecksumError([u8; HEADER]),
    /// What the original waits for without an end.
    #[error(transparent)]
    Failed(Reason),
}

impl SocketError {
    /// The error for a datagram whose checksum is wrong; nothing for one without a header.
    pub fn checksum(datagram: &[u8]) -> Option<Self> {
        Some(Self::ChecksumError(datagram.first_chunk::<HEADER>().copied()?))
    }
}

impl From<Reason> for SocketError {
    fn from(reason: Reason) -> Self {
        if reason == Reason::Normal { Self::NotConnected } else { Self::Failed(reason) }
    }
}

impl From<WriteError> for SocketError {
    fn from(_: WriteError) -> Self {
        Self::NotConnected
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// As the original writes a datagram into its log.
impl fmt::Display for FaketcpPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.flags.has(Flags::ACK), "ACK"),
            (self.flags.has(Flags::SYN), "SYN"),
            (self.flags.has(Flags::NACK), "NACK"),
            (self.flags.has(Flags::DATA), "DATA"),
            (self.is_fin(), "FIN"),
        ];
        let flags: Vec<_> = names.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
        let (flags, seq, ack, win) = (flags.join("|"), self.seq, self.ack, self.win);
        write!(f, "(FLAGS={flags}  SEQ={seq}  ACK={ack}  WIN={win}  PAYLOAD=")?;
        quote(f, &self.payload)?;
        f.write_str(")")
    }
}

/// Octets as Python shows a string.
fn quote(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    let mark = if octets.contains(&b'\'') && !octets.contains(&b'"') { '"' } else { '\'' };
    f.write_char(mark)?;
    for &octet in octets {
        match octet {
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            b' '..=b'~' if char::from(octet) == mark => write!(f, "\\{mark}")?,
            b' '..=b'~' => f.write_char(octet.into())?,
            _ => write!(f, "\\x{octet:02x}")?,
        }
    }
    f.write_char(mark)
}

/// The line that the original writes when it begins to send again: what made it do so.
pub(super) const fn remark(cause: Cause) -> &'static str {
    match cause {
        Cause::Nack => "RETRANSMISSION: NACK",
        Cause::Timeout => "RETRANSMISSION: SND_TIMEOUT",
    }
}

pub(super) fn log_line(action: Action, packet: &FaketcpPacket) -> String {
    let name = match action {
        // The original names the cause once, and then only sends.
        Action::SendAgain => Action::Send.name(),
        action => action.name(),
    };
    format!("{name}: {packet}")
}

/// As the original shows a socket: pointers count from the initial numbers, windows are in datagrams.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (iss, irs) = (self.iss, self.irs);
        let (una, nxt, ready, window) = self.snd.pointers();
        let (state, rcv_nxt) = (super::super::Wire::state(self), self.rcv.nxt() - irs);
        let unread = self.common.inbox.chunks() as i64;
        write!(
            f,
            "SOCKET(STATE={state}, SND_NXT={}, SND_UNA={}, SND_RDY={}, SND_WND={window}, ISS={iss}, \
             RCV_NXT={rcv_nxt}, RCV_UNA={}, RCV_WND={}, IRS={irs})",
            nxt - iss,
            una - iss,
            ready - iss + self.common.outbox.writes() as i64,
            rcv_nxt - unread,
            self.rcv.window(&self.common.inbox),
        )
    }
}

/// The payload of the original's example programs: numbered datagrams of text.
pub fn numbered_datagrams(count: usize) -> impl Iterator<Item = Bytes> {
    (0..count).map(|number| Bytes::from(format!("this is the datagram number {number}")))
}
