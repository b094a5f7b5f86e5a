//! Why bytes could not be read, or a meaning could not be written.

use core::fmt;

use thiserror::Error;

/// Bytes that are no packet: which layer noticed, what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{layer}: {fault} at octet {offset}")]
pub struct ParseError {
    /// The layer whose rules are broken.
    pub layer: Layer,
    /// The rule that is broken.
    pub fault: Fault,
    /// The octet where it shows, counted from the first octet of that layer's header. For IPv6 this
    /// is the pointer of a Parameter Problem message (RFC 4443 section 3.4).
    pub offset: usize,
}

impl ParseError {
    /// An error of `layer` at `offset`.
    pub const fn new(layer: Layer, fault: Fault, offset: usize) -> Self {
        Self { layer, fault, offset }
    }
}

/// A layer of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Internet protocol of a version that could not be told.
    Ip,
    /// IPv4 (RFC 791).
    Ipv4,
    /// IPv6 and its extension headers (RFC 8200).
    Ipv6,
    /// ICMP of IPv4 (RFC 792).
    Icmpv4,
    /// ICMP of IPv6 (RFC 4443).
    Icmpv6,
    /// UDP (RFC 768).
    Udp,
    /// TCP (RFC 9293).
    Tcp,
}

impl Layer {
    /// A short name that stays the same: `ipv4`, `tcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Icmpv4 => "icmpv4",
            Self::Icmpv6 => "icmpv6",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The header does not fit into the bytes there are.
    Truncated,
    /// The version is neither 4 nor 6, or not the one expected.
    BadVersion,
    /// The header length is smaller than the fixed header, or larger than the packet.
    BadHeaderLen,
    /// The length field promises more than there is, or less than the header takes.
    BadTotalLen,
    /// The checksum does not match.
    BadChecksum,
    /// There is no checksum where one is required (UDP over IPv6, RFC 8200 section 8.1).
    MissingChecksum,
    /// An option is shorter than its fixed part or runs past the end of the options.
    BadOptionLen,
    /// A fragment that is not the last has a length that is no multiple of 8, or one reaches
    /// past the largest datagram.
    BadFragment,
    /// More extension headers than we are willing to walk.
    TooManyExtensions,
    /// An extension header where it must not be (hop-by-hop options that do not come first).
    MisplacedExtension,
    /// A routing header that still wants to be followed (RFC 8200 section 4.4, RFC 5095).
    UnsupportedRouting,
    /// An unknown IPv6 option whose type says: discard silently (action 01).
    UnknownOptionDiscard,
    /// An unknown IPv6 option whose type says: discard and report (action 10).
    UnknownOptionReport,
    /// An unknown IPv6 option whose type says: discard and report unless the destination is a
    /// multicast address (action 11).
    UnknownOptionReportUnicast,
}

impl Fault {
    /// A short name that stays the same, for counters: `bad_checksum`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadVersion => "bad_version",
            Self::BadHeaderLen => "bad_header_len",
            Self::BadTotalLen => "bad_total_len",
            Self::BadChecksum => "bad_checksum",
            Self::MissingChecksum => "missing_checksum",
            Self::BadOptionLen => "bad_option_len",
            Self::BadFragment => "bad_fragment",
            Self::TooManyExtensions => "too_many_extensions",
            Self::MisplacedExtension => "misplaced_extension",
            Self::UnsupportedRouting => "unsupported_routing",
            Self::UnknownOptionDiscard => "unknown_option_discard",
            Self::UnknownOptionReport => "unknown_option_report",
            Self::UnknownOptionReportUnicast => "unknown_option_report_unicast",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated",
            Self::BadVersion => "unexpected version",
            Self::BadHeaderLen => "impossible header length",
            Self::BadTotalLen => "impossible total length",
            Self::BadChecksum => "wrong checksum",
            Self::MissingChecksum => "no checksum",
            Self::BadOptionLen => "impossible option length",
            Self::BadFragment => "impossible fragment",
            Self::TooManyExtensions => "too many extension headers",
            Self::MisplacedExtension => "misplaced extension header",
            Self::UnsupportedRouting => "unsupported routing header",
            Self::UnknownOptionDiscard => "unknown option, to be discarded",
            Self::UnknownOptionReport => "unknown option, to be reported",
            Self::UnknownOptionReportUnicast => {
                "unknown option, to be reported if sent to one host"
            }
        })
    }
}

/// A meaning that no packet can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum EmitError {
    /// The length fields have 16 bits.
    #[error("datagram of {0} octets is too long")]
    TooLong(usize),
    /// Source and destination are of different IP versions.
    #[error("source and destination differ in IP version")]
    MixedVersions,
    /// Source quench, in IPv6.
    #[error("ICMPv6 has no such message")]
    NoSuchMessage,
}
