//! The options of TCP, on the wire and back.

use bytes::BytesMut;
use netmart_proto::wire::tcp::{
    self, Options, PortedSegment, SackBlocks, Segment, SeqNumber, Timestamps,
};
use netmart_proto::wire::{
    ChecksumMode, ChecksumState, Fault, IpHeader, Layer, Packet, ParseError, Protocol,
};

fn header() -> IpHeader {
    IpHeader::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Protocol::TCP)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Reads a segment whose options are `octets`, filled up with zeros.
fn parse(octets: &[u8]) -> Result<Options, ParseError> {
    let mut header_octets = vec![0; 20];
    header_octets.extend_from_slice(octets);
    header_octets.resize(20 + octets.len().next_multiple_of(4), 0);
    header_octets[12] = (header_octets.len() / 4 * 16) as u8;
    let mut packet = Packet::from(header_octets);
    packet.offload.checksum = ChecksumState::Verified;
    tcp::parse(&header(), packet).map(|ported| ported.segment.options)
}

/// The options as they are written.
fn emit(options: &Options) -> Vec<u8> {
    let segment = Segment { options: options.clone(), ..Segment::default() };
    let ported = PortedSegment { segment, ..PortedSegment::default() };
    let packet = tcp::emit(&mut BytesMut::new(), &header(), ported, None, ChecksumMode::Full);
    packet.unwrap().head[40..].to_vec()
}

fn sack(blocks: u32) -> SackBlocks {
    let mut sack = SackBlocks::default();
    (1..=blocks).for_each(|i| assert!(sack.push(SeqNumber(i * 16), SeqNumber(i * 16 + 8))));
    sack
}

const TIMESTAMPS: Option<Timestamps> = Some(Timestamps { value: 0x01020304, echo: 0x05060708 });

#[test]
fn options_are_read_wherever_they_stand() {
    let none = Options::default;
    let cases = [
        ("", none()),
        ("00", none()),
        ("01010101", none()),
        ("0204 05b4", Options { mss: Some(1460), ..none() }),
        // Off a word boundary (MUST-64), behind a lone NOP or three.
        ("01 0204 05b4", Options { mss: Some(1460), ..none() }),
        ("0101 01 0303 0e", Options { window_scale: Some(14), ..none() }),
        // A shift too large to be used is told as it stands.
        ("0303 ff", Options { window_scale: Some(255), ..none() }),
        ("0402 0303 00", Options { sack_permitted: true, window_scale: Some(0), ..none() }),
        ("0101 080a 01020304 05060708", Options { timestamps: TIMESTAMPS, ..none() }),
        ("080a 01020304 05060708", Options { timestamps: TIMESTAMPS, ..none() }),
        ("01 080a 01020304 05060708 01", Options { timestamps: TIMESTAMPS, ..none() }),
        ("01 050a 00000010 00000018", Options { sack: sack(1), ..none() }),
        (
            "0522 00000010 00000018 00000020 00000028 00000030 00000038 00000040 00000048",
            Options { sack: sack(4), ..none() },
        ),
        // Behind the end of options there are none, whatever the octets look like.
        ("0402 00 0204 05b4", Options { sack_permitted: true, ..none() }),
        ("00 02", none()),
        // Unknown ones are no error (MUST-6); they are kept in their order, without what stands between them.
        (
            "fe04 f989 01 0204 05b4 2202 1c04 8001",
            Options {
                mss: Some(1460),
                unknown: Some(hex("fe04 f989 2202 1c04 8001").into()),
                ..none()
            },
        ),
        // The last of two counts.
        ("0204 0001 0204 0002", Options { mss: Some(2), ..none() }),
    ];
    for (octets, expected) in cases {
        assert_eq!(parse(&hex(octets)), Ok(expected), "{octets}");
    }
}

#[test]
fn an_illegal_length_is_an_error_that_says_where() {
    let cases = [
        // Too short to be an option at all, of known and unknown kind.
        ("0200 05b4", 20),
        ("fe01 0000", 20),
        ("01 0800", 21),
        // Past the end.
        ("0101 01 02", 23),
        ("fe05 0000", 20),
        ("0402 0528 0000", 22),
        // Not the length of its kind.
        ("0203 05", 20),
        ("0205 05b4 00", 20),
        ("0302 0000", 20),
        ("0403 0000", 20),
        ("01 0809 01020304 050607", 21),
        ("0502 0000", 20),
        ("0506 00000010", 20),
        ("0101 050b 00000010 00000018 00", 22),
    ];
    for (octets, offset) in cases {
        let expected = ParseError::new(Layer::Tcp, Fault::BadOptionLen, offset);
        assert_eq!(parse(&hex(octets)), Err(expected), "{octets}");
    }
}

#[test]
fn options_are_written_aligned_and_in_one_order() {
    let none = Options::default;
    let syn = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: TIMESTAMPS,
        ..none()
    };
    let cases = [
        (none(), ""),
        (syn.clone(), "0204 05b4 0402 080a 01020304 05060708 01 0303 07"),
        (Options { timestamps: None, ..syn.clone() }, "0204 05b4 0101 0402 01 0303 07"),
        (
            Options { sack_permitted: false, ..syn },
            "0204 05b4 0101 080a 01020304 05060708 01 0303 07",
        ),
        (Options { timestamps: TIMESTAMPS, ..none() }, "0101 080a 01020304 05060708"),
        (Options { sack: sack(1), ..none() }, "0101 050a 00000010 00000018"),
        (
            Options { timestamps: TIMESTAMPS, sack: sack(1), ..none() },
            "0101 080a 01020304 05060708 0101 050a 00000010 00000018",
        ),
        // Unknown ones go before SACK, which is aligned again.
        (
            Options { unknown: Some(hex("fe03 07").into()), sack: sack(1), ..none() },
            "fe03 07 01 0101 050a 00000010 00000018",
        ),
        (Options { unknown: Some(hex("fe03 07").into()), ..none() }, "fe03 07 00"),
    ];
    for (options, octets) in cases {
        assert_eq!(emit(&options), hex(octets), "{options:?}");
    }
}

#[test]
fn what_does_not_fit_gives_way_in_a_fixed_order() {
    // Four blocks alone just fit; beside timestamps three do.
    assert_eq!(
        parse(&emit(&Options { sack: sack(4), ..Options::default() })).unwrap().sack,
        sack(4)
    );
    let options = Options { sack: sack(4), timestamps: TIMESTAMPS, ..Options::default() };
    assert_eq!(emit(&options).len(), 40);
    assert_eq!(parse(&emit(&options)).unwrap().sack, sack(3));

    // Padding goes before any block does: 4 + 2 + 3 + 26 octets, and 5 of padding would be too many.
    let options = Options {
        mss: Some(1),
        sack_permitted: true,
        window_scale: Some(2),
        sack: sack(3),
        unknown: Some(hex("fe03 01").into()),
        ..Options::default()
    };
    assert_eq!(parse(&emit(&options)), Ok(options));

    // Unknown options go last, and only whole ones do.
    let unknown = [hex("fe10"), vec![7; 14], hex("fd10"), vec![8; 14]].concat();
    let options = Options {
        timestamps: TIMESTAMPS,
        mss: Some(1),
        sack: sack(4),
        unknown: Some(unknown.clone().into()),
        ..Options::default()
    };
    let expected =
        Options { sack: sack(1), unknown: Some(unknown[..16].into()), ..options.clone() };
    assert_eq!(parse(&emit(&options)), Ok(expected));

    // What is no option is never sent.
    let options = Options { unknown: Some(hex("fe03 01 fe09 01").into()), ..Options::default() };
    assert_eq!(emit(&options), hex("fe03 01 00"));
}
