//! What a transfer was like, for people and for programs.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use netmart::actors::address::Transport;
use netmart::proto::tcp;
use netmart::wires::statistics::Statistics;
use serde_json::{Value, json};

use super::options::Stats;
use super::say;
use super::status::Failure;

/// What there is to tell when a connection is over.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) over: Transport,
    /// `send` or `recv`.
    pub(super) role: &'static str,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    /// Octets of the application.
    pub(super) octets: u64,
    pub(super) time: Duration,
    pub(super) failure: Option<Failure>,
    /// What the connection itself has counted, if it could still be asked.
    pub(super) details: Option<Details>,
}

/// What a connection itself has counted.
#[derive(Clone, Debug)]
pub(super) enum Details {
    Tcp(Box<tcp::Info>),
    Wire(Box<Statistics>),
}

impl Summary {
    /// Says it on standard error; json is one object in one line.
    pub(super) fn tell(&self, stats: Stats) {
        match stats {
            Stats::Text => say(self.text().trim_end()),
            Stats::Json => say(self.json()),
        }
    }

    fn ended(&self) -> String {
        let failure = self.failure.as_ref().map(ToString::to_string);
        failure.unwrap_or_else(|| "in order".to_owned())
    }

    fn rate(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (seconds > 0.0).then(|| self.octets as f64 / seconds)
    }

    fn text(&self) -> String {
        let Self { over, role, local, peer, octets, .. } = self;
        let mut text = format!("{over} {role} {local} {peer}: {}\n", self.ended());
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        };
        line("octets", octets);
        line("seconds", &format_args!("{:.6}", self.time.as_secs_f64()));
        match &self.details {
            Some(Details::Tcp(info)) => {
                let counters = &info.counters;
                line("segments sent", &counters.segments_out);
                line("sent again", &counters.resent.total());
                line("segments received", &counters.segments_in);
                if let Some(srtt) = info.srtt {
                    line("round trip (s)", &format_args!("{:.6}", srtt.as_secs_f64()));
                }
            }
            Some(Details::Wire(statistics)) => text.push_str(&statistics.to_string()),
            None => {}
        }
        text
    }

    fn json(&self) -> Value {
        let status = self.failure.as_ref().map_or(0, |failure| failure.status as u8);
        let mut object = json!({
            "wire": self.over.name(),
            "role": self.role,
            "local": self.local.to_string(),
            "peer": self.peer.to_string(),
            "status": status,
            "ended": self.ended(),
            "octets": self.octets,
            "seconds": self.time.as_secs_f64(),
            "octets_per_second": self.rate(),
        });
        match &self.details {
            Some(Details::Tcp(info)) => object["tcp"] = tcp_json(info),
            Some(Details::Wire(statistics)) => object[self.over.name()] = statistics.to_json(),
            None => {}
        }
        object
    }
}

fn tcp_json(info: &tcp::Info) -> Value {
    let counters = &info.counters;
    json!({
        "srtt": info.srtt.map(|srtt| srtt.as_secs_f64()),
        "rto": info.rto.as_secs_f64(),
        "mss": info.send_mss,
        "congestion": format!("{:?}", info.congestion).to_lowercase(),
        "segments_sent": counters.segments_out,
        "sent_again": counters.resent.total(),
        "segments_received": counters.segments_in,
        "octets_sent": counters.bytes_out,
        "octets_acknowledged": counters.bytes_acked,
        "octets_received": counters.bytes_in,
    })
}
