//! What the original shows its user: errors, a packet in words, and statistics of all data and of each stream.

use core::fmt;
use core::time::Duration;

use thiserror::Error;

use super::super::report::{line, per_second, thousands};
use super::super::{Action, Info, Reason, StreamInfo, WriteError};
use super::packet::{FRAME_HEADER, HEADER, MOST, PacketKind, QuiqPacket};

/// The original's errors, and what it had none for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocketError {
    /// The handshake failed.
    #[error("connection error: {0}")]
    ConnectionError(Reason),
    /// A frame does not fit a packet.
    #[error("a frame of {0} octets does not fit a packet")]
    ValueError(usize),
    /// What the original does not notice.
    #[error(transparent)]
    Failed(Reason),
    /// A write that the session did not take.
    #[error(transparent)]
    NotTaken(#[from] WriteError),
}

impl SocketError {
    /// Checks the size of a frame, its header included.
    ///
    /// # Errors
    ///
    /// [`ValueError`](Self::ValueError), if not a single one fits a packet.
    pub fn check_frame_size(size: usize) -> Result<usize, Self> {
        let fits = (FRAME_HEADER + 1..=MOST - HEADER).contains(&size);
        if fits { Ok(size) } else { Err(Self::ValueError(size)) }
    }
}

impl PacketKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::Accept => "ACCEPT_CONNECTION",
            Self::AckData => "ACK_DATA",
            Self::Data => "DATA",
            Self::First => "STREAM_FIRST",
            Self::Last => "STREAM_LAST",
            Self::DataFin => "DATA_FIN",
            Self::Fin => "FIN",
        }
    }
}

/// Kind, number and size of the payload.
impl fmt::Display for QuiqPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, size) = (self.kind.name(), self.wire_len() - HEADER);
        write!(f, "{kind} number={} payload={size}", self.number)
    }
}

pub(super) fn log_line(action: Action, packet: &QuiqPacket) -> String {
    format!("{}: {packet}", action.name())
}

/// The line of the original's sender about a stream. It has it before the first packet; here a stream may come bit by
/// bit, so that it is known before the last.
pub(super) fn plan(info: &StreamInfo, frames_per_packet: usize, frame_size: usize) -> String {
    let StreamInfo { stream, packets, frames, .. } = info;
    format!(
        "stream_id={stream} number_of_packets={packets} frame_per_packet={frames_per_packet} \
         number_of_frames={frames} frame_size={frame_size}"
    )
}

/// The original's statistics. Its total time begins with the stream that starts last; here it begins with the first.
/// A stream of one packet takes no time and so has no rate, where the original shows the time of day.
pub(super) fn report(info: &Info) -> String {
    let streams = &info.streams;
    let sum = |figure: fn(&StreamInfo) -> u64| streams.iter().map(figure).sum::<u64>();
    let (packets, octets) = (sum(|info| info.packets), sum(|info| info.wire_octets));
    let began = streams.iter().filter_map(|info| info.began).min();
    let latest = streams.iter().filter_map(|info| info.latest).max();
    let time = match (began, latest) {
        (Some(began), Some(latest)) => latest.saturating_since(began),
        _ => Duration::ZERO,
    };
    let mut text = String::from("All data\n");
    line(&mut text, "number of streams", &thousands(streams.len() as u64));
    line(&mut text, "packets", &thousands(packets));
    line(&mut text, "frames", &thousands(sum(|info| info.frames)));
    line(&mut text, "bytes", &thousands(octets));
    line(&mut text, "payload size", &thousands(sum(|info| info.octets)));
    line(&mut text, "total time (s)", &seconds(time));
    line(&mut text, "average data rate (bytes/s)", &per_second(octets, time));
    line(&mut text, "average packet rate (packets/s)", &per_second(packets, time));
    for info in streams {
        text.push_str(&format!("Stream {}\n", info.stream));
        line(&mut text, "packets", &thousands(info.packets));
        line(&mut text, "frames", &thousands(info.frames));
        line(&mut text, "bytes", &thousands(info.wire_octets));
        line(&mut text, "payload size", &thousands(info.octets));
        line(&mut text, "time (s)", &seconds(info.elapsed()));
        line(
            &mut text,
            "average data rate (bytes/s)",
            &per_second(info.wire_octets, info.elapsed()),
        );
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}
