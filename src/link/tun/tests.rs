//! Against the kernel, in a network namespace of the test's own thread. Without the privilege for
//! that, these tests say so and pass.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use netmart_proto::wire::{self, Protocol};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};

use super::*;

/// Longer than any machine takes, however busy: it is reached only by what will never come.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs `test` in a network namespace that goes with the thread.
fn in_a_namespace(test: impl AsyncFnOnce() + Send) {
    std::thread::scope(|scope| {
        let namespace = scope.spawn(|| {
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
                eprintln!("SKIPPED: no network namespace of its own ({error})");
                return;
            }
            runtime().block_on(async {
                let guard = tokio::time::timeout(PATIENCE, test());
                guard.await.expect("the kernel answers");
            });
        });
        namespace.join().expect("the test holds");
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn config(offload: bool) -> TunConfig {
    TunConfig {
        name: "nm0".to_owned(),
        host_addresses: vec!["10.77.0.1/24".parse().unwrap(), "fd77::1/64".parse().unwrap()],
        offload,
        ..TunConfig::default()
    }
}

/// The next UDP packets from the device, at least `count`; the kernel also sends ICMPv6 unasked.
async fn udp_packets(tun: &Tun, count: usize) -> Vec<Packet> {
    let mut batch = Vec::new();
    while batch.len() < count {
        tun.readable().await.unwrap();
        tun.read_batch(&mut batch, 64).unwrap();
        batch.retain(|packet| transport(packet).0 == Protocol::UDP);
    }
    batch
}

/// The protocol of a packet without options or extension headers, and where its header begins.
fn transport(packet: &Packet) -> (Protocol, usize) {
    match packet.head[0] >> 4 {
        4 => (Protocol(packet.head[9]), 20),
        _ => (Protocol(packet.head[6]), 40),
    }
}

/// The packet with source and destination exchanged, which changes no checksum.
fn reflected(packet: &Packet) -> Packet {
    let (_, start) = transport(packet);
    let addresses = if start == 20 { 12..20 } else { 8..40 };
    let mut head = packet.head.to_vec();
    for range in [addresses, start..start + 4] {
        let half = range.len() / 2;
        head[range].rotate_left(half);
    }
    Packet { head: head.into(), ..packet.clone() }
}

/// A socket of the kernel's side. A new IPv6 address becomes usable a moment after it was given.
async fn bind(host: IpAddr) -> UdpSocket {
    let socket = loop {
        match UdpSocket::bind(SocketAddr::new(host, 0)) {
            Ok(socket) => break socket,
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("no socket on {host}: {error}"),
        }
    };
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

const PAIRS: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2))),
    (
        IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1)),
        IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2)),
    ),
];

/// The kernel verifies what comes back, so a wrong checksum or header would make `recv` time out.
async fn reflect_datagrams(offload: bool, checksum: impl Fn(ChecksumState) -> bool) {
    let tun = Tun::open(&config(offload)).unwrap();
    assert_eq!((tun.name(), tun.mtu(), tun.offload()), ("nm0", 1500, offload));
    for (host, peer) in PAIRS {
        let socket = bind(host).await;
        for len in [1, 1000, 1452] {
            let sent = vec![len as u8; len];
            socket.send_to(&sent, (peer, 7)).unwrap();
            for packet in udp_packets(&tun, 1).await {
                assert!(checksum(packet.offload.checksum), "{:?}", packet.offload);
                tun.write(&reflected(&packet)).unwrap();
            }
            let mut received = [0; 2000];
            let (len, from) = socket.recv_from(&mut received).unwrap();
            assert_eq!((&received[..len], from), (&sent[..], SocketAddr::new(peer, 7)));
        }
    }
    assert_eq!(tun.malformed(), 0);
}

#[test]
fn datagrams_through_a_plain_device() {
    in_a_namespace(async || {
        reflect_datagrams(false, |state| state == ChecksumState::Unverified).await;
    });
}

#[test]
fn datagrams_through_a_device_with_offload() {
    in_a_namespace(async || {
        reflect_datagrams(true, |state| matches!(state, ChecksumState::Partial { .. })).await;
    });
}

#[test]
fn a_super_datagram_is_delivered_as_its_datagrams() {
    in_a_namespace(async || {
        let tun = Tun::open(&config(true)).unwrap();
        for (host, peer) in PAIRS {
            let socket = bind(host).await;
            setsockopt(&socket, sockopt::UdpGsoSegment, &1000).unwrap();
            let sent: Vec<u8> = (0..3500).map(|index| (index % 251) as u8).collect();
            socket.send_to(&sent, (peer, 7)).unwrap();
            let mut received = Vec::new();
            for packet in udp_packets(&tun, 4).await {
                tun.write(&reflected(&packet)).unwrap();
                let mut datagram = [0; 2000];
                let len = socket.recv(&mut datagram).unwrap();
                received.push(datagram[..len].to_vec());
            }
            let lens: Vec<usize> = received.iter().map(Vec::len).collect();
            assert_eq!(lens, [1000, 1000, 1000, 500]);
            assert_eq!(received.concat(), sent);
        }
    });
}

#[test]
fn a_partial_checksum_is_completed_for_a_plain_device() {
    in_a_namespace(async || {
        let tun = Tun::open(&config(false)).unwrap();
        let (host, peer) = PAIRS[0];
        let socket = bind(host).await;
        socket.send_to(b"hello", (peer, 7)).unwrap();
        let packet = udp_packets(&tun, 1).await.remove(0);
        let mut answer = reflected(&packet);
        // Back to what a sender with offload leaves in the field: the pseudo header's sum.
        let mut head = answer.head.to_vec();
        let mut pseudo_header = head[12..20].to_vec();
        pseudo_header.extend([0, 17, 0, 13]);
        head[26..28].copy_from_slice(&(!wire::checksum(&pseudo_header)).to_be_bytes());
        answer.body = Bytes::from(head.split_off(28));
        answer.head = head.into();
        answer.offload.checksum = ChecksumState::Partial { start: 20, offset: 6 };
        tun.write(&answer).unwrap();
        let mut received = [0; 64];
        assert_eq!(socket.recv(&mut received).unwrap(), 5);
        assert_eq!(&received[..5], b"hello");

        answer.offload.gso_size = Some(1448);
        assert_eq!(tun.write(&answer).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_batch_holds_no_more_than_was_asked_for() {
    in_a_namespace(async || {
        let tun = Tun::open(&config(false)).unwrap();
        let (host, peer) = PAIRS[0];
        let socket = bind(host).await;
        for index in 0..20u8 {
            socket.send_to(&[index], (peer, 7)).unwrap();
        }
        let mut batch = Vec::new();
        tun.readable().await.unwrap();
        assert_eq!(tun.read_batch(&mut batch, 8).unwrap(), 8);
        assert_eq!(batch.len(), 8);
        while tun.read_batch(&mut batch, 8).unwrap() > 0 {}
        batch.retain(|packet| transport(packet).0 == Protocol::UDP);
        let order: Vec<u8> = batch.iter().map(|packet| packet.head[28]).collect();
        assert_eq!(order, (0..20).collect::<Vec<u8>>());
    });
}

#[test]
fn the_name_of_a_living_interface_is_taken() {
    in_a_namespace(async || {
        let _first = Tun::open(&config(true)).unwrap();
        let error = Tun::open(&config(true)).err().unwrap();
        assert!(matches!(error, TunError::NameTaken(_)), "{error}");
        let lo = TunConfig { name: "lo".to_owned(), ..config(true) };
        assert!(matches!(Tun::open(&lo), Err(TunError::NameTaken(_))));
    });
}

#[test]
fn the_interface_goes_with_its_owner() {
    in_a_namespace(async || {
        for _ in 0..3 {
            drop(Tun::open(&config(true)).unwrap());
        }
        let small = TunConfig { mtu: 1000, ..config(true) };
        assert!(matches!(Tun::open(&small), Err(TunError::MtuTooSmall { mtu: 1000, .. })));
        let tiny = TunConfig { mtu: 20, host_addresses: Vec::new(), ..config(true) };
        assert!(matches!(Tun::open(&tiny), Err(TunError::MtuRefused { mtu: 20, .. })));
        let no_host =
            TunConfig { host_addresses: vec!["ff02::1/64".parse().unwrap()], ..config(true) };
        assert!(matches!(Tun::open(&no_host), Err(TunError::AddressRefused { .. })));
        drop(Tun::open(&config(true)).unwrap());
    });
}

#[test]
fn a_deleted_device_is_an_error_and_not_silence() {
    in_a_namespace(async || {
        let tun = Tun::open(&TunConfig { host_addresses: Vec::new(), ..config(true) }).unwrap();
        let mut batch = Vec::new();
        while tun.read_batch(&mut batch, 64).unwrap() > 0 {}
        let deleted = Command::new("ip").args(["link", "delete", "nm0"]).status().unwrap();
        assert!(deleted.success());
        let error = loop {
            tun.readable().await.unwrap();
            if let Err(error) = tun.read_batch(&mut batch, 64) {
                break error;
            }
        };
        assert_eq!(error.raw_os_error(), Some(Errno::EBADFD as i32), "{error}");
        assert!(tun.write(&Packet::new(vec![0x45; 20].into())).is_err());
    });
}

#[test]
fn a_device_can_be_written_to_at_once() {
    in_a_namespace(async || {
        let tun = Tun::open(&config(true)).unwrap();
        tun.write(&Packet::new(vec![0x45; 20].into())).unwrap();
    });
}

#[test]
fn single_hosts_are_allowed() {
    in_a_namespace(async || {
        let host_addresses = vec!["10.77.0.1/32".parse().unwrap(), "10.77.1.1/31".parse().unwrap()];
        let tun = Tun::open(&TunConfig { host_addresses, ..config(true) }).unwrap();
        let socket = bind(PAIRS[0].0).await;
        socket.send_to(b"x", ("10.77.1.0", 7)).unwrap();
        assert_eq!(udp_packets(&tun, 1).await[0].head[16..20], [10, 77, 1, 0]);
    });
}

#[test]
fn names_the_kernel_would_not_take() {
    let open = |name: &str| Tun::open(&TunConfig { name: name.to_owned(), ..config(true) }).err();
    assert!(matches!(open("sixteen-octets-x"), Some(TunError::NameTooLong(_))));
    for name in ["", ".", "..", "a b", "a/b", "a:b", "tun%d", "a\0b"] {
        assert!(matches!(open(name), Some(TunError::NameInvalid(_))), "{name:?}");
    }
    assert!(matches!(open("fifteen-octets-"), Some(TunError::NoRuntime)));
}

#[test]
fn a_missing_permission_is_told_as_such() {
    let error = |code| io::Error::from_raw_os_error(code);
    for code in [Errno::EPERM as i32, Errno::EACCES as i32] {
        let told = error::classify(error(code), TunError::Refused);
        assert!(told.to_string().contains("CAP_NET_ADMIN"), "{told}");
    }
    let other = error::classify(error(Errno::EINVAL as i32), TunError::Refused);
    assert!(matches!(other, TunError::Refused(_)));
}
