//! Repairs that were needless are taken back (RFC 3522, RFC 3708, RFC 5682).

use super::super::{Config, CongestionControl};
use super::script::{Trace, plain};

/// Ten segments of 1000 octets in flight, twenty more to send; with timestamps or without.
fn ten_in_flight(timestamps: bool) -> Trace {
    let mss = if timestamps { 1012 } else { 1000 };
    let config = Config { mss, timestamps, congestion: CongestionControl::Reno, ..plain() };
    let options = "win=65535 sackok";
    let extra = if timestamps { " mss=1012 ts=1/10000" } else { " mss=1000" };
    let mut trace = Trace::established_with(config, &format!("{options}{extra}"));
    trace.write_to(30_001);
    for _ in 0..10 {
        trace.send(".");
    }
    trace.silent();
    trace.pass(10);
    trace
}

/// Lets the probe and then the time-out pass, both in vain, and expects the first segment again.
fn time_out(trace: &mut Trace) {
    trace.pass_to_deadline();
    trace.send(". 10001:11001");
    trace.pass_to_deadline();
    trace.send(". 1:1001");
    trace.silent();
    assert_eq!(trace.vector.info().cwnd, 1_000);
}

#[test]
fn a_timestamp_from_before_the_retransmission_undoes_it_rfc_3522() {
    for (echo, undone) in [(10_010, 1), (10_011, 1), (10_021, 0)] {
        let mut trace = ten_in_flight(true);
        trace.pass(1);
        trace.recv(". 1:1 ack=1 sack=1001:5001 ts=2/10010");
        trace.send(". 1:1001");
        assert!(trace.vector.info().ssthresh < u32::MAX);
        trace.pass(5);
        trace.recv(&format!(". 1:1 ack=5001 ts=3/{echo}"));
        let info = trace.vector.info();
        assert_eq!(info.counters.undone, undone, "echo of {echo}");
        assert_eq!(info.ssthresh == u32::MAX, undone == 1);
    }
}

#[test]
fn duplicates_of_all_that_was_sent_again_undo_it_rfc_3708() {
    let mut trace = ten_in_flight(false);
    trace.recv(". 1:1 ack=1 sack=2001:6001");
    trace.send(". 1:1001");
    trace.recv(". 1:1 ack=1 sack=2001:9001");
    trace.send(". 1001:2001");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    trace.recv(". 1:1 ack=9001");
    trace.recv(". 1:1 ack=9001 sack=1:1001");
    assert_eq!(trace.vector.info().counters.undone, 0, "one of two");
    trace.recv(". 1:1 ack=9001 sack=1001:2001");
    let info = trace.vector.info();
    assert_eq!((info.counters.undone, info.counters.spurious), (1, 2));
    assert_eq!(info.ssthresh, u32::MAX);
    assert!(info.cwnd >= 10_000);
}

#[test]
fn copies_made_by_the_network_undo_nothing() {
    let mut trace = ten_in_flight(false);
    trace.recv(". 1:1 ack=1001 sack=1:1001");
    let info = trace.vector.info();
    assert_eq!((info.counters.undone, info.counters.spurious), (0, 0));
}

#[test]
fn a_time_out_is_spurious_when_the_originals_arrive_rfc_5682() {
    let mut trace = ten_in_flight(false);
    time_out(&mut trace);
    // The originals were held up for long.
    trace.recv(". 1:1 ack=1001");
    trace.send(". 11001:12001");
    trace.send(". 12001:13001");
    trace.silent();
    trace.recv(". 1:1 ack=2001");
    let info = trace.vector.info();
    assert_eq!((info.counters.undone, info.counters.resent.timeout), (1, 1));
    assert!(info.cwnd >= 10_000 && info.ssthresh == u32::MAX);
    // Nothing else of the old flight is sent again.
    let sent = std::iter::from_fn(|| trace.vector.poll_transmit(trace.now));
    assert!(sent.into_iter().all(|transmit| transmit.retransmission.is_none()));
}

#[test]
fn a_time_out_was_right_when_new_data_repeats_the_acknowledgement_rfc_5682() {
    let mut trace = ten_in_flight(false);
    time_out(&mut trace);
    trace.recv(". 1:1 ack=1001");
    trace.send(". 11001:12001");
    trace.send(". 12001:13001");
    trace.recv(". 1:1 ack=1001 sack=11001:12001");
    trace.send(". 1001:2001");
    trace.recv(". 1:1 ack=2001 sack=11001:13001");
    trace.send(". 2001:3001");
    assert_eq!(trace.vector.info().counters.undone, 0);
    assert_eq!(trace.vector.info().ssthresh, 5_500);
}

#[test]
fn without_new_data_the_repair_goes_on_rfc_5682() {
    let config = Config { mss: 1000, congestion: CongestionControl::Reno, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.write_to(5_001);
    for _ in 0..5 {
        trace.send("ack=1");
    }
    trace.pass_to_deadline();
    trace.send("P. 4001:5001");
    trace.pass_to_deadline();
    trace.send(". 1:1001");
    trace.recv(". 1:1 ack=1001");
    trace.send(". 1001:2001");
    trace.send(". 2001:3001");
}

#[test]
fn a_peer_that_throws_blocks_away_is_not_waited_for_rfc_2018() {
    let mut trace = ten_in_flight(false);
    trace.recv(". 1:1 ack=1 sack=1001:9001");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    trace.pass(10);
    trace.recv(". 1:1 ack=1001");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    assert_eq!(trace.pass_to_deadline(), 10, "no time-out is waited for");
    trace.send(". 1001:2001");
    assert_eq!(trace.vector.info().counters.reneged, 1);
}
