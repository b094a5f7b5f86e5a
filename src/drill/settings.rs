//! What a script asks of the stack before there is one: options, and `sysctl` names of two systems mapped
//! to the settings of this one.

use std::time::Duration;

use netmart_actors::config::{Config, SynCookies};
use netmart_proto::tcp::{CongestionControl, EcnPolicy, IcmpRefusal, KeepAlive, MtuProbing};

use super::ast::{
    Action, Command, Direction, Packet, PacketBody, Script, TcpOption, TcpOptions, TcpPacket,
};
use super::process::Flavour;

/// The settings that a script has made so far.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Whose habits the script expects.
    pub(super) flavour: Flavour,
    /// The stack's.
    pub(super) stack: Config,
    /// Of the link, in octets.
    pub(super) mtu: u16,
    /// The size that a receive buffer has at first, in octets, as a program is told.
    pub(super) receive_space: usize,
    /// The same of a send buffer.
    pub(super) send_space: usize,
    /// The keep-alive times of a socket that switches it on.
    pub(super) keep_alive: KeepAlive,
    /// Whether every connection keeps itself alive.
    pub(super) always_keep_alive: bool,
    /// Errors are compared to the letter, not by class.
    pub(super) exact_errors: bool,
}

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The stack does so now, or always has.
    Yes,
    /// It means nothing here.
    Meaningless,
    /// Nobody knows it here.
    Unknown,
    /// The stack refuses to: scripts that depend on it cannot pass.
    Refused(&'static str),
}

/// Octets that a connection may buffer on a Linux that its suite's defaults were applied to.
const LINUX_RECEIVE_MAX: usize = 15_728_640;

impl Settings {
    /// What a script finds that has not said anything yet.
    pub(super) fn new(flavour: Flavour) -> Self {
        let mut stack = Config {
            seed: 7,
            // Sockets decide how long an end stays, not relays.
            relay_patience: Duration::from_secs(365 * 24 * 3600),
            ..Config::default()
        };
        let tcp = &mut stack.tcp;
        // Off by default in either kernel: what vanishes is sent again as it was.
        tcp.mtu_probing = MtuProbing::Off;
        let mut keep_alive = KeepAlive::default();
        let (receive_space, send_space) = match flavour {
            Flavour::FreeBsd => {
                tcp.receive_buffer_max = 2_097_152;
                tcp.syn_r2 = Duration::from_secs(75);
                keep_alive.probes = 8;
                (65_536, 32_768)
            }
            Flavour::Linux => {
                tcp.receive_buffer_max = LINUX_RECEIVE_MAX;
                (131_072, 87_380)
            }
        };
        Self {
            flavour,
            stack,
            mtu: 1500,
            receive_space,
            send_space,
            keep_alive,
            always_keep_alive: false,
            exact_errors: false,
        }
    }

    /// The settings at the beginning of `script`: those of its options.
    pub(super) fn of(script: &Script) -> Self {
        let mut settings = Self::new(flavour_of(script));
        if let Some(mtu) = script.option("mtu").and_then(|mtu| mtu.parse().ok()) {
            settings.mtu = mtu;
        }
        settings
    }

    /// Applies `name=value` as `sysctl` would.
    pub(super) fn sysctl(&mut self, name: &str, value: &str) -> Applied {
        let value = value.trim().trim_matches(['"', '\'']);
        let name = name.trim().trim_start_matches("/proc/sys/").replace('/', ".");
        if let Some(name) = name.strip_prefix("net.inet.tcp.") {
            return self.freebsd(name, value);
        }
        if let Some(name) = name.strip_prefix("net.ipv4.") {
            return self.linux(name, value);
        }
        match (name.as_str(), number(value)) {
            ("kern.ipc.maxsockbuf", Some(octets)) => {
                self.stack.tcp.receive_buffer_max = octets as usize;
                self.limit_buffers();
                Applied::Yes
            }
            ("net.inet.ip.ttl" | "net.inet6.ip6.hlim", Some(ttl)) => {
                self.stack.ttl = ttl.min(255) as u8;
                Applied::Yes
            }
            (name, _)
                if [
                    "kern.",
                    "net.inet.",
                    "net.inet6.",
                    "net.core.",
                    "net.ipv6.",
                    "net.",
                    "debug.",
                    "vm.",
                    "security.",
                ]
                .iter()
                .any(|start| name.starts_with(start)) =>
            {
                Applied::Meaningless
            }
            _ => Applied::Unknown,
        }
    }

    fn limit_buffers(&mut self) {
        let tcp = &mut self.stack.tcp;
        tcp.receive_buffer_initial = self.receive_space.min(tcp.receive_buffer_max);
    }

    fn freebsd(&mut self, name: &str, value: &str) -> Applied {
        let tcp = &mut self.stack.tcp;
        let Some(n) = number(value) else { return self.freebsd_word(name, value) };
        let millis = Duration::from_millis(n);
        let on = n != 0;
        match name {
            "rfc1323" => {
                tcp.window_scaling = matches!(n, 1 | 2);
                tcp.timestamps = matches!(n, 1 | 3);
            }
            "sack.enable" => tcp.sack = on,
            "recvspace" => {
                self.receive_space = n as usize;
                self.limit_buffers();
            }
            "sendspace" => self.send_space = n as usize,
            "rexmit_initial" => tcp.rto_initial = millis,
            "rexmit_slop" => tcp.rto_slop = millis,
            "rexmit_min" => tcp.rto_min = millis,
            "keepinit" => tcp.syn_r2 = millis,
            "keepidle" => self.keep_alive.idle = millis,
            "keepintvl" => self.keep_alive.interval = millis,
            "keepcnt" => self.keep_alive.probes = n as u32,
            "always_keepalive" => self.always_keep_alive = on,
            "msl" => tcp.msl = millis,
            "delacktime" => tcp.delayed_ack = millis,
            "delayed_ack" if !on => tcp.delayed_ack = Duration::ZERO,
            "initcwnd_segments" => tcp.initial_window = n as u32,
            "finwait2_timeout" => tcp.fin_wait_2 = millis,
            "icmp_may_rst" => {
                // Soft errors as well, in SYN-SENT (RFC 5461 section 4.1).
                tcp.icmp_refusal = if on { IcmpRefusal::AllErrors } else { IcmpRefusal::Nothing };
            }
            "pmtud_blackhole_detection" => {
                tcp.mtu_probing = if on { MtuProbing::BlackHole } else { MtuProbing::Off };
            }
            "insecure_rst" if on => {
                return Applied::Refused("a RST that resets anywhere in the window");
            }
            "insecure_syn" if on => return Applied::Refused("a SYN that resets a connection"),
            "insecure_ack" if on => {
                return Applied::Refused("acknowledgements of what was never sent");
            }
            "blackhole" if on => return Applied::Refused("silence about closed ports"),
            "drop_synfin" if on => return Applied::Refused("SYN with FIN dropped"),
            "rexmit_drop_options" if on => {
                return Applied::Refused("SYNs that lose their options with time");
            }
            "ecn.maxretries" if on => {
                return Applied::Refused("a SYN that offers ECN more than once");
            }
            "ecn.enable" => return self.ecn(n),
            "syncookies_only" if on => self.stack.syn_cookies = SynCookies::Always,
            "syncookies" => {
                self.stack.syn_cookies = if on { SynCookies::WhenFull } else { SynCookies::Off };
            }
            "insecure_rst" | "insecure_syn" | "insecure_ack" | "blackhole" | "drop_synfin"
            | "delayed_ack" | "newcwv" | "rfc3042" | "rfc3390" | "rfc3465" | "rfc6675_pipe"
            | "do_prr" | "path_mtu_discovery" | "syncookies_only" => {}
            _ => return Applied::Meaningless,
        }
        Applied::Yes
    }

    fn freebsd_word(&mut self, name: &str, value: &str) -> Applied {
        match name {
            "cc.algorithm" => self.congestion(value),
            _ => Applied::Meaningless,
        }
    }

    /// The controller of that name.
    fn congestion(&mut self, name: &str) -> Applied {
        match controller(name) {
            Some(controller) => {
                self.stack.tcp.congestion = controller;
                Applied::Yes
            }
            None => Applied::Refused("another congestion controller"),
        }
    }

    /// 0: never; 1: offered; 2: accepted.
    fn ecn(&mut self, mode: u64) -> Applied {
        self.stack.tcp.ecn = match mode {
            0 => EcnPolicy::Off,
            1 => EcnPolicy::Request,
            2 => EcnPolicy::Accept,
            _ => return Applied::Refused("accurate ECN"),
        };
        Applied::Yes
    }

    fn linux(&mut self, name: &str, value: &str) -> Applied {
        let tcp = &mut self.stack.tcp;
        let parts: Vec<u64> = value.split_whitespace().filter_map(number).collect();
        let Some(&n) = parts.first() else {
            return match name {
                "tcp_congestion_control" => self.congestion(value),
                _ => Applied::Meaningless,
            };
        };
        let seconds = Duration::from_secs(n);
        let on = n != 0;
        match (name, parts.as_slice()) {
            ("tcp_sack", _) => tcp.sack = on,
            ("tcp_timestamps", _) => tcp.timestamps = on,
            ("tcp_window_scaling", _) => tcp.window_scaling = on,
            ("tcp_rmem", [_, default, most]) => {
                self.receive_space = *default as usize;
                tcp.receive_buffer_max = *most as usize;
                self.limit_buffers();
            }
            ("tcp_wmem", [_, default, _]) => self.send_space = *default as usize,
            ("tcp_fin_timeout", _) => tcp.fin_wait_2 = seconds,
            ("tcp_keepalive_time", _) => self.keep_alive.idle = seconds,
            ("tcp_keepalive_intvl", _) => self.keep_alive.interval = seconds,
            ("tcp_keepalive_probes", _) => self.keep_alive.probes = n as u32,
            ("tcp_syn_retries" | "tcp_synack_retries", _) => {
                // The last of them is followed by a wait as long as all before it together.
                tcp.syn_r2 = Duration::from_secs((2u64 << n.min(10)) - 1);
            }
            ("tcp_retries1", _) => tcp.r1 = n as u32,
            ("tcp_mtu_probing", _) => {
                tcp.mtu_probing = match n {
                    0 => MtuProbing::Off,
                    1 => MtuProbing::BlackHole,
                    _ => MtuProbing::On,
                };
            }
            ("tcp_ecn", _) => return self.ecn(n),
            ("tcp_syncookies", _) => {
                self.stack.syn_cookies = match n {
                    0 => SynCookies::Off,
                    1 => SynCookies::WhenFull,
                    _ => SynCookies::Always,
                };
            }
            ("ip_default_ttl", _) => self.stack.ttl = n.min(255) as u8,
            _ => return Applied::Meaningless,
        }
        Applied::Yes
    }

    /// The shift of windows that follows from how large a buffer may become.
    pub(super) fn window_shift(&self) -> u8 {
        let most = self.stack.tcp.receive_buffer_max;
        (0..14).find(|shift| most >> shift <= usize::from(u16::MAX)).unwrap_or(14)
    }

    /// `initcwnd N` of a route, in segments.
    pub(super) fn initial_window(&mut self, segments: u32) {
        self.stack.tcp.initial_window = segments;
    }
}

/// The controller that systems know by this name.
pub(super) fn controller(name: &str) -> Option<CongestionControl> {
    match name {
        "reno" | "newreno" => Some(CongestionControl::Reno),
        "cubic" => Some(CongestionControl::Cubic),
        "bbr" => Some(CongestionControl::Bbr),
        _ => None,
    }
}

/// Scripts for FreeBSD say so by the names that they set.
fn flavour_of(script: &Script) -> Flavour {
    let commands = script.events.iter().filter_map(|event| match &event.action {
        Action::Command(command) => Some(command),
        _ => None,
    });
    let is_freebsd = |command: &Command| {
        ["net.inet.", "net.inet6.", "kern.ipc", "sockstat", "tcpdrop", "kldload", "setfib"]
            .iter()
            .any(|word| command.text.contains(word))
    };
    let mut packets = script.events.iter().filter_map(|event| match &event.action {
        Action::Packet(packet) if packet.direction == Direction::Outbound => Some(packet),
        _ => None,
    });
    let mut all = script.init.iter().chain(commands);
    if all.any(is_freebsd) || packets.any(scales_before_sack) {
        Flavour::FreeBsd
    } else {
        Flavour::Linux
    }
}

/// Whether this is a SYN with its options in the order of FreeBSD, for scripts that set nothing.
fn scales_before_sack(packet: &Packet) -> bool {
    let PacketBody::Tcp(TcpPacket { options: TcpOptions::These(options), .. }) = &packet.body
    else {
        return false;
    };
    let scale = options.iter().position(|option| matches!(option, TcpOption::WindowScale(_)));
    let sack = options.iter().position(|option| matches!(option, TcpOption::SackPermitted));
    matches!((scale, sack), (Some(scale), Some(sack)) if scale < sack)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_systems_mean_the_same_settings() {
        let mut settings = Settings::new(Flavour::FreeBsd);
        assert_eq!(settings.sysctl("net.inet.tcp.sack.enable", "0"), Applied::Yes);
        assert!(!settings.stack.tcp.sack);
        assert_eq!(settings.sysctl("net.inet.tcp.rfc1323", "2"), Applied::Yes);
        assert!(settings.stack.tcp.window_scaling && !settings.stack.tcp.timestamps);
        assert_eq!(settings.sysctl("net.inet.tcp.ecn.enable", "1"), Applied::Yes);
        assert_eq!(settings.stack.tcp.ecn, EcnPolicy::Request);
        assert_eq!(settings.sysctl("net.inet.tcp.delacktime", "100"), Applied::Yes);
        assert_eq!(settings.stack.tcp.delayed_ack, Duration::from_millis(100));
        let mut settings = Settings::new(Flavour::Linux);
        assert_eq!(settings.sysctl("net.ipv4.tcp_timestamps", "0"), Applied::Yes);
        assert!(!settings.stack.tcp.timestamps);
        assert_eq!(settings.sysctl("/proc/sys/net/ipv4/tcp_rmem", "4096 1000 20000"), Applied::Yes);
        assert_eq!((settings.receive_space, settings.stack.tcp.receive_buffer_max), (1000, 20_000));
    }

    #[test]
    fn what_cannot_be_done_is_told_apart_from_what_means_nothing() {
        let mut settings = Settings::new(Flavour::FreeBsd);
        assert_eq!(settings.sysctl("net.inet.tcp.hostcache.purgenow", "1"), Applied::Meaningless);
        assert_eq!(settings.sysctl("net.inet.tcp.insecure_rst", "0"), Applied::Yes);
        assert!(matches!(settings.sysctl("net.inet.tcp.insecure_rst", "1"), Applied::Refused(_)));
        assert_eq!(settings.sysctl("colour", "blue"), Applied::Unknown);
    }
}
