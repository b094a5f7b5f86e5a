//! `netmart drill`: our own scripts pass, and what is wrong in a script is found and told.

use std::fs;
use std::path::{Path, PathBuf};

use netmart::drill::report::{Mismatch, Report, Verdict};
use netmart::drill::runner::Options;
use netmart::drill::suite::{run_file, scripts};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn own_scripts() -> Vec<PathBuf> {
    let found = scripts(&folder()).expect("a folder that can be read");
    assert!(found.len() > 40, "only {} scripts were found", found.len());
    found
}

/// Runs `text` as a script.
fn run(text: &str) -> Report {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let path = folder.path().join("script.pkt");
    fs::write(&path, text).expect("room for a script");
    run_file(&path, &Options::default())
}

fn mismatch(text: &str) -> Mismatch {
    match run(text).verdict {
        Verdict::Failed(mismatch) => mismatch,
        other => panic!("{other:?} of\n{text}"),
    }
}

#[test]
fn our_scripts_pass() {
    let reports = own_scripts().into_iter().map(|path| run_file(&path, &Options::default()));
    let failed: Vec<_> = reports
        .filter(|report| matches!(report.verdict, Verdict::Failed(_)))
        .map(|report| report.to_string())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What a script says of TCP holds over either version of IP, unless it says for which it is.
#[test]
fn our_scripts_pass_over_ipv6() {
    let options = Options { v6: Some(true), ..Options::default() };
    let mut passed = 0;
    for path in own_scripts() {
        if fs::read_to_string(&path).expect("text").contains("--ip_version=ipv4") {
            continue;
        }
        let report = run_file(&path, &options);
        assert!(!matches!(report.verdict, Verdict::Failed(_)), "{report}");
        passed += usize::from(report.verdict == Verdict::Passed);
    }
    assert!(passed > 50, "only {passed} passed");
}

/// A script that passes is one that would not, were the stack to do anything else: each outbound segment is
/// made wrong in two ways.
#[test]
fn each_expectation_counts() {
    let mut tried = 0;
    for path in own_scripts() {
        let text = fs::read_to_string(&path).expect("text");
        if !matches!(run_file(&path, &Options::default()).verdict, Verdict::Passed) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for wrong in wrong_lines(line) {
                let mut lines: Vec<_> = text.lines().collect();
                lines[number] = &wrong;
                let report = run(&lines.join("\n"));
                let is_found = matches!(report.verdict, Verdict::Failed(_));
                assert!(is_found, "{}: `{wrong}` instead of `{line}`", path.display());
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "only {tried} mistakes were made");
}

/// The line with another acknowledgement, and with FIN where it has none and without where it has; none if it
/// is no outbound segment.
fn wrong_lines(line: &str) -> Vec<String> {
    let Some((before, packet)) = line.split_once(" > ") else { return Vec::new() };
    if before.trim_start().starts_with("//") || before.contains(['(', '`', '%', '<']) {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    if let Some((head, tail)) = packet.split_once(" ack ") {
        let digits = tail.find(|char: char| !char.is_ascii_digit()).unwrap_or(tail.len());
        if let Ok(ack) = tail[..digits].parse::<u32>() {
            wrong.push(format!("{before} > {head} ack {}{}", ack + 1, &tail[digits..]));
        }
    }
    match packet.strip_prefix('F') {
        Some(packet) => wrong.push(format!("{before} > {packet}")),
        None if !packet.starts_with(['[', 'i']) => wrong.push(format!("{before} > F{packet}")),
        None => {}
    }
    wrong
}

const HANDSHAKE: &str = "\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK>
+0 > S. 0:0(0) ack 1 <mss 1460,sackOK>
+.1 < . 1:1(0) ack 1 win 32792
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 500) = 500
";

#[test]
fn a_wrong_packet_is_told_in_the_notation_of_scripts() {
    let wrong = mismatch(&format!("{HANDSHAKE}+0 > P. 1:501(500) ack 2\n"));
    assert_eq!(wrong.at.map(|at| (at.line, at.column)), Some((9, 1)));
    assert_eq!(wrong.line.as_deref(), Some("+0 > P. 1:501(500) ack 2"));
    assert_eq!(wrong.reason, "ack: expected 2, got 1");
    assert_eq!(wrong.expected.as_deref(), Some("> P. 1:501(500) ack 2"));
    let actual = wrong.actual.expect("a packet");
    assert!(actual.starts_with("> P. 1:501(500) ack 1 win "), "{actual}");
    assert!(wrong.trace.iter().any(|event| event.contains("segments-out")), "{:?}", wrong.trace);
}

#[test]
fn what_did_not_come_or_came_too_late_is_told() {
    let missing =
        mismatch(&format!("{HANDSHAKE}+0 > P. 1:501(500) ack 1\n+0 > F. 501:501(0) ack 1\n"));
    assert_eq!(missing.at.map(|at| at.line), Some(10));
    assert_eq!(missing.expected.as_deref(), Some("> F. 501:501(0) ack 1"));
    let late = mismatch(&format!("{HANDSHAKE}+.2 > P. 1:501(500) ack 1\n"));
    assert_eq!(late.at.map(|at| at.line), Some(9));
    assert!(late.actual.is_some(), "{late:?}");
}

#[test]
fn a_wrong_call_command_or_assertion_is_told() {
    let cases = [
        ("+0 write(4, ..., 100) = 99\n", "write"),
        ("+0 read(4, ..., 100) = 100\n", "read"),
        ("+0 %{ assert tcpi_snd_mss == 7 }%\n", "tcpi_snd_mss"),
        ("+0 %{ assert nonsense }%\n", "nonsense"),
        ("+0 `sockstat -4 -P tcp -s | grep -c TIME_WAIT | grep 1`\n", "TIME_WAIT"),
    ];
    for (line, word) in cases {
        let text = format!(
            "{HANDSHAKE}+0 > P. 1:501(500) ack 1\n+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n{line}"
        );
        let wrong = mismatch(&text);
        assert_eq!(wrong.at.map(|at| at.line), Some(11), "{line}: {wrong:?}");
        let all = format!("{} {:?} {:?}", wrong.reason, wrong.expected, wrong.actual);
        assert!(all.contains(word), "{line}: {all}");
    }
}

#[test]
fn what_is_no_script_is_told_with_line_and_column() {
    let wrong =
        mismatch("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 < S 0:0(0) win 5 <wat>\n");
    assert_eq!(wrong.at.map(|at| (at.line, at.column)), Some((2, 22)));
    assert!(wrong.reason.contains("`wat`"), "{}", wrong.reason);
}

#[test]
fn what_needs_more_than_there_is_is_skipped_and_says_why() {
    let report = run("0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n");
    let Verdict::Skipped(needs) = report.verdict else { panic!("{report:?}") };
    assert!(needs.contains("needs"), "{needs}");
}

#[test]
fn the_same_script_gives_the_same_report() {
    let text = format!("{HANDSHAKE}+0 > P. 1:501(500) ack 2\n");
    assert_eq!(mismatch(&text), mismatch(&text));
    let folder = tempfile::tempdir().expect("a folder of our own");
    let path = folder.path().join("a.pkt");
    fs::write(&path, &text).expect("room for a script");
    let [first, second] = [(); 2].map(|()| run_file(&path, &Options::default()).to_json());
    assert_eq!(first, second);
    let json: serde_json::Value = serde_json::from_str(&first).expect("a line of JSON");
    assert_eq!((json["verdict"].as_str(), json["line"].as_u64()), (Some("failed"), Some(9)));
    assert!(json["trace"].as_array().is_some_and(|trace| !trace.is_empty()));
}
