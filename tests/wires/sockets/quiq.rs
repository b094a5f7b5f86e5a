//! What the original of quiq gets wrong.

use std::collections::BTreeMap;

use bytes::Bytes;
use netmart::net::WireError;
use netmart::proto::wires::quiq::{Frame, PacketKind, QuiqPacket as P};
use netmart::proto::wires::{Chunk, Kind, Mode, Reason};

use super::{Peer, Received, receive, send};

fn data(kind: PacketKind, number: u32, stream: u32, offset: u32, text: &'static str) -> P {
    P { kind, number, frames: vec![Frame { stream, offset, data: text.into() }] }
}

fn bare(kind: PacketKind, number: u32) -> P {
    P::bare(kind, number)
}

/// An original's client that has been accepted.
fn begin(peer: &mut Peer) {
    peer.say(&bare(PacketKind::Syn, 1));
    assert_eq!(peer.hear::<P>(), bare(PacketKind::Accept, 1));
}

/// The streams, and whether each has ended.
fn streams(received: &Received) -> BTreeMap<u32, (Vec<u8>, bool)> {
    let mut streams: BTreeMap<u32, (Vec<u8>, bool)> = BTreeMap::new();
    for chunk in received.chunks.iter().filter(|chunk| chunk.stream > 0) {
        let (octets, end) = streams.entry(chunk.stream).or_default();
        octets.extend_from_slice(&chunk.data);
        *end |= chunk.end;
    }
    streams
}

#[test]
fn packets_of_an_original_that_are_doubled_swapped_and_overtaken() {
    let received = receive(Kind::Quiq, Default::default(), |mut peer| {
        begin(&mut peer);
        // The answer was lost.
        begin(&mut peer);
        for packet in [
            data(PacketKind::Last, 6, 1, 2, "c"),
            data(PacketKind::First, 4, 2, 0, "two"),
            data(PacketKind::First, 4, 2, 0, "two"),
            data(PacketKind::Data, 5, 1, 1, "b"),
            bare(PacketKind::DataFin, 7),
            data(PacketKind::First, 3, 1, 0, "a"),
            data(PacketKind::Data, 5, 1, 1, "b"),
        ] {
            peer.say(&packet);
        }
        peer.say_octets(&[5, 0, 0]);
        peer.say_octets(&[0; 13]);
        peer.say(&bare(PacketKind::Fin, 8));
    });
    let expected = [(1, (b"abc".to_vec(), true)), (2, (b"two".to_vec(), true))];
    assert!(streams(&received).into_iter().eq(expected), "{:?}", received.chunks);
    assert_eq!(received.outcome.expect("in order").mode, Some(Mode::Original));
}

#[test]
fn an_original_whose_end_of_the_batch_was_lost() {
    let received = receive(Kind::Quiq, Default::default(), |mut peer| {
        begin(&mut peer);
        peer.say(&data(PacketKind::First, 3, 1, 0, "hello quiq"));
        peer.say(&bare(PacketKind::Fin, 5));
    });
    assert_eq!(streams(&received)[&1], (b"hello quiq".to_vec(), true));
    assert!(received.outcome.is_ok(), "{:?}", received.outcome);
}

#[test]
fn what_an_original_has_lost_is_named() {
    let received = receive(Kind::Quiq, Default::default(), |mut peer| {
        begin(&mut peer);
        peer.say(&data(PacketKind::First, 3, 1, 0, "a"));
        peer.say(&data(PacketKind::Last, 5, 1, 2, "c"));
        peer.say(&bare(PacketKind::DataFin, 7));
        peer.say(&bare(PacketKind::Fin, 8));
    });
    assert!(streams(&received).values().all(|(_, ended)| !ended), "{:?}", received.chunks);
    let missing = Reason::Missing(vec![4, 6]);
    assert_eq!(received.outcome.map(drop), Err(WireError::Closed(missing)));
}

/// An original's receiver: counts every packet that it reads or makes, and appends what comes.
fn original_receiver(peer: &mut Peer, loses_end: bool) -> BTreeMap<u32, Vec<u8>> {
    let syn: P = peer.hear();
    assert_eq!(syn.kind, PacketKind::Syn);
    peer.say(&P { kind: PacketKind::Accept, ..syn });
    let (mut count, mut files, mut done) = (1, BTreeMap::<u32, Vec<u8>>::new(), BTreeMap::new());
    let mut loses_end = loses_end;
    loop {
        let packet: P = peer.hear();
        if packet.kind == PacketKind::DataFin && std::mem::take(&mut loses_end) {
            continue;
        }
        count += 1;
        match packet.kind {
            PacketKind::DataFin => done.append(&mut files),
            PacketKind::Fin => return done,
            kind if kind.is_data() => {
                let stream = packet.frames[0].stream;
                if kind == PacketKind::First {
                    files.entry(stream).or_default();
                }
                for frame in packet.frames {
                    let file = files.get_mut(&frame.stream).expect("it began");
                    file.extend_from_slice(&frame.data);
                }
                count += 1;
                peer.say(&bare(PacketKind::AckData, count));
            }
            _ => {}
        }
    }
}

fn files() -> Vec<Chunk> {
    let chunk = |stream, data: Bytes| Chunk { stream, data, end: true };
    let large: Bytes = (0..40_000_u32).map(|number| number as u8).collect();
    vec![chunk(1, large), chunk(2, Bytes::new()), chunk(3, "three".into())]
}

#[test]
fn an_original_receiver_gets_one_packet_at_a_time_and_an_empty_file_too() {
    let (tell, told) = std::sync::mpsc::channel();
    let outcome = send(Kind::Quiq, Default::default(), files(), move |mut peer| {
        tell.send(original_receiver(&mut peer, false)).expect("somebody listens");
    });
    let received = told.recv().expect("files");
    let expected = files().into_iter().map(|chunk| (chunk.stream, chunk.data.to_vec()));
    assert!(received.into_iter().eq(expected));
    assert_eq!(outcome.expect("all was taken").mode, Some(Mode::Original));
}

#[test]
fn an_original_receiver_that_missed_the_end_of_the_batch_has_nothing() {
    let outcome = send(Kind::Quiq, Default::default(), files(), |mut peer| {
        assert!(original_receiver(&mut peer, true).is_empty(), "it throws all of it away");
    });
    let error = outcome.map(drop).expect_err("nothing arrived for good");
    assert!(matches!(error, WireError::Closed(Reason::Spoilt(_))), "{error:?}");
}
