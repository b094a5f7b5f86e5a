//! The four rings hold: who may depend on whom, and what the inner rings must not touch.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// What an inner ring may depend on, for anything but its tests. Who adds to this makes a decision.
const ALLOWED: [(&str, &[&str]); 3] = [
    ("proto", &["bytes", "fearless_simd", "rand_xoshiro", "siphasher", "smallvec", "thiserror"]),
    ("bus", &["foldhash", "hashbrown", "slab", "smallvec"]),
    (
        "actors",
        &[
            "bytes",
            "foldhash",
            "hashbrown",
            "netmart-bus",
            "netmart-proto",
            "rand",
            "smallvec",
            "thiserror",
            "tracing",
        ],
    ),
];

/// What reaches around the manifests: clocks, threads, sockets and files of the standard library, and
/// runtimes by whatever way they came in.
const FORBIDDEN: [&str; 16] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "Instant::now",
    "SystemTime",
    "actix::",
    "async fn",
    "futures",
    "tokio::",
];

const MOST_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The Rust files below `folder`, those of build directories left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the tree").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && !name.as_encoded_bytes().starts_with(b".") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Whether the file is a test or a bench, which may use what its ring may not.
fn is_check(path: &Path) -> bool {
    let below = path.strip_prefix(root()).unwrap_or(path);
    below.components().any(|part| {
        let part = part.as_os_str();
        part == "tests" || part == "benches" || part == "tests.rs"
    })
}

/// The lines of a file that are code and no test.
fn code(path: &Path) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let own = text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned();
    let lines: Vec<_> = own.lines().map(str::trim).map(str::to_owned).collect();
    lines.into_iter().filter(|line| !line.starts_with("//"))
}

#[test]
fn inner_rings_depend_on_little() {
    for (ring, allowed) in ALLOWED {
        let manifest = manifest(ring);
        assert!(!manifest.contains_key("target"), "{ring}: dependencies of some platforms only");
        assert!(!manifest.contains_key("build-dependencies"), "{ring}: a build script");
        let dependencies = manifest["dependencies"].as_table().expect("a table");
        for name in dependencies.keys() {
            assert!(allowed.contains(&name.as_str()), "{ring} depends on {name}");
        }
    }
}

#[test]
fn inner_rings_have_no_clock_thread_socket_or_runtime() {
    let mut looked_at = 0;
    for (ring, _) in ALLOWED {
        for path in sources(&root().join(ring)).into_iter().filter(|path| !is_check(path)) {
            looked_at += 1;
            for line in code(&path) {
                let found = FORBIDDEN.iter().find(|word| line.contains(**word));
                assert!(found.is_none(), "{}: {found:?} in {line:?}", path.display());
            }
        }
    }
    assert!(looked_at > 50, "only {looked_at} files were found");
}

#[test]
fn every_package_keeps_the_lints_of_the_workspace() {
    let workspace = manifest(".");
    let members = workspace["workspace"]["members"].as_array().expect("a list");
    for folder in members.iter().filter_map(|member| member.as_str()).chain(["."]) {
        let lints = manifest(folder)["lints"]["workspace"].as_bool();
        assert_eq!(lints, Some(true), "{folder}");
    }
    let rust = &workspace["workspace"]["lints"]["rust"];
    assert_eq!(rust["unsafe_code"].as_str(), Some("forbid"));
    assert_eq!(rust["missing_docs"].as_str(), Some("warn"));
}

#[test]
fn a_panic_can_be_contained() {
    let workspace = manifest(".");
    for (name, profile) in workspace["profile"].as_table().expect("profiles") {
        let is_aborting =
            profile.get("panic").is_some_and(|panic| panic.as_str() != Some("unwind"));
        assert!(!is_aborting, "profile {name}");
    }
}

#[test]
fn every_file_has_one_subject() {
    for path in sources(root()) {
        let lines = fs::read_to_string(&path).expect("text").lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

/// The names of wires in code, as words.
fn wires_named(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["faketcp", "cs488", "sockettcp", "quiq"].iter().any(|name| line.contains(name))
}

/// The rows of the table in `docs/WIRES.md` whose heading is `| file | second |`.
fn table(second: &str) -> Vec<(String, String)> {
    let document = fs::read_to_string(root().join("docs/WIRES.md")).expect("a document");
    let heading = format!("| file | {second} |\n|---|---|\n");
    let (_, rest) = document.split_once(&heading).expect("the table");
    let rows = rest.lines().map_while(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(file, cell)| (file.to_owned(), cell.trim_end_matches(" |").to_owned())).collect()
}

#[test]
fn no_code_names_a_single_wire_but_where_the_document_says() {
    let mut named = BTreeSet::new();
    for folder in ["actors", "bus", "proto", "src"] {
        for path in sources(&root().join(folder)).into_iter().filter(|path| !is_check(path)) {
            let file = path.strip_prefix(root()).expect("below").to_string_lossy().into_owned();
            let is_own = ["faketcp", "cs488", "sockettcp", "quiq"]
                .iter()
                .any(|wire| file.starts_with(&format!("proto/wires/{wire}/")));
            if !is_own
                && !file.starts_with("src/wires/")
                && code(&path).any(|line| wires_named(&line))
            {
                named.insert(file);
            }
        }
    }
    let told: BTreeSet<_> = table("because").into_iter().map(|(file, _)| file).collect();
    let registered = ["proto/wires/mod.rs", "proto/wires/registry.rs"].map(str::to_owned);
    assert_eq!(named, told.into_iter().chain(registered).collect());
}

/// As one wire shows: a line of registration, one for the module, one in each list of tests, and its own files.
#[test]
fn a_wire_is_added_by_what_the_document_says() {
    let rows = table("lines");
    let own: BTreeSet<_> = sources(&root().join("proto/wires/sockettcp"))
        .into_iter()
        .map(|path| path.strip_prefix(root()).expect("below").to_string_lossy().into_owned())
        .collect();
    let (inside, outside): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(file, _)| own.contains(file));
    assert_eq!(inside.len(), own.len(), "of the files of the wire one is missing, or there twice");
    for (file, lines) in inside {
        let told: usize = lines.parse().expect("a number");
        let text = fs::read_to_string(root().join(&file)).expect("it is there");
        let is_about_right = text.lines().count().abs_diff(told) <= told / 5 + 5;
        assert!(is_about_right, "{file} has {} lines", text.lines().count());
    }
    for (file, lines) in &outside {
        let told: usize = lines.parse().expect("a number");
        let text = fs::read_to_string(root().join(file)).expect("it is there");
        let lines = text.lines().map(str::to_ascii_lowercase);
        let names = |line: &String| line.contains("sockettcp") && !line.trim().starts_with("//");
        let count = lines.filter(names).count();
        assert!((1..=told).contains(&count), "{file} names it {count} times");
    }
    let code = outside.iter().filter(|(file, _)| !is_check(&root().join(file)));
    let code: BTreeSet<_> = code.map(|(file, lines)| (file.as_str(), lines.as_str())).collect();
    let registration = [("proto/wires/mod.rs", "1"), ("proto/wires/registry.rs", "1")];
    assert_eq!(code, registration.into(), "one line of code each, and no other file");
}
