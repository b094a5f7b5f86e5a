//! How messages are routed: the keys of the topics in [`message`](crate::message), in the same order.

use std::net::IpAddr;

use netmart_bus::{ActorId, key};
use netmart_proto::wire::Protocol;
use netmart_proto::wires::Kind;

use crate::address::{
    Direction, Flow, HandleId, Listener, Local, LocalAddress, RemoteAddress, Transport,
};
use crate::content::{EchoKind, LinkId};

key! {
    /// What concerns one link.
    #[derive(Copy)]
    pub struct OnLink / OnLinkPattern {
        /// The link.
        pub link: LinkId,
    }
}

key! {
    /// An address of a link.
    #[derive(Copy)]
    pub struct OwnAddress / OwnAddressPattern {
        /// The link that has it.
        pub link: LinkId,
        /// The address.
        pub ip: IpAddr,
    }
}

key! {
    /// A destination network and the link that leads there.
    #[derive(Copy)]
    pub struct RouteKey / RoutePattern {
        /// The network's address.
        pub network: IpAddr,
        /// The length of its prefix, in bits.
        pub prefix_len: u8,
        /// The link that leads there.
        pub link: LinkId,
    }
}

key! {
    /// What concerns one protocol above IP.
    #[derive(Copy)]
    pub struct OfProtocol / OfProtocolPattern {
        /// The protocol's number.
        pub protocol: Protocol,
    }
}

key! {
    /// Whose echo.
    #[derive(Copy)]
    pub struct EchoKey / EchoPattern {
        /// Towards us or from us.
        pub direction: Direction,
        /// Question or answer.
        pub kind: EchoKind,
        /// Our address.
        pub local: IpAddr,
        /// The other address.
        pub remote: IpAddr,
    }
}

key! {
    /// A connection of a listener.
    #[derive(Copy)]
    pub struct OfListener / OfListenerPattern {
        /// The listener that the connection was made to.
        pub listener: Listener,
        /// The connection.
        pub flow: Flow,
    }
}

key! {
    /// What concerns the ports of one protocol.
    #[derive(Copy)]
    pub struct PortsOf / PortsOfPattern {
        /// The protocol whose ports are meant.
        pub protocol: Protocol,
    }
}

key! {
    /// Whom an answer is for.
    #[derive(Copy)]
    pub struct ForAsker / ForAskerPattern {
        /// Who asked.
        pub asker: ActorId,
    }
}

key! {
    /// A port.
    #[derive(Copy)]
    pub struct PortKey / PortPattern {
        /// Whose port.
        pub protocol: Protocol,
        /// The port.
        pub port: u16,
    }
}

key! {
    /// One direction of a channel.
    #[derive(Copy)]
    pub struct ChannelKey / ChannelPattern {
        /// Which way the message travels.
        pub direction: Direction,
        /// The local end: an address at kernel level, a handle or a listener at user level.
        pub local: Local,
        /// The remote end.
        pub remote: RemoteAddress,
        /// For a connection of a listener our address: a listener may have several, and a peer may
        /// reach two of them from one end.
        pub ip: Option<IpAddr>,
    }
}

impl ChannelKey {
    /// The connection whose channel it is, as its user names it.
    pub const fn connection(&self) -> ConnectionKey {
        ConnectionKey { local: self.local, remote: self.remote, ip: self.ip }
    }

    /// A direction of the kernel-level channel of a flow over TCP.
    pub const fn of_flow(flow: Flow, direction: Direction) -> Self {
        Self::of_flow_over(Transport::Tcp, flow, direction)
    }

    /// A direction of the kernel-level channel of a flow over `transport`.
    pub const fn of_flow_over(transport: Transport, flow: Flow, direction: Direction) -> Self {
        let local = Local::kernel(transport, flow.local);
        Self { direction, local, remote: flow.remote, ip: None }
    }
}

key! {
    /// A connection as its user names it.
    #[derive(Copy)]
    pub struct ConnectionKey / ConnectionPattern {
        /// The user-level local end.
        pub local: Local,
        /// The remote end.
        pub remote: RemoteAddress,
        /// Our address, if this is a connection of a listener.
        pub ip: Option<IpAddr>,
    }
}

impl ConnectionKey {
    /// The connection that `flow` is to a user whose end is `local`.
    pub const fn of_flow(flow: Flow, local: Local) -> Self {
        let ip = match local {
            Local::Listener(_) => Some(flow.local.0.ip),
            Local::Handle(_) | Local::Address(_) | Local::Datagram(_) => None,
        };
        Self { local, remote: flow.remote, ip }
    }

    /// A direction of its user-level channel.
    pub const fn channel(&self, direction: Direction) -> ChannelKey {
        ChannelKey { direction, local: self.local, remote: self.remote, ip: self.ip }
    }

    /// The connection over TCP to `remote` that its user calls `handle`: interest in it makes the
    /// dialer dial. Handles above 2^32 are those of sockets and claims, which get theirs from the stack.
    pub fn outbound(handle: u64, remote: impl Into<RemoteAddress>) -> Self {
        Self { local: Local::Handle(HandleId::new(handle)), remote: remote.into(), ip: None }
    }

    /// The same over `transport`; kernel-level ends stay as they are.
    #[must_use]
    pub const fn over(self, transport: Transport) -> Self {
        let local = match self.local {
            Local::Handle(handle) => Local::Handle(handle.over(transport)),
            Local::Listener(listener) => Local::Listener(listener.over(transport)),
            kernel => kernel,
        };
        Self { local, ..self }
    }
}

key! {
    /// A peer, whatever its port.
    #[derive(Copy)]
    pub struct OfPeer / OfPeerPattern {
        /// Its address.
        pub ip: IpAddr,
    }
}

key! {
    /// Whose connections are meant.
    #[derive(Copy)]
    pub struct TermsKey / TermsPattern {
        /// The user-level local end.
        pub local: Local,
    }
}

key! {
    /// A listener and the port it got.
    #[derive(Copy)]
    pub struct ListeningKey / ListeningPattern {
        /// The listener as its user names it.
        pub listener: Listener,
        /// The port; never 0.
        pub port: u16,
    }
}

key! {
    /// What concerns one listener.
    #[derive(Copy)]
    pub struct ListenerKey / ListenerPattern {
        /// The listener as its user names it.
        pub listener: Listener,
    }
}

key! {
    /// One direction between a bound local end and a remote end.
    #[derive(Copy)]
    pub struct UdpKey / UdpPattern {
        /// Which way the datagram travels.
        pub direction: Direction,
        /// The end as its user bound it; the address may be unspecified.
        pub local: LocalAddress,
        /// The remote end.
        pub remote: RemoteAddress,
    }
}

key! {
    /// What concerns one bound end.
    #[derive(Copy)]
    pub struct BoundKey / BoundPattern {
        /// The end as its user bound it.
        pub local: LocalAddress,
    }
}

key! {
    /// An end that a wire uses.
    #[derive(Copy)]
    pub struct WireEndKey / WireEndPattern {
        /// The wire.
        pub over: Kind,
        /// The end as it is bound.
        pub local: LocalAddress,
    }
}

key! {
    /// Where and why.
    #[derive(Copy)]
    pub struct DiscardKey / DiscardPattern {
        /// The actor that discarded.
        pub place: &'static str,
        /// Why, as a stable name.
        pub reason: &'static str,
    }
}
