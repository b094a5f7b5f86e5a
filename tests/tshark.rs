//! What tshark, an independent expert, finds in captures of our own tap, on paths that lose and reorder:
//! nothing malformed, every checksum right, and no retransmission that our own trace does not explain.

use std::cell::RefCell;
use std::io::{self, Write};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use netmart::bench::{Cell, Outcome, Path};
use netmart::bus::{Kind, Record};
use netmart::proto::netem::{Loss, Reordering};
use netmart::proto::tcp::CongestionControl::{self, Bbr, Cubic, Reno};
use netmart::stack::Capture;
use netmart::trace::Event;
use netmart::trace::write::EventRecorder;

/// A part of the stream that the trace says was sent again.
#[derive(Debug, PartialEq, Eq)]
struct Again {
    micros: u64,
    /// Its sequence numbers, the second exclusive.
    range: (u32, u32),
    cause: String,
}

/// A packet as tshark sees it.
#[derive(Debug)]
struct Seen {
    micros: u64,
    source: String,
    seq: u32,
    len: u32,
    /// Checksums of IP and TCP: `1` is good.
    checksums: [String; 2],
    malformed: String,
    /// Severities of what the expert has to say.
    severity: String,
    /// Whether it counts as sent again, quickly, or in vain.
    is_retransmission: bool,
}

const FIELDS: [&str; 11] = [
    "frame.time_epoch",
    "ip.src",
    "tcp.seq",
    "tcp.len",
    "ip.checksum.status",
    "tcp.checksum.status",
    "_ws.malformed",
    "_ws.expert.severity",
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
];

/// What the expert calls an error.
const ERROR: &str = "8388608";

const CLIENT: &str = "10.0.0.1";

#[test]
fn an_expert_finds_nothing_wrong_and_nothing_unexplained() {
    if !has_tshark() {
        let _ = writeln!(io::stderr(), "SKIPPED: tshark is not installed");
        return;
    }
    let path = Path { rate: 10_000_000, rtt: Duration::from_millis(40), ..Path::default() };
    let reordering = Reordering { probability: 0.05, extra: path.rtt / 2 };
    let clean = path.clone();
    let lossy = Path { loss: Loss::Independent(0.03), ..path.clone() };
    let bursty = Path { loss: Loss::bursts(0.03, 5.0), ..path.clone() };
    let mixed = Path { loss: Loss::Independent(0.01), reordering, ..path.clone() };
    for (path, control) in
        [(clean, Cubic), (lossy.clone(), Cubic), (lossy, Bbr), (bursty, Reno), (mixed, Cubic)]
    {
        let (outcome, again, [near, far]) = watched(&path, control);
        let resent = outcome.flows[0].sender.counters.resent.total();
        let place = format!("{control:?} over {:?}, {:?}", path.loss, path.reordering);
        assert!(resent > 0 && near.len() > 500, "{place}: {resent} sent again of {}", near.len());
        for seen in near.iter().chain(&far) {
            is_sound(seen, &place);
        }
        are_explained(&near, &again, &place);
    }
}

/// No checksum was left out: one that happens to be zero is right, too, and tshark has computed it.
fn is_sound(seen: &Seen, place: &str) {
    assert_eq!(seen.checksums, ["1", "1"], "{place}: {seen:?}");
    assert_eq!(seen.malformed, "", "{place}: {seen:?}");
    assert!(!seen.severity.split(',').any(|word| word == ERROR), "{place}: {seen:?}");
}

/// Whatever tshark takes for a retransmission was sent at the same microsecond by our account, for a
/// cause; and whatever we sent again is in the capture.
fn are_explained(near: &[Seen], again: &[Again], place: &str) {
    let data = near.iter().filter(|seen| seen.source == CLIENT && seen.len > 0);
    let is_part = |seen: &Seen, again: &Again| {
        let from_start = seen.seq.wrapping_sub(again.range.0);
        seen.micros == again.micros && from_start < again.range.1.wrapping_sub(again.range.0)
    };
    let mut found = 0;
    for seen in data.clone().filter(|seen| seen.is_retransmission) {
        found += 1;
        let why = again.iter().find(|again| is_part(seen, again));
        assert!(why.is_some(), "{place}: nobody sent this again: {seen:?}");
    }
    assert!(found > 0, "{place}: tshark sees none of {} retransmissions", again.len());
    for again in again.iter().filter(|again| again.cause != "Handshake") {
        assert!(
            data.clone().any(|seen| is_part(seen, again)),
            "{place}: the capture does not have {again:?}"
        );
    }
}

/// Runs a cell, and tells what was sent again by our trace, and what tshark sees at both ends.
fn watched(path: &Path, control: CongestionControl) -> (Outcome, Vec<Again>, [Vec<Seen>; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["near.pcapng", "far.pcapng"].map(|name| folder.path().join(name));
    let captures = files.each_ref().map(|file| Capture::create(file).expect("a file"));
    let again: Rc<RefCell<Vec<Again>>> = Rc::default();
    let cell = Cell::new(path.clone(), [control], Duration::from_secs(4), 1);
    let of_recorder = Rc::clone(&again);
    let outcome = cell.run_watched(captures.each_ref().map(Some), |sim, client, _| {
        let is_wanted = |record: &Record| record.kind() == Kind::Send;
        let recorder = EventRecorder::new("client", is_wanted, move |event| {
            of_recorder.borrow_mut().extend(sent_again(&event));
        });
        sim[client].set_recorder(Some(Box::new(recorder)));
    });
    let outcome = outcome.expect("the flow lives on");
    for capture in captures {
        capture.finish().expect("it was written");
    }
    let again = again.take();
    (outcome, again, files.each_ref().map(|file| tshark(file)))
}

/// The segments of an event of the trace that are there for the second time:
/// `PSH ACK 11:25(14) ack 7 win 5 again: Rack`, several of them separated by semicolons.
fn sent_again(event: &Event) -> Vec<Again> {
    if event.topic.as_deref() != Some("segments-out") {
        return Vec::new();
    }
    let segments = event.summary.split("; ").filter_map(|segment| {
        let (what, cause) = segment.split_once(" again: ")?;
        let numbers = what.split(' ').find(|word| word.contains(':') && word.ends_with(')'))?;
        let (start, rest) = numbers.split_once(':')?;
        let range = (start.parse().ok()?, rest.split_once('(')?.0.parse().ok()?);
        Some(Again { micros: event.time.as_micros(), range, cause: cause.to_owned() })
    });
    segments.collect()
}

fn has_tshark() -> bool {
    Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Everything tshark says of the packets of a capture.
fn tshark(file: &std::path::Path) -> Vec<Seen> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "-T", "fields", "-E", "separator=|"]);
    for setting in
        ["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE", "tcp.relative_sequence_numbers:FALSE"]
    {
        command.args(["-o", setting]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("it was there a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(seen).collect()
}

fn seen(line: &str) -> Seen {
    let words: Vec<&str> = line.split('|').collect();
    let [time, source, seq, len, ip, tcp, malformed, severity, once, fast, vain] = words[..] else {
        panic!("tshark says {line:?}");
    };
    let (seconds, fraction) = time.split_once('.').expect("seconds");
    let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{line:?}"));
    Seen {
        micros: number(seconds) * 1_000_000 + number(&fraction[..6]),
        source: source.to_owned(),
        seq: number(seq) as u32,
        len: number(len) as u32,
        checksums: [ip.to_owned(), tcp.to_owned()],
        malformed: malformed.to_owned(),
        severity: severity.to_owned(),
        is_retransmission: !(once.is_empty() && fast.is_empty() && vain.is_empty()),
    }
}
