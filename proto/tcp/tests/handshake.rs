//! What state comes next while a connection is made.

use super::super::{Config, Event, Reason, State};
use super::script::{Trace, plain};

#[test]
fn an_active_open_sends_its_syn_at_once_lineage_08() {
    let mut trace = Trace::connect(Config::default());
    trace.send("S 0:0 win=65535 mss=1460 ws=7 sackok ts=10000/0");
    trace.silent();
    trace.assert_state(State::SynSent);
    trace.recv("S. 0:0 ack=1 mss=1460 ws=3 sackok ts=77/10000");
    trace.send(". 1:1 ack=1 ts=10000/77 nosack");
    trace.assert_state(State::Established);
    assert_eq!(trace.events()[0], Event::Connected);
}

#[test]
fn a_passive_open_answers_with_what_the_peer_offered_lineage_16() {
    for (offered, answered) in [
        ("mss=1460", "S. 0:0 ack=1 mss=1460 nosack"),
        ("mss=1460 sackok", "S. 0:0 ack=1 mss=1460 sackok"),
        ("mss=1460 ws=2", "S. 0:0 ack=1 mss=1460 ws=7"),
        ("mss=1460 ts=5/0", "S. 0:0 ack=1 mss=1460 ts=10000/5"),
    ] {
        let mut trace = Trace::accept(Config::default(), &format!("S 0:0 {offered}"));
        let segment = trace.send(answered).segment;
        assert_eq!(segment.options.sack_permitted, offered.contains("sackok"));
        assert_eq!(segment.options.window_scale.is_some(), offered.contains("ws"));
        assert_eq!(segment.options.timestamps.is_some(), offered.contains("ts"));
        trace.assert_state(State::SynReceived);
        let ts = if offered.contains("ts") { "ts=6/10000" } else { "" };
        trace.recv(&format!(". 1:1 ack=1 {ts}"));
        trace.assert_state(State::Established);
        trace.silent();
    }
}

#[test]
fn both_may_open_at_once_must_10() {
    let mut trace = Trace::connect(plain());
    trace.send("S 0:0");
    trace.recv("S 0:0 win=32767 mss=1460 sackok");
    trace.send("S. 0:0 ack=1");
    trace.assert_state(State::SynReceived);
    trace.recv("S. 0:0 ack=1 win=32767 mss=1460 sackok");
    trace.assert_state(State::Established);
    assert!(trace.events().contains(&Event::Connected));
    trace.recv("P. 1:11 ack=1");
    assert_eq!(trace.vector.info().receive_buffered, 10);
}

#[test]
fn syn_sent_believes_only_what_answers_its_syn() {
    // Segment, its answer, the state after it: RFC 9293 section 3.10.7.3.
    for (segment, answer, state) in [
        (". 0:3 ack=1", None, State::SynSent),
        (". 0:3 ack=2", Some("R 2:2"), State::SynSent),
        (". 0:0 ack=0", Some("R 0:0"), State::SynSent),
        ("F. 0:0 ack=1", None, State::SynSent),
        ("F 0:3", None, State::SynSent),
        ("S. 0:0 ack=0", Some("R 0:0"), State::SynSent),
        ("S. 0:0 ack=2", Some("R 2:2"), State::SynSent),
        ("R 0:0", None, State::SynSent),
        ("R. 0:0 ack=0", None, State::SynSent),
        ("R. 0:0 ack=2", None, State::SynSent),
        ("R. 0:0 ack=1", None, State::Closed),
        ("S. 0:0 ack=1", Some(". 1:1 ack=1"), State::Established),
        ("S 0:0", Some("S. 0:0 ack=1"), State::SynReceived),
    ] {
        let mut trace = Trace::connect(plain());
        trace.send("S 0:0");
        trace.recv(segment);
        match answer {
            Some(answer) => drop(trace.send(answer)),
            None => trace.silent(),
        }
        assert_eq!(trace.state(), state, "{segment}");
    }
}

#[test]
fn a_refusal_tells_why_lineage_11() {
    let mut trace = Trace::connect(plain());
    trace.send("S 0:0");
    trace.recv("R. 0:0 ack=1");
    assert_eq!(trace.events(), [Event::Refused(Reason::Reset)]);
    assert_eq!(trace.vector.next_deadline(), None);
}

#[test]
fn a_lost_syn_is_sent_again_for_three_minutes_must_23() {
    let mut trace = Trace::connect(plain());
    let start = trace.now;
    let mut waits = Vec::new();
    while trace.state() == State::SynSent {
        trace.send("S 0:0");
        trace.silent();
        waits.push(trace.pass_to_deadline() / 1000);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 57]);
    assert_eq!(trace.now.saturating_since(start).as_secs(), 180);
    assert!(trace.events().contains(&Event::Refused(Reason::TimedOut)));
}

#[test]
fn a_repeated_syn_draws_the_answer_again_lineage_03() {
    let mut trace = Trace::in_state(State::SynReceived);
    trace.recv("S 0:0 win=65535 mss=1000 sackok");
    trace.send("S. 0:0 ack=1");
    trace.silent();
    trace.recv(". 1:1 ack=1");
    trace.assert_state(State::Established);
}

#[test]
fn syn_received_resets_an_acknowledgement_of_nothing() {
    for (segment, answer, state) in [
        (". 1:1 ack=0", Some("R 0:0"), State::SynReceived),
        (". 1:1 ack=2", Some("R 2:2"), State::SynReceived),
        ("R 1:1", None, State::Closed),
        ("R. 1:1 ack=4294967295", None, State::Closed),
        ("R 0:0", None, State::SynReceived),
        ("R 65535:65535", Some(". 1:1 ack=1"), State::SynReceived),
        ("R 65536:65536", None, State::SynReceived),
        ("- 1:5", None, State::SynReceived),
        ("F. 1:1 ack=1", Some(". 1:1 ack=2"), State::CloseWait),
    ] {
        let mut trace = Trace::in_state(State::SynReceived);
        trace.recv(segment);
        match answer {
            Some(answer) => drop(trace.send(answer)),
            None => trace.silent(),
        }
        assert_eq!(trace.state(), state, "{segment}");
    }
}

#[test]
fn data_and_fin_on_a_syn_wait_for_the_handshake() {
    let mut trace = Trace::accept(plain(), "SF 0:0");
    trace.send("S. 0:0 ack=1");
    trace.recv(". 1:1 ack=1");
    trace.send(". 1:1 ack=2");
    trace.assert_state(State::CloseWait);

    let mut syn = super::script::parse("S 0:0", super::script::REMOTE, super::script::LOCAL);
    syn.payload = bytes::Bytes::from_static(b"early");
    let mut trace = Trace::connect(plain());
    trace.vector = super::super::StateVector::accept(
        std::rc::Rc::new(plain()),
        &syn,
        super::script::LOCAL,
        trace.now,
    );
    trace.send("S. 0:0 ack=1 nosack");
    trace.recv(". 6:6 ack=1");
    trace.send(". 1:1 ack=6");
    trace.grant(100);
    assert_eq!(trace.read(), "early");
}

#[test]
fn what_is_written_early_leaves_with_the_handshake() {
    let mut trace = Trace::connect(plain());
    trace.write_to(101);
    trace.vector.shutdown(trace.now);
    trace.send("S 0:0");
    trace.silent();
    trace.recv("S. 0:0 ack=1");
    trace.send("FP. 1:101 ack=1");
    trace.assert_state(State::FinWait1);
}

#[test]
fn the_smaller_mss_counts_and_a_silent_peer_gets_the_default_must_15_must_16() {
    for (config, offered, wanted) in [
        (Config::for_ipv4(1500), "mss=1000 ts=1/1", 988),
        (Config::for_ipv4(1500), "mss=9000 ts=1/1", 1448),
        (Config::for_ipv4(1500), "mss=1000", 1000),
        (Config::for_ipv4(1500), "", 536),
        (Config::for_ipv6(1500), "", 1220),
        (Config::for_ipv4(72), "mss=1460", 32),
        (Config::for_ipv4(1500), "mss=1", 64),
    ] {
        let mut trace = Trace::connect(config.clone());
        assert_eq!(trace.send("S 0:0").segment.options.mss, Some(config.mss), "SHLD-5, MUST-67");
        trace.recv(&format!("S. 0:0 ack=1 {offered}"));
        assert_eq!(trace.vector.info().send_mss, wanted, "{offered}");
        let ack = trace.send(". 1:1").segment;
        assert_eq!(ack.options.mss, None, "MUST-65");
    }
}

#[test]
fn windows_are_scaled_only_if_both_say_so_and_never_in_a_syn_lineage_17() {
    let mut trace = Trace::established_with(Config::default(), "win=100 ws=5 mss=1460 ts=1/1");
    assert_eq!(trace.vector.info().send_window, 100);
    trace.recv(". 1:1 ack=1 win=100 ts=2/2");
    assert_eq!(trace.vector.info().send_window, 3_200);
    let trace = Trace::established_with(Config::default(), "win=100 mss=1460 ts=1/1");
    assert_eq!(trace.vector.info().options.window_shifts, None);
    let mut trace = Trace::established_with(Config::default(), "win=1 ws=99 mss=1460 ts=1/1");
    trace.recv(". 1:1 ack=1 win=1 ts=2/2");
    assert_eq!(trace.vector.info().send_window, 1 << 14, "a larger shift counts as 14");
}

#[test]
fn a_syn_lost_twice_begins_with_one_segment_and_patience() {
    let mut trace = Trace::connect(Config { mss: 1000, ..plain() });
    for _ in 0..3 {
        trace.send("S 0:0");
        trace.pass_to_deadline();
    }
    trace.send("S 0:0");
    trace.recv("S. 0:0 ack=1 mss=1000");
    let info = trace.vector.info();
    assert_eq!((info.cwnd, info.rto.as_secs()), (1000, 3), "RFC 6928 section 2, RFC 6298 (5.7)");
}
