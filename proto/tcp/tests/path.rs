//! How large may a segment be (RFC 1191, RFC 4821, RFC 8899).

use core::time::Duration;

use super::super::{Config, IcmpError, IcmpKind, MtuProbing, Reason, State, StateVector};
use super::pair::{End, Pair, Weather, pattern};
use super::script::{LOCAL, Trace, plain};

/// Settings with probes, and segments of 1460 octets.
fn probing(mtu_probing: MtuProbing) -> Config {
    Config { mtu_probing, ..plain() }
}

fn too_big(trace: &mut Trace, mss: u16, seq: u32) {
    let now = trace.now;
    trace
        .vector
        .handle_icmp(IcmpError { kind: IcmpKind::PacketTooBig { mss }, seq: LOCAL + seq }, now);
}

/// A transfer in both directions over a path that drops what has more payload than `largest`.
fn transfer(config: Config, largest: usize, octets: usize) -> Pair {
    let weather = Weather { largest, ..Weather::default() };
    let mut pair = Pair::new(config, [pattern(octets), pattern(octets)], weather, 1);
    pair.run(Duration::from_secs(120));
    for (end, other) in [(0, 1), (1, 0)] {
        assert_eq!(pair.ends[end].received, pattern(octets), "what {other} sent to {end}");
        assert_eq!(pair.ends[end].vector.info().ended, Some(Reason::Normal));
    }
    pair
}

#[test]
fn transfers_both_ways_get_through_a_black_hole_and_find_its_size() {
    let configs = [
        (Config::default(), 12),
        (Config { timestamps: false, ..Config::default() }, 0),
        (Config { gso_max_size: 60_000, ..Config::default() }, 12),
    ];
    for (config, options) in configs {
        for (largest, at_least) in [(1400, 1380), (1300, 1280), (900, 880), (400, 380)] {
            let pair = transfer(config.clone(), largest, 3_000_000);
            for end in &pair.ends {
                let info = end.vector.info();
                let found = usize::from(info.send_mss);
                assert!((at_least..=largest).contains(&found), "{found} of {largest}, {options}");
                assert!(info.counters.black_holes > 0);
                assert!(info.counters.mtu_probes_lost > 0);
            }
        }
    }
}

#[test]
fn without_probing_a_black_hole_ends_the_connection() {
    let config = Config { mtu_probing: MtuProbing::Off, ..Config::default() };
    let weather = Weather { largest: 1400, ..Weather::default() };
    let mut pair = Pair::new(config, [pattern(100_000), pattern(0)], weather, 1);
    pair.run(Duration::from_secs(600));
    assert_eq!(pair.ends[0].vector.info().ended, Some(Reason::TimedOut));
    assert_eq!(pair.ends[1].received.len(), 0);
}

#[test]
fn a_path_without_a_black_hole_is_not_probed_unless_wished() {
    let sent_by = |end: &End| end.vector.info().counters.mtu_probes;
    let pair = transfer(Config::default(), 0, 1_000_000);
    assert_eq!(pair.ends.iter().map(sent_by).collect::<Vec<_>>(), [0, 0]);
    let pair = transfer(probing(MtuProbing::On), 0, 1_000_000);
    for end in &pair.ends {
        let info = end.vector.info();
        assert_eq!((info.send_mss, sent_by(end)), (1460, 1), "the first probe tells it all");
    }
}

#[test]
fn losses_do_not_fool_the_search() {
    for seed in 1..=5 {
        let weather = Weather { loss: 10, largest: 1350, ..Weather::default() };
        let data = [pattern(2_000_000), pattern(2_000_000)];
        let mut pair = Pair::new(Config::default(), data, weather, seed);
        pair.run(Duration::from_secs(600));
        for end in &pair.ends {
            assert_eq!(end.received.len(), 2_000_000, "seed {seed}");
            assert!(end.vector.info().send_mss <= 1350);
            assert!(end.vector.info().send_mss >= 1208);
        }
    }
}

/// Established with probing from the beginning: 1220 works, 1460 is to be tried.
fn search() -> Trace {
    let config = probing(MtuProbing::On);
    let mut trace = Trace::established_with(config, "win=65535 mss=1460 sackok");
    assert_eq!(trace.vector.info().send_mss, 1220);
    trace.write_to(12_001);
    trace
}

#[test]
fn a_probe_that_arrives_makes_segments_larger_rfc_4821() {
    let mut trace = search();
    trace.send(". 1:1461");
    trace.send(". 1461:2681");
    trace.send(". 2681:3901");
    for _ in 0..6 {
        let now = trace.now;
        trace.vector.poll_transmit(now);
    }
    trace.recv(". 1:1 ack=2681");
    assert_eq!(trace.vector.info().send_mss, 1460);
    assert_eq!(trace.vector.info().counters.mtu_probes, 1);
}

#[test]
fn a_lost_probe_is_no_congestion_and_is_sent_again_in_pieces_rfc_4821() {
    let mut trace = search();
    trace.send(". 1:1461");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    let cwnd = trace.vector.info().cwnd;
    trace.pass(10);
    trace.recv(". 1:1 ack=1 sack=1461:2681");
    trace.recv(". 1:1 ack=1 sack=1461:3901");
    trace.recv(". 1:1 ack=1 sack=1461:5121");
    trace.pass(10);
    trace.recv(". 1:1 ack=1 sack=1461:6341");
    trace.send(". 1:1221");
    trace.send(". 1221:1461");
    let info = trace.vector.info();
    assert_eq!((info.send_mss, info.counters.mtu_probes_lost), (1220, 1));
    assert!(info.cwnd >= cwnd, "{} after {cwnd}", info.cwnd);
    assert_eq!(info.ssthresh, u32::MAX);
}

#[test]
fn a_router_that_refuses_a_probe_tells_what_to_try_next() {
    let mut trace = search();
    trace.send(". 1:1461");
    while trace.vector.poll_transmit(trace.now).is_some() {}
    too_big(&mut trace, 1400, 1);
    trace.send(". 1:1221");
    trace.send(". 1221:1461");
    trace.write_to(40_001);
    trace.pass(10);
    trace.recv(". 1:1 ack=12001");
    let probe = trace.send(". 12001:13401");
    assert_eq!(probe.gso_size, None);
}

#[test]
fn of_a_super_segment_only_what_is_too_big_is_sent_again() {
    let config = Config { mss: 1000, gso_max_size: 60_000, ..plain() };
    for (octets, tail) in [(2_500, 500), (2_700, 0), (3_000, 0), (2_001, 1)] {
        let mut trace = Trace::established_with(config.clone(), "win=65535 mss=1000 sackok");
        trace.write_to(octets + 1);
        while trace.vector.poll_transmit(trace.now).is_some() {}
        too_big(&mut trace, 600, 1);
        let mut again = 0;
        while let Some(transmit) = trace.vector.poll_transmit(trace.now) {
            again += transmit.segment.payload.len();
            assert!(transmit.gso_size.map_or(transmit.segment.payload.len(), usize::from) <= 600);
        }
        assert_eq!(again, octets - tail, "of {octets}");
    }
}

#[test]
fn segments_leave_room_for_ip_options_must_16() {
    let mut trace = Trace::established();
    trace.vector.set_ip_options_len(40);
    trace.write_to(2_001);
    trace.send(". 1:961");
    trace.send(". 961:1921");
}

#[test]
fn a_router_that_tells_no_mtu_is_answered_with_common_ones_rfc_1191() {
    let config = Config { mss: 9_000, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=9000 sackok");
    trace.write_to(9_001);
    trace.send("P. 1:9001");
    for expected in [8_126, 4_312, 1_962, 1_452, 966, 468, 256, 256] {
        too_big(&mut trace, 0, 1);
        assert_eq!(trace.vector.info().send_mss, expected);
    }
}

#[test]
fn a_path_of_ipv6_carries_at_least_1280_octets_rfc_8201() {
    let config = Config { mss: 1440, default_peer_mss: 1220, ..plain() };
    let mut trace = Trace::established_with(config, "win=65535 mss=1440 sackok");
    trace.write_to(1_441);
    trace.send("P. 1:1441");
    too_big(&mut trace, 500, 1);
    assert_eq!(trace.vector.info().send_mss, 1220);
    assert_eq!(trace.vector.state(), State::Established);
}

#[test]
fn what_is_known_of_a_path_costs_an_idle_connection_little() {
    assert!(size_of::<super::super::path::Path>() <= 16);
    assert!(size_of::<StateVector>() < 2_048);
}
