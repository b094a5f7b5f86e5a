//! What a connection over a wire has counted, for people and for programs.

use std::fmt;

use netmart_proto::wires::{Info, Kind, Visitor, Wire};

/// What a connection has counted.
///
/// Its text has a line per figure, with the fields and units of the wire's original where that shows some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    kind: Kind,
    info: Info,
}

impl Statistics {
    /// Those of a connection over `kind` that knows `info` about itself.
    pub const fn of(kind: Kind, info: Info) -> Self {
        Self { kind, info }
    }

    /// The wire.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The figures.
    pub const fn info(&self) -> &Info {
        &self.info
    }
}

struct Text<'a>(&'a Info);

impl Visitor for Text<'_> {
    type Output = String;

    fn visit<W: Wire>(self) -> String {
        W::report(self.0)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.visit(Text(&self.info)))
    }
}

#[cfg(feature = "cli")]
mod json {
    use std::time::Duration;

    use netmart_proto::wires::{Counters, Discard, Mode, StreamInfo};
    use serde_json::{Map, Value, json};

    use super::Statistics;

    impl Statistics {
        /// The same figures for programs: times in seconds, rates per second, null where nothing was measured.
        pub fn to_json(&self) -> Value {
            let info = &self.info;
            let mode = info.mode.map(|mode| match mode {
                Mode::Original => "original",
                Mode::Careful => "careful",
            });
            json!({
                "wire": self.kind.name(),
                "peer": mode,
                "state": info.state,
                "ended": info.ended.as_ref().map(ToString::to_string),
                "round_trip_time": info.srtt.map(|time| time.as_secs_f64()),
                "packets_sent": info.counters.packets_sent,
                "packets_sent_again": info.counters.retransmitted,
                "packets_received": info.counters.packets_received,
                "packets_thrown_away": thrown_away(&info.counters),
                "data": data(&info.counters),
                "streams": info.streams.iter().map(stream).collect::<Vec<_>>(),
            })
        }
    }

    /// By reason, those that there were.
    fn thrown_away(counters: &Counters) -> Map<String, Value> {
        let counts = Discard::ALL.into_iter().map(|reason| (reason, counters.dropped(reason)));
        let some = counts.filter(|(_, count)| *count > 0);
        some.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect()
    }

    fn rate(count: u64, time: Duration) -> Option<f64> {
        (!time.is_zero()).then(|| count as f64 / time.as_secs_f64())
    }

    fn data(counters: &Counters) -> Value {
        let octets = counters.octets_sent + counters.octets_received;
        let packets = counters.data_packets_sent + counters.data_packets_received;
        let time = counters.elapsed();
        json!({
            "packets": packets,
            "bytes": octets,
            "time": time.as_secs_f64(),
            "data_rate": rate(octets, time),
            "packet_rate": rate(packets, time),
        })
    }

    fn stream(info: &StreamInfo) -> Value {
        let time = info.elapsed();
        json!({
            "stream": info.stream,
            "packets": info.packets,
            "frames": info.frames,
            "bytes": info.wire_octets,
            "payload_size": info.octets,
            "time": time.as_secs_f64(),
            "data_rate": rate(info.wire_octets, time),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netmart_proto::Instant;
    use netmart_proto::wires::{Counters, StreamInfo};

    use super::*;

    /// One stream of 1,000,000 octets in 80 packets and 500 frames, within two seconds.
    fn info(wire: &'static str) -> Info {
        let [began, latest] = [1, 3].map(|second| Some(Instant::from_millis(second * 1000)));
        let mut counters = Counters::default();
        (counters.packets_sent, counters.retransmitted) = (90, 10);
        (counters.data_packets_sent, counters.octets_sent) = (80, 1_000_000);
        (counters.began, counters.latest) = (began, latest);
        let stream = StreamInfo {
            stream: 1,
            packets: 80,
            frames: 500,
            wire_octets: 1_009_040,
            octets: 1_000_000,
            began,
            latest,
        };
        Info {
            wire,
            mode: None,
            state: "closed",
            ended: None,
            srtt: Some(Duration::from_millis(2)),
            rto: Duration::from_millis(20),
            counters,
            streams: vec![stream],
            shown: None,
        }
    }

    #[test]
    fn each_wire_shows_the_figures_of_its_original() {
        let text = |kind: Kind| Statistics::of(kind, info(kind.name())).to_string();
        assert_eq!(
            text(Kind::Cs488),
            "elapsed (s): 2.000\nbytes: 1000000\nrate (kbit/s): 4000.00\n"
        );
        let quiq = text(Kind::Quiq);
        for line in [
            "number of streams: 1",
            "packets: 80",
            "frames: 500",
            "bytes: 1,009,040",
            "payload size: 1,000,000",
            "total time (s): 2.000000",
            "average data rate (bytes/s): 504,520.00",
            "average packet rate (packets/s): 40.00",
            "Stream 1",
            "time (s): 2.000000",
        ] {
            assert!(quiq.lines().any(|shown| shown == line), "{line} is missing in {quiq}");
        }
        for kind in [Kind::Faketcp, Kind::Sockettcp] {
            assert!(text(kind).contains("sent again: 10\n"), "{}", text(kind));
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_program_reads_the_same() {
        let json = Statistics::of(Kind::Quiq, info("quiq")).to_json();
        assert_eq!(json["wire"], "quiq");
        assert_eq!(json["peer"], serde_json::Value::Null);
        assert_eq!(json["packets_sent_again"], 10);
        assert_eq!(json["data"]["bytes"], 1_000_000);
        assert_eq!(json["data"]["data_rate"], 500_000.0);
        assert_eq!(json["streams"][0]["bytes"], 1_009_040);
        assert_eq!(json["streams"][0]["data_rate"], 504_520.0);
    }
}
