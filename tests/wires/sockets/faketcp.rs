//! What an original of faketcp gets wrong.

use netmart::net::WireError;
use netmart::proto::wires::faketcp::{FIN, FaketcpPacket as P, Flags};
use netmart::proto::wires::{Codec, Kind, Mode, Phase, Reason};

use super::{impatient, message, receive, send};

const ACK: Flags = Flags::ACK;
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const DATA: Flags = Flags::DATA.with(Flags::ACK);

fn packet(flags: Flags, seq: i32, ack: i32) -> P {
    P { seq, ack, win: 16, flags, payload: bytes::Bytes::new() }
}

fn data(seq: i32, ack: i32, text: &'static str) -> P {
    P { payload: text.into(), ..packet(DATA, seq, ack) }
}

#[test]
fn an_original_server_that_misses_the_first_syn_and_loses_its_last_acknowledgement() {
    let chunks = vec![message("one"), message("two"), message("three")];
    let outcome = send(Kind::Faketcp, Default::default(), chunks, |mut door| {
        // The first SYN gets lost on the way.
        door.hear::<P>();
        let syn: P = door.hear();
        assert_eq!((syn.flags, syn.ack), (Flags::SYN, 0));
        let first = syn.seq + 1;
        let mut peer = door.on_new_port();
        peer.say(&packet(SYN_ACK, 500, first));
        assert_eq!(peer.hear::<P>(), P { win: syn.win, ..packet(ACK, first, 501) });
        for (number, text) in (first..).zip(["one", "two", "three"]) {
            let heard: P = peer.hear();
            assert_eq!((heard.seq, &heard.payload[..]), (number, text.as_bytes()));
        }
        // The acknowledgement is lost, and an original is silent about what it knows. It is asked for it with
        // something that it cannot take.
        let probe: P = peer.hear_where(|packet: &P| packet.seq > first + 16);
        assert!(probe.flags.has(Flags::DATA) && probe.payload.is_empty());
        peer.say(&packet(Flags::NACK, 501, first + 3));
        // It closes, and its FIN ACK is lost as well.
        peer.hear_where(P::is_fin);
    });
    let info = outcome.expect("all was acknowledged");
    assert_eq!(info.mode, Some(Mode::Original));
}

#[test]
fn acknowledgements_that_overtake_each_other_and_datagrams_that_are_damaged() {
    let chunks = vec![message("one"), message("two")];
    let outcome = send(Kind::Faketcp, Default::default(), chunks, |mut door| {
        let syn: P = door.hear();
        let first = syn.seq + 1;
        let mut peer = door.on_new_port();
        let mut damaged = packet(SYN_ACK, 900, first).to_bytes().to_vec();
        damaged[3] ^= 1;
        peer.say_octets(&damaged);
        peer.say_octets(b"short");
        peer.say(&packet(SYN_ACK, 500, first));
        peer.hear_where(|packet: &P| packet.payload == "two");
        peer.say(&packet(ACK, 501, first + 2));
        // Older news, and impossible ones.
        peer.say(&packet(ACK, 501, first + 1));
        peer.say(&packet(Flags::NACK, 501, first));
        peer.say(&packet(ACK, 501, first + 1_000));
        peer.hear_where(P::is_fin);
        peer.say(&packet(ACK, FIN, 0));
    });
    assert_eq!(outcome.expect("in order").counters.octets_sent, 6);
}

#[test]
fn an_original_client_whose_acknowledgement_is_lost_and_whose_data_is_swapped_and_doubled() {
    let received = receive(Kind::Faketcp, Default::default(), |mut peer| {
        peer.say(&packet(Flags::SYN, 100, 0));
        let syn_ack: P = peer.hear();
        assert_eq!((syn_ack.flags, syn_ack.ack), (SYN_ACK, 101));
        assert!(syn_ack.win > 16, "an original's window is used up by what gets lost");
        let ours = syn_ack.seq + 1;
        // Its ACK is lost: data counts for it. The second datagram overtakes the first.
        peer.say(&data(102, ours, "two"));
        peer.say(&data(101, ours, "one"));
        peer.say(&data(101, ours, "one"));
        peer.say(&data(103, ours, "three"));
        // Whatever was dropped of it is asked for.
        let mut known = 101;
        while known < 104 {
            let answer: P = peer.hear();
            if answer.flags.has(Flags::SYN) {
                continue;
            }
            known = answer.ack;
            let texts = ["one", "two", "three"];
            (known..104).for_each(|seq| peer.say(&data(seq, ours, texts[seq as usize - 101])));
        }
        // A datagram behind the window, and a damaged one, change nothing.
        peer.say(&data(104 + 40_000, ours, "far"));
        let mut damaged = data(104, ours, "bad").to_bytes().to_vec();
        damaged[0] ^= 0x40;
        peer.say_octets(&damaged);
        for _ in 0..2 {
            // Its FIN, and again because the answer was lost.
            peer.say(&P { win: 0, ..packet(Flags::NONE, FIN, 0) });
            peer.hear_where(|packet: &P| packet.is_fin() && packet.flags.has(ACK));
        }
    });
    let texts: Vec<_> = received.chunks.iter().map(|chunk| chunk.data.clone()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(received.outcome.expect("in order").mode, Some(Mode::Original));
}

#[test]
fn an_original_that_fell_silent_is_woken_by_a_nack() {
    let received = receive(Kind::Faketcp, Default::default(), |mut peer| {
        peer.say(&packet(Flags::SYN, 100, 0));
        let syn_ack: P = peer.hear();
        let ours = syn_ack.seq + 1;
        peer.say(&packet(ACK, 101, ours));
        peer.say(&data(101, ours, "one"));
        // Its window is used up, it sends nothing more: until it hears what is wanted next.
        let nack: P = peer.hear_where(|packet: &P| packet.flags.has(Flags::NACK));
        assert_eq!(nack.ack, 102);
        assert!(nack.win > 0);
        peer.say(&data(102, ours, "two"));
        peer.hear_where(|packet: &P| packet.ack == 103);
        peer.say(&packet(Flags::NONE, FIN, 0));
        peer.hear_where(P::is_fin);
    });
    assert_eq!(received.octets(), b"onetwo");
}

#[test]
fn a_server_that_never_answers_is_given_up_on() {
    let outcome = send(Kind::Faketcp, impatient(), vec![message("x")], |mut door| {
        (0..3).for_each(|_| drop(door.hear::<P>()));
    });
    let reason = Reason::TimedOut { phase: Phase::Handshake, tries: 3 };
    assert_eq!(outcome.map(drop), Err(WireError::Refused(reason)));
}

#[test]
fn a_server_that_dies_after_the_handshake_is_given_up_on() {
    let outcome = send(Kind::Faketcp, impatient(), vec![message("x")], |mut door| {
        let syn: P = door.hear();
        let peer = door.on_new_port();
        peer.say(&packet(SYN_ACK, 500, syn.seq + 1));
        // It keeps its port, so that nothing but silence tells.
        let mut peer = peer;
        (0..4).for_each(|_| drop(peer.hear::<P>()));
    });
    let error = outcome.map(drop).expect_err("nothing was acknowledged");
    assert!(matches!(error, WireError::Closed(_)), "{error:?}");
}
