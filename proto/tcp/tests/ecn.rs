//! Explicit congestion notification (RFC 3168), as packet traces.

use super::super::{Config, CongestionControl, EcnPolicy, Retransmission};
use super::script::{Trace, plain};

fn config(ecn: EcnPolicy) -> Config {
    Config { mss: 1000, congestion: CongestionControl::Reno, ecn, ..plain() }
}

/// A connection that both sides have agreed on ECN for.
fn agreed() -> Trace {
    let mut trace = Trace::connect(config(EcnPolicy::Request));
    trace.send("SEW 0:0 noect");
    trace.pass(10);
    trace.recv("SE. 0:0 ack=1 win=65535 mss=1000 sackok");
    trace.send(". 1:1 ack=1 noect");
    assert!(trace.vector.info().options.ecn);
    trace
}

#[test]
fn a_syn_that_asks_is_sent_again_without_section_6_1_1_1() {
    let mut trace = Trace::connect(config(EcnPolicy::Request));
    trace.send("SEW 0:0");
    trace.pass_to_deadline();
    trace.send("S 0:0");
    trace.recv("SE. 0:0 ack=1 win=65535 mss=1000");
    trace.send(". 1:1 ack=1");
    assert!(!trace.vector.info().options.ecn, "an answer to nothing");
}

#[test]
fn an_answer_that_agrees_has_ece_alone_section_6_1_1() {
    for (answer, agrees) in [("SE.", true), ("SEW.", false), ("S.", false), ("SW.", false)] {
        let mut trace = Trace::connect(config(EcnPolicy::Request));
        trace.send("SEW 0:0");
        trace.recv(&format!("{answer} 0:0 ack=1 win=65535 mss=1000"));
        trace.send(". 1:1 ack=1");
        assert_eq!(trace.vector.info().options.ecn, agrees, "{answer}");
        trace.write_to(1_001);
        trace.send(if agrees { "P. 1:1001 ect0" } else { "P. 1:1001 noect" });
    }
}

#[test]
fn a_syn_is_answered_as_the_settings_say() {
    use EcnPolicy::{Accept, Off, Request};
    let cases = [
        (Off, "SEW", "S."),
        (Accept, "S", "S."),
        (Accept, "SE", "S."),
        (Accept, "SEW", "SE."),
        (Request, "SEW", "SE."),
    ];
    for (policy, syn, answer) in cases {
        let mut trace = Trace::accept(config(policy), &format!("{syn} 0:0 win=65535 mss=1000"));
        trace.send(&format!("{answer} 0:0 ack=1 noect"));
        trace.recv(". 1:1 ack=1");
        assert_eq!(trace.vector.info().options.ecn, answer == "SE.", "{policy:?} {syn}");
    }
}

#[test]
fn new_data_is_capable_and_what_is_sent_again_is_not_section_6_1_5() {
    let mut trace = agreed();
    trace.write_to(1_001);
    trace.send("P. 1:1001 ect0");
    // Tail loss probe or time-out: whichever comes first sends it again.
    trace.pass_to_deadline();
    let transmit = trace.send("P. 1:1001 noect");
    assert_ne!(transmit.retransmission, None::<Retransmission>);
}

#[test]
fn a_mark_is_echoed_until_the_sender_says_that_it_slowed_down_section_6_1_3() {
    let mut trace = agreed();
    trace.recv(". 1:1001 ack=1 ce");
    trace.send("E. 1:1 ack=1001 noect");
    trace.recv(". 1001:2001 ack=1");
    trace.recv(". 2001:3001 ack=1");
    trace.send("E. 1:1 ack=3001");
    trace.recv("W. 3001:4001 ack=1");
    trace.recv(". 4001:5001 ack=1");
    trace.send(". 1:1 ack=5001");
    trace.recv("W. 5001:6001 ack=1 ce");
    trace.send("E. 1:1 ack=6001");
    assert_eq!(trace.vector.info().counters.marks, 2);
}

#[test]
fn without_agreement_a_mark_means_nothing() {
    let mut trace = Trace::established_with(config(EcnPolicy::Off), "win=65535 mss=1000 sackok");
    trace.recv(". 1:1001 ack=1 ce");
    trace.recv(". 1001:2001 ack=1 ce");
    trace.send(". 1:1 ack=2001");
}

#[test]
fn echoes_halve_the_window_once_per_window_and_are_answered_section_6_1_2() {
    let mut trace = agreed();
    trace.write_to(40_001);
    for start in (1..10_001).step_by(1_000) {
        trace.send(&format!(". {start}:{} ect0", start + 1_000));
    }
    trace.silent();
    trace.recv("E. 1:1 ack=1001");
    let info = trace.vector.info();
    assert_eq!((info.cwnd, info.ssthresh), (5_000, 5_000), "half of what was in flight");
    // The rest of the window echoes the same mark.
    for ack in (2_001..=5_001).step_by(1_000) {
        trace.recv(&format!("E. 1:1 ack={ack}"));
    }
    assert_eq!(trace.vector.info().ssthresh, 5_000);
    trace.recv("E. 1:1 ack=7001");
    trace.send("W. 10001:11001 ect0");
    trace.send(". 11001:12001 ect0");
    trace.silent();
    trace.recv(". 1:1 ack=10001");
    let info = trace.vector.info();
    assert_eq!(info.counters.resent.total(), 0);
    assert_eq!(info.counters.echoed_marks, 6);
    while trace.vector.poll_transmit(trace.now).is_some() {}
    trace.recv("E. 1:1 ack=11001");
    assert!(trace.vector.info().ssthresh < 5_000, "a new window, a new answer");
}
