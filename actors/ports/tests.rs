use std::net::{IpAddr, Ipv4Addr};

use netmart_bus::{ActorId, Config, Dataspace, Handle, Ran};

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::address::Address;
use crate::message::{ForAskerPattern, PortsOf};

const TCP: Protocol = Protocol::TCP;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const ALSO_HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn peer(port: u16) -> RemoteAddress {
    RemoteAddress(Address::new(Ipv4Addr::new(10, 0, 0, 9).into(), port))
}

/// Collects the allocator's answers.
struct Asker(Rc<RefCell<Vec<Result<u16, PortError>>>>);

impl Actor for Asker {}

impl Handler<PortReply> for Asker {
    fn handle(&mut self, reply: Delivery<'_, PortReply>, _ctx: &mut Context<'_, Self>) {
        self.0.borrow_mut().push(reply.result);
    }
}

struct Office {
    dataspace: Dataspace,
    answers: Rc<RefCell<Vec<Result<u16, PortError>>>>,
    asker: ActorId,
    now: Time,
}

impl Office {
    fn new(range: RangeInclusive<u16>, seed: u64) -> Self {
        Self::of(PortAllocator::spawn(range, seed))
    }

    fn of(allocator: Spawn<PortAllocator>) -> Self {
        let mut dataspace = Dataspace::new(Config::default());
        dataspace.spawn(allocator);
        let answers = Rc::new(RefCell::new(Vec::new()));
        let asker = dataspace.spawn(
            Spawn::new("asker", Asker(Rc::clone(&answers)))
                .subscribe::<PortReply>(ForAskerPattern::any()),
        );
        Self { dataspace, answers, asker, now: Time::from_micros(0) }
    }

    fn ask(
        &mut self,
        want: Option<u16>,
        ip: Option<IpAddr>,
        remote: Option<RemoteAddress>,
    ) -> Result<u16, PortError> {
        let of = PortsOf { protocol: TCP };
        let request = PortRequest { of, asker: self.asker, want, ip, remote };
        self.dataspace.inject(request).expect("the queue has room");
        assert_eq!(self.dataspace.run(self.now), Ran::Idle);
        self.answers.borrow_mut().pop().expect("every request is answered")
    }

    fn hold(&mut self, port: u16, ip: Option<IpAddr>, remote: Option<RemoteAddress>) -> Handle {
        let port = PortKey { protocol: TCP, port };
        let handle = self.dataspace.assert(PortInUse { port, ip, remote });
        assert_eq!(self.dataspace.run(self.now), Ran::Idle);
        handle
    }
}

#[test]
fn what_others_on_the_machine_hold_is_not_chosen_but_may_be_named() {
    let outside = Rc::new(|key: PortKey| key.port == 5001);
    let mut office = Office::of(PortAllocator::spawn_beside(outside, 5000..=5002, 1));
    assert_eq!(office.ask(None, None, None), Ok(5001));
    assert_eq!(office.ask(None, None, None), Err(PortError::Exhausted));
    assert_eq!(office.ask(Some(5000), None, None), Ok(5000));
}

#[test]
fn lineage_25_an_exhausted_range_is_an_error() {
    let mut office = Office::new(5000..=5002, 1);
    let mut got: Vec<_> = (0..3).map(|_| office.ask(None, None, None)).collect();
    got.sort_by_key(|port| port.ok());
    assert_eq!(got, [Ok(5000), Ok(5001), Ok(5002)]);
    assert_eq!(office.ask(None, None, None), Err(PortError::Exhausted));
}

#[test]
fn lineage_25_a_port_just_handed_out_is_not_forgotten() {
    let mut office = Office::new(5000..=5001, 1);
    let first = office.ask(None, None, None).expect("two are free");
    assert_eq!(office.ask(Some(first), None, None), Err(PortError::InUse));
    // Its holder states the claim: the reservation goes over into the fact, and ends with it.
    let claim = office.hold(first, None, None);
    assert_eq!(office.ask(Some(first), None, None), Err(PortError::InUse));
    drop(claim);
    assert_eq!(office.dataspace.run(office.now), Ran::Idle);
    assert_eq!(office.ask(Some(first), None, None), Ok(first));
}

#[test]
fn a_reservation_nobody_takes_up_lapses() {
    let mut office = Office::new(5000..=5000, 1);
    assert_eq!(office.ask(None, None, None), Ok(5000));
    assert_eq!(office.ask(None, None, None), Err(PortError::Exhausted));
    office.now += RESERVED_FOR;
    assert_eq!(office.ask(None, None, None), Ok(5000));
}

#[test]
fn claims_conflict_unless_a_field_tells_them_apart() {
    let table = [
        // held for (ip, remote)      wanted for (ip, remote)          conflict
        ((None, None), (None, None), true),
        ((None, None), (Some(HERE), None), true),
        ((Some(HERE), None), (None, None), true),
        ((Some(HERE), None), (Some(HERE), None), true),
        ((Some(HERE), None), (Some(ALSO_HERE), None), false),
        ((None, Some(peer(1))), (None, Some(peer(1))), true),
        ((None, Some(peer(1))), (None, Some(peer(2))), false),
        ((None, Some(peer(1))), (None, None), false),
    ];
    for ((held_ip, held_remote), (ip, remote), conflict) in table {
        let mut office = Office::new(5000..=6000, 1);
        let claim = office.hold(5000, held_ip, held_remote);
        let answer = office.ask(Some(5000), ip, remote);
        assert_eq!(
            answer == Err(PortError::InUse),
            conflict,
            "{held_ip:?} {held_remote:?} {ip:?} {remote:?}"
        );
        claim.keep();
    }
}

#[test]
fn the_same_port_serves_different_remote_ends() {
    let mut office = Office::new(5000..=5000, 1);
    assert_eq!(office.ask(None, None, Some(peer(1))), Ok(5000));
    assert_eq!(office.ask(None, None, Some(peer(2))), Ok(5000));
    assert_eq!(office.ask(None, None, Some(peer(1))), Err(PortError::Exhausted));
}

#[test]
fn ports_follow_from_the_seed_and_from_nothing_else() {
    let draw = |seed| {
        let mut office = Office::new(32_768..=65_535, seed);
        (0..16).map(|_| office.ask(None, None, None)).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let mut sorted = draw(7);
    sorted.sort_by_key(|port| port.ok());
    assert_ne!(sorted, draw(7), "consecutive ports could be guessed");
}

#[test]
fn an_empty_range_is_an_error_and_no_panic() {
    let mut office = Office::new(RangeInclusive::new(2, 1), 1);
    assert_eq!(office.ask(None, None, None), Err(PortError::Exhausted));
}
