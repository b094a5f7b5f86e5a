//! Rows of a chart as characters.

use std::fmt;

use netmart_bus::{Kind, Time};

use super::{Column, Hop, Line, Row};
use crate::trace::event::Event;

/// Where the columns stand.
pub(super) struct Layout {
    /// The position of each column's line.
    at: Vec<usize>,
    /// From here on there are labels.
    lanes: usize,
    lane: usize,
    width: usize,
}

/// The width of the time, in milliseconds, with the blank behind it.
const TIME: usize = 11;

/// The room that a label should have.
const LABEL: usize = 30;

/// The least and the most distance of two lines.
const LANE: (usize, usize) = (6, 16);

/// Additional distance of two columns that are in different places.
const BETWEEN_PLACES: usize = 2;

impl Layout {
    pub(super) fn new(columns: &[Column], width: usize) -> Self {
        let borders = |columns: &[Column]| {
            columns.windows(2).filter(|pair| pair[0].place != pair[1].place).count()
        };
        let room = width.saturating_sub(TIME + LABEL + BETWEEN_PLACES * borders(columns));
        let lane = (room / columns.len().max(1)).clamp(LANE.0, LANE.1);
        let at = |index: usize| {
            TIME + index * lane + lane / 2 + BETWEEN_PLACES * borders(&columns[..=index])
        };
        let at: Vec<usize> = (0..columns.len()).map(at).collect();
        let lanes = at.last().map_or(TIME, |last| last + lane / 2 + 2);
        Self { at, lanes, lane, width }
    }

    /// The names of the places, and those of the columns; on two lines if they are too long for one.
    pub(super) fn titles(&self, columns: &[Column], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places = Canvas::new(self.lanes);
        for (index, column) in columns.iter().enumerate() {
            if index == 0 || columns[index - 1].place != column.place {
                let alike = columns[index..].iter().take_while(|other| other.place == column.place);
                let last = index + alike.count() - 1;
                let middle = (self.at[index] + self.at[last]) / 2;
                let name = format!(" {} ", column.place);
                let half = (self.at[last] - middle).max(name.chars().count() / 2 + 1);
                places.line(middle.saturating_sub(half), middle + half, '─');
                places.centre(middle, &name);
            }
        }
        writeln!(f, "{places}")?;
        let too_long = columns.iter().any(|column| column.title.chars().count() >= self.lane);
        for line in 0..=usize::from(too_long) {
            let mut titles = Canvas::new(self.lanes.max(self.width));
            if line == usize::from(too_long) {
                titles.put(TIME - 4, "ms");
            }
            for (index, column) in columns.iter().enumerate() {
                if !too_long || index % 2 == line {
                    titles.centre(self.at[index], &column.title);
                } else if line == 1 {
                    titles.put(self.at[index], "│");
                }
            }
            writeln!(f, "{titles}")?;
        }
        Ok(())
    }

    /// One row; `lives` tells which actors are there.
    pub(super) fn row(
        &self,
        row: &Row,
        time: Option<Time>,
        lives: &[bool],
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let mut canvas = Canvas::new(self.lanes);
        if let Some(time) = time {
            let micros = time.as_micros();
            let millis = format!("{}.{:03}", micros / 1_000, micros % 1_000);
            canvas.put((TIME - 2).saturating_sub(millis.len()), &millis);
        }
        for (&at, _) in self.at.iter().zip(lives).filter(|(_, lives)| **lives) {
            canvas.put(at, "│");
        }
        row.hops.iter().for_each(|hop| self.hop(hop, &mut canvas));
        row.ends.iter().for_each(|&column| canvas.put(self.at[column], "╳"));
        let label = row.subject.as_ref().map(label).unwrap_or_default();
        let room = self.width.saturating_sub(self.lanes);
        let cut = label.char_indices().nth(room).map(|_| {
            let short: String = label.chars().take(room.saturating_sub(1)).collect();
            format!("{short}…")
        });
        writeln!(
            f,
            "{}",
            format!("{canvas:<width$}{}", cut.unwrap_or(label), width = self.lanes).trim_end()
        )
    }

    fn hop(&self, hop: &Hop, canvas: &mut Canvas) {
        for &to in &hop.to {
            let to = self.at[to];
            match hop.from.map(|from| self.at[from]) {
                Some(from) if from < to => {
                    canvas.arrow(from + 1, to - 1, hop.line);
                    canvas.put(from, "├");
                    canvas.put(to - 1, "▶");
                }
                Some(from) if from > to => {
                    canvas.arrow(to + 1, from - 1, hop.line);
                    canvas.put(from, "┤");
                    canvas.put(to + 1, "◀");
                }
                // To itself, or from somebody who has no column.
                _ => canvas.put(to, "●"),
            }
        }
    }
}

/// One line of characters.
struct Canvas(Vec<char>);

impl Canvas {
    fn new(width: usize) -> Self {
        Self(vec![' '; width])
    }

    fn put(&mut self, at: usize, text: &str) {
        for (place, c) in self.0.iter_mut().skip(at).zip(text.chars()) {
            *place = c;
        }
    }

    fn centre(&mut self, at: usize, text: &str) {
        self.put(at.saturating_sub(text.chars().count() / 2), text);
    }

    fn line(&mut self, from: usize, to: usize, c: char) {
        self.0.iter_mut().take(to + 1).skip(from).for_each(|place| *place = c);
    }

    /// The shaft of an arrow, over the lines of whom it passes by.
    fn arrow(&mut self, from: usize, to: usize, line: Line) {
        for place in self.0.iter_mut().take(to + 1).skip(from) {
            *place = match (*place, line) {
                ('▶' | '◀', _) => continue,
                ('│' | '┼', Line::Bus) => '┼',
                (_, Line::Bus) => '─',
                (_, Line::Wire) => '╌',
            };
        }
    }
}

impl fmt::Display for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().collect();
        f.write_str(text.trim_end())?;
        let written = text.trim_end().chars().count();
        let missing = f.width().unwrap_or(0).saturating_sub(written);
        write!(f, "{:missing$}", "")
    }
}

/// What stands beside a row.
fn label(event: &Event) -> String {
    let topic = event.topic.as_deref().unwrap_or("");
    match (topic, event.kind) {
        ("segments-in" | "segments-out", _) => segments_label(&event.summary),
        ("channel", _) => event.summary.clone(),
        (_, Kind::Spawn) => format!("spawns {}", event.actor.name),
        (_, Kind::Gone) => format!("no longer {topic}"),
        (_, _) if event.summary.is_empty() => topic.to_owned(),
        _ => format!("{topic}: {}", event.summary),
    }
}

/// The names of the flags that a summary has as letters.
fn flag_names(letters: &str) -> String {
    let names = letters.chars().map(|letter| match letter {
        'S' => "SYN",
        'F' => "FIN",
        'R' => "RST",
        'P' => "PSH",
        '.' => "ACK",
        'U' => "URG",
        'E' => "ECE",
        'W' => "CWR",
        _ => "?",
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Flags and length of the segment that says most, without its numbers.
fn segments_label(summary: &str) -> String {
    let flags = |segment: &str| segment.split(' ').next().unwrap_or("").to_owned();
    let segments: Vec<&str> = summary.split("; ").collect();
    let is_telling = |segment: &&&str| flags(segment).contains(['S', 'F', 'R']);
    let Some(segment) = segments.iter().find(is_telling).or(segments.first()) else {
        return String::new();
    };
    let length = segment.split_once('(').and_then(|(_, rest)| Some(rest.split_once(')')?.0));
    let mut label = flag_names(&flags(segment));
    if let Some(length) = length.filter(|length| *length != "0") {
        label += &format!(" {length} octets");
    }
    if segment.contains(" again: ") {
        label += ", again";
    }
    match segments.len() - 1 {
        0 => label,
        more => format!("{label}, and {more} more"),
    }
}
