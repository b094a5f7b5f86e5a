//! The simulated program: system calls of a script, made through the bus of the stack under test.
//!
//! | module | its subject |
//! |---|---|
//! | [`stream`] | the program's end of one connection |
//! | [`transfer`] | read, write and their kin |
//! | [`options`] | getsockopt and setsockopt |
//! | [`poll`] | poll and epoll |
//! | [`info`] | what `TCP_INFO` tells |
//! | [`census`] | the states of all connections, as `sockstat` and `tcpdrop` see them |
//! | [`errno`], [`value`] | errors and constants by name |

mod census;
pub(super) mod errno;
mod info;
mod options;
mod poll;
mod stream;
mod transfer;
mod value;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use netmart_actors::address::{HandleId, Listener, Local};
use netmart_actors::message::{
    Channel, Connected, ConnectionKey, ListenFailed, ListenerKey, Terms,
};
use netmart_bus::{ActorId, Handle, Time};
use netmart_proto::tcp;

pub(super) use self::census::name_of as state_name;
pub(super) use self::errno::{Errno, agree};
use self::options::SocketOptions;
use self::poll::Epoll;
use self::stream::{Phase, Stream};
use self::value::{has, number};
use super::ast::{Expression, Syscall};
use super::ear::{self, Heard};
use super::settings::Settings;
use super::world::{Addresses, Stuck, World};

/// Whose habits a script expects where systems differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Those of FreeBSD.
    FreeBsd,
    /// Those of Linux.
    Linux,
}

/// Why a call could not be made as the script writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// It needs something that this program or the stack does not have.
    #[error("needs {0}")]
    Unsupported(String),
    /// It makes no sense.
    #[error("{0}")]
    Bad(String),
    /// The stack runs in circles.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

impl CallError {
    fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    fn bad(what: impl Into<String>) -> Self {
        Self::Bad(what.into())
    }

    fn needs_name(name: &str) -> Self {
        Self::Unsupported(format!("the constant {name}"))
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It returned.
    Returned(Returned),
    /// It waits; there is something to look at again no later than at this moment.
    Blocked(Option<Time>),
}

/// What a call returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Returned {
    /// The value.
    pub(super) value: i64,
    /// The error, with a value of -1.
    pub(super) errno: Option<Errno>,
    /// What it wrote elsewhere and the script expects otherwise.
    pub(super) faults: Vec<String>,
}

impl Outcome {
    fn value(value: i64) -> Self {
        Self::Returned(Returned { value, ..Returned::default() })
    }

    fn error(errno: Errno) -> Self {
        Self::Returned(Returned { value: -1, errno: Some(errno), ..Returned::default() })
    }

    fn with_faults(value: i64, faults: Vec<String>) -> Self {
        Self::Returned(Returned { value, errno: None, faults })
    }
}

type Call = Result<Outcome, CallError>;

/// A program with its descriptors, and the stack below it.
pub(super) struct Process {
    pub(super) world: World,
    pub(super) settings: Settings,
    addresses: Addresses,
    v6: bool,
    descriptors: BTreeMap<i64, Descriptor>,
    /// Connections whose program has gone, with octets that the stack has not taken yet.
    lingering: Vec<Stream>,
    next_handle: u64,
    census: Heard<Channel>,
    /// The connection that `TCP_INFO` is about: the one made last.
    latest: Option<i64>,
    /// Descriptors on which a write waits that has handed over its octets.
    writing: BTreeSet<i64>,
}

/// What a descriptor stands for.
enum Descriptor {
    Socket(Box<Socket>),
    Epoll(Epoll),
    /// Something that exists and does nothing, such as a file.
    Inert,
}

/// A stream socket.
struct Socket {
    nonblocking: bool,
    options: SocketOptions,
    bound: Option<SocketAddr>,
    role: Role,
    /// Whether connect has told that the connection is made.
    told: bool,
}

enum Role {
    Idle,
    Listening(ListeningEnd),
    Stream(Box<Stream>),
}

/// A listener, and the connections that wait to be accepted.
struct ListeningEnd {
    listener: Listener,
    door: ActorId,
    terms: Option<Handle>,
    heard: Heard<Connected>,
    ready: VecDeque<Stream>,
}

/// The port that a script's `bind` and `connect` mean unless they say otherwise.
const PORT: u16 = 8080;

impl Process {
    /// A program on a stack with these settings.
    pub(super) fn new(settings: Settings, addresses: Addresses, v6: bool) -> Self {
        let mut world = World::new(&settings.stack, &addresses, settings.mtu);
        let census = Heard::default();
        world.dataspace.spawn(ear::census(&census));
        Self {
            world,
            settings,
            addresses,
            v6,
            descriptors: BTreeMap::new(),
            lingering: Vec::new(),
            next_handle: 1,
            census,
            latest: None,
            writing: BTreeSet::new(),
        }
    }

    /// Lets the stack and the program work until neither has anything left to do at this moment.
    ///
    /// # Errors
    ///
    /// [`Stuck`] if there is no end to it.
    pub(super) fn settle(&mut self) -> Result<(), Stuck> {
        loop {
            self.world.run()?;
            if !self.pump() {
                return Ok(());
            }
        }
    }

    /// Takes in what the stack has said; tells whether it said anything.
    fn pump(&mut self) -> bool {
        let dataspace = &mut self.world.dataspace;
        let mut news = false;
        for descriptor in self.descriptors.values_mut() {
            let Descriptor::Socket(socket) = descriptor else { continue };
            match &mut socket.role {
                Role::Idle => {}
                Role::Stream(stream) => news |= stream.hear(dataspace),
                Role::Listening(end) => {
                    for connected in end.heard.take() {
                        news = true;
                        let flavour = self.settings.flavour;
                        end.ready.push_back(Stream::claim(&connected, flavour, dataspace));
                    }
                    end.ready.iter_mut().for_each(|stream| news |= stream.hear(dataspace));
                }
            }
        }
        for stream in &mut self.lingering {
            news |= stream.hear(dataspace);
        }
        let (stay, go): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.lingering).into_iter().partition(Stream::is_lingering);
        self.lingering = stay;
        news |= !go.is_empty();
        go.into_iter().for_each(|stream| stream.leave(dataspace));
        news
    }

    /// The number that an expression stands for.
    ///
    /// # Errors
    ///
    /// If it stands for none.
    pub(super) fn number(&self, expression: &Expression) -> Result<i64, CallError> {
        number(expression, self.flavour())
    }

    /// Whether a socket listens on this port.
    pub(super) fn is_listening(&self, port: u16) -> bool {
        self.descriptors.values().any(|descriptor| match descriptor {
            Descriptor::Socket(socket) => match &socket.role {
                Role::Listening(end) => end.listener.port == port,
                _ => false,
            },
            _ => false,
        })
    }

    /// The port that the socket of a descriptor is bound to.
    pub(super) fn bound_port(&self, fd: i64) -> Option<u16> {
        match self.descriptors.get(&fd)? {
            Descriptor::Socket(socket) => socket.bound.map(|bound| bound.port()),
            _ => None,
        }
    }

    // ----------------------------------------------------------------------------- calls

    /// Makes a call, or looks again at one that has blocked since `began`.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn call(&mut self, call: &Syscall, began: Option<Time>) -> Call {
        self.settle()?;
        let outcome = self.dispatch(call, began)?;
        self.settle()?;
        Ok(outcome)
    }

    fn dispatch(&mut self, call: &Syscall, began: Option<Time>) -> Call {
        let first = began.is_none();
        match call.name.as_str() {
            "socket" => self.socket(call),
            "bind" => self.bind(call),
            "listen" => self.listen(call),
            "accept" | "accept4" => self.accept(call),
            "connect" => self.connect(call, first),
            "close" => self.close(call),
            "shutdown" => self.shutdown(call),
            "fcntl" => self.fcntl(call),
            "ioctl" => self.ioctl(call),
            "getsockopt" => self.getsockopt(call),
            "setsockopt" => self.setsockopt(call),
            "getsockname" | "getpeername" => self.name(call),
            "poll" => self.poll(call, began),
            "epoll_create" | "epoll_create1" => self.epoll_create(call),
            "epoll_ctl" => self.epoll_ctl(call),
            "epoll_wait" | "epoll_pwait" => self.epoll_wait(call, began),
            "read" | "recv" | "recvfrom" | "recvmsg" | "readv" => self.receive(call),
            "write" | "send" | "sendto" | "sendmsg" | "writev" => self.send(call, first),
            "open" | "pipe" | "dup" => self.open_inert(call),
            other => Err(CallError::unsupported(format!("the system call {other}"))),
        }
    }

    fn flavour(&self) -> Flavour {
        self.settings.flavour
    }

    /// Argument `index` as a number.
    fn argument(&self, call: &Syscall, index: usize) -> Result<i64, CallError> {
        let missing = || CallError::bad(format!("{} has too few arguments", call.name));
        number(call.arguments.get(index).ok_or_else(missing)?, self.flavour())
    }

    fn descriptor_of(&self, call: &Syscall) -> Result<i64, CallError> {
        self.argument(call, 0)
    }

    /// The descriptor that the script expects a call to return.
    fn expected_descriptor(&self, call: &Syscall) -> Result<i64, CallError> {
        let wanted = number(&call.result, self.flavour())?;
        let taken = self.descriptors.contains_key(&wanted);
        if wanted >= 0 && taken {
            return Err(CallError::bad(format!("descriptor {wanted} is in use")));
        }
        // A script that expects an error gets a number that shows the difference.
        Ok(if wanted >= 0 { wanted } else { self.descriptors.keys().last().map_or(3, |fd| fd + 1) })
    }

    fn socket(&mut self, call: &Syscall) -> Call {
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

    fn socket_at(&mut self, fd: i64) -> Result<Option<&mut Socket>, CallError> {
        match self.descriptors.get_mut(&fd) {
            Some(Descriptor::Socket(socket)) => Ok(Some(socket)),
            Some(_) => Err(CallError::unsupported("a descriptor that is no socket here")),
            None => Ok(None),
        }
    }

    /// An address that an argument gives, or the usual one.
    fn address_of(
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

    fn bind(&mut self, call: &Syscall) -> Call {
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

    fn listen(&mut self, call: &Syscall) -> Call {
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

    fn accept(&mut self, call: &Syscall) -> Call {
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

    fn connect(&mut self, call: &Syscall, first: bool) -> Call {
        let fd = self.descriptor_of(call)?;
        let remote = self.address_of(call.arguments.get(1), self.addresses.of(self.v6).1)?;
        let (settings, flavour) = (self.settings.clone(), self.flavour());
        let handle = self.next_handle;
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
        let connection = ConnectionKey::outbound(handle, remote);
        let mtu = settings.mtu;
        let mut terms = socket.options.terms(Local::Handle(HandleId(handle)), &settings, mtu);
        terms.ip = socket.bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified());
        terms.port = socket.bound.map(|bound| bound.port()).filter(|port| *port != 0);
        let nonblocking = socket.nonblocking;
        let stream = Stream::dial(connection, terms, flavour, &mut self.world.dataspace);
        self.next_handle += 1;
        self.latest = Some(fd);
        if let Some(socket) = self.socket_at(fd)? {
            socket.role = Role::Stream(Box::new(stream));
        }
        self.settle()?;
        let Some(stream) = self.stream_at(fd) else { return Ok(Outcome::error("EBADF")) };
        Ok(match stream.phase() {
            Phase::Over => Outcome::error(stream.take_error().unwrap_or("ECONNABORTED")),
            _ if nonblocking => Outcome::error("EINPROGRESS"),
            _ => Outcome::Blocked(None),
        })
    }

    fn stream_at(&mut self, fd: i64) -> Option<&mut Stream> {
        match self.descriptors.get_mut(&fd) {
            Some(Descriptor::Socket(socket)) => match &mut socket.role {
                Role::Stream(stream) => Some(stream),
                _ => None,
            },
            _ => None,
        }
    }

    fn close(&mut self, call: &Syscall) -> Call {
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

    fn shutdown(&mut self, call: &Syscall) -> Call {
        let (fd, how) = (self.descriptor_of(call)?, self.argument(call, 1)?);
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else {
            return Ok(Outcome::error("EBADF"));
        };
        let Role::Stream(stream) = &mut socket.role else {
            return Ok(Outcome::error("ENOTCONN"));
        };
        if stream.phase() != Phase::Connected {
            return Ok(Outcome::error("ENOTCONN"));
        }
        let dataspace = &mut self.world.dataspace;
        match how {
            0 => stream.shut_read(dataspace),
            1 => stream.shut_write(dataspace),
            2 => {
                stream.shut_read(dataspace);
                stream.shut_write(dataspace);
            }
            _ => return Ok(Outcome::error("EINVAL")),
        }
        Ok(Outcome::value(0))
    }

    fn fcntl(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let flavour = self.flavour();
        let command = call.arguments.get(1).and_then(Expression::as_symbol).unwrap_or_default();
        let value = match call.arguments.get(2) {
            Some(value) => number(value, flavour)?,
            None => 0,
        };
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        let nonblock = value::constant("O_NONBLOCK", flavour).unwrap_or(0);
        match command {
            "F_GETFL" => Ok(Outcome::value(2 | if socket.nonblocking { nonblock } else { 0 })),
            "F_SETFL" => {
                socket.nonblocking = value & nonblock != 0;
                Ok(Outcome::value(0))
            }
            "F_GETFD" | "F_SETFD" => Ok(Outcome::value(0)),
            other => Err(CallError::unsupported(format!("fcntl {other}"))),
        }
    }

    fn ioctl(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let request = call.arguments.get(1).and_then(Expression::as_symbol).unwrap_or_default();
        let expected = call.arguments.get(2).cloned();
        if self.socket_at(fd)?.is_none() {
            return Ok(Outcome::error("EBADF"));
        }
        if request == "FIONBIO" {
            let on = expected.as_ref().map_or(Ok(0), |value| self.first_number(value))?;
            if let Some(socket) = self.socket_at(fd)? {
                socket.nonblocking = on != 0;
            }
            return Ok(Outcome::value(0));
        }
        let info = self.inquire(fd)?;
        let (unread, queued) =
            self.stream_at(fd).map_or((0, 0), |stream| (stream.unread(), stream.queued()));
        let value = match request {
            "SIOCINQ" | "FIONREAD" => unread + info.as_ref().map_or(0, |i| i.receive_buffered),
            "SIOCOUTQ" | "TIOCOUTQ" | "FIONWRITE" => {
                queued + info.as_ref().map_or(0, |i| i.send_buffered)
            }
            "SIOCOUTQNSD" => {
                let unsent = |i: &tcp::Info| i.send_buffered.saturating_sub(i.outstanding as usize);
                queued + info.as_ref().map_or(0, unsent)
            }
            other => return Err(CallError::unsupported(format!("ioctl {other}"))),
        };
        self.out_number(expected.as_ref(), value as i64, request)
    }

    /// The number in `[5]`, or the value itself.
    fn first_number(&self, value: &Expression) -> Result<i64, CallError> {
        match value {
            Expression::List(items) => {
                items.first().map_or(Ok(0), |item| number(item, self.flavour()))
            }
            other => number(other, self.flavour()),
        }
    }

    /// Success with a number written where the script expects one.
    fn out_number(&self, expected: Option<&Expression>, actual: i64, what: &str) -> Call {
        let mut faults = Vec::new();
        if let Some(expected) = expected.filter(|expected| !is_open(expected)) {
            let wanted = self.first_number(expected)?;
            if wanted != actual {
                faults.push(format!("{what}: expected {wanted}, actual {actual}"));
            }
        }
        Ok(Outcome::with_faults(0, faults))
    }

    fn name(&mut self, call: &Syscall) -> Call {
        let fd = self.descriptor_of(call)?;
        let peer = call.name == "getpeername";
        let Some(socket) = self.socket_at(fd)? else { return Ok(Outcome::error("EBADF")) };
        let name = match (&socket.role, peer) {
            (Role::Stream(stream), true) if stream.phase() == Phase::Connected => {
                Some(stream.remote())
            }
            (Role::Stream(stream), false) => stream.local().or(socket.bound),
            (_, true) => None,
            (_, false) => socket.bound,
        };
        Ok(match name {
            None if peer => Outcome::error("ENOTCONN"),
            _ => Outcome::value(0),
        })
    }

    fn open_inert(&mut self, call: &Syscall) -> Call {
        if call.name != "open" {
            return Err(CallError::unsupported(format!("the system call {}", call.name)));
        }
        let fd = self.expected_descriptor(call)?;
        self.descriptors.insert(fd, Descriptor::Inert);
        Ok(Outcome::value(fd))
    }

    /// What the stack knows of the connection of a descriptor; nothing once it has ended.
    fn inquire(&mut self, fd: i64) -> Result<Option<tcp::Info>, CallError> {
        let Some(Descriptor::Socket(socket)) = self.descriptors.get_mut(&fd) else {
            return Ok(None);
        };
        let Role::Stream(stream) = &mut socket.role else { return Ok(None) };
        if stream.phase() == Phase::Over {
            return Ok(None);
        }
        stream.inquire(&mut self.world.dataspace);
        self.settle()?;
        Ok(self.stream_at(fd).and_then(|stream| stream.info().cloned()))
    }
}

/// Whether a script leaves a value open.
fn is_open(expression: &Expression) -> bool {
    match expression {
        Expression::Ellipsis => true,
        Expression::List(items) => matches!(items.as_slice(), [Expression::Ellipsis]),
        _ => false,
    }
}

/// What a listener or a connection of `local` shall be like.
fn terms_for(local: Local, config: tcp::Config, max_segment: Option<u16>) -> Terms {
    Terms { tcp: Some(Rc::new(config)), max_segment, ..Terms::of(local) }
}
