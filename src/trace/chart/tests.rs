//! Small charts, drawn.

use std::sync::Arc;

use netmart_bus::{ActorId, EventId, Kind, Time};

use super::{Chart, Column};
use crate::trace::{Event, Party};

fn party(name: &str) -> Party {
    let id = name.bytes().map(u64::from).sum();
    Party { id: ActorId::from_number(id), name: Arc::from(name) }
}

/// Event `id` of `place`, because of event `cause`.
fn event(place: &str, id: u64, cause: u64, kind: Kind, actor: &str, to: &[&str]) -> Event {
    Event {
        place: Arc::from(place),
        id: EventId::from_number(id),
        cause: EventId::from_number(cause),
        time: Time::from_micros(1_500),
        kind,
        actor: party(actor),
        topic: Some(Arc::from("topic")),
        recipients: to.len() as u16,
        to: to.iter().map(|name| party(name)).collect(),
        key: Arc::from(""),
        summary: String::new(),
    }
}

fn of_topic(event: Event, topic: &str, summary: &str) -> Event {
    Event { topic: Some(Arc::from(topic)), summary: summary.to_owned(), ..event }
}

fn columns(names: &[(&str, &str)]) -> Vec<Column> {
    names.iter().map(|(place, actor)| Column::new(place, actor)).collect()
}

#[track_caller]
fn assert_drawn(chart: &Chart, expected: &str) {
    let drawn = chart.to_string();
    assert_eq!(drawn.trim_end(), expected.trim_matches('\n'), "\n{drawn}");
}

#[test]
fn what_is_passed_on_at_once_is_one_row_and_an_answer_is_another() {
    let here = |id, cause, from, to| event("here", id, cause, Kind::Send, from, &[to]);
    let mut chart = Chart::new(columns(&[("here", "a"), ("here", "b"), ("here", "c")])).width(60);
    chart.add(&of_topic(here(1, 0, "a", "b"), "segments-out", "S 1:2(0) win 3"));
    chart.add(&here(2, 1, "b", "c"));
    chart.add(&here(3, 2, "c", "a"));
    chart.add(&Event { time: Time::from_micros(2_000), ..here(4, 3, "a", "b") });
    assert_drawn(
        &chart,
        "
              ─── here ────
       ms     a     b     c
    1.500     ├────▶├────▶│    SYN
              │◀────┼─────┤    topic
    2.000     ├────▶│     │    topic
",
    );
}

#[test]
fn a_wire_leads_from_one_place_to_the_other() {
    let names = [("near", "app"), ("near", "link"), ("far", "link"), ("far", "app")];
    let mut chart = Chart::new(columns(&names)).wire(1, 2).width(70);
    chart.add(&event("near", 1, 0, Kind::Send, "app", &["link"]));
    chart.add(&event("far", 1, 0, Kind::Inject, "host", &["link"]));
    chart.add(&of_topic(event("far", 2, 1, Kind::Send, "link", &["app"]), "channel", "data 5"));
    assert_drawn(
        &chart,
        "
             ─ near ──      ─ far ─
       ms    app  link    link   app
    1.500     ├────▶│       │     │    topic
              │     ├╌╌╌╌╌╌▶├────▶│    data 5
",
    );
}

#[test]
fn lines_begin_with_a_birth_and_end_with_an_end() {
    let mut chart = Chart::new(columns(&[("here", "a"), ("here", "b"), ("here", "c")])).width(60);
    chart.add(&event("here", 1, 0, Kind::Send, "a", &["b"]));
    chart.add(&event("here", 2, 1, Kind::Spawn, "c", &[]));
    chart.add(&event("here", 3, 2, Kind::Send, "c", &["a"]));
    chart.add(&event("here", 4, 3, Kind::Stop, "b", &[]));
    chart.add(&event("here", 5, 3, Kind::Stop, "c", &[]));
    chart.add(&event("here", 6, 3, Kind::Send, "a", &["a"]));
    assert_drawn(
        &chart,
        "
              ─── here ────
       ms     a     b     c
    1.500     ├────▶├────▶│    spawns c
              │◀────┼─────┤    topic
              │     ╳     ╳
              ●                topic
",
    );
}

#[test]
fn several_recipients_get_a_head_each_and_long_labels_are_cut() {
    let mut chart = Chart::new(columns(&[("here", "a"), ("here", "b"), ("here", "c")])).width(40);
    let summary = "everything there is to say about it";
    chart.add(&of_topic(event("here", 1, 0, Kind::Send, "a", &["b", "c"]), "channel", summary));
    assert_drawn(
        &chart,
        "
              ─── here ────
       ms     a     b     c
    1.500     ├────▶┼────▶│    everythi…
",
    );
}

#[test]
fn rows_can_be_left_out_and_the_rest_moves_up() {
    let mut chart = Chart::new(columns(&[("here", "a"), ("here", "b")])).width(60);
    for id in 1..=4 {
        let hop = event("here", id, 0, Kind::Send, "a", &["b"]);
        chart.add(&of_topic(hop, "channel", if id == 3 { "end" } else { "data 9" }));
    }
    chart.add(&event("here", 5, 0, Kind::Stop, "b", &[]));
    chart.retain(|event| event.summary == "end");
    let drawn = chart.to_string();
    assert_eq!(drawn.matches("data").count(), 0);
    assert_eq!(drawn.lines().count(), 4, "two of titles, one message, one end:\n{drawn}");
    assert!(drawn.trim_end().ends_with('╳'));
}

#[test]
fn rows_beyond_the_most_are_counted() {
    let mut chart = Chart::new(columns(&[("here", "a"), ("here", "b")])).rows_max(2);
    for id in 1..=5 {
        chart.add(&event("here", id, 0, Kind::Send, "a", &["b"]));
    }
    assert!(chart.to_string().ends_with("... and 3 more rows\n"));
}

#[test]
fn long_titles_stand_on_two_lines() {
    let names = ["listener", "dialer", "port allocator"].map(|name| ("here", name));
    let mut chart = Chart::new(columns(&names)).width(60);
    chart.add(&event("here", 1, 0, Kind::Send, "dialer", &["port allocator"]));
    assert_drawn(
        &chart,
        "
              ─── here ────
          listener port allocator
       ms     │  dialer   │
    1.500     │     ├────▶│    topic
",
    );
}
