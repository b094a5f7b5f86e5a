//! What the original shows its user.

use super::super::super::{
    Action, Codec, Fault, Mischief, Odds, Reason, Role, Transmit, Wire, WriteError,
};
use super::super::{SocketError, numbered_datagrams};
use super::*;

#[test]
fn a_datagram_in_words() {
    let line = |action, packet| Session::log_line(Role::Client, action, &packet);
    assert_eq!(
        line(Action::Send, data(1542, 50_256, 16, "it's\n\\")),
        r#"SEND: (FLAGS=ACK|DATA  SEQ=1542  ACK=50256  WIN=16  PAYLOAD="it's\n\\")"#
    );
    assert_eq!(
        line(Action::ReceiveEarly, packet(SYN_ACK, 1, 2, 3)),
        "RECV (OUT OF ORDER): (FLAGS=ACK|SYN  SEQ=1  ACK=2  WIN=3  PAYLOAD='')"
    );
    assert_eq!(
        line(Action::SendAgain, P::fin_ack()),
        "SEND: (FLAGS=ACK|FIN  SEQ=-1  ACK=0  WIN=0  PAYLOAD='')"
    );
}

#[test]
fn a_socket_in_words() {
    let mut script = client(16);
    script.write("x");
    script.say(data(501, 101, 16, "y"));
    assert_eq!(
        script.session.to_string(),
        "SOCKET(STATE=ESTABLISHED, SND_NXT=2, SND_UNA=1, SND_RDY=2, SND_WND=15, ISS=100, \
         RCV_NXT=2, RCV_UNA=1, RCV_WND=1023, IRS=500)"
    );
    assert_eq!(script.session.info().shown, Some(script.session.to_string()));
}

#[test]
fn its_errors_have_their_names() {
    let mut octets = packet(ACK, 1, 2, 3).to_bytes().to_vec();
    octets[3] ^= 1;
    assert_eq!(P::parse(octets.clone().into()), Err(Fault::BadChecksum));
    let error = SocketError::checksum(&octets).expect("a header");
    let text = "checksum error in header 0000000000000002000000030001fff8";
    assert_eq!(error.to_string(), text);
    assert_eq!(SocketError::checksum(&octets[..15]), None);
    assert_eq!(SocketError::from(Reason::Normal), SocketError::NotConnected);
    assert_eq!(SocketError::from(WriteError::Closed), SocketError::NotConnected);
    assert_eq!(SocketError::from(Reason::Vanished).to_string(), "the peer has vanished");
}

fn through(mischief: &mut Mischief<P>, packets: &[P]) -> Vec<(Action, P)> {
    let mut out = Vec::new();
    for packet in packets {
        let transmit = Transmit { packet: packet.clone(), to: address(PEER), again: false };
        mischief.handle::<Session>(transmit);
        out.extend(core::iter::from_fn(|| mischief.poll()).map(|(action, t)| (action, t.packet)));
    }
    out
}

#[test]
fn mischief_is_done_to_data_only() {
    let (one, two) = (data(101, 501, 16, "one"), data(102, 501, 16, "two"));
    let ack = packet(ACK, 101, 501, 16);
    let certain = |loss, dup, delay| Mischief::new(Odds { loss, dup, delay }, 1);
    let both = [one.clone(), ack.clone(), two.clone()];
    assert_eq!(
        through(&mut certain(1.0, 0.0, 0.0), &both),
        [
            (Action::SendLost, one.clone()),
            (Action::Send, ack.clone()),
            (Action::SendLost, two.clone())
        ]
    );
    assert_eq!(
        through(&mut certain(0.0, 1.0, 0.0), &both[..1]),
        [(Action::Send, one.clone()), (Action::SendDuplicate, one.clone())]
    );
    // One at a time is held until other data goes out.
    assert_eq!(
        through(&mut certain(0.0, 0.0, 1.0), &both),
        [
            (Action::SendDelayed, one.clone()),
            (Action::Send, ack),
            (Action::Send, two),
            (Action::Send, one)
        ]
    );
}

#[test]
fn chance_keeps_to_its_probability() {
    let mut mischief = Mischief::new(Odds { loss: 0.25, ..Odds::default() }, 7);
    let packets = vec![data(101, 501, 16, "x"); 4_000];
    let out = through(&mut mischief, &packets);
    let lost = out.iter().filter(|(action, _)| *action == Action::SendLost).count();
    assert!((900..1_100).contains(&lost), "{lost}");
    assert_eq!(numbered_datagrams(2).last().expect("two"), "this is the datagram number 1");
}
