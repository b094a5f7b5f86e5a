//! `netmart demo` and `netmart trace show`, as processes.

use std::path::Path;
use std::process::{Command, Output};

fn netmart(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmart"));
    command.args(arguments).output().expect("the binary starts")
}

fn words(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).expect("the output is text")
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = netmart(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", words(&output.stderr));
    words(&output.stdout)
}

/// Ends with `status` and one line on standard error, which has `expected`.
#[track_caller]
fn fails(arguments: &[&str], status: i32, expected: &str) {
    let output = netmart(arguments);
    let errors = words(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    assert!(errors.contains(expected), "{arguments:?}: {errors}");
    if status == 1 {
        assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

const SMALL: [&str; 9] =
    ["demo", "--size", "200k", "--loss", "5%", "--delay", "5ms", "--rate", "20Mbit"];

#[test]
fn a_seed_always_gives_the_same_words_and_the_same_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, seed| {
        let file = folder.path().join(name);
        let arguments = [&SMALL[..], &["--seed", seed, "--trace", path(&file)]].concat();
        (succeeds(&arguments), std::fs::read(&file).expect("the trace is there"))
    };
    let (first, second, other) = (run("first", "3"), run("second", "3"), run("other", "4"));
    assert!(first == second, "two runs with one seed differ");
    assert_ne!(first.1, other.1);
    assert!(first.0.contains("as sent"), "{}", first.0);
}

/// What a demo over `wire` says, and the trace that it records.
fn over(wire: &str, seed: &str) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let link = ["--size", "8k", "--loss", "5%", "--delay", "5ms", "--rate", "20Mbit"];
    let arguments = ["demo", "--wire", wire, "--seed", seed, "--trace", path(&file)];
    let told = succeeds(&[&arguments[..], &link].concat());
    (told, std::fs::read(&file).expect("the trace is there"))
}

#[test]
fn the_demo_runs_over_every_wire_and_a_seed_means_the_same_events() {
    for wire in ["tcp", "faketcp", "cs488", "sockettcp", "quiq"] {
        let (first, second, other) = (over(wire, "3"), over(wire, "3"), over(wire, "4"));
        assert!(first == second, "{wire}: two runs with one seed differ");
        assert_ne!(first.1, other.1, "{wire}");
        let (told, _) = first;
        assert!(told.contains("8000 octets") && told.contains("as sent"), "{wire}: {told}");
        let (begins, ends) = told.split_once("The connection ends").expect("two scenes");
        for scene in [begins, ends] {
            assert!(scene.contains('▶') && scene.contains('◀'), "{wire}: {scene}");
        }
        assert!(told.lines().all(|line| line.chars().count() <= 140), "{wire}: {told}");
    }
}

#[test]
fn the_demo_tells_its_figures_and_draws_both_scenes() {
    let told = succeeds(&SMALL);
    for expected in ["SHA-256", "goodput", "sent again", "round trip", "windows", "bus events"] {
        assert!(told.contains(expected), "{expected} is missing:\n{told}");
    }
    let (begins, ends) = told.split_once("The connection ends").expect("two scenes");
    for label in ["SYN", "SYN ACK", "spawns state vector", "PSH ACK"] {
        assert!(begins.contains(label), "{label} is missing:\n{begins}");
    }
    assert!(ends.matches("FIN").count() >= 4, "a FIN leaves and arrives on each side:\n{ends}");
    assert!(ends.contains('╳'), "actors end:\n{ends}");
    assert!(told.lines().all(|line| line.chars().count() <= 120), "{told}");
}

#[test]
fn sizes_of_nothing_and_links_without_delay_are_no_special_cases() {
    assert!(succeeds(&["demo", "--size", "0"]).contains("0 octets"));
    assert!(
        succeeds(&["demo", "--size", "100k", "--delay", "0ms", "--loss", "0%"]).contains("as sent")
    );
}

#[test]
fn the_wrong_words_are_told_apart_from_a_failure() {
    fails(&["demo", "--size", "much"], 2, "a size such as 16MiB");
    fails(&["demo", "--loss", "0.02"], 2, "a percentage from 0% to 100%");
    fails(&["demo", "--delay", "20"], 2, "a duration such as 20ms");
    fails(&["demo", "--rate", "0bit"], 2, "nothing passes");
    fails(&["demo", "--wire", "sctp"], 2, "tcp, faketcp, cs488, sockettcp, quiq");
    fails(&["demo", "--colour"], 2, "--colour");
    fails(&["trace", "show", "x", "--kind", "sent"], 2, "expected one of: send, unmatched");
    fails(&["nonsense"], 2, "nonsense");
    fails(&["trace", "show", "/nonexistent/trace"], 1, "/nonexistent/trace: No such file");
    fails(&["demo", "--trace", "/nonexistent/trace"], 1, "/nonexistent/trace: No such file");
    fails(&["demo", "--loss", "100%"], 1, "no connection");
}

#[test]
fn a_capture_of_the_demo_has_both_ends_of_the_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("demo.pcapng");
    succeeds(&[&SMALL[..], &["--pcap", path(&file)]].concat());
    let octets = std::fs::read(&file).expect("the capture is there");
    let mut reader = pcap_file::pcapng::PcapNgReader::new(&octets[..]).expect("a pcapng file");
    let mut packets = [0u32; 2];
    while let Some(block) = reader.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.expect("a whole block") {
            packets[packet.interface_id as usize] += 1;
        }
    }
    assert!(packets.iter().all(|count| *count > 100), "{packets:?}");
}

/// A trace of the small demo, and its path.
fn recorded() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = path(&folder.path().join("demo.trace")).to_owned();
    succeeds(&[&SMALL[..], &["--trace", &file]].concat());
    (folder, file)
}

#[test]
fn show_selects_and_limits() {
    let (_folder, file) = recorded();
    let show = |more: &[&str]| succeeds(&[&["trace", "show", &file], more].concat());
    let all = show(&[]);
    assert!(all.lines().count() > 1_000);
    assert_eq!(show(&["--limit", "7"]).lines().count(), 7);

    let segments = show(&["--topic", "segments-out", "--place", "server"]);
    assert!(segments.lines().all(|line| line.contains("server") && line.contains("segments-out")));
    assert!(segments.contains("state vector ["), "{segments}");

    let stops = show(&["--kind", "stop", "--actor", "session"]);
    assert_eq!(stops.lines().count(), 1, "{stops}");

    let of_port = show(&["--connection", "80", "--topic", "segments-in"]);
    assert!(!of_port.is_empty() && of_port.lines().all(|line| line.contains(":80")));
    assert_eq!(show(&["--connection", "81"]), "");

    let late = show(&["--from", "20ms", "--to", "0.030"]);
    let times = late.lines().map(|line| line[..11].trim().parse::<f64>().expect("a time"));
    assert!(times.into_iter().all(|time| (0.020..=0.030).contains(&time)), "{late}");
}

#[test]
fn the_causes_of_a_segment_lead_back_to_what_came_in() {
    let (_folder, file) = recorded();
    let show =
        |more: &[&str]| succeeds(&[&["trace", "show", &file, "--place", "server"], more].concat());
    let answer = show(&["--topic", "segments-out", "--kind", "send", "--limit", "1"]);
    let id = answer.split_whitespace().nth(2).expect("an event has a number");
    let chain = show(&["--causes", id]);
    let topics = ["inject      arrival", "packets-in", "datagrams-in", "spawn", "segments-out"];
    let mut rest = &chain[..];
    for topic in topics {
        let at = rest.find(topic).unwrap_or_else(|| panic!("{topic} is missing or late:\n{chain}"));
        rest = &rest[at..];
    }
    fails(&["trace", "show", &file, "--causes", "999999999"], 1, "no event #999999999");
}

#[test]
fn a_chart_of_a_trace_has_the_columns_asked_for() {
    let (_folder, file) = recorded();
    let chart = |more: &[&str]| {
        succeeds(&[&["trace", "show", &file, "--chart", "--limit", "20"], more].concat())
    };
    let named = chart(&["--actor", "client/relay", "--actor", "client/state vector"]);
    assert!(named.contains("relay") && named.contains('▶'), "{named}");
    assert!(!named.contains("codec"), "{named}");
    assert!(chart(&["--topic", "segments-out"]).contains("codec"));
    fails(&["trace", "show", &file, "--chart", "--topic", "nothing"], 1, "no messages to draw");
}

#[test]
fn a_file_that_was_cut_is_shown_as_far_as_it_goes() {
    let (folder, file) = recorded();
    let octets = std::fs::read(&file).expect("the trace is there");
    let cut = folder.path().join("cut.trace");
    std::fs::write(&cut, &octets[..octets.len() / 2]).expect("room for a file");
    let output = netmart(&["trace", "show", path(&cut)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output.stderr).contains("is cut off"), "{}", words(&output.stderr));
    let whole = succeeds(&["trace", "show", &file]);
    let part = words(&output.stdout);
    assert!(part.lines().count() > 100 && whole.starts_with(&part), "a part is a beginning");
}

#[test]
fn whoever_reads_may_leave_early() {
    let (_folder, file) = recorded();
    let mut show = Command::new(env!("CARGO_BIN_EXE_netmart"))
        .args(["trace", "show", &file])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(show.stdout.take());
    let output = show.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", words(&output.stderr));
    assert!(output.stderr.is_empty());
}

#[test]
fn help_teaches_by_example() {
    for arguments in [&["--help"][..], &["demo", "--help"], &["trace", "show", "--help"]] {
        assert!(succeeds(arguments).contains("Examples:"), "{arguments:?}");
    }
}
