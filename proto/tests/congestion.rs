//! How controllers do on a path, alone and together.

mod common;

use std::time::Duration;

use common::{Network, Path, megabits};
use netmart_proto::tcp::CongestionControl::{self, Bbr, Cubic, Reno};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Goodput of one flow alone, in Mbit/s of payload.
fn alone(control: CongestionControl, path: &Path, duration: Duration) -> f64 {
    let mut network = Network::new(path);
    network.add(control, Duration::ZERO);
    network.run(duration);
    megabits(network.received()[0], duration)
}

/// All cells of the grid at 50 ms and 100 Mbit/s: `cargo test --release --test congestion -- --ignored --nocapture`.
#[test]
#[ignore = "a table for reading, which takes a while"]
fn table() {
    let duration = seconds(env("SECONDS", 60));
    let seeds = env("SEEDS", 3);
    for control in [Bbr, Cubic, Reno] {
        for loss in [0.0, 0.001, 0.01, 0.02, 0.05, 0.1] {
            let cells: Vec<String> = (1..=seeds)
                .map(|seed| {
                    let path = Path::usual(seed).with_loss(loss);
                    let mut network = Network::new(&path);
                    network.add(control, Duration::ZERO);
                    network.run(duration);
                    let info = network.sender(0).unwrap();
                    let goodput = megabits(network.received()[0], duration);
                    let resent = info.counters.resent;
                    format!(
                        "{goodput:6.2} ({} rto, {} q)",
                        resent.timeout,
                        network.counters().queue_dropped
                    )
                })
                .collect();
            println!("{control:?} {:5.1} %: {}", loss * 100.0, cells.join("  "));
        }
    }
}

/// Two flows on one path, for reading.
#[test]
#[ignore = "a table for reading, which takes a while"]
fn together() {
    let duration = seconds(env("SECONDS", 60));
    for queue in [0.5, 1.0, 2.0] {
        for controls in [[Bbr, Cubic], [Cubic, Bbr], [Bbr, Bbr], [Cubic, Cubic]] {
            let cells: Vec<String> = (1..=env("SEEDS", 3))
                .map(|seed| {
                    let path = Path { queue, ..Path::usual(seed) };
                    let mut network = Network::new(&path);
                    network.add(controls[0], Duration::ZERO);
                    network.add(controls[1], Duration::from_millis(100));
                    network.run(duration);
                    let received = network.received();
                    let rates = received.iter().map(|octets| megabits(*octets, duration));
                    format!("{:6.2?}", rates.collect::<Vec<_>>())
                })
                .collect();
            println!("queue {queue} {controls:?}: {}", cells.join("  "));
        }
    }
}

/// A trace of one flow's state, for reading.
#[test]
#[ignore = "a table for reading"]
fn watch() {
    let path = Path::usual(env("SEED", 1)).with_loss(env("LOSS", 0) as f64 / 1000.0);
    let mut network = Network::new(&path);
    let control = match env("CONTROL", 0) {
        0 => Bbr,
        1 => Cubic,
        _ => Reno,
    };
    network.add(control, Duration::ZERO);
    if env("BOTH", 0) == 1 {
        network.add(Cubic, Duration::ZERO);
    }
    let step = Duration::from_millis(env("STEP", 100));
    let mut before = [0; 2];
    for _ in 0..env("STEPS", 100) {
        network.run(step);
        let received = network.received();
        for flow in 0..received.len() {
            let Some(info) = network.sender(flow) else { continue };
            println!(
                "{:8.3} {flow} {:7.2} Mbit/s cwnd {:8} flight {:8} out {:8} srtt {:?} min {:?} pace {:?} {:?} wnd {} buf {} resent {:?}",
                network.now.as_micros() as f64 / 1e6 - 1.0,
                megabits(received[flow] - before[flow], step),
                info.cwnd,
                info.in_flight,
                info.outstanding,
                info.srtt.unwrap_or_default(),
                info.min_rtt.unwrap_or_default(),
                info.pacing_rate.map(|rate| rate * 8 / 1_000),
                info.limited_by,
                info.send_window,
                info.send_buffered,
                info.counters.resent,
            );
            before[flow] = received[flow];
        }
    }
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn every_controller_fills_a_clean_path() {
    for control in [Reno, Cubic, Bbr] {
        let goodput = alone(control, &Path::usual(1), seconds(8));
        assert!(goodput > 60.0, "{control:?}: {goodput:.1} Mbit/s");
    }
}
