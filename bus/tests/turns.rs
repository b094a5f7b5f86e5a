//! What a turn is, and what a panic leaves behind.

use netmart_bus::{
    Actor, Change, Config, Context, Dataspace, Delivery, Down, DownPattern, Handler, Ran, Reason,
    Spawn, Time, Topic, Watcher,
};

netmart_bus::key! {
    /// A room.
    #[derive(Copy)]
    pub struct Room / RoomPattern {
        /// Its number.
        pub number: u32,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Says {
    room: Room,
    words: String,
}

impl Topic for Says {
    type Key = Room;
    const NAME: &'static str = "Says";
    fn key(&self) -> &Room {
        &self.room
    }
}

fn says(number: u32, words: &str) -> Says {
    Says { room: Room { number }, words: words.into() }
}

#[derive(Clone, Default)]
struct Log(std::rc::Rc<std::cell::RefCell<Vec<String>>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }
    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

struct Listener(Log);
impl Actor for Listener {}
impl Handler<Says> for Listener {
    fn handle(&mut self, message: Delivery<'_, Says>, ctx: &mut Context<'_, Self>) {
        if message.words == "panic" {
            let _ = ctx.send(says(1, "never heard"));
            panic!("as asked");
        }
        self.0.push(format!("{} heard {}", ctx.id(), message.words));
    }
}
impl Watcher<Down> for Listener {
    fn changed(&mut self, change: Change<Down>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(all) => self.0.push(format!("{} down", all.len())),
            Change::Appeared(down) => self.0.push(format!("{} {}", down.actor(), down.reason)),
            Change::Gone(down) => self.0.push(format!("{} forgotten", down.actor())),
        }
    }
}

#[test]
fn a_panic_rolls_back_the_turn_and_is_told() {
    let log = Log::default();
    let mut space = Dataspace::new(Config::default());
    space.spawn(Spawn::new("one", Listener(log.clone())).subscribe::<Says>(RoomPattern::any()));
    space.spawn(Spawn::new("two", Listener(log.clone())).watch::<Down>(DownPattern::any()));
    space.inject(says(1, "hello")).expect("there is room");
    space.inject(says(1, "panic")).expect("there is room");
    assert_eq!(space.run(Time::ZERO), Ran::Idle);
    assert_eq!(log.take(), ["0 down", "actor 1 heard hello", "actor 1 panicked: as asked"]);
    let downs = space.facts::<Down>(&DownPattern::any());
    assert_eq!(downs[0].reason, Reason::Panicked("as asked".into()));
    assert_eq!(space.footprint().actors, 1);
}
