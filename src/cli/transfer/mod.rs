//! `netmart send` and `netmart recv`: one command line for five wires.
//!
//! | file | question |
//! |---|---|
//! | `send`, `recv` | what do the two commands do, one after the other |
//! | `arrival` | what becomes of one connection that is received |
//! | `options`, `place`, `over` | what does the command line say, and does it make sense |
//! | `ground` | on what does the stack stand |
//! | `connection` | what is a connection, whatever the wire |
//! | `source`, `cut` | what is sent, and in which writes |
//! | `sink` | where does it go, and when is it whole |
//! | `status` | how can it fail, and with which exit status |
//! | `stats`, `progress`, `log` | what is told about it |

mod arrival;
mod connection;
mod cut;
mod ground;
mod log;
mod options;
mod over;
mod place;
mod progress;
mod recv;
mod send;
mod sink;
mod source;
mod stats;
mod status;

use std::fmt::Display;
use std::io::{self, Write};

pub(super) use recv::Recv;
pub(super) use send::Send;
pub(super) use status::Failure;

/// Runs a transfer. Whoever hangs in a read or a write of the kernel's when it is over is left there.
fn run(transfer: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(transfer);
    runtime.shutdown_background();
    done
}

/// A line on standard error. That nobody reads it is no reason to end.
fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
