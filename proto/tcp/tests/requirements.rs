//! Requirements of RFC 9293 that no other table shows (`docs/RFC.md` lists all).

use core::time::Duration;

use super::super::{Config, Event, KeepAlive, Reason, State};
use super::pair::pattern;
use super::script::{LOCAL, Trace, plain};

/// All that the machine has to send now.
fn drain(trace: &mut Trace) -> Vec<super::super::Transmit> {
    std::iter::from_fn(|| trace.vector.poll_transmit(trace.now)).collect()
}

#[test]
fn a_window_is_an_unsigned_number_must_1_rec_1() {
    let config = Config { mss: 1000, initial_window: 100, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.write_to(70_001);
    drain(&mut trace);
    let sent = trace.vector.snd.nxt.distance_from(LOCAL) - 1;
    assert!((65_000..=65_535).contains(&sent), "{sent}");
    // Scaled, it takes 32 bits.
    let config =
        Config { mss: 1000, initial_window: 1_000, timestamps: false, ..Config::default() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 ws=14 sackok");
    trace.recv(". 1:1 ack=1 win=60000");
    assert_eq!(trace.vector.info().send_window, 60_000 << 14);
    trace.write_to(500_001);
    drain(&mut trace);
    assert_eq!(trace.vector.snd.nxt.distance_from(LOCAL), 500_001);
}

#[test]
fn options_of_a_syn_in_a_later_segment_change_nothing_must_5() {
    let mut trace = Trace::established();
    trace.grant(1_000);
    trace.recv("P. 1:11 ack=1 mss=100 ws=7 sackok ts=5/6");
    assert_eq!(trace.read(), pattern(10));
    let info = trace.vector.info();
    assert_eq!((info.send_mss, info.send_window), (1_000, 65_535));
    assert_eq!(info.options.window_shifts, None);
}

#[test]
fn the_mss_option_is_in_every_syn_and_in_no_other_segment_must_14_must_65_shld_5_may_3() {
    let mut trace = Trace::connect(Config { mss: 1000, ..plain() });
    trace.send("S 0:0 mss=1000");
    trace.pass_to_deadline();
    trace.send("S 0:0 mss=1000");
    trace.recv("S. 0:0 ack=1 mss=1000 sackok");
    trace.write_to(5_001);
    let mut sent = drain(&mut trace);
    trace.recv("P. 1:11 ack=1");
    trace.recv("P. 21:31 ack=1");
    sent.extend(drain(&mut trace));
    trace.pass_to_deadline();
    sent.extend(drain(&mut trace));
    trace.recv(". 31:31 ack=5001");
    trace.vector.shutdown(trace.now);
    sent.extend(drain(&mut trace));
    trace.vector.abort(trace.now);
    sent.extend(drain(&mut trace));
    assert!(sent.len() > 8, "data, acknowledgements, copies, FIN and RST");
    assert!(sent.iter().all(|transmit| transmit.segment.options.mss.is_none()));
    let mut answer = Trace::accept(Config { mss: 1000, ..plain() }, "S 0:0");
    answer.send("S. 0:0 ack=1 mss=1000");
}

#[test]
fn a_reset_with_octets_is_a_reset_shld_2() {
    let mut trace = Trace::established();
    trace.recv("R. 1:21 ack=1");
    assert!(trace.events().contains(&Event::Closed(Reason::Reset)));
}

#[test]
fn a_window_that_closes_over_data_in_flight_is_probed_and_waited_for_must_35_shld_17() {
    let mut trace = Trace::established();
    trace.write_to(4_001);
    drain(&mut trace);
    trace.recv(". 1:1 ack=1001 win=0");
    let start = trace.now;
    let mut waits = Vec::new();
    while trace.now.saturating_since(start) < Duration::from_secs(1_000) {
        waits.push(trace.pass_to_deadline());
        let probes = drain(&mut trace);
        assert_eq!(probes.len(), 1, "a probe and nothing else");
        assert_eq!(probes[0].segment.seq, LOCAL + 1_001);
        trace.recv(". 1:1 ack=1001 win=0");
    }
    trace.assert_state(State::Established);
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "SHLD-30: {waits:?}");
    assert_eq!(waits.last(), Some(&60_000));
    trace.recv(". 1:1 ack=1001 win=65535");
    let again = drain(&mut trace);
    assert_eq!(again[0].segment.seq, LOCAL + 1_001);
    trace.recv(". 1:1 ack=4001 win=65535");
    assert!(trace.vector.is_flushed());
}

#[test]
fn what_was_sent_is_sent_again_after_the_window_has_shrunk_shld_16_may_7() {
    let mut trace = Trace::established();
    trace.write_to(8_001);
    drain(&mut trace);
    trace.recv(". 1:1 ack=1001 win=2000");
    let mut again = Vec::new();
    while again.len() < 2 {
        trace.pass_to_deadline();
        again.extend(drain(&mut trace));
    }
    // A probe of the tail may come first.
    assert!(again.iter().any(|transmit| transmit.segment.seq == LOCAL + 1_001));
    assert!(again.iter().all(|transmit| transmit.retransmission.is_some()), "no new data");
}

#[test]
fn keep_alive_is_switched_per_connection_and_its_interval_set_must_24_must_27_may_5() {
    let mut trace = Trace::established();
    let keep_alive =
        KeepAlive { idle: Duration::from_secs(10), interval: Duration::from_secs(2), probes: 3 };
    trace.vector.set_keep_alive(Some(keep_alive), trace.now);
    assert_eq!(trace.pass_to_deadline(), 10_000);
    trace.send(". 0:0 ack=1");
    assert_eq!(trace.pass_to_deadline(), 2_000);
    trace.send(". 0:0 ack=1");
    trace.vector.set_keep_alive(None, trace.now);
    assert_eq!(trace.vector.next_deadline(), None);
}

#[test]
fn little_writes_never_wait_for_ever_must_60_may_16() {
    let mut trace = Trace::established();
    let mut acked = 1;
    for end in 1..=50u32 {
        trace.write_to(end as usize * 10 + 1);
        drain(&mut trace);
        if end % 7 == 0 {
            acked = trace.vector.snd.nxt.distance_from(LOCAL);
            trace.recv(&format!(". 1:1 ack={acked}"));
            drain(&mut trace);
        }
    }
    // Nobody pushes, and no timer is needed: each acknowledgement lets all that waits go.
    trace.recv(&format!(". 1:1 ack={}", trace.vector.snd.nxt.distance_from(LOCAL)));
    drain(&mut trace);
    assert!(acked > 1);
    assert_eq!(trace.vector.snd.nxt.distance_from(LOCAL), 501);
}

#[test]
fn an_application_may_keep_its_window_closed_may_8() {
    let config = Config { mss: 1000, receive_buffer_initial: 2_000, ..plain() };
    let config = Config { receive_buffer_max: 2_000, ..config };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok");
    trace.recv(". 1:1001 ack=1");
    trace.recv(". 1001:2001 ack=1");
    trace.send(". 1:1 ack=2001 win=0");
    for _ in 0..1_000 {
        trace.pass(60_000);
        trace.recv(". 2001:2002 ack=1");
        trace.send(". 1:1 ack=2001 win=0");
    }
    trace.assert_state(State::Established);
    trace.grant(2_000);
    trace.read();
    trace.send(". 1:1 ack=2001 win=2000");
}
