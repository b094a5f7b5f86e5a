//! Every measurement for programs: CSV and JSON.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use netmart::bench::{FlowOutcome, Outcome};

use super::axis;
use super::row::Row;

/// One flow of one measurement, as named values.
pub(super) type Record = Vec<(&'static str, Value)>;

/// A value of a record.
pub(super) enum Value {
    Text(String),
    Number(f64),
}

/// The flows of a row with one seed.
pub(super) fn records(row: &Row, seed: u64, outcome: &Outcome) -> Vec<Record> {
    let flows = outcome.flows.iter().enumerate();
    flows.map(|(number, flow)| record(row, seed, outcome, number, flow)).collect()
}

fn record(row: &Row, seed: u64, outcome: &Outcome, number: usize, flow: &FlowOutcome) -> Record {
    let text = |text: String| Value::Text(text);
    let count = |count: u64| Value::Number(count as f64);
    let millis = |time: Duration| Value::Number(time.as_secs_f64() * 1e3);
    let counters = &flow.sender.counters;
    let data = &outcome.wire[0];
    vec![
        ("flows", text(row.flows.to_string())),
        ("rate_bps", count(row.rate)),
        ("rtt_ms", millis(row.rtt)),
        ("queue_bdp", Value::Number(row.queue)),
        ("loss", text(row.losses.label())),
        ("reordered", text(row.overtaking.to_string())),
        ("seconds", Value::Number(outcome.duration.as_secs_f64())),
        ("seed", count(seed)),
        ("flow", count(number as u64 + 1)),
        ("controller", text(axis::name(flow.controller).to_owned())),
        ("goodput_bps", Value::Number(flow.goodput.round())),
        ("octets", count(flow.octets)),
        ("segments_out", count(counters.segments_out)),
        ("resent", count(counters.resent.total().into())),
        ("resent_fast", count(counters.resent.fast.into())),
        ("resent_rack", count(counters.resent.rack.into())),
        ("resent_tail", count(counters.resent.tail.into())),
        ("resent_timeout", count(counters.resent.timeout.into())),
        ("spurious", count(flow.spurious.into())),
        ("undone", count(counters.undone.into())),
        ("srtt_ms", flow.sender.srtt.map_or(Value::Number(0.0), millis)),
        ("lost_on_wire", count(data.lost)),
        ("dropped_by_queue", count(data.queue_dropped)),
        ("queue_delay_ms", millis(outcome.queue_delay())),
        ("jain", Value::Number(outcome.fairness())),
    ]
}

/// As CSV, the names in the first line.
pub(super) fn csv(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    if let Some(first) = records.first() {
        let names: Vec<&str> = first.iter().map(|(name, _)| *name).collect();
        writeln!(out, "{}", names.join(","))?;
    }
    for record in records {
        let values: Vec<String> = record.iter().map(|(_, value)| value.csv()).collect();
        writeln!(out, "{}", values.join(","))?;
    }
    Ok(())
}

/// As a JSON array of objects.
pub(super) fn json(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "[")?;
    for (number, record) in records.iter().enumerate() {
        let fields: Vec<String> =
            record.iter().map(|(name, value)| format!("\"{name}\":{}", value.json())).collect();
        let comma = if number + 1 < records.len() { "," } else { "" };
        writeln!(out, "  {{{}}}{comma}", fields.join(","))?;
    }
    writeln!(out, "]")
}

/// The samples of one measurement as CSV.
pub(super) fn samples(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "flow,seconds,received,cwnd,ssthresh,in_flight,srtt_ms,pacing_bps,resent,resent_timeout,limited_by"
    )?;
    for (number, flow) in outcome.flows.iter().enumerate() {
        for moment in &flow.moments {
            let ssthresh = Some(moment.ssthresh).filter(|ssthresh| *ssthresh < u32::MAX);
            writeln!(
                out,
                "{},{:.6},{},{},{},{},{},{},{},{},{:?}",
                number + 1,
                moment.at.as_secs_f64(),
                moment.received,
                moment.cwnd,
                ssthresh.map(|octets| octets.to_string()).unwrap_or_default(),
                moment.in_flight,
                moment.srtt.map_or(0.0, |srtt| srtt.as_secs_f64() * 1e3),
                moment.pacing_rate.map(|rate| (rate * 8).to_string()).unwrap_or_default(),
                moment.resent,
                moment.timeouts,
                moment.limited_by,
            )?;
        }
    }
    Ok(())
}

impl Value {
    fn csv(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) if text.contains([',', '"', '\n']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Self::Text(text) => text.clone(),
        }
    }

    fn json(&self) -> String {
        match self {
            // JSON has no name for what is no number.
            Self::Number(number) if !number.is_finite() => "null".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => {
                let mut quoted = String::from("\"");
                for char in text.chars() {
                    match char {
                        '"' | '\\' => quoted.extend(['\\', char]),
                        char if char < ' ' => {
                            let _ = write!(quoted, "\\u{:04x}", u32::from(char));
                        }
                        char => quoted.push(char),
                    }
                }
                quoted + "\""
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Record> {
        vec![vec![("name", Value::Text("a \"b\", c\n".into())), ("value", Value::Number(1.5))]]
    }

    #[test]
    fn text_is_quoted_where_it_has_to_be() {
        let mut out = Vec::new();
        csv(&sample(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name,value\n\"a \"\"b\"\", c\n\",1.5\n");
        let mut out = Vec::new();
        json(&sample(), &mut out).unwrap();
        let expected = "[\n  {\"name\":\"a \\\"b\\\", c\\u000a\",\"value\":1.5}\n]\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn whole_numbers_have_no_point() {
        assert_eq!(Value::Number(5_000_000_000.0).json(), "5000000000");
        assert_eq!(Value::Number(f64::NAN).json(), "null");
    }
}
