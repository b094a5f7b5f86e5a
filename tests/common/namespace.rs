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
        let mtu = mtu.to_string();
        let up = Command::new("ip").args(["link", "set", "lo", "up", "mtu", &mtu]).status();
        match up {
            Ok(status) if status.success() => test(),
            other => eprintln!("skipped: no loopback interface ({other:?})"),
        }
    });
    ran.join().expect("the test passes");
}
