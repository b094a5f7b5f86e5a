//! The simulated program: system calls of a script, made through the bus of the stack under test.
//!
//! | module | its subject |
//! |---|---|
//! | [`stream`] | the program's end of one connection |
//! | [`sockets`] | socket, bind, listen, accept, connect, close |
//! | [`control`] | shutdown, fcntl, ioctl and what only asks |
//! | [`transfer`] | read, write and their kin |
//! | [`options`] | getsockopt and setsockopt |
//! | [`poll`] | poll and epoll |
//! | [`info`] | what `TCP_INFO` tells |
//! | [`census`] | the states of all connections, as `sockstat` and `tcpdrop` see them |
//! | [`errno`], [`value`] | errors and constants by name |

mod census;
mod control;
pub(super) mod errno;
mod info;
mod options;
mod poll;
mod sockets;
mod stream;
mod transfer;
mod value;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use netmart_actors::address::{Listener, Local};
use netmart_actors::message::{Channel, Connected, Terms};
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

    fn socket_at(&mut self, fd: i64) -> Result<Option<&mut Socket>, CallError> {
        match self.descriptors.get_mut(&fd) {
            Some(Descriptor::Socket(socket)) => Ok(Some(socket)),
            Some(_) => Err(CallError::unsupported("a descriptor that is no socket here")),
            None => Ok(None),
        }
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
