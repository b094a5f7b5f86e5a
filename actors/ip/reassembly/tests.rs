use netmart_proto::wire::parse_ip;

use super::*;

/// A fragment: offset, length, whether more follow. Its octets follow from their place.
type Shape = (u16, usize, bool);

const WHOLE: usize = 3000;
const THREE: [Shape; 3] = [(0, 1000, true), (1000, 1000, true), (2000, 1000, false)];

fn octets(offset: u16, len: usize) -> Vec<u8> {
    (0..len).map(|n| (usize::from(offset) + n) as u8).collect()
}

fn header(version: IpVersion, ident: u32) -> IpHeader {
    let (src, dst) = match version {
        IpVersion::V4 => ("192.0.2.1", "192.0.2.2"),
        IpVersion::V6 => ("fd00::1", "fd00::2"),
    };
    let header = IpHeader::new(src.parse().unwrap(), dst.parse().unwrap(), Protocol::UDP);
    IpHeader { ident, dont_fragment: version == IpVersion::V6, ..header }
}

fn give(
    reassembly: &mut Reassembly,
    header: &IpHeader,
    (offset, len, more): Shape,
    now: Instant,
) -> Result<Option<Packet>, Refusal> {
    let header = IpHeader { fragment: Some(Fragment { offset, more }), ..header.clone() };
    reassembly.handle_fragment(header, octets(offset, len).into(), now)
}

/// What came of the last fragment, or of the first that was refused.
fn in_order(
    reassembly: &mut Reassembly,
    header: &IpHeader,
    shapes: &[Shape],
) -> Result<Option<Packet>, Refusal> {
    shapes.iter().try_fold(None, |_, shape| give(reassembly, header, *shape, Instant::ZERO))
}

fn assert_whole(packet: &Packet, len: usize) {
    let parsed = parse_ip(packet).unwrap();
    assert_eq!(parsed.header.fragment, None);
    assert_eq!(parsed.header.protocol, Protocol::UDP);
    assert_eq!(packet.clone().narrow(parsed.payload).to_vec(), octets(0, len));
}

fn assert_empty(reassembly: &Reassembly) {
    assert!(reassembly.partials.is_empty() && reassembly.expiry.is_empty());
    assert_eq!(reassembly.octets, 0);
    assert_eq!(reassembly.next_deadline(), None);
}

#[test]
fn fragments_become_whole_in_whatever_order_they_come() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for version in [IpVersion::V4, IpVersion::V6] {
        for order in orders {
            let mut reassembly = Reassembly::new(Limits::default());
            let shapes = order.map(|index| THREE[index]);
            let whole = in_order(&mut reassembly, &header(version, 1), &shapes).unwrap().unwrap();
            assert_whole(&whole, WHOLE);
            assert_empty(&reassembly);
        }
    }
}

#[test]
fn datagrams_are_told_apart_by_everything_that_makes_them_different() {
    let mut reassembly = Reassembly::new(Limits::default());
    let one = header(IpVersion::V4, 1);
    let others = [
        IpHeader { ident: 2, ..one.clone() },
        IpHeader { protocol: Protocol::TCP, ..one.clone() },
        IpHeader { src: "192.0.2.9".parse().unwrap(), ..one.clone() },
        IpHeader { dst: "192.0.2.9".parse().unwrap(), ..one.clone() },
    ];
    assert_eq!(in_order(&mut reassembly, &one, &THREE[..2]), Ok(None));
    for other in &others {
        assert_eq!(in_order(&mut reassembly, other, &THREE[2..]), Ok(None));
    }
    assert_whole(&in_order(&mut reassembly, &one, &THREE[2..]).unwrap().unwrap(), WHOLE);
    assert_eq!(reassembly.partials.len(), others.len());
}

#[test]
fn only_the_first_fragment_of_ipv6_says_which_protocol_it_is() {
    let mut reassembly = Reassembly::new(Limits::default());
    let first = header(IpVersion::V6, 1);
    let later = IpHeader { protocol: Protocol(60), ..first.clone() };
    assert_eq!(in_order(&mut reassembly, &later, &THREE[1..]), Ok(None));
    assert_whole(&in_order(&mut reassembly, &first, &THREE[..1]).unwrap().unwrap(), WHOLE);
}

#[test]
fn what_does_not_fit_together_is_refused_with_all_of_its_datagram() {
    let cases: &[(&[Shape], Shape, Refusal, &str)] = &[
        (&[(0, 1000, true)], (992, 1000, true), Refusal::Overlap, "begins in the one before"),
        (&[(1000, 1000, true)], (0, 1008, true), Refusal::Overlap, "ends in the one after"),
        (&[(1000, 1000, true)], (0, 3000, true), Refusal::Overlap, "covers another"),
        (&[(0, 3000, true)], (1000, 1000, true), Refusal::Overlap, "lies in another"),
        (&[(0, 1000, true)], (0, 1008, true), Refusal::Overlap, "same place, longer"),
        (&[(0, 1000, true)], (0, 992, true), Refusal::Overlap, "same place, shorter"),
        (&[(2000, 1000, false)], (3000, 8, true), Refusal::Inconsistent, "behind the end"),
        (&[(2000, 1000, false)], (3000, 8, false), Refusal::Inconsistent, "a second end"),
        (&[(2000, 1000, true)], (1000, 1000, false), Refusal::Inconsistent, "an end before others"),
        (
            &[(2000, 1000, false)],
            (2000, 1000, true),
            Refusal::Inconsistent,
            "the last, with more to follow",
        ),
        (
            &[(2000, 1000, true)],
            (2000, 1000, false),
            Refusal::Inconsistent,
            "not the last, as the last",
        ),
    ];
    for version in [IpVersion::V4, IpVersion::V6] {
        for (before, bad, expected, why) in cases {
            let mut reassembly = Reassembly::new(Limits::default());
            let header = header(version, 1);
            assert_eq!(in_order(&mut reassembly, &header, before), Ok(None), "{why}");
            assert_eq!(in_order(&mut reassembly, &header, &[*bad]), Err(*expected), "{why}");
            for shape in THREE {
                let after = in_order(&mut reassembly, &header, &[shape]);
                assert_eq!(after, Err(*expected), "{why}: nothing more of it is taken");
            }
            assert_eq!(reassembly.octets, FRAGMENT_COST, "{why}: only a note remains");
        }
    }
}

#[test]
fn an_overlap_with_other_octets_at_the_same_place_is_refused() {
    let mut reassembly = Reassembly::new(Limits::default());
    let header =
        IpHeader { fragment: Some(Fragment { offset: 0, more: true }), ..header(IpVersion::V4, 1) };
    let now = Instant::ZERO;
    assert_eq!(reassembly.handle_fragment(header.clone(), vec![1; 8].into(), now), Ok(None));
    assert_eq!(reassembly.handle_fragment(header, vec![2; 8].into(), now), Err(Refusal::Overlap));
}

#[test]
fn a_duplicate_is_dropped_and_the_datagram_goes_on() {
    let mut reassembly = Reassembly::new(Limits::default());
    let header = header(IpVersion::V6, 1);
    assert_eq!(in_order(&mut reassembly, &header, &[THREE[0], THREE[2]]), Ok(None));
    for shape in [THREE[0], THREE[2]] {
        assert_eq!(in_order(&mut reassembly, &header, &[shape]), Err(Refusal::Duplicate));
    }
    assert_whole(&in_order(&mut reassembly, &header, &[THREE[1]]).unwrap().unwrap(), WHOLE);
    assert_empty(&reassembly);
}

#[test]
fn empty_fragments_and_ones_past_the_largest_datagram_are_refused() {
    let mut reassembly = Reassembly::new(Limits::default());
    let header = header(IpVersion::V4, 1);
    assert_eq!(in_order(&mut reassembly, &header, &[(8, 0, true)]), Err(Refusal::Empty));
    assert_eq!(in_order(&mut reassembly, &header, &[(65528, 8, false)]), Err(Refusal::TooLong));
    assert_empty(&reassembly);
}

#[test]
fn a_whole_too_long_for_its_header_is_refused() {
    // 65528 octets of payload fit the offsets, but not a length field that counts the header too.
    let shapes = [(0, 40_000, true), (40_000, 25_528, false)];
    let mut reassembly = Reassembly::new(Limits::default());
    let refused = in_order(&mut reassembly, &header(IpVersion::V4, 1), &shapes);
    assert_eq!(refused, Err(Refusal::TooLong));
    assert_empty(&reassembly);
    let taken = in_order(&mut reassembly, &header(IpVersion::V6, 1), &shapes);
    assert_whole(&taken.unwrap().unwrap(), 65_528);
}

#[test]
fn a_datagram_in_too_many_pieces_is_refused() {
    let mut reassembly = Reassembly::new(Limits { fragments: 4, ..Limits::default() });
    let header = header(IpVersion::V4, 1);
    let shapes: Vec<Shape> = (0..4).map(|n| (n * 16, 8, true)).collect();
    assert_eq!(in_order(&mut reassembly, &header, &shapes), Ok(None));
    assert_eq!(in_order(&mut reassembly, &header, &[(64, 8, true)]), Err(Refusal::TooMany));
}

#[test]
fn what_does_not_become_whole_in_time_is_abandoned() {
    for (version, seconds) in [(IpVersion::V4, 30), (IpVersion::V6, 60)] {
        let mut reassembly = Reassembly::new(Limits::default());
        let header = header(version, 1);
        give(&mut reassembly, &header, THREE[0], Instant::from_millis(1000)).unwrap();
        give(&mut reassembly, &header, THREE[2], Instant::from_millis(9000)).unwrap();
        let deadline = Instant::from_millis(1000 + seconds * 1000);
        assert_eq!(reassembly.next_deadline(), Some(deadline), "counted from the first fragment");
        reassembly.handle_deadline(Instant::from_micros(deadline.as_micros() - 1));
        assert_eq!(reassembly.poll_abandoned(), None);
        reassembly.handle_deadline(deadline);
        let abandoned = reassembly.poll_abandoned().unwrap();
        assert_eq!((abandoned.reason, abandoned.fragments), (Abandonment::TimedOut, 2));
        let first = Packet::from(abandoned.first.unwrap().to_vec());
        let parsed = parse_ip(&first).unwrap();
        assert_eq!(parsed.header.fragment, Some(Fragment { offset: 0, more: true }));
        assert_eq!(first.narrow(parsed.payload).to_vec(), octets(0, 1000));
        assert_empty(&reassembly);
    }
}

#[test]
fn without_the_first_fragment_there_is_nothing_to_quote() {
    let mut reassembly = Reassembly::new(Limits::default());
    in_order(&mut reassembly, &header(IpVersion::V4, 1), &THREE[1..]).unwrap();
    reassembly.handle_deadline(Instant::from_millis(30_000));
    assert_eq!(reassembly.poll_abandoned().unwrap().first, None);
}

#[test]
fn the_datagram_that_waited_longest_makes_room_for_a_new_one() {
    let mut reassembly = Reassembly::new(Limits { datagrams: 2, ..Limits::default() });
    for ident in 1..=3 {
        let now = Instant::from_millis(ident.into());
        give(&mut reassembly, &header(IpVersion::V4, ident), THREE[0], now).unwrap();
    }
    let abandoned = reassembly.poll_abandoned().unwrap();
    assert_eq!((abandoned.reason, abandoned.fragments), (Abandonment::Evicted, 1));
    assert_eq!(reassembly.poll_abandoned(), None);
    let idents: Vec<u32> = reassembly.partials.keys().map(|key| key.ident).collect();
    assert_eq!(idents, [2, 3]);
}

#[test]
fn however_many_fragments_come_the_octets_kept_stay_within_the_limit() {
    let limits = Limits { octets: 20_000, ..Limits::default() };
    let mut reassembly = Reassembly::new(limits);
    for ident in 0..1000 {
        let shape = ((ident % 50) as u16 * 8, 8 + ident as usize % 100 * 8, true);
        let now = Instant::from_millis(ident.into());
        give(&mut reassembly, &header(IpVersion::V4, ident), shape, now).unwrap();
        assert!(reassembly.octets <= limits.octets);
        let counted: usize = reassembly.partials.values().map(Partial::cost).sum();
        assert_eq!(counted, reassembly.octets);
    }
    assert!(reassembly.poll_abandoned().is_some());
    reassembly.handle_deadline(Instant::from_millis(1_000_000));
    assert_empty(&reassembly);
}

#[test]
fn the_ecn_field_of_the_whole_is_that_of_all_fragments() {
    let (not_ect, ect_1, ect_0, ce) = (0b00, 0b01, 0b10, 0b11);
    let cases: &[([u8; 2], Result<u8, Refusal>)] = &[
        ([not_ect, not_ect], Ok(not_ect)),
        ([ect_0, ect_0], Ok(ect_0)),
        ([ect_1, ect_1], Ok(ect_1)),
        ([ect_0, ce], Ok(ce)),
        ([ce, ect_1], Ok(ce)),
        ([ce, ce], Ok(ce)),
        ([ect_0, ect_1], Ok(ect_0)),
        ([ect_0, not_ect], Ok(not_ect)),
        ([not_ect, ce], Err(Refusal::MixedEcn)),
    ];
    const DSCP: u8 = 0b1011_1000;
    for (fields, expected) in cases {
        let mut reassembly = Reassembly::new(Limits::default());
        let mut last = Ok(None);
        for (field, shape) in fields.iter().zip([(0, 8, true), (8, 8, false)]) {
            let header = IpHeader { tos: DSCP | field, ..header(IpVersion::V4, 1) };
            last = give(&mut reassembly, &header, shape, Instant::ZERO);
        }
        let tos = last.map(|whole| parse_ip(&whole.unwrap()).unwrap().header.tos);
        assert_eq!(tos, expected.map(|ecn| DSCP | ecn), "{fields:?}");
        assert_empty(&reassembly);
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any cut, in any order, with any duplicates, comes out as it went in.
        #[test]
        fn what_was_cut_becomes_whole(
            steps in prop::collection::vec(1_usize..40, 1..20),
            tail in 1_usize..9,
            order in prop::collection::vec(any::<u32>(), 21),
        ) {
            let mut shapes: Vec<Shape> = Vec::new();
            let mut offset = 0;
            for step in steps {
                shapes.push((offset as u16, step * 8, true));
                offset += step * 8;
            }
            shapes.push((offset as u16, tail, false));
            let len = offset + tail;
            let mut shuffled: Vec<(u32, Shape)> =
                order.iter().copied().zip(shapes.iter().copied()).collect();
            shuffled.sort_by_key(|(place, _)| *place);
            let (last, before) = shuffled.split_last().unwrap();
            let mut reassembly = Reassembly::new(Limits::default());
            let header = header(IpVersion::V4, 1);
            for (_, shape) in before {
                prop_assert_eq!(give(&mut reassembly, &header, *shape, Instant::ZERO), Ok(None));
                prop_assert_eq!(
                    give(&mut reassembly, &header, *shape, Instant::ZERO),
                    Err(Refusal::Duplicate)
                );
            }
            let whole = give(&mut reassembly, &header, last.1, Instant::ZERO).unwrap().unwrap();
            assert_whole(&whole, len);
            assert_empty(&reassembly);
        }

        /// Nonsense neither panics nor breaks the accounts, and what becomes whole is consistent.
        #[test]
        fn nonsense_is_kept_within_bounds(
            fragments in prop::collection::vec((0_u16..64, 0_usize..100, any::<bool>(), 0_u32..4), 1..200),
        ) {
            let limits = Limits { datagrams: 3, octets: 4096, fragments: 8 };
            let mut reassembly = Reassembly::new(limits);
            for (number, (block, len, more, ident)) in fragments.into_iter().enumerate() {
                let now = Instant::from_millis(number as u64 * 500);
                reassembly.handle_deadline(now);
                let header = header(IpVersion::V6, ident);
                if let Ok(Some(whole)) = give(&mut reassembly, &header, (block * 8, len, more), now) {
                    let parsed = parse_ip(&whole).unwrap();
                    let len = parsed.payload.len();
                    prop_assert_eq!(whole.narrow(parsed.payload).to_vec(), octets(0, len));
                }
                let counted: usize = reassembly.partials.values().map(Partial::cost).sum();
                prop_assert_eq!(counted, reassembly.octets);
                prop_assert!(reassembly.octets <= limits.octets);
                prop_assert!(reassembly.partials.len() <= limits.datagrams);
                prop_assert_eq!(reassembly.partials.len(), reassembly.expiry.len());
                while reassembly.poll_abandoned().is_some() {}
            }
        }
    }
}
