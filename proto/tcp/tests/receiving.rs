//! What is acknowledged, kept, and offered.

use bytes::Bytes;

use super::super::reassembly::{Insertion, Reassembly};
use super::super::{Config, Event, State};
use super::pair::{Dice, pattern};
use super::script::{Trace, plain};
use crate::wire::tcp::SeqNumber;

#[test]
fn one_segment_waits_and_the_second_is_acknowledged_at_once_shld_18_shld_19() {
    let mut trace = Trace::established();
    trace.recv(". 1:1001 ack=1");
    trace.silent();
    assert_eq!(trace.pass_to_deadline(), 40, "MUST-40: less than half a second");
    trace.send(". 1:1 ack=1001");
    trace.recv(". 1001:2001 ack=1");
    trace.silent();
    trace.recv(". 2001:3001 ack=1");
    trace.send(". 1:1 ack=3001");
    trace.silent();
}

#[test]
fn a_batch_is_acknowledged_once_must_58_must_59() {
    let mut trace = Trace::established();
    for start in (1..10_001).step_by(1_000) {
        trace.recv(&format!(". {start}:{} ack=1", start + 1_000));
    }
    trace.send(". 1:1 ack=10001");
    trace.silent();
}

#[test]
fn an_acknowledgement_travels_with_data() {
    let mut trace = Trace::established();
    trace.recv("P. 1:101 ack=1");
    trace.write_to(51);
    trace.send("P. 1:51 ack=101");
    trace.silent();
    assert!(
        trace.vector.next_deadline().is_some_and(|(_, k)| k != super::super::TimerKind::DelayedAck)
    );
}

#[test]
fn what_comes_again_is_acknowledged_again_lineage_03() {
    let mut trace = Trace::established();
    trace.recv(". 1:1001 ack=1");
    trace.pass(40);
    trace.send(". 1:1 ack=1001");
    for _ in 0..3 {
        trace.recv(". 1:1001 ack=1");
        trace.send(". 1:1 ack=1001 sack=1:1001");
        trace.silent();
    }
    trace.recv(". 90001:90002 ack=1");
    trace.send(". 1:1 ack=1001");
}

#[test]
fn blocks_are_reported_the_latest_first_rfc_2018() {
    let mut trace = Trace::established();
    for (segment, wanted) in [
        (". 42:44 ack=1", ". 1:1 ack=1 sack=42:44"),
        (". 48:56 ack=1", ". 1:1 ack=1 sack=48:56,42:44"),
        (". 44:48 ack=1", ". 1:1 ack=1 sack=42:56"),
        (". 70:80 ack=1", ". 1:1 ack=1 sack=70:80,42:56"),
        (". 90:95 ack=1", ". 1:1 ack=1 sack=90:95,70:80,42:56"),
        (". 20:22 ack=1", ". 1:1 ack=1 sack=20:22,90:95,70:80,42:56"),
        (". 10:12 ack=1", ". 1:1 ack=1 sack=10:12,20:22,90:95,70:80"),
        (". 1:10 ack=1", ". 1:1 ack=12 sack=20:22,90:95,70:80"),
    ] {
        trace.recv(segment);
        trace.send(wanted);
        trace.silent();
    }
}

#[test]
fn duplicates_are_reported_first_rfc_2883() {
    for (segment, wanted) in [
        (". 150:275 ack=1", ". 1:1 ack=100 sack=200:275,150:300,600:700,400:500"),
        (". 50:400 ack=1", ". 1:1 ack=500 sack=50:100,600:700"),
        (". 1:800 ack=1", ". 1:1 ack=800 sack=1:100"),
        (". 100:400 ack=1", ". 1:1 ack=500 sack=200:300,600:700"),
        (". 100:600 ack=1", ". 1:1 ack=700 sack=200:300"),
        (". 450:475 ack=1", ". 1:1 ack=100 sack=450:475,400:500,600:700,200:300"),
        (". 10:20 ack=1", ". 1:1 ack=100 sack=10:20,600:700,400:500,200:300"),
    ] {
        let mut trace = Trace::established();
        trace.recv(". 1:100 ack=1");
        for beyond in [". 200:300 ack=1", ". 400:500 ack=1", ". 600:700 ack=1"] {
            trace.recv(beyond);
            trace.send(". 1:1 ack=100");
        }
        trace.recv(segment);
        trace.send(wanted);
        trace.silent();
    }
}

#[test]
fn octets_beyond_the_window_are_cut_off_lineage_18() {
    let mut trace = Trace::established();
    trace.recv(". 1:60001 ack=1");
    trace.send(". 1:1 ack=60001 win=5535");
    trace.recv("F. 60001:70001 ack=1");
    trace.send(". 1:1 ack=65536 win=0");
    trace.assert_state(State::Established);
    trace.recv(". 65536:65537 ack=1");
    trace.send(". 1:1 ack=65536 win=0");
}

#[test]
fn a_consumer_without_credit_closes_the_window_and_opens_it_in_steps_must_39() {
    let mut trace = Trace::established();
    trace.recv(". 1:65536 ack=1");
    trace.send(". 1:1 ack=65536 win=0");
    trace.grant(999);
    trace.read();
    trace.silent();
    trace.grant(1);
    trace.read();
    trace.send(". 1:1 ack=65536 win=1000");
    trace.grant(100_000);
    assert_eq!(trace.read().len(), 64_535);
    trace.send(". 1:1 ack=65536 win=65535");
    trace.silent();
}

#[test]
fn a_closed_window_lets_acknowledgements_and_resets_through_must_66() {
    let mut trace = Trace::established();
    trace.write_to(101);
    trace.send("P. 1:101");
    trace.recv(". 1:65536 ack=1");
    trace.send(". 101:101 ack=65536 win=0");
    trace.recv(". 65536:65536 ack=101");
    assert!(trace.vector.is_flushed());
    trace.recv("R 65536:65536");
    trace.assert_state(State::Closed);
}

#[test]
fn the_window_grows_to_megabytes_while_the_application_reads() {
    let mut trace = Trace::established_with(Config::default(), "win=65535 ws=7 mss=1460 ts=1/1");
    trace.grant(usize::MAX);
    let mut next = 1;
    for round in 0..40u32 {
        trace.pass(10);
        let window = trace.vector.info().receive_window;
        let end = next + window.min(60_000);
        trace.recv(&format!(". {next}:{end} ack=1 ts={}/1", round + 2));
        trace.read();
        trace.vector.poll_transmit(trace.now);
        next = end;
    }
    let window = trace.vector.info().receive_window;
    assert!(window >= 4 * 60_000 - 1448, "four times what is read in a round trip: {window}");
    let idle = Trace::established();
    assert_eq!(idle.vector.info().receive_window, 65_535);
}

#[test]
fn readable_is_told_when_there_is_both_data_and_room() {
    let mut trace = Trace::established();
    trace.grant(10);
    assert_eq!(trace.events(), []);
    trace.recv("P. 1:101 ack=1");
    assert_eq!(trace.events(), [Event::Readable]);
    trace.read();
    trace.grant(10);
    assert_eq!(trace.events(), [Event::Readable]);
}

#[test]
fn pieces_beyond_holes_are_bounded() {
    let mut trace = Trace::established_with(plain(), "mss=1000 sackok");
    for start in (3..30_000).step_by(2) {
        trace.recv(&format!(". {start}:{} ack=1", start + 1));
    }
    let info = trace.vector.info();
    assert!(info.counters.pieces_refused > 10_000, "{info:?}");
    assert!(info.out_of_order < 512);
}

#[test]
fn reassembly_agrees_with_a_bitmap() {
    let mut dice = Dice(99);
    for _ in 0..200 {
        let all = pattern(600);
        let start = SeqNumber(u32::MAX - 200);
        let (mut reassembly, mut known, mut out) =
            (Reassembly::default(), [false; 600], Vec::new());
        let mut nxt = 0usize;
        while nxt < 600 {
            let left = nxt + dice.roll((600 - nxt) as u32) as usize;
            let right = (left + 1 + dice.roll(60) as usize).min(600);
            if left > nxt {
                let kept =
                    reassembly.insert(start + left as u32, all.slice(left..right), usize::MAX);
                let first = (left..right).find(|i| known[*i]);
                let last = first.map(|first| (first..right).find(|i| !known[*i]).unwrap_or(right));
                let duplicate = first.zip(last).map(|(a, b)| (start + a as u32, start + b as u32));
                assert_eq!(kept, Insertion::Kept { duplicate });
                known[left..right].fill(true);
                continue;
            }
            out.extend_from_slice(&all[nxt..right]);
            nxt = right;
            let taken = reassembly.take(start + nxt as u32, |piece: Bytes| out.extend(piece));
            if let Some(reached) = taken {
                nxt = reached.distance_from(start) as usize;
            }
            assert!(nxt == 600 || !known[nxt]);
        }
        assert_eq!(out, all);
        assert!(reassembly.is_empty());
    }
}

#[test]
fn what_fills_a_hole_and_more_reports_the_part_that_was_there_rfc_2883() {
    let mut trace = Trace::established();
    trace.recv(". 501:1001 ack=1");
    trace.send(". 1:1 ack=1 sack=501:1001");
    trace.recv(". 1001:1501 ack=1");
    trace.send(". 1:1 ack=1 sack=501:1501");
    trace.recv(". 1:1001 ack=1");
    trace.send(". 1:1 ack=1501 sack=501:1001");
    // The original of the first half comes late.
    trace.recv(". 1:501 ack=1");
    trace.send(". 1:1 ack=1501 sack=1:501");
    trace.silent();
}

#[test]
fn a_batch_is_reported_in_full_however_many_holes_it_has() {
    let mut trace = Trace::established();
    for start in [101, 301, 501, 701, 901, 1101] {
        trace.recv(&format!(". {start}:{} ack=1", start + 100));
    }
    trace.send(". 1:1 ack=1 sack=701:801,501:601,301:401,101:201");
    trace.send(". 1:1 ack=1 sack=1101:1201,901:1001,701:801,501:601");
    trace.silent();
}

#[test]
fn every_duplicate_of_a_batch_is_reported() {
    let mut trace = Trace::established();
    trace.recv(". 1:301 ack=1");
    trace.pass(40);
    trace.send(". 1:1 ack=301");
    for start in [1, 101, 201] {
        trace.recv(&format!(". {start}:{} ack=1", start + 100));
    }
    for start in [1, 101, 201] {
        trace.send(&format!(". 1:1 ack=301 sack={start}:{}", start + 100));
    }
    trace.silent();
}

#[test]
fn without_sack_each_segment_beyond_a_hole_repeats_the_acknowledgement_rfc_5681() {
    let config = Config { mss: 1000, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000");
    for start in [101, 201, 301] {
        trace.recv(&format!(". {start}:{} ack=1", start + 100));
    }
    for _ in 0..3 {
        trace.send(". 1:1 ack=1 nosack");
    }
    trace.silent();
}

#[test]
fn what_is_late_for_a_hole_is_taken_though_a_retransmission_was_faster_rfc_7323() {
    let config = Config { window_scaling: false, ..Config::default() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1000 sackok ts=5000/10000");
    trace.recv(". 101:201 ack=1 ts=5001/10000");
    trace.recv(". 301:401 ack=1 ts=5001/10000");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    // The first hole is filled by a retransmission, the second by an original from before.
    trace.recv(". 1:101 ack=1 ts=5050/10000");
    trace.send(". 1:1 ack=201 sack=301:401");
    trace.recv(". 201:301 ack=1 ts=5000/10000");
    trace.send(". 1:1 ack=401 nosack");
    // Without a hole, and older than seconds ago, PAWS is strict.
    trace.recv(". 401:501 ack=1 ts=5049/10000");
    trace.send(". 1:1 ack=401 nosack");
    trace.recv(". 501:601 ack=1 ts=5051/10000");
    trace.send(". 1:1 ack=401 sack=501:601");
    trace.recv(". 401:501 ack=1 ts=4999/10000");
    trace.send(". 1:1 ack=401 sack=501:601");
    assert_eq!(trace.vector.info().counters.bad_timestamps, 2);
    // The peer learns that its retransmission was needless.
    trace.recv(". 1:101 ack=1 ts=4000/10000");
    trace.send(". 1:1 ack=401 sack=1:101,501:601");
}
