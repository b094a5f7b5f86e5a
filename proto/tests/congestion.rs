//! How controllers do on a path, alone and together.

mod common;

use std::time::Duration;

use common::{Network, Path, megabits};
use netmart_proto::tcp::CongestionControl::{self, Bbr, Cubic, Reno};
use netmart_proto::tcp::{Config, EcnPolicy};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Goodput of one flow alone, in Mbit/s of payload.
fn alone(control: CongestionControl, path: &Path, duration: Duration) -> f64 {
    let mut network = Network::new(path);
    network.add(control, Duration::ZERO);
    network.run(duration);
    megabits(network.received()[0], duration)
}

#[test]
fn every_controller_fills_a_clean_path() {
    for control in [Reno, Cubic, Bbr] {
        let goodput = alone(control, &Path::usual(1), seconds(8));
        assert!(goodput > 60.0, "{control:?}: {goodput:.1} Mbit/s");
    }
}

#[test]
fn bbr_fills_a_path_that_loses_packets_by_chance() {
    for (loss, least) in [(0.001, 85.0), (0.01, 85.0), (0.02, 80.0), (0.05, 80.0), (0.1, 50.0)] {
        let goodput = alone(Bbr, &Path::usual(1).with_loss(loss), seconds(10));
        assert!(goodput > least, "{loss}: {goodput:.1} Mbit/s");
    }
}

#[test]
fn bbr_with_the_thresholds_of_the_draft_gives_way_to_any_loss() {
    let draft = netmart_proto::tcp::Bbr { clear_loss_threshold: 20, ..Default::default() };
    let mut network = Network::new(&Path::usual(1).with_loss(0.05));
    network.add_with(Config { congestion: Bbr, bbr: draft, ..Config::default() }, Duration::ZERO);
    network.run(seconds(10));
    let goodput = megabits(network.received()[0], seconds(10));
    assert!(goodput < 60.0, "{goodput:.1} Mbit/s");
}

#[test]
fn beside_bbr_a_cubic_flow_keeps_a_fifth_of_the_path() {
    for controls in [[Bbr, Cubic], [Cubic, Bbr]] {
        let shares = together_for(controls, seconds(30));
        let cubic = shares[usize::from(controls[0] == Bbr)];
        assert!(cubic > 20.0, "{controls:?}: {shares:.1?} Mbit/s");
        assert!(shares.iter().sum::<f64>() > 90.0, "{controls:?}: {shares:.1?} Mbit/s");
    }
}

#[test]
fn two_bbr_flows_share_a_path() {
    let [one, other] = together_for([Bbr, Bbr], seconds(30));
    let jain = (one + other).powi(2) / (2.0 * (one * one + other * other));
    assert!(jain > 0.85, "{one:.1} and {other:.1} Mbit/s");
}

#[test]
fn bbr_keeps_the_queue_short() {
    let mut network = Network::new(&Path { queue: 4.0, ..Path::usual(1) });
    network.add(Bbr, Duration::ZERO);
    network.run(seconds(10));
    let srtt = network.sender(0).and_then(|info| info.srtt).unwrap_or_default();
    assert!(
        srtt < Duration::from_millis(90),
        "{srtt:?} on a path of 50 ms that can queue 200 more"
    );
    assert_eq!(network.counters().queue_dropped, 0);
}

fn together_for(controls: [CongestionControl; 2], duration: Duration) -> [f64; 2] {
    let mut network = Network::new(&Path::usual(1));
    network.add(controls[0], Duration::ZERO);
    network.add(controls[1], Duration::from_millis(100));
    network.run(duration);
    let received = network.received();
    [megabits(received[0], duration), megabits(received[1], duration)]
}

#[test]
fn marks_instead_of_losses_keep_the_queue_short_and_the_path_busy() {
    for control in [Reno, Cubic, Bbr] {
        let path = Path { mark_above: Some(0.5), queue: 2.0, ..Path::usual(1) };
        let mut network = Network::new(&path);
        let ecn = EcnPolicy::Request;
        let config = Config { congestion: control, ecn, ..Config::default() };
        network.add_with(config, Duration::ZERO);
        network.run(seconds(10));
        let info = network.sender(0).unwrap();
        let goodput = megabits(network.received()[0], seconds(10));
        assert!(goodput > 70.0, "{control:?}: {goodput:.1} Mbit/s");
        assert!(info.counters.echoed_marks > 0, "{control:?}");
        assert_eq!((network.counters().queue_dropped, info.lost), (0, 0), "{control:?}");
    }
}

#[test]
fn a_pace_keeps_bursts_out_of_a_short_queue() {
    let run = |control, pacing| {
        let mut network = Network::new(&Path { queue: 0.1, ..Path::usual(1) });
        network
            .add_with(Config { congestion: control, pacing, ..Config::default() }, Duration::ZERO);
        network.run(seconds(10));
        (megabits(network.received()[0], seconds(10)), network.sender(0).unwrap())
    };
    for control in [Reno, Cubic] {
        let (unpaced, _) = run(control, false);
        let (paced, info) = run(control, true);
        assert!(info.pacing_rate.is_some() && !info.limited_times.pace.is_zero(), "{info:?}");
        assert!(paced > 0.95 * unpaced, "{control:?}: {paced:.1} against {unpaced:.1} Mbit/s");
    }
}
