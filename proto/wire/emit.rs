//! What the emission of all transports has in common.

use bytes::{Bytes, BytesMut};

use super::checksum::{Checksum, ChecksumMode};
use super::{ChecksumState, EmitError, IpHeader, Offload, Packet};

/// How a transport's checksum is made.
pub(super) struct ChecksumField {
    /// Where the field lies in the transport's header.
    pub(super) at: usize,
    /// Whether the pseudo header is part of the sum: everywhere but in ICMP of IPv4.
    pub(super) covers_pseudo_header: bool,
    /// Whether a sum of zero is written as `0xffff`, because zero says that there is none (UDP).
    pub(super) avoids_zero: bool,
    /// Who completes it.
    pub(super) mode: ChecksumMode,
}

/// Makes a packet of `ip`, a transport header of `header_len` octets that `fill` writes over zeros,
/// and `body`.
///
/// The head is split off `arena`. On an error nothing has been appended.
pub(super) fn emit_packet(
    arena: &mut BytesMut,
    ip: &IpHeader,
    header_len: usize,
    body: Bytes,
    field: &ChecksumField,
    fill: impl FnOnce(&mut [u8]),
) -> Result<Packet, EmitError> {
    debug_assert!(arena.is_empty(), "what stands in the arena would become part of the packet");
    let ip_len = ip.emitted_len();
    arena.resize(ip_len + header_len, 0);
    let (ip_header, header) = arena.split_at_mut(ip_len);
    let written = ip.write(ip_header, header_len + body.len()).and_then(|()| {
        fill(header);
        write_checksum(header, ip, &body, field)
    });
    if let Err(error) = written {
        arena.clear();
        return Err(error);
    }
    let checksum = match field.mode {
        ChecksumMode::Full => ChecksumState::Unverified,
        // Both are lengths of headers, so they fit.
        ChecksumMode::Partial => {
            ChecksumState::Partial { start: ip_len as u16, offset: field.at as u16 }
        }
    };
    Ok(Packet { head: arena.split().freeze(), body, offload: Offload { checksum, gso_size: None } })
}

fn write_checksum(
    header: &mut [u8],
    ip: &IpHeader,
    body: &[u8],
    field: &ChecksumField,
) -> Result<(), EmitError> {
    let mut sum = if field.covers_pseudo_header {
        Checksum::pseudo(&ip.src, &ip.dst, ip.protocol, header.len() + body.len())?
    } else {
        Checksum::new()
    };
    let checksum = match field.mode {
        ChecksumMode::Partial => sum.fold(),
        ChecksumMode::Full => {
            sum.add(header);
            sum.add(body);
            match sum.finish() {
                0 if field.avoids_zero => 0xffff,
                checksum => checksum,
            }
        }
    };
    header[field.at..field.at + 2].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}
