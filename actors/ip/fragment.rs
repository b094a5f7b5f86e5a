//! Cuts a datagram into fragments (RFC 791 section 3.2, RFC 8200 section 4.5).

use bytes::BytesMut;
use netmart_proto::wire::{Fragment, IpHeader, Packet, emit_ip};

/// The fragments of the datagram with `header` and `payload`, each of at most `mtu` octets; none if not even
/// 8 octets of payload fit, or the datagram is too long for its offsets.
///
/// `header.ident` is to be unique among the datagrams under way (RFC 6864).
pub(super) fn cut(
    arena: &mut BytesMut,
    mut header: IpHeader,
    payload: Packet,
    mtu: usize,
) -> Option<Vec<Packet>> {
    header.fragment = Some(Fragment::default());
    header.dont_fragment = false;
    // All but the last carry a multiple of 8 octets, so that offsets can be told.
    let step = mtu.checked_sub(header.emitted_len())? & !7;
    if step == 0 {
        return None;
    }
    let mut pieces = Vec::with_capacity(payload.len().div_ceil(step));
    for offset in (0..payload.len()).step_by(step) {
        let end = (offset + step).min(payload.len());
        let more = end < payload.len();
        header.fragment = Some(Fragment { offset: u16::try_from(offset).ok()?, more });
        pieces.push(behind(arena, &header, payload.clone().narrow(offset..end))?);
    }
    Some(pieces)
}

/// `piece` behind `header` as one packet, without copying what can stay where it is.
fn behind(arena: &mut BytesMut, header: &IpHeader, piece: Packet) -> Option<Packet> {
    emit_ip(arena, header, piece.len()).ok()?;
    let body = if piece.body.is_empty() {
        piece.head
    } else {
        arena.extend_from_slice(&piece.head);
        piece.body
    };
    Some(Packet { head: arena.split().freeze(), body, ..Packet::default() })
}

#[cfg(test)]
mod tests {
    use netmart_proto::wire::{Protocol, parse_ip};

    use super::*;

    fn header(src: &str, dst: &str) -> IpHeader {
        let header = IpHeader::new(src.parse().unwrap(), dst.parse().unwrap(), Protocol::UDP);
        IpHeader { ident: 7, ..header }
    }

    /// Offset, length and whether more follow, of each piece; all octets joined.
    fn read(pieces: &[Packet], mtu: usize) -> (Vec<(u16, usize, bool)>, Vec<u8>) {
        let mut joined = Vec::new();
        let places = pieces.iter().map(|piece| {
            assert!(piece.len() <= mtu);
            let whole = Packet::from(piece.to_vec());
            let parsed = parse_ip(&whole).unwrap();
            assert_eq!((parsed.header.ident, parsed.header.protocol), (7, Protocol::UDP));
            let fragment = parsed.header.fragment.unwrap();
            let octets = whole.narrow(parsed.payload).to_vec();
            joined.extend_from_slice(&octets);
            (fragment.offset, octets.len(), fragment.more)
        });
        (places.collect(), joined)
    }

    #[test]
    fn fragments_fit_the_mtu_and_carry_every_octet_once() {
        let octets: Vec<u8> = (0..3000).map(|n| n as u8).collect();
        let (head, body) = octets.split_at(8);
        let payload =
            Packet { head: head.to_vec().into(), body: body.to_vec().into(), ..Packet::default() };
        let cases = [
            (
                "192.0.2.1",
                "192.0.2.2",
                vec![(0, 1480, true), (1480, 1480, true), (2960, 40, false)],
            ),
            ("fd00::1", "fd00::2", vec![(0, 1448, true), (1448, 1448, true), (2896, 104, false)]),
        ];
        for (src, dst, expected) in cases {
            let mut arena = BytesMut::new();
            let pieces = cut(&mut arena, header(src, dst), payload.clone(), 1500).unwrap();
            assert_eq!(read(&pieces, 1500), (expected, octets.clone()));
        }
    }

    #[test]
    fn a_datagram_in_one_piece_is_cut_as_well() {
        let octets: Vec<u8> = (0..100).collect();
        let payload = Packet::from(octets.clone());
        let pieces =
            cut(&mut BytesMut::new(), header("192.0.2.1", "192.0.2.2"), payload, 68).unwrap();
        assert_eq!(
            read(&pieces, 68),
            (vec![(0, 48, true), (48, 48, true), (96, 4, false)], octets)
        );
    }

    #[test]
    fn a_link_too_narrow_for_any_payload_gets_no_fragments() {
        let payload = Packet::from(vec![0; 100]);
        for mtu in [0, 20, 27] {
            let header = header("192.0.2.1", "192.0.2.2");
            assert_eq!(cut(&mut BytesMut::new(), header, payload.clone(), mtu), None);
        }
    }
}
