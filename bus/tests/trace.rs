//! What a recorder is told.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::*;
use netmart_bus::{Detail, EventId, Kind, Record, Recorder, RingRecorder};

/// Keeps everything, as text.
#[derive(Clone, Default)]
struct Everything(Rc<RefCell<Vec<(Record, String)>>>);

impl Recorder for Everything {
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        let mut text = String::new();
        detail.key(&mut text).expect("a string takes anything");
        text.push_str(": ");
        detail.summary(&mut text).expect("a string takes anything");
        self.0.borrow_mut().push((*record, text));
    }
}

fn story(space: &mut netmart_bus::Dataspace, log: &Log) {
    for number in 1..=3 {
        space.spawn(Probe::spawn(number, log));
    }
    tell(space, 1, [Act::Subscribe(SpotPattern::any().y(1)), Act::Watch(SpotPattern::any())]);
    tell(space, 2, [Act::Subscribe(SpotPattern::any().x(0)), Act::Assert(lit(0, 0, 1))]);
    tell(space, 3, [Act::Say(say(0, 1, 3)), Act::Say(say(2, 2, 0)), Act::Panic]);
    tell(space, 2, [Act::Say(say(0, 1, 1)), Act::Timer(9, 1), Act::Cancel(1), Act::Fail]);
}

#[test]
fn a_record_has_32_bytes() {
    assert_eq!(size_of::<Record>(), 32);
}

#[test]
fn the_same_story_makes_the_same_records_whatever_the_hash_seed() {
    let traces = [1, 2].map(|seed| {
        let config = netmart_bus::Config { hash_seed: Some(seed), ..config() };
        let mut space = netmart_bus::Dataspace::new(config);
        let trace = Everything::default();
        space.set_recorder(Some(Box::new(trace.clone())));
        story(&mut space, &Log::default());
        trace.0.take()
    });
    assert!(traces[0].len() > 30, "{} records", traces[0].len());
    assert_eq!(traces[0], traces[1]);
}

#[test]
fn every_cause_is_an_event_before_it_and_leads_back_to_the_host() {
    let (mut space, log, trace) = (space(), Log::default(), Everything::default());
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, [Act::Subscribe(SpotPattern::any())]);
    space.set_recorder(Some(Box::new(trace.clone())));
    let injected = space.inject(say(0, 0, 3)).expect("the queue has room");
    idle(&mut space);
    let records: Vec<Record> = trace.0.take().into_iter().map(|(record, _)| record).collect();
    assert_eq!(records.len(), 4, "one record per event");
    assert_eq!((records[0].kind(), records[0].id()), (Kind::Inject, injected));
    assert_eq!(records[0].cause(), EventId::NONE);
    for pair in records.windows(2) {
        assert_eq!(pair[1].cause(), pair[0].id(), "each echo is caused by what was heard");
        assert_eq!((pair[1].kind(), pair[1].recipients()), (Kind::Send, 1));
    }
}

#[test]
fn an_unmatched_message_says_which_interest_came_nearest_and_what_differed() {
    let (mut space, log, trace) = (space(), Log::default(), Everything::default());
    space.set_recorder(Some(Box::new(trace.clone())));
    space.inject(say(1, 2, 0)).expect("the queue has room");
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, [(7, 7), (1, 9)].map(|(x, y)| Act::Subscribe(at(x, y).exactly())));
    space.inject(say(1, 2, 0)).expect("the queue has room");
    idle(&mut space);
    let [first, second] = &space.unmatched()[..] else { panic!("two were unmatched") };
    assert_eq!((&first.nearest, first.differing.len()), (&None, 0));
    assert_eq!(second.nearest.as_deref(), Some("Spot { x: 1, y: 9 }"));
    assert_eq!(second.differing, ["y"]);
    let (record, text) = trace.0.take().pop().expect("the last message was recorded");
    assert_eq!((record.kind(), record.id()), (Kind::Unmatched, second.id));
    assert!(text.ends_with("nearest is Spot { x: 1, y: 9 }, differing in y)"), "{text}");
    assert_eq!(space.counters().unmatched, 2);
}

#[test]
fn a_ring_keeps_the_newest_records() {
    let (mut space, ring) = (space(), RingRecorder::new(3));
    space.set_recorder(Some(Box::new(ring.clone())));
    let ids = [0; 5].map(|_| space.inject(say(0, 0, 0)).expect("the queue has room"));
    idle(&mut space);
    let kept: Vec<EventId> = ring.records().iter().map(Record::id).collect();
    assert_eq!(kept, ids[2..]);
    assert_eq!(ring.overwritten(), 2);
    assert_eq!(space.topics(), ["Says"]);
}

#[test]
fn every_kind_of_event_is_told_in_words() {
    let (mut space, log, trace) = (space(), Log::default(), Everything::default());
    space.set_recorder(Some(Box::new(trace.clone())));
    story(&mut space, &log);
    tell(&mut space, 1, [Act::Provide(SpotPattern::any())]);
    tell(&mut space, 1, [Act::Release(0), Act::Release(0), Act::Say(say(8, 8, 0))]);
    let records = trace.0.take();
    let kinds: std::collections::BTreeSet<Kind> = records.iter().map(|(r, _)| r.kind()).collect();
    for kind in [
        Kind::Send,
        Kind::Unmatched,
        Kind::Inject,
        Kind::Assert,
        Kind::Retract,
        Kind::Appeared,
        Kind::Gone,
        Kind::Subscribe,
        Kind::Unsubscribe,
        Kind::Provide,
        Kind::Watch,
        Kind::Spawn,
        Kind::Stop,
        Kind::Down,
        Kind::TimerSet,
        Kind::TimerCancelled,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is missing");
    }
    let text = |kind: Kind| &records.iter().find(|(r, _)| r.kind() == kind).expect("it is there").1;
    assert_eq!(
        text(Kind::Down),
        "DownKey { actor: ActorId(3) }: actor 3 (probe 3) panicked: told to"
    );
    assert_eq!(text(Kind::Spawn), ": probe 1");
}
