//! Goodput over loss as a picture: a panel for each path, a line for each controller.

use std::time::Duration;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Millis;
use super::row::{Figures, Losses, Row};
use crate::cli::demo::bits;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The rows and figures of one panel.
type Panel<'a> = Vec<&'a (Row, Figures)>;

/// An SVG picture of everything that was measured. Losses are shown by name, one beside the other, in
/// the order of the rows; goodput is shown as a share of the rate, on a logarithmic axis.
pub(super) fn draw(measured: &[(Row, Figures)]) -> anyhow::Result<String> {
    let rates = distinct(measured.iter().map(|(row, _)| row.rate));
    let rtts = distinct(measured.iter().map(|(row, _)| row.rtt));
    let series = distinct(measured.iter().map(|(row, _)| series_of(row)));
    let mut picture = String::new();
    {
        let size = (PANEL.0 * rtts.len() as u32, PANEL.1 * rates.len() as u32 + LEGEND);
        let root = SVGBackend::with_string(&mut picture, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let (legend, panels) = root.split_vertically(LEGEND);
        draw_legend(&legend, &series)?;
        let areas = panels.split_evenly((rates.len(), rtts.len()));
        let paths = rates.iter().flat_map(|rate| rtts.iter().map(move |rtt| (*rate, *rtt)));
        for (area, (rate, rtt)) in areas.iter().zip(paths) {
            let panel: Panel<'_> =
                measured.iter().filter(|(row, _)| (row.rate, row.rtt) == (rate, rtt)).collect();
            if !panel.is_empty() {
                draw_panel(area, rate, rtt, &panel, &series)?;
            }
        }
        root.present().map_err(failed)?;
    }
    Ok(picture)
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

fn draw_legend(area: &Area<'_>, series: &[String]) -> anyhow::Result<()> {
    for (number, name) in series.iter().enumerate() {
        let left = 20 + number as i32 * LEGEND_STEP;
        let style = colour(number).stroke_width(2);
        let line = PathElement::new(vec![(left, 15), (left + 30, 15)], style);
        area.draw(&line).map_err(failed)?;
        let text = Text::new(name.clone(), (left + 36, 9), (FONT, 14));
        area.draw(&text).map_err(failed)?;
    }
    Ok(())
}

fn draw_panel(
    area: &Area<'_>,
    rate: u64,
    rtt: Duration,
    panel: &Panel<'_>,
    series: &[String],
) -> anyhow::Result<()> {
    let losses = distinct(panel.iter().map(|(row, _)| position(&row.losses)));
    let last = losses.len().saturating_sub(1) as f64;
    let caption = format!("{}, {} ms", bits(rate), Millis(rtt));
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.2..last + 0.2, (SHARE_MIN..1.2).log_scale())
        .map_err(failed)?;
    let name = |at: &f64| {
        let whole = (at.round() - at).abs() < 1e-6;
        let loss = losses.get(at.round().max(0.0) as usize).filter(|_| whole);
        loss.cloned().unwrap_or_default()
    };
    chart
        .configure_mesh()
        .x_labels(losses.len().max(2))
        .x_label_formatter(&name)
        .y_label_formatter(&|share| format!("{}%", trimmed(share * 100.0)))
        .x_desc("lost")
        .y_desc("goodput, share of the rate")
        .label_style((FONT, 12))
        .light_line_style(WHITE)
        .draw()
        .map_err(failed)?;
    for (number, wanted) in series.iter().enumerate() {
        let own = panel.iter().filter(|(row, _)| series_of(row) == *wanted);
        let points: Vec<(f64, f64)> = own
            .filter_map(|(row, figures)| {
                let at = losses.iter().position(|loss| *loss == position(&row.losses))?;
                Some((at as f64, (figures.goodput.mean / rate as f64).max(SHARE_MIN)))
            })
            .collect();
        let style = colour(number).stroke_width(2);
        chart.draw_series(LineSeries::new(points.clone(), style)).map_err(failed)?;
        let dots = points.into_iter().map(|point| Circle::new(point, 3, colour(number).filled()));
        chart.draw_series(dots).map_err(failed)?;
    }
    Ok(())
}

/// Where losses stand on the axis: bursty ones where independent ones of the same share do.
fn position(losses: &Losses) -> String {
    losses.share_label()
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// Colours that can be told apart in print and by most eyes, after Okabe and Ito.
fn colour(number: usize) -> RGBColor {
    const COLOURS: [RGBColor; 8] = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
        RGBColor(120, 120, 120),
        RGBColor(0, 0, 0),
    ];
    COLOURS[number % COLOURS.len()]
}

/// The library's errors borrow what they tell of.
fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

const FONT: &str = "sans-serif";
/// Pixels of one panel, of the line above them all, and of a name in it.
const PANEL: (u32, u32) = (420, 320);
const LEGEND: u32 = 30;
const LEGEND_STEP: i32 = 160;
/// The bottom of the axis: what is less is drawn there.
const SHARE_MIN: f64 = 0.0003;
