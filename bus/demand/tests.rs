use super::*;

const NOW: Time = Time::ZERO;

fn matcher(policy: DemandPolicy) -> DemandMatcher<u8> {
    DemandMatcher::new(policy)
}

fn back_off(tries: u32) -> DemandPolicy {
    let first = Duration::from_secs(1);
    let restart = Restart::BackOff { first, most: Duration::from_secs(4), tries };
    DemandPolicy { restart, ..DemandPolicy::default() }
}

fn drain(matcher: &mut DemandMatcher<u8>, now: Time) -> Vec<Action<u8>> {
    std::iter::from_fn(|| matcher.poll(now)).collect()
}

/// One thing that happens to key 1.
#[derive(Clone, Copy)]
enum Step {
    Demand,
    NoDemand,
    Supply,
    NoSupply,
    Ends,
    Crashes,
    /// Time passes; only this one moves the clock.
    Seconds(u64),
}

/// Plays `steps`, drains after each, and says what was done in one word per action.
fn play(policy: DemandPolicy, steps: &[Step]) -> (String, DemandMatcher<u8>) {
    let mut matcher = matcher(policy);
    let mut now = NOW;
    let mut done = Vec::new();
    for step in steps {
        match *step {
            Step::Demand => matcher.demand_appeared(Demand::Exact(1)),
            Step::NoDemand => matcher.demand_gone(Demand::Exact(1)),
            Step::Supply => matcher.supply_appeared(1, now),
            Step::NoSupply => matcher.supply_gone(1),
            Step::Ends => matcher.task_ended(1, Ended::Well, now),
            Step::Crashes => matcher.task_ended(1, Ended::Crashed, now),
            Step::Seconds(seconds) => now += Duration::from_secs(seconds),
        }
        let actions = drain(&mut matcher, now);
        done.extend(actions.iter().map(|action| match action {
            Action::Start(1) => "start",
            Action::Stop(1) => "stop",
            Action::GaveUp(1) => "gave-up",
            other => panic!("{other:?} is about nobody"),
        }));
        if actions.is_empty() {
            done.push("-");
        }
    }
    (done.join(" "), matcher)
}

/// A row of the case table: its name, the policy, what happens, and what the matcher does about each step.
type Row<'a> = (&'a str, DemandPolicy, &'a [Step], &'a str);

#[track_caller]
fn hold(rows: &[Row<'_>]) {
    for (name, policy, steps, expected) in rows {
        let (done, matcher) = play(*policy, steps);
        assert_eq!(done, *expected, "{name}");
        assert_eq!(matcher.counters().strays, 0, "{name}: nothing was stray");
    }
}

#[test]
fn the_rows_of_the_case_table_about_demand_and_supply_hold() {
    use Step::*;
    let never = DemandPolicy::default();
    hold(&[
        ("demand before supply", never, &[Demand, Supply], "start -"),
        ("supply first", never, &[Supply, Demand], "- -"),
        ("supply goes, then is missed", never, &[Supply, Demand, NoSupply], "- - start"),
        ("supply of a running task goes", never, &[Demand, Supply, NoSupply], "start - -"),
        ("two demands are one", never, &[Demand, Demand, NoDemand], "start - -"),
        ("the last demand goes", never, &[Demand, Supply, NoDemand], "start - stop"),
        ("demand goes while starting", never, &[Demand, NoDemand, Ends], "start stop -"),
        (
            "a task told to stop comes into supply",
            never,
            &[Demand, NoDemand, Supply, NoSupply, Ends],
            "start stop - - -",
        ),
        (
            "demand returns while stopping",
            never,
            &[Demand, NoDemand, Demand, Ends, Supply],
            "start stop - start -",
        ),
        (
            "demand returns while stopping, task crashes",
            never,
            &[Demand, NoDemand, Demand, Crashes],
            "start stop - start",
        ),
        (
            "demand returns, and the stopping task still supplies",
            never,
            &[Demand, Supply, NoDemand, Demand, Ends, NoSupply],
            "start - stop - - start",
        ),
        (
            "both sides leave",
            never,
            &[Demand, Supply, NoDemand, NoSupply, Ends],
            "start - stop - -",
        ),
    ]);
}

#[test]
fn the_rows_of_the_case_table_about_ends_and_crashes_hold() {
    use Step::*;
    let never = DemandPolicy::default();
    hold(&[
        (
            "a task ends well, demand stands",
            never,
            &[Demand, Supply, NoSupply, Ends, NoDemand, Demand],
            "start - - - - start",
        ),
        (
            "a crash is not repaired without a policy",
            never,
            &[Demand, Supply, NoSupply, Crashes, Seconds(9), NoDemand, Demand],
            "start - - gave-up - - start",
        ),
        (
            "supply crashes with demand",
            back_off(3),
            &[Demand, Supply, NoSupply, Crashes, Seconds(1)],
            "start - - - start",
        ),
        (
            "supply crashes without demand",
            back_off(3),
            &[Demand, Supply, NoDemand, NoSupply, Crashes, Seconds(9)],
            "start - stop - - -",
        ),
        (
            "demand goes while waiting to restart",
            back_off(3),
            &[Demand, Crashes, NoDemand, Seconds(9)],
            "start - - -",
        ),
        (
            "supply of another while waiting to restart",
            back_off(3),
            &[Demand, Crashes, Supply, Seconds(9), NoSupply],
            "start - - - start",
        ),
        (
            "the pause doubles, then the matcher gives up",
            back_off(2),
            &[Demand, Crashes, Seconds(1), Crashes, Seconds(1), Seconds(1), Crashes, Seconds(99)],
            "start - start - - start gave-up -",
        ),
        (
            "a task that held out long enough counts as sound",
            back_off(1),
            &[Demand, Crashes, Seconds(1), Supply, Seconds(4), NoSupply, Crashes, Seconds(1)],
            "start - start - - - - start",
        ),
    ]);
}

#[test]
fn ends_of_what_was_not_there_are_counted_and_change_nothing() {
    use Step::*;
    for step in [NoDemand, NoSupply, Ends, Crashes] {
        let (done, matcher) = play(DemandPolicy::default(), &[step]);
        assert_eq!(done, "-");
        assert_eq!(matcher.counters().strays, 1);
        assert!(matcher.is_empty());
    }
    let (done, matcher) = play(back_off(1), &[Demand, Crashes, Crashes, Seconds(1)]);
    assert_eq!(done, "start - - start", "a task ends once");
    assert_eq!(matcher.counters().strays, 1);
}

#[test]
fn demand_and_supply_that_appear_together_start_nothing() {
    let mut both = matcher(DemandPolicy::default());
    both.demand_appeared(Demand::Exact(1));
    both.supply_appeared(1, NOW);
    assert_eq!(drain(&mut both, NOW), [], "met before anybody asked");
    both.supply_gone(1);
    both.demand_gone(Demand::Exact(1));
    assert_eq!(drain(&mut both, NOW), []);
    assert!(both.is_empty());
}

#[test]
fn wildcard_demand_is_reported_and_counted() {
    let mut wild = matcher(DemandPolicy::default());
    wild.demand_appeared(Demand::Wildcard);
    assert_eq!(drain(&mut wild, NOW), [Action::WildcardDemand]);
    assert_eq!(wild.wildcard_demands(), 1);
    wild.demand_gone(Demand::Wildcard);
    wild.demand_gone(Demand::Wildcard);
    assert_eq!(wild.wildcard_demands(), 0);
    assert_eq!((wild.counters().wildcards, wild.counters().strays), (1, 1));
}

#[test]
fn the_start_limit_queues_the_rest_in_order() {
    let mut few = matcher(DemandPolicy { start_limit: 2, ..DemandPolicy::default() });
    for key in [5, 3, 4, 1] {
        few.demand_appeared(Demand::Exact(key));
    }
    assert_eq!(drain(&mut few, NOW), [Action::Start(5), Action::Start(3)]);
    few.demand_gone(Demand::Exact(4));
    few.supply_appeared(3, NOW);
    assert_eq!(drain(&mut few, NOW), [Action::Start(1)], "4 is wanted no more");
    few.task_ended(5, Ended::Well, NOW);
    few.demand_appeared(Demand::Exact(4));
    assert_eq!(drain(&mut few, NOW), [Action::Start(4)], "who ended makes room");
}

#[test]
fn a_start_limit_of_zero_still_starts_one_at_a_time() {
    let mut none = matcher(DemandPolicy { start_limit: 0, ..DemandPolicy::default() });
    none.demand_appeared(Demand::Exact(1));
    none.demand_appeared(Demand::Exact(2));
    assert_eq!(drain(&mut none, NOW), [Action::Start(1)]);
}

#[test]
fn the_deadline_is_the_end_of_the_next_back_off() {
    let mut crashed = matcher(back_off(3));
    crashed.demand_appeared(Demand::Exact(1));
    assert_eq!(drain(&mut crashed, NOW), [Action::Start(1)]);
    assert_eq!(crashed.next_deadline(), None);
    crashed.task_ended(1, Ended::Crashed, NOW);
    assert_eq!(crashed.next_deadline(), Some(Time::from_millis(1_000)));
    assert_eq!(drain(&mut crashed, Time::from_millis(999)), []);
    assert_eq!(drain(&mut crashed, Time::from_millis(1_000)), [Action::Start(1)]);
    assert!(crashed.has_task(&1));
}

mod random {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever happens, no key has two tasks, and what nobody demands is stopped; when all
        /// have left, nothing is remembered.
        #[test]
        fn there_is_never_more_than_one_task_per_key(
            steps in proptest::collection::vec((0u8..7, 0u8..3), 0..200),
            limit in 1usize..4,
        ) {
            let mut matcher = matcher(DemandPolicy { start_limit: limit, ..back_off(2) });
            let mut now = NOW;
            let mut running: BTreeSet<u8> = BTreeSet::new();
            let mut demand = [0u32; 3];
            let mut supply = [0u32; 3];
            for (what, key) in steps {
                let at = usize::from(key);
                match what {
                    0 => { matcher.demand_appeared(Demand::Exact(key)); demand[at] += 1; }
                    1 => { matcher.demand_gone(Demand::Exact(key)); demand[at] = demand[at].saturating_sub(1); }
                    2 => { matcher.supply_appeared(key, now); supply[at] += 1; }
                    3 => { matcher.supply_gone(key); supply[at] = supply[at].saturating_sub(1); }
                    4 => { matcher.task_ended(key, Ended::Well, now); running.remove(&key); }
                    5 => { matcher.task_ended(key, Ended::Crashed, now); running.remove(&key); }
                    _ => now += Duration::from_secs(1),
                }
                for action in drain(&mut matcher, now) {
                    match action {
                        Action::Start(key) => {
                            prop_assert!(running.insert(key), "two tasks for {key}");
                            prop_assert!(demand[usize::from(key)] > 0);
                            prop_assert!(supply[usize::from(key)] == 0);
                        }
                        Action::Stop(key) => {
                            prop_assert!(running.contains(&key));
                            prop_assert_eq!(demand[usize::from(key)], 0);
                        }
                        Action::GaveUp(_) | Action::WildcardDemand => {}
                    }
                }
            }
            for key in 0..3u8 {
                for _ in 0..demand[usize::from(key)] {
                    matcher.demand_gone(Demand::Exact(key));
                }
                for _ in 0..supply[usize::from(key)] {
                    matcher.supply_gone(key);
                }
            }
            let _ = drain(&mut matcher, now);
            for key in running {
                matcher.task_ended(key, Ended::Well, now);
            }
            prop_assert_eq!(drain(&mut matcher, now), []);
            prop_assert!(matcher.is_empty());
            prop_assert_eq!(matcher.next_deadline(), None);
        }
    }
}
