use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::wire::Packet;

/// A packet that is only a number and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parcel {
    number: u32,
    len: usize,
    flipped: Option<usize>,
}

impl Impaired for Parcel {
    fn wire_len(&self) -> usize {
        self.len
    }

    fn flip_bit(&mut self, bit: usize) {
        assert!(bit < self.len * 8);
        self.flipped = Some(bit);
    }
}

fn parcel(number: u32, len: usize) -> Parcel {
    Parcel { number, len, flipped: None }
}

/// Sends packets of `len` octets, one each `gap`; tells when each of those that arrive does.
fn send(link: &mut Netem<Parcel>, count: u32, len: usize, gap: Duration) -> Vec<(Instant, Parcel)> {
    let mut arrived = Vec::new();
    let mut now = Instant::ZERO;
    for number in 0..count {
        drain_until(link, now, &mut arrived);
        link.handle_packet(now, parcel(number, len));
        now += gap;
    }
    drain_until(link, Instant::from_micros(u64::MAX), &mut arrived);
    arrived
}

fn drain_until(link: &mut Netem<Parcel>, end: Instant, arrived: &mut Vec<(Instant, Parcel)>) {
    while let Some(deadline) = link.next_deadline().filter(|&deadline| deadline <= end) {
        let packet = link.poll(deadline).expect("a packet arrives at its deadline");
        arrived.push((deadline, packet));
    }
}

fn numbers(arrived: &[(Instant, Parcel)]) -> Vec<u32> {
    arrived.iter().map(|(_, parcel)| parcel.number).collect()
}

const GAP: Duration = Duration::from_micros(100);

#[test]
fn by_default_it_does_nothing() {
    let mut link = Netem::new(Config::default(), 1);
    let arrived = send(&mut link, 100, 1500, GAP);
    let expected: Vec<_> = (0..100)
        .map(|number| (Instant::from_micros(u64::from(number) * 100), parcel(number, 1500)))
        .collect();
    assert_eq!(arrived, expected);
    let counters = Counters {
        received: 100,
        delivered: 100,
        delivered_octets: 150_000,
        ..Counters::default()
    };
    assert_eq!(*link.counters(), counters);
    assert_eq!(link.next_deadline(), None);
}

#[test]
fn the_rate_is_exact_however_odd_the_times_are() {
    // 1500 octets take 1714.28... us at 7 Mbit/s; seven of them take 12 ms to the microsecond.
    let config = Config { rate: Some(7_000_000), ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 700, 1500, Duration::ZERO);
    assert_eq!(arrived[0].0, Instant::from_micros(1_715));
    assert_eq!(arrived[6].0, Instant::from_millis(12));
    assert_eq!(arrived[699].0, Instant::from_millis(1_200));
}

#[test]
fn an_idle_wire_saves_no_time_up() {
    let config = Config { rate: Some(8_000_000), ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 3, 1000, Duration::from_millis(10));
    let times: Vec<_> = arrived.iter().map(|(at, _)| at.as_micros()).collect();
    assert_eq!(times, [1_000, 11_000, 21_000]);
}

#[test]
fn delay_comes_on_top_of_the_rate() {
    let config =
        Config { rate: Some(8_000_000), delay: Duration::from_millis(50), ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 2, 1000, Duration::ZERO);
    let times: Vec<_> = arrived.iter().map(|(at, _)| at.as_micros()).collect();
    assert_eq!(times, [51_000, 52_000]);
}

#[test]
fn a_queue_counted_in_packets_drops_its_tail() {
    let config =
        Config { rate: Some(8_000_000), queue: QueueLimit::Packets(3), ..Config::default() };
    let mut link = Netem::new(config, 1);
    // One is on the wire, three wait; after 2.5 ms two have left.
    for number in 0..6 {
        let verdict = link.handle_packet(Instant::ZERO, parcel(number, 1000));
        assert_eq!(verdict.fate == Fate::QueueFull, number > 3, "{number}");
    }
    for number in 6..9 {
        let verdict = link.handle_packet(Instant::from_micros(2_500), parcel(number, 1000));
        assert_eq!(verdict.fate == Fate::QueueFull, number > 7, "{number}");
    }
    let mut arrived = Vec::new();
    drain_until(&mut link, Instant::from_millis(100), &mut arrived);
    assert_eq!(numbers(&arrived), [0, 1, 2, 3, 6, 7]);
    assert_eq!(link.counters().queue_dropped, 3);
}

#[test]
fn a_queue_counted_in_octets_takes_what_fits() {
    let config =
        Config { rate: Some(8_000_000), queue: QueueLimit::Octets(1_500), ..Config::default() };
    let mut link = Netem::new(config, 1);
    let fates = [9_000, 1_000, 600, 500, 1]
        .map(|len| link.handle_packet(Instant::ZERO, parcel(0, len)).fate == Fate::QueueFull);
    assert_eq!(fates, [false, false, true, false, true]);
}

#[test]
fn a_queue_of_one_bandwidth_delay_product_has_its_size() {
    let config = Config { rate: Some(100_000_000), ..Config::default() };
    let config = config.with_queue_of(Duration::from_millis(50));
    assert_eq!(config.queue, QueueLimit::Octets(625_000));
}

#[test]
fn what_is_under_way_is_bounded() {
    let config =
        Config { delay: Duration::from_millis(1), in_flight_limit: 10, ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 15, 100, Duration::ZERO);
    assert_eq!(numbers(&arrived), (0..10).collect::<Vec<_>>());
    assert_eq!(link.counters().delay_dropped, 5);
}

#[test]
fn jitter_spreads_arrivals_and_keeps_the_order() {
    let delay = Duration::from_millis(10);
    let jitter = Duration::from_millis(4);
    let config = Config { delay, jitter, ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 2_000, 100, GAP);
    assert_eq!(numbers(&arrived), (0..2_000).collect::<Vec<_>>());
    let late: Vec<u64> =
        arrived.iter().map(|(at, p)| at.as_micros() - u64::from(p.number) * 100).collect();
    assert!(late.iter().all(|late| (10_000..=14_000).contains(late)));
    assert!(late.iter().any(|&late| late > 13_900));
    // Alone on the link, packets wait for none before them: the spread is even.
    let mut link = Netem::new(link.config().clone(), 1);
    let arrived = send(&mut link, 2_000, 100, Duration::from_millis(20));
    let late = arrived.iter().map(|(at, p)| at.as_micros() - u64::from(p.number) * 20_000);
    let mean = late.sum::<u64>() as f64 / 2_000.0;
    assert!((11_900.0..12_100.0).contains(&mean), "{mean}");
}

#[test]
fn independent_loss_comes_as_often_as_it_should_and_alone() {
    let config = Config { loss: Loss::Independent(0.05), record_losses: true, ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 20_000, 100, GAP);
    let lost = link.counters().lost;
    // Three standard deviations around the mean of 1000.
    assert!((907..=1_093).contains(&lost), "{lost}");
    assert_eq!(arrived.len() as u64 + lost, 20_000);
    let burst = mean_burst(link.loss_pattern().unwrap());
    assert!((1.0..1.1).contains(&burst), "{burst}");
}

#[test]
fn bursts_have_the_mean_length_and_share_asked_for() {
    let config = Config { loss: Loss::bursts(0.02, 4.0), record_losses: true, ..Config::default() };
    let mut link = Netem::new(config, 1);
    send(&mut link, 200_000, 100, GAP);
    let share = link.counters().lost as f64 / 200_000.0;
    assert!((0.018..0.022).contains(&share), "{share}");
    let burst = mean_burst(link.loss_pattern().unwrap());
    assert!((3.7..4.3).contains(&burst), "{burst}");
}

#[test]
fn a_burst_model_may_lose_some_in_good_spells_and_pass_some_in_bad_ones() {
    let loss = Loss::Burst { begin: 0.1, end: 0.1, loss_in_good: 0.1, loss_in_bad: 0.5 };
    let mut link = Netem::new(Config { loss, ..Config::default() }, 1);
    send(&mut link, 100_000, 100, GAP);
    let share = link.counters().lost as f64 / 100_000.0;
    assert!((0.29..0.31).contains(&share), "{share}");
}

/// How many packets a run of lost ones has, on average.
fn mean_burst(pattern: &LossPattern) -> f64 {
    let runs = (0..pattern.len())
        .filter(|&i| pattern.is_lost(i) && (i == 0 || !pattern.is_lost(i - 1)))
        .count();
    pattern.lost() as f64 / runs as f64
}

#[test]
fn a_recorded_pattern_loses_the_same_packets_on_another_link() {
    let config = Config { loss: Loss::bursts(0.1, 3.0), record_losses: true, ..Config::default() };
    let mut first = Netem::new(config, 5);
    let arrived = send(&mut first, 5_000, 100, GAP);
    let pattern: LossPattern = first.loss_pattern().unwrap().to_string().parse().unwrap();
    let mut second = Netem::new(
        Config { rate: Some(100_000_000), loss: Loss::Pattern(pattern), ..Config::default() },
        99,
    );
    assert_eq!(numbers(&send(&mut second, 5_000, 100, GAP)), numbers(&arrived));
    assert!(first.counters().lost > 300);
}

#[test]
fn copies_follow_their_originals() {
    let config = Config { duplication: 0.25, ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = numbers(&send(&mut link, 10_000, 100, GAP));
    let copies = link.counters().duplicated;
    assert!((2_370..=2_630).contains(&copies), "{copies}");
    assert_eq!(arrived.len() as u64, 10_000 + copies);
    assert!(arrived.is_sorted());
    assert_eq!(arrived.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64, copies);
}

#[test]
fn a_copy_takes_its_place_in_the_queue() {
    let config = Config {
        rate: Some(8_000_000),
        queue: QueueLimit::Packets(2),
        duplication: 1.0,
        ..Config::default()
    };
    let mut link = Netem::new(config, 1);
    let arrives = |millis| Fate::Arrives {
        at: Instant::from_millis(millis),
        corrupted: false,
        reordered: false,
    };
    let verdicts = [0, 1].map(|number| link.handle_packet(Instant::ZERO, parcel(number, 1000)));
    assert_eq!(verdicts[0], Verdict { fate: arrives(1), copy: Some(arrives(2)) });
    assert_eq!(verdicts[1], Verdict { fate: arrives(3), copy: Some(Fate::QueueFull) });
}

#[test]
fn held_packets_are_overtaken_and_the_others_keep_their_order() {
    let reordering = Reordering { probability: 0.05, extra: Duration::from_millis(5) };
    let config = Config { delay: Duration::from_millis(20), reordering, ..Config::default() };
    let mut link = Netem::new(config, 1);
    let mut held = Vec::new();
    let mut arrived = Vec::new();
    let mut now = Instant::ZERO;
    for number in 0..10_000 {
        drain_until(&mut link, now, &mut arrived);
        let verdict = link.handle_packet(now, parcel(number, 100));
        if matches!(verdict.fate, Fate::Arrives { reordered: true, .. }) {
            held.push(number);
        }
        now += GAP;
    }
    drain_until(&mut link, Instant::from_micros(u64::MAX), &mut arrived);
    assert!((435..=565).contains(&held.len()), "{}", held.len());
    assert_eq!(link.counters().reordered, held.len() as u64);
    let mut others = numbers(&arrived);
    let overtaken = others.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > held.len() / 2, "{overtaken}");
    others.retain(|number| !held.contains(number));
    assert!(others.is_sorted());
    for (at, parcel) in arrived {
        let late = at.as_micros() - u64::from(parcel.number) * 100;
        assert!((20_000..=25_000).contains(&late));
    }
}

#[test]
fn corruption_flips_one_bit_somewhere() {
    let mut link = Netem::new(Config { corruption: 0.5, ..Config::default() }, 1);
    let arrived = send(&mut link, 4_000, 2, GAP);
    let mut places = [0u64; 16];
    for bit in arrived.iter().filter_map(|(_, parcel)| parcel.flipped) {
        places[bit] += 1;
    }
    assert_eq!(places.iter().sum::<u64>(), link.counters().corrupted);
    assert!((1_900..=2_100).contains(&link.counters().corrupted));
    assert!(places.iter().all(|&count| count > 80), "{places:?}");
    // An empty packet has no bit to flip.
    let verdict = link.handle_packet(Instant::ZERO, parcel(0, 0));
    assert!(matches!(verdict.fate, Fate::Arrives { corrupted: false, .. }));
}

#[test]
fn packets_that_arrive_together_come_out_in_the_order_they_went_in() {
    let config = Config { delay: Duration::from_millis(1), ..Config::default() };
    let mut link = Netem::new(config, 1);
    let arrived = send(&mut link, 50, 100, Duration::ZERO);
    assert_eq!(numbers(&arrived), (0..50).collect::<Vec<_>>());
    assert!(arrived.iter().all(|(at, _)| *at == Instant::from_millis(1)));
}

#[test]
fn a_flipped_bit_of_a_real_packet_lies_in_either_piece() {
    let whole = Packet { head: vec![0; 4].into(), body: vec![0; 4].into(), ..Packet::default() };
    for bit in 0..64 {
        let mut packet = whole.clone();
        Impaired::flip_bit(&mut packet, bit);
        let ones: Vec<_> = packet.to_vec().iter().map(|octet| octet.count_ones()).collect();
        assert_eq!(ones.iter().sum::<u32>(), 1);
        assert_eq!(ones[bit / 8], 1);
        assert_eq!(whole.to_vec(), [0; 8]);
    }
}

fn probability() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..=1.0]
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::None),
        probability().prop_map(Loss::Independent),
        (probability(), probability(), probability(), probability()).prop_map(
            |(begin, end, loss_in_good, loss_in_bad)| Loss::Burst {
                begin,
                end,
                loss_in_good,
                loss_in_bad
            }
        ),
        prop::collection::vec(any::<bool>(), 0..100)
            .prop_map(|lost| Loss::Pattern(lost.into_iter().collect())),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), (0..100_000u64).prop_map(Duration::from_micros)]
}

prop_compose! {
    fn config()(
        rate in prop::option::of(1u64..1_000_000_000),
        queue in prop_oneof![
            (0..50usize).prop_map(QueueLimit::Packets),
            (0..50_000usize).prop_map(QueueLimit::Octets),
        ],
        delay in duration(),
        jitter in duration(),
        (mtu, loss) in (prop::option::of(0..2_000usize), loss()),
        duplication in probability(),
        reordering in (probability(), duration())
            .prop_map(|(probability, extra)| Reordering { probability, extra }),
        corruption in probability(),
        in_flight_limit in 0..200usize,
    ) -> Config {
        Config {
            rate, queue, delay, jitter, mtu, loss, duplication, reordering, corruption,
            in_flight_limit, record_losses: true, mark_above: None,
        }
    }
}

proptest! {
    #[test]
    fn no_packet_appears_from_nowhere_and_none_vanishes_uncounted(
        config in config(),
        seed: u64,
        lens in prop::collection::vec((0..2_000usize, 0..3_000u64), 0..200),
    ) {
        let mut link = Netem::new(config.clone(), seed);
        let mut twin = Netem::new(config, seed);
        let mut now = Instant::ZERO;
        let mut arrived = Vec::new();
        for (number, &(len, gap)) in lens.iter().enumerate() {
            drain_until(&mut link, now, &mut arrived);
            let parcel = parcel(number as u32, len);
            let verdict = link.handle_packet(now, parcel);
            while twin.poll(now).is_some() {}
            prop_assert_eq!(twin.handle_packet(now, parcel), verdict);
            now += Duration::from_micros(gap);
        }
        drain_until(&mut link, Instant::from_micros(u64::MAX), &mut arrived);

        prop_assert!(arrived.is_sorted_by_key(|(at, _)| *at));
        for (_, parcel) in &arrived {
            prop_assert_eq!(parcel.len, lens[parcel.number as usize].0);
        }
        let mut times = vec![0; lens.len()];
        arrived.iter().for_each(|(_, parcel)| times[parcel.number as usize] += 1);
        prop_assert!(times.iter().all(|&times| times <= 2));
        let counters = link.counters();
        prop_assert_eq!(counters.received, lens.len() as u64);
        prop_assert_eq!(
            counters.received + counters.duplicated,
            counters.delivered + counters.too_large + counters.lost + counters.queue_dropped
                + counters.delay_dropped
        );
        prop_assert_eq!(link.loss_pattern().unwrap().lost() as u64, counters.lost);
    }
}

#[test]
fn what_is_larger_than_the_mtu_vanishes_and_changes_nothing_for_others() {
    let loss = Loss::Independent(0.3);
    let config = Config { mtu: Some(1000), loss, ..Config::default() };
    let survivors = |config: Config, large: bool| {
        let mut link = Netem::new(config, 7);
        for number in 0..200 {
            if large {
                let fate = link.handle_packet(Instant::ZERO, parcel(number, 1001)).fate;
                assert_eq!(fate, Fate::TooLarge);
            }
            link.handle_packet(Instant::ZERO, parcel(number, 1000));
        }
        let mut arrived = Vec::new();
        drain_until(&mut link, Instant::ZERO, &mut arrived);
        assert_eq!(link.counters().too_large, if large { 200 } else { 0 });
        numbers(&arrived)
    };
    assert_eq!(survivors(config.clone(), true), survivors(config, false));
}
