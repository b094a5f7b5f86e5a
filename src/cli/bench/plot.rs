//! Goodput over loss as a figure: a panel for each path, a line for each controller.

use std::time::Duration;

use super::axis::Millis;
use super::figure::{Axis, Figure, Line, PANEL, Panel, Point, distinct, trimmed};
use super::row::{Figures, Losses, Row};
use crate::cli::demo::bits;

/// The rows and figures of one panel.
type Rows<'a> = Vec<&'a (Row, Figures)>;

/// Everything that was measured. Losses are shown by name, one beside the other, in the order of the rows;
/// goodput is shown as a share of the rate, on a logarithmic axis.
pub(super) fn figure(measured: &[(Row, Figures)]) -> Figure {
    let rates = distinct(measured.iter().map(|(row, _)| row.rate));
    let rtts = distinct(measured.iter().map(|(row, _)| row.rtt));
    let names = distinct(measured.iter().map(|(row, _)| series_of(row)));
    let paths = rates.iter().flat_map(|rate| rtts.iter().map(move |rtt| (*rate, *rtt)));
    let panels = paths.map(|(rate, rtt)| {
        let rows: Rows<'_> =
            measured.iter().filter(|(row, _)| (row.rate, row.rtt) == (rate, rtt)).collect();
        (!rows.is_empty()).then(|| panel(rate, rtt, &rows, &names))
    });
    Figure { columns: rtts.len(), size: PANEL, panels: panels.collect(), names }
}

/// What a line stands for: the flows, and whatever else differs from row to row.
fn series_of(row: &Row) -> String {
    let mut name = row.flows.to_string();
    if row.losses.is_bursty() {
        name += ", bursts";
    }
    if row.overtaking.share > 0.0 {
        name += &format!(", {} reordered", row.overtaking);
    }
    if row.queue != 1.0 {
        name += &format!(", queue of {} BDP", row.queue);
    }
    name
}

fn panel(rate: u64, rtt: Duration, rows: &Rows<'_>, names: &[String]) -> Panel {
    let losses = distinct(rows.iter().map(|(row, _)| position(&row.losses)));
    let line = |(name, wanted): (usize, &String)| {
        let own = rows.iter().filter(|(row, _)| series_of(row) == *wanted);
        let points = own.filter_map(|(row, figures)| {
            let at = losses.iter().position(|loss| *loss == position(&row.losses))?;
            Some(Point::new(at as f64, figures.goodput.mean / rate as f64))
        });
        Line { name, points: points.collect() }
    };
    let lines = names.iter().enumerate().map(line).collect();
    let share = |share: f64| format!("{}%", trimmed(share * 100.0));
    Panel {
        caption: format!("{}, {} ms", bits(rate), Millis(rtt)),
        lines,
        across: Axis::of_names("lost", losses),
        up: Axis::log("goodput, share of the rate", SHARE_MIN, 1.2, share),
    }
}

/// Where losses stand on the axis: bursty ones where independent ones of the same share do.
fn position(losses: &Losses) -> String {
    losses.share_label()
}

/// The bottom of the axis: what is less is drawn there.
const SHARE_MIN: f64 = 0.0003;
