//! The cast of a stack, put on a dataspace.

use std::cell::RefCell;
use std::rc::Rc;

use netmart_bus::{Actor, Dataspace, Spawn};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::census::Census;
use crate::codec::Codec;
use crate::config::Config;
use crate::dialer::Dialer;
use crate::ip::Ip;
use crate::ledger::{Discards, Ledger};
use crate::listener::ListenerMatcher;
use crate::ports::{Outside, PortAllocator};
use crate::secrets::Secrets;
use crate::supervisor::Supervisor;
use crate::udp::Udp;
use crate::wires;

/// A stack's actors on their dataspace.
#[derive(Debug)]
pub struct Cast {
    /// What was discarded so far.
    pub discards: Rc<RefCell<Discards>>,
}

impl Cast {
    /// Spawns every actor of a stack but its [links](crate::link::Link), and one that starts them again when
    /// they crash.
    pub fn enter(dataspace: &mut Dataspace, config: &Config) -> Self {
        let mut fresh = configs(config);
        Self::enter_with(dataspace, config, Rc::new(|_| true), move || Udp::spawn(&fresh()))
    }

    /// Like [`enter`](Self::enter), but datagrams of UDP are carried by what `udp` makes instead of
    /// [`Udp`], and ports that somebody `outside` of the stack holds are not chosen for anybody.
    pub fn enter_with<A: Actor>(
        dataspace: &mut Dataspace,
        config: &Config,
        outside: Outside,
        udp: impl FnMut() -> Spawn<A> + 'static,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let secrets = Rc::new(Secrets::draw(&mut rng, config.challenges));
        let discards = Rc::new(RefCell::new(Discards::new()));
        let mut supervisor = Supervisor::new();
        let book = Rc::clone(&discards);
        supervisor.enter(dataspace, move || Ledger::spawn(Rc::clone(&book)));
        let (ports, mut seeds) = (config.ephemeral_ports.clone(), ChaCha8Rng::from_rng(&mut rng));
        supervisor.enter(dataspace, move || {
            PortAllocator::spawn_beside(Rc::clone(&outside), ports.clone(), seeds.next_u64())
        });
        let mut fresh = configs(config);
        supervisor.enter(dataspace, move || Ip::spawn(&fresh()));
        let census = Rc::new(Census::default());
        let (mut fresh, of_codec, count) =
            (configs(config), Rc::clone(&secrets), Rc::clone(&census));
        supervisor.enter(dataspace, move || {
            Codec::spawn(&fresh(), Rc::clone(&of_codec), Rc::clone(&count))
        });
        supervisor.enter(dataspace, udp);
        wires::enter(dataspace, &mut supervisor, &census, || Box::new(configs(config)));
        let mut fresh = configs(config);
        supervisor.enter(dataspace, move || ListenerMatcher::spawn(&fresh()));
        let mut fresh = configs(config);
        supervisor.enter(dataspace, move || {
            Dialer::spawn(&fresh(), Rc::clone(&secrets), Rc::clone(&census))
        });
        dataspace.spawn(supervisor.spawn());
        Self { discards }
    }
}

/// The settings for an actor and its successors: of what shall be unpredictable none repeats another.
fn configs(config: &Config) -> impl FnMut() -> Config + 'static {
    let mut next = config.clone();
    let mut seeds = ChaCha8Rng::seed_from_u64(config.seed ^ SUCCESSORS);
    move || {
        let config = next.clone();
        next.seed = seeds.next_u64();
        config
    }
}

/// Sets our random numbers apart from others that follow from the same seed.
const SUCCESSORS: u64 = 0x7375_6363_6573_736f;
