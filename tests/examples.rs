//! Every example runs to its end by itself, and stands in the README.
//!
//! `cargo test` builds the examples before it runs this; with `--test examples` alone it does not.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the examples, from the files that they are in.
fn examples() -> BTreeSet<String> {
    let folder = fs::read_dir(root().join("examples")).expect("there are examples");
    let paths = folder.map(|entry| entry.expect("it can be listed").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

/// Where cargo puts the program of an example: beside the folder that this test is in.
fn program(example: &str) -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("it is in a folder of its profile");
    profile.join("examples").join(example).with_extension(env::consts::EXE_EXTENSION)
}

#[test]
fn every_example_runs_to_its_end() {
    for example in examples() {
        let program = program(&example);
        assert!(program.exists(), "run `cargo build --examples` first: no {}", program.display());
        let output = Command::new(&program).output().expect("it can be started");
        let [said, complained] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{example}: {}\n{said}{complained}", output.status);
        assert!(!said.is_empty(), "{example} shows nothing");
        assert_eq!(complained, "", "{example} complains");
    }
}

#[test]
fn an_example_that_fails_says_so() {
    let output = Command::new(program("fetch"))
        .arg("http://10.0.0.2/there/is/no/such/page")
        .output()
        .expect("it can be started; run `cargo build --examples` first");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("404"));
}

#[test]
fn every_example_stands_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    for example in examples() {
        assert!(readme.contains(&format!("`{example}`")), "{example} is missing");
    }
}
