//! A connection that the peer remembers for us.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::rc::Rc;

use super::super::{Config, Ends, State, StateVector, SynCookies};
use super::script::{LOCAL, REMOTE, parse};
use crate::Instant;
use crate::wire::tcp::{Flags, Segment, Timestamps};

const ENDS: Ends = Ends {
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80),
    remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 4000),
    timestamp_offset: 0xffff_fff0,
};

const NOW: Instant = Instant::from_millis(1_000_123);

fn jar() -> SynCookies {
    SynCookies::new([7; 16])
}

fn syn(options: &str) -> Segment {
    parse(&format!("S 0:0 win=60000 {options}"), REMOTE, LOCAL)
}

/// The third segment of the handshake.
fn ack(answer: &Segment) -> Segment {
    let mut ack = parse(". 1:1 win=500", REMOTE, LOCAL);
    ack.ack = answer.seq + 1;
    ack.options.timestamps = answer
        .options
        .timestamps
        .map(|theirs| Timestamps { value: theirs.echo.wrapping_add(5), echo: theirs.value });
    ack
}

fn complete(
    jar: &SynCookies,
    config: &Rc<Config>,
    ack: &Segment,
    now: Instant,
) -> Option<StateVector> {
    let mut vector = jar.redeem(config, ENDS, ack, now)?;
    vector.handle_segment(ack.clone(), now);
    vector.check_invariants();
    Some(vector)
}

#[test]
fn what_was_agreed_on_comes_back_with_the_acknowledgement() {
    let config = Rc::new(Config::for_ipv4(1500));
    for (offered, mss, sack, shifts, window) in [
        ("mss=1460 sackok ts=9/0 ws=7", 1448, true, Some((7, 7)), 500 << 7),
        ("mss=1400 sackok ts=9/0 ws=0", 1348, true, Some((0, 7)), 500),
        ("mss=1400 ts=9/0 ws=99", 1348, false, Some((14, 7)), 500 << 14),
        ("mss=9000 sackok ts=9/0", 1448, true, None, 500),
        ("mss=1460 sackok ws=7", 1460, false, None, 500),
        ("", 536, false, None, 500),
        ("mss=1", 64, false, None, 500),
    ] {
        let jar = jar();
        let answer = jar.answer(&config, ENDS, &syn(offered), NOW);
        assert_eq!(answer.flags, Flags::SYN | Flags::ACK);
        assert_eq!(answer.ack, REMOTE + 1);
        assert_eq!(answer.options.sack_permitted, sack, "{offered}");
        assert_eq!(answer.options.window_scale.is_some(), shifts.is_some(), "{offered}");
        let mut vector = complete(&jar, &config, &ack(&answer), NOW).expect(offered);
        let info = vector.info();
        assert_eq!(info.state, State::Established, "{offered}");
        assert_eq!((info.send_mss, info.send_window), (mss, window), "{offered}");
        assert_eq!((info.options.sack, info.options.window_shifts), (sack, shifts), "{offered}");
        assert_eq!(info.options.timestamps, offered.contains("ts="), "{offered}");
        assert_eq!(vector.poll_transmit(NOW), None, "the handshake is over");
        vector.write(super::pair::pattern(10));
        let first = vector.poll_transmit(NOW).expect("data").segment;
        assert_eq!((first.seq, first.ack), (answer.seq + 1, REMOTE + 1));
        if let (Some(before), Some(after)) = (answer.options.timestamps, first.options.timestamps) {
            let behind = after.value.wrapping_sub(before.value);
            assert!(behind < 64, "the clock went {behind} ms on, never back");
        }
    }
}

#[test]
fn data_with_or_instead_of_the_acknowledgement_completes_the_handshake_too() {
    let (jar, config) = (jar(), Rc::new(Config::for_ipv4(1500)));
    let answer = jar.answer(&config, ENDS, &syn("mss=1460"), NOW);
    let mut first = parse("P. 1:101", REMOTE, LOCAL);
    first.ack = answer.seq + 1;
    let vector = complete(&jar, &config, &first, NOW).expect("a cookie");
    assert_eq!(vector.info().receive_buffered, 100);
}

#[test]
fn a_cookie_is_good_for_its_ends_its_options_and_two_periods_only() {
    let (jar, config) = (jar(), Rc::new(Config::for_ipv4(1500)));
    let answer = jar.answer(&config, ENDS, &syn("mss=1460 sackok ts=9/0 ws=7"), NOW);
    let good = ack(&answer);
    let redeem = |ends: Ends, ack: &Segment, after: u64| {
        jar.redeem(&config, ends, ack, NOW + Duration::from_secs(after)).is_some()
    };
    assert!(redeem(ENDS, &good, 0));
    assert!(redeem(ENDS, &good, 63));
    assert!(!redeem(ENDS, &good, 128));
    let port = SocketAddr::new(ENDS.remote.ip(), 4001);
    assert!(!redeem(Ends { remote: port, ..ENDS }, &good, 0));
    assert!(!redeem(Ends { local: port, ..ENDS }, &good, 0));
    for forge in [
        |ack: &mut Segment| ack.ack += 1,
        |ack: &mut Segment| ack.seq += 1,
        |ack: &mut Segment| ack.ack += 1 << 28,
        |ack: &mut Segment| ack.ack += 1 << 31,
        |ack: &mut Segment| ack.options.timestamps = None,
        |ack: &mut Segment| ack.options.timestamps.as_mut().expect("there").echo ^= 0x10,
        |ack: &mut Segment| ack.options.timestamps.as_mut().expect("there").echo ^= 1,
        |ack: &mut Segment| ack.flags = Flags::RST | Flags::ACK,
        |ack: &mut Segment| ack.flags = Flags::SYN | Flags::ACK,
        |ack: &mut Segment| ack.flags = Flags::PSH,
    ] {
        let mut forged = good.clone();
        forge(&mut forged);
        assert!(!redeem(ENDS, &forged, 0), "{forged:?}");
    }
    let other = SynCookies::new([8; 16]);
    other.answer(&config, ENDS, &syn("mss=1460"), NOW);
    assert!(other.redeem(&config, ENDS, &good, NOW).is_none(), "another key");
}

#[test]
fn who_gave_no_cookie_takes_none() {
    let config = Rc::new(Config::for_ipv4(1500));
    let answer = jar().answer(&config, ENDS, &syn("mss=1460"), NOW);
    assert!(jar().redeem(&config, ENDS, &ack(&answer), NOW).is_none(), "the same key, though");
}

#[test]
fn guesses_do_not_hit() {
    let (jar, config) = (jar(), Rc::new(Config::for_ipv4(1500)));
    jar.answer(&config, ENDS, &syn("mss=1460"), NOW);
    // With 28 bits one in 4,096 seeds would let any of these pass; with 16 nearly all would.
    let mut guess = parse(". 1:1 win=500", REMOTE, LOCAL);
    let hits = (0..1_u32 << 16)
        .filter(|number| {
            guess.ack.0 = number.wrapping_mul(2_654_435_761);
            jar.redeem(&config, ENDS, &guess, NOW).is_some()
        })
        .count();
    assert_eq!(hits, 0);
}
