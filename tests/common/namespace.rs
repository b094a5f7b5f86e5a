//! Loopback interfaces with an MTU of their own: network namespaces of one thread, which takes root.

use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};

/// Calls `test` on a thread in a network namespace of its own, whose loopback interface carries `mtu` octets;
/// stacks started there are in it as well. Without the right to make one, says so and does nothing.
pub(crate) fn with_mtu(mtu: u16, test: impl FnOnce() + Send + 'static) {
    let ran = thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: no network namespace of its own ({error}); run as root");
            return;
        }
        if run("ip", &["link", "set", "lo", "up", "mtu", &mtu.to_string()]) {
            test();
        }
    });
    ran.join().expect("the test passes");
}

/// Makes the loopback interface of the namespace so slow that senders have to wait; whether it could.
pub(crate) fn slow_down() -> bool {
    let queue = ["rate", "50mbit", "burst", "5000", "limit", "100000000"];
    run("tc", &[&["qdisc", "add", "dev", "lo", "root", "tbf"][..], &queue].concat())
}

fn run(program: &str, args: &[&str]) -> bool {
    match Command::new(program).args(args).status() {
        Ok(status) if status.success() => true,
        other => {
            eprintln!("skipped: {program} {args:?}: {other:?}");
            false
        }
    }
}
