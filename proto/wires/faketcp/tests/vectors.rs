use super::super::super::tests::script::{check_vector, hex};
use super::super::super::{Codec, Fault};
use super::*;

#[test]
fn every_vector_is_read_and_written() {
    for (octets, expected) in [
        ("00000605 00000000 00000010 0002 f9e8", packet(Flags::SYN, 1541, 0, 16)),
        ("0000c44f 00000606 00000010 0003 3597", packet(SYN_ACK, 50_255, 1542, 16)),
        ("00000606 0000c450 00000010 0001 3598", packet(ACK, 1542, 50_256, 16)),
        (
            "00000606 0000c450 00000010 0009 3590 746869732069732074686520646174616772616d206e756d626572203074",
            data(1542, 50_256, 16, "this is the datagram number 0t"),
        ),
        (
            "00000607 0000c450 00000010 0009 358f 746869732069732074686520646174616772616d206e756d6265722031",
            data(1543, 50_256, 16, "this is the datagram number 1"),
        ),
        ("0000c450 00000608 00000010 0001 3596", packet(ACK, 50_256, 1544, 16)),
        ("ffffffff 00000000 00000000 0000 0000", P::fin()),
        ("ffffffff 00000000 00000000 0001 fffe", P::fin_ack()),
        ("0000ffff 00000000 00000010 0002 ffed", packet(Flags::SYN, 65_535, 0, 16)),
        ("00003451 00010000 00000010 0003 cb9a", packet(SYN_ACK, 13_393, 65_536, 16)),
        ("00010000 00003452 00000010 0001 cb9b", packet(ACK, 65_536, 13_394, 16)),
        ("00010000 00003452 00000010 0009 cb93 6161616161", data(65_536, 13_394, 16, "aaaaa")),
        ("00010001 00003452 00000010 0009 cb92 6262626262", data(65_537, 13_394, 16, "bbbbb")),
        ("00010002 00003452 00000010 0009 cb91 6363636363", data(65_538, 13_394, 16, "ccccc")),
        ("00003452 00010001 00000010 0004 cb97", packet(NACK, 13_394, 65_537, 16)),
        ("00003452 00010003 00000010 0001 cb98", packet(ACK, 13_394, 65_539, 16)),
    ] {
        check_vector(hex(octets), &expected);
    }
}

#[test]
fn what_is_no_packet_says_why() {
    assert_eq!(P::parse(Bytes::from_static(&[0; 15])), Err(Fault::Truncated));
    assert_eq!(P::parse(Bytes::from_static(&[0; 16])), Err(Fault::BadChecksum));
    for bit in 0..128 {
        let mut octets = packet(DATA, 65_536, 13_394, 16).to_bytes().to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(P::parse(octets.into()), Err(Fault::BadChecksum), "bit {bit}");
    }
}

#[test]
fn flags_without_a_meaning_are_ignored_and_kept() {
    let strange = packet(Flags(0xff09), 7, 8, 9);
    assert_eq!(P::parse(strange.to_bytes()), Ok(strange));
}
