//! A recorder can ask what an event is about and who receives it.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{Act, Log, Probe, SpotPattern, at, idle, lit, say, space, tell};
use netmart_bus::{ActorId, Dataspace, Detail, Kind, Record, Recorder, Role};

/// What happened, to which topic, and who got it.
type Told = (Kind, Option<&'static str>, Vec<u64>);

#[derive(Clone, Default)]
struct Recipients(Rc<RefCell<Vec<Told>>>);

impl Recorder for Recipients {
    fn record(&mut self, record: &Record, detail: &dyn Detail) {
        let mut to = Vec::new();
        detail.recipients(&mut |actor: ActorId| to.push(actor.number()));
        assert_eq!(to.len(), usize::from(record.recipients()));
        self.0.borrow_mut().push((record.kind(), detail.topic(), to));
    }
}

/// Three probes, numbered as their actors are, and what is recorded from then on.
fn recorded(space: &mut Dataspace) -> Recipients {
    let log = Log::default();
    for number in 1..=3 {
        space.spawn(Probe::spawn(number, &log));
    }
    idle(space);
    let recorder = Recipients::default();
    space.set_recorder(Some(Box::new(recorder.clone())));
    recorder
}

fn of_topic(recorder: &Recipients, kind: Kind, topic: &str) -> Vec<Vec<u64>> {
    let all = recorder.0.take();
    let found = all.into_iter().filter(|(k, t, _)| *k == kind && *t == Some(topic));
    found.map(|(.., to)| to).collect()
}

#[test]
fn a_message_names_its_only_recipient_or_all_of_them() {
    let mut space = space();
    let recorder = recorded(&mut space);
    tell(&mut space, 2, [Act::Subscribe(at(0, 0).exactly())]);
    tell(&mut space, 1, [Act::Say(say(0, 0, 0))]);
    assert_eq!(of_topic(&recorder, Kind::Send, "Says"), [[2]]);

    tell(&mut space, 3, [Act::Subscribe(SpotPattern::any())]);
    tell(&mut space, 1, [Act::Say(say(0, 0, 0))]);
    assert_eq!(of_topic(&recorder, Kind::Send, "Says"), [[2, 3]]);
}

#[test]
fn news_of_a_fact_names_its_watchers() {
    let mut space = space();
    let recorder = recorded(&mut space);
    tell(&mut space, 3, [Act::Watch(SpotPattern::any())]);
    tell(&mut space, 2, [Act::Watch(SpotPattern::any().x(0))]);
    tell(&mut space, 1, [Act::Assert(lit(0, 0, 0)), Act::Assert(lit(1, 0, 0))]);
    assert_eq!(of_topic(&recorder, Kind::Appeared, "Lit"), [vec![2, 3], vec![3]]);
}

#[test]
fn news_of_an_interest_names_its_watchers() {
    let mut space = space();
    let recorder = recorded(&mut space);
    tell(&mut space, 2, [Act::WatchInterest(Role::Subscriber, SpotPattern::any())]);
    tell(&mut space, 1, [Act::Subscribe(at(0, 0).exactly())]);
    assert_eq!(of_topic(&recorder, Kind::Appeared, "Says"), [[2]]);
}

#[test]
fn what_nobody_receives_has_a_topic_and_no_recipients() {
    let mut space = space();
    let recorder = recorded(&mut space);
    tell(&mut space, 1, [Act::Say(say(0, 0, 0))]);
    assert_eq!(of_topic(&recorder, Kind::Unmatched, "Says"), [[0u64; 0]]);
}
