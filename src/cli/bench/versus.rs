//! The table of a grid towards the kernel.

use std::io::Write;
use std::time::Duration;

use anyhow::ensure;
use netmart::bench::{Path, draw_losses};
use netmart::proto::netem::Loss;

use super::axis::{Millis, Percent};
use super::kernel::{Contender, Reached, measure};
use super::row::{Losses, Row};
use super::table::mbit;
use crate::cli::quantity::short_rate;

/// How many rows are still a matter of minutes.
pub(super) const ROWS_MAX: usize = 12;

/// Measures every row with every seed three times over the same losses: netmart to netmart in virtual
/// time, netmart to the kernel and the kernel to itself in real time; prints means over seeds.
pub(super) fn run(rows: &[Row], seeds: &[u64], out: &mut impl Write) -> anyhow::Result<()> {
    ensure!(
        rows.len() <= ROWS_MAX,
        "--kernel takes real time, so at most {ROWS_MAX} cells, and these are {}",
        rows.len()
    );
    ensure!(rows.iter().all(|row| row.flows.0.len() == 1), "--kernel measures one flow at a time");
    writeln!(
        out,
        "| controller | rate | RTT ms | loss | netmart to itself, virtual | netmart to kernel | kernel to kernel | \
         netmart / kernel | sent again | time-outs |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    let mut late = Duration::ZERO;
    for row in rows {
        let (mut alone, mut ours, mut theirs) = (0.0, Vec::new(), Vec::new());
        for &seed in seeds {
            let path = path(row, seed);
            let mut cell = row.cell(seed);
            cell.path = path.clone();
            alone += cell.run()?.goodput();
            let measure = |who| measure(who, &path, row.flows.0[0], row.duration, seed);
            ours.push(measure(Contender::Netmart)?);
            theirs.push(measure(Contender::Kernel)?);
        }
        let (ours, theirs) = (mean(&ours), mean(&theirs));
        late = late.max(ours.late).max(theirs.late);
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {:.2} | {} and {} | {} and {} |",
            row.flows,
            short_rate(row.rate),
            Millis(row.rtt),
            row.losses.label(),
            mbit(alone / seeds.len() as f64),
            mbit(ours.goodput),
            mbit(theirs.goodput),
            ours.goodput / theirs.goodput.max(1.0),
            Percent((ours.resent * 1e4).round() / 1e4),
            Percent((theirs.resent * 1e4).round() / 1e4),
            ours.timeouts,
            theirs.timeouts,
        )?;
        out.flush()?;
    }
    eprintln!(
        "\npackets came {} ms late on average in the worst row, by this machine",
        Millis(late)
    );
    Ok(())
}

/// The path of a row, its losses drawn beforehand.
fn path(row: &Row, seed: u64) -> Path {
    let path = row.cell(seed).path;
    let loss = match &row.losses {
        Losses::None | Losses::Pattern { .. } => path.loss.clone(),
        Losses::Share { .. } => {
            Loss::Pattern(draw_losses(&path.loss, path.packets_in(row.duration), seed))
        }
    };
    Path { loss, ..path }
}

/// The means of all; time-outs are those of all together.
fn mean(all: &[Reached]) -> Reached {
    let count = all.len().max(1) as f64;
    Reached {
        goodput: all.iter().map(|reached| reached.goodput).sum::<f64>() / count,
        resent: all.iter().map(|reached| reached.resent).sum::<f64>() / count,
        timeouts: all.iter().map(|reached| reached.timeouts).sum(),
        late: all.iter().map(|reached| reached.late).max().unwrap_or_default(),
    }
}
