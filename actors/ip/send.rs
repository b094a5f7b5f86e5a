//! By which link a packet leaves, and in how many pieces.

use std::net::IpAddr;

use netmart_proto::wire::{ChecksumMode, IpHeader, IpVersion, Packet, Protocol, parse_ip, tcp};
use rand::Rng;

use super::Ip;
use super::fragment::cut;
use super::turn::Turn;
use crate::message::{LinkCapabilities, LinkId};
use crate::route::Path;

impl Ip {
    /// Sends a packet on its way to `destination`, which may be this very stack.
    pub(super) fn send(
        &mut self,
        protocol: Protocol,
        destination: IpAddr,
        mut packet: Packet,
        turn: &mut Turn,
    ) {
        let Some(Path { link, capabilities, .. }) = self.routes.lookup(destination) else {
            return turn.discard("no_route");
        };
        if link == LinkId::LOOPBACK {
            return turn.looped(packet);
        }
        let mtu = self.mtu(protocol, destination, capabilities, turn);
        if let Some(size) = packet.offload.gso_size {
            return self.send_super_segment(packet, size, (link, capabilities), mtu, turn);
        }
        if !capabilities.checksum_offload {
            packet.complete_checksum();
        }
        if packet.len() <= mtu.into() {
            turn.down(link, packet);
        } else {
            self.send_in_pieces(packet, link, mtu, turn);
        }
    }

    /// Sends a packet that stands for segments of `size` payload octets: whole if the device cuts it,
    /// or else cut here, where all above had to deal with one packet instead of dozens.
    fn send_super_segment(
        &mut self,
        packet: Packet,
        size: u16,
        (link, capabilities): (LinkId, LinkCapabilities),
        mtu: u16,
        turn: &mut Turn,
    ) {
        // Each piece gets a head of its own.
        if packet.head.len() + usize::from(size) > mtu.into() {
            return self.too_big(&packet, mtu, turn);
        }
        if packet.body.len() <= capabilities.gso_max as usize {
            return turn.down(link, packet);
        }
        let mode =
            if capabilities.checksum_offload { ChecksumMode::Partial } else { ChecksumMode::Full };
        match tcp::split(&mut self.arena, packet, mode) {
            Some(pieces) => turn.down_all(link, pieces),
            None => turn.discard("cannot_split"),
        }
    }

    /// The largest packet for `destination`. Paths of IPv6 tell theirs, because no router fragments there;
    /// TCP heeds that itself.
    fn mtu(
        &self,
        protocol: Protocol,
        destination: IpAddr,
        capabilities: LinkCapabilities,
        turn: &Turn,
    ) -> u16 {
        if protocol == Protocol::TCP || destination.is_ipv4() {
            return capabilities.mtu;
        }
        self.path_mtus
            .get(&destination, turn.at)
            .map_or(capabilities.mtu, |mtu| mtu.min(capabilities.mtu))
    }

    /// Fragments a packet that may be; of others the sender is told that they are too big.
    fn send_in_pieces(&mut self, mut packet: Packet, link: LinkId, mtu: u16, turn: &mut Turn) {
        let Ok(parsed) = parse_ip(&packet) else { return turn.discard("unreadable") };
        let mut header = parsed.header;
        if !may_fragment(&header) {
            return self.too_big(&packet, mtu, turn);
        }
        // A device completes the checksums of whole datagrams only.
        packet.complete_checksum();
        if header.ident == 0 {
            header.ident = self.fresh_ident(header.version());
        }
        match cut(&mut self.arena, header, packet.narrow(parsed.payload), mtu.into()) {
            Some(pieces) => pieces.into_iter().for_each(|piece| turn.down(link, piece)),
            None => turn.discard("cannot_fragment"),
        }
    }

    /// An identification: 16 bits in IPv4, never 0, which stands for none.
    pub(super) fn fresh_ident(&mut self, version: IpVersion) -> u32 {
        let random = self.idents.next_u32();
        match version {
            IpVersion::V4 => (random >> 16).max(1),
            IpVersion::V6 => random.max(1),
        }
    }
}

/// Whether the sender lets a packet be fragmented here: in IPv4 it says so; in IPv6 the source is the one
/// who may, and only TCP would rather know (RFC 8200 section 5).
fn may_fragment(header: &IpHeader) -> bool {
    match header.version() {
        IpVersion::V4 => !header.dont_fragment,
        IpVersion::V6 => header.protocol != Protocol::TCP,
    }
}
