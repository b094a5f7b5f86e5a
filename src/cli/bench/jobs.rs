//! Measurements, spread over threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// So many threads as there are processors, unless told.
pub(super) fn threads(wanted: Option<NonZeroUsize>) -> NonZeroUsize {
    let all = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    wanted.unwrap_or_else(all)
}

/// Measures every one of `rows` rows, by its number, with every seed, on so many threads. Hands `done` the outcomes of each
/// row, in the order of the rows and of the seeds; it is told the bar to print above. Stops at the first
/// failure, and at the first error of `done`.
pub(super) fn run<T: Send, E: Into<anyhow::Error> + Send>(
    rows: usize,
    seeds: &[u64],
    threads: NonZeroUsize,
    measure: impl Fn(usize, u64) -> Result<T, E> + Sync,
    mut done: impl FnMut(usize, Vec<T>, &ProgressBar) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let jobs = rows * seeds.len();
    let bar = progress_bar(jobs);
    let next = AtomicUsize::new(0);
    // Whoever has nothing left to hand to finds the channel closed, and ends.
    let (results, arriving) = mpsc::sync_channel::<(usize, Result<T, E>)>(jobs);
    thread::scope(|scope| {
        for _ in 0..threads.get().min(jobs) {
            let (results, next, measure) = (results.clone(), &next, &measure);
            scope.spawn(move || {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        break;
                    }
                    let outcome = measure(job / seeds.len(), seeds[job % seeds.len()]);
                    if results.send((job, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results);
        let mut waiting: Vec<Option<T>> = Vec::new();
        waiting.resize_with(jobs, || None);
        let mut row = 0;
        for (job, outcome) in arriving {
            let outcome = outcome.map_err(|error| {
                let (row, seed) = (job / seeds.len() + 1, seeds[job % seeds.len()]);
                error.into().context(format!("row {row} with seed {seed}"))
            })?;
            waiting[job] = Some(outcome);
            bar.inc(1);
            while row < rows {
                let own = row * seeds.len()..(row + 1) * seeds.len();
                if !waiting[own.clone()].iter().all(Option::is_some) {
                    break;
                }
                let outcomes = waiting[own].iter_mut().filter_map(Option::take).collect();
                done(row, outcomes, &bar)?;
                row += 1;
            }
        }
        Ok(())
    })
}

/// Drawn on standard error, only if that is a terminal, and gone when it is dropped.
fn progress_bar(jobs: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:40} {pos} of {len} measurements, {eta} left");
    ProgressBar::new(jobs as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_finish(ProgressFinish::AndClear)
}
