//! Timers: order, cancelling, re-arming, and who they die with.

mod common;

use std::time::Duration;

use common::*;
use netmart_bus::{Actor, Context, Ran, Spawn, Time, Timer, TimerToken};
use proptest::prelude::*;

#[test]
fn timers_fire_by_deadline_and_then_in_the_order_in_which_they_were_set() {
    let (mut space, log) = (space(), Log::default());
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, [(9, 1), (5, 2), (9, 3), (5, 4)].map(|(at, token)| Act::Timer(at, token)));
    assert_eq!(space.next_deadline(), Some(Time::from_micros(5)));
    assert_eq!(space.run(Time::from_micros(4)), Ran::Idle);
    assert_eq!(log.take(), [""; 0]);
    assert_eq!(space.run(Time::from_micros(9)), Ran::Idle);
    let fired = [2, 4, 1, 3].map(|token| format!("1: timer {token} at 9"));
    assert_eq!(log.take(), fired);
    assert_eq!(space.next_deadline(), None);
}

#[test]
fn a_timer_that_is_dropped_does_not_fire_even_if_it_is_due() {
    let (mut space, log) = (space(), Log::default());
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, [Act::Timer(5, 1), Act::Timer(5, 2)]);
    let script = Script { to: Probed { number: 1 }, acts: vec![Act::Cancel(2)] };
    space.inject(script).expect("the queue has room");
    assert_eq!(space.run(Time::from_micros(5)), Ran::Idle);
    assert_eq!(log.take(), ["1: timer 1 at 5"]);
    assert_eq!(space.footprint().timers, 0);
}

#[test]
fn timers_die_with_their_actor() {
    let (mut space, log) = (space(), Log::default());
    space.spawn(Probe::spawn(1, &log));
    tell(&mut space, 1, [Act::Timer(5, 1), Act::Stop]);
    assert_eq!((space.footprint().timers, space.next_deadline()), (0, None));
}

#[test]
fn time_does_not_run_backwards() {
    let (mut space, log) = (space(), Log::default());
    space.spawn(Probe::spawn(1, &log));
    assert_eq!(space.run(Time::from_micros(9)), Ran::Idle);
    tell(&mut space, 1, [Act::Timer(1, 1)]);
    assert_eq!(log.take(), ["1: timer 1 at 9"]);
}

/// Re-arms its only timer a few times, as a connection does for every packet.
struct Rearmer {
    log: Log,
    timer: Option<Timer>,
    moves: Vec<u64>,
}

impl Actor for Rearmer {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        for at in std::mem::take(&mut self.moves) {
            ctx.reset_timer(&mut self.timer, Time::from_micros(at), TimerToken(0));
        }
    }

    fn timeout(&mut self, _token: TimerToken, ctx: &mut Context<'_, Self>) {
        self.log.note(0, ctx.now().as_micros());
        let next = ctx.now() + Duration::from_micros(10);
        if next <= Time::from_micros(30) {
            ctx.reset_timer(&mut self.timer, next, TimerToken(0));
        }
    }
}

#[test]
fn a_timer_set_again_fires_once_at_the_last_deadline_given() {
    for moves in [vec![3, 9], vec![9, 3, 9], vec![20, 9, 9]] {
        let (mut space, log) = (space(), Log::default());
        space.spawn(Spawn::new("rearmer", Rearmer { log: log.clone(), timer: None, moves }));
        idle(&mut space);
        assert_eq!(space.next_deadline(), Some(Time::from_micros(9)));
        while let Some(at) = space.next_deadline() {
            assert_eq!(space.run(at), Ran::Idle);
        }
        assert_eq!(log.take(), ["0: 9", "0: 19", "0: 29"], "and can be set again once fired");
        assert_eq!(space.footprint().timers, 0);
    }
}

proptest! {
    /// However timers are set and cancelled, they fire as a sorted list of them says.
    #[test]
    fn timers_fire_as_a_sorted_list_says(
        steps in proptest::collection::vec((0u64..50, 0u32..30, any::<bool>()), 1..80),
    ) {
        let (mut space, log) = (space(), Log::default());
        space.spawn(Probe::spawn(1, &log));
        let mut expected: Vec<(u64, usize, u32)> = Vec::new();
        let mut acts = Vec::new();
        for (place, (at, token, set)) in steps.into_iter().enumerate() {
            if set {
                acts.push(Act::Timer(at + 1, token));
                expected.push((at + 1, place, token));
            } else {
                acts.push(Act::Cancel(token));
                expected.retain(|(_, _, other)| *other != token);
            }
        }
        tell(&mut space, 1, acts);
        expected.sort_unstable();
        while let Some(at) = space.next_deadline() {
            prop_assert_eq!(space.run(at), Ran::Idle);
        }
        let expected: Vec<String> = expected
            .into_iter()
            .map(|(at, _, token)| format!("1: timer {token} at {at}"))
            .collect();
        prop_assert_eq!(log.take(), expected);
    }
}
