use super::super::super::tests::script::{check_vector, hex};
use super::super::super::{Chunk, Codec, Fault, Wire};
use super::*;

#[test]
fn every_vector_is_read_and_written() {
    let hello = vec![frame(1, 0, &b"hello quiq"[..])];
    for (octets, expected) in [
        ("01 00000001 0000000000000000", P::bare(Kind::Syn, 1)),
        ("02 00000001 0000000000000000", P::bare(Kind::Accept, 1)),
        (
            "05 00000003 000000000000001a 00000001 00000000 000000000000000a 68656c6c6f2071756971",
            packet(Kind::First, 3, hello),
        ),
        ("03 00000003 0000000000000000", ack(3)),
        ("07 00000004 0000000000000000", P::bare(Kind::DataFin, 4)),
        ("08 00000005 0000000000000000", P::bare(Kind::Fin, 5)),
        ("03 00000005 0000000000000000", ack(5)),
        ("03 00000007 0000000000000000", ack(7)),
        ("07 00000006 0000000000000000", P::bare(Kind::DataFin, 6)),
        ("08 00000007 0000000000000000", P::bare(Kind::Fin, 7)),
        (
            "01 00000001 0000000000000014 00000000 00000001 0000000000000004 72656c31",
            greeting(Kind::Syn, 1),
        ),
        (
            "02 00000001 0000000000000014 00000000 00000001 0000000000000004 72656c31",
            greeting(Kind::Accept, 1),
        ),
        (
            "02 00000001 0000000000000014 00000000 00000002 0000000000000004 72656c31",
            greeting(Kind::Accept, 2),
        ),
    ] {
        check_vector(hex(octets), &expected);
    }
}

/// 30000 octets with a frame size of 1134, as captured.
fn large() -> Vec<P> {
    let frames: Vec<_> = (0..27)
        .map(|offset| frame(1, offset, vec![b'z'; if offset == 26 { 932 } else { 1118 }]))
        .collect();
    vec![
        packet(Kind::First, 3, frames[..13].to_vec()),
        packet(Kind::Data, 4, frames[13..26].to_vec()),
        packet(Kind::Last, 5, frames[26..].to_vec()),
    ]
}

#[test]
fn the_large_vectors_too() {
    for (packet, start) in large().iter().zip([
        "05 00000003 0000000000003996 00000001 00000000 000000000000045e",
        "04 00000004 0000000000003996 00000001 0000000d 000000000000045e",
        "06 00000005 00000000000003b4 00000001 0000001a 00000000000003a4",
    ]) {
        let octets = packet.to_bytes();
        assert!(octets.starts_with(&hex(start)));
        check_vector(octets, packet);
    }
    assert_eq!(large()[0].wire_len(), 14_755);
}

#[test]
fn a_client_says_what_was_captured() {
    // A seed of 134 draws the frame size of the capture.
    let mut script = Script::<Session>::client(134);
    script.expect(&[greeting(Kind::Syn, 1)]);
    script.write_chunk(Chunk { stream: 1, data: vec![b'z'; 30_000].into(), end: true });
    script.close();
    script.say(greeting(Kind::Accept, 1));
    for (packet, number) in large().into_iter().zip([3, 5, 7]) {
        script.wait(MS * 2);
        script.expect(&[packet]);
        script.say(ack(number));
    }
    script.wait(MS * 150);
    // Between the two stands a packet of ours, whose answer tells whether the end of the batch arrived.
    script.expect(&[P::bare(Kind::DataFin, 6), packet(Kind::First, 7, vec![frame(1, 0, "")])]);
    script.say(ack(10));
    script.expect(&[P::bare(Kind::Fin, 8)]);
    script.wait_for_end();
}

#[test]
fn a_server_says_what_was_captured() {
    let mut script = Script::<Session>::server(&P::bare(Kind::Syn, 1), 1);
    script.expect(&[P::bare(Kind::Accept, 1)]);
    for (packet, number) in large().into_iter().zip([3, 5, 7]) {
        script.say(packet);
        script.expect(&[ack(number)]);
    }
    script.say(P::bare(Kind::DataFin, 6));
    script.say(P::bare(Kind::Fin, 7));
    script.expect(&[]);
    assert_eq!(script.read(), vec![b'z'; 30_000]);
    assert!(script.session.is_over());
    let info = &script.session.info().streams[0];
    assert_eq!((info.packets, info.frames, info.octets), (3, 27, 30_000));
    assert_eq!(info.wire_octets, info.octets + 16 * info.frames + 13 * info.packets);
}

#[test]
fn what_is_no_packet_says_why() {
    for (octets, fault) in [
        ("", Fault::Truncated),
        ("01 00000001 00000000000000", Fault::Truncated),
        ("00 00000001 0000000000000000", Fault::BadFlags),
        ("09 00000001 0000000000000000", Fault::BadFlags),
        ("01 00000001 0000000000000001", Fault::BadLength),
        ("01 00000001 0000000000000000 00", Fault::BadLength),
        ("04 00000001 000000000000000f 00000001 00000000 00000000000000", Fault::Truncated),
        ("04 00000001 0000000000000010 00000001 00000000 0000000000000001", Fault::BadLength),
        ("04 00000001 0000000000000010 00000001 00000000 ffffffffffffffff", Fault::BadLength),
    ] {
        assert_eq!(P::parse(hex(octets)), Err(fault), "{octets}");
    }
    assert_eq!(P::parse(vec![1; 15_001].into()), Err(Fault::BadSize));
}
