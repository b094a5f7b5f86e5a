//! Events to blocks. A block stands for itself: it defines every text, place and name that its
//! events refer to, so that the loss of one block costs no other.

use std::collections::{HashMap, HashSet};

use netmart_bus::{ActorId, EventId, Kind, Time};

use super::format::{
    BLOCK_GOAL, BLOCK_HEADER_LEN, LISTED_MAX, kind_code, put_signed, put_unsigned, tag,
};

/// An event to be written.
pub(super) struct Entry<'a> {
    pub(super) place: &'a Place,
    pub(super) id: EventId,
    pub(super) cause: EventId,
    pub(super) time: Time,
    pub(super) kind: Kind,
    pub(super) actor: ActorId,
    pub(super) topic: Option<&'a str>,
    pub(super) recipients: u16,
    /// As many of the recipients as are to be listed.
    pub(super) to: &'a [ActorId],
    pub(super) key: &'a str,
    pub(super) summary: &'a str,
}

/// A dataspace that is recorded, and the names of its actors.
pub(super) struct Place {
    /// Unique among the places of one encoder.
    pub(super) number: u32,
    pub(super) name: Box<str>,
    pub(super) actors: HashMap<ActorId, Box<str>>,
}

/// A finished block, header included.
pub(super) struct Block {
    pub(super) octets: Vec<u8>,
    /// Events in it.
    pub(super) events: u64,
    /// Events that its gap records count.
    pub(super) lost: u64,
}

/// Builds one block after the other.
pub(super) struct Encoder {
    /// The header's room and the payload so far.
    octets: Vec<u8>,
    events: u32,
    lost: u64,
    started: Option<Time>,
    time: Time,
    texts: HashMap<Box<str>, u32>,
    places: HashMap<u32, InBlock>,
    /// Actors named in this block, by number of place.
    named: HashSet<(u32, ActorId)>,
    /// The record under way.
    record: Vec<u8>,
}

/// A place as a block knows it.
struct InBlock {
    index: u32,
    last: EventId,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            octets: vec![0; BLOCK_HEADER_LEN],
            events: 0,
            lost: 0,
            started: None,
            time: Time::ZERO,
            texts: HashMap::new(),
            places: HashMap::new(),
            named: HashSet::new(),
            record: Vec::new(),
        }
    }

    /// Whether nothing has been written since the last block.
    pub(super) fn is_empty(&self) -> bool {
        self.octets.len() == BLOCK_HEADER_LEN
    }

    /// Whether the block is as long as it should be.
    pub(super) fn is_full(&self) -> bool {
        self.octets.len() >= BLOCK_HEADER_LEN + BLOCK_GOAL
    }

    /// The time of the block's first event.
    pub(super) fn started(&self) -> Option<Time> {
        self.started
    }

    /// Says that `lost` events are missing here.
    pub(super) fn gap(&mut self, lost: u64) {
        self.lost += lost;
        put_unsigned(&mut self.record, lost);
        self.close_record(tag::GAP);
    }

    /// Adds an event, and whatever it refers to that the block has not defined. An event of a kind
    /// that the format does not know becomes a gap of one.
    pub(super) fn event(&mut self, entry: &Entry<'_>) {
        let Some(kind) = kind_code(entry.kind) else { return self.gap(1) };
        let place = self.place(entry.place);
        for actor in std::iter::once(entry.actor).chain(entry.to.iter().copied()) {
            self.name(entry.place, place, actor);
        }
        let topic = entry.topic.map_or(0, |topic| 1 + self.text(topic));
        let key = if entry.key.is_empty() { 0 } else { 1 + self.text(entry.key) };
        let last = self.places.get_mut(&entry.place.number);
        let last = last.map_or(EventId::NONE, |place| std::mem::replace(&mut place.last, entry.id));

        let record = &mut self.record;
        record.push(kind);
        put_unsigned(record, u64::from(place));
        put_signed(record, entry.id.number().wrapping_sub(last.number()) as i64);
        let back = match entry.cause {
            EventId::NONE => 0,
            cause => entry.id.number().wrapping_sub(cause.number()),
        };
        put_unsigned(record, back);
        put_signed(record, entry.time.as_micros().wrapping_sub(self.time.as_micros()) as i64);
        put_unsigned(record, entry.actor.number());
        put_unsigned(record, u64::from(topic));
        put_unsigned(record, u64::from(key));
        put_unsigned(record, u64::from(entry.recipients));
        let listed = &entry.to[..entry.to.len().min(LISTED_MAX)];
        put_unsigned(record, listed.len() as u64);
        listed.iter().for_each(|actor| put_unsigned(record, actor.number()));
        record.extend_from_slice(entry.summary.as_bytes());
        self.close_record(tag::EVENT);

        self.events += 1;
        self.time = entry.time;
        self.started.get_or_insert(entry.time);
    }

    /// The block so far; the next one begins.
    pub(super) fn finish(&mut self) -> Block {
        let fresh = Self::new();
        let Self { mut octets, events, lost, .. } = std::mem::replace(self, fresh);
        let length = (octets.len() - BLOCK_HEADER_LEN) as u32;
        octets[..4].copy_from_slice(&length.to_le_bytes());
        octets[8..12].copy_from_slice(&events.to_le_bytes());
        let checksum = crc32fast::hash(&octets[8..]);
        octets[4..8].copy_from_slice(&checksum.to_le_bytes());
        Block { octets, events: u64::from(events), lost }
    }

    fn place(&mut self, place: &Place) -> u32 {
        if let Some(known) = self.places.get(&place.number) {
            return known.index;
        }
        let index = self.places.len() as u32;
        self.places.insert(place.number, InBlock { index, last: EventId::NONE });
        self.record.extend_from_slice(place.name.as_bytes());
        self.close_record(tag::PLACE);
        index
    }

    fn name(&mut self, place: &Place, index: u32, actor: ActorId) {
        let Some(name) = place.actors.get(&actor) else { return };
        if !self.named.insert((index, actor)) {
            return;
        }
        let text = self.text(name);
        put_unsigned(&mut self.record, u64::from(index));
        put_unsigned(&mut self.record, actor.number());
        put_unsigned(&mut self.record, u64::from(text));
        self.close_record(tag::ACTOR);
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(&index) = self.texts.get(text) {
            return index;
        }
        let index = self.texts.len() as u32;
        self.texts.insert(text.into(), index);
        self.record.extend_from_slice(text.as_bytes());
        self.close_record(tag::TEXT);
        index
    }

    /// Moves the record under way into the block, behind its length.
    fn close_record(&mut self, tag: u8) {
        put_unsigned(&mut self.octets, 1 + self.record.len() as u64);
        self.octets.push(tag);
        self.octets.append(&mut self.record);
    }
}
