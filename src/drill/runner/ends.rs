//! Which connection the packets of a script belong to: it names no ports, as a rule.

use std::net::{IpAddr, SocketAddr};

use netmart_actors::address::{Flow, LocalAddress, RemoteAddress};
use netmart_actors::message::SegmentsIn;
use netmart_bus::Role;
use netmart_proto::wire::tcp::Flags;

use crate::drill::ast::{Packet, PacketBody, Syscall};
use crate::drill::process::Process;

/// The connection under test: the one that the script made last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    local: IpAddr,
    remote: IpAddr,
    under_test: UnderTest,
    /// The port that the next connection to a listener comes from.
    next_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnderTest {
    /// A port that is bound, or listened on, and that nobody has talked to. 8080 before there is any.
    Port(u16),
    /// A connection, whether or not it exists (still).
    Pair { local: u16, remote: u16 },
}

/// The port that scripts mean when they say nothing.
const PORT: u16 = 8080;

/// The ports that the script's end connects from begin here.
const FIRST_PORT: u16 = 40_000;

impl Ends {
    /// Nothing has happened yet between these addresses.
    pub(super) fn new(local: IpAddr, remote: IpAddr) -> Self {
        Self { local, remote, under_test: UnderTest::Port(PORT), next_port: FIRST_PORT }
    }

    fn pair(&self, local: u16, remote: u16) -> (SocketAddr, SocketAddr) {
        (SocketAddr::new(self.local, local), SocketAddr::new(self.remote, remote))
    }

    /// The script's program has made a call.
    pub(super) fn called(&mut self, call: &Syscall, process: &Process) {
        if let "bind" | "listen" = call.name.as_str()
            && let Some(Ok(fd)) = call.arguments.first().map(|fd| process.number(fd))
            && let Some(port) = process.bound_port(fd)
        {
            self.under_test = UnderTest::Port(port);
        }
    }

    /// The stack has sent the SYN of a connection that the program wants.
    pub(super) fn dialled(&mut self, local: u16, remote: u16) -> (SocketAddr, SocketAddr) {
        self.under_test = UnderTest::Pair { local, remote };
        self.pair(local, remote)
    }

    /// The ends, local and remote, that a packet of the script's travels between, if they are others than
    /// those of the packet before.
    pub(super) fn for_inbound(
        &mut self,
        packet: &Packet,
        process: &Process,
    ) -> Option<(SocketAddr, SocketAddr)> {
        let PacketBody::Tcp(segment) = &packet.body else { return None };
        let wanted = match (segment.ports, self.under_test) {
            (Some((remote, local)), _) => UnderTest::Pair { local, remote },
            (None, UnderTest::Port(local)) => UnderTest::Pair { local, remote: self.new_port() },
            (None, UnderTest::Pair { local, .. })
                if segment.flags.flags.contains(Flags::SYN)
                    && !segment.flags.flags.intersects(Flags::ACK | Flags::RST)
                    && process.is_listening(local)
                    && !self.exists(process) =>
            {
                UnderTest::Pair { local, remote: self.new_port() }
            }
            (None, same) => same,
        };
        if wanted == self.under_test {
            return None;
        }
        self.under_test = wanted;
        match wanted {
            UnderTest::Pair { local, remote } => Some(self.pair(local, remote)),
            UnderTest::Port(_) => None,
        }
    }

    fn new_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    /// Whether the stack knows the connection.
    fn exists(&self, process: &Process) -> bool {
        let UnderTest::Pair { local, remote } = self.under_test else { return false };
        let (local, remote) = self.pair(local, remote);
        let flow = Flow { local: LocalAddress::from(local), remote: RemoteAddress::from(remote) };
        let dataspace = &process.world.dataspace;
        !dataspace.interests::<SegmentsIn>(Role::Subscriber, &flow.exactly()).is_empty()
            && dataspace
                .interests::<SegmentsIn>(Role::Subscriber, &flow.exactly())
                .iter()
                .any(|interest| interest.pattern.local.is_some())
    }
}
