//! Whole lives of connections between two machines.

use core::time::Duration;

use bytes::Bytes;

use super::super::{Config, CongestionControl, Event, Reason, State};
use super::pair::{Pair, Weather, pattern};

const HOUR: Duration = Duration::from_secs(3_600);

fn transfer(config: Config, data: [Bytes; 2], weather: Weather, seed: u64) -> Pair {
    let mut pair = Pair::new(config, data.clone(), weather, seed);
    pair.run(HOUR);
    assert_eq!(pair.ends[1].received, data[0], "client to server, seed {seed}");
    assert_eq!(pair.ends[0].received, data[1], "server to client, seed {seed}");
    for end in &pair.ends {
        assert_eq!(end.vector.state(), State::Closed, "seed {seed}");
        assert_eq!(end.vector.next_deadline(), None);
        assert_eq!(end.events.iter().filter(|e| **e == Event::Connected).count(), 1);
        assert_eq!(end.events.iter().filter(|e| **e == Event::PeerClosed).count(), 1);
    }
    pair
}

#[test]
fn octets_go_both_ways_and_both_sides_close() {
    let data = [pattern(300_000), pattern(100_000)];
    let pair = transfer(Config::default(), data, Weather::default(), 1);
    for end in &pair.ends {
        assert_eq!(end.vector.info().ended, Some(Reason::Normal));
        assert_eq!(end.vector.info().counters.resent.total(), 0);
    }
}

#[test]
fn a_mebibyte_survives_a_tenth_of_all_segments_lost() {
    let weather = Weather { loss: 100, ..Weather::default() };
    for seed in 1..6 {
        transfer(Config::default(), [pattern(1 << 20), Bytes::new()], weather, seed);
    }
}

#[test]
fn every_choice_of_options_survives_loss_copies_and_reordering() {
    let weather = Weather { loss: 20, duplication: 10, reordering: 50, largest: 0 };
    for bits in 0..16 {
        let config = Config {
            sack: bits & 1 == 0,
            timestamps: bits & 2 == 0,
            window_scaling: bits & 4 == 0,
            congestion: if bits & 8 == 0 {
                CongestionControl::Cubic
            } else {
                CongestionControl::Reno
            },
            gso_max_size: if bits & 1 == 0 { 1460 } else { 64_000 },
            ..Config::default()
        };
        transfer(config, [pattern(200_000), pattern(150_000)], weather, bits + 1);
    }
}

#[test]
fn lost_acknowledgements_of_copies_do_not_inflate_the_time_out() {
    // The timestamp that comes back may be that of an earlier copy, whose acknowledgement was lost.
    let config = Config { sack: false, mss: 240, ..Config::default() };
    let weather = Weather { loss: 147, duplication: 58, reordering: 56, largest: 0 };
    let pair = transfer(config, [pattern(98_883), pattern(17_021)], weather, 8);
    assert!(pair.ends[0].vector.info().srtt < Some(Duration::from_millis(100)));
}

/// A transfer to the server over a link of 50 Mbit/s and 40 ms, with one BDP of queue.
fn bulk(weather: Weather, octets: usize) -> (f64, Pair) {
    let mut pair = Pair::new(Config::default(), [pattern(octets), Bytes::new()], weather, 7);
    pair.delay = Duration::from_millis(20);
    pair.settle();
    pair.bottleneck = Some((Duration::from_nanos(160), 250_000));
    let start = pair.now;
    while pair.ends[1].received.len() < octets {
        assert!(pair.step());
    }
    let took = pair.now.saturating_since(start);
    (octets as f64 * 8.0 / took.as_secs_f64() / 1e6, pair)
}

#[test]
fn reordering_by_nearly_half_a_round_trip_costs_little() {
    let [(undisturbed, _), (reordered, pair)] = [0, 50].map(|reordering| {
        let weather = Weather { reordering, ..Weather::default() };
        bulk(weather, 6_000_000)
    });
    assert!(reordered > 0.9 * undisturbed, "{reordered} and {undisturbed} Mbit/s");
    let counters = pair.ends[0].vector.info().counters;
    let vain = pair.ends[1].vector.info().counters.duplicates;
    assert!(f64::from(vain) < 0.01 * counters.segments_out as f64, "{vain}: {counters:#?}");
    assert_eq!(counters.resent.timeout, 0);
}

#[test]
fn a_fiftieth_lost_is_repaired_without_a_time_out() {
    let weather = Weather { loss: 20, ..Weather::default() };
    let (rate, pair) = bulk(weather, 2_000_000);
    let counters = pair.ends[0].vector.info().counters;
    assert_eq!(counters.resent.timeout, 0, "{rate} Mbit/s, {counters:#?}");
    assert!(counters.resent.rack > 0, "some retransmissions were lost as well");
}
