//! A network namespace with the kernel in it, and `netmart` beside the kernel.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The most that anything here may take. It is reached only by what will never come.
const PATIENCE: Duration = Duration::from_secs(600);

/// The stack's addresses, and the kernel's, which netmart chooses.
pub const STACK_V4: &str = "10.7.0.2";
pub const STACK_V6: &str = "fd00:7::2";
pub const KERNEL_V4: &str = "10.7.0.1";

/// Octets of a large transfer: `NETMART_TEST_MIB` MiB, 16 if it is not set.
pub fn size() -> usize {
    let mib = std::env::var("NETMART_TEST_MIB").ok().map(|text| text.parse::<usize>());
    mib.unwrap_or(Ok(16)).expect("NETMART_TEST_MIB is a number") << 20
}

/// Whether the test can be done here. Where it cannot, that is said aloud.
pub fn can_test(test: &str, programs: &[&str]) -> bool {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let missing = programs.iter().find(|program| !is_installed(program));
    let reason = match (obstacle(), missing) {
        (Some(obstacle), _) => obstacle,
        (None, Some(program)) => format!("there is no {program}"),
        (None, None) => return true,
    };
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Not `eprintln!`, which the test runner would keep to itself.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason} ({count} skipped so far)");
    false
}

/// Why no network namespace with a TUN device can be made here. With `NETMART_TEST_REQUIRED` set that is a
/// failure.
fn obstacle() -> Option<String> {
    static OBSTACLE: OnceLock<Option<String>> = OnceLock::new();
    let obstacle = OBSTACLE.get_or_init(|| {
        if !nix::unistd::geteuid().is_root() {
            return Some("it takes root to make a network namespace".to_owned());
        }
        if !is_installed("ip") {
            return Some("there is no ip (iproute2)".to_owned());
        }
        let name = format!("netmart-{}-probe", std::process::id());
        let ip = |args: &[&str]| {
            let output = Command::new("ip").args(args).output().expect("it is installed");
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            (!output.status.success()).then_some(complaint)
        };
        ip(&["netns", "add", &name]).or_else(|| {
            let refused =
                ip(&["netns", "exec", &name, "ip", "tuntap", "add", "nm0", "mode", "tun"]);
            ip(&["netns", "del", &name]).or(refused)
        })
    });
    if let (Some(obstacle), Some(_)) = (obstacle, std::env::var_os("NETMART_TEST_REQUIRED")) {
        panic!("NETMART_TEST_REQUIRED is set, but {obstacle}");
    }
    obstacle.clone()
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A network namespace, and a directory for files; both go when it is dropped.
pub struct Namespace {
    name: String,
    pub files: TempDir,
}

impl Namespace {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netmart-{}-{number}", std::process::id());
        // A run that was killed may have left one behind, of which the number of our process has come round.
        let _ = Command::new("ip").args(["netns", "del", &name]).output();
        let namespace = Self { name, files: tempfile::tempdir().expect("a directory") };
        succeed(Command::new("ip").args(["netns", "add", &namespace.name]));
        succeed(namespace.command("ip").args(["link", "set", "lo", "up"]));
        namespace
    }

    /// A program that will run in the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// `netmart` with the same addresses for every test.
    pub fn netmart(&self, subcommand: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_netmart"));
        command.args([subcommand, "--tun", "nm0"]);
        command.args([
            "--address",
            &format!("{STACK_V4}/24"),
            "--address",
            &format!("{STACK_V6}/64"),
        ]);
        command
    }

    pub fn up(&self, args: &[&str]) -> Service {
        let mut service = Service::start(self.netmart("up").args(args));
        service.wait_for(|line| line.starts_with("ready"));
        // The kernel checks its IPv6 address for a moment, and sends nothing from it meanwhile.
        let tentative = ["-o", "-6", "address", "show", "dev", "nm0", "tentative"];
        eventually(|| succeed(self.command("ip").args(tentative)).is_empty().then_some(()));
        service
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Makes a file of `len` octets and tells their SHA-256.
    pub fn fill(&self, name: &str, len: usize) -> String {
        let mut file = File::create(self.file(name)).expect("a file");
        let mut hash = Sha256::new();
        // Octets that do not repeat soon, so that one in the wrong place shows.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut left = len;
        while left > 0 {
            let mut piece = Vec::with_capacity(1 << 16);
            while piece.len() < (1 << 16) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                piece.extend_from_slice(&(state ^ (state >> 33)).to_le_bytes());
            }
            piece.truncate(left);
            left -= piece.len();
            hash.update(&piece);
            file.write_all(&piece).expect("written");
        }
        hex(hash)
    }

    /// The SHA-256 of a file.
    pub fn sum(&self, name: &str) -> String {
        sha256(File::open(self.file(name)).expect("a file"))
    }

    /// Runs `act` on a thread in the namespace: its sockets are the kernel's there.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let entered = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(path).expect("the namespace is there");
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("entered");
                act()
            });
            thread.join()
        });
        entered.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// The SHA-256 of all that `source` has.
pub fn sha256(mut source: impl Read) -> String {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match source.read(&mut piece).expect("readable") {
            0 => return hex(hash),
            len => hash.update(&piece[..len]),
        }
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Runs to its end; what it said, if it succeeded.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}{errors}", output.status);
    said
}

/// Runs to its end, and gives up when that does not come.
pub fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = Pid::from_raw(child.id().cast_signed());
    let (done, is_done) = channel();
    let waiting = thread::spawn(move || done.send(child.wait_with_output()));
    let output = is_done.recv_timeout(PATIENCE);
    if output.is_err() {
        let _ = nix::sys::signal::killpg(pid, Signal::SIGKILL);
    }
    waiting.join().expect("it waits and nothing else").ok();
    output.unwrap_or_else(|_| panic!("{command:?} does not end")).expect("it was waited for")
}

/// A program that runs beside the test and says things on its standard output.
pub struct Service {
    child: Child,
    lines: Receiver<String>,
    /// What it has said so far.
    pub said: Vec<String>,
}

impl Service {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output: ChildStdout = child.stdout.take().expect("it was asked for");
        let (line, lines) = channel();
        thread::spawn(move || {
            for text in BufReader::new(output).lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, said: Vec::new() }
    }

    /// Waits for a line that `is_it`.
    pub fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if is_it(&line) {
                        return line;
                    }
                }
                Err(error) => panic!("the line does not come ({error}); so far: {:#?}", self.said),
            }
        }
    }

    pub fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it was asked for");
        writeln!(input, "{line}").expect("it reads");
    }

    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    /// Waits for its end, and tells with which status.
    pub fn end(&mut self) -> Option<i32> {
        let ended = eventually(|| self.child.try_wait().expect("it is ours"));
        self.said.extend(self.lines.iter());
        ended.code()
    }

    /// Ends it with SIGTERM; it must end in order.
    pub fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.end(), Some(0), "after SIGTERM; it said {:#?}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries until there is an answer.
pub fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it never happens");
        thread::sleep(Duration::from_millis(10));
    }
}
