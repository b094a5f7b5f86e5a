//! The cast of a stack, put on a dataspace.

use std::cell::RefCell;
use std::rc::Rc;

use netmart_bus::Dataspace;
use netmart_proto::tcp::IsnGenerator;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::codec::Codec;
use crate::config::Config;
use crate::dialer::Dialer;
use crate::ip::Ip;
use crate::ledger::{Discards, Ledger};
use crate::listener::ListenerMatcher;
use crate::ports::PortAllocator;
use crate::udp::Udp;

/// A stack's actors on their dataspace.
#[derive(Debug)]
pub struct Cast {
    /// What was discarded so far.
    pub discards: Rc<RefCell<Discards>>,
}

impl Cast {
    /// Spawns every actor of a stack but its [links](crate::link::Link).
    pub fn enter(dataspace: &mut Dataspace, config: &Config) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut key = [0; 16];
        rng.fill_bytes(&mut key);
        let isn = Rc::new(IsnGenerator::new(key));
        let discards = Rc::new(RefCell::new(Discards::new()));
        dataspace.spawn(Ledger::spawn(Rc::clone(&discards)));
        dataspace.spawn(PortAllocator::spawn(config.ephemeral_ports.clone(), rng.next_u64()));
        dataspace.spawn(Ip::spawn(config));
        dataspace.spawn(Codec::spawn(config, Rc::clone(&isn)));
        dataspace.spawn(Udp::spawn(config));
        dataspace.spawn(ListenerMatcher::spawn(config));
        dataspace.spawn(Dialer::spawn(config, isn));
        Self { discards }
    }
}
