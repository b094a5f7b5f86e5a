//! TCP segments in UDP datagrams: stacks that reach each other without a TUN device.

#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/namespace.rs"]
mod namespace;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket as Kernel};
use std::time::Duration;

use loopback::own_address;
use netmart::link::udp::{FIRST_PEER, UdpLink, UdpLinkError, UdpPeers};
use netmart::net::{TcpListener, TcpStream};
use netmart::proto::netem::{self, Loss, Reordering};
use netmart::stack::{Link, LinkReport, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PORT: u16 = 80;

fn start(link: Link) -> Stack {
    Stack::builder().seed(1).link(link).start_on_own_thread().unwrap()
}

/// A stack that hears everybody on `address`, with a listener; and where its socket is.
async fn server(address: &str) -> (Stack, TcpListener, SocketAddr, UdpPeers) {
    let link = UdpLink::at(address.parse().unwrap()).unwrap();
    let (at, peers) = (link.local_addr(), link.peers());
    let stack = start(Link::udp(link));
    let listener = TcpListener::bind(&stack, (Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
    (stack, listener, at, peers)
}

async fn connect(stack: &Stack) -> std::io::Result<TcpStream> {
    TcpStream::connect(stack, (FIRST_PEER, PORT)).await
}

fn octets(seed: u8, len: usize) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Sends `len` octets each way at once, and compares.
async fn exchange(ours: TcpStream, theirs: TcpStream, len: usize) {
    let side = async |stream: TcpStream, seed: u8| {
        let (mut reader, mut writer) = stream.into_split();
        let said = octets(seed, len);
        let write = async {
            writer.write_all(&said).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let read = async {
            let mut heard = Vec::new();
            reader.read_to_end(&mut heard).await.unwrap();
            assert!(heard == octets(seed ^ 1, len), "something else arrived");
        };
        tokio::join!(write, read);
    };
    tokio::join!(side(ours, 0), side(theirs, 1));
}

async fn link_report(stack: &Stack) -> LinkReport {
    *stack.report().await.unwrap().links.values().next().unwrap()
}

#[tokio::test]
async fn streams_go_both_ways_over_either_version() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let (server, listener, at, peers) = server(address).await;
        let to = match at.ip().is_unspecified() {
            true => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), at.port()),
            false => at,
        };
        let link = UdpLink::to(to).unwrap();
        let from = link.local_addr();
        let client = start(Link::udp(link));
        let (ours, theirs) = tokio::join!(connect(&client), listener.accept());
        let (theirs, peer) = theirs.unwrap();
        assert_eq!(peers.real(peer.ip()), Some(from));
        exchange(ours.unwrap(), theirs, 1 << 20).await;
        let report = link_report(&server).await;
        assert_eq!((report.refused, report.dropped.packets), (0, 0), "{address}");
    }
}

#[tokio::test]
async fn two_peers_behind_one_address_are_told_apart_even_with_the_same_ports() {
    let (_server, listener, at, _) = server("127.0.0.1:0").await;
    let mut pairs = Vec::new();
    for _ in 0..2 {
        // The same seed chooses the same port.
        let client = start(Link::udp(UdpLink::to(at).unwrap()));
        let (ours, theirs) = tokio::join!(connect(&client), listener.accept());
        pairs.push((client, ours.unwrap(), theirs.unwrap()));
    }
    let peers: Vec<SocketAddr> = pairs.iter().map(|(.., (_, peer))| *peer).collect();
    assert_eq!(peers[0].port(), peers[1].port());
    assert_ne!(peers[0].ip(), peers[1].ip());
    let exchanges = pairs.into_iter().map(|(client, ours, (theirs, _))| async {
        exchange(ours, theirs, 100_000).await;
        drop(client);
    });
    futures_util::future::join_all(exchanges).await;
}

#[tokio::test]
async fn segments_from_elsewhere_do_not_touch_a_living_connection() {
    let (server, listener, at, _) = server("127.0.0.1:0").await;
    let link = UdpLink::to(at).unwrap();
    let client = start(Link::udp(link));
    let (ours, theirs) = tokio::join!(connect(&client), listener.accept());
    let (theirs, peer) = theirs.unwrap();
    let stranger = Kernel::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A reset and an acknowledgement with the connection's own ports, in windows of a quarter of all numbers.
    let segment = |seq: u32, flags: u8| {
        let mut segment = [0; 20];
        segment[..2].copy_from_slice(&peer.port().to_be_bytes());
        segment[2..4].copy_from_slice(&PORT.to_be_bytes());
        segment[4..8].copy_from_slice(&seq.to_be_bytes());
        segment[12..14].copy_from_slice(&[5 << 4, flags]);
        segment
    };
    const RST: u8 = 4;
    const ACK: u8 = 16;
    for seq in (0..4).map(|quarter| quarter << 30) {
        stranger.send_to(&segment(seq, RST), at).unwrap();
    }
    stranger.send_to(&segment(1, ACK), at).unwrap();
    // To the stranger it is a connection that does not exist, and the answer goes to the stranger.
    let mut answer = [0; 100];
    let (len, from) = stranger.recv_from(&mut answer).unwrap();
    assert_eq!((len, from, answer[13] & RST), (20, at, RST));
    exchange(ours.unwrap(), theirs, 100_000).await;
    assert_eq!(link_report(&server).await.refused, 0);
}

#[tokio::test]
async fn what_is_no_segment_is_refused_and_counted() {
    let (server, _listener, at, _) = server("127.0.0.1:0").await;
    let stranger = Kernel::bind("127.0.0.1:0").unwrap();
    for len in [0, 1, 19, 40] {
        stranger.send_to(&vec![0; len], at).unwrap();
    }
    while link_report(&server).await.refused < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(link_report(&server).await.received.packets, 0);
}

#[tokio::test]
async fn nobody_there_means_refused() {
    // Nobody else binds at an address of our own.
    let nobody = Kernel::bind((own_address(), 0)).unwrap().local_addr().unwrap();
    let client = start(Link::udp(UdpLink::to(nobody).unwrap()));
    let error = connect(&client).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable),
        "{error:?}"
    );
}

#[test]
fn what_cannot_be_bound_or_reached_is_an_error() {
    let other = Kernel::bind("127.0.0.1:0").unwrap();
    let error = UdpLink::at(other.local_addr().unwrap()).unwrap_err();
    assert!(matches!(error, UdpLinkError::NotBound { .. }), "{error:?}");
    assert!(error.to_string().ends_with("the port is in use"), "{error}");
    let error = UdpLink::to("255.255.255.255:9".parse().unwrap()).unwrap_err();
    assert!(matches!(error, UdpLinkError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_bad_network_behind_the_link_is_survived_and_counted() {
    let (_server, listener, at, _) = server("127.0.0.1:0").await;
    let network = netem::Config {
        loss: Loss::Independent(0.05),
        duplication: 0.05,
        reordering: Reordering { probability: 0.05, extra: Duration::from_millis(2) },
        delay: Duration::from_micros(200),
        ..Default::default()
    };
    let link = Link::udp(UdpLink::to(at).unwrap().mtu(1500)).impaired(network, 7);
    let client = start(link);
    let (ours, theirs) = tokio::join!(connect(&client), listener.accept());
    exchange(ours.unwrap(), theirs.unwrap().0, 1 << 20).await;
    let counters = link_report(&client).await.impaired.unwrap();
    assert!(counters.lost > 0 && counters.duplicated > 0 && counters.reordered > 0, "{counters:?}");
}

#[test]
fn a_path_that_carries_less_than_was_said_is_found_out() {
    namespace::with_mtu(1200, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let at = UdpLink::at("127.0.0.1:0".parse().unwrap()).unwrap();
            let to = at.local_addr();
            let server = start(Link::udp(at.mtu(1500)));
            let listener = TcpListener::bind(&server, (Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
            let client = start(Link::udp(UdpLink::to(to).unwrap().mtu(1500)));
            let (ours, theirs) = tokio::join!(connect(&client), listener.accept());
            exchange(ours.unwrap(), theirs.unwrap().0, 1 << 20).await;
            // Some segments were too long; what followed was not.
            let LinkReport { refused, sent, .. } = link_report(&client).await;
            assert!((1..100).contains(&refused), "{refused}");
            assert!(sent.packets > 900, "{sent:?}");
        });
    });
}

#[test]
fn a_link_whose_socket_is_full_goes_on_when_it_has_room() {
    namespace::with_mtu(1500, || {
        if !namespace::slow_down() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let at = UdpLink::at("127.0.0.1:0".parse().unwrap()).unwrap();
            let to = at.local_addr();
            let server = start(Link::udp(at));
            let listener = TcpListener::bind(&server, (Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
            let client = start(Link::udp(UdpLink::to(to).unwrap().buffer(20_000)));
            let (ours, theirs) = tokio::join!(connect(&client), listener.accept());
            exchange(ours.unwrap(), theirs.unwrap().0, 300_000).await;
            assert_eq!(link_report(&client).await.refused, 0);
        });
    });
}
