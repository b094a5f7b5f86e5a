//! Hostile packets into a running stack: none makes it panic, each that is refused is counted, memory stays
//! bounded, transfers that nobody aims at arrive octet for octet, and in the end nothing is left over.
//!
//! `NETMART_MUTANTS` says how many packets. A million, with the table of what became of them:
//!
//! ```sh
//! NETMART_MUTANTS=1000000 cargo test --release --test mutants -- --nocapture
//! ```

#[path = "../common/mod.rs"]
mod common;
mod forge;
mod mutate;
mod spy;
mod target;

use self::forge::Forge;
use self::target::{BATCH, MSL, R2, Target};

/// Enough to meet every kind of packet thousands of times.
const FEW: usize = 20_000;

fn how_many() -> usize {
    let wanted = std::env::var("NETMART_MUTANTS").ok();
    wanted.map_or(FEW, |wanted| wanted.parse().expect("NETMART_MUTANTS is a number of packets"))
}

#[test]
fn mutated_packets_panic_nothing_are_counted_and_leave_nothing_over() {
    let wanted = how_many();
    let mut target = Target::new(1);
    let mut forge = Forge::new(2, target.spy());
    let began = std::time::Instant::now();
    let mut sent = 0;
    while sent < wanted {
        // Now and then one packet alone, so that its fate can be told.
        if (sent / BATCH).is_multiple_of(16) {
            let packet = forge.packet();
            let whole = !mutate::is_fragment(&packet);
            let summary = format!("{packet:?}");
            let fate = target.watch_one(packet);
            assert!(!whole || fate.is_accounted_for(), "{fate:?}: {summary}");
            sent += 1;
        }
        let batch: Vec<_> = (0..BATCH.min(wanted - sent)).map(|_| forge.packet()).collect();
        sent += batch.len();
        target.hit(batch);
        target.check_bounds();
    }
    let elapsed = began.elapsed();
    target.finish_legitimate_transfers();
    println!("{sent} packets in {elapsed:?}: {:.0} a second", sent as f64 / elapsed.as_secs_f64());
    println!("{:?}", forge.tally);
    target.print_table();
    assert!(forge.tally.aimed_and_intact * 2 >= sent as u64, "{:?}", forge.tally);
    let [_, established, _] = target.crowd();
    assert!(established > 0, "the attacker can finish a handshake: {:?}", target.crowd());
    target.everybody_leaves();
    target.pass(R2 + MSL * 2);
    target.assert_nothing_is_left();
}

#[test]
fn the_same_seed_does_the_same() {
    let run = || {
        let mut target = Target::new(3);
        let mut forge = Forge::new(4, target.spy());
        for _ in 0..20 {
            target.hit((0..BATCH).map(|_| forge.packet()).collect());
        }
        (target.counters(), target.discards(), target.seen().clone())
    };
    assert_eq!(run(), run());
}
