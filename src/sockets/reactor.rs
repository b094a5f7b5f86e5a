//! The sockets that are open: one epoll wakes the host for all of them, and what a run of the dataspace has
//! sent leaves when the run is over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::Stream;
use netmart_actors::address::{Address, Direction, LocalAddress, RemoteAddress};
use netmart_actors::link::Volume;
use netmart_actors::message::{ListenError, UdpDatagram, UdpError, UdpKey};
use netmart_proto::wire::icmp::IcmpErrorKind;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::errors::{self, Unsent};
use super::outbox::{Outbox, Outgoing};
use super::socket::{Incoming, Receiver, Reserved, Sender, Socket};
use super::watch::Watch;
use super::{Sockets, SocketsReport, lost};

/// What the sockets have to say to the dataspace.
#[derive(Debug)]
pub(crate) enum News {
    /// A datagram came.
    Datagram(UdpDatagram),
    /// A datagram did not get there.
    Error(UdpError),
    /// Datagrams were thrown away, for this reason.
    Discard(&'static str, u32),
}

/// All the sockets of a stack.
pub(crate) struct Reactor {
    config: Sockets,
    watch: Watch,
    /// By the name that epoll knows them by.
    sockets: RefCell<BTreeMap<u64, Rc<OpenSocket>>>,
    names: Cell<u64>,
    /// Ports that were chosen for somebody who has not bound them yet, oldest first.
    reserved: RefCell<VecDeque<(Instant, Reserved)>>,
    /// Those that have something to send.
    busy: RefCell<Vec<Rc<OpenSocket>>>,
    sender: RefCell<Sender>,
    receiver: RefCell<Receiver>,
    /// What sending has brought up.
    news: RefCell<Vec<News>>,
    counters: RefCell<SocketsReport>,
}

/// A socket and the ends that it serves.
#[derive(Debug)]
struct OpenSocket {
    name: u64,
    socket: Socket,
    bound: Address,
    /// Those bound to one address of a port, besides the one bound to all of them.
    ends: RefCell<Vec<LocalAddress>>,
    outbox: RefCell<Outbox>,
    /// It is among the busy ones.
    is_busy: Cell<bool>,
    /// The kernel takes no more at present; epoll tells when it does.
    is_full: Cell<bool>,
}

/// A bound end. Its socket is closed with the last of its ends.
#[derive(Debug)]
pub(crate) struct End {
    reactor: Rc<Reactor>,
    open: Rc<OpenSocket>,
    local: LocalAddress,
}

/// How long a port is kept for somebody who does not bind it: as long as the port allocator keeps it.
const RESERVED_FOR: Duration = Duration::from_secs(10);
/// The most ports that are kept so; the oldest lapses when there is one more.
const MOST_RESERVED: usize = 64;
/// Datagrams that are handed to the dataspace at a time, about.
const BATCH: usize = 256;
/// Datagrams that one socket collects within a run before they leave.
const COLLECTED: usize = 64;
/// How often a call is made that fails because of an earlier datagram.
const TRIES: usize = 4;
/// Entries of an error queue that are read at a time.
const ERRORS: usize = 64;

impl Reactor {
    /// No sockets yet. To be called within the tokio runtime of the host.
    pub(crate) fn open(config: Sockets) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            config,
            watch: Watch::new()?,
            sockets: RefCell::default(),
            names: Cell::new(0),
            reserved: RefCell::default(),
            busy: RefCell::default(),
            sender: RefCell::new(Sender::new()?),
            receiver: RefCell::new(Receiver::new()?),
            news: RefCell::default(),
            counters: RefCell::default(),
        }))
    }

    // ------------------------------------------------------------------------------ ends

    /// Binds the end `local`.
    pub(crate) fn bind(self: &Rc<Self>, local: LocalAddress) -> Result<End, ListenError> {
        let open = match self.shared(local.0) {
            Some(open) => {
                Socket::is_ours(local.0.ip).map_err(errors::not_bound)?;
                open
            }
            None => self.open_socket(local.0).map_err(errors::not_bound)?,
        };
        open.ends.borrow_mut().push(local);
        Ok(End { reactor: Rc::clone(self), open, local })
    }

    /// The socket that has the port on all addresses of `end`'s version: the kernel would not bind a second
    /// one beside it.
    fn shared(&self, end: Address) -> Option<Rc<OpenSocket>> {
        let sockets = self.sockets.borrow();
        let mut of_port = sockets.values().filter(|open| open.bound.port == end.port);
        let takes = |bound: IpAddr| {
            bound == end.ip || bound.is_unspecified() && (bound.is_ipv6() || end.ip.is_ipv4())
        };
        of_port.find(|open| takes(open.bound.ip)).map(Rc::clone)
    }

    fn open_socket(&self, bound: Address) -> Result<Rc<OpenSocket>, Errno> {
        let reserved = self.take_reserved(bound.port);
        let socket = Socket::bind(bound, reserved, self.config.buffer)?;
        let name = self.names.get();
        self.names.set(name + 1);
        self.watch.add(&socket, name)?;
        let outbox = Outbox::new(self.config.backlog_datagrams, self.config.backlog_octets);
        let open = Rc::new(OpenSocket {
            name,
            socket,
            bound,
            ends: RefCell::default(),
            outbox: RefCell::new(outbox),
            is_busy: Cell::new(false),
            is_full: Cell::new(false),
        });
        self.sockets.borrow_mut().insert(name, Rc::clone(&open));
        Ok(open)
    }

    /// Keeps `port` for whoever binds it next among us, if nobody on this machine holds it; tells whether.
    pub(crate) fn reserve(&self, port: u16) -> bool {
        let Some(port) = Reserved::port(port) else { return false };
        let mut reserved = self.reserved.borrow_mut();
        let lapsed = |(since, _): &(Instant, _)| since.elapsed() > RESERVED_FOR;
        while reserved.len() >= MOST_RESERVED || reserved.front().is_some_and(lapsed) {
            reserved.pop_front();
        }
        reserved.push_back((Instant::now(), port));
        true
    }

    fn take_reserved(&self, port: u16) -> Option<Reserved> {
        let mut reserved = self.reserved.borrow_mut();
        let index = reserved.iter().position(|(_, kept)| kept.number() == port)?;
        reserved.remove(index).map(|(_, kept)| kept)
    }

    fn close(&self, open: &OpenSocket) {
        // What was sent before the end was left is on its way.
        self.flush_socket(open);
        let left = open.outbox.borrow().len();
        self.counters.borrow_mut().dropped += left as u64;
        self.sockets.borrow_mut().remove(&open.name);
        self.busy.borrow_mut().retain(|busy| busy.name != open.name);
        self.watch.remove(&open.socket);
    }

    // ------------------------------------------------------------------------------ outward

    /// Sends what was posted since the last time, and tells what came of it.
    pub(crate) fn flush(&self) -> Vec<News> {
        for open in self.busy.take() {
            open.is_busy.set(false);
            self.flush_socket(&open);
        }
        self.news.take()
    }

    fn flush_socket(&self, open: &OpenSocket) {
        if open.is_full.get() {
            return;
        }
        let sender = &mut *self.sender.borrow_mut();
        let mut tries = 0;
        loop {
            let outbox = open.outbox.borrow();
            let run = outbox.run(sender.longest_run(), open.socket.longest_cut());
            let len = run.len();
            if len == 0 {
                return;
            }
            let sent = open.socket.send(sender, run);
            drop(outbox);
            match sent {
                Ok(()) => {
                    tries = 0;
                    self.sent(open, len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    open.is_full.set(true);
                    self.counters.borrow_mut().stalls += 1;
                    return self.watch.for_room(&open.socket, open.name, true);
                }
                // The next run is shorter.
                Err(error) if len > 1 && errors::is_about_cutting(&error) => {}
                Err(error) if tries < TRIES && errors::is_belated(&error) => {
                    tries += 1;
                    self.read_errors(open, &mut self.news.borrow_mut());
                }
                Err(error) => {
                    tries = 0;
                    self.not_sent(open, &error);
                }
            }
        }
    }

    fn sent(&self, open: &OpenSocket, count: usize) {
        let mut counters = self.counters.borrow_mut();
        let mut outbox = open.outbox.borrow_mut();
        counters.send_calls += 1;
        for datagram in std::iter::from_fn(|| outbox.pop()).take(count) {
            add(&mut counters.sent, datagram.payload.len());
        }
    }

    fn not_sent(&self, open: &OpenSocket, error: &io::Error) {
        let Some(Outgoing { local, to, .. }) = open.outbox.borrow_mut().pop() else { return };
        self.counters.borrow_mut().refused += 1;
        self.refused(local, to, Unsent::because(error, to.ip.is_ipv4()));
    }

    fn refused(&self, local: LocalAddress, to: Address, unsent: Unsent) {
        let mut news = self.news.borrow_mut();
        news.push(News::Discard(unsent.reason, 1));
        news.extend(unsent.error.map(|error| News::Error(udp_error(local, to, error))));
    }

    // ------------------------------------------------------------------------------ inward

    /// The name of the socket if it is the only one and waits for nothing but arrivals.
    fn only(&self) -> Option<u64> {
        let sockets = self.sockets.borrow();
        let (name, open) = sockets.first_key_value().filter(|_| sockets.len() == 1)?;
        (!open.is_full.get()).then_some(*name)
    }

    /// Deals with what epoll tells of the socket that it calls `name`; tells whether that was all there is.
    fn handle(&self, name: u64, flags: EpollFlags, news: &mut Vec<News>) -> bool {
        let Some(open) = self.sockets.borrow().get(&name).map(Rc::clone) else { return true };
        let mut is_all = true;
        if flags.contains(EpollFlags::EPOLLERR) {
            self.read_errors(&open, news);
            is_all = false;
        }
        if flags.contains(EpollFlags::EPOLLIN) {
            is_all &= self.read(&open, news);
        }
        if flags.contains(EpollFlags::EPOLLOUT) && open.is_full.replace(false) {
            self.watch.for_room(&open.socket, open.name, false);
            self.flush_socket(&open);
            news.append(&mut self.news.borrow_mut());
        }
        is_all
    }

    /// Reads once, and tells whether that was all there is.
    fn read(&self, open: &OpenSocket, news: &mut Vec<News>) -> bool {
        let receiver = &mut *self.receiver.borrow_mut();
        let (mut volume, mut nobody) = (Volume::default(), 0);
        let received = open.socket.receive(receiver, |incoming| {
            let Incoming { from, to, payload, .. } = incoming;
            add(&mut volume, payload.len());
            match open.reached_by(to) {
                Some(local) => {
                    let remote = RemoteAddress(from);
                    let key = UdpKey { direction: Direction::Inbound, local, remote };
                    news.push(News::Datagram(UdpDatagram { key, ip: to, payload }));
                }
                None => nobody += 1,
            }
        });
        if nobody > 0 {
            news.push(News::Discard("nobody", nobody));
        }
        match received {
            Ok(is_all) => {
                let mut counters = self.counters.borrow_mut();
                counters.receive_calls += 1;
                counters.received.packets += volume.packets;
                counters.received.octets += volume.octets;
                return is_all;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            // The call failed because of an earlier datagram; what came is still there.
            Err(error) if errors::is_belated(&error) => self.read_errors(open, news),
            Err(error) => tracing::debug!(%error, at = %open.bound, "cannot receive"),
        }
        false
    }

    fn read_errors(&self, open: &OpenSocket, news: &mut Vec<News>) {
        for _ in 0..ERRORS {
            let Ok(Some(error)) = open.socket.next_error() else { return };
            self.counters.borrow_mut().errors += 1;
            let local = open.reached_by(error.at).or_else(|| open.ends.borrow().first().copied());
            if let (Some(local), Some(to), Some(kind)) = (local, error.to, error.kind) {
                news.push(News::Error(udp_error(local, to, kind)));
            }
        }
    }

    // ------------------------------------------------------------------------------ numbers

    /// What the sockets have carried so far.
    pub(crate) fn report(&self) -> SocketsReport {
        let sockets = self.sockets.borrow();
        let losses = lost::by_inode();
        let inodes = sockets.values().map(|open| open.socket.inode());
        let lost = inodes.filter_map(|inode| losses.get(&inode)).sum();
        SocketsReport { open: sockets.len(), lost, ..*self.counters.borrow() }
    }

    /// The stack had no room for something that a socket told.
    pub(crate) fn overrun(&self) {
        self.counters.borrow_mut().overrun += 1;
    }
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl OpenSocket {
    /// The end that a datagram to `ip` is for: the one with that address before one with none.
    fn reached_by(&self, ip: Option<IpAddr>) -> Option<LocalAddress> {
        let ends = self.ends.borrow();
        let any_v4 = ip.is_none_or(|ip| ip.is_ipv4()).then_some(Ipv4Addr::UNSPECIFIED.into());
        let candidates = [ip, any_v4, Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))];
        let mut candidates = candidates.into_iter().flatten();
        candidates.find_map(|ip| ends.iter().find(|end| end.0.ip == ip).copied())
    }
}

impl End {
    /// Lets a datagram leave when the run is over.
    ///
    /// # Errors
    ///
    /// Why it is dropped.
    pub(crate) fn post(&self, datagram: UdpDatagram) {
        let UdpDatagram { key: UdpKey { remote: RemoteAddress(to), .. }, ip, payload } = datagram;
        let (reactor, open) = (&*self.reactor, &self.open);
        if to.port == 0 {
            return reactor.refused(self.local, to, Unsent::silently("port_zero"));
        }
        if to.ip.is_unspecified() {
            return reactor.refused(self.local, to, Unsent::silently("invalid_remote"));
        }
        if !open.socket.reaches(to.ip) {
            let error = Errno::ENETUNREACH.into();
            return reactor.refused(self.local, to, Unsent::because(&error, to.ip.is_ipv4()));
        }
        let own = (self.local.0 != open.bound).then_some(self.local.0.ip);
        let from = ip.or(own).filter(|ip| !ip.is_unspecified());
        let outgoing = Outgoing { local: self.local, to, from, payload };
        if open.outbox.borrow().is_full_for(&outgoing) {
            reactor.flush_socket(open);
        }
        if !open.outbox.borrow_mut().push(outgoing) {
            reactor.counters.borrow_mut().dropped += 1;
            return reactor.refused(self.local, to, Unsent::silently("backlog_full"));
        }
        if open.outbox.borrow().len() >= COLLECTED {
            return reactor.flush_socket(open);
        }
        if !open.is_busy.replace(true) {
            reactor.busy.borrow_mut().push(Rc::clone(open));
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut ends = self.open.ends.borrow_mut();
        if let Some(index) = ends.iter().position(|end| *end == self.local) {
            ends.swap_remove(index);
        }
        let is_last = ends.is_empty();
        drop(ends);
        if is_last {
            self.reactor.close(&self.open);
        }
    }
}

fn udp_error(local: LocalAddress, to: Address, error: IcmpErrorKind) -> UdpError {
    let remote = RemoteAddress(to);
    UdpError { key: UdpKey { direction: Direction::Inbound, local, remote }, error }
}

fn add(volume: &mut Volume, octets: usize) {
    volume.packets += 1;
    volume.octets += octets as u64;
}

/// What the sockets bring, in batches.
pub(crate) struct Arrivals {
    reactor: Rc<Reactor>,
    /// What epoll has told and nobody has looked after yet.
    events: VecDeque<EpollEvent>,
    /// Where something came the last time.
    last: Option<u64>,
    /// Where to look first when we are woken.
    guess: Option<u64>,
}

impl Arrivals {
    pub(crate) fn of(reactor: Rc<Reactor>) -> Self {
        Self { reactor, events: VecDeque::new(), last: None, guess: None }
    }
}

impl Arrivals {
    /// Deals with what is known to be ready, about as much as makes a batch; tells whether that was all.
    fn deal(&mut self, news: &mut Vec<News>) -> bool {
        let mut is_all = true;
        while news.len() < BATCH
            && let Some(event) = self.events.pop_front()
        {
            if event.events().contains(EpollFlags::EPOLLIN) {
                self.last = Some(event.data());
            }
            is_all &= self.reactor.handle(event.data(), event.events(), news);
        }
        is_all && self.events.is_empty()
    }

    /// Waits until something is ready, and deals with it.
    fn poll_ready(&mut self, cx: &mut Context<'_>, news: &mut Vec<News>) -> Poll<io::Result<()>> {
        let reactor = Rc::clone(&self.reactor);
        if let Some(name) = reactor.only() {
            // There is but one place to look, and looking there tells all.
            let told = ready!(reactor.watch.poll_woken(cx))?;
            let is_all = reactor.handle(name, EpollFlags::EPOLLIN, news);
            if is_all {
                told.dealt_with();
            }
            if is_all || !news.is_empty() {
                return Poll::Ready(Ok(()));
            }
        } else if let Some(name) = self.guess {
            // Most of the time more comes where something came before. Epoll is asked when that is answered.
            let _told = ready!(reactor.watch.poll_woken(cx))?;
            self.guess = None;
            reactor.handle(name, EpollFlags::EPOLLIN, news);
            if !news.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        let Poll::Ready(told) = reactor.watch.poll(cx, &mut self.events) else {
            self.guess = self.last;
            return Poll::Pending;
        };
        let told = told?;
        if self.deal(news) {
            told.dealt_with();
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream for Arrivals {
    type Item = Vec<News>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut news = Vec::new();
        this.deal(&mut news);
        while news.is_empty() {
            if let Err(error) = ready!(this.poll_ready(cx, &mut news)) {
                tracing::error!(%error, "sockets are not heard any more");
                return Poll::Ready(None);
            }
        }
        Poll::Ready(Some(news))
    }
}
