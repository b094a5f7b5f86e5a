//! Connections over UDP: the actors that drive any wire of [`netmart_proto::wires`].
//!
//! | file | its one job |
//! |---|---|
//! | `codec` | datagrams to and from typed packets; new connections |
//! | `session` | drives the machine of one connection |
//! | `seat` | the port of a session |
//! | `words` | what a session says to its user, and hears |
//! | `writes` | cuts what is written into what the wire takes |
//! | `weather` | loss, delay and the like between a session and the network |
//!
//! Both actors are generic: a wire that is added to the registry needs nothing here.

mod codec;
mod seat;
mod session;
mod weather;
mod words;
mod writes;

use core::time::Duration;
use std::rc::Rc;

use netmart_bus::{Context, Dataspace};
use netmart_proto::wires::{Kind, Visitor, Wire};

pub use self::codec::WireCodec;
pub(crate) use self::codec::unspecified_like;
pub use self::session::WireSession;

use crate::address::{Local, LocalAddress, RemoteAddress};
use crate::census::Census;
use crate::config::Config;
use crate::dialer::Dialer;
use crate::message::WireTerms;
use crate::supervisor::Supervisor;

/// What connections get whose user has no wishes.
fn terms_or_default(terms: Option<&Rc<WireTerms>>) -> Rc<WireTerms> {
    terms.map_or_else(Rc::default, Rc::clone)
}

/// Puts the codec of each wire on a dataspace.
pub(crate) fn enter(
    dataspace: &mut Dataspace,
    supervisor: &mut Supervisor,
    census: &Rc<Census>,
    mut configs: impl FnMut() -> Box<dyn FnMut() -> Config>,
) {
    for &kind in Kind::ALL {
        let (fresh, census) = (configs(), Rc::clone(census));
        kind.visit(Enter { kind, dataspace, supervisor, fresh, census });
    }
}

struct Enter<'a> {
    kind: Kind,
    dataspace: &'a mut Dataspace,
    supervisor: &'a mut Supervisor,
    fresh: Box<dyn FnMut() -> Config>,
    census: Rc<Census>,
}

impl Visitor for Enter<'_> {
    type Output = ();

    fn visit<W: Wire>(self) {
        let Self { kind, dataspace, supervisor, mut fresh, census } = self;
        let make = move || WireCodec::<W>::spawn(kind, &fresh(), Rc::clone(&census));
        supervisor.enter(dataspace, make);
    }
}

/// A connection that the dialer wants to exist.
pub(crate) struct Dial<'a, 'b> {
    pub(crate) kind: Kind,
    /// What its user calls it.
    pub(crate) user: Local,
    pub(crate) remote: RemoteAddress,
    /// The end to dial from.
    pub(crate) from: LocalAddress,
    /// Whether another port would do as well.
    pub(crate) any_port: bool,
    pub(crate) terms: Option<Rc<WireTerms>>,
    /// How long its relay waits for an end.
    pub(crate) patience: Duration,
    pub(crate) seed: u64,
    pub(crate) census: &'a Rc<Census>,
    pub(crate) ctx: &'a mut Context<'b, Dialer>,
}

impl Dial<'_, '_> {
    /// Spawns its session.
    pub(crate) fn spawn(self) {
        self.kind.visit(self);
    }
}

impl Visitor for Dial<'_, '_> {
    type Output = ();

    fn visit<W: Wire>(self) {
        let session = WireSession::<W>::dial(&self, self.ctx.now());
        self.ctx.spawn(session);
    }
}
