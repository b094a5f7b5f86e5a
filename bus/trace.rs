//! What a dataspace tells a recorder about each event.

use std::fmt;

use crate::id::{ActorId, EventId};
use crate::key::Pattern;
use crate::time::Time;
use crate::timer::TimerToken;
use crate::topic::Topic;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// A message was routed to at least one recipient.
    Send,
    /// A message matched no interest.
    Unmatched,
    /// A message was refused because the queue was at its limit.
    Dropped,
    /// A message that the host injected was routed to at least one recipient.
    Inject,
    /// An actor stated a fact.
    Assert,
    /// An actor retracted a fact.
    Retract,
    /// A fact or interest came to hold.
    Appeared,
    /// A fact or interest ceased to hold.
    Gone,
    /// An actor subscribed or began to observe.
    Subscribe,
    /// An actor's subscription, observation, provision or watch ended.
    Unsubscribe,
    /// An actor declared that it provides.
    Provide,
    /// An actor began to watch.
    Watch,
    /// An actor was spawned.
    Spawn,
    /// An actor ended.
    Stop,
    /// An actor was found to be down.
    Down,
    /// A timer was set.
    TimerSet,
    /// A timer came due.
    TimerFired,
    /// A timer was cancelled.
    TimerCancelled,
}

/// One event: what happened, when, by whom, because of what. 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    id: u64,
    time: u64,
    /// The actor in the low 48 bits, the recipients above, as many as 16 bits count.
    actor_and_recipients: u64,
    /// How many events before this one the cause is; 0 for none.
    back: u32,
    topic: u16,
    kind: Kind,
}

const ACTOR_BITS: u32 = 48;

impl Record {
    #[inline]
    pub(crate) fn new(
        kind: Kind,
        id: EventId,
        cause: EventId,
        time: Time,
        actor: ActorId,
        topic: u16,
        recipients: usize,
    ) -> Self {
        let recipients = recipients.min(usize::from(u16::MAX)) as u64;
        let back = match cause {
            EventId::NONE => 0,
            cause => u32::try_from(id.number() - cause.number()).unwrap_or(0),
        };
        Self {
            id: id.number(),
            time: time.as_micros(),
            actor_and_recipients: recipients << ACTOR_BITS
                | actor.number() & ((1 << ACTOR_BITS) - 1),
            back,
            topic,
            kind,
        }
    }

    /// The event.
    pub fn id(&self) -> EventId {
        EventId::from_number(self.id)
    }

    /// The event whose handling led to this one; [`EventId::NONE`] for what the host did, or if
    /// it is more than four thousand million events ago.
    pub fn cause(&self) -> EventId {
        match self.back {
            0 => EventId::NONE,
            back => EventId::from_number(self.id - u64::from(back)),
        }
    }

    /// When it took effect.
    pub fn time(&self) -> Time {
        Time::from_micros(self.time)
    }

    /// Who did it.
    pub fn actor(&self) -> ActorId {
        ActorId::from_number(self.actor_and_recipients & ((1 << ACTOR_BITS) - 1))
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The number of the topic; [`Dataspace::topics`](crate::Dataspace::topics) has the names.
    /// Means nothing for kinds that concern no topic.
    pub fn topic(&self) -> u16 {
        self.topic
    }

    /// To how many actors it was delivered; 65535 stands for that many or more.
    pub fn recipients(&self) -> u16 {
        (self.actor_and_recipients >> ACTOR_BITS) as u16
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {:?} by {} because of {}, topic {}, to {}",
            self.time(),
            self.id(),
            self.kind,
            self.actor(),
            self.cause(),
            self.topic,
            self.recipients()
        )
    }
}

/// The words that go with a record, written only if asked for.
pub trait Detail {
    /// The name of the topic, if the event concerns one.
    fn topic(&self) -> Option<&'static str> {
        None
    }

    /// Tells who receives it, in order, where the record counts recipients.
    fn recipients(&self, _each: &mut dyn FnMut(ActorId)) {}

    /// Writes the routing key or pattern.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn key(&self, out: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes one line about the subject of the event.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn summary(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

/// Takes the records of a dataspace, in the order in which events take effect.
pub trait Recorder {
    /// One event. It must not panic; a panic is contained, and the event may be lost.
    fn record(&mut self, record: &Record, detail: &dyn Detail);
}

/// Tells who receives an event, if asked.
pub(crate) type Recipients<'a> = &'a dyn Fn(&mut dyn FnMut(ActorId));

/// A message or fact, and who receives it.
pub(crate) struct Line<'a, T> {
    subject: &'a T,
    to: Recipients<'a>,
}

impl<'a, T> Line<'a, T> {
    /// A line about what nobody receives.
    pub(crate) fn new(subject: &'a T) -> Self {
        Self { subject, to: &|_| () }
    }

    pub(crate) fn to(subject: &'a T, to: Recipients<'a>) -> Self {
        Self { subject, to }
    }
}

impl<T: Topic> Detail for Line<'_, T> {
    fn topic(&self) -> Option<&'static str> {
        Some(T::NAME)
    }

    fn recipients(&self, each: &mut dyn FnMut(ActorId)) {
        (self.to)(each);
    }

    fn key(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{:?}", self.subject.key())
    }

    fn summary(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.subject.summarize(out)
    }
}

pub(crate) struct PatternLine<'a, P> {
    pub(crate) topic: &'static str,
    pub(crate) pattern: &'a P,
    pub(crate) to: Recipients<'a>,
}

impl<P: Pattern> Detail for PatternLine<'_, P> {
    fn topic(&self) -> Option<&'static str> {
        Some(self.topic)
    }

    fn recipients(&self, each: &mut dyn FnMut(ActorId)) {
        (self.to)(each);
    }

    fn key(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{:?}", self.pattern)
    }

    fn summary(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{} {:?}", self.topic, self.pattern)
    }
}

impl Detail for TimerToken {
    fn key(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", self.0)
    }

    fn summary(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "timer {}", self.0)
    }
}

impl Detail for &str {
    fn key(&self, _out: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }

    fn summary(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self)
    }
}
