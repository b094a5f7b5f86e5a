//! The ledger: counts what was thrown away, by place and reason.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use netmart_bus::{Actor, Context, Delivery, Handler, Spawn};

use crate::message::{Discard, DiscardPattern};

/// How often what was discarded where, and why: `(place, reason)`. The reasons are names in the code,
/// so their number is bounded.
pub type Discards = BTreeMap<(&'static str, &'static str), u64>;

/// Adds up every [`Discard`]; whoever holds the other end of `book` reads it between turns.
#[derive(Debug)]
pub struct Ledger {
    book: Rc<RefCell<Discards>>,
}

impl Ledger {
    /// A ledger that writes into `book`.
    pub fn spawn(book: Rc<RefCell<Discards>>) -> Spawn<Self> {
        Spawn::new("ledger", Self { book }).subscribe::<Discard>(DiscardPattern::any())
    }
}

impl Actor for Ledger {}

impl Handler<Discard> for Ledger {
    fn handle(&mut self, message: Delivery<'_, Discard>, _ctx: &mut Context<'_, Self>) {
        let key = (message.why.place, message.why.reason);
        *self.book.borrow_mut().entry(key).or_default() += u64::from(message.count);
    }
}
