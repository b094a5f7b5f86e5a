//! Large transfers in both directions: every octet arrives, in its place.

use std::fs::File;
use std::process::Stdio;

use crate::harness::{
    KERNEL_V4, Namespace, STACK_V4, STACK_V6, Service, can_test, eventually, sha256, size, succeed,
};

/// With super-segments and without.
const MODES: [&[&str]; 2] = [&[], &["--no-offload"]];

#[test]
fn curl_downloads_and_uploads() {
    if !can_test("curl_downloads_and_uploads", &["curl"]) {
        return;
    }
    for mode in MODES {
        let space = Namespace::new();
        let sum = space.fill("big", size());
        let shared = format!("80={}", space.files.path().display());
        let up = space.up(&[mode, &["--http", &shared, "--writable"]].concat());
        let curl = |args: &[&str]| {
            succeed(space.command("curl").args(["-sS", "--fail", "--max-time", "600"]).args(args))
        };
        let downloaded = space.file("downloaded");
        curl(&["-o", &downloaded.to_string_lossy(), &format!("http://{STACK_V4}/big")]);
        assert!(space.sum("downloaded") == sum, "downloaded, {mode:?}");

        let source = space.file("big");
        curl(&["-T", &source.to_string_lossy(), &format!("http://[{STACK_V6}]/uploaded")]);
        assert!(space.sum("uploaded") == sum, "uploaded, {mode:?}");

        let range = format!("{}-", size() - 1_000);
        curl(&[
            "-r",
            &range,
            "-o",
            &downloaded.to_string_lossy(),
            &format!("http://{STACK_V4}/big"),
        ]);
        let big = std::fs::read(source).expect("it is there");
        let part = std::fs::read(downloaded).expect("it is there");
        assert!(part == big[size() - 1_000..], "a part, {mode:?}");
        up.stop();
    }
}

#[test]
fn nc_sends_and_says_when_it_has_sent_all() {
    if !can_test("nc_sends_and_says_when_it_has_sent_all", &["nc"]) {
        return;
    }
    for mode in MODES {
        let space = Namespace::new();
        let sum = space.fill("big", size());
        let mut up = space.up(&[mode, &["--discard", "9", "--echo", "7"]].concat());
        let source = || File::open(space.file("big")).expect("it is there");

        succeed(space.command("nc").args(["-N", STACK_V4, "9"]).stdin(source()));
        let line = up.wait_for(|line| line.starts_with("discard "));
        let told = format!(": {} octets, sha256 {sum}", size());
        assert!(line.ends_with(&told), "{line}, and not {told}, {mode:?}");

        let mut nc = space.command("nc");
        nc.args(["-N", STACK_V6, "7"]).stdin(source()).stdout(Stdio::piped());
        let mut nc = nc.spawn().expect("nc runs");
        let echoed = sha256(nc.stdout.take().expect("it was asked for"));
        assert!(nc.wait().expect("it ends").success());
        assert!(echoed == sum, "echoed, {mode:?}");
        up.stop();
    }
}

#[test]
fn netmart_gets_from_a_server_of_the_kernel() {
    if !can_test("netmart_gets_from_a_server_of_the_kernel", &["python3"]) {
        return;
    }
    for mode in MODES {
        let space = Namespace::new();
        let sum = space.fill("big", size());
        std::fs::create_dir(space.file("folder")).expect("created");
        let mut server = space.command("python3");
        server.args(["-u", "-m", "http.server", "--bind", "::", "8000", "--directory"]);
        let mut server = Service::start(server.arg(space.files.path()).stderr(Stdio::null()));
        server.wait_for(|line| line.starts_with("Serving"));

        let get = |url: &str, file: &str| {
            // The device of the get before may take a moment to go.
            succeed(space.netmart("get").args(mode).arg(url).arg("-o").arg(space.file(file)));
        };
        get(&format!("http://{KERNEL_V4}:8000/big"), "fetched");
        assert!(space.sum("fetched") == sum, "fetched, {mode:?}");
        get("http://[fd00:7::1]:8000/folder", "listing");
        let listing = std::fs::read_to_string(space.file("listing")).expect("text");
        assert!(listing.contains("folder"), "the redirection was followed: {listing}");
    }
}

#[test]
fn a_thousand_connections_at_once() {
    if !can_test("a_thousand_connections_at_once", &["wrk"]) {
        return;
    }
    let space = Namespace::new();
    space.fill("page", 2_000);
    let shared = format!("80={}", space.files.path().display());
    let up = space.up(&["--http", &shared]);
    // How long it takes to answer them all depends on the machine.
    let seconds = [3, 15, 75, 375];
    let answered = seconds.into_iter().any(|seconds| {
        let wrk = format!(
            "ulimit -n 4096; exec wrk -c 1000 -t 2 -d {seconds} --timeout 600 http://{STACK_V4}/page"
        );
        let report = succeed(space.command("sh").args(["-c", &wrk]));
        assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
        let requests = report.lines().find_map(|line| line.split_once(" requests in "));
        let requests: u32 = requests.expect("a report").0.trim().parse().expect("a number");
        requests >= 1_000
    });
    assert!(answered, "a thousand requests take longer than {seconds:?} seconds");
    eventually(|| {
        let left = succeed(space.command("ss").args(["-Htn", "state", "established"]));
        left.is_empty().then_some(())
    });
    up.stop();
}
