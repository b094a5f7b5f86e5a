//! The two commands as processes, and what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The most that anything here may take. It is reached only by what will never come.
const PATIENCE: Duration = Duration::from_secs(300);

/// The wires that stand on UDP sockets of the kernel.
pub const WIRES: [&str; 4] = ["faketcp", "cs488", "sockettcp", "quiq"];

/// How a command has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    /// Lines of standard error.
    pub errors: Vec<String>,
}

impl Ended {
    /// It was a success, and quiet about it; what it wrote.
    #[track_caller]
    pub fn well(self) -> Vec<u8> {
        assert_eq!(self.status, Some(0), "{:?}", self.errors);
        assert_eq!(self.complaints(), Vec::<&String>::new());
        self.stdout
    }

    /// It failed with this status, and said one line, which has `expected`.
    #[track_caller]
    pub fn badly(&self, status: i32, expected: &str) {
        assert_eq!(self.status, Some(status), "{:?}", self.errors);
        let complaints = self.complaints();
        assert_eq!(complaints.len(), 1, "one line: {:?}", self.errors);
        assert!(complaints[0].contains(expected), "{expected:?} is missing: {complaints:?}");
    }

    /// What it said except where it listens.
    pub fn complaints(&self) -> Vec<&String> {
        self.errors.iter().filter(|line| !line.starts_with("listening on ")).collect()
    }
}

/// A command that runs.
pub struct Running {
    child: Child,
    said: Receiver<String>,
    errors: Vec<String>,
    output: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts `netmart` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, Stdio::piped())
    }

    pub fn start_with(arguments: &[&str], stdout: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netmart"));
        command.args(arguments).stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (line, said) = channel();
        let errors = child.stderr.take().expect("it was asked for");
        thread::spawn(move || {
            for text in BufReader::new(errors).lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    break;
                }
            }
        });
        let output = child.stdout.take().map(|mut stdout| {
            thread::spawn(move || {
                let mut octets = Vec::new();
                stdout.read_to_end(&mut octets).expect("a pipe can be read");
                octets
            })
        });
        Self { child, said, errors: Vec::new(), output }
    }

    /// Waits for a line of standard error that has `wanted`.
    pub fn wait_for(&mut self, wanted: &str) -> String {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.errors.push(line.clone());
                    if line.contains(wanted) {
                        return line;
                    }
                }
                Err(error) => panic!("{wanted:?} does not come ({error}): {:#?}", self.errors),
            }
        }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, octets: &[u8]) {
        let input = self.child.stdin.as_mut().expect("it was asked for");
        // It may have had enough.
        let _ = input.write_all(octets);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    /// Closes its standard input, and waits for its end.
    pub fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        // Standard error ends with the process, if not before.
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(line) => self.errors.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("it does not end: {:#?}", self.errors)
                }
            }
        }
        let status = self.child.wait().expect("it is ours").code();
        let stdout = self.output.take().map(|output| output.join().expect("it was read"));
        let errors = std::mem::take(&mut self.errors);
        Ended { status, stdout: stdout.unwrap_or_default(), errors }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `netmart recv` on a free port of the loopback interface, and where it listens.
pub fn recv(wire: &str, arguments: &[&str]) -> (Running, String) {
    recv_with(wire, arguments, Stdio::piped())
}

pub fn recv_with(wire: &str, arguments: &[&str], stdout: Stdio) -> (Running, String) {
    recv_at("127.0.0.1:0", wire, arguments, stdout)
}

pub fn recv_at(place: &str, wire: &str, arguments: &[&str], stdout: Stdio) -> (Running, String) {
    let always = ["recv", "--wire", wire, "--bind", place];
    let mut running = Running::start_with(&[&always, arguments].concat(), stdout);
    let line = running.wait_for("listening on ");
    let place = line.split(' ').nth(2).expect("the third word is the address").to_owned();
    assert!(place.parse::<SocketAddr>().is_ok_and(|at| at.port() != 0), "{line}");
    (running, place)
}

/// `netmart send`, with `input` piped in.
pub fn send(wire: &str, to: &str, arguments: &[&str], input: &[u8]) -> Ended {
    let mut running = Running::start(&[&["send", "--wire", wire, to], arguments].concat());
    running.write(input);
    running.end()
}

/// Octets that do not repeat soon, so that one in the wrong place shows.
pub fn octets(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Waits until something is so.
pub fn eventually(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to that");
        thread::yield_now();
    }
}
