//! What went wrong, as an operating system would say it.

use std::io::{Error, ErrorKind};

use netmart_actors::message::{CloseReason, ListenError, PortError, Refusal};
use netmart_proto::tcp::{IcmpKind, Reason};
use netmart_proto::wires;

/// Why a connection could not be made.
pub(crate) fn refused(refusal: Refusal) -> Error {
    let kind = match &refusal {
        Refusal::NoRoute => ErrorKind::NetworkUnreachable,
        Refusal::InvalidAddress | Refusal::Port(_) => ErrorKind::AddrNotAvailable,
        Refusal::TooMany => ErrorKind::QuotaExceeded,
        Refusal::Closed(CloseReason::Ended(Reason::Reset)) => ErrorKind::ConnectionRefused,
        Refusal::Closed(CloseReason::Ended(Reason::Icmp(
            IcmpKind::PortUnreachable | IcmpKind::NextHeaderUnknown,
        ))) => ErrorKind::ConnectionRefused,
        Refusal::Closed(reason) => kind_of(reason).unwrap_or(ErrorKind::ConnectionAborted),
    };
    Error::new(kind, refusal)
}

/// Why an established connection is over; nothing if that is in order.
pub(crate) fn closed(reason: CloseReason) -> Option<Error> {
    kind_of(&reason).map(|kind| Error::new(kind, reason))
}

fn kind_of(reason: &CloseReason) -> Option<ErrorKind> {
    match reason {
        CloseReason::Ended(Reason::Normal) => None,
        CloseReason::Ended(Reason::Reset) => Some(ErrorKind::ConnectionReset),
        CloseReason::Ended(Reason::TimedOut | Reason::UserTimeout) => Some(ErrorKind::TimedOut),
        CloseReason::Ended(Reason::Aborted) | CloseReason::Crashed => {
            Some(ErrorKind::ConnectionAborted)
        }
        CloseReason::Ended(Reason::Icmp(_)) => Some(ErrorKind::HostUnreachable),
        CloseReason::NotBound(_) => Some(ErrorKind::AddrNotAvailable),
        CloseReason::Unwritable(_) => Some(ErrorKind::InvalidInput),
        CloseReason::Wire(reason) => of_wire(reason),
    }
}

fn of_wire(reason: &wires::Reason) -> Option<ErrorKind> {
    match reason {
        wires::Reason::Normal => None,
        wires::Reason::TimedOut { .. } | wires::Reason::Vanished => Some(ErrorKind::TimedOut),
        wires::Reason::Unreachable => Some(ErrorKind::ConnectionRefused),
        wires::Reason::Missing(_) => Some(ErrorKind::UnexpectedEof),
        wires::Reason::NotRepresentable(_) => Some(ErrorKind::InvalidInput),
        wires::Reason::Deserted(_) => Some(ErrorKind::ConnectionReset),
        wires::Reason::Spoilt(_) | wires::Reason::Protocol(_) => Some(ErrorKind::InvalidData),
        wires::Reason::Exhausted => Some(ErrorKind::Other),
        wires::Reason::Aborted => Some(ErrorKind::ConnectionAborted),
    }
}

/// Why nobody can listen there, or bind to it.
pub(crate) fn not_bound(error: ListenError) -> Error {
    let kind = match error {
        // What Linux says when every ephemeral port is taken.
        ListenError::Port(PortError::InUse | PortError::Exhausted) => ErrorKind::AddrInUse,
        ListenError::NotLocal => ErrorKind::AddrNotAvailable,
        ListenError::TooMany => ErrorKind::QuotaExceeded,
        ListenError::NotAllowed => ErrorKind::PermissionDenied,
        ListenError::System(_) => ErrorKind::Other,
    };
    Error::new(kind, error)
}

/// The actor behind an end is no more.
pub(crate) fn lost() -> Error {
    Error::new(ErrorKind::ConnectionAborted, "the stack has let go of the connection")
}
