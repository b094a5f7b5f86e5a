//! getsockopt and setsockopt.

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::address::Local;
use netmart_actors::message::{PacketTerms, Setting, Terms};
use netmart_proto::tcp::{CongestionControl, KeepAlive};
use netmart_proto::wire::Dscp;

use super::{
    Call, CallError, Descriptor, Expression, Flavour, Outcome, Process, Role, Syscall, is_open,
    terms_for,
};
use crate::drill::settings::{Settings, controller};

/// The options of a socket that is not what its system makes of it by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketOptions {
    numbers: BTreeMap<String, i64>,
    congestion: Option<CongestionControl>,
    /// Whether close lingers, and for how many seconds.
    linger: Option<(bool, i64)>,
}

/// Options that are kept and given back, and change nothing here.
const INERT: [&str; 34] = [
    "SO_REUSEADDR",
    "SO_REUSEPORT",
    "SO_BROADCAST",
    "SO_DEBUG",
    "SO_OOBINLINE",
    "SO_PRIORITY",
    "SO_MARK",
    "SO_ZEROCOPY",
    "SO_TIMESTAMP",
    "SO_TIMESTAMPNS",
    "SO_TIMESTAMPING",
    "SO_BUSY_POLL",
    "SO_RCVTIMEO",
    "SO_SNDTIMEO",
    "SO_NOSIGPIPE",
    "SO_DONTROUTE",
    "SO_MAX_PACING_RATE",
    "TCP_QUICKACK",
    "TCP_DEFER_ACCEPT",
    "TCP_SYNCNT",
    "TCP_LINGER2",
    "TCP_THIN_LINEAR_TIMEOUTS",
    "TCP_THIN_DUPACK",
    "TCP_SAVE_SYN",
    "TCP_TIMESTAMP",
    "TCP_NOTSENT_LOWAT",
    "TCP_INQ",
    "IP_BIND_ADDRESS_NO_PORT",
    "IP_MTU_DISCOVER",
    "IPV6_MTU_DISCOVER",
    "IPV6_V6ONLY",
    "IP_RECVERR",
    "IPV6_RECVERR",
    "TCP_LOG",
];

impl SocketOptions {
    fn is_on(&self, name: &str) -> bool {
        self.numbers.get(name).is_some_and(|value| *value != 0)
    }

    pub(super) fn reuses_address(&self) -> bool {
        self.is_on("SO_REUSEADDR") || self.is_on("SO_REUSEPORT")
    }

    /// Lingering for no time is how a program asks for a RST.
    pub(super) fn aborts_on_close(&self) -> bool {
        self.linger == Some((true, 0))
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        let seconds = self.numbers.get(name)?;
        Some(Duration::from_secs(u64::try_from(*seconds).unwrap_or(0)))
    }

    fn keep_alive(&self, settings: &Settings) -> Option<KeepAlive> {
        let usual = settings.keep_alive;
        let on = self.numbers.get("SO_KEEPALIVE").map(|value| *value != 0);
        on.unwrap_or(settings.always_keep_alive).then(|| KeepAlive {
            idle: self.seconds("TCP_KEEPIDLE").unwrap_or(usual.idle),
            interval: self.seconds("TCP_KEEPINTVL").unwrap_or(usual.interval),
            probes: self.numbers.get("TCP_KEEPCNT").map_or(usual.probes, |count| *count as u32),
        })
    }

    fn user_timeout(&self) -> Option<Duration> {
        let millis = u64::try_from(*self.numbers.get("TCP_USER_TIMEOUT")?).unwrap_or(0);
        Some(Duration::from_millis(millis)).filter(|timeout| !timeout.is_zero())
    }

    fn octet(&self, names: [&str; 2]) -> Option<u8> {
        let value = names.iter().find_map(|name| self.numbers.get(*name))?;
        u8::try_from(*value).ok()
    }

    fn ttl(&self) -> Option<NonZeroU8> {
        self.octet(["IP_TTL", "IPV6_UNICAST_HOPS"]).and_then(NonZeroU8::new)
    }

    fn dscp(&self) -> Option<Dscp> {
        self.octet(["IP_TOS", "IPV6_TCLASS"]).map(Dscp::of)
    }

    /// What headers of its packets say.
    fn packets(&self) -> Option<Rc<PacketTerms>> {
        let (ttl, dscp) = (self.ttl(), self.dscp());
        let terms = || Rc::new(PacketTerms { ttl, dscp, source_route: None });
        (ttl.is_some() || dscp.is_some()).then(terms)
    }

    /// What connections of this socket shall be like.
    pub(super) fn terms(&self, local: Local, settings: &Settings, mtu: u16) -> Terms {
        let mut tcp = settings.stack.tcp.clone();
        tcp.nodelay = self.is_on("TCP_NODELAY");
        tcp.fast_open_server = self.is_on("TCP_FASTOPEN");
        tcp.fast_open_client = tcp.fast_open_server && settings.flavour == Flavour::FreeBsd;
        tcp.keep_alive = self.keep_alive(settings);
        tcp.user_timeout = self.user_timeout();
        if let Some(congestion) = self.congestion {
            tcp.congestion = congestion;
        }
        if let Some(limit) = self.seconds("TCP_KEEPINIT") {
            tcp.syn_r2 = limit;
        }
        if let Some(octets) = self.numbers.get("SO_RCVBUF") {
            let octets = usize::try_from(*octets).unwrap_or(0).max(1);
            tcp.receive_buffer_initial = octets;
            // The scale is that of the system; the window does not outgrow what was set.
            tcp.window_shift = Some(settings.window_shift());
            tcp.receive_buffer_max = octets;
        }
        if let Some(octets) = self.numbers.get("SO_SNDBUF") {
            tcp.send_buffer_max = usize::try_from(*octets).unwrap_or(0).max(1);
        }
        let max_segment =
            self.numbers.get("TCP_MAXSEG").map(|mss| (*mss).min(i64::from(mtu)) as u16);
        Terms { packets: self.packets(), ..terms_for(local, tcp, max_segment) }
    }
}

impl Process {
    pub(super) fn setsockopt(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let name = option_name(call)?;
        let value = call.arguments.get(3).cloned().unwrap_or(Expression::Null);
        let settings = self.settings.clone();
        if self.socket_at(fd)?.is_none() {
            return Ok(Outcome::error("EBADF"));
        }
        match name.as_str() {
            "SO_LINGER" => {
                let field = |name: &str| value.field(name).map(|value| self.first_number(value));
                let on = field("onoff").or_else(|| field("l_onoff")).unwrap_or(Ok(0))? != 0;
                let seconds = field("linger").or_else(|| field("l_linger")).unwrap_or(Ok(0))?;
                if let Some(socket) = self.socket_at(fd)? {
                    socket.options.linger = Some((on, seconds));
                }
                return Ok(Outcome::value(0));
            }
            "TCP_CONGESTION" => {
                let word = text(&value);
                let Some(controller) = controller(&word) else {
                    return Err(CallError::unsupported(format!(
                        "the congestion controller {word}"
                    )));
                };
                if let Some(socket) = self.socket_at(fd)? {
                    socket.options.congestion = Some(controller);
                }
                return self.restate(fd);
            }
            _ => {}
        }
        let number = self.first_number(&value)?;
        if let Some(errno) = objection(&name, number, settings.flavour) {
            return Ok(Outcome::error(errno));
        }
        if !is_known(&name) {
            return Err(CallError::unsupported(format!("the socket option {name}")));
        }
        let stored = match (name.as_str(), settings.flavour) {
            // Linux counts what it needs for itself.
            ("SO_RCVBUF" | "SO_SNDBUF", Flavour::Linux) => number * 2,
            _ => number,
        };
        if let Some(socket) = self.socket_at(fd)? {
            socket.options.numbers.insert(name.clone(), stored);
        }
        if matches!(name.as_str(), "TCP_CORK" | "TCP_NOPUSH") {
            // What is held back depends on what fills a segment.
            self.inquire(fd)?;
        }
        self.tell_connection(fd, &name, number, &settings);
        self.restate(fd)
    }

    /// Changes a connection that is there.
    fn tell_connection(&mut self, fd: i64, name: &str, number: i64, settings: &Settings) {
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else { return };
        let Role::Stream(stream) = &mut socket.role else { return };
        let dataspace = &mut self.world.dataspace;
        let setting = match name {
            "TCP_NODELAY" => Setting::NoDelay(number != 0),
            "SO_KEEPALIVE" | "TCP_KEEPIDLE" | "TCP_KEEPINTVL" | "TCP_KEEPCNT" => {
                Setting::KeepAlive(socket.options.keep_alive(settings))
            }
            "TCP_USER_TIMEOUT" => Setting::UserTimeout(socket.options.user_timeout()),
            "IP_TTL" | "IPV6_UNICAST_HOPS" => Setting::TimeToLive(socket.options.ttl()),
            "IP_TOS" | "IPV6_TCLASS" => Setting::Diffserv(socket.options.dscp()),
            "TCP_CORK" | "TCP_NOPUSH" => return stream.cork(number != 0, dataspace),
            _ => return,
        };
        stream.set(setting, dataspace);
    }

    /// What a listener's socket is told holds for connections to come.
    fn restate(&mut self, fd: i64) -> Call {
        let settings = self.settings.clone();
        if let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd)
            && let Role::Listening(end) = &mut socket.role
        {
            let local = Local::Listener(end.listener);
            let terms = socket.options.terms(local, &settings, settings.mtu);
            crate::drill::ear::state(&mut self.world.dataspace, &mut end.terms, terms);
        }
        Ok(Outcome::value(0))
    }

    pub(super) fn getsockopt(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let name = option_name(call)?;
        let expected = call.arguments.get(3).cloned().unwrap_or(Expression::Ellipsis);
        if self.socket_at(fd)?.is_none() {
            return Ok(Outcome::error("EBADF"));
        }
        match name.as_str() {
            "SO_ERROR" => self.get_error(fd, &expected),
            "TCP_INFO" => self.get_info(fd, &expected),
            "TCP_CONGESTION" => {
                let usual = self.settings.stack.tcp.congestion;
                let socket = self.socket_at(fd)?;
                let actual = socket.and_then(|socket| socket.options.congestion).unwrap_or(usual);
                let wanted = text(&expected);
                let faults = match controller(&wanted) {
                    _ if is_open(&expected) => Vec::new(),
                    Some(wanted) if wanted == actual => Vec::new(),
                    _ => vec![format!("TCP_CONGESTION: expected {wanted}, actual {actual:?}")],
                };
                Ok(Outcome::with_faults(0, faults))
            }
            "SO_LINGER" => Ok(Outcome::value(0)),
            name if is_known(name)
                || matches!(name, "SO_ACCEPTCONN" | "SO_TYPE" | "SO_PROTOCOL") =>
            {
                let actual = self.option_number(fd, name)?;
                self.out_number(Some(&expected), actual, name)
            }
            name => Err(CallError::unsupported(format!("the socket option {name}"))),
        }
    }

    fn option_number(&mut self, fd: i64, name: &str) -> Result<i64, CallError> {
        let info = self.inquire(fd)?;
        let settings = self.settings.clone();
        let Some(socket) = self.socket_at(fd)? else { return Ok(0) };
        let set = socket.options.numbers.get(name).copied();
        let size = match &socket.role {
            Role::Stream(stream) => stream.segment_size(),
            _ => None,
        };
        Ok(match name {
            "SO_RCVBUF" => {
                let space = set.unwrap_or(settings.receive_space as i64);
                match (size, settings.flavour) {
                    // A buffer is a multiple of the segment, once that is known.
                    (Some(size), Flavour::FreeBsd) => round_up(space, size as i64),
                    _ => space,
                }
            }
            "SO_SNDBUF" => {
                let space = set.unwrap_or(settings.send_space as i64);
                match (size, settings.flavour) {
                    (Some(size), Flavour::FreeBsd) => round_up(space, size as i64),
                    _ => space,
                }
            }
            "TCP_MAXSEG" => match (&info, set) {
                (Some(info), _) if info.state.is_synchronised() => i64::from(info.send_mss),
                (_, Some(set)) => set,
                _ => 536,
            },
            "SO_ACCEPTCONN" => i64::from(matches!(socket.role, Role::Listening(_))),
            "SO_TYPE" => 1,
            "SO_PROTOCOL" => 6,
            "TCP_KEEPIDLE" => set.unwrap_or(settings.keep_alive.idle.as_secs() as i64),
            "TCP_KEEPINTVL" => set.unwrap_or(settings.keep_alive.interval.as_secs() as i64),
            "TCP_KEEPCNT" => set.unwrap_or(i64::from(settings.keep_alive.probes)),
            "TCP_KEEPINIT" => set.unwrap_or(settings.stack.tcp.syn_r2.as_secs() as i64),
            "IP_TTL" | "IPV6_UNICAST_HOPS" => set.unwrap_or(i64::from(settings.stack.ttl)),
            _ => set.unwrap_or(0),
        })
    }

    fn get_error(&mut self, fd: i64, expected: &Expression) -> Call {
        let taken = match self.stream_at(fd) {
            Some(stream) => stream.take_error(),
            None => None,
        };
        let wanted = match expected {
            Expression::List(items) => items.first(),
            other => Some(other),
        };
        let actual = taken.unwrap_or("0");
        let letter = self.settings.exact_errors;
        let agrees = match wanted {
            None | Some(Expression::Ellipsis) => true,
            Some(Expression::Integer(0)) => taken.is_none(),
            Some(Expression::Symbol(name)) => super::errno::agree(name, actual, letter),
            Some(_) => {
                return Err(CallError::unsupported("errors by number"));
            }
        };
        let shown = wanted.map(ToString::to_string).unwrap_or_default();
        let fault = || format!("SO_ERROR: expected {shown}, actual {actual}");
        Ok(Outcome::with_faults(0, (!agrees).then(fault).into_iter().collect()))
    }
}

fn round_up(octets: i64, size: i64) -> i64 {
    if size > 0 && octets > size { octets.div_ceil_to(size) } else { octets }
}

/// Rounding that the standard library has for unsigned numbers only.
trait DivCeilTo {
    fn div_ceil_to(self, size: Self) -> Self;
}

impl DivCeilTo for i64 {
    fn div_ceil_to(self, size: Self) -> Self {
        (self + size - 1) / size * size
    }
}

fn option_name(call: &Syscall) -> Result<String, CallError> {
    match call.arguments.get(2) {
        Some(Expression::Symbol(name)) => Ok(name.clone()),
        Some(other) => Err(CallError::unsupported(format!("socket options by number: {other}"))),
        None => Err(CallError::bad(format!("{} has too few arguments", call.name))),
    }
}

fn text(value: &Expression) -> String {
    match value {
        Expression::Bytes(octets) | Expression::BytesPrefix(octets) => {
            let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
            String::from_utf8_lossy(&octets[..end]).into_owned()
        }
        Expression::List(items) => items.first().map(text).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn is_known(name: &str) -> bool {
    const ACTED_UPON: [&str; 20] = [
        "TCP_FASTOPEN",
        "SO_RCVBUF",
        "SO_SNDBUF",
        "SO_RCVLOWAT",
        "SO_SNDLOWAT",
        "SO_KEEPALIVE",
        "TCP_NODELAY",
        "TCP_CORK",
        "TCP_NOPUSH",
        "TCP_MAXSEG",
        "TCP_KEEPIDLE",
        "TCP_KEEPINTVL",
        "TCP_KEEPCNT",
        "TCP_KEEPINIT",
        "TCP_USER_TIMEOUT",
        "TCP_WINDOW_CLAMP",
        "IP_TOS",
        "IP_TTL",
        "IPV6_TCLASS",
        "IPV6_UNICAST_HOPS",
    ];
    ACTED_UPON.contains(&name) || INERT.contains(&name)
}

/// Values that an option does not take.
fn objection(name: &str, value: i64, flavour: Flavour) -> Option<&'static str> {
    let bad = match name {
        "TCP_MAXSEG" => value <= 0 || flavour == Flavour::Linux && !(88..=32_767).contains(&value),
        "TCP_KEEPIDLE" | "TCP_KEEPINTVL" => {
            value <= 0 || value > 32_767 && flavour == Flavour::Linux
        }
        "TCP_KEEPCNT" => value <= 0 || value > 127,
        "TCP_USER_TIMEOUT" => value < 0,
        "SO_RCVBUF" | "SO_SNDBUF" => value <= 0 && flavour == Flavour::FreeBsd,
        _ => false,
    };
    bad.then_some("EINVAL")
}
