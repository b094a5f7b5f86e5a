//! What `TCP_INFO` tells, by the names that its fields have in C.

use netmart_proto::tcp::{Info, State};

use super::{Call, Descriptor, Expression, Flavour, Outcome, Process, Role, is_open, number};
use super::{CallError, value};

/// States by the names that scripts compare with, and their numbers on FreeBSD and on Linux.
const STATES: [(State, &str, &str, i64, i64); 11] = [
    (State::Closed, "TCPI_CLOSED", "TCP_CLOSE", 0, 7),
    (State::Listen, "TCPI_LISTEN", "TCP_LISTEN", 1, 10),
    (State::SynSent, "TCPI_SYN_SENT", "TCP_SYN_SENT", 2, 2),
    (State::SynReceived, "TCPI_SYN_RECEIVED", "TCP_SYN_RECV", 3, 3),
    (State::Established, "TCPI_ESTABLISHED", "TCP_ESTABLISHED", 4, 1),
    (State::CloseWait, "TCPI_CLOSE_WAIT", "TCP_CLOSE_WAIT", 5, 8),
    (State::FinWait1, "TCPI_FIN_WAIT_1", "TCP_FIN_WAIT1", 6, 4),
    (State::Closing, "TCPI_CLOSING", "TCP_CLOSING", 7, 11),
    (State::LastAck, "TCPI_LAST_ACK", "TCP_LAST_ACK", 8, 9),
    (State::FinWait2, "TCPI_FIN_WAIT_2", "TCP_FIN_WAIT2", 9, 5),
    (State::TimeWait, "TCPI_TIME_WAIT", "TCP_TIME_WAIT", 10, 6),
];

/// The bits of `tcpi_options`.
const OPTIONS: [(&str, i64); 4] =
    [("TCPI_OPT_TIMESTAMPS", 1), ("TCPI_OPT_SACK", 2), ("TCPI_OPT_WSCALE", 4), ("TCPI_OPT_ECN", 8)];

impl Process {
    /// What the stack tells of the connection that was made last, for the lookups of an assertion. It is
    /// `None` where there is no connection any more.
    ///
    /// # Errors
    ///
    /// If the stack runs in circles.
    pub(in crate::drill) fn latest_info(&mut self) -> Result<Facts, CallError> {
        match self.latest {
            Some(fd) => self.facts_of(fd),
            None => Ok(Facts { state: State::Closed, info: None, flavour: self.flavour() }),
        }
    }

    fn facts_of(&mut self, fd: i64) -> Result<Facts, CallError> {
        let info = self.inquire(fd)?;
        let state = match (self.descriptors.get(&fd), &info) {
            (_, Some(info)) => info.state,
            (Some(Descriptor::Socket(socket)), None) => match socket.role {
                Role::Listening(_) => State::Listen,
                _ => State::Closed,
            },
            _ => State::Closed,
        };
        Ok(Facts { state, info, flavour: self.flavour() })
    }

    pub(super) fn get_info(&mut self, fd: i64, expected: &Expression) -> Call {
        let facts = self.facts_of(fd)?;
        let fields = match expected {
            Expression::List(items) => items.first().cloned(),
            other => Some(other.clone()),
        };
        let mut faults = Vec::new();
        if let Some(Expression::Struct(fields)) = fields {
            for (name, wanted) in fields {
                if is_open(&wanted) {
                    continue;
                }
                let Some(actual) = facts.value(&name) else {
                    return Err(CallError::Unsupported(format!("the field {name} of TCP_INFO")));
                };
                let wanted = match wanted.as_symbol().and_then(|symbol| facts.value(symbol)) {
                    Some(value) => value,
                    None => number(&wanted, self.flavour())?,
                };
                if wanted != actual {
                    faults.push(format!("{name}: expected {wanted}, actual {actual}"));
                }
            }
        }
        Ok(Outcome::with_faults(0, faults))
    }
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Facts {
    state: State,
    info: Option<Info>,
    flavour: Flavour,
}

impl Facts {
    /// The value of a field or a constant of `TCP_INFO`; nothing if there is none of that name.
    pub(in crate::drill) fn value(&self, name: &str) -> Option<i64> {
        let state_number = |freebsd: i64, linux: i64| match self.flavour {
            Flavour::FreeBsd => freebsd,
            Flavour::Linux => linux,
        };
        if name == "tcpi_state" {
            let (.., freebsd, linux) = STATES.iter().find(|(state, ..)| *state == self.state)?;
            return Some(state_number(*freebsd, *linux));
        }
        let known = STATES.iter().find(|(_, freebsd, linux, ..)| {
            *freebsd == name || *linux == name || name.strip_prefix("TCPS_") == freebsd.get(5..)
        });
        if let Some((.., freebsd, linux)) = known {
            return Some(state_number(*freebsd, *linux));
        }
        if let Some((_, bit)) = OPTIONS.iter().find(|(known, _)| *known == name) {
            return Some(*bit);
        }
        if let Some(value) = value::constant(name, self.flavour) {
            return Some(value);
        }
        self.field(name)
    }

    fn field(&self, name: &str) -> Option<i64> {
        let Some(info) = &self.info else {
            return FIELDS.contains(&name).then_some(0);
        };
        let mss = u32::from(info.send_mss.max(1));
        let linux = self.flavour == Flavour::Linux;
        let micros = |duration: std::time::Duration| duration.as_micros() as i64;
        // Linux counts windows in segments, FreeBSD in octets.
        let window = |octets: u32| i64::from(if linux { octets / mss } else { octets });
        let counters = &info.counters;
        Some(match name {
            "tcpi_ca_state" | "tcpi_retransmits" => 0,
            "tcpi_snd_cwnd" => window(info.cwnd),
            "tcpi_snd_ssthresh" if info.ssthresh == u32::MAX => {
                if linux {
                    0x7fff_ffff
                } else {
                    1_073_725_440
                }
            }
            "tcpi_snd_ssthresh" => window(info.ssthresh),
            "tcpi_snd_mss" => i64::from(mss),
            "tcpi_rtt" => info.srtt.map_or(0, micros),
            "tcpi_rttvar" => micros(info.rttvar),
            "tcpi_min_rtt" => info.min_rtt.map_or(0, micros),
            "tcpi_rto" => micros(info.rto),
            "tcpi_unacked" => i64::from(info.outstanding.div_ceil(mss)),
            "tcpi_total_retrans" | "tcpi_snd_rexmitpack" => counters.resent.total().into(),
            "tcpi_bytes_acked" => counters.bytes_acked as i64,
            "tcpi_bytes_received" => counters.bytes_in as i64,
            "tcpi_bytes_sent" => (counters.bytes_out + counters.bytes_resent) as i64,
            "tcpi_bytes_retrans" => counters.bytes_resent as i64,
            "tcpi_segs_in" => counters.segments_in as i64,
            "tcpi_segs_out" => counters.segments_out as i64,
            "tcpi_rcv_ooopack" => counters.out_of_order.into(),
            "tcpi_snd_wnd" => info.send_window.into(),
            "tcpi_rcv_space" | "tcpi_rcv_wnd" => info.receive_window.into(),
            "tcpi_notsent_bytes" => {
                info.send_buffered.saturating_sub(info.outstanding as usize) as i64
            }
            "tcpi_snd_wscale" => info.options.window_shifts.map_or(0, |(snd, _)| snd.into()),
            "tcpi_rcv_wscale" => info.options.window_shifts.map_or(0, |(_, rcv)| rcv.into()),
            "tcpi_pacing_rate" => info.pacing_rate.map_or(i64::MAX, |rate| rate as i64),
            "tcpi_delivered" => info.delivered.div_ceil(u64::from(mss)) as i64,
            "tcpi_delivery_rate" => info.delivery_rate.map_or(0, |rate| rate as i64),
            "tcpi_delivery_rate_app_limited" => info.delivery_rate_app_limited.into(),
            "tcpi_options" => {
                let agreed = &info.options;
                i64::from(agreed.timestamps)
                    | i64::from(agreed.sack) << 1
                    | i64::from(agreed.window_shifts.is_some()) << 2
                    | i64::from(agreed.ecn) << 3
            }
            _ => return None,
        })
    }
}

/// Fields that are zero where there is no connection.
const FIELDS: [&str; 12] = [
    "tcpi_ca_state",
    "tcpi_snd_cwnd",
    "tcpi_snd_ssthresh",
    "tcpi_snd_mss",
    "tcpi_rtt",
    "tcpi_rttvar",
    "tcpi_rto",
    "tcpi_unacked",
    "tcpi_retransmits",
    "tcpi_total_retrans",
    "tcpi_bytes_acked",
    "tcpi_options",
];
