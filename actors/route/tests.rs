use super::*;
use crate::message::{OnLink, OwnAddress, RouteKey};

const ETH: LinkId = LinkId(1);
const TUN: LinkId = LinkId(2);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn split(text: &str) -> (IpAddr, u8) {
    let (address, len) = text.split_once('/').unwrap();
    (ip(address), len.parse().unwrap())
}

fn up(link: LinkId, mtu: u16) -> LinkUp {
    let capabilities = LinkCapabilities { mtu, checksum_offload: false, gso_max: 0 };
    LinkUp { on: OnLink { link }, capabilities }
}

fn address(link: LinkId, text: &str) -> InterfaceAddress {
    let (ip, prefix_len) = split(text);
    InterfaceAddress { own: OwnAddress { link, ip }, prefix_len }
}

fn route(link: LinkId, text: &str) -> Route {
    let (network, prefix_len) = split(text);
    Route { to: RouteKey { network, prefix_len, link } }
}

fn table(addresses: &[(LinkId, &str)], routes: &[(LinkId, &str)]) -> RouteTable {
    let mut table = RouteTable::new();
    table.apply(Change::Snapshot(vec![up(ETH, 1500), up(TUN, 1400)]));
    table.apply(Change::Snapshot(addresses.iter().map(|(l, a)| address(*l, a)).collect()));
    table.apply(Change::Snapshot(routes.iter().map(|(l, r)| route(*l, r)).collect()));
    table
}

/// Two links, both versions, default routes.
fn host() -> RouteTable {
    table(
        &[
            (LinkId::LOOPBACK, "127.0.0.1/8"),
            (LinkId::LOOPBACK, "::1/128"),
            (ETH, "192.0.2.2/24"),
            (ETH, "2001:db8:1::2/64"),
            (ETH, "fe80::2/64"),
            (TUN, "10.0.0.2/30"),
            (TUN, "fd00::2/64"),
        ],
        &[(ETH, "0.0.0.0/0"), (ETH, "::/0"), (TUN, "10.0.0.0/8"), (TUN, "192.0.2.128/25")],
    )
}

#[test]
fn the_longest_prefix_whose_link_is_up_leads_the_way() {
    type Way = Option<(LinkId, &'static str)>;
    let cases: &[(&str, Way, &str)] = &[
        ("192.0.2.9", Some((ETH, "192.0.2.2")), "the subnet of an address"),
        ("192.0.2.200", Some((TUN, "10.0.0.2")), "a longer prefix than the subnet's"),
        ("10.0.0.1", Some((TUN, "10.0.0.2")), "the other link's subnet"),
        ("10.9.9.9", Some((TUN, "10.0.0.2")), "a stated route"),
        ("8.8.8.8", Some((ETH, "192.0.2.2")), "the default route"),
        ("2001:db8:9::1", Some((ETH, "2001:db8:1::2")), "the default route of IPv6"),
        ("fd00::9", Some((TUN, "fd00::2")), "a subnet of IPv6"),
        ("fe80::9", Some((ETH, "fe80::2")), "link-local, from link-local"),
        ("192.0.2.2", Some((LinkId::LOOPBACK, "192.0.2.2")), "our own address"),
        ("fd00::2", Some((LinkId::LOOPBACK, "fd00::2")), "our own address of IPv6"),
        ("127.0.0.1", Some((LinkId::LOOPBACK, "127.0.0.1")), "loopback"),
        ("127.9.9.9", Some((LinkId::LOOPBACK, "127.9.9.9")), "all of the loopback network"),
        ("::1", Some((LinkId::LOOPBACK, "::1")), "loopback of IPv6"),
    ];
    let table = host();
    for (destination, expected, why) in cases {
        let path = table.lookup(ip(destination));
        let expected = expected.map(|(link, source)| (link, ip(source)));
        assert_eq!(path.map(|path| (path.link, path.source)), expected, "{destination}: {why}");
    }
}

#[test]
fn a_path_tells_what_its_link_can_do() {
    let table = host();
    assert_eq!(table.lookup(ip("10.0.0.1")).unwrap().capabilities.mtu, 1400);
    assert_eq!(table.lookup(ip("10.0.0.2")).unwrap().capabilities, LOOPBACK);
}

#[test]
fn of_equally_long_prefixes_the_lowest_link_that_is_up_wins() {
    let mut table = table(
        &[(ETH, "192.0.2.2/24"), (TUN, "10.0.0.2/24")],
        &[(TUN, "0.0.0.0/0"), (ETH, "0.0.0.0/0")],
    );
    assert_eq!(table.lookup(ip("8.8.8.8")).unwrap().link, ETH);
    table.apply(Change::Gone(up(ETH, 1500)));
    assert_eq!(table.lookup(ip("8.8.8.8")).unwrap().link, TUN, "the first link is down");
    table.apply(Change::Gone(up(TUN, 1400)));
    assert_eq!(table.lookup(ip("8.8.8.8")), None, "both are down");
}

#[test]
fn without_a_route_or_an_address_of_the_version_there_is_no_path() {
    let table = table(&[(ETH, "192.0.2.2/24")], &[(ETH, "::/0")]);
    assert_eq!(table.lookup(ip("10.0.0.1")), None, "no route");
    assert_eq!(table.lookup(ip("2001:db8::1")), None, "no address of IPv6");
}

#[test]
fn a_link_without_addresses_borrows_one_that_is_known_beyond_its_own_link() {
    let table = table(
        &[(LinkId::LOOPBACK, "127.0.0.1/8"), (ETH, "169.254.1.1/16"), (ETH, "192.0.2.2/24")],
        &[(TUN, "10.0.0.0/8")],
    );
    assert_eq!(table.lookup(ip("10.0.0.1")).unwrap().source, ip("192.0.2.2"));
}

#[test]
fn loopback_addresses_are_local_only_when_stated() {
    let table = table(&[(ETH, "192.0.2.2/24")], &[]);
    assert!(!table.is_local(ip("127.0.0.1")));
    assert!(host().is_local(ip("127.1.2.3")));
    assert!(!host().is_local(ip("::2")));
}

#[test]
fn what_is_gone_leads_nowhere_and_what_is_stated_twice_stays_until_both_are_gone() {
    let mut table = table(&[(ETH, "192.0.2.2/24")], &[(ETH, "192.0.2.0/24")]);
    let to = ip("192.0.2.9");
    table.apply(Change::Appeared(address(ETH, "192.0.2.3/24")));
    table.apply(Change::Gone(route(ETH, "192.0.2.0/24")));
    assert!(table.lookup(to).is_some(), "two addresses still imply the subnet's route");
    table.apply(Change::Gone(address(ETH, "192.0.2.2/24")));
    assert_eq!(table.lookup(to).unwrap().source, ip("192.0.2.3"));
    assert!(!table.is_local(ip("192.0.2.2")));
    table.apply(Change::Gone(address(ETH, "192.0.2.3/24")));
    assert_eq!(table.lookup(to), None);
    assert!(table.v4.is_empty());
}

#[test]
fn a_link_whose_abilities_change_has_the_later_ones() {
    let mut table = host();
    table.apply(Change::Appeared(up(ETH, 9000)));
    assert_eq!(table.capabilities(ETH).unwrap().mtu, 9000);
    table.apply(Change::Gone(up(ETH, 1500)));
    assert_eq!(table.capabilities(ETH).unwrap().mtu, 9000);
}

#[test]
fn addresses_that_name_no_single_host_are_no_remote_ends() {
    let table = host();
    let cases = [
        ("8.8.8.8", false),
        ("192.0.2.9", false),
        ("192.0.2.2", false),
        ("127.0.0.1", false),
        ("2001:db8::1", false),
        ("fe80::1", false),
        ("0.0.0.0", true),
        ("0.1.2.3", true),
        ("224.0.0.1", true),
        ("239.255.255.255", true),
        ("240.0.0.1", true),
        ("255.255.255.255", true),
        ("192.0.2.255", true),
        ("10.0.0.3", true),
        ("10.0.0.255", false),
        ("::", true),
        ("ff02::1", true),
        ("::ffff:192.0.2.9", true),
    ];
    for (address, expected) in cases {
        assert_eq!(table.is_invalid_remote(ip(address)), expected, "{address}");
    }
}

#[test]
fn nothing_from_a_martian_comes_in_by_a_real_link() {
    let table = host();
    let cases = [
        ("192.0.2.9", false),
        ("8.8.8.8", false),
        ("fe80::9", false),
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("192.0.2.2", true),
        ("224.0.0.1", true),
        ("0.0.0.0", true),
    ];
    for (address, expected) in cases {
        assert_eq!(table.is_martian(ip(address)), expected, "{address}");
    }
}

#[test]
fn broadcast_and_the_groups_of_all_hosts_reach_us() {
    let table = table(&[(ETH, "192.0.2.2/24"), (TUN, "10.0.0.2/31"), (TUN, "10.1.0.2/32")], &[]);
    let cases = [
        ("255.255.255.255", true),
        ("192.0.2.255", true),
        ("10.0.0.3", false),
        ("10.1.0.2", false),
        ("224.0.0.1", true),
        ("224.0.0.2", false),
        ("ff02::1", true),
        ("ff01::1", true),
        ("ff02::2", false),
        ("192.0.2.9", false),
    ];
    for (address, expected) in cases {
        assert_eq!(table.is_for_all(ip(address)), expected, "{address}");
    }
}

#[test]
fn what_finds_no_room_is_counted_and_its_end_takes_nothing_away() {
    let mut table = RouteTable::new();
    table.apply(Change::Appeared(up(ETH, 1500)));
    for number in 0..RouteTable::MAX_ADDRESSES as u32 {
        let own = OwnAddress { link: ETH, ip: Ipv4Addr::from(0x0a00_0000 + number).into() };
        table.apply(Change::Appeared(InterfaceAddress { own, prefix_len: 8 }));
    }
    assert_eq!(table.refused(), 0);
    let late = address(ETH, "192.0.2.2/24");
    table.apply(Change::Appeared(late.clone()));
    assert_eq!((table.refused(), table.is_local(late.own.ip)), (1, false));
    table.apply(Change::Gone(late));
    table.apply(Change::Gone(route(ETH, "10.0.0.0/8")));
    assert!(table.lookup(ip("10.200.0.1")).is_some());
}

#[test]
fn prefixes_longer_than_an_address_are_refused() {
    let mut table = RouteTable::new();
    table.apply(Change::Appeared(address(ETH, "192.0.2.2/33")));
    table.apply(Change::Appeared(route(ETH, "::/129")));
    assert_eq!(table.refused(), 2);
    assert!(!table.is_local(ip("192.0.2.2")));
}

#[test]
fn bits_behind_the_prefix_of_a_route_do_not_count() {
    let table = table(&[(ETH, "192.0.2.2/24")], &[(ETH, "10.1.2.3/8")]);
    assert!(table.lookup(ip("10.200.0.1")).is_some());
}

#[test]
fn an_answer_is_remembered_until_anything_changes() {
    let mut table = host();
    // These share a place among the answers.
    let (near, far) = (ip("192.0.2.9"), ip("8.8.8.25"));
    for _ in 0..2 {
        assert_eq!(table.lookup(near).unwrap().link, ETH);
        assert_eq!(table.lookup(far).unwrap().link, ETH);
    }
    table.apply(Change::Appeared(route(TUN, "192.0.2.9/32")));
    assert_eq!(table.lookup(near).unwrap().link, TUN);
    table.apply(Change::Appeared(address(TUN, "192.0.2.9/32")));
    assert_eq!(table.lookup(near).unwrap().link, LinkId::LOOPBACK);
}

#[test]
fn the_generation_tells_of_every_change() {
    let mut table = host();
    let before = table.generation();
    table.apply(Change::Gone(up(TUN, 1400)));
    assert_ne!(table.generation(), before);
}
