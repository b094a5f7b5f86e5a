//! Events and files to test with.

use std::fmt;
use std::sync::Arc;

use netmart_bus::{
    Actor, ActorId, Config, Context, Dataspace, Delivery, EventId, Handler, Ran, Spawn, Time, Topic,
};
use proptest::prelude::*;

use crate::trace::encode::{Encoder, Entry, Place};
use crate::trace::format::{BLOCK_HEADER_LEN, HEADER_LEN, KINDS, MAGIC, VERSION};
use crate::trace::{Event, Party};

/// A plain event, the `number`th of its place.
pub(super) fn event(number: u64) -> Event {
    let party = |number, name| Party { id: ActorId::from_number(number), name: Arc::from(name) };
    Event {
        place: Arc::from("here"),
        id: EventId::from_number(number),
        cause: EventId::from_number(number - 1),
        time: Time::from_micros(number * 10),
        kind: KINDS[0].0,
        actor: party(1, "one"),
        topic: Some(Arc::from("topic")),
        recipients: 1,
        to: vec![party(2, "two")],
        key: Arc::from("Key { field: 1 }"),
        summary: "words".to_owned(),
    }
}

prop_compose! {
    fn any_event()(
        place in 0usize..3,
        id in 1u64..,
        back: u64,
        micros: u64,
        kind in 0..KINDS.len(),
        actor in 0u64..9,
        topic in prop::option::of("[a-z]{1,9}"),
        recipients: u16,
        to in prop::collection::vec(0u64..9, 0..4),
        key in "\\PC{0,30}",
        summary in "\\PC{0,30}",
    ) -> Event {
        let place = ["client", "server", ""][place];
        // The name of an actor follows from place and number, as it does in a recording.
        let party = |number| {
            let name = if number == 0 { String::new() } else { format!("{place} {number}") };
            Party { id: ActorId::from_number(number), name: name.into() }
        };
        Event {
            place: place.into(),
            id: EventId::from_number(id),
            cause: EventId::from_number(back % id),
            time: Time::from_micros(micros),
            kind: KINDS[kind].0,
            actor: party(actor),
            topic: topic.map(Arc::from),
            recipients,
            to: to.into_iter().map(party).collect(),
            key: key.into(),
            summary,
        }
    }
}

/// Events of three places, their numbers as wild as numbers can be.
pub(super) fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(any_event(), 1..30)
}

/// Writes `event` as a recorder would.
pub(super) fn encode(event: &Event, encoder: &mut Encoder) {
    let parties = event.to.iter().chain([&event.actor]);
    let actors = parties
        .filter(|party| !party.name.is_empty())
        .map(|party| (party.id, Box::from(&*party.name)))
        .collect();
    // "client", "server" and "" begin differently.
    let number = event.place.bytes().next().map_or(0, u32::from);
    let to: Vec<ActorId> = event.to.iter().map(|party| party.id).collect();
    encoder.event(&Entry {
        place: &Place { number, name: Box::from(&*event.place), actors },
        id: event.id,
        cause: event.cause,
        time: event.time,
        kind: event.kind,
        actor: event.actor.id,
        topic: event.topic.as_deref(),
        recipients: event.recipients,
        to: &to,
        key: &event.key,
        summary: &event.summary,
    });
}

fn header() -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.resize(HEADER_LEN, 0);
    header
}

/// A file with all of `events` in one block.
pub(super) fn file(events: &[Event]) -> Vec<u8> {
    file_of_blocks(events, events.len().max(1))
}

/// A file with so many events in each block.
pub(super) fn file_of_blocks(events: &[Event], per_block: usize) -> Vec<u8> {
    let mut file = header();
    let mut encoder = Encoder::new();
    for block in events.chunks(per_block) {
        block.iter().for_each(|event| encode(event, &mut encoder));
        file.extend(encoder.finish().octets);
    }
    file.extend(encoder.finish().octets);
    file
}

/// A file of one block with this payload, its checksum right.
pub(super) fn sealed(payload: &[u8], events: u32) -> Vec<u8> {
    let mut file = header();
    if !payload.is_empty() {
        let mut summed = events.to_le_bytes().to_vec();
        summed.extend(payload);
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend(crc32fast::hash(&summed).to_le_bytes());
        file.extend(summed);
    }
    let end = Encoder::new().finish().octets;
    assert_eq!(end.len(), BLOCK_HEADER_LEN);
    file.extend(end);
    file
}

/// A message that an actor passes to itself.
#[derive(Clone, Debug)]
struct Round(u64, u64);

impl Topic for Round {
    type Key = ();
    const NAME: &'static str = "round";

    fn key(&self) -> &() {
        &()
    }

    fn summarize(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "round {} of {}", self.0, self.1)
    }
}

struct Runner;

impl Actor for Runner {}

impl Handler<Round> for Runner {
    fn handle(&mut self, round: Delivery<'_, Round>, ctx: &mut Context<'_, Self>) {
        let Round(number, last) = *round;
        if number < last {
            ctx.send(Round(number + 1, last));
        }
    }
}

/// A dataspace with an actor that waits to be born.
pub(super) fn space() -> Dataspace {
    let mut space = Dataspace::new(Config { hash_seed: Some(7), ..Config::default() });
    space.spawn(Spawn::new("runner", Runner).subscribe::<Round>(()));
    space
}

/// Lets so many messages be sent.
pub(super) fn chatter(space: &mut Dataspace, messages: u64) {
    space.inject(Round(1, messages)).expect("the queue has room");
    assert_eq!(space.run(Time::ZERO), Ran::Idle);
}
