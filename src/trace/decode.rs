//! Blocks to events.

use std::collections::HashMap;
use std::sync::Arc;

use netmart_bus::{ActorId, EventId, Time};
use thiserror::Error;

use super::event::{Event, Party};
use super::format::{KINDS, LISTED_MAX, tag, take_signed, take_unsigned};

/// What a record says to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Something happened.
    Event(Event),
    /// So many events are missing here: the writer could not keep up.
    Gap(u64),
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// The record's length, or an integer in it, is not whole or does not fit 64 bits.
    #[error("a broken integer")]
    Integer,
    /// The record claims to be longer than what is left of its block.
    #[error("longer than its block")]
    TooLong,
    /// No such kind of event.
    #[error("an unknown kind of event, {0}")]
    Kind(u8),
    /// A reference to a text or place that the block has not defined.
    #[error("a reference to something undefined, {0}")]
    Undefined(u64),
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotText,
    /// A cause that comes after its effect, or more recipients listed than can be.
    #[error("a number out of its range, {0}")]
    Range(u64),
}

/// Takes the records out of a block's payload, one after the other.
#[derive(Debug)]
pub(super) struct Decoder {
    payload: Vec<u8>,
    /// Where the next record begins.
    position: usize,
    time: Time,
    texts: Vec<Arc<str>>,
    places: Vec<InBlock>,
    names: HashMap<(u64, ActorId), Arc<str>>,
    nameless: Arc<str>,
}

/// A place as a block knows it.
#[derive(Debug)]
struct InBlock {
    name: Arc<str>,
    last: u64,
}

impl Decoder {
    pub(super) fn new(payload: Vec<u8>) -> Self {
        Self {
            payload,
            position: 0,
            time: Time::ZERO,
            texts: Vec::new(),
            places: Vec::new(),
            names: HashMap::new(),
            nameless: Arc::from(""),
        }
    }

    /// How far into the payload the next record begins.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next item; `None` at the end. After a fault there is nothing more.
    pub(super) fn next(&mut self) -> Result<Option<Item>, RecordFault> {
        let payload = std::mem::take(&mut self.payload);
        let item = self.scan(&payload);
        self.payload = payload;
        item
    }

    fn scan(&mut self, payload: &[u8]) -> Result<Option<Item>, RecordFault> {
        while let Some(mut rest) = payload.get(self.position..).filter(|rest| !rest.is_empty()) {
            let length = take_unsigned(&mut rest).ok_or(RecordFault::Integer)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let record = rest.get(..length).ok_or(RecordFault::TooLong)?;
            let item = self.record(record)?;
            self.position = payload.len() - rest.len() + length;
            if item.is_some() {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// Takes in one record. One without a tag, or with an unknown one, means nothing to us.
    fn record(&mut self, record: &[u8]) -> Result<Option<Item>, RecordFault> {
        let Some((&tag, mut rest)) = record.split_first() else { return Ok(None) };
        match tag {
            tag::TEXT => self.texts.push(text(rest)?.into()),
            tag::PLACE => self.places.push(InBlock { name: text(rest)?.into(), last: 0 }),
            tag::ACTOR => self.actor(rest)?,
            tag::EVENT => return self.event(rest).map(|event| Some(Item::Event(event))),
            tag::GAP => return Ok(Some(Item::Gap(unsigned(&mut rest)?))),
            _ => {}
        }
        Ok(None)
    }

    fn actor(&mut self, mut rest: &[u8]) -> Result<(), RecordFault> {
        let place = unsigned(&mut rest)?;
        let actor = ActorId::from_number(unsigned(&mut rest)?);
        let name = self.text_at(unsigned(&mut rest)?)?;
        self.names.insert((place, actor), name);
        Ok(())
    }

    fn event(&mut self, mut rest: &[u8]) -> Result<Event, RecordFault> {
        let (&code, octets) = rest.split_first().ok_or(RecordFault::Integer)?;
        rest = octets;
        let (kind, _) = KINDS.get(usize::from(code)).ok_or(RecordFault::Kind(code))?;
        let place = unsigned(&mut rest)?;
        let (id, name) = {
            let known = usize::try_from(place).ok().and_then(|place| self.places.get_mut(place));
            let known = known.ok_or(RecordFault::Undefined(place))?;
            known.last = known.last.wrapping_add_signed(signed(&mut rest)?);
            (known.last, Arc::clone(&known.name))
        };
        let cause = match unsigned(&mut rest)? {
            0 => 0,
            back => id.checked_sub(back).ok_or(RecordFault::Range(back))?,
        };
        let micros = self.time.as_micros().wrapping_add_signed(signed(&mut rest)?);
        self.time = Time::from_micros(micros);
        let actor = self.party(place, unsigned(&mut rest)?);
        let topic = self.optional_text(&mut rest)?;
        let key = self.optional_text(&mut rest)?.unwrap_or_else(|| Arc::clone(&self.nameless));
        let recipients = unsigned(&mut rest)?;
        let recipients = u16::try_from(recipients).map_err(|_| RecordFault::Range(recipients))?;
        let listed = unsigned(&mut rest)?;
        if listed > LISTED_MAX as u64 {
            return Err(RecordFault::Range(listed));
        }
        let to = (0..listed)
            .map(|_| unsigned(&mut rest).map(|actor| self.party(place, actor)))
            .collect::<Result<_, _>>()?;
        Ok(Event {
            place: name,
            id: EventId::from_number(id),
            cause: EventId::from_number(cause),
            time: self.time,
            kind: *kind,
            actor,
            topic,
            recipients,
            to,
            key,
            summary: text(rest)?.to_owned(),
        })
    }

    fn party(&self, place: u64, actor: u64) -> Party {
        let id = ActorId::from_number(actor);
        let name = self.names.get(&(place, id)).unwrap_or(&self.nameless);
        Party { id, name: Arc::clone(name) }
    }

    fn optional_text(&self, rest: &mut &[u8]) -> Result<Option<Arc<str>>, RecordFault> {
        match unsigned(rest)? {
            0 => Ok(None),
            index => self.text_at(index - 1).map(Some),
        }
    }

    fn text_at(&self, index: u64) -> Result<Arc<str>, RecordFault> {
        let text = usize::try_from(index).ok().and_then(|index| self.texts.get(index));
        text.cloned().ok_or(RecordFault::Undefined(index))
    }
}

fn text(octets: &[u8]) -> Result<&str, RecordFault> {
    std::str::from_utf8(octets).map_err(|_| RecordFault::NotText)
}

fn unsigned(rest: &mut &[u8]) -> Result<u64, RecordFault> {
    take_unsigned(rest).ok_or(RecordFault::Integer)
}

fn signed(rest: &mut &[u8]) -> Result<i64, RecordFault> {
    take_signed(rest).ok_or(RecordFault::Integer)
}
