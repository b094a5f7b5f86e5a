//! The two scenes worth drawing: how the connection begins, and how it ends.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use netmart::actors::address::Transport;
use netmart::bus::{Kind, Record, Recorder};
use netmart::trace::write::EventRecorder;
use netmart::trace::{Chart, Column, Event};

use super::content::Sent;

/// Collects the events of both scenes from both stacks.
#[derive(Clone)]
pub(super) struct Scenes {
    wire: Transport,
    sent: Rc<Sent>,
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

/// The last events of a connection over a wire: enough for its last words, which differ from wire to wire.
const LAST_MAX: usize = 24;

impl Scenes {
    pub(super) fn new(wire: Transport, sent: Rc<Sent>) -> Self {
        Self {
            wire,
            sent,
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
            (Act::Transfer, Kind::Send) => self.sent.is_finished.get(),
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
            Act::Transfer if is_last_word && self.wire == Transport::Tcp => {
                if event.topic.as_deref() == Some("segments-out") {
                    self.act.set(Act::End);
                }
                self.end.borrow_mut().push(event);
            }
            Act::Transfer | Act::End if self.wire != Transport::Tcp => {
                if is_last_word || event.topic.as_deref() == Some(self.wire.name()) {
                    let mut end = self.end.borrow_mut();
                    let surplus = (end.len() + 1).saturating_sub(LAST_MAX);
                    end.drain(..surplus);
                    end.push(event);
                }
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
        self.draw(&self.beginning.borrow())
    }

    /// The FINs and what acknowledges them, and what the applications hear of it.
    pub(super) fn close(&self) -> Chart {
        let events = self.end.borrow();
        if self.wire != Transport::Tcp {
            return self.draw(&events);
        }
        let fins: HashSet<&str> = events.iter().flat_map(|event| fins(&event.summary)).collect();
        let mut chart = self.draw(&events);
        chart.retain(|event| {
            is_of_close(event) || acks(&event.summary).any(|ack| fins.contains(ack))
        });
        chart
    }

    fn draw(&self, events: &[Event]) -> Chart {
        let column = |place, actor: &str, title| Column::new(place, actor).titled(title);
        let (session, codec) = match self.wire {
            Transport::Tcp => ("state vector", "codec".to_owned()),
            wire => (wire.name(), format!("{wire} codec")),
        };
        let session_title = if self.wire == Transport::Tcp { "vector" } else { "session" };
        let stack = |place, user, title| {
            let mut columns = vec![
                column(place, user, title),
                column(place, "relay", "relay"),
                column(place, session, session_title),
                column(place, &codec, "codec"),
                column(place, "ip", "ip"),
                column(place, "link 1", "link"),
            ];
            if self.wire != Transport::Tcp {
                columns.insert(4, column(place, "udp", "udp"));
            }
            columns
        };
        let (near, mut far) =
            (stack("client", "client", "client"), stack("server", "session", "server"));
        far.reverse();
        let link = near.len() - 1;
        let columns = near.into_iter().chain(far).collect();
        let mut chart = Chart::new(columns).wire(link, link + 1);
        events.iter().for_each(|event| chart.add(event));
        chart
    }
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
