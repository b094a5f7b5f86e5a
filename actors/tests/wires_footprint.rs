//! What an idle connection over a wire costs: every octet that both sides keep for it, counted by the
//! allocator. A test of its own process, so that nobody else allocates meanwhile.

mod common;

use std::time::Duration;

use common::Cable;
use common::apps::{Idle, connection, pattern};
use netmart_actors::address::{Direction, Listener, Local, Transport};
use netmart_actors::end::{ChannelEnd, Heard, session};
use netmart_actors::message::{Channel, ChannelPattern, Connected, ConnectionPattern};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};
use netmart_proto::wires::Kind;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Writes something once, so that every wire is established, and stays.
struct Guest(ChannelEnd);

impl Actor for Guest {}

impl Handler<Channel> for Guest {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let was_there = self.0.is_flushed() && self.0.room() > 0;
        if let Some(Heard::Room(_)) = self.0.hear(message.take().body, ctx)
            && !was_there
        {
            self.0.write(pattern(10), ctx);
        }
    }
}

/// Octets per idle connection, both sides together.
fn octets_per_connection(kind: Kind, count: u64) -> usize {
    let over = Transport::Wire(kind);
    let mut cable = Cable::new();
    let local = Local::Listener(Listener::on(7).over(over));
    let everybody = ChannelPattern::any().local(local).direction(Direction::Inbound);
    cable.server.dataspace.spawn(Spawn::new("server", Idle).subscribe::<Channel>(everybody));
    cable.run_for(Duration::from_millis(1));
    let connect = |cable: &mut Cable, number| {
        let wish = connection(number, 7).over(over);
        cable.client.dataspace.spawn(session("guest", wish, 65_536, Guest));
        cable.run_for(Duration::from_millis(10));
    };
    // Whatever grows once has grown.
    connect(&mut cable, 0);
    let before = ALLOCATOR.current_usage();
    (1..=count).for_each(|number| connect(&mut cable, number));
    // The relays' patience is over.
    cable.run_for(Duration::from_secs(10));
    let octets = ALLOCATOR.current_usage() - before;
    let connected = cable.server.dataspace.facts::<Connected>(&ConnectionPattern::any());
    assert_eq!(connected.len() as u64, count + 1, "{}", kind.name());
    octets / count as usize
}

#[test]
fn an_idle_connection_keeps_at_most_7500_octets_on_each_side() {
    for &kind in Kind::ALL {
        let octets = octets_per_connection(kind, 300);
        println!("{}: {octets} octets per idle connection, both sides", kind.name());
        assert!(octets <= 2 * 7_500, "{}: {octets}", kind.name());
    }
}
