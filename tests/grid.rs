//! Goodput over bad paths, kept as a snapshot: a slower recovery shows as a changed number.
//!
//! `tests/grid.txt` has a line per cell. Time is virtual, so on unchanged code every figure is met exactly;
//! a change of code may move each within the band that stands beside it. What moves further is a
//! regression, or a reason to write new figures down:
//!
//! ```sh
//! NETMART_GRID_UPDATE=1 cargo test --test grid
//! ```

use std::fmt::Write as _;
use std::path::Path as File;
use std::thread;
use std::time::Duration;

use netmart::bench::{Cell, Outcome, Path};
use netmart::proto::netem::{Loss, Reordering};
use netmart::proto::tcp::CongestionControl::{self, Bbr, Cubic, Reno};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grid.txt");
const SEEDS: u64 = 2;
/// Slow enough to be simulated soon without optimisation; a window of 60 segments fills the path.
const RATE: u64 = 20_000_000;
const RTT: Duration = Duration::from_millis(40);
const DURATION: Duration = Duration::from_secs(10);

fn path(loss: Loss) -> Path {
    Path { rate: RATE, rtt: RTT, loss, ..Path::default() }
}

fn reordered() -> Path {
    let reordering = Reordering { probability: 0.05, extra: RTT / 2 };
    Path { reordering, ..path(Loss::None) }
}

/// The cells of the snapshot: a name without spaces, a path, the flows on it.
fn cells() -> Vec<(String, Path, Vec<CongestionControl>)> {
    let paths = [
        ("clean", path(Loss::None)),
        ("loss-0.1%", path(Loss::Independent(0.001))),
        ("loss-1%", path(Loss::Independent(0.01))),
        ("loss-5%", path(Loss::Independent(0.05))),
        ("bursts-2%", path(Loss::bursts(0.02, 5.0))),
        ("reordered-5%", reordered()),
    ];
    let flows = [("reno", Reno), ("cubic", Cubic), ("bbr", Bbr)];
    let mut cells: Vec<_> = paths
        .iter()
        .flat_map(|(name, path)| {
            flows.map(|(flow, control)| (format!("{name}/{flow}"), path.clone(), vec![control]))
        })
        .collect();
    cells.push(("clean/cubic+bbr".to_owned(), path(Loss::None), vec![Cubic, Bbr]));
    cells
}

fn mean(outcomes: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(figure).sum::<f64>() / outcomes.len() as f64
}

fn measure(path: &Path, flows: &[CongestionControl]) -> Vec<Outcome> {
    let cell = |seed| Cell::new(path.clone(), flows, DURATION, seed).run();
    (1..=SEEDS).map(|seed| cell(seed).expect("the flows live on")).collect()
}

/// Mbit/s of goodput, on as many threads as there are processors.
fn measured() -> Vec<(String, f64)> {
    let cells = cells();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut figures: Vec<(usize, String, f64)> = thread::scope(|scope| {
        let work = |first: usize| {
            let own = cells.iter().enumerate().skip(first).step_by(threads);
            own.map(|(place, (name, path, flows))| {
                (place, name.clone(), mean(&measure(path, flows), Outcome::goodput) / 1e6)
            })
            .collect::<Vec<_>>()
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("it measures")).collect()
    });
    figures.sort_by_key(|(place, ..)| *place);
    figures.into_iter().map(|(_, name, goodput)| (name, goodput)).collect()
}

/// A line of the snapshot: name, Mbit/s, and by how many percent they may move.
fn expected() -> Vec<(String, f64, f64)> {
    let text = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, goodput, band] = words[..] else { panic!("{SNAPSHOT}: {line:?}") };
            let number = |word: &str| word.parse::<f64>().unwrap_or_else(|_| panic!("{line:?}"));
            (name.to_owned(), number(goodput), number(band.trim_end_matches('%')))
        })
        .collect()
}

/// Where a few losses decide, figures move more easily.
fn default_band(name: &str) -> f64 {
    match name {
        _ if name.starts_with("clean") => 5.0,
        _ if name.starts_with("loss-0.1%") => 25.0,
        _ => 15.0,
    }
}

fn write_down(figures: &[(String, f64)], expected: &[(String, f64, f64)]) {
    let mut text = String::from(
        "# Goodput in Mbit/s over bad paths of 20 Mbit/s and 40 ms, and how far it may move: see grid.rs.\n",
    );
    for (name, goodput) in figures {
        let known = expected.iter().find(|(known, ..)| known == name);
        let band = known.map_or_else(|| default_band(name), |(.., band)| *band);
        writeln!(text, "{name:<22} {goodput:>7.3} {band:>4}%").expect("a string takes all");
    }
    std::fs::write(File::new(SNAPSHOT), text).expect("the snapshot can be written");
}

#[test]
fn goodput_is_what_it_was() {
    let (expected, figures) = (expected(), measured());
    if std::env::var_os("NETMART_GRID_UPDATE").is_some() {
        return write_down(&figures, &expected);
    }
    let names = |known: &[String]| known.join(" ");
    let (known, now): (Vec<_>, Vec<_>) = (
        expected.iter().map(|(name, ..)| name.clone()).collect(),
        figures.iter().map(|(name, _)| name.clone()).collect(),
    );
    assert_eq!(names(&known), names(&now), "cells have come or gone: see the top of this file");
    let mut moved = String::new();
    for ((name, before, band), (_, now)) in expected.iter().zip(&figures) {
        let by = (now / before - 1.0) * 100.0;
        if by.abs() > *band {
            let _ = writeln!(moved, "{name}: {before:.3} became {now:.3} Mbit/s, {by:+.1}%");
        }
    }
    assert!(moved.is_empty(), "beyond the band:\n{moved}");
}

#[test]
fn a_model_of_the_path_withstands_random_loss_where_a_window_cannot() {
    let goodput =
        |control, loss| mean(&measure(&path(loss), &[control]), Outcome::goodput) / RATE as f64;
    assert!(goodput(Bbr, Loss::None) > 0.8);
    assert!(goodput(Bbr, Loss::Independent(0.01)) > 0.8);
    assert!(goodput(Bbr, Loss::Independent(0.05)) > 0.7);
    assert!(goodput(Cubic, Loss::None) > 0.85);
}

#[test]
fn a_cubic_flow_keeps_a_fifth_of_the_link_beside_bbr() {
    let outcomes = measure(&path(Loss::None), &[Cubic, Bbr]);
    let share = mean(&outcomes, |outcome| outcome.flows[0].goodput / outcome.goodput());
    assert!(share > 0.2, "it has {share:.2}");
}

#[test]
fn reordering_costs_little_and_provokes_hardly_any_retransmission() {
    for control in [Reno, Cubic, Bbr] {
        let in_order = mean(&measure(&path(Loss::None), &[control]), Outcome::goodput);
        let outcomes = measure(&reordered(), &[control]);
        let share = mean(&outcomes, Outcome::goodput) / in_order;
        let spurious = mean(&outcomes, |outcome| outcome.flows[0].spurious_share());
        assert!(share > 0.9, "{control:?} keeps {share:.3} of its goodput");
        assert!(spurious < 0.01, "{control:?} sends {spurious:.4} again in vain");
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let cell = Cell::new(path(Loss::Independent(0.02)), [Cubic], Duration::from_secs(2), 7);
    let run = || cell.run().expect("it lives on").flows[0].octets;
    let octets = run();
    assert_eq!(octets, run());
    let other = Cell { seed: 8, ..cell.clone() };
    assert_ne!(octets, other.run().expect("it lives on").flows[0].octets);
}
