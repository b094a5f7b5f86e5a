//! What `docs/RFC.md` says of requirements is so: none is left out, what is named exists, and what is
//! done has a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of the tree whose names end in `.rs`, those of build directories left out.
fn sources() -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        ["actors", "bus", "proto", "src", "tests"].map(|folder| root().join(folder)).into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The names of all functions that are marked as tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in sources() {
        let text = read(path);
        for behind in text.split("#[test]").skip(1) {
            let head = behind.split_once("fn ").map_or("", |(attributes, rest)| {
                let is_next = attributes.lines().all(|line| {
                    let line = line.trim();
                    line.is_empty() || line.starts_with("#[") || line.starts_with("//")
                });
                if is_next { rest } else { "" }
            });
            if let Some((name, _)) = head.split_once('(') {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of each row of the tables in `text` whose first cell passes `wanted`.
fn rows(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<&str>> {
    text.lines()
        .filter_map(|line| {
            Some(line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect())
        })
        .filter(|cells: &Vec<&str>| wanted(cells[0]))
        .collect()
}

/// Whether the text of a file has `name` as a word of its own.
fn has_word(text: &str, name: &str) -> bool {
    let is_part =
        |part: Option<char>| part.is_some_and(|part| part.is_alphanumeric() || part == '_');
    text.match_indices(name).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + name.len()..].chars().next())
    })
}

/// Each code cell names files, and after each what in it to look at.
fn assert_code_exists(id: &str, cell: &str) {
    let mut file: Option<String> = None;
    for name in quoted(cell) {
        if name.ends_with(".rs") {
            file = Some(read(name));
        } else {
            let text = file.as_ref().unwrap_or_else(|| panic!("{id}: {name} in which file?"));
            assert!(has_word(text, name), "{id}: there is no {name} in the file named before it");
        }
    }
    assert!(file.is_some(), "{id} names no file");
}

/// Each test cell names functions that are tests, or scripts.
fn assert_tests_exist(id: &str, cell: &str, tests: &BTreeSet<String>) {
    let mut named = 0;
    for name in quoted(cell) {
        named += 1;
        let is_script = name.starts_with("tests/scripts/") && root().join(name).exists();
        assert!(is_script || tests.contains(name), "{id}: there is no test {name}");
    }
    assert!(named > 0, "{id} is done, and nothing shows it");
}

/// What a status cell says.
#[derive(PartialEq)]
enum Status {
    Done,
    Partly,
    Not,
}

fn status(id: &str, cell: &str) -> Status {
    let (word, reason) = cell.split_once(": ").unwrap_or((cell, ""));
    let has_reason = reason.len() > 10;
    match word {
        "done" => Status::Done,
        "partly" if has_reason => Status::Partly,
        "not" if has_reason => Status::Not,
        _ => panic!("{id}: {cell:?} is neither done nor open with a reason"),
    }
}

#[test]
fn every_numbered_requirement_of_rfc_9293_is_listed_once_and_what_is_named_exists() {
    let document = read("docs/RFC.md");
    let numbers = ["MUST-", "SHLD-", "MAY-", "REC-"];
    let rows = rows(&document, |id| numbers.iter().any(|prefix| id.starts_with(prefix)));
    let expected: BTreeSet<String> = [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)]
        .into_iter()
        .flat_map(|(kind, last)| (1..=last).map(move |number| format!("{kind}-{number}")))
        .collect();
    let listed: BTreeSet<String> = rows.iter().map(|cells| cells[0].to_owned()).collect();
    assert_eq!(listed, expected);
    assert_eq!(rows.len(), expected.len(), "one is listed twice");
    let tests = tests();
    assert!(tests.len() > 400, "only {} tests were found", tests.len());
    for cells in rows {
        let [id, what, state, code, shown] = cells[..] else {
            panic!("{}: {} cells", cells[0], cells.len());
        };
        assert!(!what.is_empty(), "{id}: says nothing");
        let state = status(id, state);
        if state == Status::Not {
            assert!(!id.starts_with("MUST"), "{id} is open");
            continue;
        }
        assert!(state == Status::Done || !id.starts_with("MUST"), "{id} is open in part");
        assert_code_exists(id, code);
        assert_tests_exist(id, shown, &tests);
    }
}

#[test]
fn what_is_named_for_other_rfcs_exists() {
    let document = read("docs/RFC.md");
    let is_number =
        |cell: &str| !cell.is_empty() && cell.bytes().all(|octet| octet.is_ascii_digit());
    let rows = rows(&document, is_number);
    assert!(rows.len() > 30, "only {} are listed", rows.len());
    let tests = tests();
    for cells in rows {
        let [id, what, state, code, shown] = cells[..] else {
            panic!("RFC {}: {} cells", cells[0], cells.len());
        };
        assert!(!what.is_empty(), "{id}: says nothing");
        if status(id, state) != Status::Not {
            assert_code_exists(id, code);
            assert_tests_exist(id, shown, &tests);
        }
    }
}
