//! The life of a socket: socket, bind, listen, accept, connect, close.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use netmart_actors::address::{HandleId, Listener, Local};
use netmart_actors::message::{ConnectionKey, ListenFailed, ListenerKey};

use super::options::SocketOptions;
use super::stream::{Phase, Stream};
use super::{
    Call, CallError, Descriptor, Expression, Flavour, ListeningEnd, Outcome, PORT, Process, Role,
    Socket, Syscall, has, number,
};
use crate::drill::ear::{self, Heard};

impl Process {
    pub(super) fn socket(&mut self, call: &Syscall) -> Call {
        let kind = call.arguments.get(1).cloned().unwrap_or(Expression::Ellipsis);
        let kinds: Vec<_> =
            kind.alternatives().into_iter().filter_map(Expression::as_symbol).collect();
        if kinds.iter().any(|kind| matches!(*kind, "SOCK_DGRAM" | "SOCK_RAW" | "SOCK_SEQPACKET")) {
            return Err(CallError::unsupported(format!("sockets of type {}", kinds.join(" | "))));
        }
        if let Some(protocol) = call.arguments.get(2).and_then(Expression::as_symbol)
            && !matches!(protocol, "IPPROTO_TCP" | "IPPROTO_IP")
        {
            return Err(CallError::unsupported(format!("sockets of {protocol}")));
        }
        let fd = self.expected_descriptor(call)?;
        let socket = Socket {
            nonblocking: kinds.contains(&"SOCK_NONBLOCK"),
            options: SocketOptions::default(),
            bound: None,
            role: Role::Idle,
            told: false,
        };
        self.descriptors.insert(fd, Descriptor::Socket(Box::new(socket)));
        self.latest = Some(fd);
        Ok(Outcome::value(fd))
    }

    /// An address that an argument gives, or the usual one.
    pub(super) fn address_of(
        &self,
        argument: Option<&Expression>,
        usual: IpAddr,
    ) -> Result<SocketAddr, CallError> {
        let Some(value @ Expression::Struct(_)) = argument else {
            return Ok(SocketAddr::new(usual, PORT));
        };
        let port = match value.field("sin_port").or_else(|| value.field("sin6_port")) {
            None | Some(Expression::Ellipsis) => PORT,
            Some(port) => number(port, self.flavour())? as u16,
        };
        let ip = match value.field("sin_addr").or_else(|| value.field("sin6_addr")) {
            Some(Expression::Address(ip)) => *ip,
            Some(Expression::Symbol(name)) if name == "INADDR_ANY" => {
                if self.v6 {
                    Ipv6Addr::UNSPECIFIED.into()
                } else {
                    Ipv4Addr::UNSPECIFIED.into()
                }
            }
            _ => usual,
        };
        Ok(SocketAddr::new(ip, port))
    }

    pub(super) fn bind(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let anywhere: IpAddr =
            if self.v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let address = self.address_of(call.arguments.get(1), anywhere)?;
        let in_use = self.descriptors.iter().any(|(other, descriptor)| {
            *other != fd
                && matches!(descriptor, Descriptor::Socket(socket)
                    if matches!(socket.role, Role::Listening(_)) && socket.bound == Some(address))
        });
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        if socket.bound.is_some() || !matches!(socket.role, Role::Idle) {
            return Ok(Outcome::error("EINVAL"));
        }
        if in_use && !socket.options.reuses_address() {
            return Ok(Outcome::error("EADDRINUSE"));
        }
        socket.bound = Some(address);
        Ok(Outcome::value(0))
    }

    pub(super) fn listen(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let settings = self.settings.clone();
        let mtu = self.settings.mtu;
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        match socket.role {
            Role::Listening(_) => return Ok(Outcome::value(0)),
            Role::Stream(_) => return Ok(Outcome::error("EINVAL")),
            Role::Idle => {}
        }
        let address = socket.bound.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
        let tag = if address.port() == 0 { fd as u32 } else { 0 };
        let listener = Listener { tag, ..Listener::at(address) };
        let terms = socket.options.terms(Local::Listener(listener), &settings, mtu);
        let dataspace = &mut self.world.dataspace;
        let mut kept = None;
        ear::state(dataspace, &mut kept, terms);
        let heard = Heard::default();
        let door = dataspace.spawn(ear::door(listener, &heard));
        self.settle()?;
        let failed: Vec<ListenFailed> =
            self.world.dataspace.facts(&ListenerKey { listener }.exactly());
        if !failed.is_empty() {
            self.world.dataspace.stop(door);
            return Ok(Outcome::error("EADDRINUSE"));
        }
        let end = ListeningEnd { listener, door, terms: kept, heard, ready: VecDeque::new() };
        if let Some(socket) = self.socket_at(fd)? {
            socket.role = Role::Listening(end);
        }
        Ok(Outcome::value(0))
    }

    pub(super) fn accept(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let flavour = self.flavour();
        let nonblocking = call.arguments.get(3).map_or(Ok(0), |flags| number(flags, flavour))?;
        let expected = self.expected_descriptor(call);
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        let (waits, options) = (!socket.nonblocking, socket.options.clone());
        let Role::Listening(end) = &mut socket.role else { return Ok(Outcome::error("EINVAL")) };
        let Some(stream) = end.ready.pop_front() else {
            return Ok(if waits { Outcome::Blocked(None) } else { Outcome::error("EAGAIN") });
        };
        let new = expected?;
        let inherits = flavour == Flavour::FreeBsd && !waits;
        let socket = Socket {
            nonblocking: has(nonblocking, "SOCK_NONBLOCK", flavour) || inherits,
            options,
            bound: stream.local(),
            role: Role::Stream(Box::new(stream)),
            told: true,
        };
        self.descriptors.insert(new, Descriptor::Socket(Box::new(socket)));
        self.latest = Some(new);
        Ok(Outcome::value(new))
    }

    pub(super) fn connect(&mut self, call: &Syscall, first: bool) -> Call {
        let fd = self.descriptor_of(call)?;
        let remote = self.address_of(call.arguments.get(1), self.addresses.of(self.v6).1)?;
        let flavour = self.flavour();
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        match &mut socket.role {
            Role::Listening(_) => return Ok(Outcome::error("EOPNOTSUPP")),
            Role::Stream(stream) => {
                return Ok(match stream.phase() {
                    Phase::Connecting if socket.nonblocking && first => Outcome::error("EALREADY"),
                    Phase::Connecting => Outcome::Blocked(None),
                    Phase::Over => Outcome::error(stream.take_error().unwrap_or("ECONNABORTED")),
                    Phase::Connected if std::mem::replace(&mut socket.told, true) => {
                        Outcome::error("EISCONN")
                    }
                    // Linux tells once that it went well; so does a call that has waited for it.
                    Phase::Connected if !first || flavour == Flavour::Linux => Outcome::value(0),
                    Phase::Connected => Outcome::error("EISCONN"),
                });
            }
            Role::Idle => {}
        }
        let nonblocking = socket.nonblocking;
        self.dial(fd, remote, None)?;
        let Some(stream) = self.stream_at(fd) else { return Ok(Outcome::error("EBADF")) };
        Ok(match stream.phase() {
            Phase::Over => Outcome::error(stream.take_error().unwrap_or("ECONNABORTED")),
            _ if nonblocking => Outcome::error("EINPROGRESS"),
            _ => Outcome::Blocked(None),
        })
    }

    /// Dials from the socket `fd`; `first` are octets that may travel with the SYN.
    pub(super) fn dial(
        &mut self,
        fd: i64,
        remote: SocketAddr,
        first: Option<Bytes>,
    ) -> Result<(), CallError> {
        let (settings, flavour) = (self.settings.clone(), self.flavour());
        let handle = self.next_handle;
        let Some(socket) = self.socket_at(fd)? else { return Ok(()) };
        let local = Local::Handle(HandleId::new(handle));
        let mut terms = socket.options.terms(local, &settings, settings.mtu);
        terms.ip = socket.bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified());
        terms.port = socket.bound.map(|bound| bound.port()).filter(|port| *port != 0);
        terms.first = first;
        let connection = ConnectionKey::outbound(handle, remote);
        let stream = Stream::dial(connection, terms, flavour, &mut self.world.dataspace);
        self.next_handle += 1;
        self.latest = Some(fd);
        if let Some(socket) = self.socket_at(fd)? {
            socket.role = Role::Stream(Box::new(stream));
        }
        Ok(self.settle()?)
    }

    pub(super) fn close(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let Some(descriptor) = self.descriptors.remove(&fd) else {
            return Ok(Outcome::error("EBADF"));
        };
        if self.latest == Some(fd) {
            let sockets = self.descriptors.iter().rev();
            self.latest = sockets
                .filter(|(_, other)| matches!(other, Descriptor::Socket(_)))
                .map(|(fd, _)| *fd)
                .next();
        }
        if let Descriptor::Socket(socket) = descriptor {
            self.close_socket(*socket)?;
        }
        Ok(Outcome::value(0))
    }

    fn close_socket(&mut self, socket: Socket) -> Result<(), CallError> {
        let dataspace = &mut self.world.dataspace;
        match socket.role {
            Role::Idle => {}
            Role::Listening(end) => {
                dataspace.stop(end.door);
                for mut stream in end.ready {
                    stream.abort(dataspace);
                    stream.leave(dataspace);
                }
            }
            Role::Stream(mut stream) => {
                // What was not read is lost, and the peer shall know (RFC 9293 section 3.6.1, SHLD-3).
                if socket.options.aborts_on_close() || stream.unread() > 0 {
                    stream.abort(dataspace);
                }
                stream.cork(false, dataspace);
                if stream.is_lingering() {
                    self.lingering.push(*stream);
                } else {
                    stream.leave(dataspace);
                }
            }
        }
        Ok(())
    }
}
