//! What the documents say of the code is so.

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

/// The files below `folder` whose names end in `.suffix`.
fn files(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == suffix) {
                found.push(path);
            }
        }
    }
    found
}

/// The cells of each row of the tables in `text`, headings and rules left out.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter_map(|line| {
        Some(line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect())
    })
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_topic_of_the_stack_stands_in_the_table_of_messages_and_nothing_else() {
    let parts = files("actors/message", "rs").into_iter().map(read);
    let code: String = parts.chain([read("actors/message.rs")]).collect();
    let defined: BTreeSet<_> = code
        .lines()
        .filter_map(|line| line.strip_prefix("topic!("))
        .filter_map(|rest| {
            let (topic, rest) = rest.split_once(", \"")?;
            Some((topic, rest.split_once('"')?.0))
        })
        .collect();
    let table = read("docs/MESSAGES.md");
    let listed: Vec<_> = rows(&table)
        .filter(|cells| cells.len() == 6)
        .filter_map(|cells| Some((quoted(cells[0]).next()?, quoted(cells[1]).next()?)))
        .collect();
    assert!(defined.len() > 20, "the macro that defines topics has changed its looks");
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), defined);
    assert_eq!(listed.len(), defined.len(), "a topic is listed twice");
}

#[test]
fn every_defect_of_the_source_has_a_test_that_exists() {
    let code: String = ["actors", "bus", "proto", "src", "tests"]
        .into_iter()
        .flat_map(|folder| files(folder, "rs"))
        .map(read)
        .collect();
    let table = read("docs/LINEAGE.md");
    let rows: Vec<_> = rows(&table).filter(|cells| cells[0].parse::<u8>().is_ok()).collect();
    let numbers: Vec<u8> = rows.iter().map(|cells| cells[0].parse().expect("filtered")).collect();
    assert_eq!(numbers, (1..=28).collect::<Vec<_>>());
    for cells in rows {
        let (number, tests) = (cells[0], cells.last().expect("a row has cells"));
        assert!(quoted(tests).next().is_some(), "row {number} names no test");
        for test in quoted(tests) {
            assert!(test.contains(&format!("lineage_{number}")), "{test} is not of row {number}");
            assert!(code.contains(&format!("fn {test}()")), "there is no test {test}");
        }
    }
}

#[test]
fn every_way_in_which_an_original_goes_wrong_has_tests_that_exist() {
    let document = read("docs/WIRES.md");
    let mut wires = BTreeSet::new();
    for section in document.split("\n### `").skip(1) {
        let (wire, rest) = section.split_once("`\n").expect("the name of a wire");
        wires.insert(wire);
        let code: String =
            files(&format!("proto/wires/{wire}"), "rs").into_iter().map(read).collect();
        let code: Vec<_> = code.split("#[test]").map(str::trim_start).collect();
        let table = rest.split("\n## ").next().unwrap_or(rest);
        let rows: Vec<_> = rows(table).filter(|cells| cells.len() == 3).skip(1).collect();
        assert!(rows.len() > 10, "{wire}");
        for cells in rows {
            assert!(quoted(cells[2]).next().is_some(), "{wire}: no test for {:?}", cells[0]);
            for test in quoted(cells[2]) {
                let start = format!("fn {test}()");
                assert!(code.iter().any(|code| code.starts_with(&start)), "{wire}: no test {test}");
            }
        }
    }
    assert_eq!(wires, BTreeSet::from(["cs488", "faketcp", "quiq", "sockettcp"]));
}

/// Where a link of `text` leads, if to a file of ours.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

#[test]
fn every_link_and_every_path_in_the_documents_leads_somewhere() {
    let mut documents = files("docs", "md");
    documents.push(root().join("README.md"));
    for document in documents {
        let text = read(&document);
        let folder = document.parent().expect("a file is in a folder");
        for target in links(&text) {
            assert!(folder.join(target).exists(), "{}: {target}", document.display());
        }
        let folders = ["actors/", "bus/", "docs/", "examples/", "proto/", "src/", "tests/"];
        let paths =
            quoted(&text).filter(|quoted| folders.iter().any(|start| quoted.starts_with(start)));
        for path in paths.filter(|path| !path.contains(['*', '{', ' '])) {
            assert!(root().join(path).exists(), "{}: {path}", document.display());
        }
    }
}
