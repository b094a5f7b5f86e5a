//! What an idle actor costs.

use std::alloc::System;

use cap::Cap;
use netmart_bus::{Actor, Config, Context, Dataspace, Delivery, Handler, Ran, Spawn, Time, Topic};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

netmart_bus::key! {
    /// Two ends, as long as socket addresses.
    #[derive(Copy)]
    struct Ends / EndsPattern { local: std::net::SocketAddr, remote: std::net::SocketAddr }
}

#[derive(Clone, Debug)]
struct Note {
    ends: Ends,
}

impl Topic for Note {
    type Key = Ends;
    const NAME: &'static str = "Note";
    fn key(&self) -> &Ends {
        &self.ends
    }
}

struct Idler;
impl Actor for Idler {}
impl Handler<Note> for Idler {
    fn handle(&mut self, _note: Delivery<'_, Note>, _ctx: &mut Context<'_, Self>) {}
}

fn idler(number: u16) -> Spawn<Idler> {
    let ends = |port: u8| Ends {
        local: ([10, port, (number >> 8) as u8, number as u8], 80).into(),
        remote: ([10, 0, 0, 1], 80).into(),
    };
    Spawn::new("idler", Idler)
        .subscribe::<Note>(ends(1).exactly())
        .subscribe::<Note>(ends(2).exactly())
        .provide::<Note>(ends(3).exactly())
}

/// Each interest has a pattern of two socket addresses, which alone takes 64 bytes.
#[test]
fn an_idle_actor_with_three_interests_takes_at_most_680_bytes_and_leaves_none_behind() {
    const COUNT: u16 = 9_557;
    let mut space = Dataspace::new(Config { hash_seed: Some(1), ..Config::default() });
    let before = ALLOCATOR.allocated();
    let mut ids = Vec::with_capacity(usize::from(COUNT));
    for number in 0..COUNT {
        ids.push(space.spawn(idler(number)));
        while space.run(Time::ZERO) == Ran::BudgetSpent {}
    }
    let each = (ALLOCATOR.allocated() - before - ids.capacity() * 8) / usize::from(COUNT);
    println!("{each} bytes per idle actor with three interests");
    assert!(each <= 680, "{each} bytes");
    for id in ids {
        space.stop(id);
        while space.run(Time::ZERO) == Ran::BudgetSpent {}
    }
    let left = space.footprint();
    assert_eq!((left.actors, left.leases), (0, 0));
}
