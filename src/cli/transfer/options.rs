//! What `send` and `recv` have in common on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use netmart::actors::address::Transport;
use netmart::actors::message::Impair;
use netmart::proto::netem::{self, Loss, Reordering};

use super::super::quantity;
use super::over;
use super::status::{Failure, Result};

/// Options of both.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// The wire: tcp, faketcp, cs488, sockettcp or quiq
    #[arg(long, value_name = "WIRE", value_parser = over::parse)]
    pub(super) wire: Transport,

    /// Give up when nothing moves for so long [default: as long as the wire's own timers try]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub(super) timeout: Option<Duration>,

    /// Statistics on standard error at the end, those that the wire's original shows or, as json, one object in
    /// one line for each connection
    #[arg(long, value_name = "FORMAT")]
    pub(super) stats: Option<Stats>,

    /// A line on standard error for each datagram, as the wire's original logs it
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,

    /// Record every event on the bus in FILE, for `netmart trace show`
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,

    #[command(flatten)]
    pub(super) impairment: Impairment,

    #[command(flatten)]
    pub(super) below: Below,
}

/// How statistics look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stats {
    Text,
    Json,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Original,
}

/// A bad network on purpose.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "A bad network, for what this end sends")]
pub(super) struct Impairment {
    /// The share of datagrams that get lost, as 5% or 0.05
    #[arg(long, value_name = "SHARE", value_parser = share)]
    loss: Option<f64>,

    /// The share of datagrams that arrive twice
    #[arg(long, value_name = "SHARE", value_parser = share)]
    dup: Option<f64>,

    /// The share of datagrams that are overtaken by later ones
    #[arg(long, value_name = "SHARE", value_parser = share)]
    reorder: Option<f64>,

    /// How much longer each datagram travels
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    delay: Option<Duration>,

    /// What this chance follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// What tcp stands on; the other wires stand on UDP sockets of the kernel.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What tcp stands on")]
pub(super) struct Below {
    /// Name of the TUN device to create; it goes when netmart ends (takes CAP_NET_ADMIN)
    #[arg(long, value_name = "NAME", requires = "address")]
    pub(super) tun: Option<String>,

    /// An address of the stack on it and its subnet, as 10.7.0.2/24; repeat it for more
    #[arg(long, value_name = "CIDR", requires = "tun")]
    pub(super) address: Vec<String>,

    /// The kernel's address on the device and its subnet [default: the first other one of each subnet]
    #[arg(long, value_name = "CIDR", requires = "tun")]
    pub(super) host_address: Vec<String>,

    /// TCP segments in UDP datagrams between the sockets of two netmarts, on the ports of the connection
    #[arg(long, conflicts_with = "tun")]
    pub(super) udp: bool,
}

/// How long those are held that others overtake.
const OVERTAKING: Duration = Duration::from_millis(10);

impl Impairment {
    /// What the network does, if it does anything.
    pub(super) fn config(&self) -> Option<Impair> {
        let Self { loss, dup, reorder, delay, seed } = self;
        let is_any = loss.is_some() || dup.is_some() || reorder.is_some() || delay.is_some();
        let probability = reorder.unwrap_or(0.0);
        let weather = netem::Config {
            loss: loss.filter(|loss| *loss > 0.0).map_or(Loss::None, Loss::Independent),
            duplication: dup.unwrap_or(0.0),
            reordering: Reordering { probability, extra: OVERTAKING },
            delay: delay.unwrap_or_default(),
            ..netem::Config::default()
        };
        is_any.then(|| Impair {
            weather,
            seed: seed.unwrap_or_else(another_seed),
            ..Impair::default()
        })
    }
}

/// A seed that is another one each time: the standard library keys its tables from the operating system.
fn another_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// A percentage, or a probability as the originals take it.
fn share(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) => Err("expected a probability from 0 to 1, or a percentage such as 5%".to_owned()),
        Err(_) => quantity::percentage(text),
    }
}

impl Options {
    /// Refuses what makes no sense on the wire.
    pub(super) fn check(&self) -> Result<()> {
        let Self { wire, log_format, below, .. } = self;
        let on_tcp = *wire == Transport::Tcp;
        if on_tcp && log_format.is_some() {
            return Err(Failure::usage("--log-format: tcp has no original whose log it could be"));
        }
        if on_tcp && below.tun.is_none() && !below.udp {
            return Err(Failure::usage("tcp needs --tun NAME --address CIDR, or --udp"));
        }
        let given = [("--tun", below.tun.is_some()), ("--udp", below.udp)];
        if let Some((option, _)) = given.into_iter().find(|(_, is_given)| *is_given && !on_tcp) {
            return Err(Failure::usage(format_args!(
                "{option} is for tcp; {wire} is in UDP itself"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::status::Status;
    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn read(args: &[&str]) -> std::result::Result<Options, String> {
        let command = Command::try_parse_from([&["x"], args].concat());
        command.map(|command| command.options).map_err(|error| error.to_string())
    }

    fn refusal(args: &[&str]) -> String {
        let failure = read(args).expect("it can be read").check().expect_err("it makes no sense");
        assert_eq!(failure.status, Status::Usage);
        failure.to_string()
    }

    #[test]
    fn what_makes_no_sense_on_a_wire_is_refused() {
        assert!(refusal(&["--wire", "tcp"]).contains("--tun NAME --address CIDR"));
        assert!(refusal(&["--wire", "quiq", "--udp"]).contains("--udp is for tcp"));
        let tun = ["--wire", "cs488", "--tun", "x", "--address", "10.7.0.2/24"];
        assert!(refusal(&tun).contains("--tun is for tcp"));
        let log = ["--wire", "tcp", "--udp", "--log-format", "original"];
        assert!(refusal(&log).contains("no original"));
        assert!(read(&["--wire", "tcp", "--tun", "x"]).is_err(), "where?");
        for wire in Transport::all().skip(1) {
            assert_eq!(read(&["--wire", wire.name()]).map(|options| options.check()), Ok(Ok(())));
        }
    }

    #[test]
    fn a_network_is_bad_only_if_asked_for() {
        let config = |args: &[&str]| {
            let options = read(&[&["--wire", "quiq"], args].concat()).expect("good");
            options.impairment.config()
        };
        assert_eq!(config(&[]), None);
        assert_eq!(config(&["--seed", "3"]), None);
        let all =
            ["--loss", "5%", "--dup", "0.05", "--reorder", "1", "--delay", "2ms", "--seed", "3"];
        let Impair { weather: config, seed, .. } = config(&all).expect("it is bad");
        assert_eq!((config.loss, config.duplication), (Loss::Independent(0.05), 0.05));
        assert_eq!((config.reordering.probability, seed), (1.0, 3));
        assert_eq!(config.delay, Duration::from_millis(2));
        for share in ["5", "-1%", "101%", "x"] {
            assert!(read(&["--wire", "quiq", "--loss", share]).is_err(), "{share}");
        }
    }
}
