//! A live trace never waits, and counts what it loses.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

use netmart_bus::Kind;

use super::samples::{chatter, space};
use crate::trace::read::{Item, Reader};
use crate::trace::{Event, LiveTrace, TraceFile};

/// A disk that takes nothing until it is let.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    open: bool,
    octets: Vec<u8>,
}

impl Disk {
    fn open(&self) {
        self.0.0.lock().expect("nobody panics").open = true;
        self.0.1.notify_all();
    }

    fn items(&self) -> Vec<Item> {
        let octets = self.0.0.lock().expect("nobody panics").octets.clone();
        let reader = Reader::new(&octets[..]).expect("a trace");
        reader.collect::<Result<_, _>>().expect("a whole trace")
    }
}

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().expect("nobody panics");
        // The header may pass: it is written before the thread starts.
        while !state.open && !state.octets.is_empty() {
            state = self.0.1.wait(state).expect("nobody panics");
        }
        state.octets.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn rounds(items: &[Item]) -> Vec<&Event> {
    let events = items.iter().filter_map(|item| match item {
        Item::Event(event) => Some(event),
        Item::Gap(_) => None,
    });
    events.filter(|event| event.kind == Kind::Send).collect()
}

#[test]
fn a_slow_disk_costs_events_and_the_file_says_how_many() {
    let disk = Disk::default();
    let trace = LiveTrace::to(disk.clone(), 2).expect("a thread");
    let mut space = space();
    space.set_recorder(Some(Box::new(trace.recorder("here"))));
    chatter(&mut space, 30_000);
    disk.open();
    space.set_recorder(None);
    let totals = trace.finish().expect("the disk is fine");

    assert!(totals.lost > 0, "30,000 events are more than the queue holds");
    let items = disk.items();
    let gaps: u64 =
        items.iter().map(|item| if let Item::Gap(lost) = item { *lost } else { 0 }).sum();
    assert_eq!(gaps, totals.lost);
    assert_eq!(
        items.iter().filter(|item| matches!(item, Item::Event(_))).count() as u64,
        totals.events
    );
    // Besides the messages there are the runner's birth, its subscription, and the news of that.
    assert_eq!(totals.events + totals.lost, 30_000 + 3);
    // What is there is in order, and its actors have names although the block of the birth is long past.
    let rounds = rounds(&items);
    assert!(rounds.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(rounds.iter().all(|event| &*event.to[0].name == "runner"));
}

#[test]
fn with_a_fast_disk_nothing_is_lost_and_the_events_are_those_of_a_simulation() {
    let live = Disk::default();
    live.open();
    let trace = LiveTrace::to(live.clone(), 1_000).expect("a thread");
    let mut recorded = space();
    recorded.set_recorder(Some(Box::new(trace.recorder("here"))));
    chatter(&mut recorded, 5_000);
    drop(recorded);
    assert_eq!(trace.finish().expect("the disk is fine").lost, 0);

    let simulated = Disk::default();
    simulated.open();
    let trace = TraceFile::to(simulated.clone()).expect("the disk is fine");
    let mut recorded = space();
    recorded.set_recorder(Some(Box::new(trace.recorder("here"))));
    chatter(&mut recorded, 5_000);
    drop(recorded);
    trace.finish().expect("the disk is fine");

    assert_eq!(live.items(), simulated.items());
}
