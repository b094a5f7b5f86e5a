//! A sequence chart of a trace: who gets a column.

use std::io::Write;

use anyhow::bail;
use netmart::bus::{ActorId, Kind};
use netmart::trace::{Chart, Column, Event, Filter, Party};

use super::Show;

/// More columns than this do not fit any screen.
const COLUMNS_MAX: usize = 24;

/// Rows, if the user does not say how many.
const ROWS: u64 = 200;

/// Draws the events that the filter selects. Columns are the actors named, or all that occur, as long
/// as they fit.
pub(super) fn print(show: &Show, out: &mut impl Write) -> anyhow::Result<()> {
    let filter = Filter { actors: Vec::new(), ..show.filter() };
    let columns = columns(show, &filter)?;
    if columns.is_empty() {
        bail!("no messages to draw");
    }
    let rows = usize::try_from(show.limit.unwrap_or(ROWS)).unwrap_or(usize::MAX);
    let links = wire(&columns);
    let mut chart = Chart::new(columns).width(show.width).rows_max(rows);
    if let Some((one, other)) = links {
        chart = chart.wire(one, other);
    }
    show.events(|event| {
        if is_life(&event) || is_drawn(&event) && filter.selects(&event) {
            chart.add(&event);
        }
        Ok(true)
    })?;
    write!(out, "{chart}")?;
    Ok(())
}

/// Lines begin and end whatever the filter says.
fn is_life(event: &Event) -> bool {
    matches!(event.kind, Kind::Spawn | Kind::Stop)
}

fn is_drawn(event: &Event) -> bool {
    matches!(event.kind, Kind::Send | Kind::Inject)
}

/// The actors named on the command line, or those that send or receive what is drawn, in the order in
/// which they first do.
fn columns(show: &Show, filter: &Filter) -> anyhow::Result<Vec<Column>> {
    let mut found: Vec<Column> = Vec::new();
    let mut places: Vec<String> = Vec::new();
    show.events(|event| {
        if !places.iter().any(|place| **place == *event.place) {
            places.push(event.place.to_string());
        }
        if is_drawn(&event) && filter.selects(&event) && !event.to.is_empty() {
            for party in std::iter::once(&event.actor).chain(&event.to) {
                note(&event, party, &mut found);
            }
        }
        Ok(true)
    })?;
    if show.actor.is_empty() {
        // Columns of one place stand together.
        found.sort_by_key(|column| places.iter().position(|place| *place == column.place));
        return Ok(found);
    }
    let named = show.actor.iter().flat_map(|actor| match actor.split_once('/') {
        Some((place, actor)) => vec![Column::new(place, actor)],
        None => places.iter().map(|place| Column::new(place, actor)).collect(),
    });
    Ok(named.take(COLUMNS_MAX).collect())
}

fn note(event: &Event, party: &Party, found: &mut Vec<Column>) {
    if party.id == ActorId::HOST || found.len() >= COLUMNS_MAX {
        return;
    }
    let column = Column::new(&event.place, &party.to_string()).titled(match &*party.name {
        "" => "?",
        name => name,
    });
    if !found.contains(&column) {
        found.push(column);
    }
}

/// The ends of the wire, where two places have one link each.
fn wire(columns: &[Column]) -> Option<(usize, usize)> {
    let mut links =
        columns.iter().enumerate().filter(|(_, column)| column.title.starts_with("link "));
    match (links.next(), links.next(), links.next()) {
        (Some((one, a)), Some((other, b)), None) if a.place != b.place => Some((one, other)),
        _ => None,
    }
}
