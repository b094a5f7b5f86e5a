//! The wire that a transfer goes over, as the command line names it, and what is usual on it.

use netmart::actors::address::Transport;
use netmart::proto::wires::Borders;

/// Reads the name of a wire.
pub(super) fn parse(text: &str) -> Result<Transport, String> {
    let names = || Transport::all().map(Transport::name).collect::<Vec<_>>().join(", ");
    Transport::from_name(text).ok_or_else(|| format!("the wires are {}", names()))
}

/// The port that the original's programs use, if there is one.
pub(super) fn default_port(over: Transport) -> Option<u16> {
    match over {
        Transport::Tcp => None,
        Transport::Wire(kind) => kind.profile().default_port,
    }
}

/// What becomes of the borders between writes.
pub(super) fn borders(over: Transport) -> Borders {
    match over {
        Transport::Tcp => Borders::None,
        Transport::Wire(kind) => kind.profile().borders,
    }
}

pub(super) fn has_streams(over: Transport) -> bool {
    borders(over) == Borders::Stream
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wires_are_known_by_name() {
        for name in ["tcp", "faketcp", "cs488", "sockettcp", "quiq"] {
            assert_eq!(parse(name).map(Transport::name), Ok(name));
        }
        assert!(parse("udp").is_err_and(|told| told.contains("sockettcp")));
    }

    #[test]
    fn ports_are_those_of_the_originals() {
        let ports = Transport::all().map(default_port).collect::<Vec<_>>();
        assert_eq!(ports, [None, Some(50_007), None, Some(8000), Some(4269)]);
    }
}
