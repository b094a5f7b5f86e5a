//! Transfers over good and bad wires arrive octet for octet.

mod common;

use std::time::Duration;

use common::{Pair, Script, bad_wire};
use netmart::sim::{Stopped, WireConfig};

const MINUTES: Duration = Duration::from_secs(600);

#[test]
fn a_transfer_over_a_good_wire_is_exact_and_leaves_nothing_behind() {
    let mut pair = Pair::new(1, WireConfig::with_delay(Duration::from_millis(1)));
    pair.serve(80, |_| Script::new(2, 100_000, 1));
    let (client, server) = (pair.sim[pair.client].footprint(), pair.sim[pair.server].footprint());
    let story = pair.dial("10.0.0.2:80", Script::new(1, 50_000, 2));
    assert_eq!(pair.sim.run_until_idle(MINUTES), Stopped::Idle);
    let story = story.borrow();
    assert_eq!((story.received, story.wrong_at, story.ended), (100_000, None, true));
    let there = &pair.server_stories()[0];
    assert_eq!((there.received, there.wrong_at, there.ended), (50_000, None, true));
    assert_eq!(pair.sim[pair.client].footprint(), client);
    assert_eq!(pair.sim[pair.server].footprint(), server);
}

#[test]
fn both_directions_at_once_survive_loss_copies_and_reordering() {
    for seed in 1..=3 {
        let mut pair = Pair::new(seed, bad_wire());
        pair.serve(80, |_| Script::new(2, 2_000_000, 1));
        let story = pair.dial("10.0.0.2:80", Script::new(1, 1_000_000, 2));
        assert_eq!(pair.sim.run_until_idle(MINUTES), Stopped::Idle);
        let (story, there) = (story.borrow(), &pair.server_stories()[0]);
        assert_eq!((story.received, story.wrong_at, story.ended), (2_000_000, None, true));
        assert_eq!((there.received, there.wrong_at, there.ended), (1_000_000, None, true));
    }
}

#[test]
fn two_hundred_connections_at_once_share_a_bad_wire() {
    let mut pair = Pair::new(5, bad_wire());
    pair.serve(80, |_| Script::new(2, 20_000, 1));
    let before = pair.sim[pair.server].footprint();
    let stories: Vec<_> = (0..200)
        .map(|number| {
            let address = if number % 2 == 0 { "10.0.0.2:80" } else { "[fd00::2]:80" };
            pair.dial(address, Script::new(1, 10_000, 2))
        })
        .collect();
    assert_eq!(pair.sim.run_until_idle(MINUTES), Stopped::Idle);
    for story in stories {
        let story = story.borrow();
        assert_eq!((story.received, story.wrong_at, story.ended), (20_000, None, true));
    }
    let there = pair.server_stories();
    assert_eq!(there.len(), 200);
    assert!(there.iter().all(|story| story.received == 10_000 && story.wrong_at.is_none()));
    assert_eq!(pair.sim[pair.server].footprint(), before);
}

#[test]
fn a_side_that_has_nothing_to_say_ends_first_and_still_hears_everything() {
    let mut pair = Pair::new(6, bad_wire());
    pair.serve(80, |_| Script::new(2, 300_000, 1));
    let story = pair.dial("10.0.0.2:80", Script::new(1, 0, 2));
    assert_eq!(pair.sim.run_until_idle(MINUTES), Stopped::Idle);
    assert_eq!((story.borrow().received, story.borrow().wrong_at), (300_000, None));
    assert!(pair.server_stories()[0].ended);
}

#[test]
fn a_wire_that_is_cut_for_a_while_delays_a_transfer_and_harms_nothing() {
    let mut pair = Pair::new(7, WireConfig::with_delay(Duration::from_millis(10)));
    pair.serve(80, |_| Script::new(2, 5_000_000, 1));
    let story = pair.dial("10.0.0.2:80", Script::new(1, 0, 2));
    let cut = pair.sim.run_while(MINUTES, |_| story.borrow().received < 1_000_000);
    assert_eq!(cut, Stopped::ConditionMet);
    pair.sim.cut(pair.wire);
    let _ = pair.sim.run_for(Duration::from_secs(20));
    assert!(story.borrow().received < 5_000_000);
    pair.sim.mend(pair.wire);
    assert_eq!(pair.sim.run_until_idle(MINUTES), Stopped::Idle);
    assert_eq!((story.borrow().received, story.borrow().wrong_at), (5_000_000, None));
}
