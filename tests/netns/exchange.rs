//! `netmart send` and `netmart recv` over TCP, with the kernel's TCP at the other end.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::harness::{
    KERNEL_V4, Namespace, STACK_V4, Service, can_test, eventually, run, sha256, size, succeed,
};

/// `netmart recv` on port 5001, and what it says on standard error.
fn receiver(space: &Namespace, arguments: &[&str]) -> Service {
    // What it says is on standard error, and a service is listened to on standard output.
    let mut shell = space.command("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(env!("CARGO_BIN_EXE_netmart"));
    shell.args(["recv", "--wire", "tcp", "--tun", "nm0"]);
    shell.args(["--address", &format!("{STACK_V4}/24"), "--bind", &format!("{STACK_V4}:0")]);
    Service::start(shell.args(arguments))
}

fn sender(space: &Namespace, port: &str, arguments: &[&str]) -> Command {
    let mut command = space.command(env!("CARGO_BIN_EXE_netmart"));
    command.args(["send", "--wire", "tcp", "--tun", "nm0"]);
    command.args(["--address", &format!("{STACK_V4}/24"), &format!("{KERNEL_V4}:{port}")]);
    command.args(arguments);
    command
}

#[test]
fn nc_sends_and_netmart_receives() {
    if !can_test("nc_sends_and_netmart_receives", &["nc"]) {
        return;
    }
    let space = Namespace::new();
    let sum = space.fill("big", size());
    let path = space.file("received");
    let mut receiver = receiver(&space, &["-o", &path.to_string_lossy()]);
    let line = receiver.wait_for(|line| line.starts_with("listening on "));
    let port = line.trim_end_matches(" (tcp)").rsplit_once(':').expect("a port").1;
    let source = File::open(space.file("big")).expect("it is there");
    succeed(space.command("nc").args(["-N", STACK_V4, port]).stdin(source));
    assert_eq!(receiver.end(), Some(0), "{:?}", receiver.said);
    assert!(space.sum("received") == sum);
}

#[test]
fn netmart_sends_and_nc_receives() {
    if !can_test("netmart_sends_and_nc_receives", &["nc", "ss"]) {
        return;
    }
    let space = Namespace::new();
    let sum = space.fill("big", size());
    let mut nc = space.command("nc");
    let mut nc =
        nc.args(["-l", "5002"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("nc");
    let listens = || succeed(space.command("ss").args(["-Hltn", "sport = :5002"]));
    eventually(|| (!listens().is_empty()).then_some(()));
    let path = space.file("big");
    std::thread::scope(|scope| {
        let output = nc.stdout.take().expect("it was asked for");
        let received = scope.spawn(|| sha256(output));
        succeed(&mut sender(&space, "5002", &[&path.to_string_lossy()]));
        assert!(received.join().expect("it reads") == sum);
    });
    assert!(nc.wait().expect("it ends").success());
}

#[test]
fn nobody_listens_at_the_kernel() {
    if !can_test("nobody_listens_at_the_kernel", &[]) {
        return;
    }
    let space = Namespace::new();
    let output = run(sender(&space, "5003", &[]).stdin(Stdio::null()));
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told, "netmart: no connection to 10.7.0.1:5003: nobody listens there\n");
}
