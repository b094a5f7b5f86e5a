//! What the words of a script's arguments stand for.

use super::{CallError, Flavour};
use crate::drill::ast::Expression;
use crate::drill::parser::named_dscp;

/// The number that an expression stands for.
///
/// # Errors
///
/// If it is none, or one of a name that is not known here.
pub(super) fn number(expression: &Expression, flavour: Flavour) -> Result<i64, CallError> {
    use Expression::{Float, Integer, Null, Or, Port, Symbol};
    Ok(match expression {
        Integer(value) => *value,
        Port(port) => i64::from(*port),
        Float(value) => *value as i64,
        Null => 0,
        Symbol(name) => constant(name, flavour).ok_or_else(|| CallError::needs_name(name))?,
        Or(left, right) => number(left, flavour)? | number(right, flavour)?,
        other => return Err(CallError::bad(format!("{other} is not a number"))),
    })
}

/// Constants by name: that of Linux first, that of FreeBSD behind it.
const CONSTANTS: &[(&str, i64, i64)] = &[
    ("O_RDONLY", 0, 0),
    ("O_WRONLY", 1, 1),
    ("O_RDWR", 2, 2),
    ("O_NONBLOCK", 0o4000, 4),
    ("FD_CLOEXEC", 1, 1),
    ("MSG_OOB", 1, 1),
    ("MSG_PEEK", 2, 2),
    ("MSG_DONTROUTE", 4, 4),
    ("MSG_CTRUNC", 8, 0x20),
    ("MSG_TRUNC", 0x20, 0x10),
    ("MSG_DONTWAIT", 0x40, 0x80),
    ("MSG_EOR", 0x80, 0x8),
    ("MSG_WAITALL", 0x100, 0x40),
    ("MSG_NOSIGNAL", 0x4000, 0x20000),
    ("MSG_MORE", 0x8000, 0x8000),
    ("MSG_ERRQUEUE", 0x2000, 0),
    ("MSG_EOF", 0, 0x100),
    ("MSG_ZEROCOPY", 0x400_0000, 0),
    ("MSG_FASTOPEN", 0x2000_0000, 0),
    ("SHUT_RD", 0, 0),
    ("SHUT_WR", 1, 1),
    ("SHUT_RDWR", 2, 2),
    ("POLLIN", 1, 1),
    ("POLLPRI", 2, 2),
    ("POLLOUT", 4, 4),
    ("POLLERR", 8, 8),
    ("POLLHUP", 0x10, 0x10),
    ("POLLNVAL", 0x20, 0x20),
    ("POLLRDNORM", 0x40, 0x40),
    ("POLLRDBAND", 0x80, 0x80),
    ("POLLWRNORM", 0x100, 4),
    ("POLLWRBAND", 0x200, 0x100),
    ("POLLRDHUP", 0x2000, 0x4000),
    ("EPOLLIN", 1, 1),
    ("EPOLLPRI", 2, 2),
    ("EPOLLOUT", 4, 4),
    ("EPOLLERR", 8, 8),
    ("EPOLLHUP", 0x10, 0x10),
    ("EPOLLRDHUP", 0x2000, 0x2000),
    ("EPOLLET", 1 << 31, 1 << 31),
    ("EPOLLONESHOT", 1 << 30, 1 << 30),
    ("SOCK_NONBLOCK", 0o4000, 0x2000_0000),
    ("SOCK_CLOEXEC", 0o2000000, 0x1000_0000),
    ("SOCK_STREAM", 1, 1),
    ("SOCK_DGRAM", 2, 2),
    ("SOCK_RAW", 3, 3),
    ("INADDR_ANY", 0, 0),
    ("SOMAXCONN", 4096, 128),
    ("true", 1, 1),
    ("false", 0, 0),
    // States of `TCP_INFO`; scripts compare them with what this process reports, by either name.
    ("IPTOS_ECN_NOT_ECT", 0, 0),
    ("IPTOS_ECN_ECT1", 1, 1),
    ("IPTOS_ECN_ECT0", 2, 2),
    ("IPTOS_ECN_CE", 3, 3),
    ("IPTOS_LOWDELAY", 0x10, 0x10),
    ("IPTOS_THROUGHPUT", 8, 8),
    ("IPTOS_RELIABILITY", 4, 4),
    ("IP_PMTUDISC_DONT", 0, 0),
    ("IP_PMTUDISC_WANT", 1, 1),
    ("IP_PMTUDISC_DO", 2, 2),
    ("IP_PMTUDISC_PROBE", 3, 3),
];

/// The value of a name that is not that of an option.
pub(super) fn constant(name: &str, flavour: Flavour) -> Option<i64> {
    if let Some(class) = name.strip_prefix("IPTOS_DSCP_") {
        // The octet, not its upper six bits.
        return named_dscp(&class.to_ascii_lowercase()).map(|bits| i64::from(bits) << 2);
    }
    let (_, linux, freebsd) = CONSTANTS.iter().find(|(known, ..)| *known == name)?;
    Some(match flavour {
        Flavour::Linux => *linux,
        Flavour::FreeBsd => *freebsd,
    })
}

/// Whether the flag `name` is set in `flags`.
pub(super) fn has(flags: i64, name: &str, flavour: Flavour) -> bool {
    constant(name, flavour).is_some_and(|bit| bit != 0 && flags & bit == bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str) -> Expression {
        Expression::Symbol(name.to_owned())
    }

    #[test]
    fn flags_have_the_numbers_of_the_system_that_the_script_was_written_for() {
        let both = Expression::Or(Box::new(symbol("O_RDWR")), Box::new(symbol("O_NONBLOCK")));
        assert_eq!(number(&both, Flavour::FreeBsd), Ok(6));
        assert_eq!(number(&both, Flavour::Linux), Ok(0o4002));
        assert!(has(6, "O_NONBLOCK", Flavour::FreeBsd));
        assert!(!has(6, "O_NONBLOCK", Flavour::Linux));
    }

    #[test]
    fn classes_of_differentiated_services_are_octets() {
        assert_eq!(number(&symbol("IPTOS_DSCP_CS1"), Flavour::FreeBsd), Ok(0x20));
        assert_eq!(number(&symbol("IPTOS_DSCP_EF"), Flavour::Linux), Ok(0xb8));
        assert_eq!(number(&symbol("IPTOS_DSCP_AF43"), Flavour::FreeBsd), Ok(0x98));
    }

    #[test]
    fn unknown_names_are_told() {
        assert!(matches!(
            number(&symbol("MSG_NEW"), Flavour::Linux),
            Err(CallError::Unsupported(_))
        ));
        assert!(matches!(number(&Expression::Ellipsis, Flavour::Linux), Err(CallError::Bad(_))));
    }
}
