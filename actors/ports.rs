//! The port allocator: hands out ports that nobody holds, unpredictably (RFC 6056), and tells when none
//! is left.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;

use netmart_bus::{Actor, Change, Context, Delivery, Handler, Spawn, Time, Watcher};
use netmart_proto::wire::Protocol;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::address::RemoteAddress;
use crate::message::{
    ForAsker, PortError, PortInUse, PortKey, PortPattern, PortReply, PortRequest, PortsOfPattern,
};

/// Knows who holds which port, from the facts that the holders state.
pub struct PortAllocator {
    range: RangeInclusive<u16>,
    outside: Outside,
    rng: ChaCha8Rng,
    held: BTreeMap<(Protocol, u16), Vec<Claim>>,
    /// Ports handed out whose holders have not stated so yet, oldest first.
    reserved: VecDeque<Reservation>,
}

/// Tells whether nobody outside of the stack holds a port: where datagrams go by sockets of the operating
/// system, others have ports, too.
pub type Outside = Rc<dyn Fn(PortKey) -> bool>;

/// For whom a port is taken: a part of the addresses it could be used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    ip: Option<IpAddr>,
    remote: Option<RemoteAddress>,
}

#[derive(Clone, Copy, Debug)]
struct Reservation {
    port: PortKey,
    claim: Claim,
    until: Time,
    /// The choice was left to us, so only whom we told knows the port.
    chosen: bool,
}

impl Claim {
    /// Whether both cannot hold: they leave no field in which they are told apart.
    fn conflicts(&self, other: &Self) -> bool {
        fn apart<T: PartialEq>(ours: Option<T>, theirs: Option<T>) -> bool {
            matches!((ours, theirs), (Some(ours), Some(theirs)) if ours != theirs)
        }
        !apart(self.ip, other.ip) && !apart(self.remote, other.remote)
    }
}

/// How long a port is kept for somebody who has not taken it.
const RESERVED_FOR: Duration = Duration::from_secs(10);

/// The most reservations; the oldest lapses when there is one more.
const MAX_RESERVED: usize = 65_536;

impl PortAllocator {
    /// The allocator that hands out ports of `range`, in an order that follows from `seed`.
    pub fn spawn(range: RangeInclusive<u16>, seed: u64) -> Spawn<Self> {
        Self::spawn_beside(Rc::new(|_| true), range, seed)
    }

    /// Like [`spawn`](Self::spawn), but of the ports that it may choose from it leaves out those that
    /// somebody `outside` holds. Who names the port asks the operating system by binding it.
    pub fn spawn_beside(outside: Outside, range: RangeInclusive<u16>, seed: u64) -> Spawn<Self> {
        let allocator = Self {
            range,
            outside,
            rng: ChaCha8Rng::seed_from_u64(seed),
            held: BTreeMap::new(),
            reserved: VecDeque::new(),
        };
        Spawn::new("port allocator", allocator)
            .subscribe::<PortRequest>(PortsOfPattern::any())
            .watch::<PortInUse>(PortPattern::any())
    }

    fn is_free(&self, port: PortKey, claim: &Claim) -> bool {
        !self.claims_to(port).any(|other| other.conflicts(claim))
    }

    fn claims_to(&self, port: PortKey) -> impl Iterator<Item = &Claim> {
        let held = self.held.get(&(port.protocol, port.port)).into_iter().flatten();
        let reserved = self.reserved.iter().filter(move |kept| kept.port == port);
        held.chain(reserved.map(|kept| &kept.claim))
    }

    /// Whether somebody who names the port may have it. Connections are told apart by their remote ends,
    /// so they do not keep a listener from their port (RFC 9293 section 3.9.1.1, MUST-42).
    fn may_have(&self, port: PortKey, claim: &Claim) -> bool {
        let is_connection =
            |other: &Claim| port.protocol == Protocol::TCP && other.remote.is_some();
        let listens = claim.remote.is_none();
        !self
            .claims_to(port)
            .any(|other| other.conflicts(claim) && !(listens && is_connection(other)))
    }

    /// Simple port randomisation (RFC 6056 section 3.3.1): from a random port upwards, once around.
    fn choose(&mut self, protocol: Protocol, claim: &Claim) -> Result<u16, PortError> {
        let (first, last) = (u32::from(*self.range.start()), u32::from(*self.range.end()));
        let count =
            (last + 1).checked_sub(first).filter(|count| *count > 0).ok_or(PortError::Exhausted)?;
        let start = self.rng.random_range(0..count);
        (0..count)
            .map(|step| (first + (start + step) % count) as u16)
            .find(|port| {
                let port = PortKey { protocol, port: *port };
                self.is_free(port, claim) && (self.outside)(port)
            })
            .ok_or(PortError::Exhausted)
    }

    fn allocate(&mut self, request: &PortRequest, now: Time) -> Result<u16, PortError> {
        while self.reserved.front().is_some_and(|oldest| oldest.until <= now) {
            self.reserved.pop_front();
        }
        let protocol = request.of.protocol;
        let claim = Claim { ip: request.ip, remote: request.remote };
        let port = match request.want {
            Some(port) => {
                let key = PortKey { protocol, port };
                self.take_over(key, claim);
                Some(port).filter(|_| self.may_have(key, &claim)).ok_or(PortError::InUse)?
            }
            None => self.choose(protocol, &claim)?,
        };
        if self.reserved.len() == MAX_RESERVED {
            self.reserved.pop_front();
        }
        let port_key = PortKey { protocol, port };
        let (until, chosen) = (now + RESERVED_FOR, request.want.is_none());
        self.reserved.push_back(Reservation { port: port_key, claim, until, chosen });
        Ok(port)
    }

    /// In UDP who asks for the very port that was chosen for somebody does so on their behalf: a user lets
    /// us choose, and then takes part in the end with that port, which makes udp claim it.
    fn take_over(&mut self, port: PortKey, claim: Claim) {
        if port.protocol == Protocol::UDP {
            self.reserved.retain(|kept| !(kept.chosen && kept.port == port && kept.claim == claim));
        }
    }

    fn taken(&mut self, fact: &PortInUse) {
        let claim = Claim { ip: fact.ip, remote: fact.remote };
        self.held.entry((fact.port.protocol, fact.port.port)).or_default().push(claim);
        let reserved =
            self.reserved.iter().position(|kept| kept.port == fact.port && kept.claim == claim);
        if let Some(index) = reserved {
            self.reserved.remove(index);
        }
    }

    fn released(&mut self, fact: &PortInUse) {
        let claim = Claim { ip: fact.ip, remote: fact.remote };
        let key = (fact.port.protocol, fact.port.port);
        if let Some(claims) = self.held.get_mut(&key) {
            if let Some(index) = claims.iter().position(|held| *held == claim) {
                claims.swap_remove(index);
            }
            if claims.is_empty() {
                self.held.remove(&key);
            }
        }
    }
}

impl Actor for PortAllocator {}

impl Handler<PortRequest> for PortAllocator {
    fn handle(&mut self, request: Delivery<'_, PortRequest>, ctx: &mut Context<'_, Self>) {
        let result = self.allocate(&request, ctx.now());
        let (to, remote) = (ForAsker { asker: request.asker }, request.remote);
        ctx.send(PortReply { to, remote, result });
    }
}

impl Watcher<PortInUse> for PortAllocator {
    fn changed(&mut self, change: Change<PortInUse>, _ctx: &mut Context<'_, Self>) {
        match change {
            Change::Snapshot(facts) => facts.iter().for_each(|fact| self.taken(fact)),
            Change::Appeared(fact) => self.taken(&fact),
            Change::Gone(fact) => self.released(&fact),
        }
    }
}

#[cfg(test)]
mod tests;
