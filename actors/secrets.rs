//! What a stack keeps to itself, so that nobody outside can guess its way into a connection.

use std::net::SocketAddr;
use std::rc::Rc;

use netmart_proto::tcp::{ChallengeBudget, Ends, FastOpenKey, IsnGenerator, SynCookies};
use rand::Rng;

use crate::address::Flow;

/// The keyed functions of a stack. Codec and dialer share them, and so do those who take their place.
#[derive(Debug)]
pub struct Secrets {
    /// Initial sequence numbers and timestamp offsets.
    pub isn: IsnGenerator,
    /// SYN cookies.
    pub cookies: SynCookies,
    /// Fast Open cookies.
    pub fast_open: FastOpenKey,
    /// How many challenges all connections may send together.
    pub challenges: Rc<ChallengeBudget>,
}

impl Secrets {
    /// Keys drawn from `rng`; about so many `challenges` per second.
    pub fn draw(rng: &mut impl Rng, challenges: u32) -> Self {
        let mut key = || {
            let mut key = [0; 16];
            rng.fill_bytes(&mut key);
            key
        };
        Self {
            isn: IsnGenerator::new(key()),
            cookies: SynCookies::new(key()),
            fast_open: FastOpenKey::new(key()),
            challenges: Rc::new(ChallengeBudget::new(key(), challenges)),
        }
    }

    /// The ends of a connection, and where its timestamp clock begins.
    pub fn ends(&self, flow: Flow) -> Ends {
        let (local, remote) = (SocketAddr::from(flow.local), SocketAddr::from(flow.remote));
        Ends { local, remote, timestamp_offset: self.isn.timestamp_offset(local, remote) }
    }
}
