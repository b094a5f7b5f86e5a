//! `netmart bench grid`, as a process.

use std::fs;
use std::process::{Command, Output};

fn grid(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmart"));
    command.args(["bench", "grid"]).args(arguments).output().expect("the binary starts")
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = grid(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert!(!errors.contains('\r'), "no progress where nobody watches: {errors:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn fails(arguments: &[&str], status: i32, expected: &str) {
    let output = grid(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    assert!(errors.contains(expected), "{arguments:?}: {errors}");
}

const SMALL: [&str; 8] = ["--rate", "5M", "--rtt", "20", "--duration", "2s", "--seeds", "2"];

#[test]
fn the_same_command_gives_the_same_figures_however_many_threads_work() {
    let run = |jobs| succeeds(&[&SMALL[..], &["--loss", "0,2%", "--jobs", jobs]].concat());
    let table = run("1");
    assert_eq!(table, run("4"));
    for word in ["reno", "cubic", "bbr", "Goodput in Mbit/s at 5M, 20 ms", "| 2% |"] {
        assert!(table.contains(word), "{word} is missing:\n{table}");
    }
}

#[test]
fn every_measurement_is_told_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (csv, json) = (name("grid.csv"), name("grid.json"));
    let (svg, png) = (name("grid.svg"), name("grid.png"));
    let cells = ["--loss", "0,1%", "--flows", "cubic,bbr", "--flows", "reno"];
    let files = ["--csv", &csv, "--json", &json, "--plot", &svg, "--plot", &png];
    let table = succeeds(&[&SMALL[..], &cells, &files].concat());
    assert!(table.contains("Jain") && table.contains("cubic + bbr"), "{table}");
    let read = |path: &str| fs::read_to_string(path).expect("it was written");
    // Two losses, two seeds, and three flows.
    assert_eq!(read(&csv).lines().count(), 1 + 2 * 2 * 3);
    assert_eq!(read(&json).matches("\"goodput_bps\":").count(), 2 * 2 * 3);
    assert!(read(&svg).starts_with("<svg") && read(&svg).contains("5 Mbit/s, 20 ms"));
    assert!(fs::read(&png).expect("it was written").starts_with(b"\x89PNG\r\n"));
}

#[test]
fn saved_losses_are_lost_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let cell = [&SMALL[..6], &["--seeds", "1", "--controller", "cubic"]].concat();
    let saved = succeeds(&[&cell[..], &["--loss", "2%", "--save-pattern", path]].concat());
    let files: Vec<_> = fs::read_dir(path).expect("a folder").flatten().collect();
    assert_eq!(files.len(), 1);
    let pattern = files[0].path();
    let again = succeeds(&[&cell[..], &["--pattern", pattern.to_str().expect("text")]].concat());
    let goodput = |table: &str| {
        let row = table.lines().nth(2).expect("a row").split('|').nth(7).map(str::trim);
        row.expect("a column").to_owned()
    };
    assert_eq!(goodput(&saved), goodput(&again));
}

#[test]
fn samples_show_the_window_of_one_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cwnd.csv");
    let samples = format!("100ms:{}", file.display());
    let cell = [&SMALL[..6], &["--seeds", "1", "--controller", "cubic", "--loss", "0"]].concat();
    succeeds(&[&cell[..], &["--samples", &samples]].concat());
    let lines = fs::read_to_string(file).expect("it was written").lines().count();
    assert!((20..=22).contains(&lines), "two seconds, ten a second: {lines}");
    fails(&[&SMALL[..], &["--samples", &samples]].concat(), 1, "one cell and one seed");
}

#[test]
fn what_makes_no_sense_is_refused() {
    fails(&["--loss", "100"], 2, "nothing would arrive");
    fails(&["--controller", "vegas"], 2, "expected one of reno, cubic, bbr");
    fails(&["--burst", "0.5"], 2, "a number of packets");
    fails(&["--samples", "10ms"], 2, "TIME:FILE");
    fails(&["--duration", "0s"], 1, "has to last");
    fails(&["--plot", "grid.gif"], 2, "ends in .svg or .png");
    fails(&["--csv", "/no/such/folder/file"], 1, "/no/such/folder/file");
    fails(&["--pattern", "/no/such/pattern"], 1, "/no/such/pattern");
    fails(&["--kernel", "--rtt", "1,50,100", "--loss", "0,1,2"], 1, "at most 12 cells");
}
