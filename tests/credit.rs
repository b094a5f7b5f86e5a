//! A consumer that grants nothing closes the peer's window; memory stays bounded; it resumes without loss.
//! Face by face: an actor on the bus, an actix actor, and a stream.

mod common;

use std::time::Duration;

use common::{Pair, RESUME, Script};
use netmart::sim::WireConfig;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_actor_on_the_bus_that_grants_nothing_holds_its_peer_back() {
    let mut pair = Pair::new(1, WireConfig::with_delay(Duration::from_millis(1)));
    let window = 64 * 1024;
    pair.serve(80, move |_| Script { grants: false, window, ..Script::new(2, 0, 1) });
    let story = pair.dial("10.0.0.2:80", Script::new(1, 50_000_000, 2));
    let _ = pair.sim.run_for(MINUTE);
    let sent = story.borrow().sent;
    assert_eq!(pair.server_stories()[0].received, window, "what was granted, and no more");
    assert!(sent < 16 << 20, "{sent} octets wait somewhere");
    let _ = pair.sim.run_for(MINUTE);
    assert_eq!(story.borrow().sent, sent, "the window is closed");

    pair.sim[pair.server].inject(RESUME).unwrap();
    let _ = pair.sim.run_for(10 * MINUTE);
    let there = &pair.server_stories()[0];
    assert_eq!((there.received, there.wrong_at, there.ended), (50_000_000, None, true));
}
