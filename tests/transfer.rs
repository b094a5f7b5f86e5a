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
