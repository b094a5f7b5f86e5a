//! Ends are bound by taking part, datagrams go both ways, errors find their user.

use std::time::Duration;

use bytes::Bytes;
use netmart_actors::address::{Direction, LocalAddress, RemoteAddress};
use netmart_actors::config::Config;
use netmart_actors::message::{
    BindFailed, Bound, BoundKey, BoundPattern, ForAskerPattern, ListenError, PortError, PortInUse,
    PortKey, PortPattern, PortReply, PortRequest, PortsOf, UdpDatagram, UdpError, UdpKey,
    UdpPattern,
};
use netmart_actors::ports::PortAllocator;
use netmart_actors::udp::Udp;
use netmart_bus::{Actor, ActorId, Change, Context, Interest, Role, Spawn, Watcher};
use netmart_proto::wire::icmp::{IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::{Packet, Protocol, parse_ip};

use crate::bench::{
    Bench, Heard, OURS, OURS6, THEIRS, THEIRS6, icmp, ip, packets, read_icmp, read_udp, udp,
};

const ALL: &str = "0.0.0.0";
const ALL6: &str = "::";

fn local(address: &str, port: u16) -> LocalAddress {
    std::net::SocketAddr::new(ip(address), port).into()
}

fn remote(address: &str, port: u16) -> RemoteAddress {
    std::net::SocketAddr::new(ip(address), port).into()
}

fn bench() -> Bench {
    bench_with(&Config::default())
}

fn bench_with(config: &Config) -> Bench {
    let mut bench = Bench::with_ip_over(1500, config);
    bench.dataspace.spawn(PortAllocator::spawn(40_000..=40_009, 1));
    bench.dataspace.spawn(Udp::spawn(config));
    bench.run();
    bench
}

fn inbound() -> UdpPattern {
    UdpPattern::any().direction(Direction::Inbound)
}

/// Somebody who takes part in what comes in for `end`.
fn bind(bench: &mut Bench, end: LocalAddress) -> Heard<UdpDatagram> {
    bench.subscribe::<UdpDatagram>(inbound().local(end))
}

fn bound(bench: &Bench) -> Vec<LocalAddress> {
    let facts = bench.dataspace.facts::<Bound>(&BoundPattern::any());
    facts.into_iter().map(|fact| fact.at.local).collect()
}

fn failures(bench: &Bench) -> Vec<(LocalAddress, ListenError)> {
    let facts = bench.dataspace.facts::<BindFailed>(&BoundPattern::any());
    facts.into_iter().map(|fact| (fact.at.local, fact.reason)).collect()
}

fn ports_in_use(bench: &Bench) -> Vec<u16> {
    let facts = bench.dataspace.facts::<PortInUse>(&PortPattern::any());
    facts.into_iter().map(|fact| fact.port.port).collect()
}

fn outbound(from: LocalAddress, to: RemoteAddress, payload: &'static [u8]) -> UdpDatagram {
    let key = UdpKey { direction: Direction::Outbound, local: from, remote: to };
    UdpDatagram { key, ip: None, payload: Bytes::from_static(payload) }
}

/// An actor that stops when the test says so.
struct Participant;

impl Actor for Participant {}

impl netmart_bus::Handler<UdpDatagram> for Participant {
    fn handle(
        &mut self,
        _message: netmart_bus::Delivery<'_, UdpDatagram>,
        _ctx: &mut Context<'_, Self>,
    ) {
    }
}

fn participant(bench: &mut Bench, role: Role, pattern: UdpPattern) -> ActorId {
    let spawn = Spawn::new("participant", Participant);
    let spawn = match role {
        Role::Subscriber => spawn.subscribe::<UdpDatagram>(pattern),
        Role::Provider => spawn.provide::<UdpDatagram>(pattern),
    };
    let actor = bench.dataspace.spawn(spawn);
    bench.run();
    actor
}

fn stop(bench: &mut Bench, actor: ActorId) {
    bench.dataspace.stop(actor);
    bench.run();
}

#[test]
fn an_end_is_bound_while_anybody_takes_part_in_it() {
    let mut bench = bench();
    let end = local(ALL, 53);
    let reader = participant(&mut bench, Role::Subscriber, inbound().local(end));
    let outgoing = UdpPattern::any().direction(Direction::Outbound).local(end);
    let writer = participant(&mut bench, Role::Provider, outgoing);
    assert_eq!((bound(&bench), ports_in_use(&bench)), (vec![end], vec![53]));
    stop(&mut bench, reader);
    assert_eq!(bound(&bench), [end]);
    stop(&mut bench, writer);
    assert_eq!((bound(&bench), ports_in_use(&bench)), (vec![], vec![]));
    participant(&mut bench, Role::Subscriber, inbound().local(end));
    assert_eq!(bound(&bench), [end], "and again");
    bench.assert_discarded(&[]);
}

#[test]
fn who_only_looks_on_binds_nothing() {
    let mut bench = bench();
    participant(&mut bench, Role::Subscriber, UdpPattern::any());
    participant(&mut bench, Role::Subscriber, inbound());
    let outgoing = UdpPattern::any().direction(Direction::Outbound);
    participant(&mut bench, Role::Subscriber, outgoing.local(local(ALL, 53)));
    participant(&mut bench, Role::Provider, outgoing);
    assert_eq!(bound(&bench), []);
    bench.assert_discarded(&[("udp/wildcard_demand", 3)]);
}

#[test]
fn a_port_that_somebody_else_holds_cannot_be_bound_while_the_demand_lasts() {
    let mut bench = bench();
    let port = PortKey { protocol: Protocol::UDP, port: 53 };
    let holder = bench.dataspace.assert(PortInUse { port, ip: None, remote: None });
    let end = local(ALL, 53);
    let reader = participant(&mut bench, Role::Subscriber, inbound().local(end));
    assert_eq!(failures(&bench), [(end, ListenError::Port(PortError::InUse))]);
    assert_eq!(bound(&bench), []);
    stop(&mut bench, reader);
    assert_eq!(failures(&bench), []);
    drop(holder);
    participant(&mut bench, Role::Subscriber, inbound().local(end));
    assert_eq!((bound(&bench), failures(&bench)), (vec![end], vec![]));
}

#[test]
fn addresses_of_others_and_port_0_cannot_be_bound() {
    let mut bench = bench();
    for end in [local(THEIRS, 53), local(OURS, 0)] {
        let reader = participant(&mut bench, Role::Subscriber, inbound().local(end));
        assert_eq!(failures(&bench), [(end, ListenError::NotLocal)]);
        stop(&mut bench, reader);
    }
    assert_eq!((failures(&bench), ports_in_use(&bench)), (vec![], vec![]));
}

#[test]
fn ends_are_bounded_in_number() {
    let mut bench = bench_with(&Config { max_bound: 2, ..Config::default() });
    let first = participant(&mut bench, Role::Subscriber, inbound().local(local(ALL, 1)));
    let second = participant(&mut bench, Role::Subscriber, inbound().local(local(ALL, 2)));
    let third = participant(&mut bench, Role::Subscriber, inbound().local(local(ALL, 3)));
    assert_eq!(failures(&bench), [(local(ALL, 3), ListenError::TooMany)]);
    stop(&mut bench, third);
    stop(&mut bench, first);
    participant(&mut bench, Role::Subscriber, inbound().local(local(ALL, 3)));
    assert_eq!(bound(&bench), [local(ALL, 2), local(ALL, 3)]);
    stop(&mut bench, second);
}

#[test]
fn many_ends_wanted_at_once_are_all_bound() {
    let mut bench = bench();
    let patterns = (1..=20).map(|port| inbound().local(local(ALL, port)));
    for pattern in patterns {
        bench.dataspace.spawn(Spawn::new("reader", Participant).subscribe::<UdpDatagram>(pattern));
    }
    bench.run();
    assert_eq!(bound(&bench).len(), 20);
    assert_eq!(bench.dataspace.next_deadline(), None, "no answer is awaited any more");
}

#[test]
fn a_port_that_the_stack_chose_can_be_bound_by_its_user() {
    let mut bench = bench();
    let replies = bench.subscribe::<PortReply>(ForAskerPattern::any());
    let of = PortsOf { protocol: Protocol::UDP };
    bench.inject(PortRequest { of, asker: ActorId::HOST, want: None, ip: None, remote: None });
    let port = replies.borrow_mut().remove(0).result.unwrap();
    let end = local(ALL, port);
    bind(&mut bench, end);
    assert_eq!((bound(&bench), failures(&bench)), (vec![end], vec![]));
}

#[test]
fn without_an_allocator_the_claim_is_repeated_until_there_is_one() {
    let mut bench = Bench::with_ip();
    bench.dataspace.spawn(Udp::spawn(&Config::default()));
    bench.run();
    let end = local(ALL, 53);
    bind(&mut bench, end);
    assert_eq!(bound(&bench), []);
    bench.dataspace.spawn(PortAllocator::spawn(40_000..=40_009, 1));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bound(&bench), [end]);
    assert_eq!(bench.dataspace.next_deadline(), None);
}

/// The ends that each of the readers got something for, in order.
fn ends_heard(readers: &[Heard<UdpDatagram>]) -> Vec<LocalAddress> {
    let heard = readers.iter().flat_map(|reader| reader.borrow_mut().split_off(0));
    heard.map(|datagram| datagram.key.local).collect()
}

#[test]
fn a_datagram_reaches_the_end_with_its_address_before_one_with_none() {
    let ends = [(OURS, 1), (ALL, 1), (ALL, 2), (ALL6, 2), (ALL6, 3), (OURS6, 4), (ALL6, 4)];
    let cases = [
        (THEIRS, OURS, 1, Some((OURS, 1)), "the exact one"),
        (THEIRS, "192.0.2.255", 1, Some((ALL, 1)), "broadcast is nobody's address"),
        (THEIRS, OURS, 2, Some((ALL, 2)), "the unspecified one of the version"),
        (THEIRS6, OURS6, 2, Some((ALL6, 2)), "the unspecified one of the version"),
        (THEIRS, OURS, 3, Some((ALL6, 3)), "that of IPv6 takes IPv4 as well"),
        (THEIRS6, OURS6, 3, Some((ALL6, 3)), "but first of all IPv6"),
        (THEIRS6, OURS6, 4, Some((OURS6, 4)), "the exact one of IPv6"),
        (THEIRS6, "ff02::1", 4, Some((ALL6, 4)), "all nodes"),
        (THEIRS6, OURS6, 1, None, "that of IPv4 does not take IPv6"),
        (THEIRS, OURS, 5, None, "nobody at all"),
    ];
    let mut bench = bench();
    let bind_end = |(address, port): (&str, u16)| bind(&mut bench, local(address, port));
    let readers = ends.map(bind_end);
    for (from, to, port, expected, why) in cases {
        bench.arrive(vec![udp((from, 9), (to, port), b"x")]);
        let expected: Vec<_> =
            expected.iter().map(|(address, port)| local(address, *port)).collect();
        assert_eq!(ends_heard(&readers), expected, "{to} port {port}: {why}");
    }
    bench.assert_discarded(&[("udp/nobody", 2)]);
}

#[test]
fn a_datagram_tells_where_it_came_from_and_which_address_it_was_for() {
    let mut bench = bench();
    let reader = bind(&mut bench, local(ALL6, 53));
    bench.arrive(vec![udp((THEIRS6, 9), (OURS6, 53), b"question")]);
    let UdpDatagram { key, ip: address, payload } = reader.borrow_mut().remove(0);
    assert_eq!((key.direction, key.remote), (Direction::Inbound, remote(THEIRS6, 9)));
    assert_eq!((address, payload), (Some(ip(OURS6)), Bytes::from_static(b"question")));
}

#[test]
fn a_datagram_for_nobody_is_answered_with_port_unreachable() {
    for (from, to, code) in [(THEIRS, OURS, 3), (THEIRS6, OURS6, 4)] {
        let mut bench = bench();
        let out = bench.packets_out();
        let stray = udp((from, 9), (to, 53), b"anybody there?");
        bench.arrive(vec![stray.clone()]);
        let out = packets(&out);
        let [error] = &out[..] else { panic!("{out:?}") };
        let (header, IcmpMessage::Error(error)) = read_icmp(error) else { panic!() };
        assert_eq!((header.src, header.dst), (ip(to), ip(from)));
        assert_eq!(error.kind, IcmpErrorKind::Unreachable { code });
        assert_eq!(error.quote, stray.to_vec());
        bench.assert_discarded(&[("udp/nobody", 1)]);
    }
}

#[test]
fn a_datagram_to_many_that_nobody_wants_is_dropped_in_silence() {
    let mut bench = bench();
    let out = bench.packets_out();
    bench.arrive(vec![udp((THEIRS, 9), ("192.0.2.255", 53), b"anybody there?")]);
    assert_eq!(packets(&out), []);
    bench.assert_discarded(&[("udp/nobody", 1)]);
}

#[test]
fn what_is_no_datagram_is_counted_by_its_fault() {
    let mut bench = bench();
    let reader = bind(&mut bench, local(ALL, 53));
    let mut wrong = udp((THEIRS, 9), (OURS, 53), b"x").to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    let nowhere = udp((THEIRS, 9), (OURS, 0), b"x");
    bench.arrive(vec![wrong.into(), nowhere]);
    assert_eq!(reader.borrow().len(), 0);
    bench.assert_discarded(&[("udp/bad_checksum", 1), ("udp/port_zero", 1)]);
}

#[test]
fn an_answer_goes_back_from_the_address_it_was_asked_at() {
    for (end, ours, theirs) in [(ALL, OURS, THEIRS), (ALL6, OURS6, THEIRS6), (ALL6, OURS, THEIRS)] {
        let mut bench = bench();
        let out = bench.packets_out();
        let reader = bind(&mut bench, local(end, 53));
        bench.arrive(vec![udp((theirs, 9), (ours, 53), b"question")]);
        let question = reader.borrow_mut().remove(0);
        let key = UdpKey { direction: Direction::Outbound, ..question.key };
        bench.inject(UdpDatagram { key, ..question });
        let (header, datagram) = read_udp(&packets(&out)[0]);
        assert_eq!((header.src, header.dst), (ip(ours), ip(theirs)));
        assert_eq!((datagram.src_port, datagram.dst_port), (53, 9));
        assert_eq!(datagram.payload, Bytes::from_static(b"question"));
        bench.assert_discarded(&[]);
    }
}

#[test]
fn without_an_address_of_its_own_an_end_sends_from_that_of_the_route() {
    let mut bench = bench();
    let out = bench.packets_out();
    bind(&mut bench, local(ALL, 53));
    bench.inject(outbound(local(ALL, 53), remote("198.51.100.1", 9), b"hello"));
    let (header, _) = read_udp(&packets(&out)[0]);
    assert_eq!((header.src, header.ttl, header.dont_fragment), (ip(OURS), 64, false));
    assert_ne!(header.ident, 0);
}

#[test]
fn multicast_stays_on_the_link() {
    let mut bench = bench();
    let out = bench.packets_out();
    bind(&mut bench, local(OURS, 53));
    bench.inject(outbound(local(OURS, 53), remote("224.0.0.251", 5353), b"hello"));
    assert_eq!(parse_ip(&packets(&out)[0]).unwrap().header.ttl, 1);
}

#[test]
fn what_cannot_be_sent_is_counted_and_its_user_told_where_it_helps() {
    let unreachable = Some(IcmpErrorKind::Unreachable { code: 0 });
    let cases = [
        (local(ALL, 53), remote(THEIRS, 0), "port_zero", None),
        (local(ALL, 53), remote(ALL, 9), "invalid_remote", None),
        (local(ALL6, 54), remote("2001:db8:9::1", 9), "no_route", unreachable),
        (local(OURS, 55), remote(THEIRS6, 9), "no_source", unreachable),
        (local(ALL, 99), remote(THEIRS, 9), "not_bound", None),
    ];
    for (end, to, reason, told) in cases {
        let mut bench = bench();
        let (out, errors) = (bench.packets_out(), bench.subscribe::<UdpError>(UdpPattern::any()));
        for end in [local(ALL, 53), local(ALL6, 54), local(OURS, 55)] {
            bind(&mut bench, end);
        }
        bench.inject(outbound(end, to, b"hello"));
        assert_eq!(packets(&out), []);
        let heard = errors.borrow();
        let heard: Vec<_> = heard.iter().map(|error| (error.key, error.error)).collect();
        let key = UdpKey { direction: Direction::Inbound, local: end, remote: to };
        assert_eq!(heard, Vec::from_iter(told.map(|kind| (key, kind))), "{reason}");
        bench.assert_discarded(&[(&format!("udp/{reason}"), 1)]);
    }
}

#[test]
fn a_datagram_too_long_for_its_length_field_is_refused() {
    let mut bench = bench();
    let errors = bench.subscribe::<UdpError>(UdpPattern::any());
    bind(&mut bench, local(ALL, 53));
    let mut datagram = outbound(local(ALL, 53), remote(THEIRS, 9), b"");
    datagram.payload = Bytes::from(vec![0; 65_528]);
    bench.inject(datagram);
    assert_eq!(errors.borrow()[0].error, IcmpErrorKind::PacketTooBig { mtu: 65_535 });
    bench.assert_discarded(&[("udp/too_long", 1)]);
}

#[test]
fn what_is_sent_before_the_end_is_bound_waits_for_it() {
    let mut bench = Bench::with_ip();
    bench.dataspace.spawn(Udp::spawn(&Config::default()));
    let out = bench.packets_out();
    let end = local(ALL, 53);
    bind(&mut bench, end);
    for _ in 0..70 {
        bench.inject(outbound(end, remote(THEIRS, 9), b"early"));
    }
    assert_eq!(packets(&out), []);
    bench.assert_discarded(&[("udp/too_many_waiting", 6)]);
    bench.dataspace.spawn(PortAllocator::spawn(40_000..=40_009, 1));
    bench.pass(Duration::from_secs(1));
    assert_eq!(packets(&out).len(), 64);
}

#[test]
fn two_ends_of_one_stack_talk_without_a_link() {
    for address in [OURS, OURS6, "127.0.0.1", "::1"] {
        let mut bench = bench();
        let out = bench.packets_out();
        let end = local(address, 53);
        let reader = bind(&mut bench, end);
        bind(&mut bench, local(address, 54));
        bench.inject(outbound(local(address, 54), remote(address, 53), b"hello"));
        let heard = reader.borrow_mut().remove(0);
        assert_eq!((heard.key.remote, heard.payload.len()), (remote(address, 54), 5));
        assert_eq!(packets(&out), []);
        bench.assert_discarded(&[]);
    }
}

#[test]
fn an_error_of_the_network_reaches_the_user_of_the_end() {
    let kind = IcmpErrorKind::Unreachable { code: 3 };
    let about = |ours: Packet| {
        icmp(THEIRS, OURS, IcmpMessage::Error(IcmpError { kind, quote: ours.into_bytes() }))
    };
    let mut bench = bench();
    let errors = bench.subscribe::<UdpError>(UdpPattern::any());
    bind(&mut bench, local(ALL, 53));
    bench.arrive(vec![about(udp((OURS, 53), (THEIRS, 9), b"x"))]);
    let UdpError { key, error } = errors.borrow_mut().remove(0);
    assert_eq!((key.local, key.remote, error), (local(ALL, 53), remote(THEIRS, 9), kind));
    bench.arrive(vec![about(udp((OURS, 54), (THEIRS, 9), b"x"))]);
    assert_eq!(errors.borrow().len(), 0);
    bench.assert_discarded(&[("udp/icmp_nobody", 1)]);
}

/// Watches what is bound, and notes in which order it hears of it.
struct Lookout(Heard<Change<Bound>>);

impl Actor for Lookout {}

impl Watcher<Bound> for Lookout {
    fn changed(&mut self, change: Change<Bound>, _ctx: &mut Context<'_, Self>) {
        self.0.borrow_mut().push(change);
    }
}

#[test]
fn a_watcher_hears_of_an_end_once_when_it_comes_and_once_when_it_goes() {
    let mut bench = bench();
    let heard = Heard::default();
    let lookout = Spawn::new("lookout", Lookout(Heard::clone(&heard)));
    bench.dataspace.spawn(lookout.watch::<Bound>(BoundPattern::any()));
    let end = local(ALL, 53);
    let reader = participant(&mut bench, Role::Subscriber, inbound().local(end));
    let connected = inbound().local(end).remote(remote(THEIRS, 9));
    let other = participant(&mut bench, Role::Subscriber, connected);
    stop(&mut bench, reader);
    stop(&mut bench, other);
    let fact = Bound { at: BoundKey { local: end } };
    let expected = [Change::Snapshot(vec![]), Change::Appeared(fact.clone()), Change::Gone(fact)];
    assert_eq!(heard.borrow()[..], expected);
    let interests = bench.dataspace.interests::<UdpDatagram>(Role::Subscriber, &inbound());
    assert_eq!(interests, Vec::<Interest<UdpDatagram>>::new());
}
