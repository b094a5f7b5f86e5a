//! The rows of a grid as Markdown.

use std::fmt;

use super::axis::{Millis, Percent};
use super::figure::distinct;
use super::row::{Figures, Row};
use crate::cli::quantity::short_rate;

/// The two lines above the rows.
pub(super) struct Head {
    /// Whether there are rows in which several flows share a path.
    pub(super) shared: bool,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = if self.shared { " each, Mbit/s | Jain |" } else { "" };
        writeln!(
            f,
            "| {:<13} | {:>7} | {:>6} | {:>5} | {:>12} | {:>9} | {:>7} | {:>15} | {:>10} | {:>8} | {:>9} | {:>6} | {:>8} |{shared}",
            "controller",
            "rate",
            "RTT ms",
            "queue",
            "loss",
            "reordered",
            "Mbit/s",
            "least to most",
            "sent again",
            "in vain",
            "time-outs",
            "probes",
            "queue ms"
        )?;
        let shared = if self.shared { "---:|---:|" } else { "" };
        write!(
            f,
            "|{:-<15}|{:->8}:|{:->7}:|{:->6}:|{:->13}:|{:->10}:|{:->8}:|{:->16}:|{:->11}:|{:->9}:|{:->10}:|{:->7}:|{:->9}:|{shared}",
            "", "", "", "", "", "", "", "", "", "", "", "", ""
        )
    }
}

/// A row with its figures.
pub(super) struct Line<'a> {
    pub(super) row: &'a Row,
    pub(super) figures: &'a Figures,
    pub(super) shared: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, figures, .. } = self;
        let goodput = figures.goodput;
        write!(
            f,
            "| {:<13} | {:>7} | {:>6} | {:>5} | {:>12} | {:>9} | {:>7} | {:>15} | {:>10} | {:>8} | {:>9.1} | {:>6.1} | {:>8.1} |",
            row.flows.to_string(),
            short_rate(row.rate),
            Millis(row.rtt),
            row.queue,
            row.losses.label(),
            row.overtaking.to_string(),
            mbit(goodput.mean),
            format!("{} to {}", mbit(goodput.least), mbit(goodput.most)),
            Percent(round(figures.resent)),
            Percent(round(figures.spurious)),
            figures.timeouts,
            figures.probes,
            figures.queue_delay.as_secs_f64() * 1e3,
        )?;
        if self.shared {
            let each: Vec<String> = figures.flows.iter().map(|flow| mbit(flow.mean)).collect();
            write!(f, " {} | {:.3} |", each.join(" + "), figures.fairness)?;
        }
        Ok(())
    }
}

/// What rows that differ in loss and controller only reached, side by side.
pub(super) struct Summary<'a>(pub(super) &'a [(Row, Figures)]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |row: &Row| (row.rate, row.rtt, row.queue.to_bits(), row.overtaking.to_string());
        let paths = distinct(self.0.iter().map(|(row, _)| path(row)));
        for of_path in paths {
            let rows: Vec<_> = self.0.iter().filter(|(row, _)| path(row) == of_path).collect();
            let (first, _) = rows[0];
            let flows = distinct(rows.iter().map(|(row, _)| row.flows.to_string()));
            let losses = distinct(rows.iter().map(|(row, _)| row.losses.label()));
            let (rate, rtt) = (short_rate(first.rate), Millis(first.rtt));
            write!(f, "\nGoodput in Mbit/s at {rate}, {rtt} ms, queue of {} BDP", first.queue)?;
            if first.overtaking.share > 0.0 {
                write!(f, ", {} reordered", first.overtaking)?;
            }
            writeln!(f, "\n\n| loss | {} |", flows.join(" | "))?;
            writeln!(f, "|---|{}", "---:|".repeat(flows.len()))?;
            for loss in &losses {
                write!(f, "| {loss} |")?;
                for flow in &flows {
                    let found = rows.iter().find(|(row, _)| {
                        row.flows.to_string() == *flow && row.losses.label() == *loss
                    });
                    match found {
                        Some((_, figures)) => write!(f, " {} |", mbit(figures.goodput.mean))?,
                        None => write!(f, " |")?,
                    }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// Bits per second as Mbit/s with three digits that count.
pub(super) fn mbit(rate: f64) -> String {
    let rate = rate / 1e6;
    let decimals = if rate >= 100.0 {
        0
    } else if rate >= 10.0 {
        1
    } else {
        2
    };
    format!("{rate:.decimals$}")
}

/// To a hundredth of a percent.
fn round(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        assert_eq!(mbit(123.4e6), "123");
        assert_eq!(mbit(93.21e6), "93.2");
        assert_eq!(mbit(3.416e6), "3.42");
        assert_eq!(mbit(0.6e6), "0.60");
    }
}
