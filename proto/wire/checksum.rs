//! The Internet checksum (RFC 1071).

/// Who completes the checksum of a packet that is emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumMode {
    /// We do: the field is right when the packet leaves.
    #[default]
    Full,
    /// The device does: the field holds the folded sum of the pseudo header.
    Partial,
}
