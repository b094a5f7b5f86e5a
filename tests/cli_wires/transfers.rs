//! What is sent is what is received, on every wire.

use std::fs;
use std::process::Stdio;

use crate::harness::{octets, recv, recv_at, send};

/// Random octets, and the same with NULs at the end: nobody may take those for padding.
fn contents(len: usize) -> [Vec<u8>; 2] {
    let random = octets(len);
    let mut padded = random.clone();
    let nuls = len.min(40);
    padded[len - nuls..].fill(0);
    [random, padded]
}

#[track_caller]
fn transfers(wire: &str, content: &[u8], arguments: &[&str]) {
    let (receiver, place) = recv(wire, &[arguments, &["--once"]].concat());
    let sent = send(wire, &place, arguments, content);
    let received = receiver.end();
    assert!(sent.well().is_empty());
    let received = received.well();
    let len = content.len();
    assert!(received == content, "{wire}, {len} octets: {} came", received.len());
}

/// At the same time: most of it is waiting for peers that might have missed the last word.
fn every_size(wire: &str) {
    std::thread::scope(|scope| {
        for len in [0, 1, 15, 16, 17, 511, 512, 513, 100_000] {
            scope.spawn(move || {
                for content in contents(len) {
                    transfers(wire, &content, &[]);
                }
            });
        }
    });
}

#[test]
fn faketcp_carries_every_size() {
    every_size("faketcp");
}

#[test]
fn cs488_carries_every_size() {
    every_size("cs488");
}

#[test]
fn sockettcp_carries_every_size() {
    every_size("sockettcp");
}

#[test]
fn quiq_carries_every_size() {
    every_size("quiq");
}

#[test]
fn a_bad_network_at_both_ends_costs_time_and_nothing_else() {
    let bad = ["--loss", "5%", "--dup", "0.05", "--reorder", "5%", "--seed", "7"];
    for (wire, len) in
        [("faketcp", 60_000), ("cs488", 20_000), ("sockettcp", 1_000), ("quiq", 60_000)]
    {
        transfers(wire, &octets(len), &bad);
    }
}

#[test]
fn more_than_fits_any_queue_streams_through() {
    for wire in ["faketcp", "quiq"] {
        transfers(wire, &octets(6 << 20), &[]);
    }
}

#[test]
fn several_files_follow_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let contents = [octets(5_000), Vec::new(), octets(70_000), vec![0; 3]];
    let paths: Vec<_> =
        (0..contents.len()).map(|index| folder.path().join(index.to_string())).collect();
    for (path, content) in paths.iter().zip(&contents) {
        fs::write(path, content).expect("written");
    }
    let files: Vec<_> = paths.iter().map(|path| path.to_str().expect("text")).collect();
    for wire in ["faketcp", "cs488", "sockettcp", "quiq"] {
        let (receiver, place) = recv(wire, &[]);
        send(wire, &place, &files, b"").well();
        assert!(receiver.end().well() == contents.concat(), "{wire}");
    }
}

#[test]
fn a_dash_is_standard_input_among_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, "of the file").expect("written");
    let (receiver, place) = recv("faketcp", &[]);
    send("faketcp", &place, &["-", path.to_str().expect("text")], b"piped in, ").well();
    assert_eq!(receiver.end().well(), b"piped in, of the file");
}

#[test]
fn an_input_can_go_on_several_streams_at_once() {
    let content = octets(30_000);
    let (receiver, place) = recv("quiq", &[]);
    send("quiq", &place, &["--streams", "3"], &content).well();
    assert!(receiver.end().well() == [&content[..]; 3].concat());
}

#[test]
fn a_host_has_a_name_and_version_six_has_brackets() {
    let (receiver, place) = recv("quiq", &[]);
    let port = place.rsplit_once(':').expect("a port").1;
    send("quiq", &format!("localhost:{port}"), &[], b"by name").well();
    assert_eq!(receiver.end().well(), b"by name");
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("there is no IPv6 here");
        return;
    }
    let (receiver, place) = recv_at("[::1]:0", "faketcp", &[], Stdio::piped());
    assert!(place.starts_with("[::1]:"), "{place}");
    send("faketcp", &place, &[], b"version six").well();
    assert_eq!(receiver.end().well(), b"version six");
}

#[test]
fn tcp_goes_in_datagrams_between_two_netmarts() {
    for content in [Vec::new(), octets(1), octets(2 << 20)] {
        let bad: &[&str] = if content.len() == 1 { &["--loss", "20%", "--seed", "3"] } else { &[] };
        let (receiver, place) = recv("tcp", &[&["--udp"], bad].concat());
        send("tcp", &place, &[&["--udp"], bad].concat(), &content).well();
        assert!(receiver.end().well() == content, "{} octets", content.len());
    }
    let (socket, place) = crate::scripted::socket();
    drop(socket);
    send("tcp", &place, &["--udp"], b"x").badly(3, "nobody listens there");
}
