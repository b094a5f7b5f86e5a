//! The wires in datagrams on the loopback interface: two stacks over kernel sockets, each on a thread of its own.
//!
//!     cargo bench -p netmart --bench wires -- --rounds 5 --seconds 1 [--only cs488]
//!
//! Where each packet waits for its answer, the yardstick is a stop-and-wait of the same chunk size by hand, over
//! tokio's sockets: what it reaches is what such a wire can. Needs no privileges. Each contender has its turn
//! in each round, and a round begins with another one than the one before.

mod harness;
#[path = "netmart/wires.rs"]
mod netmart_wires;
#[path = "rivals/stop_and_wait.rs"]
mod stop_and_wait;

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netmart::proto::wires::Kind;

use self::harness::{Options, Sample, Table, Unit, cpu_time};
use self::netmart_wires::Netmart;
use self::stop_and_wait::StopAndWait;

/// Two programs that transfer octets from one to the other.
trait Contender: Sync {
    /// Its name in the table.
    fn name(&self) -> String;

    /// Transfers until it is [time to stop](Transfer::stopped), and then takes down what it has built.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from that; it ends the bench.
    fn transfer(&self, transfer: &Transfer) -> io::Result<()>;
}

/// One measurement, as the contender sees it.
#[derive(Default)]
struct Transfer {
    octets: AtomicU64,
    stop: AtomicBool,
}

impl Transfer {
    /// So many octets have arrived.
    fn arrived(&self, octets: usize) {
        self.octets.fetch_add(octets as u64, Ordering::Relaxed);
    }

    /// Whether it is time to end.
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::from_args() else { return Ok(()) };
    for (wire, chunk) in [(Kind::Cs488, 512), (Kind::Sockettcp, 16)] {
        let contenders: [Box<dyn Contender>; 2] =
            [Box::new(StopAndWait { chunk }), Box::new(Netmart { wire, chunk: 64 << 10 })];
        let title = format!("A chunk of {chunk} octets and its answer, {}", wire.name());
        compare(&options, &contenders, Table::new(title, Unit::Exchanges), chunk as u64)?;
    }
    let contenders: [Box<dyn Contender>; 2] = [
        Box::new(Netmart { wire: Kind::Faketcp, chunk: 4080 }),
        Box::new(Netmart { wire: Kind::Quiq, chunk: 64 << 10 }),
    ];
    compare(&options, &contenders, Table::new("Bulk", Unit::Octets), 1)
}

/// Lets each contender have its turn in each round; an exchange is `unit` octets.
fn compare(
    options: &Options,
    contenders: &[Box<dyn Contender>],
    mut table: Table,
    unit: u64,
) -> Result<(), Box<dyn Error>> {
    let wanted: Vec<&dyn Contender> = contenders
        .iter()
        .map(|contender| &**contender)
        .filter(|contender| options.wants(&contender.name()))
        .collect();
    for round in 0..options.rounds {
        for turn in 0..wanted.len() {
            let contender = wanted[(round + turn) % wanted.len()];
            let sample = measure(contender, options.time, unit)
                .map_err(|error| format!("{}: {error}", contender.name()))?;
            table.add(&contender.name(), sample);
        }
    }
    if !wanted.is_empty() {
        println!("{table}");
    }
    Ok(())
}

/// Lets the contender transfer for a while that does not count, and then for `time`.
fn measure(contender: &dyn Contender, time: Duration, unit: u64) -> io::Result<Sample> {
    let transfer = Transfer::default();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| contender.transfer(&transfer));
        let count = || transfer.octets.load(Ordering::Relaxed) / unit;
        let began = Instant::now();
        while count() == 0 && began.elapsed() < STALL && !running.is_finished() {
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(time.mul_f64(WARM_UP));
        let (start, cpu, before) = (Instant::now(), cpu_time(), count());
        std::thread::sleep(time);
        let (amount, wall) = (count() - before, start.elapsed());
        let cpu = cpu_time().saturating_sub(cpu);
        transfer.stop.store(true, Ordering::Relaxed);
        running.join().map_err(|_| io::Error::other("it panicked"))??;
        match amount {
            0 => Err(io::Error::other("nothing arrives")),
            amount => Ok(Sample { amount, wall, cpu }),
        }
    })
}

/// The part of the time that goes by before it counts.
const WARM_UP: f64 = 0.25;
/// Without any progress for so long, something is broken.
const STALL: Duration = Duration::from_secs(5);
/// How often to look for the first octet.
const LOOK: Duration = Duration::from_millis(1);
