//! What the originals show their users: lines of a log, and statistics.

use core::fmt::Write as _;
use core::time::Duration;

use super::Info;

/// What happens to a datagram, for a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is sent.
    Send,
    /// It is sent again.
    SendAgain,
    /// It is held, so that others overtake it.
    SendDelayed,
    /// A copy of it is sent.
    SendDuplicate,
    /// It is not sent, as if it had been lost.
    SendLost,
    /// It has come and is used.
    Receive,
    /// It has come and was taken before.
    ReceiveDuplicate,
    /// It has come before its turn.
    ReceiveEarly,
    /// It has come and is thrown away.
    Drop,
}

impl Action {
    /// What an outcome means.
    pub fn of(outcome: super::Outcome) -> Self {
        match outcome {
            super::Outcome::Taken | super::Outcome::Opens => Self::Receive,
            super::Outcome::Dropped(super::Discard::Duplicate) => Self::ReceiveDuplicate,
            super::Outcome::Dropped(super::Discard::OutOfOrder) => Self::ReceiveEarly,
            super::Outcome::Dropped(_) => Self::Drop,
        }
    }

    /// In a word and, where the action has a reason, another one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "SEND",
            Self::SendAgain => "SEND (AGAIN)",
            Self::SendDelayed => "SEND (DELAYED)",
            Self::SendDuplicate => "SEND (DUP)",
            Self::SendLost => "SEND (LOST)",
            Self::Receive => "RECV",
            Self::ReceiveDuplicate => "RECV (DUPLICATED)",
            Self::ReceiveEarly => "RECV (OUT OF ORDER)",
            Self::Drop => "DROP",
        }
    }
}

/// Statistics of any wire, a line per figure.
pub(super) fn report(info: &Info) -> String {
    let counters = &info.counters;
    let mut text = String::new();
    let octets = counters.octets_sent + counters.octets_received;
    let packets = counters.data_packets_sent + counters.data_packets_received;
    for (name, figure) in [
        ("packets sent", counters.packets_sent),
        ("sent again", counters.retransmitted),
        ("packets received", counters.packets_received),
        ("thrown away", counters.all_dropped()),
        ("data packets", packets),
        ("bytes", octets),
    ] {
        line(&mut text, name, &thousands(figure));
    }
    let elapsed = counters.elapsed();
    line(&mut text, "time (s)", &format!("{:.3}", elapsed.as_secs_f64()));
    line(&mut text, "data rate (bytes/s)", &per_second(octets, elapsed));
    text
}

pub(super) fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name}: {value}");
}

/// A number with a comma before each group of three digits.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate; a dash where nothing took any time.
pub(super) fn per_second(count: u64, time: Duration) -> String {
    if time.is_zero() {
        return "-".to_owned();
    }
    let rate = count as f64 / time.as_secs_f64();
    let (whole, hundredths) = (rate.trunc(), (rate.fract() * 100.0).trunc());
    format!("{}.{:02}", thousands(whole as u64), hundredths as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_059_541, "1,059,541"), (12_345, "12,345")]
        {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn a_rate_needs_time() {
        assert_eq!(per_second(5, Duration::ZERO), "-");
        assert_eq!(per_second(1_000_000, Duration::from_millis(80)), "12,500,000.00");
        assert_eq!(per_second(1, Duration::from_secs(3)), "0.33");
    }
}
