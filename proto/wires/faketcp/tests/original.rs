//! Towards an original.

use super::super::super::tests::data::Content;
use super::super::super::tests::original::Duel;
use super::super::super::tests::pair::weather;
use super::super::super::{Chunk, Discard, Event, Mode, Outcome, Phase, Reason, Wire};
use super::model::Seed;
use super::*;

fn datagrams(count: usize) -> Vec<Bytes> {
    (0..count).map(|number| Content::Random.octets(200 + number % 7)).collect()
}

fn weathers() -> [crate::netem::Config; 4] {
    [
        weather(0.05, 0.0, 0.0),
        weather(0.0, 0.05, 0.0),
        weather(0.0, 0.0, 0.05),
        weather(0.05, 0.05, 0.05),
    ]
}

#[test]
fn a_sender_gets_everything_to_an_original_and_through_its_losses() {
    for (kind, weather) in (0..).zip(weathers()) {
        let mut complete = 0;
        for seed in 0..20 {
            let sent = datagrams(150);
            let mut duel = Duel::<Session, _>::client(Seed::server(), &weather, seed + kind * 100);
            duel.end().to_send = sent.iter().cloned().map(Chunk::message).collect();
            duel.end().closes_after = Some(0);
            duel.run(MS * 600_000);
            let received = &duel.original.received;
            assert!(!duel.original.broken, "seed {seed}");
            assert!(sent.starts_with(received), "seed {seed}: other datagrams");
            let ended = duel.end().ended().cloned();
            match ended {
                Some(Reason::Normal) => {
                    complete += 1;
                    assert_eq!(duel.original.received.len(), sent.len());
                    assert_eq!(duel.end().session.info().mode, Some(Mode::Original));
                }
                // Its answer to the SYN got lost, and cannot be had again.
                Some(Reason::TimedOut { phase: Phase::Handshake, .. }) => {}
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        assert!(complete >= 17, "{complete} of 20");
    }
}

#[test]
fn a_receiver_keeps_an_original_from_going_astray() {
    for (kind, weather) in (0..).zip(weathers()) {
        let mut complete = 0;
        for seed in 0..20 {
            let sent = datagrams(150);
            let original = Seed::client(sent.clone());
            let mut duel = Duel::<Session, _>::server(original, &weather, seed + kind * 100);
            duel.run(MS * 600_000);
            assert!(!duel.original.broken, "seed {seed}");
            let Some(end) = &duel.end else { continue };
            let received: Vec<_> = end.received.iter().map(|chunk| chunk.data.clone()).collect();
            assert!(sent.starts_with(&received), "seed {seed}: other datagrams");
            match end.ended() {
                Some(Reason::Normal) => {
                    complete += 1;
                    assert_eq!(received.len(), sent.len());
                }
                // Its FIN got lost, or its handshake: it says neither again.
                Some(Reason::Vanished | Reason::TimedOut { phase: Phase::Handshake, .. }) => {}
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        assert!(complete >= 16, "{complete} of 20");
    }
}

#[test]
fn datagrams_of_any_size_pass_both_ways_on_a_clean_network() {
    let clean = weather(0.0, 0.0, 0.0);
    let file = |octets: &Bytes| -> Vec<Bytes> {
        octets.chunks(4_080).map(|piece| octets.slice_ref(piece)).collect()
    };
    for sent in [
        Vec::new(),
        vec![Bytes::new(), Bytes::from_static(b"x"), Content::Random.octets(4_080)],
        file(&Content::Nuls.octets(100_000)),
        file(&Content::Random.octets(1_000_000)),
    ] {
        let mut duel = Duel::<Session, _>::client(Seed::server(), &clean, 1);
        duel.end().to_send = sent.iter().cloned().map(Chunk::message).collect();
        duel.end().closes_after = Some(0);
        duel.run(MS * 600_000);
        assert!(duel.original.received == sent && !duel.original.broken);
        assert_eq!(duel.end().ended(), Some(&Reason::Normal));

        // One that has nothing to send does not close by itself.
        if sent.is_empty() {
            continue;
        }
        let mut duel = Duel::<Session, _>::server(Seed::client(sent.clone()), &clean, 1);
        duel.run(MS * 600_000);
        let received: Vec<_> = duel.end().received.iter().map(|chunk| chunk.data.clone()).collect();
        assert!(received == sent && !duel.original.broken);
        assert_eq!(duel.end().ended(), Some(&Reason::Normal));
    }
}

#[test]
fn what_opens_a_connection_is_said_until_it_is_answered() {
    let mut script = Script::<Session>::client(100);
    script.wait(MS * 900);
    script.expect(&vec![packet(Flags::SYN, 100, 0, 1024); 3]);
    script.peer = address(PEER);
    script.say(packet(SYN_ACK, 500, 101, 16));
    script.expect(&[packet(ACK, 101, 501, 1024)]);

    let mut script = Script::<Session>::server(&packet(Flags::SYN, 100, 0, 16), 500);
    script.wait(MS * 700);
    script.expect(&vec![packet(SYN_ACK, 500, 101, 1024); 3]);
    script.say(packet(ACK, 101, 501, 16));
    script.wait(MS * 500);
    assert!(script.heard().iter().all(|packet| !packet.flags.has(Flags::SYN)));
}

#[test]
fn an_acknowledgement_of_a_full_window_that_got_lost_is_had_again() {
    let mut script = client(16);
    for _ in 0..16 {
        script.write("x");
    }
    script.heard();
    // The window comes again, an original drops its copies without a word, and a question makes it speak.
    script.wait(MS * 1_300);
    let probe = script.heard().into_iter().find(|packet| packet.payload.is_empty());
    assert!(probe.is_some_and(|probe| probe.seq >= 117 + 32));
    script.say(packet(NACK, 501, 117, 16));
    script.write("y");
    script.expect(&[data(117, 501, 1024, "y")]);
}

#[test]
fn an_acknowledgement_beyond_where_it_went_back_to_counts() {
    let mut script = client(16);
    for text in ["a", "b", "c"] {
        script.write(text);
    }
    script.heard();
    script.wait(MS * 410);
    assert_eq!(script.heard()[0], data(101, 501, 1024, "a"));
    script.say(packet(ACK, 501, 104, 16));
    script.write("d");
    script.expect(&[data(104, 501, 1024, "d")]);
}

#[test]
fn never_more_than_sixteen_are_under_way_nor_more_than_it_has_room_for() {
    let mut script = client(16);
    for _ in 0..40 {
        script.write("x");
    }
    assert_eq!(script.heard().len(), 16);
    // It has room for two behind those that it has not taken yet: that is no more than it offered before.
    script.say(packet(ACK, 501, 104, 2));
    script.expect(&[]);
    script.say(packet(ACK, 501, 104, 16));
    assert_eq!(script.heard().len(), 3);
}

#[test]
fn what_was_lost_at_the_end_is_found_by_asking() {
    let mut script = client(16);
    script.write("x");
    script.heard();
    script.wait(MS * 1_300);
    let probe = script.heard().into_iter().find(|packet| packet.payload.is_empty());
    let probe = probe.expect("a question");
    assert!(probe.flags == DATA && probe.seq >= 102 + 32);
    // It drops that as out of order, and so says what it has.
    script.say(packet(NACK, 501, 102, 16));
    script.close();
    script.expect(&[P::fin()]);
}

#[test]
fn acknowledgements_that_are_old_or_wild_change_nothing() {
    let mut script = client(16);
    script.write("a");
    script.write("b");
    script.say(packet(ACK, 501, 103, 16));
    for (ack, discard) in
        [(101, Discard::StaleAck), (104, Discard::WildAck), (-5, Discard::StaleAck)]
    {
        assert_eq!(script.say(packet(ACK, 501, ack, 16)), Outcome::Dropped(discard));
        assert_eq!(script.say(packet(NACK, 501, ack, 16)), Outcome::Dropped(discard));
    }
    script.heard();
    script.write("c");
    script.expect(&[data(103, 501, 1024, "c")]);
}

#[test]
fn a_storm_of_nacks_makes_it_go_back_once_in_twenty_milliseconds() {
    let mut script = client(16);
    for text in ["a", "b", "c"] {
        script.write(text);
    }
    script.wait(MS * 30);
    script.heard();
    for _ in 0..10 {
        script.say(packet(NACK, 501, 101, 16));
    }
    assert_eq!(script.heard().len(), 3);
    script.wait(MS * 20);
    script.say(packet(NACK, 501, 101, 16));
    assert_eq!(script.heard().len(), 3);
}

#[test]
fn what_makes_it_go_back_is_told_once() {
    let mut script = client(16);
    let begins = script.session.poll_remark().expect("the session in words");
    assert!(begins.starts_with("SOCKET(STATE="), "{begins}");
    script.write("a");
    script.wait(MS * 30);
    script.heard();
    assert_eq!(script.session.poll_remark(), None);
    script.say(packet(NACK, 501, 101, 16));
    assert_eq!(script.session.poll_remark().as_deref(), Some("RETRANSMISSION: NACK"));
    assert_eq!(script.session.poll_remark(), None);
    script.heard();
    script.wait(MS * 450);
    assert_eq!(script.heard().len(), 1);
    assert_eq!(script.session.poll_remark().as_deref(), Some("RETRANSMISSION: SND_TIMEOUT"));
}

#[test]
fn a_fin_that_is_never_answered_ends_well_after_six() {
    let mut script = client(16);
    script.write("a");
    script.close();
    script.heard();
    script.say(packet(ACK, 501, 102, 16));
    script.wait_for_end();
    script.expect(&vec![P::fin(); 6]);
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn an_original_that_never_answers_is_given_up_on() {
    let mut script = Script::<Session>::client(100);
    script.wait_for_end();
    let reason = Reason::TimedOut { phase: Phase::Handshake, tries: 60 };
    assert_eq!(script.session.poll_event(), Some(Event::Refused(reason)));
    let mut script = client(16);
    script.write("a");
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::TimedOut { phase: Phase::Data, tries: 40 }));
}

#[test]
fn acknowledgements_keep_their_distance() {
    let mut script = server(16);
    let mut times = Vec::new();
    for number in 0..60 {
        script.say(data(101 + number, 501, 16, "x"));
        script.wait(MS * 5);
    }
    script.wait(MS * 100);
    times.extend(script.sent.iter().map(|(at, ..)| *at));
    assert!(times.len() >= 4);
    assert!(times.windows(2).all(|pair| pair[1].saturating_since(pair[0]) >= MS * 60), "{times:?}");
    assert!(script.heard().iter().all(|packet| packet.win > 900));
}

#[test]
fn a_silent_original_is_told_where_we_are() {
    let mut script = server(16);
    script.say(data(101, 501, 16, "x"));
    script.wait(MS * 500);
    script.expect(&[packet(ACK, 501, 102, 1023)]);
    assert_eq!(script.read(), b"x");
    script.wait(MS * 200);
    script.expect(&[packet(NACK, 501, 102, 1024)]);
}

#[test]
fn duplicates_are_acknowledged_because_its_acknowledgement_may_be_lost() {
    let mut script = server(16);
    script.say(data(101, 501, 16, "x"));
    script.wait(MS * 100);
    script.heard();
    assert_eq!(script.say(data(101, 501, 16, "x")), Outcome::Dropped(Discard::Duplicate));
    script.wait(MS * 100);
    script.expect(&[packet(ACK, 501, 102, 1023)]);
}

#[test]
fn data_that_ends_the_handshake_is_used() {
    let mut script = Script::<Session>::server(&packet(Flags::SYN, 100, 0, 16), 500);
    script.say(data(101, 501, 16, "first"));
    assert_eq!(script.read(), b"first");
    // Nothing repeats the answer to the SYN any more, not even another SYN.
    script.heard();
    script.say(packet(Flags::SYN, 100, 0, 16));
    script.wait(MS * 400);
    assert!(script.heard().iter().all(|packet| !packet.flags.has(Flags::SYN)));
}

#[test]
fn its_end_is_answered_as_often_as_it_asks_for_a_while() {
    let mut script = server(16);
    script.say(data(101, 501, 16, "x"));
    script.say(P::fin());
    script.expect(&[P::fin_ack()]);
    script.wait(MS * 400);
    script.say(P::fin());
    script.expect(&[P::fin_ack()]);
    assert_eq!(script.read(), b"x");
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Normal));
}

#[test]
fn what_it_did_not_take_before_it_closed_is_an_error() {
    let mut script = client(16);
    script.write("hello");
    script.say(P::fin());
    script.wait_for_end();
    assert_eq!(script.ended(), Some(Reason::Deserted(5)));
}

#[test]
fn an_original_that_lost_all_it_said_gets_the_time_to_say_it_again() {
    let mut script = Script::<Session>::server(&packet(Flags::SYN, 100, 0, 16), 500);
    script.wait(MS * 5_000);
    let moments: Vec<_> = script.sent.iter().map(|(at, ..)| *at).collect();
    // Its timer of 0.4 s starts anew with each of them.
    let gaps: Vec<_> = moments.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
    assert_eq!(gaps[0], MS * 200);
    assert!(gaps.len() > 5 && gaps[2..].iter().all(|gap| *gap > MS * 450), "{gaps:?}");
}
