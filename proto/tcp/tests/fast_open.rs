//! May data travel with a SYN?

use core::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::super::{Event, FastOpenKey, FastOpenNews, Reason, State, StateVector};
use super::pair::pattern;
use super::script::{LOCAL, REMOTE, Trace, parse, plain};
use crate::Instant;
use crate::wire::tcp::{FastOpen, FastOpenCookie, Segment};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn key() -> FastOpenKey {
    FastOpenKey::new([5; 16])
}

fn cookie() -> FastOpenCookie {
    FastOpenCookie::new(&[1, 2, 3, 4, 5, 6, 7, 8]).expect("of even length")
}

fn with_option(mut segment: Segment, cookie: Option<FastOpenCookie>) -> Segment {
    FastOpen { cookie, experimental: false }.add_to(&mut segment.options);
    segment
}

fn dial(cookie: Option<FastOpenCookie>, octets: usize) -> Trace {
    let mut trace = Trace::connect(plain());
    trace.write_to(1 + octets);
    trace.vector.set_fast_open(cookie);
    trace
}

/// A SYN of 100 octets with this cookie, and the machine that answers it.
fn accept(shown: Option<FastOpenCookie>, may_take: bool, flags: &str) -> Trace {
    let mut syn = parse(&format!("{flags} 0:0 win=65535 mss=1000"), REMOTE, LOCAL);
    syn.payload = pattern(100);
    let syn = with_option(syn, shown);
    let mut trace = Trace::connect(plain());
    trace.vector = StateVector::accept(Rc::new(plain()), &syn, LOCAL, trace.now);
    trace.vector.answer_fast_open(&syn, &key(), PEER, may_take, trace.now);
    trace
}

fn good() -> FastOpenCookie {
    key().cookie(PEER, Instant::from_millis(10_000))
}

#[test]
fn without_a_cookie_a_client_asks_for_one_and_sends_no_data() {
    let mut trace = dial(None, 100);
    let syn = trace.send("S 0:0").segment;
    assert_eq!(FastOpen::of(&syn.options), Some(FastOpen { cookie: None, experimental: false }));
    trace.vector.handle_segment(
        with_option(parse("S. 0:0 ack=1", REMOTE, LOCAL), Some(cookie())),
        trace.now,
    );
    assert_eq!(trace.vector.poll_fast_open(), Some(FastOpenNews::Cookie(cookie())));
    assert_eq!(trace.vector.poll_fast_open(), None);
    trace.send("P. 1:101 ack=1");
}

#[test]
fn with_a_cookie_its_syn_carries_data_which_the_server_may_take_or_leave() {
    for (acked, next) in [(101, 101), (51, 51), (1, 1)] {
        let mut trace = dial(Some(cookie()), 100);
        let syn = trace.vector.poll_transmit(trace.now).expect("a SYN").segment;
        assert_eq!(FastOpen::of(&syn.options).and_then(|option| option.cookie), Some(cookie()));
        assert_eq!(syn.payload, pattern(100));
        trace.silent();
        trace.recv(&format!("S. 0:0 ack={acked} win=65535 mss=1000"));
        trace.assert_state(State::Established);
        if next < 101 {
            trace.send(&format!("P. {next}:101 ack=1"));
            trace.recv(". 1:1 ack=101");
        } else {
            trace.send(". 101:101 ack=1");
        }
        trace.silent();
        // Of what was left altogether it learns to do without.
        assert_eq!(trace.vector.poll_fast_open(), (acked == 1).then_some(FastOpenNews::Failed));
        assert!(trace.vector.is_flushed());
        assert_eq!(trace.vector.poll_fast_open(), None);
    }
    let mut trace = dial(Some(cookie()), 10_000);
    let syn = trace.vector.poll_transmit(trace.now).expect("a SYN").segment;
    assert_eq!(syn.payload.len(), 496, "536 octets, options and all");
    trace.recv("S. 0:0 ack=498");
    trace.send("R 498:498");
    trace.assert_state(State::SynSent);
}

#[test]
fn a_syn_that_is_lost_is_repeated_without_data_and_option() {
    let mut trace = dial(Some(cookie()), 100);
    assert_eq!(trace.vector.poll_transmit(trace.now).expect("a SYN").segment.payload.len(), 100);
    trace.pass_to_deadline();
    let syn = trace.send("S 0:0").segment;
    assert_eq!((FastOpen::of(&syn.options), syn.payload.len()), (None, 0));
    trace.recv("S. 0:0 ack=1 mss=1000");
    trace.send("P. 1:101 ack=1");
    assert_eq!(trace.vector.poll_fast_open(), Some(FastOpenNews::Failed));
}

#[test]
fn a_server_gives_cookies_to_who_asks_and_keeps_what_it_may_not_take() {
    for (shown, may_take, flags, gives) in [
        (None, true, "S", true),
        (Some(cookie()), true, "S", true),
        (Some(good()), false, "S", false),
        (Some(good()), true, "SF", false),
    ] {
        let mut trace = accept(shown, may_take, flags);
        assert!(trace.events().is_empty());
        let answer = trace.send("S. 0:0 ack=1").segment;
        let given = FastOpen::of(&answer.options).and_then(|option| option.cookie);
        assert_eq!(given, gives.then(good));
        trace.recv(". 101:101 ack=1");
        assert!(trace.events().contains(&Event::Connected));
        trace.grant(200);
        assert_eq!(trace.read(), pattern(100));
    }
}

#[test]
fn a_good_cookie_lets_data_in_and_the_answer_out_before_the_handshake_is_done() {
    let mut trace = accept(Some(good()), true, "S");
    assert_eq!(trace.events()[0], Event::Connected);
    trace.grant(200);
    assert_eq!(trace.read(), pattern(100));
    trace.send("S. 0:0 ack=101");
    trace.write_to(201);
    trace.send("P. 1:201 ack=101");
    trace.assert_state(State::SynReceived);
    trace.silent();
    // The client's acknowledgement of it all is the end of the handshake.
    trace.recv(". 101:101 ack=201");
    trace.assert_state(State::Established);
    assert!(trace.vector.is_flushed());
    assert!(!trace.events().contains(&Event::Connected), "once is enough");

    // What was sent early and lost is sent again when the handshake is done.
    let mut trace = accept(Some(good()), true, "S");
    trace.send("S. 0:0 ack=101");
    trace.write_to(201);
    trace.vector.shutdown(trace.now);
    trace.send("FP. 1:201 ack=101");
    trace.recv(". 101:101 ack=1");
    trace.assert_state(State::FinWait1);
    for _ in 0..3 {
        trace.pass_to_deadline();
    }
    trace.send("FP. 1:201 ack=101");
}

#[test]
fn who_was_let_in_early_hears_that_it_ended() {
    let mut trace = accept(Some(good()), true, "S");
    trace.send("S. 0:0 ack=101");
    trace.events();
    trace.recv("R 101:101");
    assert!(trace.events().contains(&Event::Closed(Reason::Reset)));
}

#[test]
fn a_cookie_is_good_for_its_client_and_two_periods() {
    let period = FastOpenKey::PERIOD;
    let given = key().cookie(PEER, Instant::ZERO);
    for (remote, after, wanted) in [
        (PEER, period / 2, true),
        (PEER, period * 3 / 2, true),
        (PEER, period * 2, false),
        (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3)), period / 2, false),
    ] {
        assert_eq!(key().is_good(&given, remote, Instant::ZERO + after), wanted, "{after:?}");
    }
    assert!(!FastOpenKey::new([6; 16]).is_good(&given, PEER, Instant::ZERO));
}
