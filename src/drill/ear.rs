//! The actors through which the simulated program takes part in channels.
//!
//! They only hold interests and keep what they hear: what the program says is said by the host, for the
//! program is one with it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use netmart_actors::address::{Direction, Listener, Local};
use netmart_actors::end::ChannelEnd;
use netmart_actors::message::{
    Body, Channel, ChannelPattern, Connected, ConnectionKey, ConnectionPattern, PacketsOut,
};
use netmart_actors::message::{OnLinkPattern, Terms};
use netmart_bus::{
    Actor, Change, Context, Dataspace, Delivery, EventId, Handle, Handler, Spawn, Watcher,
};

/// What was heard and nobody has looked at yet.
pub(super) type Heard<T> = Rc<RefCell<VecDeque<T>>>;

/// The user of one connection.
struct Ear(Heard<Body>);

impl Actor for Ear {}

impl Handler<Channel> for Ear {
    fn handle(&mut self, message: Delivery<'_, Channel>, _ctx: &mut Context<'_, Self>) {
        self.0.borrow_mut().push_back(message.take().body);
    }
}

/// A user of `connection`, which makes the dialer dial or claims what a listener has.
pub(super) fn ear(connection: &ConnectionKey, heard: &Heard<Body>) -> Spawn<impl Actor + use<>> {
    let [inbound, outbound] = ChannelEnd::patterns(connection);
    Spawn::new("socket", Ear(Rc::clone(heard)))
        .subscribe::<Channel>(inbound)
        .provide::<Channel>(outbound)
}

/// The user of a listener: it wants connections, and claims none.
struct Door(Heard<Connected>);

impl Actor for Door {}

impl Handler<Channel> for Door {
    fn handle(&mut self, _: Delivery<'_, Channel>, _: &mut Context<'_, Self>) {}
}

impl Watcher<Connected> for Door {
    fn changed(&mut self, change: Change<Connected>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(facts) => self.0.borrow_mut().extend(facts),
            Change::Appeared(fact) => self.0.borrow_mut().push_back(fact),
            Change::Gone(_) => {}
        }
    }
}

/// Wants a listener, and tells of each connection that is made to it.
pub(super) fn door(listener: Listener, heard: &Heard<Connected>) -> Spawn<impl Actor + use<>> {
    let local = Local::Listener(listener);
    Spawn::new("listening socket", Door(Rc::clone(heard)))
        .provide::<Channel>(ChannelPattern::any().direction(Direction::Outbound).local(local))
        .watch::<Connected>(ConnectionPattern::any().local(local))
}

/// Somebody who looks on at all that is told about connections, a party to none.
struct Census(Heard<Channel>);

impl Actor for Census {}

impl Handler<Channel> for Census {
    fn handle(&mut self, message: Delivery<'_, Channel>, _ctx: &mut Context<'_, Self>) {
        let message = message.take();
        if matches!((&message.key.local, &message.body), (Local::Address(_), Body::Info(_))) {
            self.0.borrow_mut().push_back(message);
        }
    }
}

/// Keeps what state vectors answer to inquiries.
pub(super) fn census(heard: &Heard<Channel>) -> Spawn<impl Actor + use<>> {
    let answers = ChannelPattern::any().direction(Direction::Inbound);
    Spawn::new("census", Census(Rc::clone(heard))).observe::<Channel>(answers)
}

/// Remembers which event put each packet on its way to the wire.
struct Causes(Heard<EventId>);

impl Actor for Causes {}

impl Handler<PacketsOut> for Causes {
    fn handle(&mut self, message: Delivery<'_, PacketsOut>, ctx: &mut Context<'_, Self>) {
        let cause = ctx.cause();
        self.0.borrow_mut().extend(message.packets.iter().map(|_| cause));
    }
}

/// Tells, packet by packet, the event that each left with.
pub(super) fn causes(heard: &Heard<EventId>) -> Spawn<impl Actor + use<>> {
    Spawn::new("wire", Causes(Rc::clone(heard))).observe::<PacketsOut>(OnLinkPattern::any())
}

/// States `terms` in place of those stated before.
pub(super) fn state(dataspace: &mut Dataspace, kept: &mut Option<Handle>, terms: Terms) {
    let stated = dataspace.assert(terms);
    *kept = Some(stated);
}
