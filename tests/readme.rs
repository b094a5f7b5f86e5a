//! What the README says to type can be typed.
//!
//! Its program is compiled and run as a documentation test; here are its commands. Those of the stack's own
//! program are read by that program; the `--help` behind them keeps it from doing what they say.

#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of the blocks that are to be typed into a shell.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let mut is_shell = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_shell = language == "sh",
            None if is_shell => commands.push(line.to_owned()),
            None => {}
        }
    }
    commands
}

/// Runs the stack's program, with standard output and error as one text.
fn netmart(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_netmart"))
        .args(arguments)
        .output()
        .expect("the program has been built");
    let [said, complained] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.success(), said + &complained)
}

/// Whether the words of a command are known: to this program, to cargo, or by name.
fn check(command: &str) {
    let words: Vec<_> = command.split_whitespace().skip_while(|word| *word == "sudo").collect();
    match words.as_slice() {
        ["cargo", "run", "--release", "--", arguments @ ..]
        | ["target/release/netmart", arguments @ ..] => {
            let (understood, answer) = netmart(&[arguments, &["--help"]].concat());
            assert!(understood && answer.contains("Usage:"), "{command}:\n{answer}");
        }
        ["cargo", "run", "--example", example] => {
            let source = root().join("examples").join(example).with_extension("rs");
            assert!(source.exists(), "{command}: there is no {}", source.display());
        }
        ["cargo", "build", "--release"] | ["cargo", "test", "--workspace"] => {}
        ["python3", "-m", "http.server", _port] => {}
        _ => panic!("nobody checks this command of the README: {command}"),
    }
}

#[test]
fn every_command_is_understood() {
    let commands = commands();
    assert!(commands.len() >= 8, "the blocks of commands were not found: {commands:?}");
    commands.iter().for_each(|command| check(command));
}

#[test]
fn a_command_with_a_flag_that_does_not_exist_is_not_understood() {
    assert!(!netmart(&["demo", "--no-such-flag", "--help"]).0);
}

#[test]
fn the_first_command_does_what_it_says() {
    let (done, said) = netmart(&["demo", "--size", "256KiB"]);
    assert!(done, "{said}");
}
