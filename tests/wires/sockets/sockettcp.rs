//! What students' programs for sockettcp get wrong.

use netmart::net::WireError;
use netmart::proto::wires::sockettcp::SockettcpPacket as P;
use netmart::proto::wires::{Kind, Reason};

use super::{impatient, message, receive, send};

/// Acknowledges what was heard, as each of them does.
fn answer(packet: &P) -> P {
    P::ack(packet.seq + packet.data.len() as u64)
}

fn is_data(packet: &P) -> bool {
    !packet.syn && !packet.ack && !packet.fin
}

#[test]
fn a_server_that_counts_for_itself_and_says_its_end_in_two_segments() {
    let message = vec![message("Mensaje de largo 19")];
    let outcome = send(Kind::Sockettcp, Default::default(), message, |mut door| {
        let syn: P = door.hear();
        assert!(syn.syn);
        let mut peer = door.on_new_port();
        peer.say(&P::syn_ack(syn.seq + 28));
        assert_eq!(peer.hear::<P>(), P::ack(syn.seq + 1));
        for part in ["19", "Mensaje de largo", " 19"] {
            let heard = peer.hear_where(is_data);
            assert_eq!(heard.data, part);
            // An answer to something older comes first, and must not make a copy of the segment.
            peer.say(&P::ack(heard.seq));
            peer.say(&answer(&heard));
        }
        let fin: P = peer.hear_where(|packet: &P| packet.fin);
        assert_eq!(fin.seq, syn.seq + 1 + 2 + 19);
        peer.say(&P::ack(syn.seq + 29));
        peer.say(&P::fin(syn.seq + 29));
        peer.hear_where(|packet: &P| packet.ack);
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_server_that_missed_the_last_word_of_the_handshake_hears_it_again() {
    let outcome = send(Kind::Sockettcp, Default::default(), vec![message("x")], |mut door| {
        let syn: P = door.hear();
        let mut peer = door.on_new_port();
        peer.say(&P::syn_ack(syn.seq + 1));
        // The ACK is lost. It asks for it whatever else comes.
        peer.hear_where(is_data);
        peer.say(&P::syn_ack(syn.seq + 1));
        assert_eq!(peer.hear_where(|packet: &P| packet.ack).seq, syn.seq + 2);
        for part in ["1", "x"] {
            let heard = peer.hear_where(|packet: &P| is_data(packet) && packet.data == part);
            peer.say(&answer(&heard));
        }
        let fin: P = peer.hear_where(|packet: &P| packet.fin);
        peer.say(&P { fin: true, ..P::ack(fin.seq + 1) });
        // The last ACK comes three times, for two may get lost.
        (0..3).for_each(|_| assert_eq!(peer.hear::<P>(), P::ack(fin.seq + 2)));
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_client_with_filler_padding_separators_in_its_data_and_no_last_ack() {
    let received = receive(Kind::Sockettcp, Default::default(), |mut peer| {
        // Filler in a control segment says nothing.
        peer.say_octets(b"1|||0|||0|||00000045|||-");
        let syn_ack: P = peer.hear();
        assert_eq!((syn_ack.syn, syn_ack.seq), (true, 46));
        // The ACK is lost; the first data counts for it. It is no length, so it is dropped.
        peer.say_octets(b"0|||0|||0|||00000047|||no");
        peer.say_octets(b"0|||0|||0|||00000047|||19");
        assert_eq!(peer.hear_where(|packet: &P| packet.ack && !packet.syn).seq, 49);
        peer.say_octets(b"0|||0|||0|||00000049|||a|||b|||c|||||||");
        assert_eq!(peer.hear::<P>().seq, 65);
        // Ahead of time; more than was announced; not a segment at all.
        peer.say_octets(b"0|||0|||0|||99|||ahead");
        peer.say_octets(b"0|||0|||0|||65|||much too long");
        peer.say_octets(b"0|||2|||x");
        peer.say_octets(b"0|||0|||0|||65||||\0\xff");
        assert_eq!(peer.hear::<P>().seq, 68);
        peer.say_octets(b"0|||0|||1|||68|||");
        let fin_ack = peer.hear_where(|packet: &P| packet.fin);
        assert_eq!((fin_ack.ack, fin_ack.seq), (true, 69));
        // It leaves without a last ACK: the other side must not wait for ever.
    });
    assert_eq!(received.octets(), b"a|||b|||c||||||||\0\xff");
    assert!(received.outcome.is_ok(), "{:?}", received.outcome);
}

#[test]
fn a_client_whose_last_acknowledgement_was_lost_hears_it_again_while_its_end_is_waited_for() {
    let received = receive(Kind::Sockettcp, Default::default(), |mut peer| {
        peer.say(&P::syn(20));
        peer.hear::<P>();
        peer.say(&P::ack(22));
        for (seq, part) in [(22, "1"), (23, "x")] {
            peer.say(&P::data(seq, part.into()));
            peer.hear_where(|packet: &P| packet.ack && packet.seq == seq + 1);
        }
        // It did not come, so the segment comes again. Not every copy of it is answered, but one is.
        loop {
            peer.say(&P::data(23, "x".into()));
            peer.socket.set_read_timeout(Some(std::time::Duration::from_millis(50))).expect("set");
            if peer.socket.recv_from(&mut [0; 64]).is_ok() {
                break;
            }
        }
        peer.socket.set_read_timeout(Some(super::PATIENCE)).expect("set");
        peer.say(&P::fin(24));
        peer.hear_where(|packet: &P| packet.fin);
        peer.say(&P::ack(26));
    });
    assert_eq!(received.octets(), b"x");
    assert!(received.outcome.is_ok(), "{:?}", received.outcome);
}

#[test]
fn a_client_that_dies_inside_a_message_leaves_none() {
    let received = receive(Kind::Sockettcp, impatient(), |mut peer| {
        peer.say(&P::syn(20));
        peer.hear::<P>();
        peer.say(&P::ack(22));
        for (seq, part) in [(22, "100"), (25, "not all")] {
            peer.say(&P::data(seq, part.into()));
            peer.hear_where(|packet: &P| packet.ack && packet.seq == seq + part.len() as u64);
        }
    });
    assert!(received.chunks.iter().all(|chunk| !chunk.end), "{:?}", received.chunks);
    assert_eq!(received.outcome.map(drop), Err(WireError::Closed(Reason::Vanished)));
}
