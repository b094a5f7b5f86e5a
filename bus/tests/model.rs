//! The dataspace against a naive one: no index, no counts, every question a walk over everything.

mod common;

use std::collections::VecDeque;

use common::*;
use netmart_bus::{Change, Interest, Role};
use proptest::prelude::*;

/// How many actors take part, numbered from 1.
const ACTORS: u8 = 4;

#[derive(Clone, Debug)]
enum Hold {
    Receive { pattern: SpotPattern, interest: bool },
    Provide(SpotPattern),
    Watch(SpotPattern),
    WatchInterest(Role, SpotPattern),
    Assert(Lit),
}

/// What waits in the model's queue.
#[derive(Clone, Debug)]
enum Effect {
    Act(u8, Vec<Act>),
    Say(Says),
    Begin { actor: u8, lease: u64, hold: Hold },
    Retract(u64),
    End(u8),
}

struct Lease {
    id: u64,
    actor: u8,
    hold: Hold,
}

#[derive(Default)]
struct Model {
    queue: VecDeque<Effect>,
    /// In the order in which they took effect.
    leases: Vec<Lease>,
    /// Facts in the order in which they came to hold.
    facts: Vec<Lit>,
    dead: Vec<u8>,
    /// What each actor believes it holds.
    handles: [Vec<u64>; ACTORS as usize + 1],
    next_lease: u64,
    log: Log,
}

impl Model {
    fn run(&mut self) {
        while let Some(effect) = self.queue.pop_front() {
            match effect {
                Effect::Act(actor, acts) => self.act(actor, acts),
                Effect::Say(message) => self.deliver(&message),
                Effect::Begin { actor, lease, hold } => self.begin(actor, lease, hold),
                Effect::Retract(lease) => self.retract(lease),
                Effect::End(actor) => {
                    while let Some(id) = self.leases.iter().find(|l| l.actor == actor).map(|l| l.id)
                    {
                        self.retract(id);
                    }
                }
            }
        }
    }

    fn act(&mut self, actor: u8, acts: Vec<Act>) {
        if self.dead.contains(&actor) {
            return;
        }
        // A turn is one whole: a panic takes back even a stop that came before it.
        if acts.iter().any(|act| matches!(act, Act::Panic)) {
            return self.end(actor);
        }
        for act in acts {
            let hold = match act {
                Act::Say(message) => {
                    self.queue.push_back(Effect::Say(message));
                    continue;
                }
                Act::Subscribe(pattern) => Hold::Receive { pattern, interest: true },
                Act::Observe(pattern) => Hold::Receive { pattern, interest: false },
                Act::Provide(pattern) => Hold::Provide(pattern),
                Act::Watch(pattern) => Hold::Watch(pattern),
                Act::WatchInterest(role, pattern) => Hold::WatchInterest(role, pattern),
                Act::Assert(fact) => Hold::Assert(fact),
                Act::Release(at) => {
                    let handles = &mut self.handles[usize::from(actor)];
                    if at < handles.len() {
                        self.queue.push_back(Effect::Retract(handles.remove(at)));
                    }
                    continue;
                }
                Act::Stop | Act::Fail => return self.end(actor),
                Act::Panic | Act::Timer(..) | Act::Cancel(_) => continue,
            };
            self.next_lease += 1;
            self.handles[usize::from(actor)].push(self.next_lease);
            self.queue.push_back(Effect::Begin { actor, lease: self.next_lease, hold });
        }
    }

    fn end(&mut self, actor: u8) {
        self.dead.push(actor);
        self.queue.push_back(Effect::End(actor));
    }

    /// The living actors that hold something of which `wanted` is true, oldest first.
    fn who(&self, wanted: impl Fn(&Hold) -> bool) -> Vec<u8> {
        let holds = |actor| self.leases.iter().any(|l| l.actor == actor && wanted(&l.hold));
        (1..=ACTORS).filter(|&a| !self.dead.contains(&a) && holds(a)).collect()
    }

    fn deliver(&mut self, message: &Says) {
        let matches = |hold: &Hold| matches!(hold, Hold::Receive { pattern, .. } if pattern.matches(&message.at));
        for actor in self.who(matches) {
            self.log.note(actor, message);
            if message.hops == PANIC {
                self.end(actor);
            } else if message.hops > 0 {
                self.queue.push_back(Effect::Say(echo(message)));
            }
        }
    }

    fn holds_interest(&self, wanted: &Interest<Says>) -> bool {
        self.leases.iter().any(|lease| interest_of(&lease.hold).as_ref() == Some(wanted))
    }

    fn begin(&mut self, actor: u8, id: u64, hold: Hold) {
        let interest = interest_of(&hold);
        let news = interest.filter(|interest| !self.holds_interest(interest));
        self.leases.push(Lease { id, actor, hold: hold.clone() });
        if let Some(interest) = news {
            self.tell_interest(&interest, Change::Appeared(interest.clone()));
        }
        let alive = !self.dead.contains(&actor);
        match hold {
            Hold::Assert(fact) if !self.facts.contains(&fact) => {
                self.facts.push(fact.clone());
                self.tell_fact(&fact, Change::Appeared(fact.clone()));
            }
            Hold::Watch(pattern) if alive => {
                let facts = self.facts.iter().filter(|fact| pattern.matches(&fact.at));
                self.log.note(actor, Change::Snapshot(facts.cloned().collect()));
            }
            Hold::WatchInterest(role, pattern) if alive => {
                let mut all: Vec<Interest<Says>> = Vec::new();
                for interest in self.leases.iter().filter_map(|lease| interest_of(&lease.hold)) {
                    let wanted = interest.role == role && interest.pattern.overlaps(&pattern);
                    if wanted && !all.contains(&interest) {
                        all.push(interest);
                    }
                }
                self.log.note(actor, Change::Snapshot(all));
            }
            _ => {}
        }
    }

    fn retract(&mut self, id: u64) {
        let Some(at) = self.leases.iter().position(|lease| lease.id == id) else { return };
        let hold = self.leases.remove(at).hold;
        if let Some(interest) = interest_of(&hold).filter(|gone| !self.holds_interest(gone)) {
            self.tell_interest(&interest, Change::Gone(interest.clone()));
        }
        if let Hold::Assert(fact) = hold {
            let still = |l: &Lease| matches!(&l.hold, Hold::Assert(other) if *other == fact);
            if !self.leases.iter().any(still) {
                self.facts.retain(|other| *other != fact);
                self.tell_fact(&fact, Change::Gone(fact.clone()));
            }
        }
    }

    fn tell_fact(&mut self, fact: &Lit, change: Change<Lit>) {
        for actor in self.who(|hold| matches!(hold, Hold::Watch(p) if p.matches(&fact.at))) {
            self.log.note(actor, &change);
        }
    }

    fn tell_interest(&mut self, interest: &Interest<Says>, change: Change<Interest<Says>>) {
        let watches = |hold: &Hold| {
            matches!(hold, Hold::WatchInterest(role, pattern)
            if *role == interest.role && pattern.overlaps(&interest.pattern))
        };
        for actor in self.who(watches) {
            self.log.note(actor, &change);
        }
    }
}

fn interest_of(hold: &Hold) -> Option<Interest<Says>> {
    match hold {
        Hold::Receive { pattern, interest: true } => {
            Some(Interest { role: Role::Subscriber, pattern: *pattern })
        }
        Hold::Provide(pattern) => Some(Interest { role: Role::Provider, pattern: *pattern }),
        _ => None,
    }
}

fn pattern() -> impl Strategy<Value = SpotPattern> {
    let field = || proptest::option::weighted(0.6, 0u8..3);
    (field(), field()).prop_map(|(x, y)| SpotPattern { x, y })
}

fn act() -> impl Strategy<Value = Act> {
    let role = prop_oneof![Just(Role::Subscriber), Just(Role::Provider)];
    let hops = prop_oneof![20 => 0u8..4, 1 => Just(PANIC)];
    prop_oneof![
        6 => (0u8..3, 0u8..3, hops).prop_map(|(x, y, hops)| Act::Say(say(x, y, hops))),
        4 => pattern().prop_map(Act::Subscribe),
        2 => pattern().prop_map(Act::Observe),
        2 => pattern().prop_map(Act::Provide),
        3 => pattern().prop_map(Act::Watch),
        3 => (role, pattern()).prop_map(|(role, pattern)| Act::WatchInterest(role, pattern)),
        4 => (0u8..3, 0u8..3, 0u8..2).prop_map(|(x, y, c)| Act::Assert(lit(x, y, c))),
        6 => (0usize..4).prop_map(Act::Release),
        1 => prop_oneof![Just(Act::Stop), Just(Act::Fail), Just(Act::Panic)],
    ]
}

fn scripts() -> impl Strategy<Value = Vec<(u8, bool, Vec<Act>)>> {
    let script = (1..=ACTORS, any::<bool>(), proptest::collection::vec(act(), 1..5));
    proptest::collection::vec(script, 1..40)
}

/// Interest snapshots list patterns by age of the pattern, which an observer may have brought in
/// first; the model knows only the age of interests. So their order is not compared.
fn unordered(log: Vec<String>) -> Vec<String> {
    let sort = |line: String| match line.split_once("Snapshot([") {
        Some((start, list)) if line.contains(" of Says ") => {
            let mut items: Vec<&str> =
                list.trim_end_matches("])").split("}, ").map(|i| i.trim_end_matches('}')).collect();
            items.sort_unstable();
            format!("{start}Snapshot({items:?})")
        }
        _ => line,
    };
    log.into_iter().map(sort).collect()
}

/// Panics of actors are part of the plot; they need not be printed.
fn quietly<R>(body: impl FnOnce() -> R) -> R {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.to_string().contains("told to") {
                usual(info);
            }
        }));
    });
    body()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_dataspace_does_what_the_naive_one_does(scripts in scripts()) {
        quietly(|| {
            let log = Log::default();
            let mut space = space();
            let mut model = Model::default();
            for number in 1..=ACTORS {
                space.spawn(Probe::spawn(number, &log));
            }
            for (number, run, acts) in scripts {
                model.queue.push_back(Effect::Act(number, acts.clone()));
                let script = Script { to: Probed { number }, acts };
                space.inject(script).expect("the queue has room");
                if run {
                    model.run();
                    idle(&mut space);
                    prop_assert_eq!(unordered(log.take()), unordered(model.log.take()));
                }
            }
            model.run();
            idle(&mut space);
            prop_assert_eq!(unordered(log.take()), unordered(model.log.take()));
            prop_assert_eq!(space.facts::<Lit>(&SpotPattern::any()), model.facts.clone());
            for number in 1..=ACTORS {
                tell(&mut space, number, [Act::Stop]);
            }
            let left = space.footprint();
            let downs = space.facts::<netmart_bus::Down>(&netmart_bus::DownPattern::any()).len();
            prop_assert_eq!((left.actors, left.leases - downs, left.queued), (0, 0, 0));
            Ok(())
        })?;
    }
}
