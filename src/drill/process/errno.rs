//! Errors of system calls, by their names.

use netmart_actors::message::{CloseReason, Refusal};
use netmart_proto::tcp::{IcmpKind, Reason};

use super::Flavour;

/// An error as scripts name it.
pub(in crate::drill) type Errno = &'static str;

/// Errors that say the same thing in the words of different systems.
const CLASSES: [&[&str]; 6] = [
    &["ECONNRESET", "EPIPE", "ECONNABORTED"],
    &["ECONNREFUSED"],
    &["ETIMEDOUT"],
    &["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENOPROTOOPT", "EPROTO"],
    &["EINPROGRESS", "EALREADY"],
    &["EAGAIN", "EWOULDBLOCK"],
];

/// Whether two errors say the same: by their class, or to the letter if that is asked for.
pub(in crate::drill) fn agree(expected: &str, actual: &str, to_the_letter: bool) -> bool {
    let same_class =
        || CLASSES.iter().any(|class| class.contains(&expected) && class.contains(&actual));
    expected == actual || !to_the_letter && same_class()
}

/// What a socket reports of a connection that ended so; nothing if it ended in order.
pub(super) fn of_end(reason: &CloseReason, connecting: bool, flavour: Flavour) -> Option<Errno> {
    let CloseReason::Ended(reason) = reason else { return Some("EIO") };
    match *reason {
        Reason::Normal => None,
        Reason::Reset if connecting => Some("ECONNREFUSED"),
        Reason::Reset => Some("ECONNRESET"),
        Reason::TimedOut | Reason::UserTimeout => Some("ETIMEDOUT"),
        Reason::Aborted => Some("ECONNABORTED"),
        Reason::Icmp(kind) => Some(of_icmp(kind, flavour)),
    }
}

/// What a socket reports of an ICMP error.
pub(super) fn of_icmp(kind: IcmpKind, flavour: Flavour) -> Errno {
    match (kind, flavour) {
        (IcmpKind::PortUnreachable, _)
        | (IcmpKind::Prohibited | IcmpKind::NextHeaderUnknown, Flavour::FreeBsd) => "ECONNREFUSED",
        (IcmpKind::ParameterProblem, _) => "EPROTO",
        _ => "EHOSTUNREACH",
    }
}

/// What a socket reports of a connection that could not be made.
pub(super) fn of_refusal(reason: &Refusal, flavour: Flavour) -> Errno {
    match reason {
        Refusal::NoRoute => "ENETUNREACH",
        Refusal::InvalidAddress => "EADDRNOTAVAIL",
        Refusal::Port(_) => "EADDRINUSE",
        Refusal::TooMany => "ENOBUFS",
        Refusal::Closed(reason) => of_end(reason, true, flavour).unwrap_or("ECONNABORTED"),
    }
}
