//! Small talk with the kernel and its programs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Namespace, STACK_V4, STACK_V6, Service, can_test, eventually, run, succeed};

#[test]
fn ping_is_answered() {
    if !can_test("ping_is_answered", &["ping"]) {
        return;
    }
    let space = Namespace::new();
    let up = space.up(&[]);
    for address in [STACK_V4, STACK_V6] {
        // An echo may get lost while the device is new.
        eventually(|| {
            run(space.command("ping").args(["-c", "1", "-W", "1", address]))
                .status
                .success()
                .then_some(())
        });
        // 4,000 octets travel in fragments, both ways.
        for length in ["56", "4000"] {
            let said = succeed(
                space
                    .command("ping")
                    .args(["-c", "3", "-i", "0.2", "-W", "10", "-s", length, address]),
            );
            assert!(said.contains(" 0% packet loss"), "{said}");
        }
    }
    up.stop();
}

#[test]
fn two_who_chat_by_nc() {
    if !can_test("two_who_chat_by_nc", &["nc"]) {
        return;
    }
    let space = Namespace::new();
    let up = space.up(&["--chat", "5999"]);
    let enter = |address: &str, name: &str| {
        let mut guest = Service::start(space.command("nc").args(["-N", address, "5999"]));
        guest.wait_for(|line| line == "What is your name?");
        guest.type_line(name);
        guest.wait_for(|line| line.contains(" here: "));
        guest
    };
    let mut ann = enter(STACK_V4, "ann");
    let mut bob = enter(STACK_V6, "bob");
    ann.wait_for(|line| line == "* bob joins");
    ann.type_line("hello, bob");
    bob.wait_for(|line| line == "ann: hello, bob");
    bob.type_line("hello, ann");
    ann.wait_for(|line| line == "bob: hello, ann");
    bob.close_input();
    ann.wait_for(|line| line == "* bob leaves");
    assert_eq!(bob.end(), Some(0), "the farewell is answered");
    up.stop();
}

#[test]
fn datagrams_come_back() {
    if !can_test("datagrams_come_back", &[]) {
        return;
    }
    let space = Namespace::new();
    let up = space.up(&["--udp-echo", "7"]);
    space.enter(|| {
        for (here, there) in
            [("0.0.0.0:0", format!("{STACK_V4}:7")), ("[::]:0", format!("[{STACK_V6}]:7"))]
        {
            let socket = UdpSocket::bind(here).expect("bound");
            // A datagram may be lost, say while an address is not ready: it is sent again.
            socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
            eventually(|| socket.connect(&there).ok());
            for length in [0, 1, 1_000, 1_472, 5_000, 60_000] {
                let sent: Vec<u8> = (0..length).map(|index: u32| (index * 7) as u8).collect();
                eventually(|| {
                    let mut received = vec![0; 65_536];
                    socket.send(&sent).ok()?;
                    let len = socket.recv(&mut received).ok()?;
                    (received[..len] == sent[..]).then_some(())
                });
            }
        }
    });
    up.stop();
}

#[test]
fn the_generator_generates_until_its_reader_leaves() {
    if !can_test("the_generator_generates_until_its_reader_leaves", &[]) {
        return;
    }
    let space = Namespace::new();
    let up = space.up(&["--chargen", "19"]);
    space.enter(|| {
        let mut stream = TcpStream::connect((STACK_V4, 19)).expect("connected");
        stream.shutdown(Shutdown::Write).expect("half closed");
        let mut lines = vec![0; 7_030 * 100];
        stream.read_exact(&mut lines).expect("as many as one likes");
        let (first, rest) = lines.split_at(7_030);
        assert!(first.starts_with(b" !\"#$%&'()*+"));
        assert!(rest.chunks(7_030).all(|cycle| cycle == first));
    });
    up.stop();
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    if !can_test("a_port_where_nobody_listens_refuses", &[]) {
        return;
    }
    let space = Namespace::new();
    let up = space.up(&[]);
    space.enter(|| {
        let refused = TcpStream::connect((STACK_V4, 81)).expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let socket = UdpSocket::bind("0.0.0.0:0").expect("bound");
        socket.connect((STACK_V4, 81)).expect("a datagram socket");
        socket.send(b"anybody there?").expect("sent");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let refused = socket.recv(&mut [0; 16]).expect_err("nobody is bound");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
    up.stop();
}

#[test]
fn at_the_end_connections_end_in_order() {
    if !can_test("at_the_end_connections_end_in_order", &[]) {
        return;
    }
    let space = Namespace::new();
    std::fs::write(space.file("page"), "a page").expect("written");
    let shared = format!("80={}", space.files.path().display());
    let up = space.up(&["--echo", "7", "--http", &shared]);
    let (mut echo, mut http) = space.enter(|| {
        let connect = |port| {
            let address = SocketAddr::new(STACK_V4.parse().expect("an address"), port);
            let stream = TcpStream::connect(address).expect("connected");
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
            stream
        };
        (connect(7), connect(80))
    });
    let mut octets = [0; 5];
    echo.write_all(b"hello").expect("sent");
    echo.read_exact(&mut octets).expect("echoed");
    // Keep-alive: the server would wait for another request.
    http.write_all(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    eventually(|| (http.read(&mut [0]).expect("answered") > 0).then_some(()));

    let said = up.stop();
    assert_eq!(said.last().map(String::as_str), Some("stopping"));
    let mut rest = Vec::new();
    echo.read_to_end(&mut rest).expect("the end of the stream, and no reset");
    assert!(rest.is_empty());
    http.read_to_end(&mut rest).expect("the end of the stream, and no reset");
    assert!(rest.ends_with(b"a page"));
    let devices = succeed(space.command("ip").args(["-o", "link"]));
    assert!(!devices.contains("nm0"), "the device goes with its owner: {devices}");
}

#[test]
fn without_its_device_it_ends() {
    if !can_test("without_its_device_it_ends", &[]) {
        return;
    }
    let space = Namespace::new();
    let mut up = Service::start(space.netmart("up").stderr(Stdio::null()));
    up.wait_for(|line| line.starts_with("ready"));
    succeed(space.command("ip").args(["link", "del", "nm0"]));
    assert_eq!(up.end(), Some(1), "it says {:#?}", up.said);
}

#[test]
fn what_happened_can_be_read_later() {
    if !can_test("what_happened_can_be_read_later", &[]) {
        return;
    }
    let space = Namespace::new();
    let (trace, capture) = (space.file("up.trace"), space.file("up.pcapng"));
    let (trace, capture) = (trace.to_string_lossy(), capture.to_string_lossy());
    let up = space.up(&["--echo", "7", "--trace", &trace, "--pcap", &capture]);
    space.enter(|| {
        let mut stream = TcpStream::connect((STACK_V4, 7)).expect("connected");
        stream.write_all(b"hello").expect("sent");
        stream.read_exact(&mut [0; 5]).expect("echoed");
    });
    up.stop();
    let show =
        succeed(space.command(env!("CARGO_BIN_EXE_netmart")).args(["trace", "show", &trace]));
    for word in ["echo session", "connected", "segments-in", "listening"] {
        assert!(show.contains(word), "{word} is missing in\n{show}");
    }
    if can_test("reading the capture by tshark", &["tshark"]) {
        let packets =
            succeed(space.command("tshark").args(["-r", &capture, "-Y", "tcp.port == 7"]));
        assert!(packets.lines().count() >= 6, "handshake, data and its echo at least:\n{packets}");
    }
}
