//! Paths that are narrower than the links at their ends, and do not say so.

mod common;

use std::time::Duration;

use common::{Pair, Script};
use netmart::actors::message::CloseReason;
use netmart::proto::netem;
use netmart::proto::tcp::Reason;
use netmart::sim::{Stopped, WireConfig};

const MINUTES: Duration = Duration::from_secs(600);

/// A wire of 20 Mbit/s whose lanes drop what is larger than `there` and `back`, silently.
fn black_hole(there: Option<usize>, back: Option<usize>) -> WireConfig {
    let lane = |mtu| netem::Config {
        rate: Some(20_000_000),
        delay: Duration::from_millis(10),
        mtu,
        ..Default::default()
    };
    WireConfig { there: lane(there), back: lane(back), ..WireConfig::default() }
}

#[test]
fn transfers_complete_through_an_mtu_black_hole_in_both_directions() {
    let holes = [(Some(1400), Some(1400)), (Some(1280), None), (None, Some(1300))];
    for (there, back) in holes {
        for address in ["10.0.0.2:80", "[fd00::2]:80"] {
            let mut pair = Pair::new(1, black_hole(there, back));
            pair.serve(80, |_| Script::new(2, 3_000_000, 1));
            let began = pair.sim.now();
            let story = pair.dial(address, Script::new(1, 2_000_000, 2));
            assert_eq!(pair.sim.run_until_idle(MINUTES), Stopped::Idle);
            let (story, server) = (story.borrow(), &pair.server_stories()[0]);
            assert_eq!((story.received, story.wrong_at, story.ended), (3_000_000, None, true));
            assert_eq!((server.received, server.wrong_at, server.ended), (2_000_000, None, true));
            let counted = pair.sim.wire_counters(pair.wire);
            for (counters, mtu) in counted.iter().zip([there, back]) {
                assert_eq!(counters.too_large > 0, mtu.is_some(), "{address}, {mtu:?}");
            }
            // TIME-WAIT is a minute of it.
            let took = pair.sim.now().saturating_since(began);
            assert!(took < Duration::from_secs(66), "{took:?} through {there:?}, {back:?}");
        }
    }
}

#[test]
fn a_path_too_narrow_for_the_least_ipv4_needs_is_given_up() {
    let mut pair = Pair::new(1, black_hole(Some(200), None));
    pair.serve(80, |_| Script::new(2, 0, 1));
    let script = Script { leaves: false, ..Script::new(1, 10_000, 2) };
    let story = pair.dial("10.0.0.2:80", script);
    let _ = pair.sim.run_for(MINUTES);
    assert_eq!(story.borrow().closed, Some(CloseReason::Ended(Reason::TimedOut)));
}
