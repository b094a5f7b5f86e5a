//! How connections end.

use super::super::{Config, Event, Reason, State};
use super::script::{Trace, plain};

#[test]
fn the_active_closer_waits_2_msl_must_13() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.assert_state(State::FinWait1);
    trace.send("F. 1:1 ack=1");
    trace.recv(". 1:1 ack=2");
    trace.assert_state(State::FinWait2);
    trace.recv("F. 1:1 ack=2");
    trace.send(". 2:2 ack=2");
    trace.assert_state(State::TimeWait);
    assert_eq!(trace.pass_to_deadline(), 60_000);
    trace.assert_state(State::Closed);
    assert_eq!(trace.events(), [Event::PeerClosed, Event::Closed(Reason::Normal)]);
}

#[test]
fn time_wait_acknowledges_whatever_says_something() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1 ack=1");
    trace.recv("F. 1:1 ack=2");
    trace.send(". 2:2 ack=2");
    trace.recv(". 2:2 ack=2");
    trace.silent();
    for text in [". 3:3 ack=2", "F. 3:3 ack=2", ". 2:12 ack=2", ". 2:2 ack=1"] {
        trace.recv(text);
        trace.send(". 2:2 ack=2");
    }
    trace.assert_state(State::TimeWait);
}

#[test]
fn the_passive_closer_is_closed_by_the_last_acknowledgement() {
    let mut trace = Trace::established();
    trace.recv("F. 1:1 ack=1");
    trace.send(". 1:1 ack=2");
    assert_eq!(trace.events(), [Event::PeerClosed]);
    trace.write_to(11);
    trace.send("P. 1:11 ack=2");
    trace.vector.shutdown(trace.now);
    trace.send("F. 11:11 ack=2");
    trace.assert_state(State::LastAck);
    trace.recv(". 2:2 ack=11");
    trace.assert_state(State::LastAck);
    trace.recv(". 2:2 ack=12");
    trace.assert_state(State::Closed);
    assert!(trace.events().contains(&Event::Closed(Reason::Normal)));
    trace.silent();
}

/// The peer's octets and its end came, and so did the acknowledgement of ours: what was not granted yet waits,
/// and so does the news.
#[test]
fn what_came_before_the_end_can_be_read_when_both_have_closed() {
    let mut trace = Trace::established();
    trace.grant(4);
    trace.recv("P. 1:11 ack=1");
    assert_eq!(trace.read().len(), 4);
    trace.recv("F. 11:11 ack=1");
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1 ack=12");
    trace.recv(". 12:12 ack=2");
    trace.assert_state(State::Closed);
    assert!(!trace.vector.is_over());
    assert!(
        !trace.events().iter().any(|event| matches!(event, Event::PeerClosed | Event::Closed(_)))
    );
    trace.grant(100);
    assert_eq!(trace.read().len(), 6);
    assert!(trace.vector.is_over());
    assert_eq!(trace.events(), [Event::Readable, Event::PeerClosed, Event::Closed(Reason::Normal)]);
    trace.silent();
}

/// The same, but nobody is there to read it any more.
#[test]
fn what_nobody_will_read_keeps_no_connection() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1 ack=1");
    trace.recv("P. 1:11 ack=2");
    trace.recv("F. 11:11 ack=2");
    trace.assert_state(State::TimeWait);
    trace.pass_to_deadline();
    trace.assert_state(State::Closed);
    assert!(!trace.vector.is_over());
    trace.vector.detach(trace.now);
    assert!(trace.vector.is_over());
}

#[test]
fn both_may_close_at_once() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1 ack=1");
    trace.recv("F. 1:1 ack=1");
    trace.send(". 2:2 ack=2");
    trace.assert_state(State::Closing);
    trace.recv(". 2:2 ack=2");
    trace.assert_state(State::TimeWait);
}

#[test]
fn a_repeated_fin_may_bring_the_acknowledgement_that_was_lost() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1 ack=1");
    trace.recv("F. 1:1 ack=1");
    trace.send(". 2:2 ack=2");
    // Nothing new: it did not hear that we have its FIN.
    trace.recv("F. 1:1 ack=1");
    trace.send(". 2:2 ack=2");
    trace.assert_state(State::Closing);
    // Of what was never sent.
    trace.recv("F. 1:1 ack=3");
    trace.send(". 2:2 ack=2");
    trace.assert_state(State::Closing);
    trace.recv("F. 1:1 ack=2");
    trace.send(". 2:2 ack=2");
    trace.silent();
    trace.assert_state(State::TimeWait);
}

#[test]
fn a_repeated_fin_acknowledges_data_of_the_other_side() {
    let mut trace = Trace::established();
    trace.recv("F. 1:1 ack=1");
    trace.send(". 1:1 ack=2");
    let _ = trace.vector.write(super::pair::pattern(100));
    trace.send("P. 1:101 ack=2");
    trace.recv("F. 1:1 ack=101");
    trace.send(". 101:101 ack=2");
    assert!(trace.vector.is_flushed());
    trace.assert_state(State::CloseWait);
}

#[test]
fn fin_and_its_acknowledgement_in_one_segment() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1 ack=1");
    trace.recv("F. 1:1 ack=2");
    trace.send(". 2:2 ack=2");
    trace.assert_state(State::TimeWait);
}

#[test]
fn after_half_a_close_data_still_comes() {
    let mut trace = Trace::in_state(State::FinWait2);
    trace.grant(10_000);
    trace.recv("P. 1:2001 ack=2");
    trace.send(". 2:2 ack=2001");
    assert_eq!(trace.read().len(), 2_000);
    trace.recv("F. 2001:2001 ack=2");
    trace.send(". 2:2 ack=2002");
    trace.assert_state(State::TimeWait);
}

#[test]
fn a_fin_behind_a_hole_waits_lineage_04() {
    let mut trace = Trace::established();
    trace.grant(10_000);
    trace.recv("F. 101:201 ack=1");
    trace.send(". 1:1 ack=1 sack=101:201");
    trace.assert_state(State::Established);
    assert_eq!(trace.events(), []);
    trace.recv(". 1:101 ack=1");
    trace.send(". 1:1 ack=202");
    trace.assert_state(State::CloseWait);
    assert_eq!(trace.read().len(), 200);
    assert!(trace.events().contains(&Event::PeerClosed));
}

#[test]
fn a_repeated_fin_counts_once_and_is_acknowledged_again_lineage_05() {
    let mut trace = Trace::in_state(State::CloseWait);
    for _ in 0..2 {
        trace.recv("F. 1:1 ack=1");
        trace.send(". 1:1 ack=2");
        trace.silent();
    }
    trace.assert_state(State::CloseWait);
    assert_eq!(trace.events(), []);
}

#[test]
fn closing_twice_sends_one_fin_and_no_octet_lineage_06() {
    let mut trace = Trace::established();
    trace.write_to(11);
    trace.vector.shutdown(trace.now);
    trace.vector.shutdown(trace.now);
    let segment = trace.send("FP. 1:11 ack=1").segment;
    assert_eq!(segment.payload.len(), 10);
    trace.silent();
    trace.recv(". 1:1 ack=12");
    trace.vector.shutdown(trace.now);
    trace.silent();
    trace.assert_state(State::FinWait2);
    assert!(trace.vector.write("more".into()).is_some(), "nothing is written after the end");
}

#[test]
fn the_end_is_told_after_the_last_octet_was_read() {
    let mut trace = Trace::established();
    trace.recv("FP. 1:101 ack=1");
    assert_eq!(trace.events(), []);
    trace.grant(60);
    assert_eq!(trace.read().len(), 60);
    assert_eq!(trace.events(), [Event::Readable]);
    trace.grant(60);
    assert_eq!(trace.read().len(), 40);
    assert_eq!(trace.events(), [Event::Readable, Event::PeerClosed]);
}

#[test]
fn time_wait_answers_what_repeats_and_lives_on() {
    // Segment, whether it draws an acknowledgement.
    for (segment, answered) in [
        (". 2:2 ack=2", false),
        (". 1:1 ack=2", true),
        ("F. 1:1 ack=2", true),
        ("F 2:2", false),
        ("F. 65702:65702 ack=2", true),
        ("S. 2:2 ack=0", true),
        ("S 2:2", true),
        ("R 2:2", false),
    ] {
        let mut trace = Trace::in_state(State::TimeWait);
        trace.recv(segment);
        if answered {
            trace.send(". 2:2 ack=2");
        }
        trace.silent();
        trace.assert_state(State::TimeWait);
    }
}

#[test]
fn a_repeated_fin_begins_time_wait_anew() {
    let mut trace = Trace::in_state(State::TimeWait);
    trace.pass(50_000);
    trace.recv("F. 1:1 ack=2");
    trace.send(". 2:2 ack=2");
    assert_eq!(trace.pass_to_deadline(), 60_000);
}

#[test]
fn a_new_syn_beyond_the_old_connection_takes_over_may_2() {
    let mut trace = Trace::in_state(State::TimeWait);
    trace.recv("S 3:3 mss=1460");
    trace.assert_state(State::Closed);
    let events = trace.events();
    assert_eq!(events[0], Event::Closed(Reason::Normal));
    let Event::Superseded(syn) = &events[1] else { panic!("{events:?}") };
    assert_eq!(syn.options.mss, Some(1460));
}

#[test]
fn timestamps_judge_a_new_syn_shld_4() {
    for (syn, takes_over) in [
        ("S 0:0 ts=501/0", true),
        ("S 9:9 ts=499/0", false),
        ("S 9:9 ts=500/0", true),
        ("S 0:0 ts=500/0", false),
    ] {
        let config = Config { window_scaling: false, ..Config::default() };
        let mut trace = Trace::established_with(config, "mss=1000 ts=500/10000");
        trace.vector.shutdown(trace.now);
        trace.send("F. 1:1");
        trace.recv("F. 1:1 ack=2 ts=500/10010");
        trace.send(". 2:2 ack=2");
        trace.recv(syn);
        assert_eq!(trace.state() == State::Closed, takes_over, "{syn}");
    }
}

#[test]
fn unread_data_turns_a_close_into_a_reset_shld_3() {
    let mut trace = Trace::established();
    trace.recv("P. 1:11 ack=1");
    trace.vector.detach(trace.now);
    trace.send("R. 1:1 ack=11");
    trace.assert_state(State::Closed);
    assert!(trace.events().contains(&Event::Closed(Reason::Aborted)));
}

#[test]
fn data_for_an_application_that_has_gone_is_answered_with_a_reset_shld_3() {
    let mut trace = Trace::established();
    trace.write_to(11);
    trace.vector.detach(trace.now);
    trace.send("FP. 1:11 ack=1");
    trace.recv(". 1:1 ack=12");
    trace.assert_state(State::FinWait2);
    trace.recv("P. 1:5 ack=12");
    trace.send("R 12:12 win=0 nosack");
    trace.assert_state(State::Closed);
}

#[test]
fn without_an_application_fin_wait_2_ends() {
    let mut trace = Trace::established();
    trace.vector.detach(trace.now);
    trace.send("F. 1:1");
    trace.recv(". 1:1 ack=2");
    trace.assert_state(State::FinWait2);
    assert_eq!(trace.pass_to_deadline(), 60_000);
    trace.assert_state(State::Closed);
}

#[test]
fn an_abort_sends_a_reset_where_the_peer_could_wait() {
    for (state, reset) in [
        (State::SynReceived, true),
        (State::Established, true),
        (State::FinWait1, true),
        (State::FinWait2, true),
        (State::CloseWait, true),
        (State::Closing, false),
        (State::LastAck, false),
        (State::TimeWait, false),
    ] {
        let mut trace = Trace::in_state(state);
        trace.vector.abort(trace.now);
        if reset {
            trace.send("R.");
        }
        trace.silent();
        trace.assert_state(State::Closed);
        assert_eq!(trace.vector.next_deadline(), None);
    }
    let mut trace = Trace::connect(plain());
    trace.send("S 0:0");
    trace.vector.abort(trace.now);
    trace.silent();
    assert_eq!(trace.events(), [Event::Refused(Reason::Aborted)]);
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut trace = Trace::established();
    trace.vector.shutdown(trace.now);
    trace.send("F. 1:1");
    trace.pass_to_deadline();
    trace.send("F. 1:1");
    trace.recv(". 1:1 ack=2");
    trace.assert_state(State::FinWait2);
}
