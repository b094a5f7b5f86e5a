//! What is told when a download has ended.

use std::fmt;
use std::time::Duration;

use netmart::bus::Time;
use netmart::proto::netem;
use netmart::proto::tcp::Info;
use netmart::proto::wires::{self, Discard};

use super::content::Figures;

/// The figures of one download. Nothing in here differs between two runs with the same seed.
pub(super) struct Report {
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) time: Time,
    /// What the wire did, from the client to the server and back.
    pub(super) wire: [netem::Counters; 2],
    pub(super) client: Option<Figures>,
    pub(super) server: Option<Figures>,
    /// Events on the bus of the client, and on that of the server.
    pub(super) events: [u64; 2],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, sha256, .. } = self;
        line(f, "received", format_args!("{size} octets, SHA-256 {sha256}, as sent"))?;
        let micros = self.time.as_micros().max(1);
        let goodput = u128::from(*size) * 8_000_000 / u128::from(micros);
        let time = Duration::from_micros(self.time.as_micros());
        let goodput = bits(u64::try_from(goodput).unwrap_or(u64::MAX));
        line(f, "virtual time", format_args!("{}, goodput {goodput}", Span(time)))?;
        let [there, back] = &self.wire;
        line(f, "packets", format_args!("client to server {}", Traffic(there)))?;
        line(f, "", format_args!("server to client {}", Traffic(back)))?;
        for (who, info) in [("client", &self.client), ("server", &self.server)] {
            match info {
                Some(Figures::Tcp(info)) => side(f, who, info)?,
                Some(Figures::Wire(info)) => wire_side(f, who, info)?,
                None => {}
            }
        }
        let [client, server] = self.events;
        let packets = (there.received + back.received).max(1);
        let each = (client + server) as f64 / packets as f64;
        line(
            f,
            "bus events",
            format_args!("client {client}, server {server}: {each:.1} for each packet sent"),
        )
    }
}

/// What one state vector has to tell.
fn side(f: &mut fmt::Formatter<'_>, who: &str, info: &Info) -> fmt::Result {
    let counters = &info.counters;
    let resent = counters.resent;
    line(
        f,
        who,
        format_args!("{} segments out, {} in", counters.segments_out, counters.segments_in),
    )?;
    let causes = [
        (resent.handshake, "in the handshake"),
        (resent.fast, "by fast retransmit"),
        (resent.rack, "by RACK"),
        (resent.tail, "as tail loss probes"),
        (resent.timeout, "by time-out"),
        (resent.probe, "as window probes"),
    ];
    let again: Vec<String> = causes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, cause)| format!("{count} {cause}"))
        .collect();
    let again = if again.is_empty() { "none".to_owned() } else { again.join(", ") };
    line(f, "", format_args!("sent again: {again}"))?;
    let (ahead, known) = (counters.out_of_order, counters.duplicates);
    line(f, "", format_args!("received: {ahead} beyond a hole, {known} with nothing new"))?;
    if let Some(srtt) = info.srtt {
        let least = Span(info.min_rtt.unwrap_or(srtt));
        let (srtt, rto) = (Span(srtt), Span(info.rto));
        line(f, "", format_args!("round trip: smoothed {srtt}, least {least}, time-out {rto}"))?;
    }
    let threshold = match info.ssthresh {
        u32::MAX => "none".to_owned(),
        octets => kib(octets),
    };
    line(
        f,
        "",
        format_args!(
            "windows: congestion {}, its threshold {threshold}, receive {}, the peer's {}",
            kib(info.cwnd),
            kib(info.receive_window),
            kib(info.send_window)
        ),
    )
}

/// What one session of a wire has to tell.
fn wire_side(f: &mut fmt::Formatter<'_>, who: &str, info: &wires::Info) -> fmt::Result {
    let counters = &info.counters;
    let (out, again) = (counters.packets_sent, counters.retransmitted);
    let taken = counters.packets_received;
    line(f, who, format_args!("{out} packets out, {again} of them again, {taken} in"))?;
    let causes = Discard::ALL.map(|discard| (counters.dropped(discard), discard.name()));
    let thrown: Vec<String> = causes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, cause)| format!("{count} {}", cause.replace('_', " ")))
        .collect();
    if !thrown.is_empty() {
        line(f, "", format_args!("thrown away: {}", thrown.join(", ")))?;
    }
    if let Some(srtt) = info.srtt {
        let (srtt, rto) = (Span(srtt), Span(info.rto));
        line(f, "", format_args!("round trip: smoothed {srtt}, time-out {rto}"))?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(f, "  {name:<13} {text}")
}

fn kib(octets: u32) -> String {
    format!("{} KiB", octets / 1024)
}

/// A rate with its unit.
pub(in crate::cli) fn bits(rate: u64) -> String {
    let (unit, name) = match rate {
        1_000_000_000.. => (1e9, "Gbit/s"),
        1_000_000.. => (1e6, "Mbit/s"),
        1_000.. => (1e3, "kbit/s"),
        _ => (1.0, "bit/s"),
    };
    let number = format!("{:.1}", rate as f64 / unit);
    format!("{} {name}", number.strip_suffix(".0").unwrap_or(&number))
}

/// A duration in seconds or milliseconds, with as many decimals as anybody wants to read.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0.as_secs() {
            0 => (format!("{:.1}", self.0.as_secs_f64() * 1e3), "ms"),
            _ => (format!("{:.2}", self.0.as_secs_f64()), "s"),
        };
        let short = number.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{short} {unit}")
    }
}

/// What became of the packets that went one way.
struct Traffic<'a>(&'a netem::Counters);

impl fmt::Display for Traffic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let netem::Counters { received, lost, queue_dropped, .. } = self.0;
        write!(
            f,
            "{received}, of which {lost} were lost on the wire and {queue_dropped} in its queue"
        )
    }
}
