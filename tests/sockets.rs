//! Sockets of the operating system carry a stack's datagrams: what is said on the bus meets other programs.

#[path = "common/namespace.rs"]
mod namespace;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Kernel};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use netmart::actors::address::{Address, Direction, LocalAddress};
use netmart::actors::message::{
    BindFailed, Bound, BoundPattern, ListenError, PortError, UdpDatagram, UdpError, UdpKey,
    UdpPattern,
};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart::net::UdpSocket;
use netmart::proto::wire::icmp::IcmpErrorKind;
use netmart::sockets::{Sockets, SocketsReport};
use netmart::stack::Stack;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;

/// How long anything may take before a test gives up; nothing waits for it otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

fn stack() -> Stack {
    Stack::builder().seed(1).sockets(Sockets::new()).start_on_own_thread().unwrap()
}

fn kernel(address: impl Into<IpAddr>) -> Kernel {
    let socket = Kernel::bind((address.into(), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A port that nobody holds, and that nobody gets who lets the system choose: those are above 32,768.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = (std::process::id() % 250) as u16 * 80;
    loop {
        let port = 12_000 + own + NEXT.fetch_add(1, Ordering::Relaxed) % 80;
        if Kernel::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

fn end(ip: impl Into<IpAddr>, port: u16) -> LocalAddress {
    LocalAddress(Address::new(ip.into(), port))
}

/// What an application has heard.
#[derive(Default)]
struct Story {
    datagrams: Vec<UdpDatagram>,
    errors: Vec<UdpError>,
}

/// An application that takes part in the datagrams of one end, and sends each back if it likes.
struct App {
    story: Arc<Mutex<Story>>,
    echoes: bool,
    /// What it sends when it starts.
    first: Vec<UdpDatagram>,
}

impl App {
    fn echo() -> Self {
        Self { story: Arc::default(), echoes: true, first: Vec::new() }
    }

    fn saying(first: Vec<UdpDatagram>) -> Self {
        Self { story: Arc::default(), echoes: false, first }
    }

    /// Enters `stack` and takes part in the datagrams of `local`; waits until that is bound.
    async fn at(self, local: LocalAddress, stack: &Stack) -> Arc<Mutex<Story>> {
        let story = self.enter(local, stack).await;
        let bound = BoundPattern::any().local(local);
        until(async || stack.with(move |space| space.facts::<Bound>(&bound).pop()).await.unwrap())
            .await;
        story
    }

    async fn enter(self, local: LocalAddress, stack: &Stack) -> Arc<Mutex<Story>> {
        let story = Arc::clone(&self.story);
        let of = move |direction| UdpPattern::any().direction(direction).local(local);
        let spawned = stack.with(move |space| {
            let app = Spawn::new("app", self)
                .subscribe::<UdpDatagram>(of(Direction::Inbound))
                .subscribe::<UdpError>(of(Direction::Inbound))
                .provide::<UdpDatagram>(of(Direction::Outbound));
            space.spawn(app)
        });
        spawned.await.unwrap();
        story
    }
}

impl Actor for App {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        for datagram in self.first.drain(..) {
            ctx.send(datagram);
        }
    }
}

impl Handler<UdpDatagram> for App {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        let datagram = message.take();
        if self.echoes {
            let key = UdpKey { direction: Direction::Outbound, ..datagram.key };
            ctx.send(UdpDatagram { key, ..datagram.clone() });
        }
        self.story.lock().unwrap().datagrams.push(datagram);
    }
}

impl Handler<UdpError> for App {
    fn handle(&mut self, message: Delivery<'_, UdpError>, _ctx: &mut Context<'_, Self>) {
        self.story.lock().unwrap().errors.push(message.take());
    }
}

async fn report(stack: &Stack) -> SocketsReport {
    stack.report().await.unwrap().sockets.unwrap()
}

/// Asks again and again until the answer is there.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < limit, "it never happened");
        tokio::task::yield_now().await;
    }
}

async fn bind_failure(stack: &Stack, local: LocalAddress) -> ListenError {
    App::echo().enter(local, stack).await;
    until(async || {
        let facts =
            stack.with(move |space| space.facts::<BindFailed>(&BoundPattern::any().local(local)));
        facts.await.unwrap().pop().map(|fact| fact.reason)
    })
    .await
}

#[tokio::test]
async fn an_application_on_the_bus_answers_both_versions_from_where_it_was_reached() {
    let stack = stack();
    let port = free_port();
    let story = App::echo().at(end(Ipv6Addr::UNSPECIFIED, port), &stack).await;
    let loops: [IpAddr; 3] = [
        Ipv4Addr::LOCALHOST.into(),
        Ipv4Addr::new(127, 0, 0, 9).into(),
        Ipv6Addr::LOCALHOST.into(),
    ];
    for ip in loops {
        let peer = kernel(if ip.is_ipv4() { loops[0] } else { ip });
        let mut buffer = [0; 64];
        for said in [&b"hello"[..], b""] {
            peer.send_to(said, (ip, port)).unwrap();
            let (len, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (said, SocketAddr::new(ip, port)));
        }
        let heard = story.lock().unwrap().datagrams.pop().unwrap();
        assert_eq!(heard.ip, Some(ip));
        assert_eq!(SocketAddr::from(heard.key.remote), peer.local_addr().unwrap());
    }
}

#[tokio::test]
async fn an_end_with_an_address_takes_its_share_from_the_one_without() {
    let stack = stack();
    let port = free_port();
    let of_all = App::echo().at(end(Ipv6Addr::UNSPECIFIED, port), &stack).await;
    let of_one = App::echo().at(end(Ipv4Addr::LOCALHOST, port), &stack).await;
    let peer = kernel(Ipv4Addr::LOCALHOST);
    for (ip, said) in [(1, b"one"), (2, b"all")] {
        let to = SocketAddr::from((Ipv4Addr::new(127, 0, 0, ip), port));
        peer.send_to(said, to).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (3, to));
    }
    assert_eq!(of_one.lock().unwrap().datagrams[0].payload, &b"one"[..]);
    assert_eq!(of_all.lock().unwrap().datagrams[0].payload, &b"all"[..]);
    assert_eq!(report(&stack).await.open, 1);
}

#[tokio::test]
async fn what_icmp_says_finds_the_end_that_sent() {
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let stack = stack();
        let local = end(Ipv6Addr::UNSPECIFIED, free_port());
        let nobody = SocketAddr::new(ip, free_port());
        let key = UdpKey { direction: Direction::Outbound, local, remote: nobody.into() };
        let first = vec![UdpDatagram { key, ip: None, payload: Bytes::from_static(b"hello?") }];
        let story = App::saying(first).at(local, &stack).await;
        let UdpError { key, error } = until(async || story.lock().unwrap().errors.pop()).await;
        assert_eq!(
            (key.local, key.remote, key.direction),
            (local, nobody.into(), Direction::Inbound)
        );
        let code = if ip.is_ipv4() { 3 } else { 4 };
        assert_eq!(error, IcmpErrorKind::Unreachable { code });
        assert_eq!(report(&stack).await.errors, 1);
    }
}

#[tokio::test]
async fn what_other_programs_hold_and_what_is_not_ours_cannot_be_bound() {
    let stack = stack();
    let other = kernel(Ipv4Addr::LOCALHOST);
    let port = other.local_addr().unwrap().port();
    let in_use = ListenError::Port(PortError::InUse);
    assert_eq!(bind_failure(&stack, end(Ipv6Addr::UNSPECIFIED, port)).await, in_use);
    assert_eq!(bind_failure(&stack, end(Ipv4Addr::LOCALHOST, port)).await, in_use);
    let elsewhere = end(Ipv4Addr::new(192, 0, 2, 1), free_port());
    assert_eq!(bind_failure(&stack, elsewhere).await, ListenError::NotLocal);
    assert_eq!(report(&stack).await.open, 0);
}

#[tokio::test]
async fn a_port_is_free_again_when_nobody_takes_part() {
    let stack = stack();
    let socket = UdpSocket::bind(&stack, "[::]:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let taken = Kernel::bind((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    drop(socket);
    until(async || Kernel::bind((Ipv4Addr::LOCALHOST, port)).ok()).await;
    assert_eq!(report(&stack).await.open, 0);
}

/// A thousand of ours and one of the kernel's need more descriptors than many shells allow.
fn allow_descriptors(count: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count.min(hard), hard).unwrap();
    }
}

#[tokio::test]
async fn a_thousand_ends_are_told_apart() {
    allow_descriptors(4096);
    let stack = stack();
    let peer = kernel(Ipv4Addr::LOCALHOST);
    let to = peer.local_addr().unwrap();
    let mut sockets = Vec::new();
    for _ in 0..1000 {
        sockets.push(UdpSocket::bind(&stack, "0.0.0.0:0").await.unwrap());
    }
    assert_eq!(report(&stack).await.open, 1000);
    for group in sockets.chunks(100) {
        for socket in group {
            let port = socket.local_addr().unwrap().port();
            socket.send_to(&port.to_be_bytes(), to).await.unwrap();
        }
        for _ in group {
            let mut buffer = [0; 2];
            let (_, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!(u16::from_be_bytes(buffer), from.port());
            peer.send_to(&buffer, from).unwrap();
        }
    }
    for socket in &sockets {
        let mut buffer = [0; 2];
        assert_eq!(socket.recv_from(&mut buffer).await.unwrap(), (2, to));
        assert_eq!(u16::from_be_bytes(buffer), socket.local_addr().unwrap().port());
    }
    drop(sockets);
    until(async || (report(&stack).await.open == 0).then_some(())).await;
}

#[tokio::test]
async fn of_a_burst_every_datagram_is_delivered_or_counted() {
    const BURST: u64 = 10_000;
    let stack = stack();
    let local = end(Ipv4Addr::LOCALHOST, free_port());
    let story = App::saying(Vec::new()).at(local, &stack).await;
    let peer = kernel(Ipv4Addr::LOCALHOST);
    for number in 0..BURST {
        let mut said = [0; 1000];
        said[..8].copy_from_slice(&number.to_be_bytes());
        peer.send_to(&said, SocketAddr::from(local)).unwrap();
    }
    let numbers = until(async || {
        let lost = report(&stack).await;
        let story = story.lock().unwrap();
        let whole = story.datagrams.len() as u64 + lost.lost + lost.overrun == BURST;
        whole.then(|| story.datagrams.iter().map(number).collect::<Vec<_>>())
    })
    .await;
    assert!(numbers.is_sorted(), "out of order");
    let different: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(different.len(), numbers.len());
    assert!(report(&stack).await.receive_calls < BURST, "one call for each");
}

fn number(datagram: &UdpDatagram) -> u64 {
    assert_eq!(datagram.payload.len(), 1000);
    u64::from_be_bytes(datagram.payload[..8].try_into().unwrap())
}

#[tokio::test]
async fn what_a_run_sends_to_one_end_leaves_in_few_calls_and_arrives_as_it_was() {
    let stack = stack();
    let peer = kernel(Ipv4Addr::LOCALHOST);
    let local = end(Ipv4Addr::UNSPECIFIED, free_port());
    let remote = peer.local_addr().unwrap().into();
    let key = UdpKey { direction: Direction::Outbound, local, remote };
    let sizes: Vec<usize> =
        (0..40).map(|_| 900).chain([7, 0, 5, 5, 4, 9_000, 9_000, 60_000]).collect();
    let payload = |(index, &size): (usize, &usize)| Bytes::from(vec![index as u8; size]);
    let payloads: Vec<Bytes> = sizes.iter().enumerate().map(payload).collect();
    let first =
        payloads.iter().map(|payload| UdpDatagram { key, ip: None, payload: payload.clone() });
    App::saying(first.collect()).at(local, &stack).await;
    let mut buffer = vec![0; 65_535];
    for payload in &payloads {
        let (len, _) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], payload);
    }
    let SocketsReport { sent, send_calls, .. } = report(&stack).await;
    assert_eq!(sent.packets, sizes.len() as u64);
    assert_eq!(sent.octets, sizes.iter().sum::<usize>() as u64);
    assert!(send_calls < 12, "{send_calls}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_and_counted() {
    let stack = stack();
    let socket = UdpSocket::bind(&stack, "127.0.0.1:0").await.unwrap();
    // Loopback does not lead there, and the port says that nobody can be meant.
    socket.send_to(b"nowhere", "192.0.2.1:9".parse::<SocketAddr>().unwrap()).await.unwrap();
    socket.send_to(b"nobody", "127.0.0.1:0".parse::<SocketAddr>().unwrap()).await.unwrap();
    let refused = until(async || {
        let report = stack.report().await.unwrap();
        let count = |reason| report.discards.get(&("sockets", reason)).copied();
        (report.sockets?.refused == 1 && count("port_zero") == Some(1)).then_some(())
    });
    refused.await;
}

#[test]
fn datagrams_longer_than_a_frame_arrive_all_the_same() {
    namespace::with_mtu(1500, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stack = stack();
            let peer = kernel(Ipv4Addr::LOCALHOST);
            let local = end(Ipv4Addr::UNSPECIFIED, free_port());
            let remote = peer.local_addr().unwrap().into();
            let key = UdpKey { direction: Direction::Outbound, local, remote };
            // The first run cannot be cut by the kernel, for none of its pieces fits a frame; the last can.
            let sizes: Vec<usize> = [4_080; 10].into_iter().chain([1_400; 10]).collect();
            let payload = |size: &usize| Bytes::from(vec![*size as u8; *size]);
            let first =
                sizes.iter().map(|size| UdpDatagram { key, ip: None, payload: payload(size) });
            App::saying(first.collect()).at(local, &stack).await;
            let mut buffer = vec![0; 65_535];
            for size in &sizes {
                assert_eq!(peer.recv_from(&mut buffer).unwrap().0, *size);
                assert_eq!(&buffer[..*size], payload(size));
            }
            let SocketsReport { refused, sent, send_calls, .. } = report(&stack).await;
            assert_eq!((refused, sent.packets), (0, 20));
            assert!((11..20).contains(&send_calls), "{send_calls}");
        });
    });
}

/// Two hundred datagrams within a run, where the kernel takes no more than some: what `backlog` lets wait
/// leaves when it can, in order; the rest is counted.
fn burst_over_a_slow_network(backlog: usize) -> Option<(SocketsReport, Vec<u8>)> {
    if !namespace::slow_down() {
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Some(runtime.block_on(async {
        let sockets = Sockets::new().buffer(50_000).backlog(backlog, 1 << 20);
        let stack = Stack::builder().seed(1).sockets(sockets).start_on_own_thread().unwrap();
        let peer = kernel(Ipv4Addr::LOCALHOST);
        setsockopt(&peer, RcvBufForce, &(1 << 20)).unwrap();
        let local = end(Ipv4Addr::UNSPECIFIED, free_port());
        let remote = peer.local_addr().unwrap().into();
        let key = UdpKey { direction: Direction::Outbound, local, remote };
        let payload = |number| Bytes::from(vec![number; 1000]);
        let first = (0..200).map(|number| UdpDatagram { key, ip: None, payload: payload(number) });
        // Before an end is bound only so many wait.
        App::saying(Vec::new()).at(local, &stack).await;
        App::saying(first.collect()).enter(local, &stack).await;
        let report = until(async || {
            let report = report(&stack).await;
            (report.sent.packets + report.dropped == 200).then_some(report)
        })
        .await;
        let mut buffer = [0; 2000];
        let receive = |_| {
            assert_eq!(peer.recv(&mut buffer).unwrap(), 1000);
            buffer[0]
        };
        (report, (0..report.sent.packets).map(receive).collect())
    }))
}

#[test]
fn what_the_kernel_does_not_take_leaves_when_it_does() {
    namespace::with_mtu(1500, || {
        let Some((report, numbers)) = burst_over_a_slow_network(1000) else { return };
        assert!(report.stalls > 0 && report.dropped == 0, "{report:?}");
        assert_eq!(numbers, (0..200).collect::<Vec<u8>>());
    });
}

#[test]
fn what_finds_no_room_meanwhile_is_dropped_and_counted() {
    namespace::with_mtu(1500, || {
        let Some((report, numbers)) = burst_over_a_slow_network(20) else { return };
        assert!(report.stalls > 0 && report.dropped > 0, "{report:?}");
        assert!(numbers.is_sorted() && numbers.len() >= 20, "{numbers:?}");
    });
}
