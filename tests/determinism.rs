//! The same seed makes the same things happen, event for event.

mod common;

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use common::{Pair, Script, bad_wire};
use netmart::bus::{Detail, Record, Recorder};
use netmart::sim::Stopped;

/// Writes down every event with its key and summary.
struct Scribe(Rc<RefCell<String>>);

impl Recorder for Scribe {
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        let mut text = self.0.borrow_mut();
        write!(text, "{record:?} ").unwrap();
        detail.key(&mut *text).unwrap();
        text.push(' ');
        detail.summary(&mut *text).unwrap();
        text.push('\n');
    }
}

/// Everything that happens on both stacks in a run with several connections over a bad wire.
fn chronicle(seed: u64) -> [String; 2] {
    let mut pair = Pair::new(seed, bad_wire());
    let texts = [pair.client, pair.server].map(|stack| {
        let text = Rc::default();
        pair.sim[stack].set_recorder(Some(Box::new(Scribe(Rc::clone(&text)))));
        text
    });
    pair.serve(80, |_| Script::new(2, 200_000, 1));
    let stories: Vec<_> =
        (0..5).map(|_| pair.dial("10.0.0.2:80", Script::new(1, 50_000, 2))).collect();
    assert_eq!(pair.sim.run_until_idle(Duration::from_secs(3600)), Stopped::Idle);
    assert!(stories.iter().all(|story| story.borrow().received == 200_000));
    texts.map(|text| text.take())
}

#[test]
fn the_same_seed_gives_the_same_events_to_the_letter() {
    let (first, second) = (chronicle(11), chronicle(11));
    assert!(first[0].lines().count() > 1000);
    for (first, second) in first.iter().zip(&second) {
        let difference = first.lines().zip(second.lines()).find(|(one, other)| one != other);
        assert_eq!(difference, None);
        assert_eq!(first.len(), second.len());
    }
}

#[test]
fn another_seed_gives_other_events() {
    assert_ne!(chronicle(11), chronicle(12));
}
