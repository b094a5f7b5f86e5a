//! Who said what to whom: a message sequence chart as text.
//!
//! One column per actor, one row per message. A message that several actors pass on at once, as a
//! segment goes through codec, ip and link, is one row: the trace tells that each hop was caused by
//! the one before.

mod draw;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use netmart_bus::{EventId, Kind, Time};

use super::event::{Event, Party};
use super::filter::is_called;
use draw::Layout;

/// An actor of the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What stands above it.
    pub title: String,
    /// The place it is in.
    pub place: String,
    /// Its name, its number, or both as in `relay [12]`; of several actors with the name, all.
    pub actor: String,
}

impl Column {
    /// The actors called `actor` in `place`, under that name.
    pub fn new(place: &str, actor: &str) -> Self {
        Self { title: actor.to_owned(), place: place.to_owned(), actor: actor.to_owned() }
    }

    /// Another title.
    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    fn is(&self, place: &str, party: &Party) -> bool {
        self.place == place && is_called(party, &self.actor)
    }
}

/// A chart to which events are added in the order of a trace.
#[derive(Clone, Debug)]
pub struct Chart {
    columns: Vec<Column>,
    lives: Vec<Life>,
    wires: Vec<(usize, usize)>,
    rows: Vec<Row>,
    rows_max: usize,
    /// Events that found no room.
    omitted: u64,
    /// The row that an event is in, or led to.
    row_of: HashMap<(Arc<str>, EventId), usize>,
    width: usize,
}

/// From which row to which row an actor is there; from or to the edge of the chart if open.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    born: Option<usize>,
    ended: Option<usize>,
    /// Whether it is in any row.
    seen: bool,
}

/// What happens at one height of the chart.
#[derive(Clone, Debug)]
struct Row {
    time: Time,
    hops: Vec<Hop>,
    /// The columns that end here.
    ends: Vec<usize>,
    /// The hop that says most.
    subject: Option<Event>,
}

/// One message, between columns.
#[derive(Clone, Debug)]
struct Hop {
    /// `None` for somebody who has no column.
    from: Option<usize>,
    to: Vec<usize>,
    line: Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Over the bus.
    Bus,
    /// Over a wire between two stacks.
    Wire,
}

impl Chart {
    /// An empty chart of these actors, 118 characters wide and of any length up to 10,000 rows.
    pub fn new(columns: Vec<Column>) -> Self {
        let lives = vec![Life::default(); columns.len()];
        Self {
            columns,
            lives,
            wires: Vec::new(),
            rows: Vec::new(),
            rows_max: 10_000,
            omitted: 0,
            row_of: HashMap::new(),
            width: 118,
        }
    }

    /// Lets what the host injects for one of two columns come from the other one: they are the ends
    /// of a wire.
    #[must_use]
    pub fn wire(mut self, one: usize, other: usize) -> Self {
        self.wires.extend([(one, other), (other, one)]);
        self
    }

    /// The width in characters, labels included.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// The most rows; what happens after them is counted.
    #[must_use]
    pub fn rows_max(mut self, rows: usize) -> Self {
        self.rows_max = rows;
        self
    }

    /// Adds an event, if it concerns the actors of this chart.
    pub fn add(&mut self, event: &Event) {
        match event.kind {
            Kind::Spawn => self.add_birth(event),
            Kind::Stop => self.add_end(event),
            Kind::Send | Kind::Inject | Kind::Appeared | Kind::Gone => self.add_hop(event),
            _ => {}
        }
    }

    /// Keeps the rows whose subject is worth it, and with them what ends.
    pub fn retain(&mut self, is_worth_it: impl Fn(&Event) -> bool) {
        let kept: Vec<bool> = self
            .rows
            .iter()
            .map(|row| !row.ends.is_empty() || row.subject.as_ref().is_some_and(&is_worth_it))
            .collect();
        // Where each row goes, or the first kept row after it.
        let moved: Vec<usize> = kept
            .iter()
            .scan(0, |next, keep| {
                let here = *next;
                *next += usize::from(*keep);
                Some(here)
            })
            .collect();
        let place = |row: &mut Option<usize>| {
            *row = row.map(|row| moved.get(row).copied().unwrap_or(row));
        };
        for life in &mut self.lives {
            place(&mut life.born);
            place(&mut life.ended);
        }
        let mut keep = kept.iter().copied();
        self.rows.retain(|_| keep.next().unwrap_or(true));
        // Rows have moved: what comes now begins new ones.
        self.row_of.clear();
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn column(&self, place: &str, party: &Party) -> Option<usize> {
        self.columns.iter().position(|column| column.is(place, party))
    }

    fn row_of(&self, event: &Event, id: EventId) -> Option<usize> {
        self.row_of.get(&(Arc::clone(&event.place), id)).copied()
    }

    fn note(&mut self, event: &Event, row: usize) {
        self.row_of.insert((Arc::clone(&event.place), event.id), row);
    }

    /// An actor's line begins in the row that led to its birth, at the end of an arrow from whoever
    /// received the message that led to it: that is who spawned.
    fn add_birth(&mut self, event: &Event) {
        let cause = self.row_of(event, event.cause);
        if let Some(column) = self.column(&event.place, &event.actor) {
            let row = cause.unwrap_or(self.rows.len());
            let life = &mut self.lives[column];
            if !life.seen {
                life.born = Some(row);
            }
            (life.seen, life.ended) = (true, None);
            let spawner = cause.and_then(|row| match self.rows[row].hops.last()?.to[..] {
                [only] => Some(only),
                _ => None,
            });
            if let Some(spawner) = spawner {
                let hop = Hop { from: Some(spawner), to: vec![column], line: Line::Bus };
                return self.extend_or_begin(event, hop);
            }
        }
        if let Some(row) = cause {
            self.note(event, row);
        }
    }

    fn add_end(&mut self, event: &Event) {
        let Some(column) = self.column(&event.place, &event.actor) else { return };
        let row = match self.rows.last_mut() {
            Some(last) if last.time == event.time && !last.ends.is_empty() => {
                last.ends.push(column);
                self.rows.len() - 1
            }
            _ => {
                let ends = vec![column];
                let row = Row { time: event.time, hops: Vec::new(), ends, subject: None };
                let Some(row) = self.push(row) else { return };
                row
            }
        };
        self.lives[column].seen = true;
        self.lives[column].ended = Some(row);
    }

    fn add_hop(&mut self, event: &Event) {
        if let Some(hop) = self.hop(event) {
            self.extend_or_begin(event, hop);
        }
    }

    fn extend_or_begin(&mut self, event: &Event, hop: Hop) {
        hop.from.iter().chain(&hop.to).for_each(|&column| self.lives[column].seen = true);
        let row = match self.continued(event, &hop) {
            Some(row) => {
                self.rows[row].hops.push(hop);
                if rank(event) > self.rows[row].subject.as_ref().map_or(0, rank) {
                    self.rows[row].subject = Some(event.clone());
                }
                row
            }
            None => {
                let subject = Some(event.clone());
                let row = Row { time: event.time, hops: vec![hop], ends: Vec::new(), subject };
                let Some(row) = self.push(row) else { return };
                row
            }
        };
        self.note(event, row);
    }

    fn push(&mut self, row: Row) -> Option<usize> {
        if self.rows.len() >= self.rows_max {
            self.omitted += 1;
            return None;
        }
        self.rows.push(row);
        Some(self.rows.len() - 1)
    }

    fn hop(&self, event: &Event) -> Option<Hop> {
        let to: Vec<usize> =
            event.to.iter().filter_map(|party| self.column(&event.place, party)).collect();
        let &first = to.first()?;
        if event.kind == Kind::Inject {
            let wire = self.wires.iter().find(|(_, end)| *end == first);
            let from = wire.map(|(from, _)| *from);
            return Some(Hop { from, to, line: Line::Wire });
        }
        Some(Hop { from: self.column(&event.place, &event.actor), to, line: Line::Bus })
    }

    /// The row whose last hop led to this one, if it can go on there: same moment, same direction, and
    /// from where that one ended.
    fn continued(&self, event: &Event, hop: &Hop) -> Option<usize> {
        let row = self.row_of(event, event.cause)?;
        let last = self.rows[row].hops.last()?;
        let ([end], [to], Some(from)) = (&last.to[..], &hop.to[..], hop.from) else { return None };
        let goes_on = match last.from {
            Some(before) => (before < *end) == (from < *to) && from != *to,
            None => true,
        };
        (self.rows[row].time == event.time && from == *end && goes_on).then_some(row)
    }
}

/// How much an event says about the row it is in: segments, then births, then other messages, then
/// facts.
fn rank(event: &Event) -> u8 {
    match (event.topic.as_deref(), event.kind) {
        (Some("segments-in" | "segments-out"), _) => 4,
        (_, Kind::Spawn) => 3,
        (_, Kind::Send) => 2,
        _ => 1,
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = Layout::new(&self.columns, self.width);
        layout.titles(&self.columns, f)?;
        let mut time = None;
        for (index, row) in self.rows.iter().enumerate() {
            let lives = self.lives.iter().map(|life| {
                life.born.is_none_or(|born| born <= index)
                    && life.ended.is_none_or(|end| index <= end)
            });
            let shown = (time.replace(row.time) != Some(row.time)).then_some(row.time);
            layout.row(row, shown, &lives.collect::<Vec<_>>(), f)?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => writeln!(f, "... and {omitted} more rows"),
        }
    }
}
