use bytes::Bytes;

use super::super::super::tests::script::check_vector;
use super::super::super::{Codec, Fault, Wire};
use super::*;

fn data(head: &'static str) -> Bytes {
    let mut octets = head.as_bytes().to_vec();
    octets.resize(512, b'x');
    Bytes::from(octets)
}

#[test]
fn every_vector_is_read_and_written() {
    let client = |header: &str, payload: &[u8]| {
        let mut octets = hex(header).to_vec();
        octets.extend_from_slice(payload);
        octets.resize(524, 0);
        octets
    };
    let none = Bytes::new();
    let (first, tail) = (data("hello\n"), Bytes::from_static(b"tail\n"));
    for (octets, packet) in [
        (client("2a000000 00000000 0000 0200", b""), P::client(Flag::Syn, 0, 42, 0, &none)),
        (hex("2a000000 2b000000 1300 0600").to_vec(), P::server(Flag::SynAck, 19, 42, 43)),
        (client("2b000000 00000000 1300 0400", &first), P::client(Flag::Ack, 19, 43, 0, &first)),
        (hex("2b000000 2b020000 1300 0400").to_vec(), P::server(Flag::Ack, 19, 43, 555)),
        (client("2b020000 00000000 1300 0000", &tail), P::client(Flag::Data, 19, 555, 0, &tail)),
        (hex("2b020000 30020000 1300 0400").to_vec(), P::server(Flag::Ack, 19, 555, 560)),
        (client("30020000 00000000 1300 0100", b""), P::client(Flag::Fin, 19, 560, 0, &none)),
        (hex("30020000 35020000 1300 0500").to_vec(), P::server(Flag::FinAck, 19, 560, 565)),
        (hex("30020000 00000000 1300 0100").to_vec(), P::server(Flag::Fin, 19, 560, 0)),
        (client("30020000 31020000 1300 0500", b""), P::client(Flag::FinAck, 19, 560, 561, &none)),
        (hex("2b1e0300 2b000000 1300 0400").to_vec(), P::server(Flag::Ack, 19, 204_331, 43)),
    ] {
        check_vector(octets, &packet);
    }
}

#[test]
fn what_is_no_packet_says_why() {
    for (len, fault) in
        [(0, Fault::Truncated), (11, Fault::Truncated), (13, Fault::BadSize), (525, Fault::BadSize)]
    {
        assert_eq!(P::parse(vec![0; len].into()), Err(fault));
    }
    for flag in ["0300", "0700", "0800", "ffff"] {
        let octets = hex(&format!("2a000000 2b000000 1300 {flag}"));
        assert_eq!(P::parse(octets), Err(Fault::BadFlags));
    }
}

/// The captured file, as a careful client sends it: the lengths are said, all else is the same.
#[test]
fn a_client_says_what_was_captured() {
    let mut script = Script::<Session>::client(0);
    let file = [data("hello\n"), Bytes::from_static(b"tail\n")].concat();
    let none = Bytes::new();
    script.write(file);
    script.close();
    script.expect(&[P::client(Flag::Syn, 0, 42, 0, &none)]);
    script.say(P::server(Flag::SynAck, 19, 42, 43));
    script.wait(MS * 60);
    script.expect(&[P::client(Flag::Ack, 19, 43, 512, &data("hello\n"))]);
    script.say(P::server(Flag::Ack, 19, 43, 555));
    script.wait(MS * 2);
    script.expect(&[P::client(Flag::Data, 19, 555, 5, &Bytes::from_static(b"tail\n"))]);
    script.say(P::server(Flag::Ack, 19, 555, 560));
    script.wait(MS * 2);
    script.expect(&[P::client(Flag::Fin, 19, 560, 0, &none)]);
    script.say(P::server(Flag::FinAck, 19, 560, 565));
    script.say(P::server(Flag::Fin, 19, 560, 0));
    script.expect(&[P::client(Flag::FinAck, 19, 560, 561, &none)]);
    script.wait_for_end();
}

#[test]
fn a_server_says_what_was_captured() {
    let none = Bytes::new();
    let mut script = Script::<Session>::server(&P::client(Flag::Syn, 0, 42, 0, &none), 3);
    let id = script.sent[0].2.con_id;
    assert!(id > 20, "no original draws such an id");
    script.expect(&[P::server(Flag::SynAck, id, 42, 43)]);
    script.say(P::client(Flag::Ack, id, 43, 0, &data("hello\n")));
    script.say(P::client(Flag::Data, id, 555, 0, &Bytes::from_static(b"tail\n")));
    script.say(P::client(Flag::Fin, id, 560, 0, &none));
    script.expect(&[
        P::server(Flag::Ack, id, 43, 555),
        P::server(Flag::Ack, id, 555, 560),
        P::server(Flag::FinAck, id, 560, 565),
        P::server(Flag::Fin, id, 560, 0),
    ]);
    assert_eq!(script.read().len(), 517);
    script.say(P::client(Flag::FinAck, id, 560, 561, &none));
    assert!(script.session.is_over());
}
