//! What the operating system says, in the words of the bus.

use std::io;

use netmart_actors::message::{ListenError, PortError};
use netmart_proto::wire::icmp::IcmpErrorKind;
use nix::errno::Errno;
use nix::libc::sock_extended_err;

/// Why a socket could not be bound.
pub(crate) fn not_bound(errno: Errno) -> ListenError {
    match errno {
        Errno::EADDRINUSE => ListenError::Port(PortError::InUse),
        Errno::EADDRNOTAVAIL => ListenError::NotLocal,
        Errno::EACCES | Errno::EPERM => ListenError::NotAllowed,
        other => ListenError::System(other.desc()),
    }
}

/// Why a datagram was not sent, and what its user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// A stable name.
    pub(crate) reason: &'static str,
    /// What the network would say.
    pub(crate) error: Option<IcmpErrorKind>,
}

impl Unsent {
    pub(crate) const fn silently(reason: &'static str) -> Self {
        Self { reason, error: None }
    }

    const fn unreachable(reason: &'static str, code: u8) -> Self {
        Self { reason, error: Some(IcmpErrorKind::Unreachable { code }) }
    }

    /// What the answer of a send call to `is_ipv4` or IPv6 means.
    pub(crate) fn because(error: &io::Error, is_ipv4: bool) -> Self {
        // RFC 792 and RFC 1812 section 5.2.7.1; RFC 4443 section 3.1.
        let code = |v4, v6| if is_ipv4 { v4 } else { v6 };
        match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::EMSGSIZE => Self {
                reason: "too_long",
                error: Some(IcmpErrorKind::PacketTooBig { mtu: u16::MAX.into() }),
            },
            Errno::ENETUNREACH => Self::unreachable("no_route", 0),
            Errno::EHOSTUNREACH => Self::unreachable("no_route", code(1, 3)),
            Errno::ECONNREFUSED => Self::unreachable("refused", code(3, 4)),
            Errno::EACCES | Errno::EPERM => Self::unreachable("not_permitted", code(13, 1)),
            // The address to send from is not ours, or does not go with the one to send to.
            Errno::EINVAL | Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT => {
                Self::unreachable("no_source", 0)
            }
            Errno::ENOBUFS | Errno::ENOMEM => Self::silently("no_buffers"),
            _ => Self::silently("cannot_send"),
        }
    }
}

/// Whether the answer of a send or receive call may be about an earlier datagram: the kernel keeps what ICMP
/// told and lets the next call fail with it.
pub(crate) fn is_belated(error: &io::Error) -> bool {
    matches!(
        Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENONET
            | Errno::ENOPROTOOPT
            | Errno::EPROTO
            | Errno::EOPNOTSUPP
            | Errno::EMSGSIZE
            | Errno::EACCES
    )
}

/// Whether a call says that a run cannot be cut by the kernel or the device, not that it cannot be sent.
pub(crate) fn is_about_cutting(error: &io::Error) -> bool {
    matches!(
        Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        Errno::EINVAL | Errno::EIO | Errno::EMSGSIZE | Errno::EOPNOTSUPP
    )
}

/// `SO_EE_ORIGIN_LOCAL`, `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6` of `linux/errqueue.h`.
const LOCAL: u8 = 1;
const ICMP: u8 = 2;
const ICMP6: u8 = 3;

/// What an entry of a socket's error queue says of the datagram that caused it.
pub(crate) fn network_error(entry: &sock_extended_err) -> Option<IcmpErrorKind> {
    let sock_extended_err { ee_origin, ee_type, ee_code: code, ee_info: info, .. } = *entry;
    match (ee_origin, ee_type, code) {
        (ICMP, 3, 4) | (ICMP6, 2, _) => Some(IcmpErrorKind::PacketTooBig { mtu: info }),
        (ICMP, 3, _) | (ICMP6, 1, _) => Some(IcmpErrorKind::Unreachable { code }),
        (ICMP, 11, _) | (ICMP6, 3, _) => Some(IcmpErrorKind::TimeExceeded { code }),
        (ICMP, 12, _) | (ICMP6, 4, _) => {
            Some(IcmpErrorKind::ParameterProblem { code, pointer: info })
        }
        (ICMP, 4, _) => Some(IcmpErrorKind::SourceQuench),
        (LOCAL, ..) if entry.ee_errno == Errno::EMSGSIZE as u32 => {
            Some(IcmpErrorKind::PacketTooBig { mtu: info })
        }
        _ => None,
    }
}
