//! TCP in memory: two stacks on one thread, MTU 1500, checksums computed and verified at both ends.
//!
//!     cargo bench -p netmart --bench memory -- --rounds 5 --seconds 1 [--only smoltcp]
//!
//! Bulk transfer with buffers of 64 KiB and of 1 MiB, and connections opened and closed one after the
//! other. Needs no privileges.

mod harness;
#[path = "netmart/memory.rs"]
mod netmart_memory;
#[path = "rivals/smoltcp_memory.rs"]
mod smoltcp_memory;

use std::time::{Duration, Instant};

use self::harness::{Options, Sample, Table, Unit, cpu_time};
use self::netmart_memory::Netmart;
use self::smoltcp_memory::Smoltcp;

/// Two stacks and what lies between them. Made anew for each measurement.
trait Contender {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// Two ends with a connection between them, send and receive buffers of that many octets at either
    /// end; each call moves data from one end to the other and answers how many octets arrived.
    fn bulk(&self, buffer: usize) -> Box<dyn FnMut() -> u64>;

    /// Two ends; each call opens a connection and closes it from both sides.
    fn connect_and_close(&self) -> Box<dyn FnMut()>;
}

/// All contenders, the yardstick first. A new one is entered here.
fn contenders() -> Vec<Box<dyn Contender>> {
    vec![Box::new(Smoltcp), Box::new(Netmart)]
}

fn main() {
    let Some(options) = Options::from_args() else { return };
    let mut contenders = contenders();
    contenders.retain(|contender| options.wants(contender.name()));
    for buffer in [64 << 10, 1 << 20] {
        let title = format!("Bulk in memory, buffers of {} KiB", buffer >> 10);
        let table = compare(&options, &contenders, Table::new(title, Unit::Octets), |contender| {
            repeat(options.time, contender.bulk(buffer))
        });
        println!("{table}");
    }
    let table = Table::new("Connect and close in memory", Unit::Exchanges);
    let table = compare(&options, &contenders, table, |contender| {
        let mut exchange = contender.connect_and_close();
        repeat(options.time, || {
            exchange();
            1
        })
    });
    println!("{table}");
}

/// Lets each contender have its turn in each round, beginning with another one each time.
fn compare(
    options: &Options,
    contenders: &[Box<dyn Contender>],
    mut table: Table,
    measure: impl Fn(&dyn Contender) -> Sample,
) -> Table {
    for round in 0..options.rounds {
        for turn in 0..contenders.len() {
            let contender = &*contenders[(round + turn) % contenders.len()];
            table.add(contender.name(), measure(contender));
        }
    }
    table
}

/// Repeats `step` for a warm-up that does not count, and then for `time`.
fn repeat(time: Duration, mut step: impl FnMut() -> u64) -> Sample {
    let mut run = |time| {
        let (start, cpu) = (Instant::now(), cpu_time());
        let mut amount = 0;
        while start.elapsed() < time {
            for _ in 0..STEPS_PER_LOOK {
                amount += step();
            }
        }
        Sample { amount, wall: start.elapsed(), cpu: cpu_time().saturating_sub(cpu) }
    };
    run(time.mul_f64(WARM_UP));
    run(time)
}

/// Steps before it looks at the clock again.
const STEPS_PER_LOOK: usize = 8;
/// The part of the time that goes by before it counts.
const WARM_UP: f64 = 0.25;
