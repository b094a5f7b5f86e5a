//! When patience ends.

use core::time::Duration;

use super::super::{Config, Event, KeepAlive, Reason, State, Trouble};
use super::script::{Trace, plain};

#[test]
fn trouble_is_told_at_r1_and_the_end_comes_at_r2_lineage_21_must_20() {
    let mut trace = Trace::established();
    trace.write_to(101);
    trace.send("P. 1:101");
    let start = trace.now;
    let mut told_after = 0;
    // The probe that precedes the first time-out does not count.
    trace.pass_to_deadline();
    trace.send("P. 1:101");
    while trace.state() == State::Established {
        trace.pass_to_deadline();
        if trace.events().contains(&Event::Trouble(Trouble::Retransmitting(3))) {
            told_after = trace.vector.info().counters.resent.timeout + 1;
        }
        trace.vector.poll_transmit(trace.now);
    }
    assert_eq!(told_after, 3, "SHLD-9, SHLD-10");
    let lasted = trace.now.saturating_since(start).as_secs();
    assert!((100..200).contains(&lasted), "SHLD-11: {lasted}");
    assert_eq!(trace.vector.info().ended, Some(Reason::TimedOut));
    assert_eq!(trace.vector.next_deadline(), None);
}

#[test]
fn progress_restores_patience() {
    let mut trace = Trace::established();
    trace.write_to(100_001);
    let mut acked = 1;
    for _ in 0..60 {
        while trace.vector.poll_transmit(trace.now).is_some() {}
        trace.pass_to_deadline();
        trace.vector.poll_transmit(trace.now);
        acked += 1_000;
        trace.recv(&format!(". 1:1 ack={acked}"));
    }
    trace.assert_state(State::Established);
}

#[test]
fn the_user_timeout_ends_what_is_not_acknowledged_must_21() {
    let config = Config { user_timeout: Some(Duration::from_secs(5)), mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.pass(100_000);
    trace.write_to(101);
    trace.send("P. 1:101");
    let start = trace.now;
    while trace.state() == State::Established {
        trace.pass_to_deadline();
    }
    assert_eq!(trace.now.saturating_since(start).as_secs(), 5);
    assert!(trace.events().contains(&Event::Closed(Reason::UserTimeout)));
}

#[test]
fn keep_alive_is_off_unless_asked_for_must_25() {
    let trace = Trace::established();
    assert_eq!(trace.vector.next_deadline(), None);
    assert_eq!(KeepAlive::default().idle, Duration::from_secs(7_200), "MUST-28");
}

#[test]
fn keep_alive_asks_an_idle_peer_and_believes_several_silences_must_26_must_29() {
    let mut trace = Trace::established();
    trace.vector.set_keep_alive(Some(KeepAlive::default()), trace.now);
    trace.pass(7_000_000);
    trace.recv("P. 1:2 ack=1");
    trace.pass_to_deadline();
    trace.send(". 1:1 ack=2");
    // Nothing before two hours after the last exchange.
    trace.pass(7_199_000);
    trace.silent();
    trace.pass_to_deadline();
    let probe = trace.send(". 0:0 ack=2").segment;
    assert!(probe.payload.is_empty(), "SHLD-12");
    trace.recv(". 2:2 ack=1");
    trace.pass(75_000);
    trace.silent();
    trace.pass(7_200_000);
    for _ in 0..9 {
        trace.send(". 0:0 ack=2");
        trace.silent();
        trace.assert_state(State::Established);
        trace.pass(75_000);
    }
    assert!(trace.events().contains(&Event::Closed(Reason::TimedOut)));
}

#[test]
fn a_closed_window_does_not_hold_an_application_that_has_gone() {
    let config = Config { mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=0 mss=1000 sackok");
    trace.write_to(11);
    trace.vector.detach(trace.now);
    trace.silent();
    for _ in 0..20 {
        if trace.state() == State::Closed {
            break;
        }
        trace.pass_to_deadline();
        while trace.vector.poll_transmit(trace.now).is_some() {}
    }
    trace.assert_state(State::Closed);
}
