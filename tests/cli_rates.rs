//! `netmart bench streams` and `netmart bench wires`, as processes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmart"));
    command.current_dir(folder).arg("bench").args(arguments);
    command.output().expect("the binary starts")
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = bench(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn fails(arguments: &[&str], status: i32, expected: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = bench(folder.path(), arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    assert!(errors.contains(expected), "{arguments:?}: {errors}");
}

const STREAMS: [&str; 9] =
    ["streams", "--from", "1", "--to", "3", "--size", "100k", "--seeds", "2"];

const WIRES: [&str; 7] = ["wires", "--loss", "0,5%", "--duration", "500ms", "--seeds", "2"];

/// The cells of the table's rows, in the order of the columns.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn streams_share_the_link_and_are_drawn_as_both_formats() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = succeeds(folder.path(), &STREAMS);
    let rows = cells(&table);
    assert_eq!(rows.len(), 3, "{table}");
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row[0], (number + 1).to_string(), "{table}");
        let rate = |cell: &str| cell.parse::<f64>().expect("a rate");
        // 100 Mbit/s are 12.5 million octets each second; what came at first counts, the gap before it does not.
        assert!((50_000.0..13_500_000.0).contains(&rate(row[1])), "{table}");
        assert!(rate(row[5]) <= rate(row[1]) * 1.01, "no stream is faster than all:\n{table}");
    }
    let svg = fs::read_to_string(folder.path().join("streams.svg")).expect("it was drawn");
    for word in ["data rate", "packet rate", "packets/s", "streams", "all streams together"] {
        assert!(svg.contains(word), "{word} is missing");
    }
    let png = fs::read(folder.path().join("streams.png")).expect("it was drawn");
    assert!(png.starts_with(b"\x89PNG\r\n"));
}

#[test]
fn the_same_command_gives_the_same_figures_however_many_threads_work() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in [&STREAMS[..], &WIRES[..]] {
        let run =
            |jobs| succeeds(folder.path(), &[command, &["--no-plot", "--jobs", jobs][..]].concat());
        assert_eq!(run("1"), run("4"));
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was drawn");
}

#[test]
fn every_wire_has_its_line_in_table_and_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["--plot", "a.svg,b.png", "--csv", "w.csv", "--json", "w.json"];
    let table = succeeds(folder.path(), &[&WIRES[..], &files[..]].concat());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("it was written");
    let (svg, csv, json) = (read("a.svg"), read("w.csv"), read("w.json"));
    for wire in ["tcp", "faketcp", "cs488", "sockettcp", "quiq"] {
        assert!(table.contains(&format!("| {wire} ")), "{wire} is missing:\n{table}");
        assert!(svg.contains(wire), "{wire} is missing in the picture");
        assert_eq!(csv.matches(&format!("\n{wire},")).count(), 2 * 2, "{csv}");
    }
    for panel in ["data rate", "packet rate", "packets/s"] {
        assert!(svg.contains(panel), "{panel} is missing in the picture");
    }
    assert_eq!(json.matches("\"goodput_bps\":").count(), 5 * 2 * 2);
    assert_eq!(json.matches("\"packets_per_s\":").count(), 5 * 2 * 2);
    assert!(!json.contains("\"octets\":0,"), "something arrived over each:\n{json}");
    assert!(fs::metadata(folder.path().join("b.png")).expect("it was drawn").len() > 5_000);
}

#[test]
fn real_sockets_are_measured_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = ["--from", "2", "--to", "2", "--size", "20k", "--seeds", "1", "--csv", "rates.csv"];
    let table = succeeds(folder.path(), &[&["streams", "--loopback"][..], &small].concat());
    assert_eq!(cells(&table)[0][0], "2", "{table}");
    let csv = fs::read_to_string(folder.path().join("rates.csv")).expect("it was written");
    // All streams together, and each of the two.
    let payloads = csv.lines().skip(1).map(|line| line.split(',').nth(6).expect("a column"));
    assert_eq!(payloads.collect::<Vec<_>>(), ["40000", "20000", "20000"], "{csv}");
    let svg = fs::read_to_string(folder.path().join("streams.svg")).expect("it was drawn");
    assert!(svg.contains("data rate, loopback"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    fails(&["streams", "--from", "5", "--to", "2"], 1, "--from 5 is more than --to 2");
    fails(&["streams", "--from", "0"], 2, "0 is not in 1..");
    fails(&["streams", "--loopback", "--loss", "1%"], 2, "cannot be used with");
    fails(&["streams", "--plot", "rates.pdf"], 2, "ends in .svg or .png");
    fails(&["streams", "--plot", "/no/such/folder/a.png"], 1, "/no/such/folder/a.png");
    fails(&["wires", "--wire", "sctp"], 2, "tcp, faketcp, cs488, sockettcp, quiq");
    fails(&["wires", "--loss", "100%"], 2, "nothing would arrive");
    fails(&["wires", "--duration", "0s"], 1, "has to last");
}
