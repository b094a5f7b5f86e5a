//! What is sent, and when.

use super::super::{Config, Event, LimitedBy, State};
use super::script::{Trace, plain};

#[test]
fn a_window_of_segments_leaves_without_waiting_lineage_07() {
    let mut trace = Trace::established();
    trace.write_to(50_001);
    for start in (1..10_001).step_by(1_000) {
        trace.send(&format!(". {start}:{} ack=1", start + 1_000));
    }
    trace.silent();
    assert_eq!(trace.vector.info().limited_by, LimitedBy::CongestionWindow);
    // Slow start: each acknowledged segment brings two (lineage_19).
    trace.recv(". 1:1 ack=2001");
    for start in (10_001..14_001).step_by(1_000) {
        trace.send(&format!(". {start}:{}", start + 1_000));
    }
    trace.silent();
}

#[test]
fn nagle_holds_the_second_small_segment_and_nodelay_does_not_shld_7_must_17() {
    let mut trace = Trace::established();
    trace.write_to(11);
    trace.send("P. 1:11");
    trace.write_to(21);
    trace.silent();
    trace.write_to(31);
    trace.silent();
    trace.recv(". 1:1 ack=11");
    trace.send("P. 11:31");
    trace.vector.set_nodelay(true, trace.now);
    trace.write_to(41);
    trace.send("P. 31:41");
}

#[test]
fn push_marks_the_last_octet_written_must_61() {
    let mut trace = Trace::established();
    trace.write_to(2_501);
    trace.send(". 1:1001");
    trace.send(". 1001:2001");
    trace.send("P. 2001:2501");
    trace.silent();
}

#[test]
fn a_super_segment_says_how_to_split_it() {
    let config = Config { mss: 1000, gso_max_size: 8_500, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.write_to(9_501);
    let transmit = trace.send(". 1:8001");
    assert_eq!(transmit.gso_size, Some(1000));
    trace.send(". 8001:9001");
    assert_eq!(trace.send("P. 9001:9501").gso_size, None);
}

#[test]
fn a_small_window_is_used_only_if_it_is_half_the_largest_must_38() {
    let config = Config { mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=800 mss=1000 sackok");
    trace.write_to(2_001);
    trace.send(". 1:801");
    trace.recv(". 1:1 ack=801 win=399");
    trace.silent();
    trace.recv(". 1:1 ack=801 win=400");
    trace.send(". 801:1201");
}

#[test]
fn a_closed_window_is_probed_for_ever_while_probes_are_answered_must_36_must_37_lineage_20() {
    let config = Config { mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=1000 mss=1000 sackok");
    trace.write_to(2_001);
    trace.send(". 1:1001");
    trace.recv(". 1:1 ack=1001 win=0");
    trace.silent();
    let mut waits = Vec::new();
    for _ in 0..100 {
        waits.push(trace.pass_to_deadline());
        trace.send(". 1001:1002");
        trace.silent();
        trace.recv(". 1:1 ack=1001 win=0");
        trace.silent();
    }
    assert_eq!(waits[..4], [209, 418, 835, 1670], "SHLD-29, SHLD-30");
    assert_eq!(waits[99], 60_000);
    trace.assert_state(State::Established);
    assert_eq!(trace.vector.info().cwnd, 10_000, "a closed window is no congestion");
    trace.recv(". 1:1 ack=1001 win=5000");
    trace.send(". 1001:1002");
    trace.send("P. 1002:2001");
}

#[test]
fn an_accepted_probe_goes_on_from_there() {
    let config = Config { mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=1000 mss=1000 sackok");
    trace.write_to(1_501);
    trace.send(". 1:1001");
    trace.recv(". 1:1 ack=1001 win=0");
    trace.silent();
    trace.pass_to_deadline();
    trace.send(". 1001:1002");
    trace.recv(". 1:1 ack=1002 win=3000");
    trace.send("P. 1002:1501");
}

#[test]
fn a_window_that_shrinks_is_survived_must_34_shld_15() {
    let mut trace = Trace::established();
    trace.write_to(8_001);
    while trace.vector.poll_transmit(trace.now).is_some() {}
    trace.recv(". 1:1 ack=1001 win=2000");
    trace.write_to(20_001);
    trace.silent();
    trace.recv(". 1:1 ack=3001 win=0");
    trace.silent();
    trace.pass_to_deadline();
    trace.send(". 3001:3002");
    trace.recv(". 1:1 ack=8001 win=9000");
    trace.send(". 8001:9001");
}

#[test]
fn after_a_pause_the_window_is_validated_rfc_2861() {
    let mut trace = Trace::established();
    trace.write_to(40_001);
    let mut acked = 1;
    while acked < 40_001 {
        while trace.vector.poll_transmit(trace.now).is_some() {}
        acked = trace.vector.snd.nxt.distance_from(super::script::LOCAL);
        trace.recv(&format!(". 1:1 ack={acked}"));
    }
    let before = trace.vector.info().cwnd;
    assert!(before > 20_000);
    trace.pass(10_000);
    trace.write_to(40_101);
    trace.send("P. 40001:40101");
    assert_eq!(trace.vector.info().cwnd, 10_000);
}

#[test]
fn an_application_that_sends_little_does_not_grow_the_window_rfc_7661() {
    let mut trace = Trace::established();
    let mut end = 1;
    for _ in 0..50 {
        trace.write_to(end + 1_000);
        trace.send("P.");
        end += 1_000;
        trace.recv(&format!(". 1:1 ack={end}"));
    }
    assert_eq!(trace.vector.info().cwnd, 10_000);
}

#[test]
fn room_in_the_send_buffer_is_told_and_the_rest_of_a_write_comes_back() {
    let config = Config { send_buffer_max: 5_000, mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    let data = super::pair::pattern(6_000);
    let rest = trace.vector.write(data.clone());
    assert_eq!(rest.as_deref(), Some(&data[5_000..]));
    assert_eq!(trace.vector.writable(), 0);
    while trace.vector.poll_transmit(trace.now).is_some() {}
    trace.recv(". 1:1 ack=1001");
    assert_eq!(trace.events(), [], "too little to tell");
    trace.recv(". 1:1 ack=3001");
    assert_eq!(trace.events(), [Event::Writable(3_000)]);
}
