//! Echoes, errors about what we sent, errors that we send.

use std::time::Duration;

use bytes::Bytes;
use netmart_actors::address::Direction;
use netmart_actors::config::Config;
use netmart_actors::message::{
    Datagram, DatagramsIn, Echo, EchoKey, EchoKind, EchoPattern, IcmpErrorIn, IcmpReport,
    OfProtocol,
};
use netmart_proto::wire::icmp::{self, IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::{IpHeader, Packet, Protocol, parse_ip};

use crate::bench::{
    Bench, Heard, OURS, OURS6, THEIRS, THEIRS6, icmp as icmp_packet, ip, packets, read_icmp, udp,
    udp_with,
};

const UDP: OfProtocol = OfProtocol { protocol: Protocol::UDP };

fn content(data: &'static [u8]) -> icmp::Echo {
    icmp::Echo { ident: 7, seq: 3, data: Bytes::from_static(data) }
}

fn request() -> IcmpMessage {
    IcmpMessage::EchoRequest(content(b"ping"))
}

fn inbound(bench: &mut Bench) -> Heard<Echo> {
    bench.subscribe::<Echo>(EchoPattern::any().direction(Direction::Inbound))
}

#[test]
fn a_ping_is_answered_with_its_own_octets() {
    for (from, to) in [(THEIRS, OURS), (THEIRS6, OURS6)] {
        let mut bench = Bench::with_ip();
        let out = bench.packets_out();
        bench.arrive(vec![icmp_packet(from, to, request())]);
        let out = packets(&out);
        let [reply] = &out[..] else { panic!("{out:?}") };
        let (header, message) = read_icmp(reply);
        assert_eq!((header.src, header.dst), (ip(to), ip(from)));
        assert_eq!(message, IcmpMessage::EchoReply(content(b"ping")));
        bench.assert_discarded(&[]);
    }
}

#[test]
fn a_ping_to_all_is_not_answered() {
    for (from, to) in [(THEIRS, "192.0.2.255"), (THEIRS, "224.0.0.1"), (THEIRS6, "ff02::1")] {
        let mut bench = Bench::with_ip();
        let out = bench.packets_out();
        bench.arrive(vec![icmp_packet(from, to, request())]);
        assert_eq!(packets(&out), []);
        bench.assert_discarded(&[("ip/echo_to_all", 1)]);
    }
}

#[test]
fn who_listens_for_pings_is_told_and_may_answer_instead() {
    let config = Config { answer_echo: false, ..Config::default() };
    let mut bench = Bench::with_ip_over(1500, &config);
    let out = bench.packets_out();
    bench.arrive(vec![icmp_packet(THEIRS, OURS, request())]);
    bench.assert_discarded(&[("ip/echo_unanswered", 1)]);

    let heard = inbound(&mut bench);
    bench.arrive(vec![icmp_packet(THEIRS, OURS, request())]);
    assert_eq!(packets(&out), []);
    let Echo { key, ident, sequence, payload } = heard.borrow_mut().remove(0);
    let (local, remote) = (ip(OURS), ip(THEIRS));
    let direction = Direction::Inbound;
    assert_eq!(key, EchoKey { direction, kind: EchoKind::Request, local, remote });

    let key = EchoKey { direction: Direction::Outbound, kind: EchoKind::Reply, local, remote };
    bench.inject(Echo { key, ident, sequence, payload });
    assert_eq!(read_icmp(&packets(&out)[0]).1, IcmpMessage::EchoReply(content(b"ping")));
}

#[test]
fn answers_to_our_pings_reach_whoever_listens() {
    let mut bench = Bench::with_ip();
    let out = bench.packets_out();
    let reply = icmp_packet(THEIRS6, OURS6, IcmpMessage::EchoReply(content(b"pong")));
    bench.arrive(vec![reply.clone()]);
    bench.assert_discarded(&[("ip/echo_reply_unwanted", 1)]);

    let heard = inbound(&mut bench);
    let key = EchoKey {
        direction: Direction::Outbound,
        kind: EchoKind::Request,
        local: ip("::"),
        remote: ip(THEIRS6),
    };
    bench.inject(Echo { key, ident: 7, sequence: 3, payload: Bytes::from_static(b"ping") });
    let (header, message) = read_icmp(&packets(&out)[0]);
    assert_eq!((header.src, message), (ip(OURS6), request()), "the source is that of the route");
    bench.arrive(vec![reply]);
    let heard = heard.borrow();
    let [echo] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((echo.key.kind, echo.key.remote), (EchoKind::Reply, ip(THEIRS6)));
}

#[test]
fn pings_from_addresses_that_are_not_ours_are_not_sent() {
    let mut bench = Bench::with_ip();
    let out = bench.packets_out();
    let cases = [("192.0.2.77", THEIRS), (OURS, THEIRS6), ("::", "2001:db8:9::1")];
    for (local, remote) in cases {
        let (local, remote) = (ip(local), ip(remote));
        let key =
            EchoKey { direction: Direction::Outbound, kind: EchoKind::Request, local, remote };
        bench.inject(Echo { key, ident: 7, sequence: 3, payload: Bytes::new() });
    }
    assert_eq!(packets(&out), []);
    bench.assert_discarded(&[("ip/no_source", 3)]);
}

#[test]
fn a_ping_to_ourselves_never_reaches_a_link() {
    for address in [OURS, OURS6, "127.0.0.1", "127.1.2.3", "::1"] {
        let mut bench = Bench::with_ip();
        let (out, heard) = (bench.packets_out(), inbound(&mut bench));
        let (local, remote) = (ip(address), ip(address));
        let key =
            EchoKey { direction: Direction::Outbound, kind: EchoKind::Request, local, remote };
        bench.inject(Echo { key, ident: 7, sequence: 3, payload: Bytes::from_static(b"me") });
        assert_eq!(packets(&out), []);
        let kinds: Vec<EchoKind> = heard.borrow().iter().map(|echo| echo.key.kind).collect();
        assert_eq!(kinds, [EchoKind::Request, EchoKind::Reply], "{address}");
        bench.assert_discarded(&[]);
    }
}

fn error_about(quoted: &Packet, kind: IcmpErrorKind) -> IcmpMessage {
    IcmpMessage::Error(IcmpError { kind, quote: quoted.clone().into_bytes() })
}

#[test]
fn an_error_about_a_datagram_of_ours_reaches_its_transport() {
    for (from, to) in [(THEIRS, OURS), (THEIRS6, OURS6)] {
        let mut bench = Bench::with_ip();
        let heard = bench.subscribe::<IcmpErrorIn>(UDP.exactly());
        let ours = udp((to, 1000), (from, 53), b"question");
        let kind = IcmpErrorKind::Unreachable { code: 1 };
        bench.arrive(vec![icmp_packet(from, to, error_about(&ours, kind))]);
        let heard = heard.borrow();
        let [error] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!((error.kind, error.seq), (kind, None));
        assert_eq!((error.local.0.ip, error.local.0.port), (ip(to), 1000));
        assert_eq!((error.remote.0.ip, error.remote.0.port), (ip(from), 53));
        bench.assert_discarded(&[]);
    }
}

#[test]
fn errors_about_what_we_cannot_have_sent_are_dropped() {
    let kind = IcmpErrorKind::Unreachable { code: 1 };
    let not_ours = udp(("192.0.2.77", 1000), (THEIRS, 53), b"question");
    let short = Packet::from(udp((OURS, 1000), (THEIRS, 53), b"").to_vec()[..22].to_vec());
    let cases = [
        (not_ours, "ip/icmp_quote_not_ours"),
        (short, "ip/icmp_quote_without_ports"),
        (Packet::from(vec![0x45, 0]), "ip/icmp_quote_unreadable"),
    ];
    for (quoted, reason) in cases {
        let mut bench = Bench::with_ip();
        let heard = bench.subscribe::<IcmpErrorIn>(UDP.exactly());
        bench.arrive(vec![icmp_packet(THEIRS, OURS, error_about(&quoted, kind))]);
        assert_eq!(heard.borrow().len(), 0);
        bench.assert_discarded(&[(reason, 1)]);
    }
}

#[test]
fn icmp_with_a_wrong_checksum_or_of_an_unknown_kind_is_dropped() {
    let mut bench = Bench::with_ip();
    let out = bench.packets_out();
    let mut broken = icmp_packet(THEIRS, OURS, request()).to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let unknown = IcmpMessage::Unknown { kind: 13, code: 0, rest: Bytes::from_static(&[0; 16]) };
    bench.arrive(vec![broken.into(), icmp_packet(THEIRS, OURS, unknown)]);
    assert_eq!(packets(&out), []);
    bench.assert_discarded(&[("ip/bad_checksum", 1), ("ip/icmp_unknown", 1)]);
}

/// What udp would report of `packet`.
fn report(packet: Packet, code: u8) -> IcmpReport {
    let parsed = parse_ip(&packet).unwrap();
    let datagram =
        Datagram { header: parsed.header.into(), transport: packet.narrow(parsed.payload) };
    IcmpReport { of: UDP, kind: IcmpErrorKind::Unreachable { code }, datagram }
}

#[test]
fn a_report_quotes_the_datagram_within_the_limits_of_its_version() {
    for (from, to, code, limit) in [(THEIRS, OURS, 3, 576), (THEIRS6, OURS6, 4, 1280)] {
        let mut bench = Bench::with_ip();
        let out = bench.packets_out();
        let packet = udp((from, 9), (to, 53), &[5; 1400]);
        bench.inject(report(packet.clone(), code));
        let out = packets(&out);
        let [error] = &out[..] else { panic!("{out:?}") };
        assert_eq!(error.len(), limit);
        let (header, IcmpMessage::Error(error)) = read_icmp(error) else { panic!() };
        assert_eq!((header.src, header.dst), (ip(to), ip(from)));
        assert_eq!(error.kind, IcmpErrorKind::Unreachable { code });
        assert!(packet.to_vec().starts_with(&error.quote));
    }
}

#[test]
fn nobody_is_told_of_what_must_not_be_answered() {
    let later = IpHeader {
        fragment: Some(netmart_proto::wire::Fragment { offset: 8, more: false }),
        ..IpHeader::new(ip(THEIRS), ip(OURS), Protocol::UDP)
    };
    let about_icmp = IpHeader::new(ip(THEIRS), ip(OURS), Protocol::ICMP);
    let cases = [
        (udp((THEIRS, 9), ("192.0.2.255", 53), b"x"), "sent to all"),
        (udp((THEIRS6, 9), ("ff02::1", 53), b"x"), "sent to a group"),
        (udp(("0.0.0.0", 9), (OURS, 53), b"x"), "from nobody"),
        (udp(("192.0.2.255", 9), (OURS, 53), b"x"), "from everybody"),
        (udp_with(later, 9, 53, b"x"), "a later fragment"),
        (udp_with(about_icmp, 9, 53, b"x"), "an ICMP message"),
    ];
    for (packet, why) in cases {
        let mut bench = Bench::with_ip();
        let out = bench.packets_out();
        bench.inject(report(packet, 3));
        assert_eq!(packets(&out), [], "{why}");
    }
}

#[test]
fn errors_are_sent_at_a_limited_rate() {
    let mut bench = Bench::with_ip();
    let out = bench.packets_out();
    let probe = udp((THEIRS, 9), (OURS, 53), b"x");
    for _ in 0..60 {
        bench.inject(report(probe.clone(), 3));
    }
    assert_eq!(packets(&out).len(), 50);
    bench.assert_discarded(&[("ip/icmp_error_rate", 10)]);
    bench.pass(Duration::from_millis(5));
    for _ in 0..60 {
        bench.inject(report(probe.clone(), 3));
    }
    assert_eq!(packets(&out).len(), 5);
}

#[test]
fn an_error_and_what_came_before_it_keep_their_order() {
    let mut bench = Bench::with_ip();
    let datagrams = bench.subscribe::<DatagramsIn>(UDP.exactly());
    let errors = bench.subscribe::<IcmpErrorIn>(UDP.exactly());
    let ours = udp((OURS, 1000), (THEIRS, 53), b"question");
    let error = error_about(&ours, IcmpErrorKind::Unreachable { code: 1 });
    let (before, after) = (udp((THEIRS, 9), (OURS, 1), b"x"), udp((THEIRS, 9), (OURS, 2), b"x"));
    bench.arrive(vec![before, icmp_packet(THEIRS, OURS, error), after]);
    assert_eq!((datagrams.borrow().len(), errors.borrow().len()), (2, 1));
}
