//! The same seed makes the same things happen, event for event.

mod common;
#[path = "common/scribe.rs"]
mod scribe;

use std::time::Duration;

use common::{Pair, Script, bad_wire};
use netmart::sim::Stopped;

/// Everything that happens on both stacks in a run with several connections over a bad wire.
fn chronicle(seed: u64) -> [String; 2] {
    let mut pair = Pair::new(seed, bad_wire());
    let texts = scribe::write_down(&mut pair.sim, [pair.client, pair.server]);
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
