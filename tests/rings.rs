//! The four rings hold: who may depend on whom, and what the inner rings must not touch.

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
