//! What the originals of cs488 get wrong.

use bytes::Bytes;
use netmart::net::WireError;
use netmart::proto::wires::cs488::{Body, Cs488Packet as P, Flag};
use netmart::proto::wires::{Kind, Mode, Phase, Reason, Unfit};

use super::{impatient, message, receive, send};

fn said(flag: Flag, con_id: i16, seq: i32, text: &'static str) -> P {
    P::client(flag, con_id, seq, 0, &Bytes::from(text))
}

fn text(packet: &P) -> &[u8] {
    match &packet.body {
        Body::Client(payload) => payload,
        Body::Server => panic!("from a client: {packet:?}"),
    }
}

#[test]
fn an_original_server_that_draws_a_new_id_for_each_syn_and_answers_everything() {
    let outcome =
        send(Kind::Cs488, Default::default(), vec![message("grüß Gott")], |mut peer| {
            assert_eq!(peer.hear::<P>().flag, Flag::Syn);
            peer.say(&P::server(Flag::SynAck, 7, 42, 43));
            // The network has doubled the SYN: the first id is dead.
            peer.say(&P::server(Flag::SynAck, 9, 42, 43));
            let data = peer.hear_where(|packet: &P| packet.flag == Flag::Ack);
            assert_eq!((data.con_id, data.seq, text(&data)), (9, 43, "grüß Gott".as_bytes()));
            // Of another connection, of another packet, and one that counts wrong.
            peer.say(&P::server(Flag::Ack, 7, 43, 54));
            peer.say(&P::server(Flag::Ack, 9, 31, 54));
            peer.say(&P::server(Flag::Ack, 9, 43, 45));
            // It is not taken for the acknowledgement: the packet comes again. Characters are counted, not octets.
            assert_eq!(peer.hear::<P>(), data);
            peer.say(&P::server(Flag::Ack, 9, 43, 52));
            let fin = peer.hear_where(|packet: &P| packet.flag == Flag::Fin);
            assert_eq!((fin.con_id, fin.seq), (9, 52));
            peer.say(&P::server(Flag::FinAck, 9, 52, 61));
            peer.say(&P::server(Flag::Fin, 9, 52, 0));
            let last = peer.hear_where(|packet: &P| packet.flag == Flag::FinAck);
            assert_eq!((last.seq, last.ack), (52, 53));
        });
    assert_eq!(outcome.expect("all was acknowledged").mode, Some(Mode::Original));
}

#[test]
fn a_nul_at_the_end_cannot_be_said_to_an_original() {
    let outcome = send(Kind::Cs488, Default::default(), vec![message("abc\0")], |mut peer| {
        peer.hear::<P>();
        peer.say(&P::server(Flag::SynAck, 7, 42, 43));
        let mut seq = 43;
        for part in ["abc", ""] {
            let data = peer.hear_where(|packet: &P| packet.flag != Flag::Syn && packet.seq == seq);
            assert_eq!(text(&data), part.as_bytes());
            peer.say(&P::server(Flag::Ack, 7, seq, seq + part.len() as i32));
            seq += part.len() as i32;
        }
    });
    let unfit = Reason::NotRepresentable(Unfit::TrailingNul);
    assert_eq!(outcome.map(drop), Err(WireError::Closed(unfit)));
}

#[test]
fn an_original_client_that_repeats_itself_at_every_answer() {
    let received = receive(Kind::Cs488, Default::default(), |mut peer| {
        peer.say(&said(Flag::Syn, 0, 42, ""));
        let id = peer.hear::<P>().con_id;
        peer.say(&said(Flag::Syn, 0, 42, ""));
        assert_eq!(peer.hear::<P>().con_id, id, "one id, however often the SYN comes");
        peer.say(&said(Flag::Ack, id, 43, "one "));
        assert_eq!(peer.hear::<P>(), P::server(Flag::Ack, id, 43, 47));
        // Copies that an answer has bred get none, or they would never end; nor does anything that is stale.
        for _ in 0..5 {
            peer.say(&said(Flag::Ack, id, 43, "one "));
        }
        peer.say(&said(Flag::Data, id + 1, 47, "strange"));
        peer.say(&said(Flag::Data, id, 900, "ahead"));
        peer.say_octets(b"neither 12 octets nor 524");
        peer.say(&said(Flag::Data, id, 47, "two"));
        assert_eq!(peer.hear::<P>(), P::server(Flag::Ack, id, 47, 50));
        // The packet had two NULs at its end, which only the next number shows.
        peer.say(&said(Flag::Data, id, 52, "three"));
        assert_eq!(peer.hear::<P>(), P::server(Flag::Ack, id, 52, 57));
        peer.say(&said(Flag::Fin, id, 57, ""));
        let fin_ack: P = peer.hear();
        assert_eq!((fin_ack.flag, fin_ack.seq), (Flag::FinAck, 57));
        assert_eq!(peer.hear::<P>(), P::server(Flag::Fin, id, 57, 0));
        peer.say(&P::client(Flag::FinAck, id, 57, 58, &Bytes::new()));
    });
    assert_eq!(received.octets(), b"one two\0\0three");
    assert_eq!(received.outcome.expect("in order").mode, Some(Mode::Original));
}

#[test]
fn an_original_client_whose_end_was_lost() {
    let received = receive(Kind::Cs488, Default::default(), |mut peer| {
        peer.say(&said(Flag::Syn, 0, 42, ""));
        let id = peer.hear::<P>().con_id;
        peer.say(&said(Flag::Ack, id, 43, "all"));
        assert_eq!(peer.hear::<P>().ack, 46);
        // It took the acknowledgement, doubled, for the answer to its FIN.
        (0..3).for_each(|_| peer.say(&P::client(Flag::FinAck, id, 46, 47, &Bytes::new())));
    });
    assert_eq!(received.octets(), b"all");
    assert!(received.outcome.is_ok(), "{:?}", received.outcome);
}

#[test]
fn an_original_client_that_dies_leaves_no_whole_file() {
    let received = receive(Kind::Cs488, impatient(), |mut peer| {
        peer.say(&said(Flag::Syn, 0, 42, ""));
        let id = peer.hear::<P>().con_id;
        peer.say(&said(Flag::Ack, id, 43, "half"));
        assert_eq!(peer.hear::<P>().ack, 47);
    });
    assert_eq!(received.octets(), b"half");
    assert_eq!(received.outcome.map(drop), Err(WireError::Closed(Reason::Vanished)));
}

#[test]
fn a_server_that_acknowledges_nothing_is_given_up_on() {
    let outcome = send(Kind::Cs488, impatient(), vec![message("abc")], |mut peer| {
        peer.hear::<P>();
        peer.say(&P::server(Flag::SynAck, 7, 42, 43));
        (0..6).for_each(|_| drop(peer.hear::<P>()));
    });
    let reason = Reason::TimedOut { phase: Phase::Data, tries: 6 };
    assert_eq!(outcome.map(drop), Err(WireError::Closed(reason)));
}
