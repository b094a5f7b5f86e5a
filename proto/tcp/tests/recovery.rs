//! What is lost, and how it is repaired.

use super::super::{Config, CongestionControl, Retransmission};
use super::script::{Trace, plain};

/// Ten segments of 1000 octets in flight; with SACK or without.
fn ten_in_flight(sack: bool) -> Trace {
    let config = Config { mss: 1000, congestion: CongestionControl::Reno, ..plain() };
    let options = if sack { "win=65535 mss=1000 sackok" } else { "win=65535 mss=1000" };
    let mut trace = Trace::established_with(config, options);
    trace.write_to(30_001);
    for _ in 0..10 {
        trace.send(".");
    }
    trace.silent();
    trace.pass(10);
    trace
}

/// The same, when a probe for the loss of the last segment was sent and lost as well.
fn probed_in_vain() -> Trace {
    let mut trace = ten_in_flight(true);
    assert_eq!(trace.pass_to_deadline(), 10, "twice SRTT since they were sent");
    let transmit = trace.send(". 10001:11001");
    assert_eq!(transmit.retransmission, None, "new data tells as much as old");
    trace.silent();
    trace
}

#[test]
fn three_duplicates_bring_a_fast_retransmission_rfc_5681() {
    let mut trace = ten_in_flight(false);
    for round in 0..2 {
        trace.recv(". 1:1 ack=1");
        // Limited Transmit (RFC 3042).
        trace.send(&format!(". {}:{}", 10_001 + round * 1000, 11_001 + round * 1000));
        trace.silent();
    }
    trace.recv(". 1:1 ack=1");
    let transmit = trace.send(". 1:1001");
    assert_eq!(transmit.retransmission, Some(Retransmission::FastRetransmit));
    trace.silent();
    assert_eq!(trace.vector.info().ssthresh, 6_000, "half of the twelve in flight");
}

#[test]
fn a_partial_acknowledgement_repairs_the_next_hole_rfc_6582() {
    let mut trace = ten_in_flight(false);
    for _ in 0..3 {
        trace.recv(". 1:1 ack=1");
        while trace.vector.poll_transmit(trace.now).is_some() {}
    }
    trace.recv(". 1:1 ack=4001");
    trace.send(". 4001:5001");
    trace.recv(". 1:1 ack=12001");
    let info = trace.vector.info();
    assert_eq!(info.cwnd, 6_000, "recovery is over, the window as it was reduced");
    assert_eq!(info.counters.resent.fast, 2);
}

#[test]
fn sack_repairs_every_hole_in_one_round_trip_rfc_6675() {
    let mut trace = ten_in_flight(true);
    // 1, 3 and 5 are lost.
    trace.recv(". 1:1 ack=1 sack=1001:2001");
    // Limited Transmit (RFC 3042).
    trace.send(". 10001:11001");
    trace.recv(". 1:1 ack=1 sack=3001:4001,1001:2001");
    trace.send(". 11001:12001");
    trace.recv(". 1:1 ack=1 sack=5001:6001,3001:4001,1001:2001");
    trace.send(". 1:1001");
    trace.silent();
    trace.recv(". 1:1 ack=1 sack=5001:7001,3001:4001,1001:2001");
    trace.silent();
    trace.recv(". 1:1 ack=1 sack=5001:8001,3001:4001,1001:2001");
    trace.send(". 2001:3001");
    trace.silent();
    trace.recv(". 1:1 ack=1 sack=5001:9001,3001:4001,1001:2001");
    trace.send(". 4001:5001");
    trace.silent();
    trace.recv(". 1:1 ack=12001");
    assert_eq!(trace.vector.info().counters.resent.fast, 3);
    assert_eq!(trace.vector.info().in_flight, 0);
}

#[test]
fn blocks_out_of_place_are_ignored() {
    let mut trace = ten_in_flight(true);
    for sack in ["20001:30001", "900:800", "1:1", "9000:90000", "4294967000:1"] {
        trace.recv(&format!(". 1:1 ack=1 sack={sack}"));
    }
    let info = trace.vector.info();
    assert_eq!((info.in_flight, info.counters.duplicate_acks), (10_000, 0));
}

#[test]
fn the_timer_begins_again_from_one_segment_lineage_27() {
    let mut trace = probed_in_vain();
    assert_eq!(trace.pass_to_deadline(), 210, "SRTT 10 ms, RTTVAR 5 ms, floor 200 ms");
    let transmit = trace.send(". 1:1001");
    assert_eq!(transmit.retransmission, Some(Retransmission::Timeout));
    trace.silent();
    let info = trace.vector.info();
    assert_eq!((info.cwnd, info.ssthresh), (1_000, 5_500));
    // F-RTO: new data tells whether the time-out was right (RFC 5682).
    trace.recv(". 1:1 ack=1001");
    trace.send(". 11001:12001");
    trace.send(". 12001:13001");
    trace.silent();
    // Slow start through what was lost.
    trace.recv(". 1:1 ack=1001 sack=11001:12001");
    trace.send(". 1001:2001");
    trace.silent();
    trace.recv(". 1:1 ack=2001 sack=11001:12001");
    trace.send(". 2001:3001");
    trace.send(". 3001:4001");
    trace.silent();
}

#[test]
fn the_timer_doubles_and_karn_keeps_it_until_a_clean_measurement_lineage_27() {
    let mut trace = probed_in_vain();
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(trace.pass_to_deadline());
        trace.send(". 1:1001");
    }
    assert_eq!(waits, [210, 420, 840, 1680]);
    trace.recv(". 1:1 ack=1001");
    assert_eq!(trace.vector.info().srtt.map(|rtt| rtt.as_millis()), Some(10), "ambiguous");
    assert_eq!(trace.vector.info().rto.as_millis(), 3_360);
}

#[test]
fn a_timestamp_measures_what_was_sent_twice_rfc_7323() {
    let config = Config { mss: 1012, window_scaling: false, ..Config::default() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1012 sackok ts=1/10000");
    trace.write_to(101);
    trace.send("P. 1:101");
    trace.pass_to_deadline();
    trace.send("P. 1:101");
    let sent = 10_000 + trace.now.as_micros() / 1_000 - 10_000;
    trace.pass(50);
    trace.recv(&format!(". 1:1 ack=101 ts=2/{sent}"));
    assert_eq!(trace.vector.info().srtt.map(|rtt| rtt.as_millis()), Some(15));
}

#[test]
fn a_receiver_that_forgets_its_blocks_is_survived_rfc_2018() {
    let mut trace = ten_in_flight(true);
    trace.recv(". 1:1 ack=1 sack=1001:10001");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    // The hole is filled, but what was reported is gone.
    trace.recv(". 1:1 ack=1001");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    trace.pass_to_deadline();
    trace.send(". 1001:2001");
    trace.recv(". 1:1 ack=2001");
    trace.send(". 2001:3001");
}

#[test]
fn a_reordered_pair_is_not_a_loss() {
    let mut trace = ten_in_flight(true);
    trace.recv(". 1:1 ack=1 sack=1001:2001");
    trace.recv(". 1:1 ack=1 sack=1001:3001");
    trace.recv(". 1:1 ack=3001");
    assert_eq!(trace.vector.info().counters.resent.total(), 0);
    assert!(trace.vector.info().cwnd >= 10_000);
}
