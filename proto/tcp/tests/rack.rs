//! Losses that only the clock can find: RACK and tail loss probes (RFC 8985).

use super::super::{Config, CongestionControl, Retransmission, TimerKind};
use super::script::{Trace, plain};

/// So many segments of 1000 octets were sent at once and nothing more, 10 ms ago: a round trip.
fn flight(segments: usize) -> Trace {
    let config =
        Config { mss: 1000, congestion: CongestionControl::Reno, initial_window: 20, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.write_to(segments * 1_000 + 1);
    for _ in 0..segments {
        trace.send("ack=1");
    }
    trace.silent();
    trace.pass(10);
    trace
}

#[track_caller]
fn next_is(trace: &Trace, kind: TimerKind) {
    assert_eq!(trace.vector.next_deadline().map(|(_, kind)| kind), Some(kind));
}

#[test]
fn a_hole_is_lost_a_quarter_of_a_round_trip_after_a_later_segment() {
    let mut trace = flight(3);
    trace.recv(". 1:1 ack=1 sack=1001:2001");
    trace.silent();
    next_is(&trace, TimerKind::Reorder);
    assert_eq!(trace.pass_to_deadline(), 3, "10 ms / 4");
    let transmit = trace.send(". 1:1001");
    assert_eq!(transmit.retransmission, Some(Retransmission::Rack));
    trace.silent();
    assert_eq!(trace.vector.info().counters.resent.rack, 1);
}

#[test]
fn what_comes_within_the_quarter_was_only_late() {
    let mut trace = flight(3);
    trace.recv(". 1:1 ack=1 sack=1001:2001");
    trace.pass(2);
    trace.recv(". 1:1 ack=2001");
    trace.silent();
    trace.recv(". 1:1 ack=3001");
    let info = trace.vector.info();
    assert_eq!((info.counters.resent.total(), info.ssthresh), (0, u32::MAX));
    assert_eq!(trace.vector.next_deadline(), None);
}

#[test]
fn a_retransmission_that_is_lost_is_sent_again_as_often_as_it_takes() {
    let mut trace = flight(10);
    trace.recv(". 1:1 ack=1 sack=1001:10001");
    let transmit = trace.send(". 1:1001");
    assert_eq!(transmit.retransmission, Some(Retransmission::FastRetransmit));
    let mut end = 10_001;
    for round in 1..=3 {
        // Something sent later arrives a round trip after, the retransmission does not.
        trace.pass(1);
        trace.write_to(end + 1_000);
        while trace.vector.poll_transmit(trace.now).is_some() {}
        end += 1_000;
        trace.pass(10);
        trace.recv(&format!(". 1:1 ack=1 sack=1001:{end}"));
        let transmit = trace.send(". 1:1001");
        assert_eq!(transmit.retransmission, Some(Retransmission::Rack), "round {round}");
        trace.silent();
    }
    trace.pass(10);
    trace.recv(&format!(". 1:1 ack={end}"));
    let info = trace.vector.info();
    assert_eq!((info.counters.resent.rack, info.counters.resent.timeout), (3, 0));
    assert_eq!(info.in_flight, 0);
}

#[test]
fn the_tail_is_probed_after_two_round_trips_and_repaired_at_once() {
    let mut trace = flight(5);
    next_is(&trace, TimerKind::LossProbe);
    assert_eq!(trace.pass_to_deadline(), 10, "twice SRTT after it was sent");
    let transmit = trace.send("P. 4001:5001");
    assert_eq!(transmit.retransmission, Some(Retransmission::TailLossProbe));
    trace.silent();
    // The last three were lost: the probe shows where the holes are.
    trace.pass(10);
    trace.recv(". 1:1 ack=2001 sack=4001:5001");
    trace.send(". 2001:3001");
    trace.send(". 3001:4001");
    trace.pass(10);
    trace.recv(". 1:1 ack=5001");
    assert_eq!(trace.vector.info().counters.resent.timeout, 0);
}

#[test]
fn one_probe_goes_out_for_one_tail_and_then_the_timer_rules() {
    let mut trace = flight(5);
    trace.pass_to_deadline();
    trace.send("P. 4001:5001");
    assert_eq!(trace.pass_to_deadline(), 210);
    let transmit = trace.send(". 1:1001");
    assert_eq!(transmit.retransmission, Some(Retransmission::Timeout));
}

#[test]
fn a_single_segment_is_probed_when_its_time_is_up_and_a_fin_alone_never() {
    let mut trace = flight(1);
    assert_eq!(trace.pass_to_deadline(), 200, "the time-out comes before a delayed answer may");
    let transmit = trace.send("P. 1:1001");
    assert_eq!(transmit.retransmission, Some(Retransmission::TailLossProbe));
    assert_eq!(trace.vector.info().cwnd, 20_000, "a probe is no time-out");
    trace.recv(". 1:1 ack=1001");
    trace.vector.shutdown(trace.now);
    trace.send("F. 1001:1001");
    next_is(&trace, TimerKind::Retransmit);
}

#[test]
fn a_fin_that_was_lost_with_the_last_octets_is_probed_with_them() {
    let mut trace = flight(2);
    trace.recv(". 1:1 ack=2001");
    trace.write_to(3_001);
    trace.vector.shutdown(trace.now);
    trace.send("FP. 2001:3001");
    trace.pass_to_deadline();
    trace.send("FP. 2001:3001");
    trace.recv(". 1:1 ack=3002");
    assert_eq!(trace.vector.next_deadline(), None);
}

#[test]
fn what_a_probe_repaired_was_congestion_unless_it_was_there_rfc_8985_7_4() {
    let cases = [
        (". 1:1 ack=5001", ". 1:1 ack=6001", true, "it was lost: no duplicate is reported"),
        (". 1:1 ack=5001 sack=4001:5001", ". 1:1 ack=6001", false, "the peer had it"),
        (". 1:1 ack=5001", ". 1:1 ack=5001", false, "a repeated answer tells the same"),
    ];
    for (answer, next, reduced, why) in cases {
        let mut trace = flight(5);
        trace.pass_to_deadline();
        trace.send("P. 4001:5001");
        trace.pass(10);
        trace.recv(answer);
        trace.write_to(6_001);
        trace.send("P. 5001:6001");
        trace.pass(10);
        trace.recv(next);
        assert_eq!(trace.vector.info().ssthresh < u32::MAX, reduced, "{why}");
    }
}

#[test]
fn a_duplicate_makes_the_clock_more_patient() {
    let mut trace = flight(3);
    trace.recv(". 1:1 ack=1 sack=1001:3001");
    assert_eq!(trace.pass_to_deadline(), 3);
    trace.send(". 1:1001");
    trace.recv(". 1:1 ack=3001");
    trace.pass(5);
    trace.recv(". 1:1 ack=3001 sack=1:1001");
    let info = trace.vector.info();
    assert_eq!((info.counters.spurious, info.counters.undone), (1, 1));
    trace.write_to(6_001);
    for _ in 0..3 {
        trace.send("ack=1");
    }
    trace.pass(10);
    trace.recv(". 1:1 ack=3001 sack=4001:5001");
    assert_eq!(trace.pass_to_deadline(), 5, "half a round trip now");
    trace.send(". 3001:4001");
}

#[test]
fn a_probe_of_new_data_asks_for_no_more_than_the_window_of_the_peer() {
    let config = Config { mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=3500 mss=1000 sackok");
    trace.write_to(10_001);
    for _ in 0..3 {
        trace.send("ack=1");
    }
    trace.silent();
    trace.pass_to_deadline();
    let transmit = trace.send(". 2001:3001");
    assert_eq!(transmit.retransmission, Some(Retransmission::TailLossProbe));
}
