//! Stacks behind a TUN device, kernel TCP as their peer: bulk both ways, and one octet to and fro.
//!
//!     cargo bench -p netmart --bench tun -- --rounds 5 --seconds 1 [--only plain]
//!
//! Everything happens in a network namespace of its own, which takes root; each contender has its turn
//! in each round, so that a slow moment of the machine meets all of them. A round begins with another
//! contender than the one before.

mod harness;
mod rivals;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};

use self::harness::{Options, Sample, Table, Unit, cpu_time};
use self::rivals::{Contender, Service, Task, contenders, endpoint};

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::from_args() else { return Ok(()) };
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        eprintln!(
            "\nSKIPPED, NOTHING MEASURED: no network namespace of its own ({error}); run as root\n"
        );
        return Ok(());
    }
    let loopback_up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if !loopback_up.success() {
        return Err("could not bring up the loopback interface".into());
    }
    let mut contenders = contenders();
    contenders.retain(|contender| options.wants(&contender.name()));
    for task in Task::ALL {
        let mut table = table(task);
        for round in 0..options.rounds {
            for turn in 0..contenders.len() {
                let contender = &*contenders[(round + turn) % contenders.len()];
                let sample = measure(contender, task, options.time)
                    .map_err(|error| format!("{}, {task:?}: {error}", contender.name()))?;
                table.add(&contender.name(), sample);
            }
        }
        println!("{table}");
    }
    Ok(())
}

fn table(task: Task) -> Table {
    match task {
        Task::Receive => Table::new("Receiving from kernel TCP", Unit::Octets),
        Task::Send => Table::new("Sending to kernel TCP", Unit::Octets),
        Task::Echo => Table::new("One octet to and fro", Unit::Exchanges),
    }
}

/// Starts the contender, lets kernel TCP at it for `time`, and waits until it has ended.
fn measure(contender: &dyn Contender, task: Task, time: Duration) -> io::Result<Sample> {
    let (ready, is_ready) = mpsc::channel();
    let service = Service { task, ready, stop: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| contender.serve(&service));
        let sample = match is_ready.recv_timeout(STALL) {
            Ok(()) => exercise(endpoint(contender, task), task, time),
            Err(_) => Err(io::Error::other("it did not get ready")),
        };
        service.stop.store(true, Ordering::Relaxed);
        // Its own error tells more than that of its peer.
        serving.join().map_err(|_| io::Error::other("it panicked"))??;
        sample.map_err(|error| {
            io::Error::new(error.kind(), format!("its peer in the kernel: {error}"))
        })
    })
}

/// The kernel's side of the measurement.
fn exercise(endpoint: SocketAddr, task: Task, time: Duration) -> io::Result<Sample> {
    let mut stream = TcpStream::connect_timeout(&endpoint, STALL)?;
    stream.set_nodelay(true)?;
    // Some machines have BBR as their default, which paces and so measures itself.
    setsockopt(&stream, sockopt::TcpCongestion, &OsString::from("cubic"))?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let mut buffer = vec![0; 256 * 1024];
    let mut step = move || -> io::Result<u64> {
        let amount = match task {
            Task::Receive => stream.write(&buffer)?,
            Task::Send => stream.read(&mut buffer)?,
            Task::Echo => {
                stream.write_all(&buffer[..1])?;
                stream.read_exact(&mut buffer[..1])?;
                1
            }
        };
        match amount {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            amount => Ok(amount as u64),
        }
    };
    repeat(time.mul_f64(WARM_UP), &mut step)?;
    repeat(time, &mut step)
}

fn repeat(time: Duration, step: &mut impl FnMut() -> io::Result<u64>) -> io::Result<Sample> {
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut amount = 0;
    while start.elapsed() < time {
        amount += step()?;
    }
    Ok(Sample { amount, wall: start.elapsed(), cpu: cpu_time().saturating_sub(cpu) })
}

/// The part of the time that goes by before it counts.
const WARM_UP: f64 = 0.25;
/// Without any progress for so long, something is broken.
const STALL: Duration = Duration::from_secs(5);
