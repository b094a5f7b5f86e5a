//! What the commands tell about a transfer.

use serde_json::Value;

use crate::harness::{Ended, WIRES, octets, recv, send};

/// The one JSON object on standard error.
#[track_caller]
fn object(ended: &Ended) -> Value {
    assert_eq!(ended.status, Some(0), "{:?}", ended.errors);
    let complaints = ended.complaints();
    assert_eq!(complaints.len(), 1, "{:?}", ended.errors);
    serde_json::from_str(complaints[0]).expect("it is JSON")
}

#[test]
fn both_ends_count_the_same_octets() {
    for wire in WIRES {
        let (receiver, place) = recv(wire, &["--stats", "json"]);
        let sent = send(wire, &place, &["--stats", "json"], &octets(5_000));
        let (sent, received) = (object(&sent), object(&receiver.end()));
        for (told, role) in [(&sent, "send"), (&received, "recv")] {
            assert_eq!(told["wire"], wire);
            assert_eq!(told["role"], role);
            assert_eq!((&told["status"], &told["octets"]), (&0.into(), &5_000.into()), "{told}");
            assert_eq!(told["ended"], "in order");
            assert_eq!(told[wire]["data"]["bytes"], 5_000, "{told}");
            assert!(told[wire]["packets_sent"].as_u64() > Some(0), "{told}");
        }
        assert_eq!(sent["peer"].as_str().map(|peer| peer.starts_with("127.0.0.1:")), Some(true));
    }
}

#[test]
fn streams_have_statistics_of_their_own() {
    let (receiver, place) = recv("quiq", &["--stats", "json"]);
    let sent = send("quiq", &place, &["--streams", "2", "--stats", "text"], &octets(9_000));
    let told = object(&receiver.end());
    let streams = told["quiq"]["streams"].as_array().expect("a list");
    assert_eq!(streams.len(), 2, "{told}");
    for stream in streams {
        assert_eq!(stream["payload_size"], 9_000);
        let sum = |name: &str, each| stream[name].as_u64().expect("a number") * each;
        let bytes = 9_000 + sum("frames", 16) + sum("packets", 13);
        assert_eq!(stream["bytes"], bytes, "{told}");
    }
    let lines = sent.errors.join("\n");
    for expected in ["All data", "number of streams: 2", "payload size: 18,000", "Stream 2"] {
        assert!(lines.contains(expected), "{expected} is missing: {lines}");
    }
}

#[test]
fn a_log_has_a_line_for_each_datagram() {
    for (wire, sent, received) in [
        (
            "faketcp",
            [
                "SEND: (FLAGS=SYN  SEQ=",
                "RECV: (FLAGS=ACK|SYN  SEQ=",
                "RECV: (FLAGS=ACK|FIN  SEQ=-1",
            ],
            [
                "RECV: (FLAGS=SYN  SEQ=",
                "SEND: (FLAGS=ACK|SYN  SEQ=",
                "SEND: (FLAGS=ACK|FIN  SEQ=-1",
            ],
        ),
        (
            "cs488",
            ["SEND 42 0 0 SYN", "RECV 42 43 ", "SEND 48 0 "],
            ["RECV 42 0 0 SYN", "SEND 42 43 ", "RECV 48 0 "],
        ),
        (
            "sockettcp",
            ["SEND: 1|||0|||0|||", "RECV: 1|||1|||0|||", "SEND: 0|||0|||1|||"],
            ["RECV: 1|||0|||0|||", "SEND: 1|||1|||0|||", "RECV: 0|||0|||1|||"],
        ),
        (
            "quiq",
            ["SEND: SYN number=1", "RECV: ACCEPT_CONNECTION number=1", "SEND: FIN number="],
            ["RECV: SYN number=1", "SEND: ACCEPT_CONNECTION number=1", "RECV: FIN number="],
        ),
    ] {
        let (receiver, place) = recv(wire, &["--log-format", "original"]);
        let sender = send(wire, &place, &["--log-format", "original"], b"hello");
        for (ended, lines) in [(sender, sent), (receiver.end(), received)] {
            assert_eq!(ended.status, Some(0), "{:?}", ended.errors);
            for line in lines {
                let is_there = ended.errors.iter().any(|said| said.starts_with(line));
                assert!(is_there, "{line}: {:#?}", ended.errors);
            }
        }
    }
}

#[test]
fn a_trace_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace");
    let path = path.to_str().expect("text");
    let (receiver, place) = recv("faketcp", &[]);
    send("faketcp", &place, &["--trace", path], b"hello").well();
    receiver.end().well();
    let shown = crate::harness::Running::start(&["trace", "show", path]).end();
    let shown = String::from_utf8(shown.well()).expect("text");
    assert!(shown.contains("faketcp"), "{shown}");
}
