//! The socket under such a link: batches out and in, and what the network says.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use futures_util::Stream;
use netmart_actors::clock::instant;
use netmart_actors::link::Device;
use netmart_actors::message::LinkCapabilities;
use netmart_proto::wire::Packet;
use netmart_proto::wire::icmp::IcmpErrorKind;
use nix::sys::epoll::EpollFlags;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};

use super::peers::{Directory, Known, Peer, Peers};
use super::segment::{Outline, Segment, error_about};
use super::{INNER, OUTER_V4, OUTER_V6, UdpLink};
use crate::sockets::errors;
use crate::sockets::socket::{Incoming, NetworkError, Receiver, Socket};
use crate::sockets::watch::Watch;
use crate::stack::clock::Clock;

/// What both halves of the link share.
pub(crate) struct Carrier {
    socket: Socket,
    /// Made from the socket, so that nothing is fragmented.
    state: RefCell<UdpSocketState>,
    local: SocketAddr,
    mtu: u16,
    watch: Watch,
    clock: Clock,
    peers: RefCell<Peers>,
    directory: Arc<Directory>,
    receiver: RefCell<Receiver>,
    arena: RefCell<BytesMut>,
    /// What came and has not been handed over yet.
    arrived: RefCell<VecDeque<Packet>>,
    /// Wakes who hands it over.
    waker: RefCell<Option<Waker>>,
    is_full: Cell<bool>,
    /// What did not leave for other reasons than want of room, and what came and made no sense.
    refused: Arc<AtomicU64>,
}

/// The most packets that a link hands over at a time.
const BATCH: usize = 64;
/// Octets of the longest run that one call sends.
const LONGEST_RUN: usize = 65_000;
/// Octets set aside for headers at a time.
const ARENA: usize = 16 * 1024;
/// How often a call is made that fails because of an earlier datagram.
const TRIES: usize = 4;
/// Octets that an error about a segment brings back: enough for any TCP header.
const QUOTED: usize = 64;
/// Entries of the error queue that are read at a time.
const ERRORS: usize = 64;

impl Carrier {
    /// To be called within the tokio runtime of the host.
    pub(crate) fn new(link: UdpLink) -> io::Result<Rc<Self>> {
        let mtu = link.inner_mtu();
        let UdpLink { socket, local, peer, max_peers, directory, .. } = link;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let (watch, clock) = (Watch::new()?, Clock::start());
        watch.add(&socket, 0)?;
        let carrier = Self {
            socket,
            state: RefCell::new(state),
            local,
            mtu,
            watch,
            clock,
            peers: RefCell::new(Peers::new(max_peers)),
            directory,
            receiver: RefCell::new(Receiver::new()?),
            arena: RefCell::new(BytesMut::with_capacity(ARENA)),
            arrived: RefCell::default(),
            waker: RefCell::default(),
            is_full: Cell::new(false),
            refused: Arc::default(),
        };
        if let Some(peer) = peer {
            carrier.met(peer, local.ip(), true);
        }
        Ok(Rc::new(carrier))
    }

    pub(crate) fn capabilities(&self) -> LinkCapabilities {
        // Checksums are made here, of the outer addresses.
        LinkCapabilities { mtu: self.mtu, checksum_offload: true, gso_max: 0 }
    }

    pub(crate) fn refused(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.refused)
    }

    fn refuse(&self, packets: u64) {
        self.refused.fetch_add(packets, Ordering::Relaxed);
    }

    fn met(&self, real: SocketAddr, ours: IpAddr, opens: bool) -> Option<Peer> {
        let now = instant(self.clock.now());
        let (peer, known) = self.peers.borrow_mut().heard(real, ours, opens, now)?;
        if let Known::Now { gone } = known {
            self.directory.enter(peer, gone);
        }
        Some(peer)
    }

    // ------------------------------------------------------------------------------ inward

    fn read(&self) {
        let mut arrived = self.arrived.borrow_mut();
        let mut refused = 0;
        let received = self.socket.receive(&mut self.receiver.borrow_mut(), |incoming| match self
            .packet(incoming)
        {
            Some(packet) => arrived.push_back(packet),
            None => refused += 1,
        });
        drop(arrived);
        self.refuse(refused);
        match received {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if errors::is_belated(&error) => drop(self.read_errors()),
            Err(error) => tracing::debug!(%error, at = %self.local, "cannot receive"),
        }
    }

    fn packet(&self, Incoming { from, to, ecn, payload }: Incoming) -> Option<Packet> {
        let segment = Segment::of(payload)?;
        let ours = to.unwrap_or(self.local.ip());
        let peer = self.met(from.into(), ours, segment.opens())?;
        segment.into_packet(&mut self.arena.borrow_mut(), peer.inner, ecn)
    }

    /// Lets the stack know what the network said; tells what MTU a device of our own has, if that was it.
    fn read_errors(&self) -> Option<u32> {
        let mut own_mtu = None;
        for _ in 0..ERRORS {
            let Ok(Some(error)) = self.socket.next_error() else { break };
            let NetworkError { to: Some(to), kind: Some(kind), quote, .. } = error else {
                continue;
            };
            // What a device of our own says comes without what it is about.
            if let (IcmpErrorKind::PacketTooBig { mtu }, true) = (kind, quote.is_empty()) {
                own_mtu = Some(mtu);
            } else if let Some(peer) = self.peers.borrow().known(to.into()) {
                self.tell(&quote, peer, kind);
            }
        }
        own_mtu
    }

    fn tell(&self, segment: &[u8], peer: Peer, kind: IcmpErrorKind) {
        let kind = match kind {
            IcmpErrorKind::PacketTooBig { mtu } => {
                let outer = if peer.real.is_ipv4() { OUTER_V4 } else { OUTER_V6 };
                let inner = mtu.saturating_sub(outer.into()) + u32::from(INNER);
                IcmpErrorKind::PacketTooBig { mtu: inner }
            }
            // Port unreachable has another number in IPv6 (RFC 4443 section 3.1).
            IcmpErrorKind::Unreachable { code: 4 } if peer.real.is_ipv6() => {
                IcmpErrorKind::Unreachable { code: 3 }
            }
            kind => kind,
        };
        if let Some(packet) = error_about(segment, peer.inner, kind) {
            self.arrived.borrow_mut().push_back(packet);
        }
        let waker = self.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
    }

    // ------------------------------------------------------------------------------ outward

    /// Sends packets from the front of `packets` by one call; tells how many are done with.
    fn send(&self, packets: &VecDeque<Packet>, run: &mut BytesMut) -> io::Result<usize> {
        let Some(first) = packets.front().and_then(Outline::of) else {
            self.refuse(1);
            return Ok(1);
        };
        let Some(peer) = self.peers.borrow_mut().at(first.to) else {
            self.refuse(1);
            return Ok(1);
        };
        run.clear();
        let most = (LONGEST_RUN / first.len).clamp(1, self.state.borrow().max_gso_segments());
        let mut count = 0;
        for packet in packets.iter().take(most) {
            let Some(next) = Outline::of(packet) else { break };
            if (next.to, next.ecn) != (first.to, first.ecn) || next.len > first.len {
                break;
            }
            next.append(packet, peer.ours, peer.real.ip(), run);
            count += 1;
            if next.len < first.len {
                break;
            }
        }
        let transmit = Transmit {
            destination: self.socket.destination(peer.real.into()),
            ecn: first.ecn,
            contents: run,
            segment_size: (count > 1).then_some(first.len),
            src_ip: self.local.ip().is_unspecified().then_some(peer.ours),
        };
        let sent = self.state.borrow().try_send(UdpSockRef::from(&self.socket), &transmit);
        sent.map(|()| count)
    }

    /// The first of `packets` cannot be sent for this reason.
    fn give_up(&self, packet: Option<Packet>, error: &io::Error) {
        self.refuse(1);
        tracing::trace!(%error, "segment refused");
        let own_mtu = self.read_errors();
        if !quinn_udp::is_msg_size_err(error) {
            return;
        }
        // A run of such segments may have failed before, and runs have been given up for it.
        if let Ok(state) = UdpSocketState::new(UdpSockRef::from(&self.socket)) {
            *self.state.borrow_mut() = state;
        }
        if let (Some(mtu), Some(packet)) = (own_mtu, packet)
            && let Some(outline) = Outline::of(&packet)
            && let Some(peer) = self.peers.borrow_mut().at(outline.to)
        {
            let mut segment = BytesMut::new();
            outline.append(&packet, peer.ours, peer.real.ip(), &mut segment);
            segment.truncate(QUOTED);
            self.tell(&segment, peer, IcmpErrorKind::PacketTooBig { mtu });
        }
    }
}

/// The device of the link.
pub(crate) struct Writer {
    carrier: Rc<Carrier>,
    run: BytesMut,
}

impl Writer {
    pub(crate) fn new(carrier: Rc<Carrier>) -> Self {
        Self { carrier, run: BytesMut::new() }
    }
}

impl Device for Writer {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        let carrier = &*self.carrier;
        let mut tries = 0;
        while !packets.is_empty() && !carrier.is_full.get() {
            match carrier.send(packets, &mut self.run) {
                Ok(count) => {
                    tries = 0;
                    packets.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    carrier.is_full.set(true);
                    carrier.watch.for_room(&carrier.socket, 0, true);
                }
                Err(error) if tries < TRIES && is_worth_a_try(&error) => {
                    tries += 1;
                    carrier.read_errors();
                }
                Err(error) => {
                    tries = 0;
                    carrier.give_up(packets.pop_front(), &error);
                }
            }
        }
    }
}

/// Whether the error may be about an earlier datagram, or about several being sent by one call, which the
/// state of the socket gives up then.
fn is_worth_a_try(error: &io::Error) -> bool {
    let may_pass = errors::is_belated(error) || errors::is_about_cutting(error);
    may_pass && !quinn_udp::is_msg_size_err(error)
}

/// What such a link brings.
#[derive(Debug)]
pub(crate) enum Brought {
    /// Packets, a batch at most.
    Packets(Vec<Packet>),
    /// The socket takes datagrams again.
    Room,
}

/// What arrives, in batches. It never ends.
pub(crate) struct Arrivals(pub(crate) Rc<Carrier>);

impl Stream for Arrivals {
    type Item = Brought;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let carrier = &*self.0;
        let mut events = VecDeque::new();
        loop {
            let mut arrived = carrier.arrived.borrow_mut();
            if !arrived.is_empty() {
                let count = arrived.len().min(BATCH);
                return Poll::Ready(Some(Brought::Packets(arrived.drain(..count).collect())));
            }
            drop(arrived);
            *carrier.waker.borrow_mut() = Some(cx.waker().clone());
            if let Err(error) = ready!(carrier.watch.poll(cx, &mut events)) {
                tracing::error!(%error, "the link is not heard any more");
                return Poll::Ready(None);
            }
            while let Some(event) = events.pop_front() {
                if event.events().contains(EpollFlags::EPOLLERR) {
                    carrier.read_errors();
                }
                if event.events().contains(EpollFlags::EPOLLIN) {
                    carrier.read();
                }
                if event.events().contains(EpollFlags::EPOLLOUT) && carrier.is_full.replace(false) {
                    carrier.watch.for_room(&carrier.socket, 0, false);
                    return Poll::Ready(Some(Brought::Room));
                }
            }
        }
    }
}
