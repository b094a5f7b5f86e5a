//! The two scenes worth drawing: how the connection begins, and how it ends.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use netmart::bus::{Kind, Record, Recorder};
use netmart::trace::write::EventRecorder;
use netmart::trace::{Chart, Column, Event};

use super::server::Served;

/// Collects the events of both scenes from both stacks.
#[derive(Clone)]
pub(super) struct Scenes {
    served: Rc<Served>,
    act: Rc<Cell<Act>>,
    beginning: Rc<RefCell<Vec<Event>>>,
    end: Rc<RefCell<Vec<Event>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Beginning,
    /// The transfer, with more events than anybody wants to see.
    Transfer,
    /// A FIN has left.
    End,
}

/// The end lasts until the last octet has been acknowledged, which can take long.
const EVENTS_MAX: usize = 200_000;

impl Scenes {
    pub(super) fn new(served: Rc<Served>) -> Self {
        Self {
            served,
            act: Rc::new(Cell::new(Act::Beginning)),
            beginning: Rc::default(),
            end: Rc::default(),
        }
    }

    /// A recorder for the stack called `place`.
    pub(super) fn recorder(&self, place: &str) -> impl Recorder + 'static {
        let (scenes, audience) = (self.clone(), self.clone());
        let is_wanted = move |record: &Record| scenes.is_wanted(record);
        EventRecorder::new(place, is_wanted, move |event| audience.see(event))
    }

    fn is_wanted(&self, record: &Record) -> bool {
        match (self.act.get(), record.kind()) {
            (Act::Transfer, Kind::Send) => self.served.is_finished.get(),
            (Act::Transfer, _) => false,
            (_, kind) => matches!(kind, Kind::Send | Kind::Inject | Kind::Spawn | Kind::Stop),
        }
    }

    fn see(&self, event: Event) {
        let is_last_word = is_of_close(&event);
        match self.act.get() {
            Act::Beginning => {
                let is_request = event.topic.as_deref() == Some("channel")
                    && event.summary.starts_with("data")
                    && event.to.iter().any(|party| &*party.name == "session");
                self.beginning.borrow_mut().push(event);
                if is_request {
                    self.act.set(Act::Transfer);
                }
            }
            Act::Transfer if is_last_word => {
                if event.topic.as_deref() == Some("segments-out") {
                    self.act.set(Act::End);
                }
                self.end.borrow_mut().push(event);
            }
            Act::Transfer => {}
            Act::End => {
                let mut end = self.end.borrow_mut();
                if end.len() < EVENTS_MAX {
                    end.push(event);
                }
            }
        }
    }

    /// From the first SYN to the request.
    pub(super) fn handshake(&self) -> Chart {
        draw(&self.beginning.borrow())
    }

    /// The FINs and what acknowledges them, and what the applications hear of it.
    pub(super) fn close(&self) -> Chart {
        let events = self.end.borrow();
        let fins: HashSet<&str> = events.iter().flat_map(|event| fins(&event.summary)).collect();
        let mut chart = draw(&events);
        chart.retain(|event| {
            is_of_close(event) || acks(&event.summary).any(|ack| fins.contains(ack))
        });
        chart
    }
}

fn draw(events: &[Event]) -> Chart {
    const LINK: usize = 5;
    let column = |place, actor, title| Column::new(place, actor).titled(title);
    let chart = Chart::new(vec![
        Column::new("client", "client"),
        Column::new("client", "relay"),
        column("client", "state vector", "vector"),
        Column::new("client", "codec"),
        Column::new("client", "ip"),
        column("client", "link 1", "link"),
        column("server", "link 1", "link"),
        Column::new("server", "ip"),
        Column::new("server", "codec"),
        column("server", "state vector", "vector"),
        Column::new("server", "relay"),
        column("server", "session", "server"),
    ]);
    let mut chart = chart.wire(LINK, LINK + 1);
    events.iter().for_each(|event| chart.add(event));
    chart
}

/// Whether an event says that something ends: a FIN on its way, or the end of a channel.
fn is_of_close(event: &Event) -> bool {
    match event.topic.as_deref() {
        Some("segments-out" | "segments-in") => fins(&event.summary).next().is_some(),
        Some("channel") => event.summary == "end" || event.summary.starts_with("closed"),
        _ => false,
    }
}

/// The sequence numbers behind the FINs in a line about segments.
fn fins(summary: &str) -> impl Iterator<Item = &str> {
    summary.split("; ").filter_map(|segment| {
        let (flags, rest) = segment.split_once(' ')?;
        let (_, end) = rest.split_once('(')?.0.split_once(':')?;
        flags.contains('F').then_some(end)
    })
}

/// The acknowledgement numbers in a line about segments.
fn acks(summary: &str) -> impl Iterator<Item = &str> {
    summary.split("; ").filter_map(|segment| segment.split_once(" ack ")?.1.split(' ').next())
}
