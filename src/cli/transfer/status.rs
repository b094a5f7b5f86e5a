//! How a transfer can fail: one line for people, and an exit status for programs.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use netmart::proto::wires::Reason;
use tokio::signal::unix::SignalKind;

/// What kind of failure it is; its number is the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::cli) enum Status {
    /// Something that has no number of its own, such as a port that is taken.
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Nobody listens there, or nobody can be reached.
    Refused = 3,
    /// No answer, however often it was asked for.
    TimedOut = 4,
    /// The peer fell silent, or broke off.
    Vanished = 5,
    /// Some of the data did not arrive.
    Missing = 6,
    /// The wire, or the peer on it, cannot carry this.
    Unfit = 7,
    /// What came cannot be written.
    Output = 8,
    /// What shall be sent cannot be read.
    Input = 9,
    /// The peer broke the protocol.
    Protocol = 10,
    /// SIGINT, as a shell would say it.
    Interrupted = 130,
    /// SIGTERM, as a shell would say it.
    Terminated = 143,
}

/// What went wrong, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(in crate::cli) struct Failure {
    pub(super) status: Status,
    text: String,
}

pub(super) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(super) fn new(status: Status, text: impl Display) -> Self {
        // An error of the operating system may bring a name with it, and the name a line break.
        Self { status, text: text.to_string().replace('\n', " ") }
    }

    pub(super) fn usage(text: impl Display) -> Self {
        Self::new(Status::Usage, text)
    }

    /// Says first what was being done.
    #[must_use]
    pub(super) fn during(self, what: impl Display) -> Self {
        Self::new(self.status, format_args!("{what}: {self}"))
    }

    pub(super) fn output(name: impl Display, error: &io::Error) -> Self {
        Self::new(Status::Output, format_args!("could not write {name}: {error}"))
    }

    pub(super) fn output_at(path: &Path, error: &io::Error) -> Self {
        Self::output(path.display(), error)
    }

    /// Why a connection over one of the datagram wires is over.
    pub(super) fn reason(reason: &Reason) -> Self {
        let status = match reason {
            Reason::Unreachable => Status::Refused,
            Reason::TimedOut { .. } => Status::TimedOut,
            Reason::Vanished => Status::Vanished,
            Reason::Missing(_) | Reason::Spoilt(_) | Reason::Deserted(_) => Status::Missing,
            Reason::NotRepresentable(_) | Reason::Exhausted => Status::Unfit,
            Reason::Protocol(_) => Status::Protocol,
            Reason::Normal | Reason::Aborted => Status::Other,
        };
        Self::new(status, reason)
    }

    /// Why a connection over TCP could not be made, or is over.
    pub(super) fn tcp(error: &io::Error) -> Self {
        use io::ErrorKind as Is;
        let (status, text) = match error.kind() {
            Is::ConnectionRefused => (Status::Refused, "nobody listens there".to_owned()),
            Is::NetworkUnreachable | Is::HostUnreachable => (Status::Refused, error.to_string()),
            Is::TimedOut => (Status::TimedOut, "the peer does not answer".to_owned()),
            Is::ConnectionReset => (Status::Vanished, "the peer has broken it off".to_owned()),
            Is::BrokenPipe => (Status::Missing, "the peer takes no more".to_owned()),
            _ => (Status::Other, error.to_string()),
        };
        Self::new(status, text)
    }

    /// Somebody wants it to end.
    pub(super) fn signal(signal: SignalKind) -> Self {
        if signal == SignalKind::terminate() {
            Self::new(Status::Terminated, "terminated")
        } else {
            Self::new(Status::Interrupted, "interrupted")
        }
    }

    pub(super) fn is_signal(&self) -> bool {
        matches!(self.status, Status::Interrupted | Status::Terminated)
    }

    pub(in crate::cli) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status as u8)
    }
}

/// The statuses, for `--help`.
pub(super) const EXIT_STATUSES: &str = "\
Exit status, and one line on standard error if it is not 0:
  0 all of it arrived            6 data is missing (the line says which packets)
  1 anything else                7 not representable on this wire, or to this peer
  2 wrong command line           8 the output cannot be written
  3 refused, or unreachable      9 the input cannot be read
  4 timed out after N tries     10 the peer broke the protocol
  5 the peer has vanished      130 interrupted (SIGINT), 143 terminated (SIGTERM)";

#[cfg(test)]
mod tests {
    use netmart::proto::wires::{Phase, Unfit};

    use super::*;

    #[test]
    fn every_reason_has_a_status() {
        for (reason, status) in [
            (Reason::Unreachable, Status::Refused),
            (Reason::TimedOut { phase: Phase::Handshake, tries: 60 }, Status::TimedOut),
            (Reason::Vanished, Status::Vanished),
            (Reason::Missing(vec![3, 7]), Status::Missing),
            (Reason::Deserted(12), Status::Missing),
            (Reason::NotRepresentable(Unfit::TrailingNul), Status::Unfit),
            (Reason::Protocol("nonsense"), Status::Protocol),
            (Reason::Aborted, Status::Other),
        ] {
            assert_eq!(Failure::reason(&reason).status, status, "{reason}");
        }
        assert_eq!(Failure::reason(&Reason::Missing(vec![3, 7])).text, "data is missing: [3, 7]");
    }

    #[test]
    fn the_statuses_that_help_lists_are_those_there_are() {
        use Status::{
            Input, Interrupted, Missing, Other, Output, Protocol, Refused, Terminated, TimedOut,
            Unfit, Usage, Vanished,
        };
        let all = [
            Other,
            Usage,
            Refused,
            TimedOut,
            Vanished,
            Missing,
            Unfit,
            Output,
            Input,
            Protocol,
            Interrupted,
            Terminated,
        ];
        for status in all {
            let number = format!("{} ", status as u8);
            assert!(EXIT_STATUSES.contains(&number), "{status:?} is not listed");
        }
    }

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::new(Status::Other, "a\nb").during("c\nd");
        assert_eq!(failure.to_string(), "c d: a b");
    }
}
