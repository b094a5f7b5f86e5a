//! Which of our addresses a packet leaves with (RFC 6724), as pure functions.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

/// How far an address reaches (RFC 6724 sections 3.1 and 3.2): a smaller number, a smaller zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope(u8);

impl Scope {
    const LINK_LOCAL: Self = Self(0x2);
    const SITE_LOCAL: Self = Self(0x5);
    pub(super) const GLOBAL: Self = Self(0xe);

    pub(super) fn of(ip: &IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => Self::LINK_LOCAL,
            IpAddr::V4(_) => Self::GLOBAL,
            IpAddr::V6(ip) if ip.is_multicast() => Self(ip.octets()[1] & 0xf),
            IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => Self::LINK_LOCAL,
            IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0 => Self::SITE_LOCAL,
            IpAddr::V6(_) => Self::GLOBAL,
        }
    }
}

/// An address that a packet could leave with, and how many of its bits belong to the subnet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) ip: IpAddr,
    pub(super) prefix_len: u8,
}

/// The best source among `candidates` for `destination`, all of one version. Between equals the
/// first wins.
pub(super) fn choose(
    destination: &IpAddr,
    candidates: impl Iterator<Item = Candidate>,
) -> Option<IpAddr> {
    candidates
        .reduce(|best, next| match compare(destination, &next, &best) {
            Ordering::Greater => next,
            Ordering::Less | Ordering::Equal => best,
        })
        .map(|best| best.ip)
}

/// The rules of RFC 6724 section 5 that a host without mobility, temporary or deprecated addresses
/// can apply; rule 5 (outgoing interface) is kept by the choice of the candidates.
fn compare(destination: &IpAddr, a: &Candidate, b: &Candidate) -> Ordering {
    rule_1_same_address(destination, a, b)
        .then_with(|| rule_2_appropriate_scope(destination, a, b))
        .then_with(|| rule_6_matching_label(destination, a, b))
        .then_with(|| rule_8_longest_match(destination, a, b))
}

fn rule_1_same_address(destination: &IpAddr, a: &Candidate, b: &Candidate) -> Ordering {
    (a.ip == *destination).cmp(&(b.ip == *destination))
}

/// The smallest scope that still reaches the destination; else the largest there is.
fn rule_2_appropriate_scope(destination: &IpAddr, a: &Candidate, b: &Candidate) -> Ordering {
    let needed = Scope::of(destination);
    let (a, b) = (Scope::of(&a.ip), Scope::of(&b.ip));
    match a.cmp(&b) {
        Ordering::Less if a < needed => Ordering::Less,
        Ordering::Less => Ordering::Greater,
        Ordering::Greater if b < needed => Ordering::Greater,
        Ordering::Greater => Ordering::Less,
        Ordering::Equal => Ordering::Equal,
    }
}

fn rule_6_matching_label(destination: &IpAddr, a: &Candidate, b: &Candidate) -> Ordering {
    let wanted = label(destination);
    (label(&a.ip) == wanted).cmp(&(label(&b.ip) == wanted))
}

fn rule_8_longest_match(destination: &IpAddr, a: &Candidate, b: &Candidate) -> Ordering {
    let common = |candidate: &Candidate| {
        let differing = bits(&candidate.ip) ^ bits(destination);
        differing.leading_zeros().min(u32::from(candidate.prefix_len))
    };
    common(a).cmp(&common(b))
}

/// An address as a number whose first bit is the first bit of the address, whatever its version.
pub(super) fn bits(ip: &IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The label of an address in the default policy table (RFC 6724 section 2.1).
fn label(ip: &IpAddr) -> u8 {
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => *ip,
    };
    POLICY
        .iter()
        .find(|(prefix, len, _)| (prefix.to_bits() ^ ip.to_bits()).leading_zeros() >= *len)
        .map_or(1, |(_, _, label)| *label)
}

/// Prefix, length and label, the longest prefix first; anything else has label 1.
const POLICY: [(Ipv6Addr, u32, u8); 8] = [
    (Ipv6Addr::LOCALHOST, 128, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 13),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn candidate(text: &str) -> Candidate {
        let (address, len) = text.split_once('/').unwrap();
        Candidate { ip: ip(address), prefix_len: len.parse().unwrap() }
    }

    #[test]
    fn the_source_is_chosen_by_the_rules_of_rfc_6724() {
        let cases: &[(&str, &[&str], Option<&str>, &str)] = &[
            ("192.0.2.1", &[], None, "nothing to choose from"),
            ("192.0.2.9", &["192.0.2.1/24"], Some("192.0.2.1"), "the only one"),
            ("192.0.2.9", &["192.0.2.1/24", "192.0.2.9/24"], Some("192.0.2.9"), "rule 1"),
            // Section 10.1 of the RFC, as far as the rules apply to us.
            ("2001:db8:1::1", &["2001:db8:3::1/64", "fe80::1/64"], Some("2001:db8:3::1"), "rule 2"),
            ("ff05::1", &["2001:db8:3::1/64", "fe80::1/64"], Some("2001:db8:3::1"), "rule 2"),
            ("fe80::9", &["2001:db8::2/64", "fe80::1/64"], Some("fe80::1"), "smallest scope"),
            (
                "2001:db8:1::9",
                &["2001:db8:1::2/64", "2001:db8:3::2/64"],
                Some("2001:db8:1::2"),
                "rule 8",
            ),
            (
                "2002:c633:6401::d5e3:7953:13eb:22e8",
                &["2001:db8:1::2/64", "2002:c633:6401:0:d5e3::1/64"],
                Some("2002:c633:6401:0:d5e3::1"),
                "rule 6",
            ),
            (
                "fd00::9",
                &["2001:db8::1/64", "fd01::1/64"],
                Some("fd01::1"),
                "rule 6, local addresses",
            ),
            ("fe80::9", &["169.254.0.1/16"], Some("169.254.0.1"), "no better one"),
            (
                "10.1.0.9",
                &["10.2.0.1/16", "10.1.0.1/16"],
                Some("10.1.0.1"),
                "longest match in IPv4",
            ),
            (
                "10.1.0.9",
                &["10.1.0.1/16", "10.1.0.8/16"],
                Some("10.1.0.1"),
                "bits behind the prefix do not count",
            ),
            (
                "8.8.8.8",
                &["169.254.0.1/16", "10.1.0.1/16"],
                Some("10.1.0.1"),
                "link-local IPv4 does not reach far",
            ),
        ];
        for (destination, candidates, expected, rule) in cases {
            let all: Vec<_> = candidates.iter().map(|text| candidate(text)).collect();
            let chosen = choose(&ip(destination), all.into_iter());
            assert_eq!(chosen, expected.map(ip), "{destination} from {candidates:?}: {rule}");
        }
    }

    #[test]
    fn every_prefix_of_the_policy_table_has_its_label() {
        let cases = [
            ("::1", 0),
            ("2001:db8::1", 1),
            ("2002::1", 2),
            ("::192.0.2.1", 3),
            ("192.0.2.1", 4),
            ("::ffff:192.0.2.1", 4),
            ("2001::1", 5),
            ("fec0::1", 11),
            ("3ffe::1", 12),
            ("fc00::1", 13),
            ("fd00::1", 13),
        ];
        for (address, expected) in cases {
            assert_eq!(label(&ip(address)), expected, "{address}");
        }
    }
}
