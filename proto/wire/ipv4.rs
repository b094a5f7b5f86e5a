//! IPv4 (RFC 791).

/// The options of an IPv4 header as they stand on the wire; at most 40 octets, usually none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipv4Options(Option<Box<[u8]>>);
