//! What stands on the axes of a grid, and how people write it.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use netmart::proto::netem::{Loss, Reordering};
use netmart::proto::tcp::CongestionControl;

use crate::cli::quantity;

/// All controllers there are, by name.
pub(super) const CONTROLLERS: [(&str, CongestionControl); 3] = [
    ("reno", CongestionControl::Reno),
    ("cubic", CongestionControl::Cubic),
    ("bbr", CongestionControl::Bbr),
];

/// The name of a controller.
pub(super) fn name(controller: CongestionControl) -> &'static str {
    let found = CONTROLLERS.iter().find(|(_, known)| *known == controller);
    found.map_or("other", |(name, _)| name)
}

/// A controller by its name.
pub(super) fn controller(text: &str) -> Result<CongestionControl, String> {
    let found = CONTROLLERS.iter().find(|(name, _)| *name == text.trim());
    found.map(|(_, controller)| *controller).ok_or_else(|| {
        let names: Vec<&str> = CONTROLLERS.iter().map(|(name, _)| *name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// The flows that share a path: the controllers, one each, such as `cubic,bbr`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flows(pub(super) Vec<CongestionControl>);

impl Flows {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        text.split(',').map(controller).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|controller| name(*controller)).collect();
        f.write_str(&names.join(" + "))
    }
}

/// How losses are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LossModel {
    /// Each packet for itself
    Independent,
    /// In bursts of several packets
    Bursty,
}

impl LossModel {
    /// A link that loses this share of its packets, in bursts of so many if it is bursty.
    pub(super) fn losing(self, share: f64, burst: f64) -> Loss {
        match self {
            _ if share == 0.0 => Loss::None,
            Self::Independent => Loss::Independent(share),
            Self::Bursty => Loss::bursts(share, burst),
        }
    }
}

/// The share of packets that are lost: `1%`, or `1` for short.
pub(super) fn loss(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let share = match text.strip_suffix('%') {
        Some(_) => quantity::percentage(text),
        None => quantity::percentage(&format!("{text}%")),
    }?;
    if share >= 1.0 { Err("nothing would arrive".to_owned()) } else { Ok(share) }
}

/// A round-trip time: `50ms`, or `50` for short.
pub(super) fn rtt(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    match text.parse::<u32>() {
        Ok(millis) => Ok(Duration::from_millis(millis.into())),
        Err(_) => quantity::duration(text),
    }
}

/// How many bandwidth-delay products may wait.
pub(super) fn queue(text: &str) -> Result<f64, String> {
    let products = text.trim().parse::<f64>().ok();
    let products = products.filter(|products| products.is_finite() && *products >= 0.0);
    products.ok_or_else(|| "expected a number of bandwidth-delay products, such as 1 or 0.5".into())
}

/// Which packets are overtaken by others: `5%` are held for up to half a round trip, `5%:20ms` for up to
/// 20 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Overtaking {
    pub(super) share: f64,
    pub(super) extra: Option<Duration>,
}

impl Overtaking {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (share, extra) = match text.split_once(':') {
            Some((share, extra)) => (share, Some(rtt(extra)?)),
            None => (text, None),
        };
        let share = share.trim();
        let share =
            quantity::percentage(share).or_else(|_| quantity::percentage(&format!("{share}%")))?;
        Ok(Self { share, extra })
    }

    /// What it is on a path with this round-trip time.
    pub(super) fn over(self, rtt: Duration) -> Reordering {
        if self.share == 0.0 {
            return Reordering::default();
        }
        Reordering { probability: self.share, extra: self.extra.unwrap_or(rtt / 2) }
    }
}

impl fmt::Display for Overtaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extra {
            Some(extra) => write!(f, "{} by {} ms", Percent(self.share), Millis(extra)),
            None => write!(f, "{}", Percent(self.share)),
        }
    }
}

/// A share, as a percentage without needless zeros.
pub(super) struct Percent(pub(super) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.4}", self.0 * 100.0);
        let short = text.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{short}%"))
    }
}

/// A duration in milliseconds, without needless zeros.
pub(super) struct Millis(pub(super) Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0.as_secs_f64() * 1e3);
        f.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_go_without_saying_may_be_left_out() {
        assert_eq!(loss("0.1"), Ok(0.001));
        assert_eq!(loss("0.1%"), Ok(0.001));
        assert_eq!(rtt("50"), Ok(Duration::from_millis(50)));
        assert_eq!(rtt("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(queue("0.5"), Ok(0.5));
    }

    #[test]
    fn nonsense_says_what_was_expected() {
        assert!(loss("100").unwrap_err().contains("nothing would arrive"));
        assert!(loss("x").is_err());
        assert!(queue("-1").is_err());
        assert!(queue("nan").is_err());
        assert!(controller("vegas").unwrap_err().contains("reno, cubic"));
        assert!(Overtaking::read("5%:").is_err());
    }

    #[test]
    fn half_a_round_trip_is_what_overtaking_means() {
        let rtt = Duration::from_millis(50);
        let reordering = Overtaking::read("5%").unwrap().over(rtt);
        assert_eq!(reordering, Reordering { probability: 0.05, extra: rtt / 2 });
        let fixed = Overtaking::read("5:7ms").unwrap();
        assert_eq!(fixed.over(rtt).extra, Duration::from_millis(7));
        assert_eq!(fixed.to_string(), "5% by 7 ms");
    }

    #[test]
    fn flows_are_lists_of_controllers() {
        let flows = Flows::read("cubic,reno").unwrap();
        assert_eq!(flows.0, [CongestionControl::Cubic, CongestionControl::Reno]);
        assert_eq!(flows.to_string(), "cubic + reno");
    }
}
