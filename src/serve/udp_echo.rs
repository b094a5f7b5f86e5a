//! Echo (RFC 862) over UDP: one actor for everybody.

use std::net::{IpAddr, Ipv6Addr};

use netmart::actors::address::{Address, Direction, LocalAddress};
use netmart::actors::message::{UdpDatagram, UdpKey, UdpPattern};
use netmart::bus::{Actor, Context, Delivery, Handler, Spawn};

/// Sends every datagram back to where it came from.
pub(crate) struct UdpEcho;

/// Services that answer whatever they get: two of them would never stop answering each other (CERT advisory
/// CA-1996-01).
const ANSWERING: [u16; 4] = [7, 13, 17, 19];

/// Declares echo on `port`, of IPv4 as well as IPv6.
pub(crate) fn service(port: u16) -> Spawn<UdpEcho> {
    let local = local(port);
    Spawn::new("udp echo", UdpEcho)
        .subscribe::<UdpDatagram>(UdpPattern::any().direction(Direction::Inbound).local(local))
        .provide::<UdpDatagram>(UdpPattern::any().direction(Direction::Outbound).local(local))
}

/// What the service binds to.
pub(crate) const fn local(port: u16) -> LocalAddress {
    LocalAddress(Address::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
}

impl Actor for UdpEcho {}

impl Handler<UdpDatagram> for UdpEcho {
    fn handle(&mut self, datagram: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        let UdpDatagram { key, ip, payload } = datagram.take();
        let port = key.remote.0.port;
        if port != key.local.0.port && !ANSWERING.contains(&port) {
            let key = UdpKey { direction: Direction::Outbound, ..key };
            ctx.send(UdpDatagram { key, ip, payload });
        }
    }
}
