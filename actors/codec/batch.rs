//! A batch of datagrams read, the segments of each flow together.

use std::rc::Rc;

use netmart_proto::wire::tcp::{PortedSegment, Segment, parse};
use netmart_proto::wire::{IpHeader, SourceRoute};
use smallvec::SmallVec;

use crate::address::{Address, Flow, LocalAddress, RemoteAddress};
use crate::message::Datagram;

/// The segments of one flow, in their order.
pub(super) type Group = (Flow, SmallVec<[Segment; 1]>);

/// What has been read so far.
pub(super) struct Batch {
    groups: Vec<Group>,
    /// How many datagrams are not read yet.
    left: usize,
    last: Option<Last>,
    /// Whether source routes are looked for.
    accepts_routes: bool,
    /// The way back to those who have come by a source route, in order.
    routes: Vec<(Flow, Rc<SourceRoute>)>,
}

/// What the last segment shows of its flow. The next one mostly shows the same, and comparing flows
/// costs more.
struct Last {
    header: Rc<IpHeader>,
    src_port: u16,
    dst_port: u16,
    group: usize,
}

/// How far back to look for earlier segments of the same flow.
const GROUPS_SEARCHED: usize = 4;

impl Batch {
    /// A batch of so many datagrams; source routes are taken notice of, or not.
    pub(super) fn of(datagrams: usize, accepts_routes: bool) -> Self {
        let routes = Vec::new();
        Self { groups: Vec::new(), left: datagrams, last: None, accepts_routes, routes }
    }

    /// Reads the next datagram; the reason if it is refused.
    pub(super) fn decode(&mut self, datagram: Datagram) -> Result<(), &'static str> {
        let Datagram { header, transport } = datagram;
        self.left = self.left.saturating_sub(1);
        let PortedSegment { src_port, dst_port, segment } = match parse(&header, transport) {
            Ok(ported) => ported,
            Err(error) => return Err(error.fault.name()),
        };
        if src_port == 0 || dst_port == 0 {
            return Err("port_zero");
        }
        let same = |last: &&Last| {
            Rc::ptr_eq(&last.header, &header)
                && (last.src_port, last.dst_port) == (src_port, dst_port)
        };
        if self.accepts_routes
            && let Some(back) = SourceRoute::back(&header)
        {
            self.routes.push((flow_of(&header, src_port, dst_port), Rc::new(back)));
        }
        let group = match self.last.as_ref().filter(same) {
            Some(last) => last.group,
            None => {
                let group = self.group_of(&header, src_port, dst_port);
                self.last = Some(Last { header, src_port, dst_port, group });
                group
            }
        };
        self.groups[group].1.push(segment);
        Ok(())
    }

    /// The place of a flow's group, made if need be.
    fn group_of(&mut self, header: &IpHeader, src_port: u16, dst_port: u16) -> usize {
        let flow = flow_of(header, src_port, dst_port);
        let first = self.groups.len().saturating_sub(GROUPS_SEARCHED);
        if let Some(known) = self.groups[first..].iter().rposition(|group| group.0 == flow) {
            return first + known;
        }
        // The first flow is mostly the only one.
        let room = if self.groups.is_empty() { self.left + 1 } else { 1 };
        self.groups.push((flow, SmallVec::with_capacity(room)));
        self.groups.len() - 1
    }

    /// The ways back that were found.
    pub(super) fn take_routes(&mut self) -> Vec<(Flow, Rc<SourceRoute>)> {
        core::mem::take(&mut self.routes)
    }

    /// The groups, in the order of their first segments.
    pub(super) fn into_groups(self) -> Vec<Group> {
        self.groups
    }
}

fn flow_of(header: &IpHeader, src_port: u16, dst_port: u16) -> Flow {
    Flow {
        local: LocalAddress(Address::new(header.dst, dst_port)),
        remote: RemoteAddress(Address::new(header.src, src_port)),
    }
}
