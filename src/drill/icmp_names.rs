//! What scripts call the messages of ICMP (RFC 792, RFC 1812) and of ICMPv6 (RFC 4443).

use netmart_proto::wire::IpVersion;

use super::ast::IcmpKind;

/// A type's name and number, and its codes in order from 0.
type Kind = (&'static str, u8, &'static [&'static str]);

const V4: &[Kind] = &[
    ("echo_reply", 0, &[]),
    (
        "unreachable",
        3,
        &[
            "net_unreachable",
            "host_unreachable",
            "protocol_unreachable",
            "port_unreachable",
            "frag_needed",
            "source_route_failed",
            "net_unknown",
            "host_unknown",
            "source_host_isolated",
            "net_prohibited",
            "host_prohibited",
            "net_unreachable_for_tos",
            "host_unreachable_for_tos",
            "packet_filtered",
            "precedence_violation",
            "precedence_cutoff",
        ],
    ),
    ("source_quench", 4, &[]),
    ("redirect", 5, &[]),
    ("echo_request", 8, &[]),
    ("time_exceeded", 11, &["exceeded_ttl", "exceeded_frag_time"]),
    ("parameter_problem", 12, &[]),
    ("timestamp_request", 13, &[]),
    ("timestamp_reply", 14, &[]),
    ("information_request", 15, &[]),
    ("information_reply", 16, &[]),
    ("address_mask_request", 17, &[]),
    ("address_mask_reply", 18, &[]),
];

const V6: &[Kind] = &[
    (
        "unreachable",
        1,
        &[
            "no_route",
            "admin_prohibited",
            "not_neighbour",
            "address_unreachable",
            "port_unreachable",
        ],
    ),
    ("packet_too_big", 2, &[]),
    ("time_exceeded", 3, &["exceeded_hop_limit", "exceeded_frag_time"]),
    ("parameter_problem", 4, &["header_field", "unknown_next_header", "unknown_option"]),
    ("echo_request", 128, &[]),
    ("echo_reply", 129, &[]),
];

/// Other words of scripts for a code: those of another system's headers, and of older versions of a suite.
const ALIASES: &[(IpVersion, &str, &str, u8)] = &[
    (IpVersion::V4, "time_exceeded", "ttl_exceeded_in_transit", 0),
    (IpVersion::V4, "time_exceeded", "frag_reass_exceeded", 1),
    (IpVersion::V6, "unreachable", "net_unreachable", 0),
];

impl IcmpKind {
    /// Type and code on the wire, if this version has them.
    pub fn numbers(&self, version: IpVersion) -> Option<(u8, u8)> {
        let table = match version {
            IpVersion::V4 => V4,
            IpVersion::V6 => V6,
        };
        let (kind, codes) = match number(&self.name, "type_") {
            Some(kind) => (kind, [].as_slice()),
            None => {
                let &(_, kind, codes) = table.iter().find(|(name, ..)| *name == self.name)?;
                (kind, codes)
            }
        };
        let Some(code) = &self.code else { return Some((kind, 0)) };
        let alias = || {
            let is_meant = |(of, kind, name, _): &&(IpVersion, &str, &str, u8)| {
                *of == version && *kind == self.name && name == code
            };
            ALIASES.iter().find(is_meant).map(|(.., number)| *number)
        };
        let code = number(code, "code_")
            .or_else(|| codes.iter().position(|name| name == code).map(|place| place as u8))
            .or_else(alias)?;
        Some((kind, code))
    }

    /// Whether any version has a type of this name.
    pub(super) fn is_type(name: &str) -> bool {
        [IpVersion::V4, IpVersion::V6]
            .iter()
            .any(|version| Self { name: name.to_owned(), code: None }.numbers(*version).is_some())
    }

    /// Whether any version has this code of type `name`.
    pub(super) fn is_code(name: &str, code: &str) -> bool {
        let kind = Self { name: name.to_owned(), code: Some(code.to_owned()) };
        [IpVersion::V4, IpVersion::V6].iter().any(|version| kind.numbers(*version).is_some())
    }

    /// The names of `kind` and `code`, numbers where there is no name.
    pub(super) fn of(version: IpVersion, kind: u8, code: u8) -> Self {
        let table = match version {
            IpVersion::V4 => V4,
            IpVersion::V6 => V6,
        };
        let known = table.iter().find(|(_, number, _)| *number == kind);
        let name = known.map_or_else(|| format!("type_{kind}"), |(name, ..)| (*name).to_owned());
        let code_name = known
            .and_then(|(.., codes)| codes.get(usize::from(code)))
            .map(|name| (*name).to_owned());
        let code = code_name.or_else(|| (code != 0).then(|| format!("code_{code}")));
        Self { name, code }
    }
}

fn number(word: &str, prefix: &str) -> Option<u8> {
    word.strip_prefix(prefix)?.parse().ok()
}
