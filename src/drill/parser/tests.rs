//! One table per construct: what is written, and what is read or what the complaint is.

use netmart_proto::wire::tcp::Flags;

use super::*;
use crate::drill::ast::*;

fn script(text: &str) -> Script {
    parse(text, &Environment::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn event(text: &str) -> Event {
    script(text).events.into_iter().next().expect("an event")
}

fn packet(text: &str) -> Packet {
    match event(&format!("+0 {text}")).action {
        Action::Packet(packet) => packet,
        other => panic!("{text}: {other:?}"),
    }
}

fn tcp(text: &str) -> TcpPacket {
    match packet(text).body {
        PacketBody::Tcp(tcp) => tcp,
        other => panic!("{text}: {other:?}"),
    }
}

fn syscall(text: &str) -> Syscall {
    match event(&format!("+0 {text}")).action {
        Action::Syscall(syscall) => syscall,
        other => panic!("{text}: {other:?}"),
    }
}

fn argument(text: &str) -> Expression {
    syscall(&format!("f({text}) = 0")).arguments.remove(0)
}

/// Where the complaint about `text` stands, and what it says.
fn complaint(text: &str) -> (String, String) {
    let error = parse(text, &Environment::default()).expect_err(text);
    (error.at.to_string(), error.to_string())
}

#[test]
fn times() {
    let millis = Duration::from_millis;
    let cases = [
        ("0 > . 1:1(0)", When::Absolute(millis(0))),
        ("0.250 > . 1:1(0)", When::Absolute(millis(250))),
        ("+.25 > . 1:1(0)", When::Relative(millis(250))),
        ("+1 > . 1:1(0)", When::Relative(millis(1000))),
        ("* > . 1:1(0)", When::Any),
        ("1~1.5 > . 1:1(0)", When::AbsoluteRange(millis(1000), millis(1500))),
        ("+0~+.5 > . 1:1(0)", When::RelativeRange(millis(0), millis(500))),
        ("0.000001 `x`", When::Absolute(Duration::from_micros(1))),
    ];
    for (text, when) in cases {
        assert_eq!(event(text).time, when, "{text}");
    }
}

#[test]
fn what_surrounds_the_events() {
    let text = "// remark\n--tolerance_usecs=5000 --mtu=1400\n--dry\n`./defaults.sh\nsecond`\n0 `a`\n`restore`\n";
    let script = script(text);
    assert_eq!(script.option("mtu"), Some("1400"));
    assert_eq!(script.option("dry"), Some(""));
    assert_eq!(script.option("ip_version"), None);
    assert_eq!(script.init.expect("a command").text, "./defaults.sh\nsecond");
    assert_eq!(script.events.len(), 1);
    assert_eq!(script.events[0].at, Position { line: 6, column: 1 });
    assert_eq!(script.cleanup.expect("a command").text, "restore");
}

#[test]
fn definitions_stand_for_words() {
    let text = "--define=CC=\"reno\" --define=N=7 --define=CMD=`ls -l`\n0 f(CC, N, M) = 0\n+0 CMD";
    let mut environment = Environment::default();
    environment.words.insert("M".to_owned(), "SOL_IP".to_owned());
    let script = parse(text, &environment).expect("a script");
    let Action::Syscall(call) = &script.events[0].action else { panic!("a call") };
    let expected = [
        Expression::Bytes(b"reno".to_vec()),
        Expression::Integer(7),
        Expression::Symbol("SOL_IP".to_owned()),
    ];
    assert_eq!(call.arguments, expected);
    assert!(
        matches!(&script.events[1].action, Action::Command(command) if command.text == "ls -l")
    );
}

#[test]
fn flags() {
    let cases = [
        ("S", Flags::SYN, None),
        ("S.", Flags::SYN | Flags::ACK, None),
        (".", Flags::ACK, None),
        ("P.", Flags::PSH | Flags::ACK, None),
        ("FP.", Flags::FIN | Flags::PSH | Flags::ACK, None),
        ("R.", Flags::RST | Flags::ACK, None),
        ("U.", Flags::URG | Flags::ACK, None),
        ("SEW", Flags::SYN | Flags::ECE | Flags::CWR, None),
        ("SEWA", Flags::SYN | Flags::ECE | Flags::CWR | Flags::AE, None),
        ("-", Flags::default(), None),
        (".5", Flags::ACK | Flags::AE | Flags::ECE, Some(5)),
        ("P.6", Flags::PSH | Flags::ACK | Flags::AE | Flags::CWR, Some(6)),
        ("5.", Flags::ACK | Flags::AE | Flags::ECE, Some(5)),
        ("P2.", Flags::PSH | Flags::ACK | Flags::CWR, Some(2)),
    ];
    for (text, flags, ace) in cases {
        assert_eq!(tcp(&format!("> {text} 1:1(0)")).flags, FlagPattern { flags, ace }, "{text}");
    }
}

#[test]
fn segments() {
    let full = tcp("< 8081 > 8080 P. 1:1001(1000) ack 1 win 257 urg 3 <nop>");
    assert_eq!(full.ports, Some((8081, 8080)));
    assert_eq!(full.seq, Extent { start: Some(1), len: 1000, is_absolute: false });
    assert_eq!(full.seq.end(), Some(1001));
    assert_eq!((full.ack, full.window, full.urgent), (Ack::Relative(1), Some(257), Some(3)));
    assert_eq!(full.options, TcpOptions::These(vec![TcpOption::Nop]));

    let bare = tcp("> . 1:1(0)");
    assert_eq!((bare.ack, bare.window, bare.urgent), (Ack::Absent, None, None));
    assert_eq!(bare.options, TcpOptions::These(vec![]));

    let open = tcp("> S. ...(0) ack ... win ... <...>");
    assert_eq!(open.seq, Extent { start: None, len: 0, is_absolute: false });
    assert_eq!((open.ack, open.window, open.options), (Ack::Any, None, TcpOptions::Any));

    let wrapped = tcp("> . 4294967295:9(10) ack 4294967295");
    assert_eq!((wrapped.seq.end(), wrapped.ack), (Some(9), Ack::Relative(u32::MAX)));
    assert!(tcp("> R 77:77(0)!").seq.is_absolute);
    assert_eq!(
        tcp("< . 1:1(0) ack 1 win 0 / udp(9899 > 9900)").udp_encapsulation,
        Some((9899, 9900))
    );
}

#[test]
fn ip_headers() {
    use EcnMark::{Ce, Ect0, Ect01, NotEct};
    let none = IpInfo::default();
    let cases = [
        ("> . 1:1(0)", none.clone()),
        ("> [ect0] . 1:1(0)", IpInfo { ecn: Some(Ect0), ..none.clone() }),
        (">[noecn] . 1:1(0)", IpInfo { ecn: Some(NotEct), ..none.clone() }),
        ("> [ect01] . 1:1(0)", IpInfo { ecn: Some(Ect01), ..none.clone() }),
        ("< [ecn ce, ttl 5] . 1:1(0)", IpInfo { ecn: Some(Ce), ttl: Some(5), ..none.clone() }),
        ("> (tos 0x2e) . 1:1(0)", IpInfo { tos: Some(0x2e), ..none.clone() }),
        ("> [class 0x10, hlim 9] . 1:1(0)", IpInfo { tos: Some(16), ttl: Some(9), ..none.clone() }),
        ("> [dscp af21] . 1:1(0)", IpInfo { dscp: Some(18), ..none.clone() }),
        (
            "> [dscp EF, ecn ect0] . 1:1(0)",
            IpInfo { dscp: Some(46), ecn: Some(Ect0), ..none.clone() },
        ),
        ("> [flowlabel 0x12345] . 1:1(0)", IpInfo { flow_label: Some(0x12345), ..none }),
    ];
    for (text, info) in cases {
        assert_eq!(packet(text).ip, info, "{text}");
    }
}

#[test]
fn options() {
    use Number::{Absolute, Any, Exactly};
    let octets = |text: &str| Exactly(text.as_bytes().to_vec());
    let cases = [
        ("mss 1460", TcpOption::Mss(Exactly(1460))),
        ("mss ...", TcpOption::Mss(Any)),
        ("wscale 7", TcpOption::WindowScale(Exactly(7))),
        ("sackOK", TcpOption::SackPermitted),
        ("eol", TcpOption::Eol),
        ("sack 1:2 5:9", TcpOption::Sack(Exactly(vec![(1, 2), (5, 9)]))),
        ("TS val 100 ecr 0", TcpOption::Timestamps { value: Exactly(100), echo: Exactly(0) }),
        ("TS ecr 5 val 6", TcpOption::Timestamps { value: Exactly(6), echo: Exactly(5) }),
        ("TS val ... ecr 9!", TcpOption::Timestamps { value: Any, echo: Absolute(9) }),
        ("FO", TcpOption::FastOpen(Exactly(vec![]))),
        ("FO 3031323334353637", TcpOption::FastOpen(octets("01234567"))),
        ("FO 0030", TcpOption::FastOpen(octets("\x000"))),
        ("FOEXP 616263", TcpOption::FastOpenExperimental(octets("abc"))),
        ("exp-FO", TcpOption::FastOpenExperimental(Exactly(vec![]))),
        ("md5 00ff", TcpOption::Md5(vec![0, 255])),
        ("ECN e1b 1 ceb 0 e0b 2", TcpOption::AccEcn { kind: 174, counters: vec![1, 0, 2] }),
        ("ECN e0b 1 ceb 0", TcpOption::AccEcn { kind: 172, counters: vec![1, 0] }),
        ("AccECN0 ee0b 7", TcpOption::AccEcn { kind: 172, counters: vec![7] }),
        ("AccECN1", TcpOption::AccEcn { kind: 174, counters: vec![] }),
        ("exp-AccECN1 ee1b 1", TcpOption::Other { kind: 254, data: vec![0xac, 0xc1, 0, 0, 1] }),
        ("exp-tarr 2", TcpOption::Other { kind: 254, data: vec![0, 0xac, 0, 64] }),
        ("kind 28 8001", TcpOption::Other { kind: 28, data: vec![0x80, 1] }),
    ];
    for (text, option) in cases {
        let options = tcp(&format!("> . 1:1(0) <nop, {text},nop>")).options;
        let expected = vec![TcpOption::Nop, option, TcpOption::Nop];
        assert_eq!(options, TcpOptions::These(expected), "{text}");
    }
}

#[test]
fn messages_of_icmp() {
    let icmp = |text: &str| match packet(text).body {
        PacketBody::Icmp(icmp) => icmp,
        other => panic!("{text}: {other:?}"),
    };
    let kind = |name: &str, code: Option<&str>| IcmpKind {
        name: name.to_owned(),
        code: code.map(str::to_owned),
    };
    let extent = |start, len| Quoted::Tcp(Extent { start: Some(start), len, is_absolute: false });
    let cases = [
        ("< icmp unreachable", kind("unreachable", None), None, None),
        (
            "< icmp unreachable protocol_unreachable [1:1461(1460)]",
            kind("unreachable", Some("protocol_unreachable")),
            None,
            Some(extent(1, 1460)),
        ),
        (
            "< [0:0(0)] icmp unreachable frag_needed mtu 1200",
            kind("unreachable", Some("frag_needed")),
            Some(1200),
            Some(extent(0, 0)),
        ),
        (
            "< icmp packet_too_big mtu 1280 [udp (9)]",
            kind("packet_too_big", None),
            Some(1280),
            Some(Quoted::Udp(9)),
        ),
        ("< icmp type_3 code_4", kind("type_3", Some("code_4")), None, None),
    ];
    for (text, kind, mtu, quoted) in cases {
        let icmp = icmp(text);
        assert_eq!((icmp.kind, icmp.mtu, icmp.quoted), (kind, mtu, quoted), "{text}");
    }
    assert_eq!(icmp("< icmp echo_request id 7").ident, Some(7));
}

#[test]
fn names_of_icmp_have_the_numbers_of_the_version() {
    use netmart_proto::wire::IpVersion::{V4, V6};
    let cases = [
        ("unreachable", Some("frag_needed"), Some((3, 4)), None),
        ("unreachable", Some("port_unreachable"), Some((3, 3)), Some((1, 4))),
        ("unreachable", Some("net_unreachable"), Some((3, 0)), Some((1, 0))),
        ("packet_too_big", None, None, Some((2, 0))),
        ("echo_request", None, Some((8, 0)), Some((128, 0))),
        ("type_9", Some("code_2"), Some((9, 2)), Some((9, 2))),
        ("nonsense", None, None, None),
    ];
    for (name, code, v4, v6) in cases {
        let kind = IcmpKind { name: name.to_owned(), code: code.map(str::to_owned) };
        assert_eq!((kind.numbers(V4), kind.numbers(V6)), (v4, v6), "{name} {code:?}");
    }
}

#[test]
fn other_packets() {
    let PacketBody::Udp(udp) = packet("> udp 53 > 1000 (12)").body else { panic!("a datagram") };
    assert_eq!(udp, UdpPacket { ports: Some((53, 1000)), len: 12 });
    let tunnelled = packet("< ipv4 192.0.2.1 > 192.0.2.2: ipv6 ::1 > ::2: . 1:1(0)");
    assert_eq!(tunnelled.encapsulation.len(), 2);
    let mpls = packet("> ipv4 192.0.2.1 > 192.0.2.2: gre: mpls (label 0,tc 0,ttl 0): . 1:1(0)");
    assert_eq!(mpls.encapsulation[1..], [Encapsulation::Gre, Encapsulation::Mpls]);
}

#[test]
fn values() {
    let symbol = |name: &str| Expression::Symbol(name.to_owned());
    let boxed = |value: Expression| Box::new(value);
    let cases = [
        ("...", Expression::Ellipsis),
        ("-5", Expression::Integer(-5)),
        ("0x1F", Expression::Integer(31)),
        ("0xffffffffffffffff", Expression::Integer(-1)),
        ("1.5", Expression::Float(1.5)),
        ("SOL_TCP", symbol("SOL_TCP")),
        ("NULL", Expression::Null),
        ("\"a\" \"b\"", Expression::Bytes(b"ab".to_vec())),
        ("\"a\"...", Expression::BytesPrefix(b"a".to_vec())),
        ("A|B", Expression::Or(boxed(symbol("A")), boxed(symbol("B")))),
        ("[]", Expression::List(vec![])),
        (
            "[[1], 2]",
            Expression::List(vec![
                Expression::List(vec![Expression::Integer(1)]),
                Expression::Integer(2),
            ]),
        ),
        (
            "[A=1]",
            Expression::List(vec![Expression::Assign(
                "A".to_owned(),
                boxed(Expression::Integer(1)),
            )]),
        ),
        (
            "{onoff=1, linger=0}",
            Expression::Struct(vec![
                ("onoff".to_owned(), Expression::Integer(1)),
                ("linger".to_owned(), Expression::Integer(0)),
            ]),
        ),
        ("{1, 2}", Expression::Tuple(vec![Expression::Integer(1), Expression::Integer(2)])),
        (
            "{..., 10}",
            Expression::Iovec(Iovec {
                base: boxed(Expression::Ellipsis),
                len: boxed(Expression::Integer(10)),
            }),
        ),
        (
            "{iov_base=..., iov_len=10}",
            Expression::Iovec(Iovec {
                base: boxed(Expression::Ellipsis),
                len: boxed(Expression::Integer(10)),
            }),
        ),
        ("htons(80)", Expression::Port(80)),
        ("inet_addr(\"192.0.2.1\")", Expression::Address("192.0.2.1".parse().expect("valid"))),
        ("f(1)", Expression::Call("f".to_owned(), vec![Expression::Integer(1)])),
        (
            "{enable=1, psk=00112233445566778899aabbccddeeff}",
            Expression::Struct(vec![
                ("enable".to_owned(), Expression::Integer(1)),
                ("psk".to_owned(), symbol("00112233445566778899aabbccddeeff")),
            ]),
        ),
    ];
    for (text, value) in cases {
        assert_eq!(argument(text), value, "{text}");
    }
}

#[test]
fn messages_and_addresses() {
    let message = argument("{msg_name(...)=..., msg_iov(1)=[{..., 5}], msg_flags=MSG_ERRQUEUE}");
    let Some(Expression::List(pieces)) = message.field("msg_iov") else { panic!("{message}") };
    assert!(matches!(pieces.as_slice(), [Expression::Iovec(_)]));
    assert_eq!(message.field("msg_flags").and_then(Expression::as_symbol), Some("MSG_ERRQUEUE"));
    let address = argument(
        "{sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"192.0.2.1\")}",
    );
    assert_eq!(address.field("sin_port"), Some(&Expression::Port(80)));
}

#[test]
fn system_calls() {
    let call = syscall("connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)");
    assert_eq!((call.name.as_str(), call.arguments.len()), ("connect", 3));
    assert_eq!(call.result, Expression::Integer(-1));
    assert_eq!(call.errno.as_deref(), Some("EINPROGRESS"));
    assert_eq!(call.note.as_deref(), Some("Operation now in progress"));

    let call = syscall("fcntl(3, F_GETFL) = 0x2 (flags O_RDWR|O_NONBLOCK)");
    assert_eq!((call.errno, call.note.as_deref()), (None, Some("flags O_RDWR | O_NONBLOCK")));
    let call = syscall("close(3) = -1 EBADF\n+0 close(3) = 0");
    assert_eq!((call.errno.as_deref(), call.note), (Some("EBADF"), None));
    let blocking = syscall("...0.25 accept(3, ..., ...) = 4");
    assert_eq!(blocking.end, Some(Duration::from_millis(250)));
    assert!(syscall("pause() = 0").arguments.is_empty());
}

#[test]
fn complaints_tell_where_and_what() {
    let cases = [
        ("0 > S 0:0(0) <mss 1460,wat 3>", "1:24", "found `wat`"),
        ("0 > S 0:5(0)", "1:7", "expected `0:0(0)`, found `0:5(0)`"),
        ("0 > X 0:0(0)", "1:5", "letters of FSRPUEWCA"),
        ("\n 0 < . 1:1(0) <...>", "2:16", "inbound"),
        ("0 < S ...(0)", "1:7", "inbound"),
        ("* close(3) = 0", "1:1", "an outbound packet"),
        ("1~0 > . 1:1(0)", "1:1", "backwards"),
        ("-1 > . 1:1(0)", "1:1", "a time"),
        ("0 > . 1:1(0) win 70000", "1:18", "16 bits"),
        ("0 < sctp: INIT", "1:5", "TCP, UDP or ICMP"),
        ("0 < icmp sideways", "1:10", "type of ICMP"),
        ("0 < icmp unreachable sideways", "1:22", "code"),
        ("0 close(3) 0", "1:12", "`=`"),
        ("0 close(3 = 0", "1:11", "`,` or `)`"),
        ("0 close(3) = ", "1:14", "the end of the script"),
        ("hello", "1:1", "a time"),
        ("0 `a`\n`b`\n0 `c`", "3:1", "the end of the script"),
        ("--define=X\n", "1:1", "NAME=value"),
        ("0 < [ect9] . 1:1(0)", "1:6", "ect0"),
        ("0 < [ect01] . 1:1(0)", "1:13", "outbound"),
        ("0 > . 1:1(0) <FO 123>", "1:18", "cookie"),
        ("0 > . 1:1(0) <ECN ceb 1>", "1:24", "order"),
    ];
    let wrong = cases.into_iter().filter_map(|(text, place, message)| {
        let (at, complaint) = complaint(text);
        (at != place || !complaint.contains(message)).then(|| format!("{text}: {complaint}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn brackets_may_not_be_nested_without_end() {
    let deep = format!("0 f({}", "[".repeat(100_000));
    assert!(complaint(&deep).1.contains("fewer brackets"));
}

#[test]
fn no_beginning_of_a_script_makes_the_parser_panic() {
    let text = "--mtu=1500\n`x`\n0...0.1 f(3, {a=1, b(2)=[{..., 5}]}, \"x\") = -1 E (n o)\n\
                +0~+1 > [ect0] P.5 1:11(10) ack 1 win 5 urg 1 <mss 1,sack 1:2 3:4,TS val 1 ecr 2,FO ab>\n\
                * > icmp unreachable frag_needed mtu 1280 [1:1(0)]\n+0 %{ assert x }%\n`y`\n";
    assert_eq!(script(text).events.len(), 4);
    for end in 0..text.len() {
        // Most are errors, some are shorter scripts.
        _ = parse(&text[..end], &Environment::default());
    }
}
