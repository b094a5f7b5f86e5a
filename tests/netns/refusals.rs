//! What cannot be done is said in one line.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use crate::harness::{KERNEL_V4, Namespace, Service, can_test, run, succeed};

fn netmart(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmart"));
    command.args(args);
    command
}

/// The one line on standard error, if it failed with `status`.
#[track_caller]
fn complaint(output: &Output, status: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("netmart: "), "{said}");
    said
}

#[track_caller]
fn refused(args: &[&str], expected: &str) {
    let said = complaint(&run(&mut netmart(args)), 1);
    assert!(said.contains(expected), "{said:?} does not contain {expected:?}");
}

#[test]
fn arguments_that_make_no_sense() {
    let up = ["up", "--tun", "nm0", "--address"];
    let with = |args: &[&'static str]| [&up[..], args].concat();
    refused(&with(&["10.7.0.2"]), "write 10.7.0.2/24");
    refused(&with(&["10.7.0.2/40"]), "no address with a prefix");
    refused(&with(&["10.7.0.2/32"]), "--host-address");
    refused(&with(&["fd00::1/128"]), "--host-address");
    refused(&with(&["10.7.0.2/24", "--echo", "7", "--chat", "7"]), "port 7 is given twice");
    refused(&with(&["10.7.0.2/24", "--http", "80=/no/such/place"]), "/no/such/place");
    let get = ["get", "--tun", "nm0", "--address", "10.7.0.2/24"];
    refused(&[&get[..], &["https://example.com/"]].concat(), "TLS is not supported");
    refused(&[&get[..], &["example.com"]].concat(), "did you mean http://example.com ?");
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    for args in [
        &["up"][..],
        &["up", "--tun", "nm0", "--address", "10.7.0.2/24", "--echo", "x"],
        &["up", "--tun", "nm0", "--address", "10.7.0.2/24", "--echo", "0"],
        &["up", "--tun", "nm0", "--address", "10.7.0.2/24", "--writable"],
        &["get", "--tun", "nm0", "--address", "10.7.0.2/24"],
    ] {
        assert_eq!(run(&mut netmart(args)).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn who_may_not_is_told_so() {
    if !can_test("who_may_not_is_told_so", &[]) {
        return;
    }
    // The binary may lie where only root gets: a copy does not.
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(folder.path(), open_to_all()).expect("opened");
    let copy = folder.path().join("netmart");
    std::fs::copy(env!("CARGO_BIN_EXE_netmart"), &copy).expect("copied");
    let mut command = Command::new(copy);
    command.args(["up", "--tun", "nm0", "--address", "10.7.0.2/24"]).uid(65_534).gid(65_534);
    let said = complaint(&run(&mut command), 1);
    assert!(said.contains("no permission"), "{said}");
}

fn open_to_all() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o755)
}

#[test]
fn a_name_that_is_taken() {
    if !can_test("a_name_that_is_taken", &[]) {
        return;
    }
    let space = Namespace::new();
    succeed(space.command("ip").args(["tuntap", "add", "nm0", "mode", "tun"]));
    let said = complaint(&run(&mut space.netmart("up")), 1);
    assert!(said.contains("nm0 exists already"), "{said}");
}

#[test]
fn a_server_that_is_not_there_or_has_no_such_file() {
    if !can_test("a_server_that_is_not_there_or_has_no_such_file", &["python3"]) {
        return;
    }
    let space = Namespace::new();
    let get = |url: &str| {
        let output = run(space.netmart("get").arg(url).arg("-o").arg(space.file("fetched")));
        assert_eq!(
            std::fs::read_dir(space.files.path()).expect("there").count(),
            0,
            "nothing is left"
        );
        complaint(&output, 1)
    };
    let said = get(&format!("http://{KERNEL_V4}:8000/"));
    assert!(said.contains("refused"), "{said}");
    let mut server = space.command("python3");
    server.args(["-u", "-m", "http.server", "--bind", "0.0.0.0", "8000", "--directory"]);
    let mut server = Service::start(server.arg(space.files.path()).stderr(Stdio::null()));
    server.wait_for(|line| line.starts_with("Serving"));
    let said = get(&format!("http://{KERNEL_V4}:8000/none"));
    assert!(said.contains("404"), "{said}");
}
