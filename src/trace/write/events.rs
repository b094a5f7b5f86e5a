//! Events as they happen, for whoever is in the same program.

use std::fmt;
use std::sync::Arc;

use netmart_bus::{ActorId, Detail, Kind, Record, Recorder};

use super::place::PlaceWriter;
use crate::trace::encode::Entry;
use crate::trace::event::{Event, Party};

/// A recorder that shows events to a closure, as a reader of a trace would see them.
///
/// Putting an event into words costs far more than the event, so a first closure tells by its numbers
/// whether it is wanted.
pub struct EventRecorder<W, E> {
    place: PlaceWriter,
    name: Arc<str>,
    is_wanted: W,
    each: E,
}

impl<W, E> EventRecorder<W, E>
where
    W: FnMut(&Record) -> bool,
    E: FnMut(Event),
{
    /// Shows `each` those events for which `is_wanted` is true. It learns the names of actors that are
    /// spawned from now on.
    pub fn new(place: &str, is_wanted: W, each: E) -> Self {
        Self { place: PlaceWriter::new(0, place), name: Arc::from(place), is_wanted, each }
    }
}

impl<W, E> Recorder for EventRecorder<W, E>
where
    W: FnMut(&Record) -> bool,
    E: FnMut(Event),
{
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        let Self { place, name, is_wanted, each } = self;
        if is_wanted(record) {
            place.put_into_words(record, detail, |entry| each(event(name, entry)));
        } else if matches!(record.kind(), Kind::Spawn | Kind::Stop) {
            place.put_into_words(record, detail, |_| ());
        }
    }
}

fn event(place: &Arc<str>, entry: &Entry<'_>) -> Event {
    let party = |id: ActorId| {
        let name = entry.place.actors.get(&id).map_or("", |name| name);
        Party { id, name: Arc::from(name) }
    };
    Event {
        place: Arc::clone(place),
        id: entry.id,
        cause: entry.cause,
        time: entry.time,
        kind: entry.kind,
        actor: party(entry.actor),
        topic: entry.topic.map(Arc::from),
        recipients: entry.recipients,
        to: entry.to.iter().copied().map(party).collect(),
        key: Arc::from(entry.key),
        summary: entry.summary.to_owned(),
    }
}

impl<W, E> fmt::Debug for EventRecorder<W, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder").field("place", &self.name).finish_non_exhaustive()
    }
}

/// Gives every event to two recorders.
#[derive(Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Recorder, B: Recorder> Recorder for Both<A, B> {
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        self.0.record(record, detail);
        self.1.record(record, detail);
    }
}
