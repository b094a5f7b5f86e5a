//! What a trace says of packets: typed, and in a line.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::address::Direction;
use netmart_actors::message::{UdpPattern, WirePacket};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn, Topic};
use netmart_proto::wires::{Kind, Visitor, Wire};

use crate::apps::{client, server, writes};
use crate::common::Cable;
use crate::common::apps::pattern;

type Lines = Rc<RefCell<Vec<String>>>;

/// Looks on, and takes no part.
struct Onlooker(Lines);

impl Actor for Onlooker {}

impl<W: Wire> Handler<WirePacket<W>> for Onlooker {
    fn handle(&mut self, message: Delivery<'_, WirePacket<W>>, _ctx: &mut Context<'_, Self>) {
        let mut line = String::new();
        message.summarize(&mut line).expect("a string takes everything");
        self.0.borrow_mut().push(format!("{} {line}", WirePacket::<W>::NAME));
    }
}

/// Two octets, as the packets that leave the client tell it.
struct Told;

impl Visitor for Told {
    type Output = Vec<String>;

    fn visit<W: Wire>(self) -> Vec<String> {
        let kind = Kind::from_name(W::PROFILE.name).expect("it is registered");
        let mut cable = Cable::new();
        let lines = Lines::default();
        let outbound = UdpPattern::any().direction(Direction::Outbound);
        let onlooker = Spawn::new("onlooker", Onlooker(Rc::clone(&lines)));
        cable.client.dataspace.spawn(onlooker.observe::<WirePacket<W>>(outbound));
        server(&mut cable.server, kind, false);
        cable.run_for(Duration::from_millis(1));
        let (client, _) = client(kind, 1, writes(kind, &pattern(2), 2), Some(0));
        cable.client.dataspace.spawn(client);
        cable.run_for(Duration::from_secs(30));
        lines.take()
    }
}

#[test]
fn packets_are_told_by_flags_numbers_and_sizes() {
    for &kind in Kind::ALL {
        let lines = kind.visit(Told);
        assert!(lines.iter().all(|line| line.len() < 100), "{lines:#?}");
        let (opening, data) = match kind {
            Kind::Faketcp => ("faketcp SYN seq ", " win 1024 length 2"),
            Kind::Cs488 => ("cs488 Syn con 0 seq 42 ack 0 length 0", " seq 43 ack 2 length 2"),
            Kind::Sockettcp => ("sockettcp SYN seq ", " length 2"),
            Kind::Quiq => ("quiq Syn 1; ", "quiq First 3; stream 1 frame 0 length 2"),
        };
        assert!(lines[0].starts_with(opening), "{lines:#?}");
        assert!(lines.iter().any(|line| line.ends_with(data)), "{lines:#?}");
    }
}
